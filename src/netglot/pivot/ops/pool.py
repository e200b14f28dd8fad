"""Pooling: the maximum or the mean over windows.

`axes` are the axes that windows slide along, and `kernel`, `stride`, `padding` hold one entry for each of them. With
`ceil_mode` a last window may overhang the padded data, if it starts before the padding after the data.
"""

from __future__ import annotations

import numpy as np

from netglot.pivot.op import Axes, Op, Tensor, TensorType, dtype_of, rand, shape_of
from netglot.pivot.windows import Pairs, overhang, pad, sizes_after, windows


class Pool(Op, abstract=True):
    """Ops that fold windows of `x` along `axes` into one value each."""

    layout = "along"

    def infer(self):
        dilation = getattr(self, "dilation", (1,) * len(self.axes))
        shape = sizes_after(
            shape_of(self.x), self.axes, self.kernel, self.stride, self.padding, dilation, self.ceil_mode
        )
        return TensorType(dtype_of(self.x), shape)

    def overhangs(self) -> tuple:
        """How far the last window of each axis reaches over the padded data; 0 without `ceil_mode`."""
        dilation = getattr(self, "dilation", (1,) * len(self.axes))
        if not self.ceil_mode:
            return (0,) * len(self.axes)
        window = zip(self.axes, self.kernel, self.stride, self.padding, dilation, strict=True)
        return tuple(overhang(shape_of(self.x)[axis], *one) for axis, *one in window)

    def folded(self, x: np.ndarray, value, fold) -> np.ndarray:
        """The windows of `x`, padded with `value`, each folded by `fold`."""
        dilation = getattr(self, "dilation", (1,) * len(self.axes))
        after = [(0, max(extra, 0)) for extra in self.overhangs()]
        padded = pad(pad(x, self.axes, self.padding, value), self.axes, after, value)
        seen = windows(padded, self.axes, self.kernel, self.stride, dilation)
        counts = tuple(slice(0, size) for size in self.infer().shape)
        return fold(seen[counts], axis=tuple(range(x.ndim, seen.ndim)))


def _lowest(dtype) -> float | int:
    return np.iinfo(dtype).min if np.issubdtype(dtype, np.integer) else -np.inf


class MaxPool(Pool):
    """The largest value of each window. Padding never wins: it counts as the lowest value there is."""

    x: Tensor
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    ceil_mode: bool
    axes: Axes

    def reference(self):
        return self.folded(self.x, _lowest(self.x.dtype), np.max)

    cases = [
        dict(
            x=rand(2, 3, *sizes) - 3,
            kernel=kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            ceil_mode=ceil_mode,
            axes=tuple(range(2, 2 + len(sizes))),
        )
        for sizes, kernel, stride, padding, dilation, ceil_mode in [
            ((8, 9), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False),
            ((8, 9), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), False),
            ((8, 9), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), False),
            ((8, 9), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), True),
            ((8, 9), (3, 3), (2, 2), ((0, 0), (0, 0)), (1, 1), True),
            ((8, 9), (3, 2), (2, 3), ((1, 1), (0, 1)), (1, 1), True),
            ((5, 7), (2, 2), (3, 3), ((1, 1), (1, 1)), (1, 1), True),
            ((9, 9), (3, 2), (1, 2), ((1, 1), (0, 0)), (2, 3), False),
            ((9, 9), (3, 2), (2, 2), ((1, 1), (1, 1)), (2, 1), True),
            ((9,), (3,), (2,), ((1, 1),), (1,), False),
            ((5, 6, 7), (2, 3, 2), (2, 2, 1), ((0, 0), (1, 1), (0, 0)), (1, 1, 1), False),
        ]
    ] + [
        dict(
            x=rand(1, 7, 6, 3),
            kernel=(3, 3),
            stride=(2, 2),
            padding=((0, 0), (0, 0)),
            dilation=(1, 1),
            ceil_mode=False,
            axes=(1, 2),
        )
    ]


