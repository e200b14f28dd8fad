"""Normalisation as Keras spells it: layers whose axis may be any, with the weights gamma and beta."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.windows import options, per_axis
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import shape_of
from netglot.source.spell import OMIT, Call, Layer, call, unless


def _is_last(op) -> bool:
    return op.axis == len(shape_of(op.x)) - 1


def _along(vector, axes, rank: int):
    """`vector`, whose axes are `axes` of a tensor of this rank, shaped so that it broadcasts against it."""
    order = tuple(sorted(range(len(axes)), key=lambda i: axes[i]))
    if order != tuple(range(len(axes))):
        vector = ops.Permute(vector, order)
    return ops.Reshape(vector, per_axis(rank, sorted(axes), shape_of(vector), 1))


def _affine(y, scale, offset, axes):
    """`y * scale + offset` in pivot ops, with either absent."""
    rank = len(shape_of(y))
    if scale is not None:
        y = ops.Multiply(y, _along(scale, axes, rank))
    return y if offset is None else ops.Add(y, _along(offset, axes, rank))


def _learnt(*operands) -> bool:
    """Whether the operands that are there can be weights of a layer."""
    return all(one is None or isinstance(one, Parameter) for one in operands)


def _gamma_beta(op) -> dict:
    """The options and weights of the layers that scale and shift."""
    return options(center=unless(op.offset is not None, True), scale=unless(op.scale is not None, True))


def _weights(**given) -> dict:
    return {name: tree for name, tree in given.items() if tree is not None}


# Batch norm.


@keras.lowers(ops.BatchNorm)
def lower_batch_norm(op):
    if op.mean is not None:
        return None
    rank = len(shape_of(op.x))
    axes = tuple(axis for axis in range(rank) if axis != op.axis)
    centred = ops.Subtract(op.x, ops.Mean(op.x, axes, True))
    variance = ops.Variance(op.x, axes, True, 0)
    return _affine(ops.Multiply(centred, ops.Rsqrt(ops.Add(variance, op.epsilon))), op.scale, op.offset, (op.axis,))


@keras.writes(ops.BatchNorm)
def batch_norm(op):
    if op.momentum is None:
        why = "running statistics that average all batches alike; Keras has exponential averages only"
        raise Refusal(notimpl(why, "give the batch norm a momentum"))
    axis = OMIT if _is_last(op) else op.axis
    plain = options(
        axis=-1 if axis is OMIT else axis,
        offset=unless(op.offset, None),
        scale=unless(op.scale, None),
        epsilon=op.epsilon,
    )
    return Layer(
        "layers.BatchNormalization",
        (op.x,),
        options(axis=axis, momentum=round(1 - op.momentum, 12), epsilon=op.epsilon) | _gamma_beta(op),
        weights=_weights(gamma=op.scale, beta=op.offset, moving_mean=op.mean, moving_variance=op.variance),
        frozen=frozenset({"moving_mean", "moving_variance"}),
        function=Call("ops.batch_normalization", (op.x, op.mean, op.variance), plain),
    )


# Layer and RMS norm.


def _axes(op):
    """The axis as Keras prints it, and how the axes of the weights move: Keras sorts the axes."""
    order = tuple(sorted(range(len(op.axes)), key=lambda i: op.axes[i]))
    last = op.axes == (len(shape_of(op.x)) - 1,)
    axis = OMIT if last else op.axes[0] if len(op.axes) == 1 else [op.axes[i] for i in order]

    def sort(weight):
        return weight if weight is None or order == tuple(range(len(order))) else ops.Permute(weight, order)

    return axis, sort


@keras.lowers(ops.LayerNorm, ops.RmsNorm)
def lower_layer_norm(op):
    """Weights that are computed, and stand in another order than Keras's, are applied after."""
    offset = getattr(op, "offset", None)
    if _learnt(op.scale, offset) or list(op.axes) == sorted(op.axes):
        return None
    bare = op.replace(scale=None, **({"offset": None} if isinstance(op, ops.LayerNorm) else {}))
    return _affine(bare, op.scale, offset, op.axes)


