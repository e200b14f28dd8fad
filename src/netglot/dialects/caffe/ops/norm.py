"""Normalisation, and the scaling that stands behind it."""

from __future__ import annotations

import numpy as np

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.words import axis_of, choice
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of


@caffe.reads("BatchNorm")
def batch_norm(layer, x):
    options = layer.options("batch_norm_param")
    epsilon = options.number("eps", 1e-5)
    fraction = options.number("moving_average_fraction", 0.999)
    channels = shape_of(x)[1] if len(shape_of(x)) > 1 else 1
    if "use_global_stats" in options and not options.flag("use_global_stats"):
        return ops.BatchNorm(x, None, None, None, None, epsilon, None, False, 1)

    def factor():
        value = np.asarray(layer.blob(2).load(), "float32").reshape(-1)
        return value[0] if value.size and value[0] != 0 else np.float32(np.inf)

    counted = layer.blobs is not None and len(layer.blobs) > 2
    held = dict(kind="buffer", scale=factor if counted else None)
    mean = layer.weight(0, "running_mean", (channels,), **held)
    variance = layer.weight(1, "running_var", (channels,), **held)
    scale = offset = None
    if options.flag("scale_bias"):
        scale, offset = layer.weight(3, "weight", (channels,)), layer.weight(4, "bias", (channels,))
    return ops.BatchNorm(x, scale, offset, mean, variance, epsilon, round(1 - fraction, 9), True, 1)


@caffe.reads("BN")
def bn(layer, x):
    channels = shape_of(x)[1]
    scale, shift = layer.weight(0, "weight", (channels,)), layer.weight(1, "bias", (channels,))
    if layer.blobs is not None and len(layer.blobs) >= 4:
        mean = layer.weight(2, "running_mean", (channels,), kind="buffer")
        variance = layer.weight(3, "running_var", (channels,), kind="buffer")
        return ops.BatchNorm(
            x, scale, shift, mean, variance, layer.options("bn_param").number("eps", 1e-5), 0.1, True, 1
        )
    broad = (1, channels, *[1] * (len(shape_of(x)) - 2))
    return ops.Add(ops.Multiply(x, ops.Reshape(scale, broad)), ops.Reshape(shift, broad))


def _placed(vector, shape, axis):
    """A vector as it broadcasts against a tensor of this shape, from `axis` on."""
    sizes = shape_of(vector)
    if not sizes:
        return vector
    return ops.Reshape(vector, (*[1] * axis, *sizes, *[1] * (len(shape) - axis - len(sizes))))


@caffe.reads("Scale")
def scale(layer, x, factor=None):
    options = layer.options("scale_param")
    shape = shape_of(x)
    axis = axis_of(options, len(shape))
    if factor is None:
        count = options.integer("num_axes", 1)
        sizes = shape[axis:] if count == -1 else shape[axis : axis + count]
        factor, bias_at = layer.weight(0, "weight", tuple(sizes)), 1
    else:
        sizes, bias_at = shape_of(factor), 0
    y = ops.Multiply(x, _placed(factor, shape, axis))
    if not options.flag("bias_term"):
        return y
    return ops.Add(y, _placed(layer.weight(bias_at, "bias", tuple(sizes)), shape, axis))


@caffe.reads("Axpy")
def axpy(layer, factor, x, y):
    """A picture times one number for each channel, and another picture added: the layer of squeeze-and-excitation."""
    shape = shape_of(x)
    factor = ops.Reshape(factor, (*shape[:2], *[1] * (len(shape) - 2)))
    return ops.Add(ops.Multiply(x, factor), y)


@caffe.reads("Bias")
def bias(layer, x, offset=None):
    options = layer.options("bias_param")
    shape = shape_of(x)
    axis = axis_of(options, len(shape))
    if offset is None:
        count = options.integer("num_axes", 1)
        offset = layer.weight(0, "bias", tuple(shape[axis:] if count == -1 else shape[axis : axis + count]))
    return ops.Add(x, _placed(offset, shape, axis))


@caffe.reads("LRN")
def lrn(layer, x):
    options = layer.options("lrn_param")
    size = options.integer("local_size", 5)
    alpha, beta, k = options.number("alpha", 1.0), options.number("beta", 0.75), options.number("k", 1.0)
    if size < 1 or size % 2 == 0:
        raise InputError(f"layer {layer.spec.name}: local_size is {size} and must be odd")
    if choice(options, "norm_region", ("ACROSS_CHANNELS", "WITHIN_CHANNEL"), "ACROSS_CHANNELS") == "ACROSS_CHANNELS":
        return ops.LocalResponseNorm(x, size, alpha, beta, k, 1)
    side = ((size - 1) // 2,) * 2
    mean = ops.AvgPool(ops.Square(x), (size, size), (1, 1), (side, side), False, True, None, (2, 3))
    return ops.Multiply(x, ops.Power(ops.Add(ops.Multiply(mean, alpha), 1.0), -beta))


@caffe.reads("MVN")
def mvn(layer, x):
    options = layer.options("mvn_param")
    rank = len(shape_of(x))
    axes = tuple(range(1 if options.flag("across_channels") else 2, rank))
    centred = ops.Subtract(x, ops.Mean(x, axes, True))
    if not options.flag("normalize_variance", True):
        return centred
    deviation = ops.Sqrt(ops.Mean(ops.Square(centred), axes, True))
    return ops.Divide(centred, ops.Add(deviation, options.number("eps", 1e-9)))


@caffe.reads("Normalize")
def normalize(layer, x):
    options = layer.options("norm_param")
    shape = shape_of(x)
    epsilon = options.number("eps", 1e-10)
    axes = tuple(range(1, len(shape))) if options.flag("across_spatial", True) else (1,)
    norm = ops.Sqrt(ops.Add(ops.Sum(ops.Square(x), axes, True), epsilon))
    one = options.flag("channel_shared", True)
    weight = layer.weight(0, "weight", (1,) if one else (shape[1],))
    return ops.Multiply(ops.Divide(x, norm), _placed(weight, shape, 1))


@caffe.reads("Reduction")
def reduction(layer, x):
    options = layer.options("reduction_param")
    shape = shape_of(x)
    axis = axis_of(options, len(shape), 0)
    axes = tuple(range(axis, len(shape)))
    kind = choice(options, "operation", ("", "SUM", "ASUM", "SUMSQ", "MEAN"), "SUM")
    inner = {"ASUM": ops.Abs, "SUMSQ": ops.Square}.get(kind, lambda one: one)(x)
    if not axes:
        raise Refusal(notimpl("a reduction over no axis"))
    found = (ops.Mean if kind == "MEAN" else ops.Sum)(inner, axes, False)
    coefficient = options.number("coeff", 1.0)
    return found if coefficient == 1 else ops.Multiply(found, coefficient)
