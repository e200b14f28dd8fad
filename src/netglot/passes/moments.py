"""What TensorFlow's converters spell out: norms by their moments, choices by products, layers around other axes.

Rules as in `patterns`: each looks at one node and what leads to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.passes.split_layers import inverse_root, last_axes, sides, square_of
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Parameter, Value
from netglot.pivot.op import Op, is_scalar

# -- norms


def norm_by_moments(op: Any, find: Any) -> Op | None:
    """x * m + (b - mean * m) = LayerNorm(x, w, b), of m = w / sqrt(variance + epsilon)"""
    for scaled, shift in sides(op) if isinstance(op, ops.Add) else ((op.x, op.y),):
        turned = find.op(scaled, ops.Multiply)
        for x, factor in sides(turned) if turned is not None else ():
            made, scale = _normalised(x, factor, find)
            if made is None:
                continue
            offset, found = _shifted(shift, made, factor, isinstance(op, ops.Subtract), find)
            if found:
                return _with(made, scale, offset)
    return None


def _normalised(x: Any, factor: Any, find: Any) -> tuple[Any, Any]:
    """The norm of `x` and its weight, where a factor is one over the root of its variance, times a weight or not."""
    times = find.anywhere(factor, ops.Multiply)
    for one, scale in ((factor, None), *(sides(times) if times is not None else ())):
        found = inverse_root(one, find)
        squares = find.anywhere(found[0], ops.Mean) if found is not None else None
        source = square_of(squares.x, find) if squares is not None and squares.keepdims else None
        centred = find.anywhere(source, ops.Subtract) if isinstance(source, Value) else None
        if found is None or centred is None or centred.x is not x or not _is_mean(centred.y, x, squares.axes, find):
            continue
        if scale is None or isinstance(scale, Parameter):
            return last_axes(ops.LayerNorm(x, None, None, found[1], squares.axes)), scale
    return None, None


def _is_mean(value: Any, x: Any, axes: tuple, find: Any) -> bool:
    mean = find.anywhere(value, ops.Mean)
    return mean is not None and mean.x is x and mean.axes == axes and mean.keepdims


def _shifted(shift: Any, norm: Any, factor: Any, taken: bool, find: Any) -> tuple[Any, bool]:
    """The offset in `offset - mean * factor`, and whether this is what is added; `taken` says that it is subtracted."""
    if _is_moved(shift, norm, factor, not taken, find):
        return None, True
    if taken:
        return None, False
    less = find.op(shift, ops.Subtract)
    if less is not None and isinstance(less.x, Parameter) and _is_moved(less.y, norm, factor, False, find):
        return less.x, True
    plus = find.op(shift, ops.Add)
    for moved, offset in sides(plus) if plus is not None else ():
        if isinstance(offset, Parameter) and _is_moved(moved, norm, factor, True, find):
            return offset, True
    return None, False


def _is_moved(value: Any, norm: Any, factor: Any, negative: bool, find: Any) -> bool:
    """Whether a value is the mean that a norm takes away, times a factor, with its sign turned or not."""
    turned = find.op(value, ops.Multiply)
    for mean, other in sides(turned) if turned is not None else ():
        inner = find.anywhere(mean, ops.Negative) if negative else None
        mean = inner.x if inner is not None else mean if not negative else None
        if other is factor and isinstance(mean, Value) and _is_mean(mean, norm.x, norm.axes, find):
            return True
    return False


def _with(norm: Any, scale: Any, offset: Any) -> Op | None:
    """The norm with its weights in the shape of its axes; None where they are of another."""
    shape = tuple(norm.x.shape[axis] for axis in norm.axes)
    found = []
    for weight in (scale, offset):
        if weight is not None:
            plain = tuple(size for size in weight.shape if size != 1) == tuple(size for size in shape if size != 1)
            last = tuple(weight.shape[-len(shape) :]) == shape
            if not plain or not last or weight.kind != "parameter":
                return None
            weight = weight if tuple(weight.shape) == shape else ops.Reshape(weight, shape)
        found.append(weight)
    return norm.replace(scale=found[0], offset=found[1]) if scale is not None or offset is None else None


# -- choices


def choice(op: ops.Add, find: Any) -> Op | None:
    """c * x + (not c) * y = Where(c, x, y), of truth values c as numbers"""
    first, second = find.anywhere(op.x, ops.Multiply), find.anywhere(op.y, ops.Multiply)
    if first is None or second is None:
        return None
    for one, x in sides(first):
        for other, y in sides(second):
            left, right = _truth(one, find), _truth(other, find)
            if left is None or right is None:
                continue
            if _is_not(right, left, find):
                return _where(left, x, y, op)
            if _is_not(left, right, find):
                return _where(right, y, x, op)
    return None


def _truth(value: Any, find: Any) -> Any:
    cast = find.anywhere(value, ops.Cast)
    return cast.x if cast is not None and isinstance(cast.x, Value) and cast.x.dtype == "bool" else None


def _is_not(value: Any, other: Any, find: Any) -> bool:
    turned = find.anywhere(value, ops.LogicalNot)
    return turned is not None and turned.x is other


def _where(condition: Any, x: Any, y: Any, op: Any) -> Op | None:
    if is_scalar(x) and is_scalar(y):
        return None
    made = ops.Where(condition, x, y)
    return made if tuple(made.result_types()[0].shape) == tuple(op.result_types()[0].shape) else None


def row(op: ops.Embedding, find: Any) -> Op | None:
    """Embedding(Where(ids < 0, ids + rows, ids)) = Embedding(ids): rows are counted from the front"""
    chosen = find.op(op.ids, ops.Where)
    less = find.anywhere(chosen.condition, ops.Less) if chosen is not None else None
    if less is None or not is_scalar(less.y) or less.y != 0:
        return None
    plain = find.anywhere(less.x, ops.Cast)
    ids = plain.x if plain is not None else less.x
    moved = find.op(chosen.x, ops.Add)
    rows = op.weight.shape[0]
    return op.replace(ids=ids) if chosen.y is ids and moved is not None and moved.x is ids and moved.y == rows else None


def whole_table(op: Any, find: Any) -> Op | None:
    """Embedding(0, 1, 2, ... to its last row) = its weight, and so for the rows of a tensor"""
    embedded = isinstance(op, ops.Embedding)
    places, table = (op.ids, op.weight) if embedded else (op.indices, op.x)
    if not isinstance(places, Parameter) or places.kind != "constant" or not isinstance(table, Value):
        return None
    if (embedded and op.padding_idx is not None) or (not embedded and op.axis != 0):
        return None
    rows = table.shape[0]
    if tuple(places.shape) != (rows,) or not np.array_equal(places.load(), np.arange(rows)):
        return None
    return ops.Identity(table)


# -- dense layers around other axes


def dense_rows(op: ops.Reshape, find: Any) -> Op | None:
    """Linear(x as rows), its features apart = Linear(x), its features apart"""
    linear = find.op(op.x, ops.Linear)
    rows = find.anywhere(linear.x, ops.Reshape) if linear is not None else None
    if rows is None or not isinstance(rows.x, Value) or rows.x.type.rank < 3 or linear.x.type.rank != 2:
        return None
    lead, shape = tuple(rows.x.shape[:-1]), tuple(op.shape)
    out = linear.weight.shape[0]
    if rows.x.shape[-1] != rows.shape[-1] or len(shape) < len(lead) + 2 or product(shape[len(lead) :]) != out:
        return None
    if any(one != other for one, other in zip(shape[1:], lead[1:], strict=False)):
        return None
    return ops.Reshape(linear.replace(x=rows.x), (*lead, *shape[len(lead) :]))


def bias_apart(op: ops.Add, find: Any) -> Op | None:
    """Linear(x) with its features apart + b = Linear(x, b) with its features apart"""
    for inner, bias in sides(op):
        apart = find.op(inner, ops.Reshape)
        linear = find.op(apart.x, ops.Linear) if apart is not None else None
        if linear is None or linear.bias is not None or not isinstance(bias, Parameter) or bias.kind != "parameter":
            continue
        shape, out = tuple(bias.shape), linear.weight.shape[0]
        last = tuple(apart.shape[len(apart.shape) - len(shape) :]) == shape
        if len(shape) > 1 and last and product(shape) == out and len(apart.shape) > len(shape):
            return ops.Reshape(linear.replace(bias=ops.Reshape(bias, (out,))), apart.shape)
    return None


RULES: dict[type[Op], list[Any]] = {
    ops.Add: [norm_by_moments, choice, bias_apart],
    ops.Subtract: [norm_by_moments],
    ops.Embedding: [row, whole_table],
    ops.Take: [whole_table],
    ops.Reshape: [dense_rows],
}
"""The rules by the kind of op that they look at."""
