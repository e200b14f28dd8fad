"""Layers of a channels-last network that an exporter wrote in small ops: norms as a product and a sum, attention as
einsums, GELU by the complement of the error function.

Rules as in `patterns`, for a graph whose weights are still those of the file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.passes.split_layers import inverse_root, last_axes, sides, square_of
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Graph, Parameter, Value
from netglot.pivot.op import Op, is_scalar

_MOMENTUM = 0.01
"""How much a norm takes of a batch's statistics where the file does not say; what Keras does."""


def raise_exported(graph: Graph) -> Graph:
    """The graph, changed in place, with what its exporter wrote in pieces as layers again."""
    from netglot.passes.patterns import raise_rules

    return raise_rules(graph, RULES)


# -- norms


def weight(value: Any, find: Any) -> Parameter | None:
    """The weight of one axis that a value is, with axes of one element around it or not."""
    apart = find.anywhere(value, ops.Reshape)
    held = apart.x if apart is not None else value
    return held if isinstance(held, Parameter) and held.kind != "constant" else None


def affine(op: ops.Add | ops.Subtract, find: Any) -> Op | None:
    """x * m + (b - mean * m) = a norm of x, of m = w / sqrt(variance + epsilon)"""
    for scaled, shift in sides(op) if isinstance(op, ops.Add) else ((op.x, op.y),):
        turned = find.op(scaled, ops.Multiply)
        for x, factor in sides(turned) if turned is not None else ():
            spread = _spread(factor, find)
            if spread is None or not isinstance(x, Value):
                continue
            variance, epsilon, scale = spread
            mean, offset = _shift(shift, factor, isinstance(op, ops.Subtract), find)
            if mean is not None:
                return _norm(x, mean, variance, epsilon, scale, offset, find)
    return None


def _spread(factor: Any, find: Any) -> tuple[Any, float, Any] | None:
    """The variance, the epsilon and the weight in `weight / sqrt(variance + epsilon)`."""
    times = find.anywhere(factor, ops.Multiply)
    for one, scale in ((factor, None), *(sides(times) if times is not None else ())):
        found = inverse_root(one, find)
        if found is not None and (scale is None or weight(scale, find) is not None):
            return (*found, scale)
    return None


def _shift(shift: Any, factor: Any, taken: bool, find: Any) -> tuple[Any, Any]:
    """The mean and the offset in `offset - mean * factor`; `taken` says that what stands there is subtracted."""
    mean = _times(shift, factor, not taken, find)
    if mean is not None or taken:
        return mean, None
    less, plus = find.op(shift, ops.Subtract), find.op(shift, ops.Add)
    if less is not None and weight(less.x, find) is not None:
        return _times(less.y, factor, False, find), less.x
    for moved, offset in sides(plus) if plus is not None else ():
        mean = _times(moved, factor, True, find)
        if mean is not None and weight(offset, find) is not None:
            return mean, offset
    return None, None


def _times(value: Any, factor: Any, negative: bool, find: Any) -> Any:
    """What is multiplied with a factor, with its sign turned or not."""
    turned = find.op(value, ops.Multiply)
    for mean, other in sides(turned) if turned is not None else ():
        if other is factor and isinstance(mean, Value):
            inner = find.anywhere(mean, ops.Negative)
            if negative:
                return inner.x if inner is not None else None
            return mean
    return None


def _norm(x: Any, mean: Any, variance: Any, epsilon: float, scale: Any, offset: Any, find: Any) -> Op | None:
    rank, size, epsilon = x.type.rank, x.shape[-1], float(f"{epsilon:.7g}")  # a file holds its float32
    held = [None if one is None else weight(one, find) for one in (scale, offset)]
    if isinstance(mean, Parameter) and isinstance(variance, Parameter):
        fits = all(one is None or tuple(one.shape) == (size,) for one in (mean, variance, *held))
        if not fits or mean.trainable or variance.trainable:
            return None
        return ops.BatchNorm(x, *held, mean, variance, epsilon, _MOMENTUM, False, rank - 1)
    axes = _moments(x, mean, variance, find)
    if axes is None or (offset is not None and scale is None):
        return None
    shape = tuple(x.shape[axis] for axis in axes)
    plain = ops.LayerNorm(x, None, None, epsilon, axes)
    if last_axes(plain) is not None and all(one is None or tuple(one.shape) == shape for one in held):
        return plain.replace(scale=held[0], offset=held[1])
    return _group_norm(x, axes, epsilon, held, find)


