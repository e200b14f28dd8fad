"""Keras's subscripts, `ops.take` and `ops.scatter_update`. Everything else is written with these."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.pivot import dims, ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Parameter
from netglot.pivot.op import broadcast_shapes, shape_of, type_of
from netglot.pivot.ops.index import indexed_axes, indexed_shape, landing_axis
from netglot.source.spell import Subscript, call
from netglot.source.subscripts import bound, from_end, slice_indices

# --- ranges and positions


@keras.writes(ops.Slice)
def slice_(op):
    size = shape_of(op.x)[op.axis]
    start = None if isinstance(op.start, int) and op.start == 0 else bound(op.start, size)
    start = op.start if start is None and op.start != 0 else start
    step = None if op.step == 1 else op.step
    return Subscript(op.x, slice_indices(op.x, op.axis, slice(start, bound(op.stop, size), step)))


@keras.writes(ops.Select)
def select(op):
    size = shape_of(op.x)[op.axis]
    last = op.index == size - 1 and (isinstance(size, Dim) or size > 2)
    index = -1 if last else bound(op.index, size)
    return Subscript(op.x, slice_indices(op.x, op.axis, index))


@keras.writes(ops.Take)
def take(op):
    return call("ops.take", op.x, op.indices, axis=from_end(op.axis, len(shape_of(op.x))))


@keras.writes(ops.TakeAlongAxis)
def take_along_axis(op):
    return call("ops.take_along_axis", op.x, op.indices, axis=from_end(op.axis, len(shape_of(op.x))))


# --- positions that are data


def _nonnegative(index, size):
    """`index` with positions from the end counted from the front."""
    if isinstance(index, Parameter) and index.kind == "constant" and (index.load() >= 0).all():
        return index
    if not type_of(index).dtype.startswith("int"):
        return index
    return ops.Where(ops.Less(index, 0), ops.Add(index, size), index)


def _flat_places(shape, indices):
    """The positions that `indices` name, as positions in the indexed axes laid flat: of the index tensors' shape."""
    place = None
    for axis in indexed_axes(indices):
        index = _nonnegative(_int64(indices[axis]), shape[axis])
        place = index if place is None else ops.Add(ops.Multiply(place, shape[axis]), index)
    return place


def _int64(index):
    return index if type_of(index).dtype == "int64" else ops.Cast(index, dtype="int64")


def _front(x, axes):
    """`x` with the indexed axes in front and laid flat, and the order of axes that it was brought to."""
    rank = len(shape_of(x))
    order = (*axes, *(axis for axis in range(rank) if axis not in axes))
    moved = x if order == tuple(range(rank)) else ops.Permute(x, axes=order)
    shape = shape_of(moved)
    flat = (dims.product(shape[: len(axes)]), *shape[len(axes) :])
    return (moved if len(axes) == 1 else ops.Reshape(moved, shape=flat)), order


def _inverse(order) -> tuple[int, ...]:
    return tuple(order.index(axis) for axis in range(len(order)))


def _moved(x, order):
    return x if tuple(order) == tuple(range(len(order))) else ops.Permute(x, axes=tuple(order))


@keras.lowers(ops.AdvancedIndex)
def advanced_index(op):
    """The indexed axes laid flat, and one `Take` from them."""
    axes, shape = indexed_axes(op.indices), shape_of(op.x)
    if len(axes) == 1:
        return ops.Take(op.x, op.indices[axes[0]], axis=axes[0])
    flat, _ = _front(op.x, axes)
    taken = ops.Take(flat, _flat_places(shape, op.indices), axis=0)
    return _moved(taken, _inverse(_landing_order(op.indices, len(shape))))


def _landing_order(indices, rank: int) -> tuple[int, ...]:
    """The order of the axes of `x[i, :, j]` that brings those of the index tensors to the front."""
    axes, at = indexed_axes(indices), landing_axis(indices)
    common = len(broadcast_shapes(*(shape_of(indices[axis]) for axis in axes)))
    total = rank - len(axes) + common
    return (*range(at, at + common), *range(at), *range(at + common, total))


