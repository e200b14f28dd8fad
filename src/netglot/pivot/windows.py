"""Sliding windows: the arithmetic that convolution and pooling share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netglot.pivot.dims import Size, minimum

Pairs = tuple[tuple[int, int], ...]
"""For each spatial axis how much is added before and after."""


def spatial_axes(rank: int, axis: int) -> tuple[int, ...]:
    """The axes that are neither the batch axis 0 nor the channel axis."""
    return tuple(i for i in range(1, rank) if i != axis)


def reach(kernel: int, dilation: int) -> int:
    """How many positions a dilated kernel covers."""
    return dilation * (kernel - 1) + 1


def count(size, kernel: int, stride: int, padding: tuple[int, int], dilation: int = 1, ceil: bool = False) -> Size:
    """How many windows fit. With `ceil` a last one may overhang, if it starts before the padding after the data."""
    free = size + padding[0] + padding[1] - reach(kernel, dilation)
    if not ceil:
        return free // stride + 1
    return minimum((free + stride - 1) // stride + 1, (size + padding[0] - 1) // stride + 1)


def overhang(size, kernel: int, stride: int, padding: tuple[int, int], dilation: int = 1) -> Size:
    """How far the last window of `ceil` mode reaches over the padded data; not positive where it does not."""
    last = (count(size, kernel, stride, padding, dilation, ceil=True) - 1) * stride
    return last + reach(kernel, dilation) - (size + padding[0] + padding[1])


def sizes_after(shape, axes: Sequence[int], kernel, stride, padding, dilation, ceil: bool = False) -> tuple:
    """`shape` with the number of windows along `axes`."""
    after = list(shape)
    for axis, *window in zip(axes, kernel, stride, padding, dilation, strict=True):
        after[axis] = count(shape[axis], *window, ceil=ceil)
    return tuple(after)


def pad(x: np.ndarray, axes: Sequence[int], padding: Sequence[tuple[int, int]], value=0) -> np.ndarray:
    """`x` with `value` around it along `axes`; negative amounts crop."""
    widths = [(0, 0)] * x.ndim
    for axis, (before, after) in zip(axes, padding, strict=True):
        widths[axis] = (before, after)
    crop = tuple(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(widths, x.shape, strict=True))
    return np.pad(x[crop], [(max(b, 0), max(a, 0)) for b, a in widths], constant_values=value)


def windows(x: np.ndarray, axes: Sequence[int], kernel, stride, dilation) -> np.ndarray:
    """All windows of `x` along `axes`: the axes count windows, and one axis for each of `axes` is added at the end."""
    view = np.lib.stride_tricks.sliding_window_view(
        x, [reach(k, d) for k, d in zip(kernel, dilation, strict=True)], axis=tuple(axes)
    )
    index: list[slice] = [slice(None)] * view.ndim
    for i, axis in enumerate(axes):
        index[axis] = slice(None, None, stride[i])
        index[x.ndim + i] = slice(None, None, dilation[i])
    return view[tuple(index)]
