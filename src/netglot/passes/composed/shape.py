"""Moving elements about, put together from slices, joints and reshapes."""

from __future__ import annotations

import itertools

import numpy as np

from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of


def without(shape, axis: int) -> tuple:
    """A shape without one of its axes."""
    return (*shape[:axis], *shape[axis + 1 :])


def select(op):
    one = ops.Slice(op.x, op.axis, op.index, op.index + 1, 1)
    return ops.Reshape(one, without(shape_of(op.x), op.axis))


def stack(op):
    apart = [ops.Reshape(x, (*shape_of(x)[: op.axis], 1, *shape_of(x)[op.axis :])) for x in op.xs]
    return ops.Concat(tuple(apart), op.axis) if len(apart) > 1 else apart[0]


def split(op):
    ends = [0, *itertools.accumulate(op.sizes)]
    return tuple(ops.Slice(op.x, op.axis, a, b, 1) for a, b in itertools.pairwise(ends))


def unstack(op):
    return tuple(ops.Select(op.x, op.axis, i) for i in range(shape_of(op.x)[op.axis]))


def repeat(op):
    shape = shape_of(op.x)
    apart = (*shape[: op.axis + 1], 1, *shape[op.axis + 1 :])
    times = (*(1,) * (op.axis + 1), op.repeats, *(1,) * (len(shape) - op.axis - 1))
    return ops.Reshape(ops.Tile(ops.Reshape(op.x, apart), times), shape_of(op))


def tile(op):
    x = op.x
    for axis, times in enumerate(op.repeats):
        if times != 1:
            x = ops.Concat((x,) * times, axis)
    return ops.Identity(x) if x is op.x else x


def roll(op):
    x = op.x
    for shift, axis in zip(op.shifts, op.axes, strict=True):
        size = shape_of(x)[axis]
        if not isinstance(size, int):
            cut = size - shift if shift > 0 else -shift
        else:
            cut = (size - shift) % size if size else 0
            if cut == 0:
                continue
        x = ops.Concat((ops.Slice(x, axis, cut, size, 1), ops.Slice(x, axis, 0, cut, 1)), axis)
    return ops.Identity(x) if x is op.x else x


def pad(op):
    """The elements that a mode repeats, beside the whole."""
    x = op.x
    for axis, (before, after) in enumerate(zip(op.before, op.after, strict=True)):
        size = shape_of(x)[axis]
        if before == 0 and after == 0:
            continue
        if not all(isinstance(one, int) for one in (before, after)):
            raise Refusal(notimpl("padding by an amount that is not known"))
        if before < 0 or after < 0:
            x = ops.Slice(x, axis, max(-before, 0), size - max(-after, 0), 1)
            before, after = max(before, 0), max(after, 0)
        front, back = (
            (count and _beside(x, axis, count, first, op)) or () for count, first in ((before, 1), (after, 0))
        )
        parts = (*front, x, *back)
        x = ops.Concat(parts, axis) if len(parts) > 1 else x
    return ops.Identity(x) if x is op.x else x


def _beside(x, axis: int, count: int, first: bool, op) -> tuple:
    """What stands beside `x` along an axis, `count` elements before or after it."""
    size = shape_of(x)[axis]
    if op.mode == "constant":
        return tuple(_blank(x, axis, count, op.value))
    if op.mode == "edge":
        one = ops.Slice(x, axis, 0, 1, 1) if first else ops.Slice(x, axis, size - 1, size, 1)
        return (one,) * count
    skip = 1 if op.mode == "reflect" else 0
    if not isinstance(size, int) or count + skip > size:
        raise Refusal(notimpl("mirrored padding of more than there is, or of sizes that are not known"))
    if op.mode == "wrap":
        return (ops.Slice(x, axis, size - count, size, 1) if first else ops.Slice(x, axis, 0, count, 1),)
    a, b = (skip, skip + count) if first else (size - skip - count, size - skip)
    return (ops.Flip(ops.Slice(x, axis, a, b, 1), (axis,)),)


def _blank(x, axis: int, count: int, value):
    """Elements of one value with the other sizes of `x`."""
    kind = dtype_of(x)
    shape = (*shape_of(x)[:axis], count, *shape_of(x)[axis + 1 :])
    if all(isinstance(size, int) for size in shape):
        yield ops.Full(shape, value, kind)
        return
    size = shape_of(x)[axis]
    while count > 0:
        piece = min(count, size) if isinstance(size, int) else 1
        part = ops.Slice(x, axis, 0, piece, 1)
        blank = ops.Where(ops.Equal(part, part), value, value) if not np.isfinite(value) else None
        yield blank if blank is not None else ops.Add(ops.Multiply(part, 0.0), value)
        count -= piece


def diagonal(op):
    x, rank = op.x, len(shape_of(op.x))
    rows, columns = shape_of(x)[op.axis1], shape_of(x)[op.axis2]
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise Refusal(notimpl("the diagonal of a matrix whose sizes are not known"))
    kept = tuple(a for a in range(rank) if a not in (op.axis1, op.axis2))
    flat = ops.Reshape(ops.Permute(x, (*kept, op.axis1, op.axis2)), (*(shape_of(x)[a] for a in kept), rows * columns))
    length = shape_of(op)[-1]
    start = max(0, -op.offset) * columns + max(0, op.offset)
    return ops.Take(flat, start + np.arange(length) * (columns + 1), len(kept))


