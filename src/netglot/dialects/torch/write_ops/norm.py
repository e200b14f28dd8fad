"""Normalisation as PyTorch spells it: channels at axis 1, or trailing axes."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import moved, order_for
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import is_weight
from netglot.pivot.op import Op, shape_of
from netglot.pivot.windows import spatial_axes
from netglot.source.spell import Call, Layer, options, unless
from netglot.source.subscripts import from_end


@torch.arranges(ops.BatchNorm, ops.GroupNorm, ops.InstanceNorm, ops.LocalResponseNorm)
def channels_second(op):
    rank = len(shape_of(op.x))
    if op.axis == 0:
        return None
    return moved(order_for(rank, (0, op.axis), spatial_axes(rank, op.axis)), "x", "out")


@torch.arranges(ops.LayerNorm, ops.RmsNorm)
def features_last(op):
    """The normalised axes come last, in any order where the weights can take it."""
    rank = len(shape_of(op.x))
    if _held(op.scale, getattr(op, "offset", None)) and set(op.axes) == set(range(1, rank)):
        return None
    return moved(order_for(rank, [axis for axis in range(rank) if axis not in op.axes], op.axes), "x", "out")


def _along(vector, axis: int, rank: int):
    """`vector` shaped so that it broadcasts along one axis."""
    return ops.Reshape(vector, (1,) * axis + tuple(shape_of(vector)) + (1,) * (rank - axis - 1))


def _weights(**given) -> dict:
    return {name: tree for name, tree in given.items() if tree is not None}


def _held(*operands) -> bool:
    """Whether the operands that are there can be weights of a layer."""
    return all(one is None or is_weight(one) for one in operands)


# --- batch norm


@torch.writes(ops.BatchNorm)
def batch_norm(op):
    rank = len(shape_of(op.x))
    statistics = (op.mean, op.variance)
    plain = options(weight=unless(op.scale, None), bias=unless(op.offset, None), eps=op.epsilon)
    own = op.mean is None
    if own:
        function = Call("F.batch_norm", (op.x, None, None), plain | {"training": True})
    else:
        function = Call("F.batch_norm", (op.x, *statistics), plain)
    if rank > 5 or not _held(op.scale, op.offset, *statistics):
        return function
    affine = op.scale is not None and op.offset is not None
    size = f"{max(rank - 2, 1)}d"
    layer, helper = f"nn.BatchNorm{size}", None
    if not affine and (op.scale is not None or op.offset is not None):
        layer = helper = f"{'Unscaled' if op.scale is None else 'Unshifted'}BatchNorm{size}"
        affine = True
    given = options(
        eps=op.epsilon,
        momentum=0.1 if own else op.momentum,
        affine=unless(affine, True),
        track_running_stats=unless(not own, True),
    )
    return Layer(
        layer,
        (op.x,),
        given,
        weights=_weights(weight=op.scale, bias=op.offset, running_mean=op.mean, running_var=op.variance),
        arguments=(shape_of(op.x)[1],),
        frozen=frozenset({"running_mean", "running_var"}),
        helper=helper,
        function=function,
    )


# --- norms over trailing axes


def _in_order(op):
    """The op with its axes ascending, its weights along with them."""
    rank = len(shape_of(op.x))
    if set(op.axes) != set(range(rank - len(op.axes), rank)):
        raise Refusal(notimpl("a norm over axes that are not the last ones, whose weights are computed"))
    order = tuple(sorted(range(len(op.axes)), key=lambda i: op.axes[i]))
    if order == tuple(range(len(order))):
        return op
    names = [f.name for f in op.operand_fields()[1:] if getattr(op, f.name) is not None]
    return op.replace(axes=tuple(sorted(op.axes)), **{n: ops.Permute(getattr(op, n), order) for n in names})


def _sizes(op) -> tuple:
    return tuple(shape_of(op.x)[axis] for axis in op.axes)


def _is_plain(op) -> bool:
    """Whether the operands are values, which a function can be called on."""
    return not any(isinstance(one, Op) for one in op.operands())


def _features(op):
    """The sizes of the trailing axes, as a layer is told them."""
    sizes = _sizes(op)
    return sizes[0] if len(sizes) == 1 else sizes


@torch.lowers(ops.LayerNorm, ops.RmsNorm)
def lower_computed_weights(op):
    """Weights in another order than the axes are put in order."""
    ascending = list(op.axes) == sorted(op.axes)
    if ascending or _held(op.scale, getattr(op, "offset", None)):
        return None
    order = tuple(sorted(range(len(op.axes)), key=lambda i: op.axes[i]))
    names = [f.name for f in op.operand_fields()[1:] if getattr(op, f.name) is not None]
    return op.replace(axes=tuple(sorted(op.axes)), **{n: ops.Permute(getattr(op, n), order) for n in names})


@torch.writes(ops.LayerNorm)
def layer_norm(op):
    held, op = _held(op.scale, op.offset), _in_order(op)
    sizes = _sizes(op)
    plain = options(weight=unless(op.scale, None), bias=unless(op.offset, None), eps=op.epsilon)
    function = Call("F.layer_norm", (op.x, sizes), plain)
    only_offset = op.scale is None and op.offset is not None
    if only_offset or not held:
        return function
    given = options(
        eps=op.epsilon,
        elementwise_affine=unless(op.scale is not None, True),
        bias=unless(op.scale is None or op.offset is not None, True),
    )
    weights = _weights(weight=op.scale, bias=op.offset)
    plainly = function if _is_plain(op) else None
    return Layer("nn.LayerNorm", (op.x,), given, weights=weights, arguments=(_features(op),), function=plainly)


@torch.writes(ops.RmsNorm)
def rms_norm(op):
    held, op = _held(op.scale), _in_order(op)
    sizes = _sizes(op)
    function = Call("F.rms_norm", (op.x, sizes), options(weight=unless(op.scale, None), eps=op.epsilon))
    if not held:
        return function
    given = options(eps=op.epsilon, elementwise_affine=unless(op.scale is not None, True))
    weights = _weights(weight=op.scale)
    plainly = function if _is_plain(op) else None
    return Layer("nn.RMSNorm", (op.x,), given, weights=weights, arguments=(_features(op),), function=plainly)


# --- group and instance norm


@torch.lowers(ops.GroupNorm, ops.InstanceNorm)
def lower_half_affine(op):
    """PyTorch's layers scale and shift, or do neither."""
    if (op.scale is None) == (op.offset is None):
        return None
    y, rank = op.replace(scale=None, offset=None), len(shape_of(op.x))
    if op.scale is not None:
        return ops.Multiply(y, _along(op.scale, op.axis, rank))
    return ops.Add(y, _along(op.offset, op.axis, rank))


