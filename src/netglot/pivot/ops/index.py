"""Reading and replacing parts of a tensor: ranges, positions, and positions that are data."""

from __future__ import annotations

from typing import Literal

import numpy as np

from netglot.pivot import dims
from netglot.pivot.op import Axis, Op, Tensor, TensorType, broadcast_shapes, dtype_of, rand, reduced_shape, shape_of

__all__ = [
    "AdvancedIndex",
    "IndexPut",
    "ScatterAlongAxis",
    "ScatterNd",
    "Select",
    "SelectUpdate",
    "Slice",
    "SliceUpdate",
    "Take",
    "TakeAlongAxis",
]

Mode = Literal["set", "add", "multiply", "maximum", "minimum"]
"""What happens where a number meets a place that holds one; "set" keeps the last of several."""

_UFUNCS = {"add": np.add, "multiply": np.multiply, "maximum": np.maximum, "minimum": np.minimum}


def _along(axis: int, index) -> tuple:
    return (*(slice(None),) * axis, index)


def _write(x: np.ndarray, places, value, mode: Mode) -> np.ndarray:
    """A copy of `x` with `value` written at `places`."""
    x = x.copy()
    if mode == "set":
        x[places] = value
    else:
        _UFUNCS[mode].at(x, places, value)
    return x


class Slice(Op):
    """The elements `start`, `start + step`, ... before `stop` of an axis. Bounds lie within it; `step` is positive."""

    layout = "along"
    x: Tensor
    axis: Axis
    start: int
    stop: int
    step: int

    def infer(self):
        shape = list(shape_of(self.x))
        shape[self.axis] = dims.floordiv(self.stop - self.start + self.step - 1, self.step)
        return TensorType(dtype_of(self.x), tuple(shape))

    def reference(self):
        return self.x[_along(self.axis, slice(self.start, self.stop, self.step))]

    cases = [
        dict(x=rand(2, 5, 7), axis=a, start=b, stop=e, step=s)
        for a, b, e, s in ((1, 1, 4, 1), (1, 0, 5, 2), (2, 1, 7, 3), (0, 1, 2, 1), (2, 3, 6, 1), (1, 2, 2, 1))
    ]


class Select(Op):
    """The element `index` of an axis, which vanishes."""

    layout = "reduce"
    x: Tensor
    axis: Axis
    index: int

    def reduced(self) -> tuple[int, ...]:
        """The axes that vanish."""
        return (self.axis,)

    def infer(self):
        return TensorType(dtype_of(self.x), reduced_shape(shape_of(self.x), (self.axis,), False))

    def reference(self):
        return self.x[_along(self.axis, self.index)]

    cases = [dict(x=rand(2, 5, 7), axis=a, index=i) for a, i in ((0, 1), (1, 0), (1, 4), (2, 3), (2, 6))]


class Take(Op):
    """The elements of an axis at `indices`, whose axes stand in the place of that axis. -1 is the last element."""

    x: Tensor
    indices: Tensor
    axis: Axis

    def infer(self):
        shape = shape_of(self.x)
        return TensorType(dtype_of(self.x), (*shape[: self.axis], *shape_of(self.indices), *shape[self.axis + 1 :]))

    def reference(self):
        return np.take(self.x, self.indices, self.axis)

    cases = [
        dict(x=rand(3, 4, 5), indices=np.array(i, dtype=t), axis=a)
        for i, t, a in (([2, 0, 0], "int64", 1), ([[1, -1], [0, 2]], "int64", 0), (3, "int64", 2), ([1], "int32", 1))
    ]


class TakeAlongAxis(Op):
    """For each position, the element of that line of `x` along `axis` that `indices` names there.

    `indices` has the rank of `x`, and its size on every other axis.
    """

    x: Tensor
    indices: Tensor
    axis: Axis

    def infer(self):
        return TensorType(dtype_of(self.x), shape_of(self.indices))

    def reference(self):
        return np.take_along_axis(self.x, self.indices, self.axis)

    cases = [
        dict(x=rand(3, 4, 2), indices=rand(3, 5, 2, dtype="int64", low=0, high=3), axis=1),
        dict(x=rand(3, 4), indices=rand(1, 4, dtype="int64", low=0, high=2), axis=0),
        dict(x=rand(2, 3), indices=rand(2, 1, dtype="int64", low=0, high=2), axis=1),
    ]


class AdvancedIndex(Op):
    """`x[i, :, j]`: `indices` has an entry for each axis up to the last indexed one, None for a whole axis.

    The index tensors broadcast against each other; their axes stand where the first indexed axis stood, or in front
    where a whole axis lies between indexed ones (NumPy's rule). Negative positions count from the end.
    """

    x: Tensor
    indices: tuple[Tensor | None, ...]

    def infer(self):
        return TensorType(dtype_of(self.x), indexed_shape(shape_of(self.x), self.indices))

    def reference(self):
        return self.x[_places(self.indices)]

    cases = [
        dict(x=rand(3, 4, 5), indices=indices)
        for indices in (
            (np.array([0, -1]), np.array([3, 1])),
            (None, np.array([[0], [2]]), np.array([4, -5, 1])),
            (np.array([2, 1]), None, np.array([0, 0])),
            (None, np.array([1, 1, 0])),
            (np.array(1), np.array([0, 2]), np.array([[1], [2]])),
        )
    ]


