"""Adaptive means over an axis of any length, as a product with the matrix of its windows."""

from __future__ import annotations

from typing import Any

from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of

_LETTERS = "abcdefgh"


def mean_of_windows(x: Any, axis: int, count: int) -> Any:
    """`x` with `count` means along `axis`, each over the elements from `i * n // count` up to, and without,
    `ceil((i + 1) * n / count)`; `n` may be open."""
    size, dtype = shape_of(x)[axis], type_of(x).dtype
    place = ops.Arange(0, count, 1, "int64")
    start = ops.FloorDivide(ops.Multiply(place, size), count)
    stop = ops.FloorDivide(ops.Add(ops.Multiply(ops.Add(place, 1), size), count - 1), count)
    at = ops.Reshape(ops.Arange(0, size, 1, "int64"), (1, size))
    first, last = (ops.Reshape(bound, (count, 1)) for bound in (start, stop))
    inside = ops.LogicalAnd(ops.GreaterEqual(at, first), ops.Less(at, last))
    weights = ops.Divide(ops.Cast(inside, dtype), ops.Cast(ops.Subtract(last, first), dtype))
    axes = _LETTERS[: len(shape_of(x))]
    return ops.Einsum((weights, x), f"z{axes[axis]},{axes}->{axes.replace(axes[axis], 'z')}")
