"""Taking elements out and putting them in."""

from __future__ import annotations

import numpy as np

from netglot.dialects.paddle.dialect import paddle
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, maximum, minimum
from netglot.pivot.op import normal_axis, shape_of, type_of

Known = object
_FAR = 2**31 - 1


def _bounds(start, stop, size) -> tuple:
    """The ends of a slice within an axis, counted from the front."""

    def bound(one):
        if isinstance(one, int) and one >= _FAR:
            return size
        if isinstance(one, int) and one < 0:
            if isinstance(size, Dim):
                return maximum(size + one, 0) if one < -1 else size + one
            return max(size + one, 0)
        if isinstance(one, int) and isinstance(size, int):
            return min(one, size)
        return one if isinstance(one, int) or one == size else minimum(one, size)

    return bound(start), bound(stop)


def _given(node, held, name: str) -> list:
    return list(node.sizes(held, name) if held is not None else node.integers(name))


@paddle.reads("slice")
def slice_(node, x, starts: Known = None, ends: Known = None):
    axes, drop = node.integers("axes"), set(node.integers("decrease_axis"))
    made = x
    first, last = _given(node, starts, "starts"), _given(node, ends, "ends")
    rank = len(shape_of(x))
    if not len(axes) == len(first) == len(last) or any(not -rank <= a < rank for a in axes):
        raise InputError(f"slice: the axes {list(axes)} of {rank}, from {first} to {last}")
    for axis, start, stop in zip(axes, first, last, strict=True):
        axis, size = normal_axis(axis, rank), shape_of(x)[normal_axis(axis, rank)]
        start, stop = _bounds(start, stop, size)
        if (start, stop) != (0, size):
            made = ops.Slice(made, axis, start, stop, 1)
    if drop:
        left = tuple(size for a, size in enumerate(shape_of(made)) if a not in drop)
        selects = {normal_axis(a, rank): s for a, s in zip(axes, first, strict=True)}
        if isinstance(made, ops.Slice) and len(axes) == 1 and drop == set(selects):
            (axis,) = drop
            return ops.Select(x, axis, made.start)
        made = ops.Reshape(made, left)
    return made


@paddle.reads("strided_slice")
def strided_slice(node, x, starts: Known = None, ends: Known = None, strides: Known = None):
    axes, made, rank = node.integers("axes"), x, len(shape_of(x))
    held = zip(axes, *(_given(node, o, n) for o, n in ((starts, "starts"), (ends, "ends"), (strides, "strides"))),
               strict=True)  # fmt: skip
    for axis, start, stop, step in held:
        axis = normal_axis(axis, rank)
        size = shape_of(made)[axis]
        if not isinstance(step, int) or step == 0:
            raise InputError(f"strided_slice: a step of {step}")
        if step > 0:
            made = ops.Slice(made, axis, *_bounds(start, stop, size), step)
            continue
        if isinstance(size, Dim) or isinstance(start, Dim) or isinstance(stop, Dim):
            raise Refusal(notimpl("a slice backwards along an axis of unknown size"))
        # backwards from `start` down to behind `stop` is forwards through the flipped axis; -1 is no stop
        begin = min(start + size if start < 0 else start, size - 1)
        end = -1 if stop == -1 or stop < -size else stop + size if stop < 0 else stop
        made = ops.Slice(ops.Flip(made, (axis,)), axis, size - 1 - begin, size - 1 - end, -step)
    drop = set(node.integers("decrease_axis"))
    return ops.Reshape(made, tuple(s for a, s in enumerate(shape_of(made)) if a not in drop)) if drop else made


@paddle.reads("crop")
def crop(node, x, shape: Known = None, offsets: Known = None):
    sizes, begins, made = _given(node, shape, "shape"), _given(node, offsets, "offsets"), x
    for axis, (size, begin) in enumerate(zip(sizes, begins or [0] * len(sizes), strict=True)):
        stop = shape_of(x)[axis] if size == -1 else begin + size
        if (begin, stop) != (0, shape_of(x)[axis]):
            made = ops.Slice(made, axis, begin, stop, 1)
    return made


@paddle.reads("gather")
def gather(node, x, index, axis: Known = None):
    place = node.whole(axis) if axis is not None else node.integer("axis")
    if not isinstance(index, int) and len(shape_of(index)) == 2 and shape_of(index)[1] == 1:
        index = ops.Reshape(index, shape_of(index)[:1])
    if isinstance(index, int):
        return ops.Select(x, normal_axis(place, len(shape_of(x))), index)
    return ops.Take(x, index, normal_axis(place, len(shape_of(x))))


@paddle.reads("index_select", "index_select_strided")
def index_select(node, x, index):
    return ops.Take(x, index, normal_axis(node.integer("axis", node.integer("dim")), len(shape_of(x))))


@paddle.reads("gather_nd")
def gather_nd(node, x, index):
    count = shape_of(index)[-1]
    if not isinstance(count, int) or count > len(shape_of(x)):
        raise InputError(f"gather_nd: {count} indices into {len(shape_of(x))} axes")
    last = len(shape_of(index)) - 1
    return ops.AdvancedIndex(x, tuple(ops.Select(index, last, i) for i in range(count))) if count else x


