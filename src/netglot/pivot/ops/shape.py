"""Reshaping, reordering, joining, splitting and padding.

There is no view, flatten, squeeze or unsqueeze: each is a `Reshape` to a known shape.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from netglot.pivot import dims
from netglot.pivot.op import (
    Along,
    Axes,
    Axis,
    Elementwise,
    Op,
    PerAxis,
    Shape,
    Tensor,
    TensorType,
    dtype_of,
    rand,
    shape_of,
)

__all__ = [
    "Broadcast",
    "Concat",
    "Diagonal",
    "DiagonalEmbed",
    "Flip",
    "Fold",
    "Identity",
    "Pad",
    "Permute",
    "Repeat",
    "Reshape",
    "Roll",
    "SlidingWindow",
    "Split",
    "Stack",
    "StopGradient",
    "Tile",
    "Unfold",
]


class Identity(Elementwise):
    """`x` itself."""

    x: Tensor

    def reference(self):
        return self.x

    cases = [dict(x=rand(2, 3))]


class StopGradient(Elementwise):
    """`x`, with no gradient flowing back."""

    x: Tensor

    def reference(self):
        return self.x

    cases = [dict(x=rand(2, 3))]


class Reshape(Op):
    """The elements of `x` in their order, in another shape of the same number of elements."""

    x: Tensor
    shape: Shape

    def infer(self):
        return TensorType(dtype_of(self.x), tuple(self.shape))

    def reference(self):
        return np.reshape(self.x, self.shape)

    cases = [
        dict(x=rand(3, 4, 5), shape=(3, 20)),
        dict(x=rand(1, 4, 3, 2), shape=(1, 24)),
        dict(x=rand(2, 6), shape=(2, 3, 2)),
        dict(x=rand(2, 1, 3), shape=(2, 3)),
        dict(x=rand(1, 1, 3), shape=(3,)),
        dict(x=rand(2, 3), shape=(2, 1, 3)),
        dict(x=rand(2, 3), shape=(1, 2, 3, 1)),
        dict(x=rand(1, 2, 1, 3), shape=(2, 3, 1)),
        dict(x=rand(1), shape=()),
    ]


class Permute(Op):
    """The axes of `x` in another order: axis `i` of the result is axis `axes[i]` of `x`."""

    x: Tensor
    axes: Axes

    def infer(self):
        return TensorType(dtype_of(self.x), tuple(shape_of(self.x)[axis] for axis in self.axes))

    def reference(self):
        return np.transpose(self.x, self.axes)

    cases = [dict(x=rand(2, 3, 4, 5), axes=a) for a in ((0, 2, 3, 1), (3, 1, 0, 2))] + [dict(x=rand(2, 3), axes=(1, 0))]


class Broadcast(Op):
    """`x` repeated along axes of size 1, and along new leading axes, to fill `shape`."""

    x: Tensor
    shape: Shape

    def infer(self):
        return TensorType(dtype_of(self.x), tuple(self.shape))

    def reference(self):
        return np.broadcast_to(self.x, self.shape)

    cases = [dict(x=rand(2, 1, 3), shape=(2, 4, 3)), dict(x=rand(3, 1), shape=(2, 3, 5))]


class Concat(Op):
    """The tensors `xs` one after the other along an axis."""

    layout = "along"
    xs: tuple[Tensor, ...]
    axis: Axis

    def infer(self):
        shape = list(shape_of(self.xs[0]))
        for x in self.xs[1:]:
            shape[self.axis] = shape[self.axis] + shape_of(x)[self.axis]
        return TensorType(dtype_of(*self.xs), tuple(shape))

    def reference(self):
        return np.concatenate(self.xs, self.axis)

    cases = [
        dict(xs=(rand(2, 3, 4), rand(2, 1, 4), rand(2, 2, 4)), axis=1),
        dict(xs=(rand(2, 3), rand(2, 2)), axis=1),
        dict(xs=(rand(1, 3), rand(3, 3)), axis=0),
    ]


class Stack(Op):
    """The tensors `xs`, all of one shape, side by side along a new axis `axis` of the result."""

    xs: tuple[Tensor, ...]
    axis: int

    def infer(self):
        shape = shape_of(self.xs[0])
        return TensorType(dtype_of(*self.xs), (*shape[: self.axis], len(self.xs), *shape[self.axis :]))

    def reference(self):
        return np.stack(self.xs, self.axis)

    cases = [dict(xs=(rand(2, 3), rand(2, 3, seed=1)), axis=a) for a in (0, 1, 2)]


class Split(Op):
    """Consecutive pieces of `x` along an axis, of the given sizes: as many results as sizes."""

    layout = "along"
    x: Tensor
    sizes: tuple
    axis: Axis

    def infer(self):
        dtype, shape = dtype_of(self.x), shape_of(self.x)
        return tuple(TensorType(dtype, (*shape[: self.axis], n, *shape[self.axis + 1 :])) for n in self.sizes)

    def reference(self):
        return tuple(np.split(self.x, np.cumsum(self.sizes)[:-1], self.axis))

    cases = [
        dict(x=rand(2, 6, 3), sizes=(2, 2, 2), axis=1),
        dict(x=rand(2, 7), sizes=(3, 3, 1), axis=1),
        dict(x=rand(5, 2), sizes=(1, 4), axis=0),
        dict(x=rand(2, 4), sizes=(4,), axis=1),
    ]


class Unstack(Op):
    """The elements of an axis one by one, without that axis: as many results as it has elements."""

    layout = "reduce"
    x: Tensor
    axis: Axis

    def reduced(self) -> tuple[int, ...]:
        """The axes that vanish."""
        return (self.axis,)

    def infer(self):
        dtype, shape = dtype_of(self.x), shape_of(self.x)
        return (TensorType(dtype, (*shape[: self.axis], *shape[self.axis + 1 :])),) * shape[self.axis]

    def reference(self):
        return tuple(np.moveaxis(self.x, self.axis, 0))

    cases = [dict(x=rand(2, 3, 4), axis=axis) for axis in (1, 2)]


class Pad(Op):
    """`x` with `before[i]` and `after[i]` elements added around axis `i`.

    Added are `value` ("constant"), the mirror image without the border ("reflect") or with it ("symmetric"), the
    border itself ("edge"), or the elements of the other end ("wrap"). No amount is negative.
    """

    layout = "along"
    x: Tensor
    before: PerAxis
    after: PerAxis
    mode: Literal["constant", "reflect", "symmetric", "edge", "wrap"]
    value: float

    def infer(self):
        sizes = zip(self.before, shape_of(self.x), self.after, strict=True)
        return TensorType(dtype_of(self.x), tuple(before + size + after for before, size, after in sizes))

    def reference(self):
        widths = list(zip(self.before, self.after, strict=True))
        if self.mode == "constant":
            return np.pad(self.x, widths, constant_values=self.value)
        return np.pad(self.x, widths, mode=self.mode)

    cases = [
        dict(x=rand(2, 3, 5, 4), before=b, after=a, mode=m, value=v)
        for b, a in (((0, 0, 1, 2), (0, 0, 2, 1)), ((0, 1, 1, 0), (0, 1, 1, 0)), ((0, 0, 2, 0), (0, 0, 0, 0)))
        for m, v in (
            ("constant", 0.0),
            ("constant", -1.5),
            ("reflect", 0.0),
            ("symmetric", 0.0),
            ("edge", 0.0),
            ("wrap", 0.0),
        )
    ] + [
        dict(x=rand(2, 5, 3), before=(0, 2, 0), after=(0, 1, 0), mode="constant", value=0.0),
        dict(x=rand(2, 3, dtype="int64"), before=(0, 1), after=(0, 1), mode="constant", value=7),
        dict(x=rand(2, 3, dtype="bool"), before=(0, 1), after=(0, 1), mode="constant", value=True),
    ]


class Tile(Op):
    """The whole of `x` laid `repeats[i]` times one after the other along axis `i`."""

    layout = "along"
    x: Tensor
    repeats: PerAxis

    def infer(self):
        sizes = zip(shape_of(self.x), self.repeats, strict=True)
        return TensorType(dtype_of(self.x), tuple(size * times for size, times in sizes))

    def reference(self):
        return np.tile(self.x, self.repeats)

    cases = [dict(x=rand(2, 3), repeats=(1, 2)), dict(x=rand(2, 1, 3), repeats=(3, 2, 1))]


class Repeat(Op):
    """Each element of an axis `repeats` times in a row."""

    layout = "along"
    x: Tensor
    repeats: int
    axis: Axis

    def infer(self):
        shape = shape_of(self.x)
        repeated = shape[self.axis] * self.repeats
        return TensorType(dtype_of(self.x), (*shape[: self.axis], repeated, *shape[self.axis + 1 :]))

    def reference(self):
        return np.repeat(self.x, self.repeats, self.axis)

    cases = [dict(x=rand(2, 3), repeats=2, axis=a) for a in (0, 1)]


class Roll(Along):
    """`x` with the elements of `axes[i]` moved `shifts[i]` places on, those at the end coming round."""

    x: Tensor
    shifts: tuple
    axes: Axes

    def reference(self):
        return np.roll(self.x, self.shifts, self.axes)

    cases = [
        dict(x=rand(2, 5, 4), shifts=(2,), axes=(1,)),
        dict(x=rand(2, 5, 4), shifts=(-1, 7), axes=(2, 1)),
    ]


class Flip(Along):
    """`x` with the elements of `axes` in reverse order."""

    x: Tensor
    axes: Axes

    def reference(self):
        return np.flip(self.x, self.axes)

    cases = [dict(x=rand(2, 3, 4), axes=a) for a in ((1,), (0, 2))]


class Diagonal(Op):
    """The diagonal of two axes, `offset` places above the main one, as a new last axis; the two axes vanish."""

    x: Tensor
    offset: int
    axis1: int
    axis2: int

    def infer(self):
        shape = shape_of(self.x)
        kept = tuple(size for axis, size in enumerate(shape) if axis not in (self.axis1, self.axis2))
        rows, columns = shape[self.axis1], shape[self.axis2]
        length = dims.minimum(rows + min(self.offset, 0), columns - max(self.offset, 0))
        return TensorType(dtype_of(self.x), (*kept, dims.maximum(length, 0)))

    def reference(self):
        return np.diagonal(self.x, self.offset, self.axis1, self.axis2)

    cases = [dict(x=rand(2, 3, 4), offset=o, axis1=a, axis2=b) for o, a, b in ((0, 1, 2), (1, 0, 2), (-1, 2, 1))]


class DiagonalEmbed(Op):
    """Zeros with the last axis of `x` on a diagonal, `offset` places above the main one, of two new axes."""

    x: Tensor
    offset: int
    axis1: int
    axis2: int

    def infer(self):
        *batch, length = shape_of(self.x)
        side = length + abs(self.offset)
        shape = list(batch)
        for axis in sorted((self.axis1, self.axis2)):
            shape.insert(axis, side)
        return TensorType(dtype_of(self.x), tuple(shape))

    def reference(self):
        length = self.x.shape[-1]
        side = length + abs(self.offset)
        result = np.zeros((*self.x.shape[:-1], side, side), self.x.dtype)
        rows = np.arange(length) + max(-self.offset, 0)
        result[..., rows, rows + self.offset] = self.x
        return np.moveaxis(result, (-2, -1), (self.axis1, self.axis2))

    cases = [dict(x=rand(2, 3), offset=o, axis1=a, axis2=b) for o, a, b in ((0, 1, 2), (1, 0, 2), (-2, 2, 0))]


class SlidingWindow(Op):
    """Windows of `size` along an axis, one every `step`: the axis counts windows, a new last axis runs inside them."""

    x: Tensor
    axis: int
    size: int
    step: int

    def infer(self):
        shape = shape_of(self.x)
        count = (shape[self.axis] - self.size) // self.step + 1
        return TensorType(dtype_of(self.x), (*shape[: self.axis], count, *shape[self.axis + 1 :], self.size))

    def reference(self):
        windows = np.lib.stride_tricks.sliding_window_view(self.x, self.size, self.axis)
        every = [slice(None)] * self.x.ndim
        every[self.axis] = slice(None, None, self.step)
        return windows[tuple(every)]

    cases = [dict(x=rand(2, 7, 3), axis=a, size=s, step=t) for a, s, t in ((1, 3, 2), (1, 7, 1), (2, 2, 1), (0, 1, 3))]


class Unfold(Op):
    """The windows of an image as columns (im2col).

    `x` is (batch, channel, *space); the result is (batch, channel * window, number of windows), the elements of the
    window varying fastest. `padding` zeros are laid around each spatial axis first.
    """

    x: Tensor
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def infer(self):
        batch, channels, *space = shape_of(self.x)
        counts = window_counts(space, self.kernel, self.stride, self.padding, self.dilation)
        columns = channels * dims.product(self.kernel)
        return TensorType(dtype_of(self.x), (batch, columns, dims.product(counts)))

    def reference(self):
        batch, channels, *space = self.x.shape
        counts = window_counts(space, self.kernel, self.stride, self.padding, self.dilation)
        x = np.pad(self.x, [(0, 0), (0, 0), *((p, p) for p in self.padding)])
        columns = np.empty((batch, channels, *self.kernel, *counts), x.dtype)
        for tap, window in _taps(self.kernel, self.stride, self.dilation, counts):
            columns[:, :, *tap] = x[:, :, *window]
        return columns.reshape(batch, channels * int(np.prod(self.kernel)), int(np.prod(counts)))

    cases = [
        dict(x=rand(2, 3, 6, 7), kernel=(2, 3), stride=s, padding=p, dilation=d)
        for s, p, d in (((1, 1), (0, 0), (1, 1)), ((2, 1), (1, 0), (1, 2)), ((3, 2), (1, 1), (2, 1)))
    ]


class Fold(Op):
    """Columns laid back into an image, summed where windows overlap (col2im); the adjoint of `Unfold`.

    `x` is (batch, channel * window, number of windows); the result is (batch, channel, *size).
    """

    x: Tensor
    size: tuple
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def infer(self):
        batch, columns, _ = shape_of(self.x)
        return TensorType(dtype_of(self.x), (batch, columns // dims.product(self.kernel), *self.size))

    def reference(self):
        batch, columns, _ = self.x.shape
        channels = columns // int(np.prod(self.kernel))
        counts = window_counts(self.size, self.kernel, self.stride, self.padding, self.dilation)
        x = self.x.reshape(batch, channels, *self.kernel, *counts)
        padded = [size + 2 * p for size, p in zip(self.size, self.padding, strict=True)]
        image = np.zeros((batch, channels, *padded), x.dtype)
        for tap, window in _taps(self.kernel, self.stride, self.dilation, counts):
            image[:, :, *window] += x[:, :, *tap]
        return image[:, :, *(slice(p, p + size) for p, size in zip(self.padding, self.size, strict=True))]

    cases = [
        dict(x=rand(2, 18, n), size=(6, 7), kernel=(2, 3), stride=s, padding=p, dilation=d)
        for n, s, p, d in ((25, (1, 1), (0, 0), (1, 1)), (12, (2, 1), (1, 0), (1, 2)), (8, (3, 2), (1, 1), (2, 1)))
    ]


def window_counts(space, kernel, stride, padding, dilation) -> tuple:
    """How many windows fit along each spatial axis."""
    options = zip(space, kernel, stride, padding, dilation, strict=True)
    return tuple((size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in options)


def _taps(kernel, stride, dilation, counts):
    """Each position in the window, with the slices of the image that it meets."""
    for tap in np.ndindex(*kernel):
        options = zip(tap, dilation, stride, counts, strict=True)
        yield tap, tuple(slice(t * d, t * d + s * (n - 1) + 1, s) for t, d, s, n in options)
