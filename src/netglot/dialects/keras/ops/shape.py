"""Keras's reshaping, joining, splitting and padding: NumPy's names, and the 1-size axes spelled out."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.pivot import dims, ops
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of
from netglot.pivot.ops.shape import window_counts
from netglot.source.spell import Layer, call, unless
from netglot.source.subscripts import from_end

# --- shape


@keras.writes(ops.Identity)
def identity(op):
    return Layer("layers.Identity", (op.x,), function=call("ops.copy", op.x))


@keras.writes(ops.StopGradient)
def stop_gradient(op):
    return call("ops.stop_gradient", op.x)


def _ones_added(short, long) -> tuple[int, ...] | None:
    """The axes of `long` that are the sizes 1 missing from `short`; None where that is not the difference."""
    added, at = [], 0
    for axis, size in enumerate(long):
        left, room = len(short) - at, len(long) - axis
        if at < len(short) and short[at] == size and (size != 1 or left == room):
            at += 1
        elif size == 1:
            added.append(axis)
        else:
            return None
    return tuple(added) if at == len(short) and added else None


def _one_or_all(axes: tuple[int, ...], rank: int):
    return from_end(axes[0], rank) if len(axes) == 1 else axes


@keras.writes(ops.Reshape)
def reshape(op):
    before, after = tuple(shape_of(op.x)), tuple(op.shape)
    function = call("ops.reshape", op.x, after)
    if len(after) == 2 and len(before) > 2 and before[0] == after[0]:
        return Layer("layers.Flatten", (op.x,), function=function)
    added, removed = _ones_added(before, after), _ones_added(after, before)
    if added:
        return call("ops.expand_dims", op.x, axis=_one_or_all(added, len(after)))
    if removed:
        return call("ops.squeeze", op.x, axis=_one_or_all(removed, len(before)))
    if len(after) > 1 and before and before[0] == after[0] and all(isinstance(size, int) for size in after[1:]):
        return Layer("layers.Reshape", (op.x,), arguments=(after[1:],), function=function)
    return function


@keras.writes(ops.Permute)
def permute(op):
    function = call("ops.transpose", op.x, op.axes)
    if op.axes[0] == 0:
        return Layer("layers.Permute", (op.x,), arguments=(op.axes[1:],), function=function)
    return function


@keras.writes(ops.Broadcast)
def broadcast(op):
    return call("ops.broadcast_to", op.x, op.shape)


# --- joining and splitting


@keras.writes(ops.Concat)
def concat(op):
    axis = from_end(op.axis, len(shape_of(op.xs[0])))
    function = call("ops.concatenate", list(op.xs), axis=unless(axis, 0))
    layer = Layer("layers.Concatenate", (list(op.xs),), options={} if axis == -1 else {"axis": axis}, function=function)
    return layer if op.axis else function


@keras.writes(ops.Stack)
def stack(op):
    return call("ops.stack", list(op.xs), axis=unless(from_end(op.axis, len(shape_of(op.xs[0])) + 1), 0))


@keras.lowers(ops.Split)
def split_symbolic(op):
    if all(isinstance(size, int) for size in op.sizes) or len(set(op.sizes)) == 1:
        return None
    pieces, start = [], 0
    for size in op.sizes:
        pieces.append(ops.Slice(op.x, axis=op.axis, start=start, stop=start + size, step=1))
        start = start + size
    return tuple(pieces)


@keras.writes(ops.Split)
def split(op):
    axis = unless(from_end(op.axis, len(shape_of(op.x))), 0)
    if len(set(op.sizes)) == 1:
        return call("ops.split", op.x, len(op.sizes), axis=axis)
    borders = [sum(op.sizes[: i + 1]) for i in range(len(op.sizes) - 1)]
    return call("ops.split", op.x, borders, axis=axis)


@keras.writes(ops.Unstack)
def unstack(op):
    return call("ops.unstack", op.x, axis=unless(from_end(op.axis, len(shape_of(op.x))), 0))


# --- padding and repeating


@keras.lowers(ops.Pad)
def pad_ends(op):
    """Keras has neither the border nor the other end repeated, and TensorFlow pads no truth values."""
    if op.mode == "constant" and dtype_of(op.x) == "bool":
        inner = op.replace(x=ops.Cast(op.x, dtype="uint8"), value=int(op.value))
        return ops.Cast(inner, dtype="bool")
    if op.mode not in ("edge", "wrap"):
        return None
    x = op.x
    for axis, (before, after) in enumerate(zip(op.before, op.after, strict=True)):
        ends = (_edge if op.mode == "edge" else _wrap)(x, axis, before, after)
        x = x if len(ends) == 1 else ops.Concat(ends, axis=axis)
    return x


def _edge(x, axis: int, before, after) -> tuple:
    size = shape_of(x)[axis]
    first = ops.Slice(x, axis=axis, start=0, stop=1, step=1)
    last = ops.Slice(x, axis=axis, start=size - 1, stop=size, step=1)
    left = (ops.Repeat(first, repeats=before, axis=axis),) if before != 0 else ()
    right = (ops.Repeat(last, repeats=after, axis=axis),) if after != 0 else ()
    return (*left, x, *right)


def _wrap(x, axis: int, before, after) -> tuple:
    size = shape_of(x)[axis]
    left = (ops.Slice(x, axis=axis, start=size - before, stop=size, step=1),) if before != 0 else ()
    right = (ops.Slice(x, axis=axis, start=0, stop=after, step=1),) if after != 0 else ()
    return (*left, x, *right)


@keras.writes(ops.Pad)
def pad(op):
    widths = tuple(zip(op.before, op.after, strict=True))
    mode = unless(op.mode, "constant")
    value = {} if op.mode != "constant" or op.value == 0 else {"constant_values": op.value}
    function = call("ops.pad", op.x, widths, mode=mode, **value)
    space = widths[1:-1]
    border = widths[0] == widths[-1] == (0, 0)
    known = all(isinstance(amount, int) for pair in space for amount in pair)
    if op.mode == "constant" and not value and border and known and len(space) in (1, 2, 3):
        layer = f"layers.ZeroPadding{len(space)}D"
        return Layer(layer, (op.x,), arguments=(_padding(space),), function=function)
    return function


def _padding(space):
    """The `padding` of a ZeroPadding layer, as short as it can be said."""
    if len(space) == 1:
        return space[0][0] if space[0][0] == space[0][1] else space[0]
    if all(before == after for before, after in space):
        amounts = tuple(before for before, _ in space)
        return amounts[0] if len(set(amounts)) == 1 else amounts
    return space


@keras.writes(ops.Tile)
def tile(op):
    return call("ops.tile", op.x, op.repeats)


@keras.writes(ops.Repeat)
def repeat(op):
    return call("ops.repeat", op.x, op.repeats, axis=from_end(op.axis, len(shape_of(op.x))))


# --- order of elements


@keras.writes(ops.Roll)
def roll(op):
    if len(op.axes) == 1:
        return call("ops.roll", op.x, op.shifts[0], axis=op.axes[0])
    return call("ops.roll", op.x, op.shifts, axis=op.axes)


@keras.writes(ops.Flip)
def flip(op):
    if len(op.axes) == 1:
        return call("ops.flip", op.x, axis=op.axes[0])
    return call("ops.flip", op.x, axis=op.axes)


# --- diagonals and windows


@keras.writes(ops.Diagonal)
def diagonal(op):
    return call("ops.diagonal", op.x, offset=unless(op.offset, 0), axis1=unless(op.axis1, 0), axis2=unless(op.axis2, 1))


@keras.lowers(ops.DiagonalEmbed)
def diagonal_embed(op):
    """Each row is `x` where its column is the row's place on the diagonal, and 0 elsewhere."""
    *batch, length = shape_of(op.x)
    place = ops.Arange(start=0, stop=length, step=1, dtype="int64")
    on = ops.Equal(ops.Reshape(place, shape=(length, 1)), ops.Reshape(place, shape=(1, length)))
    square = ops.Where(on, ops.Reshape(op.x, shape=(*batch, 1, length)), number_like(0, op.x))
    lead, rows, columns = (0,) * len(batch), max(-op.offset, 0), max(op.offset, 0)
    if op.offset:
        before, after = (*lead, rows, columns), (*lead, columns, rows)
        square = ops.Pad(square, before=before, after=after, mode="constant", value=number_like(0, op.x))
    rank = len(batch) + 2
    order: list = [None] * rank
    order[op.axis1], order[op.axis2] = rank - 2, rank - 1
    rest = iter(range(rank - 2))
    axes = tuple(next(rest) if axis is None else axis for axis in order)
    return square if axes == tuple(range(rank)) else ops.Permute(square, axes=axes)


