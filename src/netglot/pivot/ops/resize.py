"""Resizing, sampling at computed places, and trading channels for space.

Resizing is linear and works on one axis after the other, so its meaning is one matrix an axis (`resize_matrix`).
"""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np

from netglot.pivot.op import Axes, Axis, Op, Tensor, TensorType, dtype_of, rand, shape_of
from netglot.pivot.windows import spatial_axes


def nearest_indices(old: int, new: int, scale: float | None, exact: bool) -> np.ndarray:
    """Which of `old` elements stands at each of `new` places: the one whose interval the place, or its centre, is in.

    Places are computed in single precision, as the implementations do; that decides some of the ties.
    """
    step = np.float32(1 / scale) if scale else np.float32(old) / np.float32(new)
    places = (np.arange(new, dtype=np.float32) + np.float32(0.5 if exact else 0)) * step
    return np.minimum(np.floor(places).astype("int64"), old - 1)


def _hat(distance):
    return np.maximum(1 - distance, 0)


def _cubic(distance, a: float):
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


def resize_matrix(
    old: int, new: int, scale: float | None, mode: str, align_corners: bool, antialias: bool
) -> np.ndarray:
    """How much each of `old` elements weighs in each of `new` ones, as a matrix (new, old).

    With `antialias` the kernel is stretched to cover what one new element stands for, and cut off at the borders;
    without it the border elements are repeated.
    """
    if mode.startswith("nearest"):
        return np.eye(old)[nearest_indices(old, new, scale, mode != "nearest")]
    step = (old - 1) / max(new - 1, 1) if align_corners else 1 / scale if scale else old / new
    if antialias:
        centres, places = step * (np.arange(new) + 0.5), np.arange(old) + 0.5
        distance = np.abs(places - centres[:, None]) / max(step, 1)
        weights = _hat(distance) if mode == "linear" else _cubic(distance, -0.5)
        return weights / weights.sum(1, keepdims=True)
    centres = np.arange(new) * step if align_corners else (np.arange(new) + 0.5) * step - 0.5
    if mode == "linear":
        return _hat(np.abs(np.arange(old) - np.clip(centres, 0, old - 1)[:, None]))
    taps = np.arange(-2, old + 2)
    weights = _cubic(np.abs(taps - centres[:, None]), -0.75)
    return weights @ np.eye(old)[np.clip(taps, 0, old - 1)]


class Resize(Op):
    """Resizes the axes `axes` of `x` to `size`.

    `scale` is the factor that places are computed with, where it is not the ratio of the sizes. Modes: "nearest"
    takes the element at the start of a place and "nearest-exact" that at its centre; "linear"; "cubic" with the
    coefficient -0.75, with `antialias` -0.5; "area" is the mean over adaptive windows. `align_corners` puts the
    centres of the outermost elements, not their edges, on top of each other.
    """

    x: Tensor
    size: tuple
    scale: tuple[float, ...] | None
    mode: Literal["nearest", "nearest-exact", "linear", "cubic", "area"]
    align_corners: bool
    antialias: bool
    axes: Axes

    layout = "along"

    def infer(self):
        shape = list(shape_of(self.x))
        for axis, size in zip(self.axes, self.size, strict=True):
            shape[axis] = size
        return TensorType(dtype_of(self.x), tuple(shape))

    def reference(self):
        from netglot.pivot.ops.pool import AdaptiveAvgPool

        if self.mode == "area":
            return AdaptiveAvgPool(self.x, self.size, self.axes).reference()
        y = self.x
        for i, (axis, new) in enumerate(zip(self.axes, self.size, strict=True)):
            scale = self.scale[i] if self.scale else None
            if self.mode.startswith("nearest"):
                y = y.take(nearest_indices(y.shape[axis], new, scale, self.mode != "nearest"), axis)
            else:
                weights = resize_matrix(y.shape[axis], new, scale, self.mode, self.align_corners, self.antialias)
                y = np.moveaxis(np.tensordot(y, weights, [[axis], [1]]), -1, axis)
        return y.astype(self.x.dtype)

    cases = [
        dict(
            x=rand(2, 3, *sizes),
            size=size,
            scale=scale,
            mode=mode,
            align_corners=align_corners,
            antialias=antialias,
            axes=tuple(range(2, 2 + len(sizes))),
        )
        for sizes, size, scale, mode, align_corners, antialias in [
            ((3, 4), (6, 8), None, "nearest", False, False),
            ((3, 4), (6, 12), None, "nearest-exact", False, False),
            ((6, 8), (3, 2), None, "nearest", False, False),
            ((6, 9), (3, 3), None, "nearest-exact", False, False),
            ((5, 7), (8, 4), None, "nearest", False, False),
            ((5, 7), (8, 4), None, "nearest-exact", False, False),
            ((5, 7), (8, 11), (1.7, 1.6), "nearest", False, False),
            ((6,), (22,), None, "nearest-exact", False, False),
            ((4,), (8,), None, "nearest", False, False),
            ((2, 3, 2), (4, 6, 6), None, "nearest", False, False),
            ((3, 4), (6, 8), None, "linear", False, False),
            ((5, 7), (3, 10), None, "linear", False, False),
            ((5, 7), (3, 10), None, "linear", True, False),
            ((5, 7), (1, 7), None, "linear", True, False),
            ((5, 7), (8, 11), (1.7, 1.6), "linear", False, False),
            ((5,), (8,), None, "linear", False, False),
            ((2, 3, 2), (4, 5, 3), None, "linear", True, False),
            ((5, 7), (3, 10), None, "cubic", False, False),
            ((5, 7), (9, 4), None, "cubic", True, False),
            ((1, 7), (4, 14), (4.0, 2.0), "cubic", False, False),
            ((9, 7), (4, 10), None, "linear", False, True),
            ((9, 7), (4, 10), None, "linear", True, True),
            ((9, 11), (4, 3), None, "cubic", False, True),
            ((9, 7), (4, 3), None, "area", False, False),
        ]
    ]


