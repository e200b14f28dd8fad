"""Sampling at places that are data: regions of interest, and convolutions whose taps move."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.pivot import ops
from netglot.pivot.dims import floordiv
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of


def unit(place: Any, size: Any) -> Any:
    """Places counted in elements as coordinates from -1 to 1 between the outer edges."""
    return ops.Subtract(ops.Divide(ops.Add(ops.Multiply(place, 2.0), 1.0), _number(size)), 1.0)


def _number(size: Any) -> Any:
    return float(size) if isinstance(size, int) else size


def _line(start: Any, width: Any, bins: int, samples: int, kind: str) -> Any:
    """Where each of `bins` bins of each region is sampled along an axis: (region, place)."""
    shares = ((np.arange(bins * samples) + 0.5) / samples / bins).astype(numpy_dtype(kind))
    count = shape_of(start)[0]
    steps = ops.Multiply(ops.Reshape(width, (count, 1)), shares.reshape(1, -1))
    return ops.Add(ops.Reshape(start, (count, 1)), steps)


def _inside(place: Any, size: Any) -> Any:
    return ops.LogicalAnd(ops.GreaterEqual(place, -1.0), ops.LessEqual(place, _number(size)))


def region_means(
    x: Any, rois: Any, pictures: Any, size: tuple[int, int], samples: int, scale: float, shift: float
) -> Any:
    """The means of regions, in `size` parts each, of which each is sampled `samples` times along both axes.

    Args:
        x: pictures, channels first.
        rois: (region, 4): left, top, right and bottom, in pixels divided by `scale`.
        pictures: the number of each region's picture.
        shift: what is taken from the corners in pixels; without it a region is at least one pixel wide.
    """
    kind, count, (height, width) = dtype_of(x), shape_of(rois)[0], size
    corners = [ops.Subtract(ops.Multiply(ops.Select(rois, 1, i), scale), shift) for i in range(4)]
    spans: list[Any] = [ops.Subtract(corners[2], corners[0]), ops.Subtract(corners[3], corners[1])]
    if not shift:
        spans = [ops.Maximum(span, 1.0) for span in spans]
    across = _line(corners[0], spans[0], width, samples, kind)
    down = _line(corners[1], spans[1], height, samples, kind)
    rows, columns = height * samples, width * samples
    places = [
        ops.Broadcast(ops.Reshape(unit(across, shape_of(x)[3]), (count, 1, columns)), (count, rows, columns)),
        ops.Broadcast(ops.Reshape(unit(down, shape_of(x)[2]), (count, rows, 1)), (count, rows, columns)),
    ]
    chosen = ops.Take(x, ops.Cast(pictures, "int64"), 0)
    found = ops.GridSample(chosen, ops.Stack(tuple(places), 3), "linear", "border", False, 1)
    inside = ops.LogicalAnd(
        ops.Reshape(_inside(across, shape_of(x)[3]), (count, 1, 1, columns)),
        ops.Reshape(_inside(down, shape_of(x)[2]), (count, 1, rows, 1)),
    )
    found = ops.Where(inside, found, 0.0)
    return ops.AvgPool(found, (samples, samples), (samples, samples), ((0, 0), (0, 0)), False, True, None, (2, 3))


def moved_taps(
    x: Any, weight: Any, bias: Any, offset: Any, mask: Any, stride: tuple, before: tuple, dilation: tuple, groups: int,
    offset_groups: int, whole: bool = False,
) -> Any:  # fmt: skip
    """A convolution whose taps move: those of all windows are sampled side by side, and a convolution sums them up.

    Args:
        offset: (batch, offset groups * taps * (down, across), rows, columns).
        mask: what each tap is multiplied with, or None.
        before: the padding above and to the left.
        whole: whether a tap sees a pixel and its edge alone, and nothing outside; else pictures fade into zeros.
    """
    kernel, kind = shape_of(weight)[2:], dtype_of(x)
    batch, channels, height, width = shape_of(x)
    rows, columns = shape_of(offset)[2:]
    taps = kernel[0] * kernel[1]
    apart = ops.Reshape(offset, (batch * offset_groups, taps, 2, rows, columns))
    grid = np.stack(np.meshgrid(*(np.arange(k) for k in kernel), indexing="ij")).reshape(2, taps)
    places, inside = [], []
    for axis, count, size in ((1, columns, width), (0, rows, height)):
        first = grid[axis] * dilation[axis] - before[axis]
        shape = (count, 1) if axis == 0 else (1, count)
        steps: Any = ops.Cast(ops.Arange(0, count, 1, "int64"), kind)
        steps = ops.Reshape(ops.Multiply(steps, float(stride[axis])) if stride[axis] != 1 else steps, shape)
        start = ops.Add(steps, first.astype(numpy_dtype(kind)).reshape(taps, 1, 1))
        at = ops.Add(ops.Select(apart, 2, axis), start)
        inside.append(ops.LogicalAnd(ops.GreaterEqual(at, 0.0), ops.Less(at, _number(size))))
        places.append(unit(at, size))
    sampled = (batch * offset_groups, taps * rows, columns)
    grouped = ops.Reshape(x, (batch * offset_groups, floordiv(channels, offset_groups), height, width))
    where = ops.Reshape(ops.Stack(tuple(places), 4), (*sampled, 2))
    found: Any = ops.GridSample(grouped, where, "linear", "border" if whole else "zeros", False, 1)
    if whole:
        found = ops.Where(ops.Reshape(ops.LogicalAnd(*inside), (sampled[0], 1, *sampled[1:])), found, 0.0)
    if mask is not None:
        found = ops.Multiply(found, ops.Reshape(mask, (sampled[0], 1, *sampled[1:])))
    found = ops.Reshape(found, (batch, channels, taps, rows * columns))
    flat = ops.Reshape(weight, (*shape_of(weight)[:2], taps, 1))
    made = ops.Conv(found, flat, bias, (1, 1), ((0, 0), (0, 0)), (1, 1), groups, 1)
    return ops.Reshape(made, (batch, shape_of(weight)[0], rows, columns))