@torch.writes(ops.GroupNorm)
def group_norm(op):
    plain = options(weight=unless(op.scale, None), bias=unless(op.offset, None), eps=op.epsilon)
    function = Call("F.group_norm", (op.x, op.groups), plain)
    if not _held(op.scale, op.offset):
        return function
    return Layer(
        "nn.GroupNorm",
        (op.x,),
        options(eps=op.epsilon, affine=unless(op.scale is not None, True)),
        weights=_weights(weight=op.scale, bias=op.offset),
        arguments=(op.groups, shape_of(op.x)[1]),
        function=function,
    )


@torch.writes(ops.InstanceNorm)
def instance_norm(op):
    rank = len(shape_of(op.x))
    plain = options(weight=unless(op.scale, None), bias=unless(op.offset, None), eps=op.epsilon)
    function = Call("F.instance_norm", (op.x,), plain)
    if rank not in (3, 4, 5) or not _held(op.scale, op.offset):
        return function
    return Layer(
        f"nn.InstanceNorm{rank - 2}d",
        (op.x,),
        options(eps=op.epsilon, affine=unless(op.scale is not None, False)),
        weights=_weights(weight=op.scale, bias=op.offset),
        arguments=(shape_of(op.x)[1],),
        function=function,
    )


# --- norms without weights


@torch.writes(ops.LocalResponseNorm)
def local_response_norm(op):
    given = options(alpha=op.alpha, beta=op.beta, k=op.k)
    function = Call("F.local_response_norm", (op.x, op.size), given)
    return Layer("nn.LocalResponseNorm", (op.x,), given, arguments=(op.size,), function=function)


@torch.writes(ops.Normalize)
def normalize(op):
    dim = from_end(op.axis, len(shape_of(op.x)))
    return Call("F.normalize", (op.x,), options(p=unless(op.p, 2.0), dim=unless(dim, 1), eps=unless(op.epsilon, 1e-12)))