class PixelShuffle(Op):
    """Turns blocks of `factor ** 2` channels into squares of `factor` by `factor` pixels."""

    x: Tensor
    factor: int
    axis: Axis

    layout = "along"

    def infer(self):
        shape = [size * self.factor for size in shape_of(self.x)]
        shape[0] = shape_of(self.x)[0]
        shape[self.axis] = shape_of(self.x)[self.axis] // self.factor**2
        return TensorType(dtype_of(self.x), tuple(shape))

    def reference(self):
        n, c, h, w = np.moveaxis(self.x, self.axis, 1).shape
        r = self.factor
        blocks = np.moveaxis(self.x, self.axis, 1).reshape(n, c // r**2, r, r, h, w)
        return np.moveaxis(blocks.transpose(0, 1, 4, 2, 5, 3).reshape(n, c // r**2, h * r, w * r), 1, self.axis)

    cases = [
        dict(x=rand(2, 12, 3, 4), factor=2, axis=1),
        dict(x=rand(1, 3, 4, 18), factor=3, axis=3),
    ]


class PixelUnshuffle(Op):
    """Turns squares of `factor` by `factor` pixels into blocks of `factor ** 2` channels."""

    x: Tensor
    factor: int
    axis: Axis

    layout = "along"

    def infer(self):
        shape = [size // self.factor for size in shape_of(self.x)]
        shape[0] = shape_of(self.x)[0]
        shape[self.axis] = shape_of(self.x)[self.axis] * self.factor**2
        return TensorType(dtype_of(self.x), tuple(shape))

    def reference(self):
        n, c, h, w = np.moveaxis(self.x, self.axis, 1).shape
        r = self.factor
        blocks = np.moveaxis(self.x, self.axis, 1).reshape(n, c, h // r, r, w // r, r)
        return np.moveaxis(blocks.transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r**2, h // r, w // r), 1, self.axis)

    cases = [
        dict(x=rand(2, 3, 4, 6), factor=2, axis=1),
        dict(x=rand(1, 6, 9, 2), factor=3, axis=3),
    ]


def _reflected(place, size: int, align_corners: bool):
    """`place` thrown back at the borders, which are the centres of the outermost elements or their edges."""
    low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
    if span == 0:
        return np.zeros_like(place)
    away = np.abs(place - low)
    within, flips = np.fmod(away, span), np.floor(away / span)
    return np.where(flips % 2 == 0, within + low, span - within + low)


class GridSample(Op):
    """Samples `x` at the places `grid`, (batch, *places, n), whose coordinates go from -1 to 1.

    The first coordinate runs along the last spatial axis. -1 and 1 are the centres of the outermost elements with
    `align_corners`, else their edges. `axis` is the channel axis of `x` and of the result; axis 0 is the batch.
    Outside `x`, "zeros" finds zeros, "border" the nearest element and "reflection" what a mirror shows.
    """

    x: Tensor
    grid: Tensor
    mode: Literal["linear", "nearest", "cubic"]
    padding_mode: Literal["zeros", "border", "reflection"]
    align_corners: bool
    axis: Axis

    layout = "along"

    def infer(self):
        shape, places = list(shape_of(self.x)), shape_of(self.grid)[1:-1]
        for axis, size in zip(spatial_axes(len(shape), self.axis), places, strict=True):
            shape[axis] = size
        return TensorType(dtype_of(self.x, self.grid), tuple(shape))

    def _bounded(self, place, size: int):
        if self.padding_mode == "reflection":
            place = _reflected(place, size, self.align_corners)
        return place if self.padding_mode == "zeros" else np.clip(place, 0, size - 1)

    def _taps(self, place, size: int):
        """The elements around `place` along one axis, and their weights."""
        if self.mode == "nearest":
            return [(np.round(self._bounded(place, size)), np.ones_like(place))]
        if self.mode == "linear":
            place = self._bounded(place, size)
            low = np.floor(place)
            return [(low, low + 1 - place), (low + 1, place - low)]
        low = np.floor(place)
        taps = [low + offset for offset in (-1, 0, 1, 2)]
        return [(self._bounded(tap, size), _cubic(np.abs(place - tap), -0.75)) for tap in taps]

    def reference(self):
        x = np.moveaxis(self.x, self.axis, 1)
        taps = []
        for i, size in enumerate(x.shape[2:]):
            unit = self.grid[..., x.ndim - 3 - i]
            place = (unit + 1) / 2 * (size - 1) if self.align_corners else ((unit + 1) * size - 1) / 2
            taps.append(self._taps(place, size))
        batch = np.arange(len(x)).reshape(-1, *[1] * (x.ndim - 2))
        y = 0.0
        for corner in itertools.product(*taps):
            inside, weight, index = True, 1.0, []
            for (tap, share), size in zip(corner, x.shape[2:], strict=True):
                inside = inside & (tap >= 0) & (tap <= size - 1)
                weight = weight * share
                index.append(np.clip(tap, 0, size - 1).astype("int64"))
            found = x[batch, :, *index]  # the channels come last: indexing moves them there
            y = y + found * (weight * inside)[..., None]
        return np.moveaxis(y, -1, self.axis).astype(self.x.dtype)

    cases = [
        dict(
            x=rand(2, 3, 4, 5),
            grid=rand(2, 3, 6, 2, low=-1.6, high=1.6, seed=1),
            mode=mode,
            padding_mode=padding_mode,
            align_corners=align_corners,
            axis=1,
        )
        for mode in ("linear", "nearest", "cubic")
        for padding_mode in ("zeros", "border", "reflection")
        for align_corners in (False, True)
    ] + [
        dict(
            x=rand(1, 3, 4, 5, 2),
            grid=rand(1, 2, 3, 4, 3, low=-1.4, high=1.4, seed=1),
            mode="linear",
            padding_mode="zeros",
            align_corners=False,
            axis=4,
        )
    ]


class AffineGrid(Op):
    """The places of a picture of `size` (its spatial axes) after the affine maps `theta`, (batch, n, n + 1).

    Coordinates go from -1 to 1, as for `GridSample`.
    """

    theta: Tensor
    size: tuple
    align_corners: bool

    def infer(self):
        return TensorType(dtype_of(self.theta), (shape_of(self.theta)[0], *self.size, len(self.size)))

    def reference(self):
        lines = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in self.size]
        if not self.align_corners:
            lines = [line * (n - 1) / n for line, n in zip(lines, self.size, strict=True)]
        places = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(self.size)], -1)
        return np.einsum("...j,nij->n...i", places, self.theta).astype(self.theta.dtype)

    cases = [
        dict(theta=rand(2, 2, 3), size=(3, 4), align_corners=False),
        dict(theta=rand(2, 2, 3), size=(1, 4), align_corners=True),
        dict(theta=rand(1, 3, 4), size=(2, 3, 4), align_corners=False),
    ]