def diagonal_embed(op):
    *batch, length = shape_of(op.x)
    side, rank = length + abs(op.offset), len(batch)
    eye = np.zeros((length, side, side), numpy_dtype(dtype_of(op.x)))
    places = np.arange(length)
    eye[places, places + max(-op.offset, 0), places + max(op.offset, 0)] = 1
    made = ops.Matmul(op.x, eye.reshape(length, side * side))
    made = ops.Reshape(made, (*batch, side, side))
    order = list(range(rank))
    for place, source in sorted(((op.axis1, rank), (op.axis2, rank + 1))):
        order.insert(place, source)
    return made if order == list(range(rank + 2)) else ops.Permute(made, tuple(order))


def _counts(op):
    space = shape_of(op.x)[2:]
    counts = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, p, d, k, s in zip(space, op.padding, op.dilation, op.kernel, op.stride, strict=True)
    ]
    if not all(isinstance(c, int) for c in counts):
        raise Refusal(notimpl("windows of a picture whose size is not known"))
    return counts


def unfold(op):
    n, counts = len(shape_of(op.x)) - 2, _counts(op)
    x = ops.Pad(op.x, (0, 0, *op.padding), (0, 0, *op.padding), "constant", 0.0) if any(op.padding) else op.x
    for i in reversed(range(n)):  # each axis becomes (tap, window)
        places = np.arange(op.kernel[i])[:, None] * op.dilation[i] + np.arange(counts[i]) * op.stride[i]
        x = ops.Take(x, places, 2 + i)
    order = (0, 1, *(2 + 2 * i for i in range(n)), *(3 + 2 * i for i in range(n)))
    return ops.Reshape(ops.Permute(x, order), shape_of(op))


def sliding_window(op):
    count = shape_of(op)[op.axis]
    if not isinstance(count, int):
        raise Refusal(notimpl("windows along an axis whose size is not known"))
    places = np.arange(count)[:, None] * op.step + np.arange(op.size)
    rank = len(shape_of(op.x))
    order = [i for i in range(rank + 1) if i != op.axis + 1]
    return ops.Permute(ops.Take(op.x, places, op.axis), (*order, op.axis + 1))


def triangle(keep):
    def lower(op):
        rows, columns = shape_of(op.x)[-2:]
        if not isinstance(rows, int) or not isinstance(columns, int):
            raise Refusal(notimpl("a triangle of a matrix whose sizes are not known"))
        mask = keep(np.ones((rows, columns), bool), op.diagonal)
        return ops.Where(mask, op.x, 0)

    return lower


def slice_update(op):
    size = shape_of(op.x)[op.axis]
    if op.step != 1:
        if not all(isinstance(one, int) for one in (op.start, op.stop)):
            raise Refusal(notimpl("every other element replaced, between bounds that are not known"))
        places = np.arange(op.start, op.stop, op.step)
        return ops.IndexPut(op.x, (*(None,) * op.axis, places), op.value, False)
    parts = [ops.Slice(op.x, op.axis, 0, op.start, 1)] if op.start != 0 else []
    parts.append(op.value)
    parts += [ops.Slice(op.x, op.axis, op.stop, size, 1)] if op.stop != size else []
    return ops.Concat(tuple(parts), op.axis) if len(parts) > 1 else ops.Identity(op.value)


def select_update(op):
    shape = shape_of(op.x)
    value = ops.Reshape(op.value, (*shape[: op.axis], 1, *shape[op.axis + 1 :]))
    index = op.index + shape[op.axis] if isinstance(op.index, int) and op.index < 0 else op.index
    return ops.SliceUpdate(op.x, value, op.axis, index, index + 1, 1)


def linspace(op):
    return ops.Add(
        ops.Multiply(ops.Arange(0, op.num, 1, op.dtype), (op.stop - op.start) / max(op.num - 1, 1)), op.start
    )


def eye(op):
    return ops.Cast(np.eye(op.rows, op.columns, dtype=bool), op.dtype)


TABLE = {
    ops.Select: select,
    ops.Stack: stack,
    ops.Split: split,
    ops.Unstack: unstack,
    ops.Repeat: repeat,
    ops.Tile: tile,
    ops.Roll: roll,
    ops.Pad: pad,
    ops.Diagonal: diagonal,
    ops.DiagonalEmbed: diagonal_embed,
    ops.Unfold: unfold,
    ops.SlidingWindow: sliding_window,
    ops.Tril: triangle(np.tril),
    ops.Triu: triangle(np.triu),
    ops.SliceUpdate: slice_update,
    ops.SelectUpdate: select_update,
    ops.Linspace: linspace,
    ops.Eye: eye,
    ops.StopGradient: lambda op: ops.Identity(op.x),
    ops.Embedding: lambda op: ops.Take(op.weight, op.ids, 0),
}