class AvgPool(Pool):
    """The mean of each window.

    Padding counts as zeros with `count_include_pad` and is left out of the mean without; what overhangs the padded
    data is always left out. `divisor` replaces the number of elements.
    """

    x: Tensor
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    ceil_mode: bool
    count_include_pad: bool
    divisor: int | None
    axes: Axes

    def reference(self):
        total = self.folded(self.x, 0, np.sum)
        if self.divisor is not None:
            return total / self.divisor
        ones = np.ones_like(self.x)
        if self.count_include_pad:
            padded = self.replace(x=pad(ones, self.axes, self.padding, 1), padding=((0, 0),) * len(self.axes))
            return total / padded.folded(padded.x, 0, np.sum)[tuple(map(slice, total.shape))]
        return total / self.folded(ones, 0, np.sum)

    cases = [
        dict(
            x=rand(2, 3, *sizes),
            kernel=kernel,
            stride=stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
            divisor=divisor,
            axes=tuple(range(2, 2 + len(sizes))),
        )
        for sizes, kernel, stride, padding, ceil_mode, count_include_pad, divisor in [
            ((8, 9), (2, 2), (2, 2), ((0, 0), (0, 0)), False, True, None),
            ((8, 9), (3, 3), (1, 1), ((1, 1), (1, 1)), False, True, None),
            ((8, 9), (3, 3), (1, 1), ((1, 1), (1, 1)), False, False, None),
            ((8, 9), (3, 3), (2, 2), ((1, 1), (1, 1)), False, False, None),
            ((8, 9), (2, 2), (2, 2), ((0, 0), (0, 0)), True, False, None),
            ((8, 9), (3, 3), (2, 2), ((1, 1), (0, 1)), True, True, None),
            ((8, 9), (3, 2), (2, 2), ((1, 1), (1, 1)), True, False, None),
            ((5, 7), (3, 3), (2, 2), ((1, 1), (1, 1)), True, True, 5),
            ((9,), (4,), (2,), ((2, 2),), False, True, None),
            ((5, 6, 7), (2, 3, 2), (2, 2, 1), ((0, 0), (1, 1), (0, 0)), False, True, None),
            ((5, 6, 7), (2, 3, 2), (2, 2, 2), ((1, 1), (1, 1), (1, 1)), True, False, None),
        ]
    ]


class LpPool(Op):
    """The p-norm of each window."""

    x: Tensor
    p: float
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    ceil_mode: bool
    axes: Axes

    layout = "along"

    def infer(self):
        none = ((0, 0),) * len(self.axes), (1,) * len(self.axes)
        shape = sizes_after(shape_of(self.x), self.axes, self.kernel, self.stride, *none, self.ceil_mode)
        return TensorType(dtype_of(self.x), shape)

    def reference(self):
        none = ((0, 0),) * len(self.axes)
        powers = np.abs(self.x) ** self.p
        summed = AvgPool(powers, self.kernel, self.stride, none, self.ceil_mode, True, 1, self.axes)
        return summed.reference() ** (1 / self.p)

    cases = [
        dict(x=rand(2, 3, 7, 8), p=p, kernel=(2, 3), stride=(2, 2), ceil_mode=ceil, axes=(2, 3))
        for p, ceil in [(2.0, False), (3.0, False), (1.0, True)]
    ]


class AdaptivePool(Op, abstract=True):
    """Ops that divide each of `axes` into `output_size` windows of nearly equal length, and fold them."""

    x: Tensor
    output_size: tuple
    axes: Axes

    layout = "along"

    def infer(self):
        shape = list(shape_of(self.x))
        for axis, size in zip(self.axes, self.output_size, strict=True):
            shape[axis] = size
        return TensorType(dtype_of(self.x), tuple(shape))

    def folded(self, fold) -> np.ndarray:
        """The windows folded by `fold`, one axis after the other."""
        y = self.x
        for axis, size in zip(self.axes, self.output_size, strict=True):
            spans = adaptive_spans(y.shape[axis], size)
            parts = [fold(y.take(range(*span), axis), axis=axis, keepdims=True) for span in spans]
            y = np.concatenate(parts, axis)
        return y


