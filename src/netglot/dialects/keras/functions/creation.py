"""Tensors like other tensors, and one-hot rows."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axis_of, moved, rank
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import is_scalar, shape_of, type_of


def _like(x, value, dtype):
    dtype = dtype or type_of(x).dtype
    kind = float if "float" in dtype else bool if dtype == "bool" else int
    return ops.Full(shape_of(x), kind(value), dtype)


@keras.reads("ops.zeros_like")
def zeros_like(x, dtype=None):
    return _like(x, 0, dtype)


@keras.reads("ops.ones_like")
def ones_like(x, dtype=None):
    return _like(x, 1, dtype)


@keras.reads("ops.empty_like")
def empty_like(x, dtype=None):
    return _like(x, 0, dtype)


@keras.reads("ops.full_like")
def full_like(x, fill_value, dtype=None):
    if is_scalar(fill_value):
        return _like(x, fill_value, dtype)
    return ops.Broadcast(ops.Cast(fill_value, dtype or type_of(x).dtype), shape_of(x))


@keras.reads("ops.full")
def full(shape, fill_value, dtype=None):
    value = fill_value if dtype is None else ops.Cast(fill_value, dtype)
    return ops.Broadcast(value, tuple(shape))


@keras.reads("ops.one_hot")
def one_hot(x, num_classes, axis=-1, dtype=None, sparse=False):
    if sparse:
        raise Refusal(notimpl("a sparse result"))
    # a number outside the classes gives a row of zeros, which the pivot's op does not promise
    places = ops.Arange(0, num_classes, 1, type_of(x).dtype)
    rows = ops.Equal(ops.Reshape(x, (*shape_of(x), 1)), places)
    rows = ops.Cast(rows, dtype or _floatx())
    return moved(rows, rank(x), axis_of(rows, axis))


def _floatx() -> str:
    import keras as framework

    return framework.config.floatx()


@keras.reads("ops.multi_hot")
def multi_hot(inputs, num_classes=None, axis=-1, dtype=None, sparse=False):
    if sparse or axis not in (-1, rank(inputs)):
        raise Refusal(notimpl("several classes at once along another axis, or sparse"))
    rows = one_hot(inputs, num_classes, -1, dtype)
    return rows if rank(inputs) < 1 else ops.Max(rows, (max(rank(inputs) - 1, 0),), False)


@keras.reads("ops.tril")
def tril(x, k=0):
    return ops.Tril(x, k)


@keras.reads("ops.triu")
def triu(x, k=0):
    return ops.Triu(x, k)
