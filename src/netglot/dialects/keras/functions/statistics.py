"""Order statistics, sums over what is known, and choices in `keras.ops`."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axes_of, axis_of, rank
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import is_scalar, shape_of, type_of


@keras.reads("ops.quantile")
def quantile(x, q, axis=None, method="linear", keepdims=False):
    """The values below which a part `q` of the others along `axis` lies; several of them in a new first axis."""
    if method != "linear":  # Keras 3.15 forgets it in functional models, and obeys it elsewhere
        raise Refusal(notimpl(f"quantiles with method={method!r}, which Keras itself reads in two ways", "linear ones"))
    many = [q] if is_scalar(q) else q
    if not isinstance(many, list | tuple) or not all(is_scalar(one) for one in many):
        raise Refusal(notimpl("quantiles at places that are computed", "write them as numbers"))
    axes = axes_of(x, axis)
    rest = tuple(a for a in range(rank(x)) if a not in axes)
    count = product(shape_of(x)[a] for a in axes)
    if not isinstance(count, int):
        raise Refusal(notimpl("quantiles along an axis of open size", "fix the size"))
    lines = ops.Permute(x, (*rest, *axes)) if (*rest, *axes) != tuple(range(rank(x))) else x
    kept = tuple(shape_of(x)[a] for a in rest)
    ordered = ops.Sort(ops.Reshape(lines, (*kept, count)), len(kept), False)
    shape = tuple(1 if a in axes else size for a, size in enumerate(shape_of(x))) if keepdims else kept
    found = [ops.Reshape(_at(ordered, len(kept), one * (count - 1)), shape) for one in many]
    return found[0] if is_scalar(q) else ops.Stack(tuple(found), 0)


def _at(ordered: Any, axis: int, place: float) -> Any:
    """What stands at a place, or between two elements in proportion."""
    low, high = math.floor(place), math.ceil(place)
    below, above = ops.Select(ordered, axis, low), ops.Select(ordered, axis, high)
    return below if low == high else ops.Add(below, ops.Multiply(ops.Subtract(above, below), place - low))


@keras.reads("ops.median")
def median(x, axis=None, keepdims=False):
    return quantile(x, 0.5, axis, "linear", keepdims)


@keras.reads("ops.nansum")
def nansum(x, axis=None, keepdims=False):
    return ops.Sum(_known(x), axes_of(x, axis), bool(keepdims))


@keras.reads("ops.nanmean")
def nanmean(x, axis=None, keepdims=False):
    count = ops.Cast(ops.LogicalNot(ops.IsNan(x)), type_of(x).dtype)
    return ops.Divide(nansum(x, axis, keepdims), ops.Sum(count, axes_of(x, axis), bool(keepdims)))


def _known(x: Any) -> Any:
    """Zeros for what is not a number."""
    return ops.Where(ops.IsNan(x), 0.0, x)


@keras.reads("ops.trapezoid")
def trapezoid(y, x=None, dx=1.0, axis=-1):
    axis = axis_of(y, axis)
    if x is not None and (is_scalar(x) or rank(x) != 1):
        raise Refusal(notimpl("the trapezoidal rule over places of several axes"))
    late, early = _neighbours(y, axis)
    areas = ops.Multiply(ops.Add(late, early), 0.5)
    if x is None:
        return ops.Multiply(ops.Sum(areas, (axis,), False), dx)
    width = ops.Subtract(*_neighbours(x, 0))
    places = tuple(shape_of(width)[0] if a == axis else 1 for a in range(rank(y)))
    return ops.Sum(ops.Multiply(areas, ops.Reshape(width, places)), (axis,), False)


def _neighbours(x: Any, axis: int) -> tuple[Any, Any]:
    size = shape_of(x)[axis]
    return ops.Slice(x, axis, 1, size, 1), ops.Slice(x, axis, 0, size - 1, 1)


@keras.reads("ops.select")
def select(condlist, choicelist, default=0):
    pairs = zip(reversed(condlist), reversed(choicelist), strict=True)
    return reduce(lambda otherwise, pair: ops.Where(*pair, otherwise), pairs, default)


@keras.reads("ops.unravel_index")
def unravel_index(indices, shape):
    found, left = [], indices
    for size in reversed(shape):
        found.append(ops.Remainder(left, size))
        left = ops.FloorDivide(left, size)
    return list(reversed(found))


@keras.reads("ops.in_top_k")
def in_top_k(targets, predictions, k):
    """Whether fewer than `k` scores are above that of the target; ties count for the target."""
    places = ops.Reshape(targets, (shape_of(targets)[0], 1))
    own = ops.TakeAlongAxis(predictions, places, 1)
    above = ops.Sum(ops.Cast(ops.Greater(predictions, own), "int32"), (1,), False)
    return ops.Less(above, k)


@keras.reads("ops.kron")
def kron(x1, x2):
    a, b = shape_of(x1), shape_of(x2)
    if len(a) != len(b):
        raise Refusal(notimpl("a Kronecker product of tensors with different numbers of axes"))
    left = ops.Reshape(x1, tuple(size for one in a for size in (one, 1)))
    right = ops.Reshape(x2, tuple(size for one in b for size in (1, one)))
    return ops.Reshape(ops.Multiply(left, right), tuple(m * n for m, n in zip(a, b, strict=True)))


@keras.reads("ops.angle")
def angle(x):
    return ops.Where(ops.Less(x, 0.0), math.pi, ops.Where(ops.IsNan(x), x, 0.0))