def _moments(x: Any, mean: Any, variance: Any, find: Any) -> tuple[int, ...] | None:
    """The axes over which a mean and a variance of `x` are taken."""
    first, squares = find.anywhere(mean, ops.Mean), find.anywhere(variance, ops.Mean)
    source = square_of(squares.x, find) if squares is not None else None
    centred = find.anywhere(source, ops.Subtract) if isinstance(source, Value) else None
    if first is None or centred is None or first.x is not x or centred.x is not x:
        return None
    still = find.anywhere(centred.y, ops.StopGradient)
    other = find.anywhere(still.x if still is not None else centred.y, ops.Mean)
    alike = other is not None and other.x is x and first.axes == squares.axes == other.axes
    return tuple(first.axes) if alike and first.keepdims and squares.keepdims and other.keepdims else None


def _group_norm(x: Any, axes: tuple, epsilon: float, held: list, find: Any) -> Op | None:
    """The norm of the channels in groups, which are the last but one axis, as it stands."""
    rank = x.type.rank
    apart = find.anywhere(x, ops.Reshape)
    if apart is None or tuple(sorted(axes)) != (*range(1, rank - 2), rank - 1) or apart.x.type.rank != rank - 1:
        return None
    groups, channels = x.shape[-2], apart.x.shape[-1]
    whole = tuple(apart.x.shape[:-1]) == tuple(x.shape[:-2])
    if not whole or not isinstance(groups, int) or any(one is not None and one.shape != (channels,) for one in held):
        return None
    return ops.Reshape(ops.GroupNorm(apart.x, *held, groups, epsilon, rank - 2), tuple(x.shape))


def by_batch(op: ops.Reshape, find: Any) -> Op | None:
    """BatchNorm(x, each of its rows a channel) in x's shape = LayerNorm(x)"""
    norm = find.op(op.x, ops.BatchNorm)
    rows = find.anywhere(norm.x, ops.Reshape) if norm is not None and norm.mean is None and norm.axis == 1 else None
    if rows is None or not isinstance(rows.x, Value) or tuple(rows.x.shape) != tuple(op.shape):
        return None
    if not _is_full(norm.scale, 1, find) or not _is_full(norm.offset, 0, find):
        return None
    shape, rank = tuple(rows.shape), rows.x.type.rank
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 1:
        return None
    for first in range(1, rank):
        if (product(op.shape[:first]), product(op.shape[first:])) == (shape[1], shape[2]):
            return ops.LayerNorm(rows.x, None, None, float(f"{norm.epsilon:.7g}"), tuple(range(first, rank)))
    return None


def _is_full(value: Any, number: float, find: Any) -> bool:
    full = find.anywhere(value, ops.Full)
    return value is None or (full is not None and full.value == number)


# -- activations


def gelu(op: ops.Multiply, find: Any) -> Op | None:
    """x / 2 * erfc(-x / sqrt(2)) = Gelu(x)"""
    for half, gate in sides(op):
        erfc, halved = find.op(gate, ops.Erfc), find.op(half, ops.Multiply)
        inner = find.op(erfc.x, ops.Multiply) if erfc is not None else None
        if inner is None or halved is None:
            continue
        for x, number in sides(halved):
            for turned, root in sides(inner):
                minus = find.anywhere(turned, ops.Negative)
                source, sign = (minus.x, -1.0) if minus is not None else (turned, 1.0)
                if source is x and number == 0.5 and is_scalar(root) and abs(sign * root + 0.5**0.5) < 1e-6:
                    return ops.Gelu(x, False)
    return None


# -- attention


def attention(op: ops.Einsum, find: Any) -> Op | None:
    """einsum(softmax(einsum(q, k) * scale + mask), v) = Attention(q, k, v)"""
    terms = _terms(op)
    for (weights, letters), (value, other) in (terms, terms[::-1]) if terms is not None else ():
        dropout = find.op(weights, ops.Dropout)
        rate = dropout.rate if dropout is not None and len(dropout.noise_axes) == 4 else 0.0
        softmax = find.op(dropout.x if rate else weights, ops.Softmax)
        if softmax is None or softmax.axis != 3:
            continue
        logits, mask, causal = _masked(softmax.x, find)
        logits, scale = _scaled(logits, find)
        scores = find.op(logits, ops.Einsum)
        parts = _terms(scores) if scores is not None else None
        made = _attended(parts, scores, letters, (value, other), op) if parts is not None else None
        if made is None:
            continue
        (query, key, held), order = made
        query, more = _scaled_term(query, find)
        key, again = _scaled_term(key, find)
        held = ops.Permute(*held)
        return ops.Permute(ops.Attention(query, key, held, mask, scale * more * again, causal, rate, 1), order)
    return None


def _terms(op: Any) -> list[tuple[Any, str]] | None:
    """Both tensors of a product of two of four axes, with their letters."""
    left, result = op.equation.split("->")
    letters = left.split(",")
    if len(letters) != 2 or any(len(set(one)) != 4 or "." in one for one in (*letters, result)):
        return None
    return list(zip(op.xs, letters, strict=True))