def number_like(value, x):
    """A Python number of the kind of `x`."""
    return numpy_dtype(dtype_of(x)).type(value).item() if dtype_of(x) != "bfloat16" else float(value)


@keras.lowers(ops.SlidingWindow)
def sliding_window(op):
    """The positions of all windows, taken at once."""
    rank = len(shape_of(op.x))
    count = op.result_types()[0].shape[op.axis]
    taken = ops.Take(op.x, _positions(count, op.step, op.size, 1), axis=op.axis)
    order = [axis for axis in range(rank + 1) if axis != op.axis + 1]
    return ops.Permute(taken, axes=(*order, op.axis + 1)) if op.axis != rank - 1 else taken


def _positions(rows, row_step: int, columns, column_step: int):
    """A table of integers: `row * row_step + column * column_step`."""
    row = ops.Arange(start=0, stop=rows * row_step, step=row_step, dtype="int64")
    column = ops.Arange(start=0, stop=columns * column_step, step=column_step, dtype="int64")
    return ops.Add(ops.Reshape(row, shape=(rows, 1)), ops.Reshape(column, shape=(1, columns)))


@keras.lowers(ops.Unfold)
def unfold(op):
    """The positions of all windows, taken one spatial axis after the other.

    Keras's own `ops.unfold` needs a fixed batch size.
    """
    batch, channels, *space = shape_of(op.x)
    counts = window_counts(space, op.kernel, op.stride, op.padding, op.dilation)
    x = op.x
    if any(op.padding):
        amounts = (0, 0, *op.padding)
        x = ops.Pad(x, before=amounts, after=amounts, mode="constant", value=number_like(0, op.x))
    for place, (count, size, step, gap) in enumerate(zip(counts, op.kernel, op.stride, op.dilation, strict=True)):
        x = ops.Take(x, _positions(size, gap, count, step), axis=2 + 2 * place)
    rank = len(space)
    order = (0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 2 + 2 * rank, 2))
    columns = channels * dims.product(op.kernel)
    return ops.Reshape(ops.Permute(x, axes=order), shape=(batch, columns, dims.product(counts)))


