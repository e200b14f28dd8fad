"""Rows of a table by number, alone or folded in bags."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from netglot.pivot.op import Op, Tensor, TensorType, dtype_of, rand, shape_of


class Embedding(Op):
    """The rows of `weight` that `ids` name, in a new last axis. The row `padding_idx` gets no gradient."""

    ids: Tensor
    weight: Annotated[Tensor, "num dim"]
    padding_idx: int | None

    def infer(self):
        return TensorType(dtype_of(self.weight), (*shape_of(self.ids), shape_of(self.weight)[1]))

    def reference(self):
        return self.weight[self.ids]

    cases = [
        dict(ids=rand(3, 4, dtype="int64", low=0, high=6), weight=rand(7, 5), padding_idx=None),
        dict(ids=rand(3, 4, dtype="int32", low=0, high=6), weight=rand(7, 5), padding_idx=0),
        dict(ids=rand(3, dtype="int64", low=0, high=6), weight=rand(7, 5), padding_idx=6),
    ]


class SegmentFold(Op):
    """Folds the rows of `x` that have one number in `segments` into one row each.

    The result has `count` rows. Segments without rows are 0 for the sum and the lowest number for the maximum.
    """

    x: Tensor
    segments: Tensor
    count: int
    mode: Literal["sum", "max"]

    def infer(self):
        return TensorType(dtype_of(self.x), (self.count, *shape_of(self.x)[1:]))

    def reference(self):
        fold, empty = (np.add, 0) if self.mode == "sum" else (np.maximum, -np.inf)
        result = np.full((self.count, *self.x.shape[1:]), empty, self.x.dtype)
        fold.at(result, self.segments, self.x)
        return result

    cases = [
        dict(x=rand(6, 3), segments=np.array([0, 0, 1, 3, 3, 3]), count=4, mode="sum"),
        dict(x=rand(6, 3), segments=np.array([0, 0, 1, 2, 2, 2]), count=3, mode="max"),
    ]
