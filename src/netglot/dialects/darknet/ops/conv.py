"""Convolutions and what is connected to everything."""

from __future__ import annotations

from netglot.dialects.darknet.activations import activated
from netglot.dialects.darknet.dialect import darknet
from netglot.dialects.darknet.layer import EPSILON
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import shape_of


def picture(layer, x):
    """The shape of `x`, which must be a picture."""
    shape = shape_of(x)
    if len(shape) != 4:
        raise InputError(f"[{layer.section.type}] in line {layer.section.line} wants a picture, not {list(shape)}")
    return shape


def normed(x, norm, bias, axis=1):
    """The batch norm of a layer; its offset is the layer's bias."""
    return ops.BatchNorm(x, norm["scale"], bias, norm["mean"], norm["variance"], EPSILON, 0.01, False, axis)


@darknet.reads("convolutional", "conv")
def convolutional(layer, x):
    options = layer.section
    channels = picture(layer, x)[1]
    out, size = options.integer("filters", 1), options.integer("size", 1)
    stride = options.integer("stride", 1)
    strides = options.integer("stride_y", stride), options.integer("stride_x", stride)
    groups = options.integer("groups", 1)
    dilation = options.integer("dilation", 1) if size > 1 else 1
    padding = size // 2 if options.integer("pad", 0) else options.integer("padding", 0)
    if min(out, size, *strides, groups, dilation) < 1 or padding < 0 or channels % groups or out % groups:
        raise InputError(f"[convolutional] in line {options.line}: {channels} channels to {out} in {groups} groups")
    if dilation > 1 and 2 * padding != size - 1:
        raise Refusal(notimpl("a dilated convolution with padding of its own"))
    for name in ("antialiasing", "xnor", "binary", "deform", "assisted_excitation", "share_index", "rotate", "flipped"):
        if options.integer(name, 0):
            raise Refusal(notimpl(f"a convolution with {name}"))
    norm = options.integer("batch_normalize", 0)
    held = layer.take("bias", (out,))
    parts = layer.norm(out) if norm else None
    weight = layer.weight("conv.weight", (out, channels // groups, size, size))
    bias = layer.parameter("bn.bias" if norm else "conv.bias", (out,), held)
    pads = ((padding * dilation,) * 2,) * 2
    y = ops.Conv(x, weight, None if norm else bias, strides, pads, (dilation,) * 2, groups, 1)
    return activated(normed(y, parts, bias) if norm else y, options.text("activation", "logistic"))


@darknet.reads("deconvolutional", "deconv")
def deconvolutional(layer, x):
    options = layer.section
    channels = picture(layer, x)[1]
    out, size, stride = (options.integer(name, 1) for name in ("filters", "size", "stride"))
    padding = size // 2 if options.integer("pad", 0) else options.integer("padding", 0)
    norm = options.integer("batch_normalize", 0)
    held = layer.take("bias", (out,))
    parts = layer.norm(out) if norm else None
    weight = layer.weight("conv.weight", (channels, out, size, size))
    bias = layer.parameter("bn.bias" if norm else "conv.bias", (out,), held)
    pads = ((padding,) * 2,) * 2
    y = ops.ConvTranspose(x, weight, None if norm else bias, (stride,) * 2, pads, (0, 0), (1, 1), 1, 1)
    return activated(normed(y, parts, bias) if norm else y, options.text("activation", "logistic"))


@darknet.reads("connected", "conn")
def connected(layer, x):
    options = layer.section
    out = options.integer("output", 1)
    shape = shape_of(x)
    steps = 2 if "time_steps" in layer.net.options and len(shape) == 3 else 1
    features = product(shape[steps:])
    if not isinstance(features, int):
        raise Refusal(notimpl("a connected layer over a size that is not known"))
    flat = x if len(shape) == steps + 1 else ops.Reshape(x, (*shape[:steps], features))
    norm = options.integer("batch_normalize", 0)
    held = layer.take("bias", (out,))
    matrix = layer.weight("linear.weight", (features, out) if layer.transposed else (out, features))
    weight = ops.Permute(matrix, (1, 0)) if layer.transposed else matrix
    parts = layer.norm(out) if norm else None
    bias = layer.parameter("bn.bias" if norm else "linear.bias", (out,), held)
    y = ops.Linear(flat, weight, None if norm else bias)
    y = normed(y, parts, bias, steps) if norm else y
    return activated(y, options.text("activation", "logistic"))


@darknet.reads("batchnorm")
def batchnorm(layer, x):
    channels = shape_of(x)[1]
    bias = layer.weight("bn.bias", (channels,)) if layer.biased_norms else None
    return normed(x, layer.norm(channels), bias)


@darknet.reads("local")
def local(layer, x):
    """A convolution with weights of its own at each place: the last layers of the first YOLO."""
    options = layer.section
    batch, channels, *space = picture(layer, x)
    out, size, stride, pad = (
        options.integer(name, default) for name, default in (("filters", 1), ("size", 1), ("stride", 1), ("pad", 0))
    )
    if min(out, size, stride) < 1 or pad < 0:
        raise InputError(f"[local] in line {options.line}: windows of {size} every {stride}")
    if not all(isinstance(side, int) for side in space):
        raise Refusal(notimpl("a local layer over a picture whose size is not known", "fix the size"))
    counts = [(side - (1 if pad else size)) // stride + 1 for side in space]
    if counts != [(side + 2 * pad - size) // stride + 1 for side in space]:
        raise Refusal(notimpl(f"a local layer with windows of {size} and padding of {pad}"))
    places, columns = product(counts), channels * size**2
    bias = layer.weight("local.bias", (out, places))
    weight = layer.weight("local.weight", (places, out, columns))
    seen = ops.Unfold(x, (size, size), (stride, stride), (pad, pad), (1, 1))
    y = ops.Add(ops.Einsum((seen, weight), "bcl,loc->bol"), bias)
    return activated(ops.Reshape(y, (batch, out, *counts)), options.text("activation", "logistic"))