class SliceUpdate(Op):
    """`x` with `value` in the place of a range of an axis."""

    layout = "along"

    x: Tensor
    value: Tensor
    axis: Axis
    start: int
    stop: int
    step: int

    def infer(self):
        return TensorType(dtype_of(self.x, self.value), shape_of(self.x))

    def reference(self):
        return _write(self.x, _along(self.axis, slice(self.start, self.stop, self.step)), self.value, "set")

    cases = [
        dict(x=rand(2, 5, 4), value=rand(*v, seed=1), axis=a, start=b, stop=e, step=s)
        for v, a, b, e, s in (
            ((2, 2, 4), 1, 1, 3, 1),
            ((2, 3, 4), 1, 2, 5, 1),
            ((2, 2, 4), 1, 1, 5, 2),
            ((2, 5, 2), 2, 0, 4, 3),
            ((1, 5, 4), 0, 0, 1, 1),
            ((2, 5, 4), 2, 0, 4, 1),
        )
    ]


class SelectUpdate(Op):
    """`x` with `value` in the place of one element of an axis."""

    x: Tensor
    value: Tensor
    axis: Axis
    index: int

    def infer(self):
        return TensorType(dtype_of(self.x, self.value), shape_of(self.x))

    def reference(self):
        return _write(self.x, _along(self.axis, self.index), self.value, "set")

    cases = [
        dict(x=rand(2, 5, 4), value=rand(*v, seed=1), axis=a, index=i)
        for v, a, i in (((2, 4), 1, 0), ((2, 4), 1, 3), ((2, 5), 2, 3), ((5, 4), 0, 1))
    ]


class ScatterNd(Op):
    """`x` with `updates[i]` written at the position `indices[i]`.

    `indices` is (number, k) and addresses the first k axes of `x`; no position is negative. `updates` is
    (number, *the other axes).
    """

    x: Tensor
    indices: Tensor
    updates: Tensor
    mode: Mode

    def infer(self):
        return TensorType(dtype_of(self.x, self.updates), shape_of(self.x))

    def reference(self):
        return _write(self.x, tuple(self.indices.T), self.updates, self.mode)

    cases = [
        dict(x=rand(4, 3), indices=np.array([[2], [0]]), updates=rand(2, 3, seed=1), mode="set"),
        dict(x=rand(4, 3), indices=np.array([[2, 1], [0, 0]]), updates=rand(2, seed=1), mode="set"),
    ] + [
        dict(x=rand(4, 3), indices=np.array([[2], [0], [2]]), updates=rand(3, 3, seed=1), mode=mode)
        for mode in ("add", "multiply", "maximum", "minimum")
    ]


class ScatterAlongAxis(Op):
    """`x` with each element of `updates` written to the place in its line along `axis` that `indices` names.

    `indices` and `updates` have one shape, of the rank of `x`, on other axes at most as large. No index is negative.
    """

    x: Tensor
    indices: Tensor
    updates: Tensor
    axis: Axis
    mode: Mode

    def infer(self):
        return TensorType(dtype_of(self.x, self.updates), shape_of(self.x))

    def reference(self):
        places = list(np.indices(self.indices.shape))
        places[self.axis] = self.indices
        return _write(self.x, tuple(places), self.updates, self.mode)

    cases = [
        dict(x=rand(3, 4), indices=np.array([[1, 0], [3, 2]]), updates=rand(2, 2, seed=1), axis=1, mode="set"),
        dict(x=rand(3, 4), indices=np.array([[1, 0, 2, 2]]), updates=rand(1, 4, seed=1), axis=0, mode="set"),
    ] + [
        dict(
            x=rand(2, 4, 3),
            indices=rand(2, 5, 2, dtype="int64", low=0, high=3),
            updates=rand(2, 5, 2, seed=1),
            axis=1,
            mode=mode,
        )
        for mode in ("add", "multiply", "maximum", "minimum")
    ]


class IndexPut(Op):
    """`x` with `value` written at `x[i, :, j]`, or added there; `indices` as for `AdvancedIndex`.

    `value` broadcasts to the shape of that part of `x`. With `accumulate` a place that is named twice counts twice.
    """

    x: Tensor
    indices: tuple[Tensor | None, ...]
    value: Tensor
    accumulate: bool

    def infer(self):
        return TensorType(dtype_of(self.x, self.value), shape_of(self.x))

    def reference(self):
        return _write(self.x, _places(self.indices), self.value, "add" if self.accumulate else "set")

    cases = [
        dict(x=rand(3, 4, 5), indices=indices, value=rand(*shape, seed=1), accumulate=accumulate)
        for indices, shape, accumulate in (
            ((np.array([0, -1]), np.array([3, 1])), (2, 5), False),
            ((None, np.array([3, 1])), (5,), False),
            ((None, np.array([3, 1, 1])), (3, 3, 5), True),
            ((np.array([2, 1]), None, np.array([0, 3])), (2, 4), False),
            ((None, np.array([[0], [2]]), np.array([4, -5, 4])), (3, 2, 3), True),
            ((np.array(1),), (), False),
        )
    ]


def _places(indices) -> tuple:
    return tuple(slice(None) if index is None else index for index in indices)


def indexed_axes(indices) -> list[int]:
    """The axes that have an index tensor."""
    return [axis for axis, index in enumerate(indices) if index is not None]


def landing_axis(indices) -> int:
    """Where the axes of the index tensors stand in the result."""
    axes = indexed_axes(indices)
    return axes[0] if axes == list(range(axes[0], axes[-1] + 1)) else 0


def indexed_shape(shape, indices) -> tuple:
    """The shape of `x[i, :, j]`."""
    axes, at = indexed_axes(indices), landing_axis(indices)
    others = [size for axis, size in enumerate(shape) if axis not in axes]
    common = broadcast_shapes(*(shape_of(indices[axis]) for axis in axes))
    return (*others[:at], *common, *others[at:])
