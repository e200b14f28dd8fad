"""Resizing and sampling as Keras spells them, which is little.

Enlarging by whole factors is `UpSampling`; other nearest neighbours are slices or gathers. Keras resizes images in
single precision and with other kernels than PyTorch, so the smooth modes are a helper, as are the rest.
"""

from __future__ import annotations

import numpy as np

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.windows import channels_last, compact, options
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import dtype_of, shape_of
from netglot.pivot.ops.resize import nearest_indices
from netglot.source.spell import Call, Layer, unless


def _pairs(op) -> list[tuple]:
    """The size of each resized axis before and after."""
    return [(shape_of(op.x)[axis], new) for axis, new in zip(op.axes, op.size, strict=True)]


def _factor(old, new) -> int | None:
    """The whole number that `new` is of `old`, symbolic sizes included."""
    if isinstance(old, int) and isinstance(new, int):
        return new // old if new % old == 0 else None
    factor = new // old
    return factor if isinstance(factor, int) and old * factor == new else None


def factors(op) -> tuple[int, ...] | None:
    """The whole factors by which elements are repeated, or None where nearest neighbours are not that."""
    if not op.mode.startswith("nearest") or op.scale or len(op.axes) > 3 or len(shape_of(op.x)) != len(op.axes) + 2:
        return None
    found = tuple(factor for old, new in _pairs(op) if (factor := _factor(old, new)) is not None)
    if len(found) < len(op.axes) or max(found) == 1:
        return None
    for factor, (old, new) in zip(found, _pairs(op), strict=True):
        if isinstance(old, int):
            indices = nearest_indices(old, new, None, op.mode != "nearest")
            if not np.array_equal(indices, np.arange(new) // factor):
                return None
    return found


@keras.arranges(ops.Resize)
def arrange_resize(op):
    if not factors(op):
        return None
    rest = [axis for axis in range(len(shape_of(op.x))) if axis not in op.axes]
    order = channels_last(len(shape_of(op.x)), rest[1], rest[0], op.axes)
    return {"x": order, "out": order}


@keras.lowers(ops.Resize)
def lower_resize(op):
    if op.mode == "area":
        return ops.AdaptiveAvgPool(op.x, op.size, op.axes)
    if not op.mode.startswith("nearest") or factors(op):
        return None
    x = op.x
    for i, axis in enumerate(op.axes):
        x = _nearest(x, axis, op.size[i], op.scale[i] if op.scale else None, op.mode != "nearest")
    return x


def _nearest(x, axis: int, new, scale: float | None, exact: bool):
    """`x` with `new` elements along `axis`, each the nearest of the old ones."""
    old = shape_of(x)[axis]
    if new == old and not scale:
        return x
    doubled = 2 if exact else 1  # the centre of place i is (2 i + 1) / 2
    if isinstance(old, Dim) or isinstance(new, Dim):
        known = None
    else:
        known = nearest_indices(old, new, scale, exact)
        step = old // new
        if step and np.array_equal(known, np.arange(known[0], known[0] + new * step, step)):
            return ops.Slice(x, axis, int(known[0]), int(known[0]) + (new - 1) * step + 1, step)
    whole = ops.Arange(doubled - 1, doubled * new, doubled, "int64")
    if not scale and (
        known is None or np.array_equal(known, np.arange(doubled - 1, doubled * new, doubled) * old // (doubled * new))
    ):
        return ops.Take(x, ops.FloorDivide(ops.Multiply(whole, old), doubled * new), axis)
    step = np.float32(1 / scale) if scale else np.float32(old) / np.float32(new)
    count = ops.Arange(0, new, 1, "float32")
    places = ops.Multiply(ops.Add(count, 0.5) if exact else count, float(step))
    return ops.Take(x, ops.Minimum(ops.Cast(ops.Floor(places), "int64"), old - 1), axis)


@keras.writes(ops.Resize)
def resize(op):
    found = factors(op)
    if found:
        return Layer(f"layers.UpSampling{len(found)}D", (op.x,), arguments=(compact(found),))
    given = options(
        mode=unless(op.mode, "linear"),
        align_corners=unless(op.align_corners, False),
        antialias=unless(op.antialias, False),
        scale=unless(op.scale, None),
    )
    return Call("resize", (op.x, op.size, op.axes), given, helper="resize")


@keras.arranges(ops.PixelShuffle, ops.PixelUnshuffle, ops.GridSample)
def arrange_channels(op):
    order = channels_last(len(shape_of(op.x)), op.axis)
    return {"x": order, "out": order}


@keras.writes(ops.PixelShuffle)
def pixel_shuffle(op):
    return Call("pixel_shuffle", (op.x, op.factor), helper="pixel_shuffle")


@keras.writes(ops.PixelUnshuffle)
def pixel_unshuffle(op):
    return Call("pixel_unshuffle", (op.x, op.factor), helper="pixel_unshuffle")


@keras.writes(ops.GridSample)
def grid_sample(op):
    given = options(
        mode=unless(op.mode, "linear"),
        padding_mode=unless(op.padding_mode, "zeros"),
        align_corners=unless(op.align_corners, False),
    )
    return Call("grid_sample", (op.x, op.grid), given, helper="grid_sample")


@keras.lowers(ops.AffineGrid)
def lower_affine_grid(op):
    """The map applied to one coordinate after the other: each runs along an axis of its own."""
    batch, n, dtype = shape_of(op.theta)[0], len(op.size), dtype_of(op.theta)

    def column(index: int):
        return ops.Reshape(ops.Select(op.theta, 2, index), (batch, *(1,) * n, n))

    places = column(n)
    for axis, size in enumerate(op.size):
        end = (1.0 if op.align_corners else (size - 1) / size) if size != 1 else 0.0
        line = ops.Reshape(
            ops.Linspace(-end, end, size, dtype), tuple(size if i == axis else 1 for i in range(-1, n + 1))
        )
        places = ops.Add(places, ops.Multiply(column(n - 1 - axis), line))
    return places
