"""PyTorch's subscripts, and what writes into a copy of a tensor."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import broadcast_shapes, shape_of, type_of
from netglot.pivot.ops.index import indexed_axes, indexed_shape, landing_axis
from netglot.source.spell import Method, Subscript, options, unless
from netglot.source.subscripts import bound, from_end, slice_indices


@torch.writes(ops.Slice)
def slice_(op):
    size = shape_of(op.x)[op.axis]
    start = None if isinstance(op.start, int) and op.start == 0 else bound(op.start, size)
    start = op.start if start is None and op.start != 0 else start
    step = None if op.step == 1 else op.step
    return Subscript(op.x, slice_indices(op.x, op.axis, slice(start, bound(op.stop, size), step)))


@torch.writes(ops.Select)
def select(op):
    size = shape_of(op.x)[op.axis]
    last = op.index == size - 1 and (isinstance(size, Dim) or size > 2)
    return Subscript(op.x, slice_indices(op.x, op.axis, -1 if last else bound(op.index, size)))


@torch.writes(ops.Take)
def take(op):
    return Subscript(op.x, (*(slice(None),) * op.axis, op.indices))


def _int64(indices):
    return indices if type_of(indices).dtype == "int64" else Method(indices, "long")


@torch.writes(ops.TakeAlongAxis)
def take_along_axis(op):
    return Method(op.x, "gather", (from_end(op.axis, len(shape_of(op.x))), _int64(op.indices)))


@torch.writes(ops.AdvancedIndex)
def advanced_index(op):
    return Subscript(op.x, tuple(slice(None) if index is None else index for index in op.indices))


@torch.lowers(ops.IndexPut)
def indexed_axes_first(op):
    """PyTorch's function has no whole axes before indexed ones."""
    axes, rank = indexed_axes(op.indices), len(shape_of(op.x))
    if axes == list(range(len(axes))):
        return None
    order = (*axes, *(axis for axis in range(rank) if axis not in axes))
    common = len(broadcast_shapes(*(shape_of(op.indices[axis]) for axis in axes)))
    at, part = landing_axis(op.indices), indexed_shape(shape_of(op.x), op.indices)
    value = op.value if tuple(shape_of(op.value)) == part else ops.Broadcast(op.value, shape=part)
    landed = (*range(at, at + common), *range(at), *range(at + common, len(part)))
    if at:
        value = ops.Permute(value, axes=landed)
    indices = tuple(op.indices[axis] for axis in axes)
    written = ops.IndexPut(ops.Permute(op.x, axes=order), indices, value, accumulate=op.accumulate)
    return ops.Permute(written, axes=tuple(order.index(axis) for axis in range(rank)))


@torch.writes(ops.IndexPut)
def index_put(op):
    given = options(accumulate=unless(op.accumulate, False))
    return Method(op.x, "index_put", (tuple(index for index in op.indices if index is not None), op.value), given)


_FOLDS = {"multiply": "prod", "maximum": "amax", "minimum": "amin"}


@torch.writes(ops.ScatterAlongAxis)
def scatter_along_axis(op):
    given = (from_end(op.axis, len(shape_of(op.x))), _int64(op.indices), op.updates)
    if op.mode in _FOLDS:
        return Method(op.x, "scatter_reduce", (*given, _FOLDS[op.mode]))
    return Method(op.x, "scatter" if op.mode == "set" else "scatter_add", given)


@torch.lowers(ops.ScatterNd)
def scatter_nd(op):
    """Positions as one tensor an axis; what is folded goes line by line along the addressed axes laid flat."""
    depth, shape = shape_of(op.indices)[1], shape_of(op.x)
    columns = [ops.Select(op.indices, axis=1, index=axis) for axis in range(depth)]
    if op.mode in ("set", "add"):
        return ops.IndexPut(op.x, tuple(columns), op.updates, accumulate=op.mode == "add")
    flat, place = op.x, columns[0]
    for axis in range(1, depth):
        place = ops.Add(ops.Multiply(place, shape[axis]), columns[axis])
    total = 1
    for size in shape[:depth]:
        total = total * size
    if depth > 1:
        flat = ops.Reshape(op.x, shape=(total, *shape[depth:]))
    lines = ops.Reshape(place, shape=(shape_of(op.indices)[0], *(1,) * (len(shape) - depth)))
    lines = ops.Broadcast(lines, shape=shape_of(op.updates))
    written = ops.ScatterAlongAxis(flat, lines, op.updates, axis=0, mode=op.mode)
    return ops.Reshape(written, shape=shape) if depth > 1 else written


@torch.writes(ops.SliceUpdate)
def slice_update(op):
    size = shape_of(op.x)[op.axis]
    end = None if op.stop == size else op.stop
    given = options(
        dim=unless(op.axis, 0),
        start=unless(None if isinstance(op.start, int) and op.start == 0 else op.start, None),
        end=unless(end, None),
        step=unless(op.step, 1),
    )
    return Method(op.x, "slice_scatter", (op.value,), given)


@torch.writes(ops.SelectUpdate)
def select_update(op):
    return Method(op.x, "select_scatter", (op.value, op.axis, op.index))
