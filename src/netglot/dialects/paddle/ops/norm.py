"""Normalisation."""

from __future__ import annotations

from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.paddle.ops.conv import channel_axis
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import normal_axes, normal_axis, shape_of

Known = object


@paddle.reads("batch_norm", "batch_norm_", "sync_batch_norm", "sync_batch_norm_")
def batch_norm(node, x, mean=None, variance=None, scale=None, bias=None):
    """The momentum is the weight of the old statistics."""
    axis = min(channel_axis(node, x), len(shape_of(x)) - 1)
    channels = (shape_of(x)[axis],)
    if mean is None or variance is None:
        raise Refusal(notimpl("a batch norm without statistics"))
    if not node.flag("is_test") and not node.flag("use_global_stats"):
        node.reading.note("batch norms were saved in training; their statistics are used, as in inference")
    held = [
        None if one is None else node.weight(one, role, channels, kind)
        for one, role, kind in (
            (scale, "weight", "parameter"),
            (bias, "bias", "parameter"),
            (mean, "running_mean", "buffer"),
            (variance, "running_var", "buffer"),
        )
    ]
    momentum = round(1 - node.number("momentum", 0.9), 7)
    return [ops.BatchNorm(x, *held, node.number("epsilon", 1e-5), momentum, False, axis)] + [None] * 5


@paddle.reads("layer_norm")
def layer_norm(node, x, scale=None, bias=None):
    shape, first = shape_of(x), node.integer("begin_norm_axis", 1)
    if not 0 < first < len(shape):
        raise InputError(f"layer_norm: begins at axis {first} of {len(shape)}")
    features = shape[first:]
    held = []
    for one, role in ((scale, "weight"), (bias, "bias")):
        weight = None if one is None else node.weight(one, role, (product(features),))
        held.append(ops.Reshape(weight, features) if weight is not None and len(features) > 1 else weight)
    axes = tuple(range(first, len(shape)))
    return [ops.LayerNorm(x, *held, node.number("epsilon", 1e-5), axes), None, None]


@paddle.reads("fused_rms_norm_ext", "rms_norm")
def rms_norm(node, x, scale=None, *rest):
    if any(one is not None for one in rest):
        raise Refusal(notimpl("a norm that is fused with more"))
    axis = len(shape_of(x)) - 1
    weight = None if scale is None else node.weight(scale, "weight", shape_of(x)[-1:])
    return [ops.RmsNorm(x, weight, node.number("epsilon", 1e-6), (axis,)), None]


@paddle.reads("group_norm")
def group_norm(node, x, scale=None, bias=None):
    axis, groups = channel_axis(node, x), node.integer("groups", 1)
    channels = (shape_of(x)[axis],)
    if groups < 1 or channels[0] % groups:
        raise InputError(f"group_norm: {channels[0]} channels in {groups} groups")
    held = [None if o is None else node.weight(o, r, channels) for o, r in ((scale, "weight"), (bias, "bias"))]
    return [ops.GroupNorm(x, *held, groups, node.number("epsilon", 1e-5), axis), None, None]


@paddle.reads("instance_norm")
def instance_norm(node, x, scale=None, bias=None):
    channels = shape_of(x)[1:2]
    held = [None if o is None else node.weight(o, r, channels) for o, r in ((scale, "weight"), (bias, "bias"))]
    return [ops.InstanceNorm(x, *held, node.number("epsilon", 1e-5), 1), None, None]


@paddle.reads("lrn")
def lrn(node, x):
    """Alpha is for each element and not for the window."""
    size, alpha, beta = node.integer("n", 5), node.number("alpha", 1e-4), node.number("beta", 0.75)
    return ops.LocalResponseNorm(x, size, alpha * size, beta, node.number("k", 2.0), channel_axis(node, x))


@paddle.reads("norm")
def norm(node, x):
    """Division by the norm along an axis; epsilon stands under the root."""
    axis, epsilon = normal_axis(node.integer("axis", 1), len(shape_of(x))), node.number("epsilon", 1e-10)
    squares = ops.Sum(ops.Square(x), (axis,), True)
    root = ops.Sqrt(ops.Add(squares, epsilon))
    return [ops.Divide(x, root), root]


@paddle.reads("p_norm")
def p_norm(node, x):
    rank, p = len(shape_of(x)), node.number("porder", 2.0)
    axes = tuple(range(rank)) if node.flag("asvector") else (normal_axis(node.integer("axis", -1), rank),)
    return ops.Norm(x, axes, node.flag("keepdim"), p)


@paddle.reads("frobenius_norm")
def frobenius_norm(node, x, axis: Known = None):
    rank = len(shape_of(x))
    given = node.sizes(axis, "axes") if axis is not None else node.integers("axis")
    axes = normal_axes([] if node.flag("reduce_all") else list(given), rank)
    return ops.Norm(x, axes, node.flag("keepdim") or node.flag("keep_dim"), 2.0)


@paddle.reads("affine_channel")
def affine_channel(node, x, scale, bias):
    axis, rank = channel_axis(node, x), len(shape_of(x))
    shape = tuple(shape_of(x)[axis] if a == axis else 1 for a in range(rank))
    held = [ops.Reshape(node.weight(o, r), shape) for o, r in ((scale, "weight"), (bias, "bias"))]
    return ops.Add(ops.Multiply(x, held[0]), held[1])
