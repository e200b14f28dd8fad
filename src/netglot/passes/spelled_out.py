"""Operations that exporters spell out because their format lacks them: group norms, gates, lengths, variances.

Rules as in `patterns`: each looks at one node and what leads to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.passes import lookups
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Parameter, Value
from netglot.pivot.op import Op


def _sides(op: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (op.x, op.y), (op.y, op.x)


# -- group norms


def group_norm(op: ops.Reshape, find: Any) -> Op | None:
    """InstanceNorm of the channels in groups, in x's shape = GroupNorm(x)"""
    norm = find.op(op.x, ops.InstanceNorm)
    apart = find.op(norm.x, ops.Reshape) if norm is not None and norm.axis == 1 else None
    if apart is None or not isinstance(apart.x, Value) or len(op.shape) < 3 or len(apart.shape) < 3:
        return None
    groups, shape = apart.shape[1], tuple(op.shape)
    if apart.shape[0] != shape[0] or not isinstance(groups, int) or not isinstance(shape[1], int) or shape[1] % groups:
        return None
    if not _everywhere(norm.scale, 1.0) or not _everywhere(norm.offset, 0.0):
        return None
    x = apart.x if tuple(apart.x.shape) == shape else ops.Reshape(apart.x, shape)
    return ops.GroupNorm(x, None, None, groups, norm.epsilon, 1)


def _everywhere(value: Any, wanted: float) -> bool:
    """Whether an optional weight is one number."""
    if value is None:
        return True
    small = isinstance(value, Parameter) and all(isinstance(size, int) for size in value.shape)
    return small and product(value.shape) <= 1 << 16 and bool((np.asarray(value.load()) == wanted).all())


def channel_scale(op: ops.Multiply, find: Any) -> Op | None:
    """GroupNorm(x) * w = GroupNorm(x, w), and so for InstanceNorm"""
    for inner, weight in _sides(op):
        norm = find.op(inner, ops.GroupNorm) or find.op(inner, ops.InstanceNorm)
        plain = norm is not None and _everywhere(norm.scale, 1.0) and _everywhere(norm.offset, 0.0)
        if plain and _of_channels(weight, norm):
            return norm.replace(scale=_flat(weight), offset=None)
    return None


def channel_offset(op: ops.Add, find: Any) -> Op | None:
    """GroupNorm(x, w) + b = GroupNorm(x, w, b), and so for InstanceNorm"""
    for inner, weight in _sides(op):
        norm = find.op(inner, ops.GroupNorm) or find.op(inner, ops.InstanceNorm)
        if norm is not None and norm.scale is not None and norm.offset is None and _of_channels(weight, norm):
            return norm.replace(offset=_flat(weight))
    return None


def _of_channels(weight: Any, norm: Any) -> bool:
    """Whether a weight has one number for each channel, along the axis of the channels."""
    if not isinstance(weight, Parameter) or weight.kind != "parameter":
        return False
    rank = norm.x.type.rank
    shape = (1,) * (rank - weight.type.rank) + tuple(weight.shape)
    wanted = tuple(norm.x.shape[norm.axis] if axis == norm.axis else 1 for axis in range(rank))
    return shape == wanted


def _flat(weight: Parameter) -> Any:
    return weight if weight.type.rank == 1 else ops.Reshape(weight, (product(weight.shape),))


# -- biases of convolutions


def conv_bias(op: ops.Add, find: Any) -> Op | None:
    """Conv(x, w) + b = Conv(x, w, b), of a b with one number for each channel"""
    for inner, bias in _sides(op):
        conv = find.op(inner, ops.Conv, ops.ConvTranspose)
        if conv is None or conv.bias is not None or not isinstance(bias, Value):
            continue
        spread = find.anywhere(bias, ops.Reshape)
        own = spread.x if spread is not None else bias
        if not isinstance(own, Parameter) or own.kind != "parameter":
            continue
        rank, channels = inner.type.rank, inner.shape[conv.axis]
        wanted = tuple(channels if axis == conv.axis else 1 for axis in range(rank))
        if (1,) * (rank - bias.type.rank) + tuple(bias.shape) == wanted and product(own.shape) == channels:
            return conv.replace(bias=_flat(own))
    return None


# -- gates


