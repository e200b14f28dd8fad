"""Sliding windows as Keras describes them, in the pivot's terms.

`padding="same"` places the windows so that their number is the size divided by the stride, rounded up, with the odd
element of padding after the data; how much that is depends on the size. A transposed convolution is the gradient of
a convolution, so its crop is the padding of that convolution on the result's size.
"""

from __future__ import annotations

from typing import Any

from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import floordiv, maximum
from netglot.pivot.op import shape_of
from netglot.pivot.windows import reach


def channel_axis_of(rank: int, data_format: str | None) -> int:
    """The axis of the channels; Keras's own default is last."""
    return 1 if _format(data_format) == "channels_first" else rank - 1


def spatial_axes_of(rank: int, data_format: str | None) -> tuple[int, ...]:
    """The axes that windows slide along."""
    channel = channel_axis_of(rank, data_format)
    return tuple(axis for axis in range(1, rank) if axis != channel)


def _format(data_format: str | None) -> str:
    if data_format is None:
        import keras

        return keras.config.image_data_format()
    return data_format


def each(value: Any, count: int) -> tuple:
    """One entry for each spatial axis."""
    return (value,) * count if isinstance(value, int) else tuple(value)


def same_padding(size: Any, kernel: int, stride: int, dilation: int = 1) -> tuple:
    """What "same" adds before and after an axis of this size."""
    covered = reach(kernel, dilation)
    if stride == 1:
        total = covered - 1
    elif isinstance(size, int):
        total = max((-(-size // stride) - 1) * stride + covered - size, 0)
    else:
        total = maximum((floordiv(size + stride - 1, stride) - 1) * stride + covered - size, 0)
    before = floordiv(total, 2)
    return before, total - before


def paddings(x: Any, axes: tuple[int, ...], kernel, stride, dilation, padding: str) -> tuple:
    """The padding of each spatial axis for Keras's word.

    Raises:
        Refusal: there is no such word.
    """
    windows = zip(axes, kernel, stride, dilation, strict=True)
    if padding == "valid":
        return ((0, 0),) * len(axes)
    if padding == "same":
        return tuple(same_padding(shape_of(x)[axis], k, s, d) for axis, k, s, d in windows)
    if padding == "causal":
        return tuple((reach(k, d) - 1, 0) for _, k, _, d in windows)
    raise Refusal(notimpl(f"padding={padding!r}"))


def conv(x, kernel, bias, strides, padding, data_format, dilation_rate, *, depthwise: bool = False) -> Any:
    """A convolution with Keras's kernel `(k..., in, out)`, or `(k..., in, multiplier)` for a depthwise one."""
    rank = len(shape_of(x))
    count = rank - 2
    axis, axes = channel_axis_of(rank, data_format), spatial_axes_of(rank, data_format)
    size, stride, dilation = shape_of(kernel)[:count], each(strides, count), each(dilation_rate, count)
    channels = shape_of(x)[axis]
    spatial = tuple(range(count))
    if depthwise:
        multiplier = shape_of(kernel)[-1]
        weight = ops.Permute(kernel, (count, count + 1, *spatial))
        weight, groups = ops.Reshape(weight, (channels * multiplier, 1, *size)), channels
    else:
        weight = ops.Permute(kernel, (count + 1, count, *spatial))
        groups = channels // shape_of(kernel)[-2]
    pads = paddings(x, axes, size, stride, dilation, padding)
    return ops.Conv(x, weight, bias, stride, pads, dilation, groups, axis)


def conv_transpose(x, kernel, bias, strides, padding, output_padding, data_format, dilation_rate) -> Any:
    """A transposed convolution with Keras's kernel `(k..., out, in)`."""
    rank = len(shape_of(x))
    count = rank - 2
    axis, axes = channel_axis_of(rank, data_format), spatial_axes_of(rank, data_format)
    size, stride, dilation = shape_of(kernel)[:count], each(strides, count), each(dilation_rate, count)
    extra = (None,) * count if output_padding is None else each(output_padding, count)
    weight = ops.Permute(kernel, (count + 1, count, *range(count)))
    pads, more = [], []
    for place, k, s, d, given in zip(axes, size, stride, dilation, extra, strict=True):
        wanted = _length(shape_of(x)[place], k, s, d, padding, given)
        full = (shape_of(x)[place] - 1) * s + reach(k, d)
        before = same_padding(wanted, k, s, d)[0] if padding == "same" else 0
        after = full - before - wanted
        if not isinstance(before, int) or not isinstance(after, int):
            raise Refusal(notimpl("a transposed convolution whose crop depends on a size that is not known"))
        pads.append((before, max(after, 0)))
        more.append(max(-after, 0))
    return ops.ConvTranspose(x, weight, bias, stride, tuple(pads), tuple(more), dilation, 1, axis)


def _length(size: Any, kernel: int, stride: int, dilation: int, padding: str, extra: int | None) -> Any:
    """The size of the result along one axis."""
    covered = reach(kernel, dilation)
    if extra is None:
        return size * stride if padding == "same" else size * stride + max(covered - stride, 0)
    crop = covered // 2 if padding == "same" else 0
    return (size - 1) * stride + covered - 2 * crop + extra


def pool(op, x, pool_size, strides, padding, data_format) -> Any:
    """A maximum or a mean over windows; padding never counts."""
    rank = len(shape_of(x))
    axes = spatial_axes_of(rank, data_format)
    kernel = each(pool_size, len(axes))
    stride = kernel if strides is None else each(strides, len(axes))
    pads = paddings(x, axes, kernel, stride, (1,) * len(axes), padding)
    if op is ops.MaxPool:
        return ops.MaxPool(x, kernel, stride, pads, (1,) * len(axes), False, axes)
    return ops.AvgPool(x, kernel, stride, pads, False, False, None, axes)
