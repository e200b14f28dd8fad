"""Small helpers that the readers share: axes counted from the front, and axes added or dropped by reshaping."""

from __future__ import annotations

from typing import Any

from netglot.pivot import ops
from netglot.pivot.op import is_scalar, normal_axes, normal_axis, shape_of


def rank(x: Any) -> int:
    """The number of axes."""
    return len(shape_of(x))


def axis_of(x: Any, axis: int) -> int:
    """An axis of `x` counted from the front."""
    return normal_axis(axis, rank(x))


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    """Axes of `x` counted from the front; None means all."""
    if isinstance(axis, list | tuple) and not axis:
        return ()
    return normal_axes(tuple(axis) if isinstance(axis, list) else axis, rank(x))


def with_axes(x: Any, axes: Any) -> Any:
    """`x` with axes of size 1 at the places `axes` of the result."""
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    total = rank(x) + len(axes)
    places = {normal_axis(axis, total) for axis in axes}
    sizes = iter(shape_of(x))
    return ops.Reshape(x, tuple(1 if i in places else next(sizes) for i in range(total)))


def without_axes(x: Any, axes: Any) -> Any:
    """`x` without the axes `axes`, whose size is 1."""
    drop = axes_of(x, axes)
    return ops.Reshape(x, tuple(size for i, size in enumerate(shape_of(x)) if i not in drop))


def flat(x: Any) -> Any:
    """`x` with one axis."""
    from netglot.pivot.dims import product

    return ops.Reshape(x, (product(shape_of(x)),))


def moved(x: Any, source: int, destination: int) -> Any:
    """`x` with one axis at another place."""
    order = [i for i in range(rank(x)) if i != source]
    order.insert(destination, source)
    return x if order == list(range(rank(x))) else ops.Permute(x, tuple(order))


def truth(x: Any) -> Any:
    """`x` as truth values."""
    if is_scalar(x):
        return bool(x)
    from netglot.pivot.op import type_of

    return x if type_of(x).dtype == "bool" else ops.NotEqual(x, 0)


def per_axis(x: Any, placed: dict[int, Any], default: Any = 0) -> tuple:
    """One entry for each axis of `x`."""
    return tuple(placed.get(i, default) for i in range(rank(x)))