@keras.lowers(ops.Fold)
def fold(op):
    """Every element of every window added at its place in the padded image, which is then cropped.

    Keras's own `ops.fold` adds the positions of the window one by one.
    """
    batch, columns, _ = shape_of(op.x)
    channels = columns // dims.product(op.kernel)
    counts = window_counts(op.size, op.kernel, op.stride, op.padding, op.dilation)
    padded = tuple(size + 2 * p for size, p in zip(op.size, op.padding, strict=True))
    place, rank = None, len(padded)
    for axis, (size, gap, count, step) in enumerate(zip(op.kernel, op.dilation, counts, op.stride, strict=True)):
        shape = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = size, count
        along = ops.Reshape(_positions(size, gap, count, step), shape=tuple(shape))
        place = along if place is None else ops.Add(ops.Multiply(place, padded[axis]), along)
    elements, total = dims.product((*op.kernel, *counts)), dims.product(padded)
    values = ops.Permute(ops.Reshape(op.x, shape=(batch, channels, elements)), axes=(2, 0, 1))
    empty = ops.Full(shape=(total, batch, channels), value=number_like(0, op.x), dtype=dtype_of(op.x))
    added = ops.ScatterNd(empty, ops.Reshape(place, shape=(elements, 1)), values, mode="add")
    image = ops.Reshape(ops.Permute(added, axes=(1, 2, 0)), shape=(batch, channels, *padded))
    for axis, (p, size) in enumerate(zip(op.padding, op.size, strict=True), 2):
        image = ops.Slice(image, axis=axis, start=p, stop=p + size, step=1) if p else image
    return image
