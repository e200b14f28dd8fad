"""Layers that move elements about, where their own call does not say it best."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import moved, per_axis, rank
from netglot.dialects.keras.functions.image import resized
from netglot.dialects.keras.functions.shape import reshaped
from netglot.dialects.keras.functions.windows import each, spatial_axes_of
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import shape_of


@keras.reads("layers.Flatten")
def flatten(layer, inputs):
    """All axes but the batch's; channels that stand in front go last first."""
    if layer.data_format == "channels_first" and rank(inputs) > 2:
        inputs = moved(inputs, 1, rank(inputs) - 1)
    shape = shape_of(inputs)
    return ops.Reshape(inputs, (shape[0], product(shape[1:])))


@keras.reads("layers.Reshape")
def reshape(layer, inputs):
    return reshaped(inputs, (shape_of(inputs)[0], *layer.target_shape))


@keras.reads("layers.Permute")
def permute(layer, inputs):
    return ops.Permute(inputs, (0, *layer.dims))


@keras.reads("layers.RepeatVector")
def repeat_vector(layer, inputs):
    batch, features = shape_of(inputs)
    return ops.Repeat(ops.Reshape(inputs, (batch, 1, features)), layer.n, 1)


def _pairs(given, count: int) -> list[tuple[int, int]]:
    if count == 1 and all(isinstance(one, int) for one in given):
        return [tuple(given)]
    return [tuple(pair) for pair in given]


@keras.reads("layers.Cropping1D", "layers.Cropping2D", "layers.Cropping3D")
def cropping(layer, inputs):
    axes = spatial_axes_of(rank(inputs), getattr(layer.live, "data_format", "channels_last"))
    for axis, (before, after) in zip(axes, _pairs(layer.cropping, len(axes)), strict=True):
        if before or after:
            inputs = ops.Slice(inputs, axis, before, shape_of(inputs)[axis] - after, 1)
    return inputs


@keras.reads("layers.ZeroPadding1D", "layers.ZeroPadding2D", "layers.ZeroPadding3D")
def zero_padding(layer, inputs):
    axes = spatial_axes_of(rank(inputs), layer.data_format)
    before, after = zip(*_pairs(layer.padding, len(axes)), strict=True)
    return ops.Pad(
        inputs,
        per_axis(inputs, dict(zip(axes, before, strict=True))),
        per_axis(inputs, dict(zip(axes, after, strict=True))),
        "constant",
        0.0,
    )


@keras.reads("layers.UpSampling1D", "layers.UpSampling2D", "layers.UpSampling3D")
def up_sampling(layer, inputs):
    """Each element becomes several, or the image is interpolated to the larger size."""
    axes = spatial_axes_of(rank(inputs), getattr(layer.live, "data_format", "channels_last"))
    factors = each(layer.size, len(axes))
    size = tuple(shape_of(inputs)[axis] * factor for axis, factor in zip(axes, factors, strict=True))
    mode = getattr(layer.live, "interpolation", "nearest")
    if mode == "nearest":
        return ops.Resize(inputs, size, None, "nearest", False, False, axes)
    return resized(inputs, size, mode, False, axes)