def adaptive_spans(size: int, count: int) -> list[tuple[int, int]]:
    """Where each of `count` windows over `size` elements starts and ends; neighbours may overlap by one."""
    return [(i * size // count, -((i + 1) * size // -count)) for i in range(count)]


ADAPTIVE_CASES = [
    dict(x=rand(2, 3, *sizes), output_size=output_size, axes=tuple(range(2, 2 + len(sizes))))
    for sizes, output_size in [
        ((7, 8), (1, 1)),
        ((8, 9), (4, 3)),
        ((7, 10), (3, 4)),
        ((5, 3), (7, 3)),
        ((7, 7), (7, 7)),
        ((1, 6), (1, 4)),
        ((11,), (4,)),
        ((9,), (1,)),
        ((5, 6, 7), (2, 4, 3)),
    ]
]


class AdaptiveAvgPool(AdaptivePool):
    """The mean over windows that divide each axis into `output_size` parts."""

    cases = ADAPTIVE_CASES

    def reference(self):
        return self.folded(np.mean)


class AdaptiveMaxPool(AdaptivePool):
    """The maximum over windows that divide each axis into `output_size` parts."""

    cases = ADAPTIVE_CASES

    def reference(self):
        return self.folded(np.max)


class MaxPoolIndices(Pool):
    """Where in its plane (the axes `axes`, flattened in order) the largest value of each window of `x` stands."""

    x: Tensor
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    ceil_mode: bool
    axes: Axes

    def infer(self):
        return TensorType("int64", super().infer().shape)

    def reference(self):
        sizes = [self.x.shape[axis] for axis in self.axes]
        shape = [self.x.shape[axis] if axis in self.axes else 1 for axis in range(self.x.ndim)]
        places = np.arange(np.prod(sizes)).reshape(shape)
        assert list(self.axes) == sorted(self.axes), "a plane is counted in the order of its axes"

        def flat(windows, axis):
            return windows.reshape(*windows.shape[: min(axis)], -1)

        best = self.folded(self.x, _lowest(self.x.dtype), flat).argmax(-1)
        seen = self.folded(np.broadcast_to(places, self.x.shape), 0, flat)
        return np.take_along_axis(seen, best[..., None], -1)[..., 0]

    cases = [
        dict(
            x=rand(2, 3, 7, 8) - 3,
            kernel=(k, k),
            stride=(2, 2),
            padding=padding,
            dilation=(1, 1),
            ceil_mode=ceil,
            axes=(2, 3),
        )
        for k, padding, ceil in [
            (2, ((0, 0), (0, 0)), False),
            (3, ((1, 1), (1, 1)), False),
            (3, ((0, 0), (0, 0)), True),
            (3, ((1, 0), (0, 2)), False),
        ]
    ]


class MaxUnpool(Op):
    """Puts each element of `x` where `indices` say in a plane of `size` (the last axes, flattened), zeros elsewhere.

    The planes are the last `len(size)` axes of `x` and of `indices`. Of elements that go to one place the last wins.
    """

    x: Tensor
    indices: Tensor
    size: tuple

    def infer(self):
        return TensorType(dtype_of(self.x), (*shape_of(self.x)[: -len(self.size)], *self.size))

    def reference(self):
        kept = self.x.shape[: -len(self.size)]
        flat = np.zeros((*kept, int(np.prod(self.size))), self.x.dtype)
        np.put_along_axis(flat, self.indices.reshape(*kept, -1), self.x.reshape(*kept, -1), -1)
        return flat.reshape(*kept, *self.size)

    cases = [
        dict(
            x=rand(2, 3, 2, 2),
            indices=np.array([[1, 7], [10, 19]]) * np.ones((2, 3, 1, 1), "int64"),
            size=(4, 5),
        )
    ]
