"""Sorting and searching in `keras.ops`."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axis_of, flat, rank
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import type_of


@keras.reads("ops.sort")
def sort(x, axis=-1):
    return ops.Sort(x, axis_of(x, axis), False)


@keras.reads("ops.argsort")
def argsort(x, axis=-1):
    return ops.Argsort(flat(x), 0, False) if axis is None else ops.Argsort(x, axis_of(x, axis), False)


@keras.reads("ops.top_k")
def top_k(x, k, sorted=True):
    found = ops.TopK(x, k, rank(x) - 1, True, "int32")
    return [Part(found, 0), Part(found, 1)]


@keras.reads("ops.searchsorted")
def searchsorted(sorted_sequence, values, side="left"):
    return ops.Searchsorted(sorted_sequence, values, side == "right", "int32")


@keras.reads("ops.digitize")
def digitize(x, bins):
    if type_of(bins).dtype != type_of(x).dtype:
        x = ops.Cast(x, type_of(bins).dtype)
    return ops.Searchsorted(bins, x, True, "int32")
