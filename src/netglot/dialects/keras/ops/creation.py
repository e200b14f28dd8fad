"""Keras's tensors from sizes and numbers. `float32` goes unsaid: it is `floatx`, unless the user chose another."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.pivot.op import shape_of
from netglot.source.spell import Call, call, unless


def dtype_option(dtype: str):
    """The dtype, left out where it is what Keras makes anyway."""
    return unless(dtype, "float32")


@keras.writes(ops.Full)
def full(op):
    shape, dtype = tuple(op.shape), dtype_option(op.dtype)
    if op.value in (0, 1):
        return call("ops.ones" if op.value else "ops.zeros", shape, dtype=dtype)
    return call("ops.full", shape, op.value, dtype=dtype)


@keras.writes(ops.Arange)
def arange(op):
    # The dtype is always said: without it, it depends on the kinds of the numbers.
    bounds = (op.stop,) if op.start == 0 and op.step == 1 else (op.start, op.stop)
    bounds = bounds if op.step == 1 else (*bounds, op.step)
    return call("ops.arange", *bounds, dtype=op.dtype)


@keras.writes(ops.Linspace)
def linspace(op):
    return Call("ops.linspace", (op.start, op.stop, op.num), {"dtype": op.dtype})


@keras.writes(ops.Eye)
def eye(op):
    columns = () if op.rows == op.columns else (op.columns,)
    return call("ops.eye", op.rows, *columns, dtype=dtype_option(op.dtype))


@keras.writes(ops.Tril)
def tril(op):
    return call("ops.tril", op.x, k=unless(_within(op, -1), 0))


@keras.writes(ops.Triu)
def triu(op):
    return call("ops.triu", op.x, k=unless(_within(op, -2), 0))


def _within(op, axis: int) -> int:
    """The diagonal, moved to the matrix's edge where it lies beyond: TensorFlow raises there."""
    size = shape_of(op.x)[axis]
    if not isinstance(size, int):
        return op.diagonal
    return min(op.diagonal, size) if axis == -1 else max(op.diagonal, -size)


@keras.writes(ops.OneHot)
def one_hot(op):
    return call("ops.one_hot", op.x, op.classes, dtype=dtype_option(op.dtype))
