"""Tensors made from sizes and numbers, and triangles."""

from __future__ import annotations

import math

import numpy as np

from netglot.pivot.dims import Dim, floordiv, maximum
from netglot.pivot.op import Op, Shape, Tensor, TensorType, numpy_dtype, rand, shape_of, type_of


class Full(Op):
    """A tensor that holds `value` everywhere."""

    shape: Shape
    value: bool | int | float
    dtype: str

    def infer(self):
        return TensorType(self.dtype, tuple(self.shape))

    def reference(self):
        return np.full(self.shape, self.value, numpy_dtype(self.dtype))

    cases = [
        dict(shape=(2, 3), value=1.5, dtype="float64"),
        dict(shape=(2, 3), value=0, dtype="float64"),
        dict(shape=(3,), value=1, dtype="int64"),
        dict(shape=(2, 1), value=True, dtype="bool"),
        dict(shape=(), value=-2.5, dtype="float64"),
        dict(shape=(2,), value=float("-inf"), dtype="float64"),
    ]


class Arange(Op):
    """`start`, `start + step`, ... as long as `stop` is not reached. Sizes and numbers may be symbolic."""

    start: int | float | Dim
    stop: int | float | Dim
    step: int | float
    dtype: str

    def infer(self):
        return TensorType(self.dtype, (_steps(self.start, self.stop, self.step),))

    def reference(self):
        places = np.arange(_steps(self.start, self.stop, self.step))
        return (self.start + places * self.step).astype(numpy_dtype(self.dtype))

    cases = [
        dict(start=0, stop=5, step=1, dtype="int64"),
        dict(start=2, stop=9, step=3, dtype="int64"),
        dict(start=5, stop=0, step=-2, dtype="int32"),
        dict(start=0, stop=4, step=1, dtype="float64"),
        dict(start=0.5, stop=2.0, step=0.25, dtype="float64"),
    ]


def _steps(start, stop, step):
    """How many numbers `Arange` holds."""
    start, stop, step = (int(n) if isinstance(n, float) and n.is_integer() else n for n in (start, stop, step))
    if isinstance(start, float) or isinstance(stop, float) or isinstance(step, float):
        return max(0, math.ceil((stop - start) / step))
    if step < 0:
        return maximum(0, floordiv(start - stop - step - 1, -step))
    length = floordiv(stop - start + step - 1, step)
    return length if isinstance(length, Dim) else max(0, length)


class Linspace(Op):
    """`num` numbers at equal distances, both ends included."""

    start: float
    stop: float
    num: int
    dtype: str

    def infer(self):
        return TensorType(self.dtype, (self.num,))

    def reference(self):
        return np.linspace(self.start, self.stop, self.num).astype(numpy_dtype(self.dtype))

    cases = [
        dict(start=-1.0, stop=2.0, num=7, dtype="float64"),
        dict(start=3.0, stop=0.5, num=4, dtype="float64"),
        dict(start=3.0, stop=0.5, num=1, dtype="float64"),
    ]


class Eye(Op):
    """Ones on the diagonal, zeros elsewhere."""

    rows: int
    columns: int
    dtype: str

    def infer(self):
        return TensorType(self.dtype, (self.rows, self.columns))

    def reference(self):
        return np.eye(self.rows, self.columns, dtype=numpy_dtype(self.dtype))

    cases = [
        dict(rows=3, columns=3, dtype="float64"),
        dict(rows=2, columns=4, dtype="int64"),
        dict(rows=4, columns=2, dtype="bool"),
    ]


class Triangle(Op, abstract=True):
    """Matrices in the last two axes with one triangle set to 0; `diagonal` counts from the main one, up is positive."""

    x: Tensor
    diagonal: int

    def infer(self):
        return type_of(self.x)

    cases = [dict(x=rand(3, 4), diagonal=d) for d in (0, 1, -1, 3, -4)] + [
        dict(x=rand(2, 4, 3), diagonal=0),
        dict(x=np.ones((4, 4), bool), diagonal=1),
        dict(x=rand(3, 3, dtype="int64"), diagonal=0),
    ]


class Tril(Triangle):
    """The lower triangle with its diagonal."""

    def reference(self):
        return np.tril(self.x, self.diagonal)


class Triu(Triangle):
    """The upper triangle with its diagonal."""

    def reference(self):
        return np.triu(self.x, self.diagonal)


class OneHot(Op):
    """For each number of `x` a new last axis of `classes` places with 1 at that number and 0 elsewhere."""

    x: Tensor
    classes: int
    dtype: str

    def infer(self):
        return TensorType(self.dtype, (*shape_of(self.x), self.classes))

    def reference(self):
        return np.eye(self.classes, dtype=numpy_dtype(self.dtype))[self.x]

    cases = [
        dict(x=rand(3, 2, dtype="int64", low=0, high=3), classes=5, dtype="int64"),
        dict(x=rand(4, dtype="int64", low=0, high=3), classes=4, dtype="float64"),
    ]
