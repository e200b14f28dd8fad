"""Pooling. Windows are counted upwards, and a last one that would start behind the data is left out."""

from __future__ import annotations

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.words import choice, per_axis, positive
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of


@caffe.reads("Pooling")
def pooling(layer, x):
    options = layer.options("pooling_param")
    shape = shape_of(x)
    if len(shape) != 4:
        raise InputError(f"layer {layer.spec.name}: pooling of a tensor with {len(shape)} axes")
    kind = choice(options, "pool", ("MAX", "AVE", "STOCHASTIC"), "MAX")
    if kind == "STOCHASTIC":
        raise Refusal(notimpl("stochastic pooling"))
    axes = (2, 3)
    if options.flag("global_pooling"):
        if layer.tops > 1:
            raise Refusal(notimpl("global pooling with a mask"))
        return (ops.AdaptiveMaxPool if kind == "MAX" else ops.AdaptiveAvgPool)(x, (1, 1), axes)
    kernel = positive(per_axis(options, "kernel_size", "kernel", 2, None), "kernel_size")
    stride = positive(per_axis(options, "stride", "stride", 2, 1), "stride")
    pad = per_axis(options, "pad", "pad", 2, 0)
    ceil = choice(options, "round_mode", ("CEIL", "FLOOR"), "CEIL") == "CEIL" and options.flag("ceil_mode", True)
    if any(p >= k for p, k in zip(pad, kernel, strict=True)):
        raise InputError(f"layer {layer.spec.name}: padding {pad} of windows of {kernel}")
    for size, k, s, p in zip(shape[2:], kernel, stride, pad, strict=True):
        if ceil and not p and isinstance(size, int) and s > k and -((k - size) // s) * s >= size:
            raise Refusal(notimpl("pooling whose last window lies behind the data"))
    padding = tuple((p, p) for p in pad)
    ceil = ceil and any(
        not isinstance(n, int) or (n + 2 * p - k) % s for n, k, s, p in zip(shape[2:], kernel, stride, pad, strict=True)
    )
    if kind == "AVE":
        return ops.AvgPool(x, kernel, stride, padding, ceil, True, None, axes)
    pooled = ops.MaxPool(x, kernel, stride, padding, (1, 1), ceil, axes)
    if layer.tops < 2:
        return pooled
    return pooled, ops.MaxPoolIndices(x, kernel, stride, padding, (1, 1), ceil, axes)


@caffe.reads("Upsample")
def upsample(layer, x, mask=None):
    options = layer.options("upsample_param")
    shape = shape_of(x)
    scale = options.integer("scale", 2)
    if mask is None:
        return _grown(x, (shape[2] * scale, shape[3] * scale))
    size = tuple(
        options.integer(name, 0) or side * scale for name, side in (("upsample_h", shape[2]), ("upsample_w", shape[3]))
    )
    return ops.MaxUnpool(x, mask, size)


def _grown(x, size):
    return ops.Resize(x, size, None, "nearest", False, False, (2, 3))


@caffe.reads("Interp")
def interp(layer, x, like=None):
    options = layer.options("interp_param")
    height, width = (side + options.integer("pad_beg", 0) + options.integer("pad_end", 0) for side in shape_of(x)[2:])
    if options.integer("pad_beg", 0) or options.integer("pad_end", 0):
        raise Refusal(notimpl("Interp with cropping"))
    shrink, zoom = options.integer("shrink_factor", 1), options.integer("zoom_factor", 1)
    if like is not None:
        height, width = shape_of(like)[2:]
    elif "height" in options or "width" in options:
        height, width = options.integer("height"), options.integer("width")
    else:
        height, width = ((side - 1) // shrink + 1 for side in (height, width))
        height, width = (side + (side - 1) * (zoom - 1) for side in (height, width))
    return ops.Resize(x, (height, width), None, "linear", True, False, (2, 3))


@caffe.reads("ShuffleChannel")
def shuffle_channel(layer, x):
    groups = layer.options("shuffle_channel_param").integer("group", 1)
    batch, channels, *rest = shape_of(x)
    if groups < 1 or channels % groups:
        raise InputError(f"layer {layer.spec.name}: {channels} channels in {groups} groups")
    apart = ops.Reshape(x, (batch, groups, channels // groups, *rest))
    swapped = ops.Permute(apart, (0, 2, 1, *range(3, 3 + len(rest))))
    return ops.Reshape(swapped, (batch, channels, *rest))
