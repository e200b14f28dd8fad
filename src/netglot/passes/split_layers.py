"""Layers that exporters write in pieces: norms, and activations that are a product with a gate.

Rules as in `patterns`: each looks at one node and what leads to it.
"""

from __future__ import annotations

from typing import Any

from netglot.pivot import ops
from netglot.pivot.graph import Parameter, Value
from netglot.pivot.op import Op


def _near(number: Any, wanted: float) -> bool:
    return isinstance(number, int | float) and abs(number - wanted) <= 1e-6 * abs(wanted)


def sides(op: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (op.x, op.y), (op.y, op.x)


# -- activations


def gated(op: ops.Multiply, find: Any) -> Op | None:
    """x * sigmoid(x) = Silu(x), x * hardsigmoid(x) = Hardswish(x), x * tanh(softplus(x)) = Mish(x)"""
    for x, gate in sides(op):
        if not isinstance(x, Value):
            continue
        for kind, made in ((ops.Sigmoid, ops.Silu), (ops.Hardsigmoid, ops.Hardswish)):
            inner = find.op(gate, kind)
            if inner is not None and inner.x is x:
                return made(x)
        tanh = find.op(gate, ops.Tanh)
        soft = find.op(tanh.x, ops.Softplus) if tanh is not None else None
        if soft is not None and soft.x is x and soft.beta == 1.0 and soft.threshold >= 20:
            return ops.Mish(x)
    return None


def hard_sigmoid(op: Any, find: Any) -> Op | None:
    """clip(x + 3, 0, 6) / 6 = Hardsigmoid(x)"""
    pairs = [(op.x, 1 / op.y)] if isinstance(op, ops.Divide) and isinstance(op.y, int | float) and op.y else []
    pairs = list(sides(op)) if isinstance(op, ops.Multiply) else pairs
    for value, factor in pairs:
        clip = find.op(value, ops.Clip) if _near(factor, 1 / 6) else None
        added = find.op(clip.x, ops.Add) if clip is not None and clip.low == 0 and clip.high == 6 else None
        for x, three in sides(added) if added is not None else ():
            if _near(three, 3.0) and isinstance(x, Value):
                return ops.Hardsigmoid(x)
    return None


def hard_swish(op: Any, find: Any) -> Op | None:
    """x * clip(x + 3, 0, 6) / 6 = Hardswish(x)"""
    factor = 1 / op.y if isinstance(op.y, int | float) and op.y else None
    product = find.op(op.x, ops.Multiply) if _near(factor, 1 / 6) else None
    for x, gate in sides(product) if product is not None else ():
        clip = find.op(gate, ops.Clip)
        added = find.op(clip.x, ops.Add) if clip is not None and clip.low == 0 and clip.high == 6 else None
        if added is not None and any(one is x and _near(three, 3.0) for one, three in sides(added)):
            return ops.Hardswish(x)
    return None


# -- norms


def square_of(value: Any, find: Any) -> Any:
    """What a value is the square of."""
    op = find.anywhere(value, ops.Power, ops.Square, ops.Multiply)
    if isinstance(op, ops.Power):
        return op.x if _near(op.y, 2.0) else None
    if isinstance(op, ops.Multiply):
        return op.x if op.x is op.y else None
    return op.x if op is not None else None


def _root(value: Any, find: Any) -> tuple[Any, float] | None:
    """What stands under a root, and the epsilon that is added to it."""
    root = find.anywhere(value, ops.Sqrt)
    if root is None:
        power = find.anywhere(value, ops.Power)
        root = power if power is not None and _near(power.y, 0.5) else None
    return _beneath(root.x, find) if root is not None else None


def _beneath(value: Any, find: Any) -> tuple[Any, float] | None:
    added = find.anywhere(value, ops.Add)
    for inner, epsilon in sides(added) if added is not None else ():
        if isinstance(epsilon, float) and isinstance(inner, Value):
            return inner, epsilon
    return None


def inverse_root(value: Any, find: Any) -> tuple[Any, float] | None:
    """As `_root`, of one over the root."""
    turned = find.anywhere(value, ops.Rsqrt)
    if turned is not None:
        return _beneath(turned.x, find)
    one = find.anywhere(value, ops.Reciprocal, ops.Divide)
    if isinstance(one, ops.Divide):
        return _root(one.y, find) if _near(one.x, 1.0) else None
    return _root(one.x, find) if one is not None else None


def _normalised(x: Any, variance: Any, epsilon: float, find: Any) -> Op | None:
    """The norm that divides `x` by the root of `variance + epsilon`."""
    if not isinstance(x, Value):
        return None
    centred = find.anywhere(x, ops.Subtract)
    mean = find.anywhere(centred.y, ops.Mean) if centred is not None else None
    squares = find.anywhere(variance, ops.Mean)
    source = square_of(squares.x, find) if squares is not None else None
    if mean is not None and mean.x is centred.x and mean.keepdims:
        again = find.anywhere(source, ops.Subtract) if isinstance(source, Value) else None
        twin = again is not None and again.x is centred.x and _same_mean(again.y, mean, find)
        if source is not None and (source is x or twin) and squares.axes == mean.axes and squares.keepdims:
            return ops.LayerNorm(centred.x, None, None, epsilon, mean.axes)
        spread = find.anywhere(variance, ops.Variance)
        if spread is not None and spread.x is centred.x and spread.axes == mean.axes and spread.keepdims:
            return ops.LayerNorm(centred.x, None, None, epsilon, mean.axes) if spread.correction == 0 else None
    if source is x and squares.keepdims:
        return ops.RmsNorm(x, None, epsilon, squares.axes)
    return None


def _same_mean(value: Any, mean: Op, find: Any) -> bool:
    other = find.anywhere(value, ops.Mean)
    return other is not None and other.x is mean.x and other.axes == mean.axes and other.keepdims == mean.keepdims


def last_axes(op: Op | None) -> Op | None:
    """The norm, where it is one over the last axes: others are norms of pictures that read as they stand."""
    if op is None:
        return None
    rank = op.x.type.rank
    return op if tuple(op.axes) == tuple(range(rank - len(op.axes), rank)) and rank > len(op.axes) else None


def norm_by_division(op: ops.Divide, find: Any) -> Op | None:
    """(x - mean) / sqrt(variance + epsilon) = LayerNorm(x), and x / sqrt(mean of squares + epsilon) = RmsNorm(x)"""
    found = _root(op.y, find)
    return last_axes(_normalised(op.x, *found, find)) if found is not None else None


def norm_by_product(op: ops.Multiply, find: Any) -> Op | None:
    """The same with a product by one over the root."""
    for x, factor in sides(op):
        found = inverse_root(factor, find)
        made = last_axes(_normalised(x, *found, find)) if found is not None else None
        if made is not None:
            return made
    return None


def norm_scale(op: ops.Multiply, find: Any) -> Op | None:
    """LayerNorm(x) * w = LayerNorm(x, w), and so for RmsNorm"""
    for inner, weight in sides(op):
        norm = find.op(inner, ops.LayerNorm, ops.RmsNorm)
        if norm is None or norm.scale is not None or getattr(norm, "offset", None) is not None:
            continue
        if (vector := _fitting(weight, norm)) is not None:
            return norm.replace(scale=vector)
    return None


def norm_offset(op: ops.Add, find: Any) -> Op | None:
    """LayerNorm(x, w) + b = LayerNorm(x, w, b)"""
    for inner, weight in sides(op):
        norm = find.op(inner, ops.LayerNorm)
        if norm is None or norm.offset is not None or norm.scale is None:
            continue
        if (vector := _fitting(weight, norm)) is not None:
            return norm.replace(offset=vector)
    return None


def _fitting(weight: Any, norm: Any) -> Any:
    """A weight as the scale or offset of a norm; None where it is none. It may have axes of one element in front."""
    if not isinstance(weight, Parameter) or weight.kind != "parameter":
        return None
    shape, held = tuple(norm.x.shape[axis] for axis in norm.axes), tuple(weight.shape)
    if held == shape:
        return weight
    lead = held[: len(held) - len(shape)]
    fits = held[len(lead) :] == shape and all(one == 1 for one in lead) and len(held) <= norm.x.type.rank
    return ops.Reshape(weight, shape) if fits else None


RULES: dict[type[Op], list[Any]] = {
    ops.Multiply: [gated, norm_by_product, norm_scale, hard_swish, hard_sigmoid],
    ops.Divide: [hard_swish, hard_sigmoid, norm_by_division],
    ops.Add: [norm_offset],
}
"""The rules by the kind of op that they look at."""
