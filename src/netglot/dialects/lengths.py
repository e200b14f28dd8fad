"""Sequences of different lengths in one batch, as formats tell of them: how long each is."""

from __future__ import annotations

from typing import Any

from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of


def _places(x: Any, lengths: Any, time: int, batch: int) -> tuple[Any, Any]:
    """The places along the time of sequences, and their lengths; each stands along its axis, all others are 1."""
    rank = len(shape_of(x))
    whole = lengths if type_of(lengths).dtype.startswith("int") else ops.Cast(lengths, "int32")
    along = ops.Arange(0, shape_of(x)[time], 1, type_of(whole).dtype)
    return tuple(
        ops.Reshape(one, tuple(size if place == axis else 1 for place in range(rank)))
        for one, axis, size in ((along, time, shape_of(x)[time]), (whole, batch, shape_of(x)[batch]))
    )  # type: ignore[return-value]


def within(x: Any, lengths: Any, time: int, batch: int) -> Any:
    """Whether the elements of sequences are within their lengths; the axes beside time and batch are 1."""
    return ops.Less(*_places(x, lengths, time, batch))


def turned(x: Any, lengths: Any, time: int, batch: int) -> Any:
    """Sequences turned around as far as they are long; what is behind stays."""
    places, ends = _places(x, lengths, time, batch)
    back = ops.Subtract(ops.Subtract(ends, 1), places)
    chosen = ops.Where(ops.Less(places, ends), back, ops.Broadcast(places, shape_of(back)))
    return ops.TakeAlongAxis(x, ops.Broadcast(chosen, shape_of(x)), time)


def last(x: Any, lengths: Any, time: int, batch: int) -> Any:
    """The last element of each sequence."""
    _, ends = _places(x, lengths, time, batch)
    shape = tuple(1 if axis == time else size for axis, size in enumerate(shape_of(x)))
    found = ops.TakeAlongAxis(x, ops.Broadcast(ops.Subtract(ends, 1), shape), time)
    return ops.Select(found, time, 0)
