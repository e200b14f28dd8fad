"""Axes and ranges as a person writes them in Python."""

from __future__ import annotations

from netglot.pivot import dims
from netglot.pivot.dims import Call, Dim
from netglot.pivot.op import shape_of


def from_end(axis: int, rank: int) -> int:
    """An axis as a person writes it: the last one is -1."""
    return -1 if axis == rank - 1 else axis


def slice_indices(x, axis: int, index) -> tuple:
    """The subscript that applies `index` to one axis of `x` and leaves the others whole."""
    rank = len(shape_of(x))
    if axis == rank - 1 and axis > 1:
        return (..., index)
    return (*(slice(None),) * axis, index)


def bound(place, size):
    """A bound of a range as a person writes it: None at the end, negative near the end of a symbolic size.

    Subscripts clip their bounds, so `min(3, T)` is `3` and `max(T - 3, 0)` is `-3`.
    """
    if place == size:
        return None
    if isinstance(place, Dim):
        for inner in _clipped(place, size):
            place = inner
        if isinstance(size, Dim) and isinstance(place, Dim):
            distance = place - size
            return distance if isinstance(distance, int) and distance < 0 else place
    return place


def _clipped(place: Dim, size):
    """The bound inside `min(bound, size)` or `max(bound, 0)`."""
    atom = place.terms[0][0][0][0] if len(place.terms) == 1 and place.terms[0][1] == 1 and place.terms[0][0] else None
    if isinstance(atom, Call) and place == dims.call(atom.function, atom.left, atom.right):
        sides = (atom.left, atom.right)
        limit = {"min": size, "max": 0}.get(atom.function)
        if limit is not None and limit in sides:
            yield sides[1 - sides.index(limit)]