def _attended(parts: Any, scores: Any, letters: str, value: tuple[Any, str], op: Any) -> Any:
    """Query, key and value with heads before steps, and the order of axes that the source's result has; or None."""
    batch, heads, steps, keys = letters
    held, other = value
    (width,) = set(other) - set(letters) if len(set(other) - set(letters)) == 1 else ("",)
    result = op.equation.split("->")[1]
    if set(other) != {batch, heads, keys, width} or set(result) != {batch, heads, steps, width}:
        return None
    table = dict(zip(scores.equation.split("->")[1], letters, strict=True))
    named = [(x, "".join(table.get(one, "*") for one in term)) for x, term in parts]
    for (query, first), (key, second) in (named, named[::-1]):
        if set(first) == {batch, heads, steps, "*"} and set(second) == {batch, heads, keys, "*"}:
            turned = (
                (query, first, f"{batch}{heads}{steps}*"),
                (key, second, f"{batch}{heads}{keys}*"),
                (held, other, f"{batch}{heads}{keys}{width}"),
            )
            order = tuple(f"{batch}{heads}{steps}{width}".index(one) for one in result)
            return [(x, tuple(had.index(one) for one in wanted)) for x, had, wanted in turned], order
    return None


def _scaled_term(term: Any, find: Any) -> tuple[Any, float]:
    x, order = term
    inner, factor = _scaled(x, find)
    return ops.Permute(inner, order), factor


def _scaled(value: Any, find: Any) -> tuple[Any, float]:
    times = find.op(value, ops.Multiply)
    for inner, factor in sides(times) if times is not None else ():
        if isinstance(inner, Value) and is_scalar(factor):
            return inner, float(factor)
    return value, 1.0


def _masked(value: Any, find: Any) -> tuple[Any, Any, bool]:
    """Logits without their mask, what is added to them, and whether it keeps what is not later."""
    chosen, added = find.op(value, ops.Where), find.op(value, ops.Add)
    if chosen is not None and is_scalar(chosen.y) and chosen.y < -1e30 and isinstance(chosen.x, Value):
        if _is_causal(chosen.condition, find):
            return chosen.x, None, True
        mask = ops.Where(chosen.condition, ops.Full((), 0.0, value.dtype), float(chosen.y))  # as good for a softmax
        return chosen.x, mask, False
    for logits, mask in sides(added) if added is not None else ():
        inner, _ = _scaled(logits, find)
        if isinstance(mask, Value) and mask.type.rank == 4 and find.op(inner, ops.Einsum) is not None:
            return logits, mask, False
    return value, None, False


def _is_causal(condition: Any, find: Any) -> bool:
    """Whether truth values are a triangle that is known."""
    both = find.anywhere(condition, ops.LogicalAnd)
    for other, triangle in sides(both) if both is not None else ():
        full = find.anywhere(other, ops.Full)
        if full is not None and full.value is True:
            return _is_causal(triangle, find)
    if not isinstance(condition, Parameter) or condition.kind != "constant" or condition.type.rank < 2:
        return False
    array = np.asarray(condition.load())
    return array.size == array.shape[-1] * array.shape[-2] and bool((array == np.tril(np.ones_like(array))).all())


# -- dense layers


def projection(op: ops.Einsum, find: Any) -> Op | None:
    """einsum("btc,chd->bthd", x, w) = Linear(x, w) with its features apart"""
    left, result = op.equation.split("->")
    terms = left.split(",")
    if len(terms) != 2 or not isinstance(op.xs[1], Parameter) or op.xs[1].kind != "parameter" or "." in left:
        return None
    x, kernel = op.xs
    summed = "".join(one for one in terms[1] if one in terms[0])
    lead, rest = terms[0][: -len(summed)] if summed else "", terms[1][len(summed) :]
    if not lead or not rest or terms != [lead + summed, summed + rest] or result != lead + rest:
        return None
    sizes = dict(zip(terms[0], x.shape, strict=True)) | dict(zip(terms[1], kernel.shape, strict=True))
    given, made = product([sizes[one] for one in summed]), product([sizes[one] for one in rest])
    before = tuple(sizes[one] for one in lead)
    flat = x if len(summed) == 1 else ops.Reshape(x, (*before, given))
    matrix = kernel if kernel.type.rank == 2 else ops.Reshape(kernel, (given, made))
    linear = ops.Linear(flat, ops.Permute(matrix, (1, 0)), None)
    return linear if len(rest) == 1 else ops.Reshape(linear, (*before, *(sizes[one] for one in rest)))


RULES: dict[type[Op], list[Any]] = {
    ops.Add: [affine],
    ops.Subtract: [affine],
    ops.Reshape: [by_batch],
    ops.Multiply: [gelu],
    ops.Einsum: [attention, projection],
}
"""The rules by the kind of op that they look at."""
