"""Convolutions and inner products."""

from __future__ import annotations

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.words import axis_of, per_axis, positive
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import shape_of


def _window(layer, x):
    """Outputs, groups and the window of a convolution."""
    options = layer.options("convolution_param")
    shape = shape_of(x)
    if axis_of(options, len(shape)) != 1:
        raise Refusal(notimpl("a convolution whose channels are not axis 1"))
    count = len(shape) - 2
    if count < 1:
        raise InputError(f"layer {layer.spec.name}: a convolution of a tensor with {len(shape)} axes")
    kernel = positive(per_axis(options, "kernel_size", "kernel", count, None), "kernel_size")
    stride = positive(per_axis(options, "stride", "stride", count, 1), "stride")
    pad = per_axis(options, "pad", "pad", count, 0)
    word = "hole" if any(name in options for name in ("hole", "hole_h", "hole_w")) else "dilation"  # DeepLab's word
    dilation = positive(per_axis(options, word, word, count, 1), word)
    out = options.integer("num_output")
    groups = options.integer("group", 1)
    if layer.spec.type in ("ConvolutionDepthwise", "DepthwiseConvolution") and "group" not in options:
        groups = shape[1]
    if groups < 1 or out < 1 or shape[1] % groups or out % groups:
        raise InputError(f"layer {layer.spec.name}: {shape[1]} channels to {out} in {groups} groups")
    return options, out, groups, kernel, stride, tuple((p, p) for p in pad), dilation


@caffe.reads("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "CuDNNConvolution")
def convolution(layer, x, *more):
    """One convolution, which several bottoms may go through one after the other."""
    options, out, groups, kernel, stride, padding, dilation = _window(layer, x)
    if any(shape_of(one) != shape_of(x) for one in more):
        raise InputError(f"layer {layer.spec.name}: bottoms of different shapes")
    weight = layer.weight(0, "weight", (out, shape_of(x)[1] // groups, *kernel))
    bias = layer.weight(1, "bias", (out,)) if options.flag("bias_term", True) else None
    made = [ops.Conv(one, weight, bias, stride, padding, dilation, groups, 1) for one in (x, *more)]
    return made if more else made[0]


@caffe.reads("Deconvolution")
def deconvolution(layer, x):
    options, out, groups, kernel, stride, padding, dilation = _window(layer, x)
    weight = layer.weight(0, "weight", (shape_of(x)[1], out // groups, *kernel))
    bias = layer.weight(1, "bias", (out,)) if options.flag("bias_term", True) else None
    none = (0,) * len(kernel)
    return ops.ConvTranspose(x, weight, bias, stride, padding, none, dilation, groups, 1)


@caffe.reads("InnerProduct")
def inner_product(layer, x):
    options = layer.options("inner_product_param")
    shape = shape_of(x)
    axis, out = axis_of(options, len(shape)), options.integer("num_output")
    features = product(shape[axis:])
    if not isinstance(features, int):
        raise Refusal(notimpl("an inner product over a size that is not known"))
    if len(shape) != axis + 1:
        x = ops.Reshape(x, (*shape[:axis], features))
    if options.flag("transpose"):
        weight = ops.Permute(layer.weight(0, "weight", (features, out)), (1, 0))
    else:
        weight = layer.weight(0, "weight", (out, features))
    bias = layer.weight(1, "bias", (out,)) if options.flag("bias_term", True) else None
    return ops.Linear(x, weight, bias)


@caffe.reads("Embed")
def embed(layer, ids):
    options = layer.options("embed_param")
    out = options.integer("num_output")
    weight = layer.weight(0, "weight", (options.integer("input_dim"), out))
    found = ops.Embedding(ops.Cast(ids, "int64"), weight, None)
    if options.flag("bias_term", True):
        return ops.Add(found, layer.weight(1, "bias", (out,)))
    return found