@keras.lowers(ops.IndexPut)
def index_put(op):
    """The indexed axes laid flat, and one `ScatterNd` into them."""
    axes, shape = indexed_axes(op.indices), shape_of(op.x)
    flat, order = _front(op.x, axes)
    places = _flat_places(shape, op.indices)
    common = broadcast_shapes(*(shape_of(op.indices[axis]) for axis in axes))
    part = indexed_shape(shape, op.indices)
    value = op.value if tuple(shape_of(op.value)) == part else ops.Broadcast(op.value, shape=part)
    value = _moved(value, _landing_order(op.indices, len(shape)))
    count, others = dims.product(common), shape_of(flat)[1:]
    written = ops.ScatterNd(
        flat,
        ops.Reshape(places, shape=(count, 1)),
        ops.Reshape(value, shape=(count, *others)),
        mode="add" if op.accumulate else "set",
    )
    whole = written if len(axes) == 1 else ops.Reshape(written, shape=tuple(shape[axis] for axis in order))
    return _moved(whole, _inverse(order))


@keras.lowers(ops.ScatterAlongAxis)
def scatter_along_axis(op):
    """Everything laid flat, with the position of each update counted over all axes."""
    shape, extent = shape_of(op.x), shape_of(op.indices)
    place = None
    for axis, size in enumerate(shape):
        along = _int64(op.indices) if axis == op.axis else _count(extent, axis)
        place = along if place is None else ops.Add(ops.Multiply(place, size), along)
    total, count = dims.product(shape), dims.product(extent)
    flat = ops.Reshape(op.x, shape=(total,))
    place, updates = ops.Reshape(place, shape=(count, 1)), ops.Reshape(op.updates, shape=(count,))
    return ops.Reshape(ops.ScatterNd(flat, place, updates, mode=op.mode), shape=shape)


def _count(extent, axis: int):
    """0, 1, 2, ... along one axis."""
    numbers = ops.Arange(start=0, stop=extent[axis], step=1, dtype="int64")
    return ops.Reshape(numbers, shape=tuple(size if a == axis else 1 for a, size in enumerate(extent)))


REDUCTIONS = {"set": None, "add": "add", "multiply": "mul", "maximum": "max", "minimum": "min"}


@keras.writes(ops.ScatterNd)
def scatter_nd(op):
    reduction = REDUCTIONS[op.mode]
    return call("ops.scatter_update", op.x, op.indices, op.updates, **({"reduction": reduction} if reduction else {}))


# --- replacing a range


@keras.lowers(ops.SliceUpdate)
def slice_update(op):
    """What lies before, the value, what lies behind; with a step, a choice between `x` and `value` by position."""
    size = shape_of(op.x)[op.axis]
    if op.step != 1:
        return _stepped_update(op, size)
    before = ops.Slice(op.x, axis=op.axis, start=0, stop=op.start, step=1)
    after = ops.Slice(op.x, axis=op.axis, start=op.stop, stop=size, step=1)
    pieces = (*((before,) if op.start != 0 else ()), op.value, *((after,) if op.stop != size else ()))
    return pieces[0] if len(pieces) == 1 else ops.Concat(pieces, axis=op.axis)


def _stepped_update(op, size):
    place = ops.Arange(start=0, stop=size, step=1, dtype="int64")
    offset = ops.Subtract(place, op.start)
    inside = ops.LogicalAnd(ops.GreaterEqual(place, op.start), ops.Less(place, op.stop))
    chosen = ops.LogicalAnd(inside, ops.Equal(ops.Remainder(offset, op.step), 0))
    source = ops.Where(chosen, ops.Add(ops.FloorDivide(offset, op.step), size), place)
    return ops.Take(ops.Concat((op.x, op.value), axis=op.axis), source, axis=op.axis)


@keras.lowers(ops.SelectUpdate)
def select_update(op):
    shape = shape_of(op.x)
    value = ops.Reshape(op.value, shape=(*shape[: op.axis], 1, *shape[op.axis + 1 :]))
    return ops.SliceUpdate(op.x, value, axis=op.axis, start=op.index, stop=op.index + 1, step=1)