@keras.writes(ops.LayerNorm)
def layer_norm(op):
    axis, sort = _axes(op)
    gamma, beta = sort(op.scale), sort(op.offset)
    plain = options(gamma=unless(op.scale, None), beta=unless(op.offset, None), axis=axis, epsilon=op.epsilon)
    return Layer(
        "layers.LayerNormalization",
        (op.x,),
        options(axis=axis, epsilon=op.epsilon) | _gamma_beta(op),
        weights=_weights(gamma=gamma, beta=beta),
        function=Call("ops.layer_normalization", (op.x,), plain) if gamma is op.scale and beta is op.offset else None,
    )


@keras.arranges(ops.RmsNorm)
def arrange_rms_norm(op):
    """Keras multiplies by a scale that broadcasts from the last axis, so the normalised axes come last."""
    rank = len(shape_of(op.x))
    order = (*(axis for axis in range(rank) if axis not in op.axes), *op.axes)
    return None if order == tuple(range(rank)) else {"x": order, "out": order}


@keras.writes(ops.RmsNorm)
def rms_norm(op):
    axis, sort = _axes(op)
    scale = sort(op.scale)
    rank, ordered = len(shape_of(op.x)), sorted(op.axes)
    if op.scale is not None and ordered != list(range(rank - len(ordered), rank)):
        # a neighbour wants other axes last, and Keras's scale would broadcast from these
        along = tuple(shape_of(op.x)[a] if a in op.axes else 1 for a in range(ordered[0], rank))
        order = tuple(op.axes.index(a) for a in ordered)
        turned = op.scale if order == tuple(range(len(order))) else call("ops.transpose", op.scale, order)
        bare = Call("ops.rms_normalization", (op.x,), options(axis=axis, epsilon=op.epsilon))
        return call("ops.multiply", bare, call("ops.reshape", turned, along))
    function = Call(
        "ops.rms_normalization", (op.x,), options(scale=unless(op.scale, None), axis=axis, epsilon=op.epsilon)
    )
    if scale is None:
        return function
    given = options(axis=axis, epsilon=op.epsilon)
    return Layer("layers.RMSNormalization", (op.x,), given, weights={"scale": scale}, function=function)


# Group and instance norm.


@keras.lowers(ops.GroupNorm, ops.InstanceNorm)
def lower_group_norm(op):
    """Keras has these as layers only, so weights that are computed are applied after."""
    if _learnt(op.scale, op.offset):
        return None
    return _affine(op.replace(scale=None, offset=None), op.scale, op.offset, (op.axis,))


@keras.writes(ops.GroupNorm, ops.InstanceNorm)
def group_norm(op):
    return Layer(
        "layers.GroupNormalization",
        (op.x,),
        options(groups=getattr(op, "groups", -1), axis=OMIT if _is_last(op) else op.axis, epsilon=op.epsilon)
        | _gamma_beta(op),
        weights=_weights(gamma=op.scale, beta=op.offset),
    )


# Norms without weights.


@keras.lowers(ops.LocalResponseNorm)
def lower_local_response_norm(op):
    shape = shape_of(op.x)
    around = (op.size // 2, (op.size - 1) // 2)
    before, after = (per_axis(len(shape), (op.axis,), (side,)) for side in around)
    padded = ops.Pad(ops.Square(op.x), before, after, "constant", 0.0)
    total = ops.Slice(padded, op.axis, 0, shape[op.axis], 1)
    for start in range(1, op.size):
        total = ops.Add(total, ops.Slice(padded, op.axis, start, start + shape[op.axis], 1))
    return ops.Divide(op.x, ops.Power(ops.Add(ops.Multiply(total, op.alpha / op.size), op.k), op.beta))


@keras.lowers(ops.Normalize)
def lower_normalize(op):
    if op.p >= 1 and op.p != float("inf") and op.p == int(op.p):
        return None
    norm = ops.Norm(op.x, (op.axis,), True, op.p)
    return ops.Divide(op.x, ops.Maximum(norm, op.epsilon))


@keras.writes(ops.Normalize)
def normalize(op):
    given = options(axis=OMIT if _is_last(op) else op.axis, order=unless(int(op.p), 2), epsilon=op.epsilon)
    return Call("ops.normalize", (op.x,), given)
