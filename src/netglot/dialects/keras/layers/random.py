"""Layers that act in training only."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import rank
from netglot.dialects.keras.functions.windows import channel_axis_of
from netglot.pivot import ops


def _noise_axes(layer, x) -> tuple[int, ...]:
    """The axes along which the layer decides anew."""
    shape = getattr(layer.live, "noise_shape", None)
    if shape is None:
        return tuple(range(rank(x)))
    return tuple(axis for axis, size in enumerate(shape) if size != 1)


@keras.reads("layers.Dropout")
def dropout(layer, inputs):
    return ops.Dropout(inputs, float(layer.rate), _noise_axes(layer, inputs))


@keras.reads("layers.SpatialDropout1D", "layers.SpatialDropout2D", "layers.SpatialDropout3D")
def spatial_dropout(layer, inputs):
    channel = channel_axis_of(rank(inputs), getattr(layer.live, "data_format", "channels_last"))
    return ops.Dropout(inputs, float(layer.rate), (0, channel))


@keras.reads("layers.AlphaDropout")
def alpha_dropout(layer, inputs):
    return ops.AlphaDropout(inputs, float(layer.rate), _noise_axes(layer, inputs))


@keras.reads("layers.GaussianNoise", "layers.GaussianDropout")
def gaussian(layer, inputs):
    layer.note(f"{layer.path} ({type(layer.live).__name__}) draws noise in training, which is left out")
    return inputs


@keras.reads("layers.ActivityRegularization")
def activity_regularization(layer, inputs):
    layer.note(f"{layer.path} adds a loss on its input in training, which is left out")
    return inputs


@keras.reads("layers.Identity")
def identity(layer, inputs):
    return inputs
