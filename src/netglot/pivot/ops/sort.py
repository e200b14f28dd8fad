"""Order: sorting, the largest elements, and searching in what is sorted."""

from __future__ import annotations

from typing import Literal

import numpy as np

from netglot.pivot.op import Along, Axis, Op, Tensor, TensorType, dtype_of, numpy_dtype, rand, shape_of, type_of

_DISTINCT = rand(3, 4, 5)
_EQUALS = np.array([[1.0, 3.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, -1.0, 2.0]])
"""Rows with equal elements, where stability shows."""


class Sort(Along):
    """The elements along `axis` in order."""

    x: Tensor
    axis: Axis
    descending: bool

    def reference(self):
        ordered = np.sort(self.x, axis=self.axis)
        return np.flip(ordered, self.axis) if self.descending else ordered

    cases = [dict(x=_DISTINCT, axis=a, descending=d) for a in (0, 1, 2) for d in (False, True)] + [
        dict(x=rand(2, 5, dtype="int64"), axis=1, descending=True)
    ]


class Argsort(Op):
    """The places (int64) of the elements along `axis` in order; equal elements keep their order."""

    layout = "along"
    x: Tensor
    axis: Axis
    descending: bool

    def infer(self):
        return TensorType("int64", shape_of(self.x))

    def reference(self):
        return _argsort(self.x, self.axis, self.descending)

    cases = [
        *Sort.cases,
        dict(x=_EQUALS, axis=1, descending=False),
        dict(x=_EQUALS, axis=1, descending=True),
    ]


def _argsort(x, axis, descending):
    """A stable sort in either direction."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    backward = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - backward, axis)


class TopK(Op):
    """The `k` largest (or smallest) elements along `axis` in order, and their places; of equals the first ones."""

    layout = "along"
    results = ("values", "indices")
    x: Tensor
    k: int
    axis: Axis
    largest: bool
    index_dtype: Literal["int32", "int64"]

    def infer(self):
        shape = list(shape_of(self.x))
        shape[self.axis] = self.k
        return TensorType(dtype_of(self.x), tuple(shape)), TensorType(self.index_dtype, tuple(shape))

    def reference(self):
        indices = np.take(_argsort(self.x, self.axis, self.largest), np.arange(self.k), self.axis)
        return np.take_along_axis(self.x, indices, self.axis), indices.astype(numpy_dtype(self.index_dtype))

    cases = [
        *(
            dict(x=_DISTINCT, k=2, axis=a, largest=largest, index_dtype="int64")
            for a in (0, 1, 2)
            for largest in (True, False)
        ),
        dict(x=_EQUALS, k=3, axis=1, largest=True, index_dtype="int32"),
        dict(x=rand(2, 5, dtype="int64"), k=1, axis=1, largest=True, index_dtype="int64"),
    ]


class Searchsorted(Op):
    """Where each of `values` belongs in the ascending vector `boundaries`.

    The place is in front of equal elements, or behind them for `right`.
    """

    boundaries: Tensor
    values: Tensor
    right: bool
    dtype: Literal["int32", "int64"]

    def infer(self):
        return TensorType(self.dtype, type_of(self.values).shape)

    def reference(self):
        side = "right" if self.right else "left"
        return np.searchsorted(self.boundaries, self.values, side).astype(numpy_dtype(self.dtype))

    cases = [
        dict(boundaries=np.array([-1.0, 0.0, 0.5, 1.5]), values=np.round(rand(2, 5) * 2) / 2, right=r, dtype=d)
        for r in (False, True)
        for d in ("int32", "int64")
    ]
