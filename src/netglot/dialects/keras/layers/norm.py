"""Normalisation with statistics of the batch; the other kinds are entered or use one function."""

from __future__ import annotations

from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axes_of, axis_of
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import type_of


def in_precision(x: Any, weights: tuple, compute) -> Any:
    """`compute(x)` in the dtype of the weights, which mixed precision keeps wide."""
    wide = next((type_of(w).dtype for w in weights if w is not None), type_of(x).dtype)
    narrow = type_of(x).dtype
    if wide == narrow:
        return compute(x)
    return ops.Cast(compute(ops.Cast(x, wide)), narrow)


@keras.reads("layers.BatchNormalization")
def batch_normalization(layer, inputs, training=None, mask=None):
    """Keras's momentum is the weight of the old statistics, and the variance that it keeps is the biased one."""
    axis = axis_of(inputs, layer.axis)
    if layer.renorm if hasattr(layer.live, "renorm") else False:
        raise Refusal(notimpl("batch renormalisation"))
    if training is False or not layer.trainable:
        layer.note(f"{layer.path} keeps its statistics in training, because it is frozen or called with training=False")
    if mask is not None:
        layer.note(f"{layer.path} leaves masked steps out of its statistics in training; the pivot's op does not")
    mean, variance = (None, None) if training is True else (layer.moving_mean, layer.moving_variance)
    weights = layer.gamma, layer.beta

    def compute(x):
        return ops.BatchNorm(
            x, *weights, mean, variance, float(layer.epsilon), round(1 - layer.momentum, 12), False, axis
        )

    return in_precision(inputs, (*weights, layer.moving_mean), compute)


@keras.reads("layers.LayerNormalization")
def layer_normalization(layer, inputs):
    if getattr(layer.live, "rms_scaling", False):
        raise Refusal(notimpl("rms_scaling=True, which divides by the deviation and does not centre"))
    axes = axes_of(inputs, layer.axis)
    weights = layer.gamma, layer.beta
    return in_precision(inputs, weights, lambda x: ops.LayerNorm(x, *weights, float(layer.epsilon), axes))


@keras.reads("layers.RMSNormalization")
def rms_normalization(layer, x):
    axes = axes_of(x, layer.axis)
    return in_precision(x, (layer.scale,), lambda y: ops.RmsNorm(y, layer.scale, float(layer.epsilon), axes))


@keras.reads("layers.GroupNormalization")
def group_normalization(layer, inputs):
    axis = axis_of(inputs, layer.axis)
    weights = layer.gamma, layer.beta
    return in_precision(inputs, weights, lambda x: ops.GroupNorm(x, *weights, layer.groups, float(layer.epsilon), axis))


@keras.reads("layers.UnitNormalization")
def unit_normalization(layer, inputs):
    axes = axes_of(inputs, layer.axis)
    if len(axes) == 1:
        return ops.Normalize(inputs, 2.0, axes[0], 1e-12)
    norm = ops.Norm(inputs, axes, True, 2.0)
    return ops.Divide(inputs, ops.Maximum(norm, 1e-12))


@keras.reads("layers.SpectralNormalization")
def spectral_normalization(layer, inputs):
    layer.note(f"{layer.path} divides its weights by their spectral norm before each training step; that is left out")
    return layer.apply(layer.layer, inputs)
