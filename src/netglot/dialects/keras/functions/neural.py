"""Functions of `keras.ops` for networks: convolution, pooling, normalisation, attention."""

from __future__ import annotations

from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axes_of, axis_of, per_axis, rank, truth
from netglot.dialects.keras.functions.windows import conv, conv_transpose, pool
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import shape_of, type_of

LARGE = {"float16": -0.7 * 65504.0, "bfloat16": -0.7 * 3.3895313892515355e38, "float32": -0.7 * 3.4028234663852886e38}
"""What stands for minus infinity where Keras masks attention: absorbs every logit, and overflows nowhere."""

EPSILON = 1e-7
"""What Keras adds before it divides, where a function is given no other number (`keras.config.epsilon`)."""


@keras.reads("ops.conv")
def conv_(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    return conv(inputs, kernel, None, strides, padding, data_format, dilation_rate)


@keras.reads("ops.depthwise_conv")
def depthwise_conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    return conv(inputs, kernel, None, strides, padding, data_format, dilation_rate, depthwise=True)


@keras.reads("ops.separable_conv")
def separable_conv(
    inputs, depthwise_kernel, pointwise_kernel, strides=1, padding="valid", data_format=None, dilation_rate=1
):
    inner = conv(inputs, depthwise_kernel, None, strides, padding, data_format, dilation_rate, depthwise=True)
    return conv(inner, pointwise_kernel, None, 1, "valid", data_format, 1)


@keras.reads("ops.conv_transpose")
def conv_transpose_(inputs, kernel, strides=1, padding="valid", output_padding=None, data_format=None, dilation_rate=1):
    return conv_transpose(inputs, kernel, None, strides, padding, output_padding, data_format, dilation_rate)


@keras.reads("ops.max_pool")
def max_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    return pool(ops.MaxPool, inputs, pool_size, strides, padding, data_format)


@keras.reads("ops.average_pool")
def average_pool(inputs, pool_size, strides=None, padding="valid", data_format=None):
    return pool(ops.AvgPool, inputs, pool_size, strides, padding, data_format)


@keras.reads("ops.batch_normalization")
def batch_normalization(x, mean, variance, axis, offset=None, scale=None, epsilon=0.001):
    axis = axis_of(x, axis)
    return ops.BatchNorm(x, scale, offset, mean, variance, epsilon, 0.0, False, axis)


@keras.reads("ops.layer_normalization")
def layer_normalization(x, gamma=None, beta=None, axis=-1, epsilon=None, rms_scaling=False):
    """`axis` may be a list, which Keras reads as the span from its first to its last axis."""
    if rms_scaling:
        raise Refusal(notimpl("rms_scaling=True, which divides by the deviation and does not centre"))
    axes = axes_of(x, axis)
    epsilon = EPSILON if epsilon is None else epsilon
    sizes = tuple(shape_of(x)[axis] for axis in axes)
    if all(weight is None or shape_of(weight) == sizes for weight in (gamma, beta)):
        return ops.LayerNorm(x, gamma, beta, epsilon, axes)
    y: Any = ops.LayerNorm(x, None, None, epsilon, axes)
    y = y if gamma is None else ops.Multiply(y, _broadcast(gamma, x, axes))
    return y if beta is None else ops.Add(y, _broadcast(beta, x, axes))


def _broadcast(weight, x, axes):
    if rank(weight) == rank(x):
        return weight
    return ops.Reshape(weight, per_axis(x, {axis: shape_of(x)[axis] for axis in axes}, 1))


@keras.reads("ops.rms_normalization")
def rms_normalization(x, scale=None, axis=-1, epsilon=None):
    axes = axes_of(x, axis)
    epsilon = EPSILON if epsilon is None else epsilon
    if scale is None or (shape_of(scale) == tuple(shape_of(x)[a] for a in axes)):
        return ops.RmsNorm(x, scale, epsilon, axes)
    return ops.Multiply(ops.RmsNorm(x, None, epsilon, axes), scale)


@keras.reads("ops.dot_product_attention")
def dot_product_attention(
    query, key, value, bias=None, mask=None, scale=None, is_causal=False, flash_attention=None,
    attn_logits_soft_cap=None,
):  # fmt: skip
    if attn_logits_soft_cap is not None:
        raise Refusal(notimpl("a soft cap on the logits of attention"))
    heads, kept = shape_of(query)[2], shape_of(key)[2]
    if kept != heads and kept != 1 and heads % kept:
        raise Refusal(notimpl("heads that do not share keys evenly"))
    if mask is not None and len(shape_of(mask)) == 4 and shape_of(mask)[-1] == 1:  # queries see all keys or none
        query, mask = seen_from(query, ops.Permute(mask, (0, 2, 1, 3))), None
    added = None if mask is None else additive_mask(mask, type_of(query).dtype)
    if bias is not None:
        added = bias if added is None else ops.Add(bias, added)
    scale = shape_of(key)[-1] ** -0.5 if scale is None else scale
    return ops.Attention(query, key, value, added, scale, bool(is_causal), 0.0, 2)


def seen_from(query: Any, mask: Any) -> Any:
    """The query with zeros where it sees no key: there it attends to all alike, and has no part in the gradient."""
    return ops.Where(truth(mask), query, 0.0)


def additive_mask(mask: Any, dtype: str) -> Any:
    """A mask of truth values as numbers to add, so that a query that may see no key attends to all keys alike."""
    if type_of(mask).dtype != "bool":
        mask = ops.Cast(mask, "bool")
    low = LARGE.get(dtype, LARGE["float32"])
    return ops.Where(mask, ops.Full((), 0.0, dtype), low)


@keras.reads("ops.unfold")
def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    return ops.Unfold(x, *(_pair(one) for one in (kernel_size, stride, padding, dilation)))


@keras.reads("ops.fold")
def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    return ops.Fold(x, *(_pair(one) for one in (output_size, kernel_size, stride, padding, dilation)))


def _pair(one: Any) -> tuple:
    return (one, one) if isinstance(one, int) else tuple(one)


@keras.reads("ops.adaptive_average_pool")
def adaptive_average_pool(inputs, output_size, data_format=None):
    return adaptive(ops.AdaptiveAvgPool, inputs, output_size, data_format)


@keras.reads("ops.adaptive_max_pool")
def adaptive_max_pool(inputs, output_size, data_format=None):
    return adaptive(ops.AdaptiveMaxPool, inputs, output_size, data_format)


def adaptive(op, x, output_size, data_format):
    """Adaptive pooling as Keras does it, over the spatial axes.

    Keras's windows are those of the pivot only where sizes divide, or where each axis has two lengths of window.
    """
    from netglot.dialects.keras.functions.windows import spatial_axes_of

    axes = spatial_axes_of(rank(x), data_format)
    sizes = (output_size,) * len(axes) if isinstance(output_size, int) else tuple(output_size)
    sizes = tuple(shape_of(x)[a] if s is None else s for a, s in zip(axes, sizes, strict=True))
    return op(x, sizes, axes)


_PRODUCT = product