def gate(op: ops.Multiply, find: Any) -> Op | None:
    """one half of x times the sigmoid of the other = Glu(x)"""
    for half, opened in _sides(op):
        sigmoid = find.op(opened, ops.Sigmoid)
        node = find.producers.get(half) if sigmoid is not None else None
        if node is None or not isinstance(node.op, ops.Split) or len(node.results) != 2:
            continue
        first, second = node.results
        used_once = half in find.single and sigmoid.x in find.single
        if half is first and sigmoid.x is second and used_once and node.op.sizes[0] == node.op.sizes[1]:
            return ops.Glu(node.op.x, node.op.axis)
    return None


def steep_softplus(op: ops.Where, find: Any) -> Op | None:
    """x where x is large, else Softplus(x) = Softplus(x)"""
    soft, large = find.op(op.y, ops.Softplus), find.op(op.condition, ops.Greater)
    if soft is None or large is None or soft.beta != 1.0 or soft.x is not op.x or large.x is not op.x:
        return None
    number = isinstance(large.y, int | float)
    return soft.replace(threshold=float(large.y)) if number and 15 <= large.y <= soft.threshold else None


# -- lengths and variances


def unit_length(op: ops.Divide, find: Any) -> Op | None:
    """x / max(length of x, epsilon) = Normalize(x)"""
    below = op.y
    spread = find.op(below, ops.Broadcast)
    below = spread.x if spread is not None else below
    clip, highest = find.op(below, ops.Clip), find.op(below, ops.Maximum)
    if clip is not None and clip.high is None:
        value, epsilon = clip.x, clip.low
    elif highest is not None:
        value, epsilon = (highest.x, highest.y) if isinstance(highest.x, Value) else (highest.y, highest.x)
    else:
        return None
    length = find.op(value, ops.Norm)
    if length is None or not isinstance(epsilon, int | float) or length.x is not op.x or not length.keepdims:
        return None
    single = len(length.axes) == 1 and length.p > 0
    return ops.Normalize(op.x, float(length.p), length.axes[0], float(epsilon)) if single else None


def variance(op: ops.Mean, find: Any) -> Op | None:
    """the mean of (x - mean of x) squared = Variance(x)"""
    squared = find.op(op.x, ops.Multiply, ops.Square, ops.Power)
    if squared is None or not _is_square(squared):
        return None
    less = find.op(squared.x, ops.Subtract)
    mean = find.op(less.y, ops.Mean) if less is not None else None
    same = mean is not None and mean.keepdims and mean.x is less.x and tuple(mean.axes) == tuple(op.axes)
    return ops.Variance(less.x, op.axes, op.keepdims, 0.0) if same else None


def _is_square(op: Any) -> bool:
    if isinstance(op, ops.Square):
        return True
    return op.x is op.y if isinstance(op, ops.Multiply) else op.y == 2


# -- places of ones


def one_hot(op: ops.ScatterAlongAxis, find: Any) -> Op | None:
    """ones written into zeros, one for each row = OneHot(places)"""
    rows, last = tuple(op.x.shape[:-1]), len(op.x.shape) - 1
    shape = (*rows, 1)
    alike = op.mode == "set" and op.axis == last and tuple(op.indices.shape) == shape and last > 0
    zeros, ones = (find.op(one, ops.Full) for one in (op.x, op.updates))
    if not alike or zeros is None or ones is None or zeros.value != 0 or ones.value != 1:
        return None
    classes = op.x.shape[-1]
    return ops.OneHot(ops.Reshape(op.indices, rows), classes, op.x.dtype) if isinstance(classes, int) else None


# -- tables of one number


def same_everywhere(op: Any, find: Any) -> Op | None:
    """What is taken from a constant that is one number throughout = that number"""
    table = op.x
    small = isinstance(table, Parameter) and table.kind == "constant" and all(isinstance(n, int) for n in table.shape)
    if not small or not 1 < product(table.shape) <= 1 << 16:
        return None
    held = np.asarray(table.load()).reshape(-1)
    shape = op.result_types()[0].shape
    return ops.Full(tuple(shape), held[0].item(), table.dtype) if (held == held[0]).all() else None


RULES: dict[type[Op], list[Any]] = {
    **lookups.RULES,
    ops.TakeAlongAxis: [same_everywhere],
    ops.Take: [same_everywhere, *lookups.RULES[ops.Take]],
    ops.Reshape: [group_norm],
    ops.Multiply: [channel_scale, gate],
    ops.Add: [channel_offset, conv_bias],
    ops.Where: [steep_softplus],
    ops.Divide: [unit_length],
    ops.ScatterAlongAxis: [one_hot],
}
"""The rules by the kind of op that they look at."""

LATE: dict[type[Op], list[Any]] = {ops.Mean: [variance]}
"""Rules whose pieces could be those of a larger pattern: they come when nothing else is found any more."""