@paddle.reads("index_sample")
def index_sample(node, x, index):
    return ops.TakeAlongAxis(x, index, 1)


@paddle.reads("take_along_axis")
def take_along_axis(node, x, indices):
    axis = normal_axis(node.integer("axis", node.integer("Axis")), len(shape_of(x)))
    wanted = tuple(i if a == axis else s for a, (i, s) in enumerate(zip(shape_of(indices), shape_of(x), strict=True)))
    return ops.TakeAlongAxis(x, indices if shape_of(indices) == wanted else ops.Broadcast(indices, wanted), axis)


_REDUCES = {
    "assign": "set",
    "add": "add",
    "mul": "multiply",
    "multiply": "multiply",
    "amax": "maximum",
    "amin": "minimum",
}


@paddle.reads("put_along_axis")
def put_along_axis(node, x, indices, values):
    kind = node.text("reduce", node.text("Reduce", "assign"))
    if kind not in _REDUCES or not node.flag("include_self", True):
        raise Refusal(notimpl(f"elements that are put in by {kind}"))
    axis = normal_axis(node.integer("axis", node.integer("Axis")), len(shape_of(x)))
    held = ops.Broadcast(values, shape_of(indices)) if shape_of(values) != shape_of(indices) else values
    return ops.ScatterAlongAxis(x, indices, held, axis, _REDUCES[kind])


@paddle.reads("scatter")
def scatter(node, x, index, updates):
    """Rows that are written; without `overwrite` those of one place are summed, and what was there is gone."""
    if not node.flag("overwrite", True):
        raise Refusal(notimpl("rows that are summed where others were"))
    rows = ops.Reshape(index, (shape_of(index)[0], 1))
    return ops.ScatterNd(x, rows, updates, "set")


@paddle.reads("scatter_nd_add")
def scatter_nd_add(node, x, index, updates):
    return ops.ScatterNd(x, index, updates, "add")


@paddle.reads("index_put")
def index_put(node, x, indices, value):
    return ops.IndexPut(x, tuple(node.operand(one) for one in indices), value, node.flag("accumulate"))


def _updated(node, x, value, starts, ends, strides):
    axes, drop = node.integers("axes"), set(node.integers("decrease_axes"))
    if node.integers("none_axes"):
        raise Refusal(notimpl("a part that is replaced with new axes"))
    if len(axes) != 1 or strides[0] < 1 or isinstance(starts[0], Dim):
        raise Refusal(notimpl("a part of several axes that is replaced at once"))
    axis = normal_axis(axes[0], len(shape_of(x)))
    start, stop = _bounds(starts[0], ends[0], shape_of(x)[axis])
    part = shape_of(ops.Slice(x, axis, start, stop, strides[0]))
    kind = type_of(x).dtype
    if isinstance(value, int | float):
        value = ops.Full(part, value, kind)
    elif type_of(value).dtype != kind:
        value = ops.Cast(value, kind)
    if drop and len(shape_of(value)) == len(part) - 1:
        value = ops.Reshape(value, (*shape_of(value)[:axis], 1, *shape_of(value)[axis:]))
    if shape_of(value) != part:
        value = ops.Broadcast(value, part)
    return ops.SliceUpdate(x, value, axis, start, stop, strides[0])


@paddle.reads("set_value_with_tensor", "set_value_with_tensor_")
def set_value_with_tensor(node, x, value, starts: Known = None, ends: Known = None, strides: Known = None):
    held = [_given(node, o, n) for o, n in ((starts, "starts"), (ends, "ends"), (strides, "steps"))]
    return _updated(node, x, value, *held)


@paddle.reads("set_value", "set_value_")
def set_value(node, x, starts: Known = None, ends: Known = None, strides: Known = None):
    held = [_given(node, o, n) for o, n in ((starts, "starts"), (ends, "ends"), (strides, "steps"))]
    values = np.asarray(node.get("values", []))
    shape = node.integers("shape")
    if values.size == 1:
        return _updated(node, x, values.ravel()[0].item(), *held)
    if values.size != np.prod(shape):
        raise InputError(f"set_value: {values.size} numbers for {list(shape)}")
    kind = type_of(x).dtype
    return _updated(node, x, node.operand(values.reshape(shape).astype(kind)), *held)


@paddle.reads("embedding")
def embedding(node, ids, weight):
    """The row of the padding reads as zeros, whatever stands in it."""
    held = node.weight(weight, "weight")
    padding = node.integer("padding_idx", -1)
    if len(shape_of(ids)) > 1 and node.get("column") and shape_of(ids)[-1] == 1:
        ids = ops.Reshape(ids, shape_of(ids)[:-1])
    if padding < 0:
        return ops.Embedding(ids, held, None)
    if padding >= shape_of(held)[0]:
        raise InputError(f"embedding: the padding {padding} of {shape_of(held)[0]} rows")
    if node.reading.is_zero_row(held, padding):
        return ops.Embedding(ids, held, padding)
    mask = ops.Equal(ops.Reshape(ids, (*shape_of(ids), 1)), padding)
    return ops.Where(mask, 0.0, ops.Embedding(ids, held, None))


for _name in ("nonzero", "where_index", "masked_select", "unique", "unique_consecutive"):
    paddle.refuses_reading(_name, notimpl("a result whose shape depends on data"))
