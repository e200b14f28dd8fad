"""Keras's sorting: ascending, the largest along the last axis, places in int32."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.ops.shape import from_end
from netglot.pivot import dims, ops
from netglot.pivot.graph import Part
from netglot.pivot.op import INTEGERS, shape_of, type_of
from netglot.source.spell import call, unless


@keras.lowers(ops.Sort)
def descending(op):
    return ops.Flip(op.replace(descending=False), axes=(op.axis,)) if op.descending else None


@keras.writes(ops.Sort)
def sort(op):
    return call("ops.sort", op.x, axis=unless(from_end(op.axis, len(shape_of(op.x))), -1))


def _turned(x):
    """`x` in the opposite order: floats change sign, integers turn their bits over, which cannot overflow."""
    return ops.BitwiseNot(x) if type_of(x).dtype in INTEGERS else ops.Negative(x)


@keras.lowers(ops.Argsort)
def descending_places(op):
    return op.replace(x=_turned(op.x), descending=False) if op.descending else None


@keras.writes(ops.Argsort)
def argsort(op):
    return call("ops.cast", call("ops.argsort", op.x, axis=unless(from_end(op.axis, len(shape_of(op.x))), -1)), "int64")


@keras.arranges(ops.TopK)
def last_axis(op):
    """Keras finds the largest elements along the last axis."""
    rank = len(shape_of(op.x))
    order = (*(a for a in range(rank) if a != op.axis), op.axis)
    return dict.fromkeys(("x", "values", "indices"), order)


@keras.lowers(ops.TopK)
def lower_top_k(op):
    """Keras has the largest elements, and their places in int32."""
    if not op.largest:
        top = op.replace(x=_turned(op.x), largest=True)
        return _turned(Part(top, 0)), Part(top, 1)
    if op.index_dtype != "int32":
        top = op.replace(index_dtype="int32")
        return Part(top, 0), ops.Cast(Part(top, 1), dtype=op.index_dtype)
    return None


@keras.writes(ops.TopK)
def top_k(op):
    return call("ops.top_k", op.x, op.k)


@keras.lowers(ops.Searchsorted)
def lower_searchsorted(op):
    """Keras searches for a vector of numbers, and answers in int32."""
    shape = tuple(shape_of(op.values))
    if len(shape) != 1:
        vector = ops.Reshape(op.values, shape=(dims.product(shape),))
        return ops.Reshape(op.replace(values=vector), shape=shape)
    return ops.Cast(op.replace(dtype="int32"), dtype="int64") if op.dtype == "int64" else None


@keras.writes(ops.Searchsorted)
def searchsorted(op):
    return call("ops.searchsorted", op.boundaries, op.values, side="right" if op.right else "left")
