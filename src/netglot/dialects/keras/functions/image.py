"""Images in `keras.ops.image`: resizing, cropping, padding, colours."""

from __future__ import annotations

from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions import windows
from netglot.dialects.keras.functions.axes import per_axis, rank
from netglot.dialects.keras.functions.windows import _format
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of
from netglot.pivot.windows import reach

_MODES = {"nearest": "nearest-exact", "bilinear": "linear", "bicubic": "cubic"}


def _spatial(x: Any, data_format: str | None) -> tuple[int, int]:
    first = _format(data_format) == "channels_first"
    return (rank(x) - 2, rank(x) - 1) if first else (rank(x) - 3, rank(x) - 2)


@keras.reads("ops.image.resize")
def resize(
    images, size, interpolation="bilinear", antialias=False, crop_to_aspect_ratio=False, pad_to_aspect_ratio=False,
    fill_mode="constant", fill_value=0.0, data_format=None,
):  # fmt: skip
    axes = _spatial(images, data_format)
    if crop_to_aspect_ratio:
        images = _cropped_to_ratio(images, size, axes)
    if pad_to_aspect_ratio:
        images = _padded_to_ratio(images, size, axes, fill_value)
    return resized(images, tuple(size), interpolation, antialias, axes)


def resized(x, size, interpolation, antialias, axes):
    """`x` with new sizes along `axes`, as `tf.image.resize` makes them."""
    if interpolation not in _MODES:
        raise Refusal(notimpl(f"the interpolation {interpolation!r}", f"the pivot has {', '.join(_MODES)}"))
    if interpolation == "bicubic" and not antialias:
        # the pivot's plain cubic has another coefficient than TensorFlow's; with antialias they agree, and where an
        # image grows antialias changes nothing
        old = [shape_of(x)[axis] for axis in axes]
        if not all(isinstance(o, int) and o <= n for o, n in zip(old, size, strict=True)):
            raise Refusal(notimpl("bicubic interpolation that makes an image smaller, without antialias"))
        antialias = True
    dtype = type_of(x).dtype
    plain = not dtype.startswith("float") and interpolation != "nearest"
    y = ops.Resize(
        ops.Cast(x, "float32") if plain else x, size, None, _MODES[interpolation], False,
        bool(antialias) and interpolation != "nearest", axes,
    )  # fmt: skip
    return ops.Cast(y, dtype) if plain else y


def _known(x, axes) -> list[int]:
    sizes = [shape_of(x)[axis] for axis in axes]
    if not all(isinstance(size, int) for size in sizes):
        raise Refusal(notimpl("keeping the ratio of an image whose size is not known"))
    return sizes  # type: ignore[return-value]


def _cropped_to_ratio(x, size, axes):
    import numpy as np

    height, width = _known(x, axes)
    new_height = max(min(height, int(np.float32(width * size[0]) / np.float32(size[1]))), 1)
    new_width = max(min(width, int(np.float32(height * size[1]) / np.float32(size[0]))), 1)
    for axis, old, new in ((axes[0], height, new_height), (axes[1], width, new_width)):
        start = int((old - new) / 2)
        x = x if new == old else ops.Slice(x, axis, start, start + new, 1)
    return x


def _padded_to_ratio(x, size, axes, value):
    import numpy as np

    height, width = _known(x, axes)
    new_height = max(height, int(np.float32(width * size[0]) / np.float32(size[1])))
    new_width = max(width, int(np.float32(height * size[1]) / np.float32(size[0])))
    starts = int((new_height - height) / 2), int((new_width - width) / 2)
    before = per_axis(x, dict(zip(axes, starts, strict=True)))
    # Keras pads alike on both sides
    return ops.Pad(x, before, before, "constant", value) if any(starts) else x


@keras.reads("ops.image.crop_images")
def crop_images(
    images, top_cropping=None, left_cropping=None, bottom_cropping=None, right_cropping=None, target_height=None,
    target_width=None, data_format=None,
):  # fmt: skip
    axes = _spatial(images, data_format)
    given = ((top_cropping, bottom_cropping, target_height), (left_cropping, right_cropping, target_width))
    for axis, (before, after, target) in zip(axes, given, strict=True):
        size = shape_of(images)[axis]
        before = size - target - after if before is None else before
        after = size - target - before if after is None else after
        images = ops.Slice(images, axis, before, size - after, 1)
    return images


@keras.reads("ops.image.pad_images")
def pad_images(
    images, top_padding=None, left_padding=None, bottom_padding=None, right_padding=None, target_height=None,
    target_width=None, data_format=None,
):  # fmt: skip
    axes = _spatial(images, data_format)
    given = ((top_padding, bottom_padding, target_height), (left_padding, right_padding, target_width))
    before, after = {}, {}
    for axis, (front, back, target) in zip(axes, given, strict=True):
        size = shape_of(images)[axis]
        before[axis] = target - size - back if front is None else front
        after[axis] = target - size - before[axis] if back is None else back
    return ops.Pad(images, per_axis(images, before), per_axis(images, after), "constant", 0.0)


@keras.reads("ops.image.rgb_to_grayscale")
def rgb_to_grayscale(images, data_format=None):
    axis = rank(images) - (3 if _format(data_format) == "channels_first" else 1)
    red, green, blue = (ops.Slice(images, axis, i, i + 1, 1) for i in range(3))
    weighed = [ops.Multiply(c, w) for c, w in ((red, 0.2989), (green, 0.587), (blue, 0.114))]
    return ops.Add(ops.Add(weighed[0], weighed[1]), weighed[2])


@keras.reads("ops.image.extract_patches")
def extract_patches(images, size, strides=None, dilation_rate=1, padding="valid", data_format=None):
    if _format(data_format) == "channels_first" or rank(images) != 4:
        raise Refusal(notimpl("patches with the channels in front"))
    size = windows.each(size, 2)
    return patches(images, size, windows.each(strides, 2) if strides else size, windows.each(dilation_rate, 2), padding)


def patches(images, size, strides, dilation, padding: str):
    """Patches side by side along the last axis: rows, columns, then channels."""
    pads = windows.paddings(images, (1, 2), size, strides, dilation, padding)
    seen, batch, channels = images, shape_of(images)[0], shape_of(images)[3]
    if any(pad != (0, 0) for pad in pads):
        before, after = ((0, *(pad[side] for pad in pads), 0) for side in (0, 1))
        seen = ops.Pad(seen, before, after, "constant", 0.0)
    for place, (count, stride, rate) in enumerate(zip(size, strides, dilation, strict=True)):
        seen = ops.SlidingWindow(seen, 1 + place, reach(count, rate), stride)
        if rate > 1:
            seen = ops.Slice(seen, 4 + place, 0, shape_of(seen)[4 + place], rate)
    rows, columns = shape_of(seen)[1], shape_of(seen)[2]
    ordered = ops.Permute(seen, (0, 1, 2, 4, 5, 3))
    return ops.Reshape(ordered, (batch, rows, columns, size[0] * size[1] * channels))
