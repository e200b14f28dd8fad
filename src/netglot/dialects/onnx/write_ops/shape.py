"""Moving elements about as ONNX operators."""

from __future__ import annotations

import numpy as np

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.versions import opset
from netglot.dialects.onnx.write_ops.terms import Result, ScalarSize, cast, node, number, several, vector
from netglot.errors import Refusal, notimpl
from netglot.passes.composed import shape as compose_shape
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import broadcast_shapes, dtype_of, numpy_dtype, shape_of
from netglot.pivot.ops.index import indexed_axes, landing_axis

_FAR = -(2**63) + 1


@onnx.writes(ops.Reshape)
def reshape(op):
    return node("Reshape", op.x, list(op.shape), like=op.x)


@onnx.writes(ops.Permute)
def permute(op):
    return node("Transpose", op.x, perm=list(op.axes))


@onnx.writes(ops.Broadcast)
def broadcast(op):
    return node("Expand", op.x, list(op.shape))


@onnx.writes(ops.Concat)
def concat(op):
    return node("Concat", *op.xs, axis=op.axis)


@onnx.writes(ops.Stack)
def stack(op):
    return node("Concat", *[node("Unsqueeze", x, vector(op.axis)) for x in op.xs], axis=op.axis)


@onnx.writes(ops.Split)
def split(op):
    return node("Split", op.x, list(op.sizes), axis=op.axis)


@onnx.writes(ops.Unstack)
def unstack(op):
    count = shape_of(op.x)[op.axis]
    whole = node("Split", op.x, list((1,) * count), axis=op.axis)
    return several(*(node("Squeeze", Result(whole, i, count), vector(op.axis)) for i in range(count)))


@onnx.lowers(ops.Pad)
def mirrored_with_border(op):
    """The mirror image with the border: the ends turned round; and before version 19 what comes round."""
    if op.mode != "symmetric" and (op.mode != "wrap" or opset() >= 19):
        return None
    return compose_shape.pad(op)


@onnx.writes(ops.Pad)
def pad(op):
    value = number(op.value, dtype_of(op.x)) if op.mode == "constant" and op.value != 0 else None
    if dtype_of(op.x) == "bool":
        wide = node("Pad", cast(op.x, "int32"), [*op.before, *op.after], number(int(op.value), "int32"), mode=op.mode)
        return cast(wide, "bool")
    return node("Pad", op.x, [*op.before, *op.after], value, mode=op.mode)


@onnx.writes(ops.Tile)
def tile(op):
    return node("Tile", op.x, list(op.repeats))


@onnx.writes(ops.Flip)
def flip(op):
    count = len(op.axes)
    return node("Slice", op.x, vector(*[-1] * count), vector(*[_FAR] * count), vector(*op.axes), vector(*[-1] * count))


@onnx.lowers(ops.Diagonal)
def diagonal(op):
    rank = len(shape_of(op.x))
    x, letters = op.x, [chr(ord("a") + i) for i in range(rank)]
    rows, columns = shape_of(x)[op.axis1], shape_of(x)[op.axis2]
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise Refusal(notimpl("the diagonal of a matrix whose sizes are not known"))
    length = shape_of(op)[-1]
    first, second = max(0, -op.offset), max(0, op.offset)
    x = ops.Slice(x, op.axis1, first, first + length, 1)
    x = ops.Slice(x, op.axis2, second, second + length, 1)
    letters[op.axis2] = letters[op.axis1]
    kept = [c for i, c in enumerate(letters) if i not in (op.axis1, op.axis2)]
    return ops.Einsum((x,), f"{''.join(letters)}->{''.join(kept)}{letters[op.axis1]}")


@onnx.writes(ops.Fold)
def fold(op):
    return node(
        "Col2Im",
        op.x,
        list(op.size),
        list(op.kernel),
        strides=list(op.stride),
        pads=[*op.padding, *op.padding],
        dilations=list(op.dilation),
    )


# -- parts


@onnx.writes(ops.Slice)
def slice_(op):
    step = vector(op.step) if op.step != 1 else None
    return node("Slice", op.x, [op.start], [op.stop], vector(op.axis), step)


@onnx.writes(ops.Select)
def select(op):
    if isinstance(op.index, Dim):
        return node("Squeeze", node("Slice", op.x, [op.index], [op.index + 1], vector(op.axis)), vector(op.axis))
    return node("Gather", op.x, number(op.index, "int64"), axis=op.axis)


@onnx.writes(ops.Take)
def take(op):
    return node("Gather", op.x, _index(op.indices), axis=op.axis)


def _index(x):
    return x if dtype_of(x) in ("int32", "int64") else cast(x, "int64")


@onnx.writes(ops.TakeAlongAxis)
def take_along_axis(op):
    return node("GatherElements", op.x, _index(op.indices), axis=op.axis)


@onnx.writes(ops.Embedding)
def embedding(op):
    return node("Gather", op.weight, _index(op.ids), axis=0)


def _stacked(indices, axes):
    """The positions along several axes, each broadcast to all, side by side in a last axis."""
    shape = broadcast_shapes(*(shape_of(indices[a]) for a in axes))
    parts = [ops.Broadcast(ops.Cast(indices[a], "int64"), shape) for a in axes]
    return ops.Stack(tuple(parts), len(shape)), shape


def _led(x, axes):
    """`x` with some axes in front, and the order that undoes it."""
    rank = len(shape_of(x))
    order = [*axes, *(a for a in range(rank) if a not in axes)]
    back = tuple(order.index(a) for a in range(rank))
    return (x if order == sorted(order) else ops.Permute(x, tuple(order))), back


@onnx.writes(ops.AdvancedIndex)
def advanced_index(op):
    axes = indexed_axes(op.indices)
    places, shape = _stacked(op.indices, axes)
    x, _ = _led(op.x, axes)
    found = node("GatherND", x, places)
    at, count, total = landing_axis(op.indices), len(shape), len(shape_of(op))
    if at == 0:
        return found
    order = [*range(count, count + at), *range(count), *range(count + at, total)]
    return node("Transpose", found, perm=order)


@onnx.writes(ops.IndexPut)
def index_put(op):
    axes = indexed_axes(op.indices)
    places, shape = _stacked(op.indices, axes)
    x, back = _led(op.x, axes)
    at, count = landing_axis(op.indices), len(shape)
    part = shape_of(ops.AdvancedIndex(op.x, op.indices))
    value = ops.Broadcast(op.value, part)
    order = (*range(at, at + count), *range(at), *range(at + count, len(part)))
    value = value if order == tuple(sorted(order)) else ops.Permute(value, order)
    made = node("ScatterND", x, places, value, reduction="add" if op.accumulate else None)
    return made if back == tuple(sorted(back)) else node("Transpose", made, perm=list(back))


_REDUCTIONS = {"set": None, "add": "add", "multiply": "mul", "maximum": "max", "minimum": "min"}


@onnx.writes(ops.ScatterNd)
def scatter_nd(op):
    return node("ScatterND", op.x, ops.Cast(op.indices, "int64"), op.updates, reduction=_REDUCTIONS[op.mode])


@onnx.writes(ops.ScatterAlongAxis)
def scatter_along_axis(op):
    reduction = _REDUCTIONS[op.mode]
    return node("ScatterElements", op.x, _index(op.indices), op.updates, axis=op.axis, reduction=reduction)


@onnx.lowers(ops.SegmentFold)
def segment_fold(op):
    kind, rows = dtype_of(op.x), shape_of(op.x)[0]
    empty = 0.0 if op.mode == "sum" else -np.inf
    blank = ops.Full((op.count, *shape_of(op.x)[1:]), empty, kind)
    return ops.ScatterNd(blank, ops.Reshape(op.segments, (rows, 1)), op.x, "add" if op.mode == "sum" else "maximum")


# -- making


@onnx.writes(ops.Full)
def full(op):
    value = np.full(1, op.value, numpy_dtype(op.dtype))
    if all(isinstance(size, int) for size in op.shape) and np.prod(op.shape) <= 64:
        return node("Identity", np.full(op.shape, op.value, numpy_dtype(op.dtype)))
    return node("ConstantOfShape", list(op.shape), value=value)


@onnx.writes(ops.Arange)
def arange(op):
    kind = op.dtype if op.dtype in ("float32", "float64", "int16", "int32", "int64") else "int64"
    made = node(
        "Range",
        *(number(e, kind) if not isinstance(e, Dim) else ScalarSize(e, kind) for e in (op.start, op.stop, op.step)),
    )
    return made if kind == op.dtype else cast(made, op.dtype)


@onnx.writes(ops.Linspace)
def linspace(op):
    return node("Identity", np.linspace(op.start, op.stop, op.num).astype(numpy_dtype(op.dtype)))


@onnx.writes(ops.Eye)
def eye(op):
    if not (isinstance(op.rows, int) and isinstance(op.columns, int)):
        blank = node("ConstantOfShape", [op.rows, op.columns], value=np.zeros(1, "float32"))
        return cast(node("EyeLike", blank), op.dtype)
    return node("Identity", np.eye(op.rows, op.columns, dtype=numpy_dtype(op.dtype)))


def _triangle(upper: int):
    def write(op):
        diagonal = number(op.diagonal, "int64") if op.diagonal else None
        kind = dtype_of(op.x)
        if kind in ("float32", "float64", "int64"):
            return node("Trilu", op.x, diagonal, upper=upper)
        return cast(node("Trilu", cast(op.x, "int64"), diagonal, upper=upper), kind)

    return write


onnx.writes(ops.Triu)(_triangle(1))
onnx.writes(ops.Tril)(_triangle(0))


@onnx.writes(ops.OneHot)
def one_hot(op):
    return node("OneHot", _index(op.x), vector(op.classes), np.asarray([0, 1], numpy_dtype(op.dtype)), axis=-1)


# -- order


@onnx.writes(ops.TopK)
def top_k(op):
    made = node("TopK", op.x, vector(op.k), axis=op.axis, largest=int(op.largest))
    if op.index_dtype == "int64":
        return made
    return several(Result(made, 0, 2), cast(Result(made, 1, 2), op.index_dtype))


def _ordered(op, index: int):
    made = node("TopK", op.x, [shape_of(op.x)[op.axis]], axis=op.axis, largest=int(op.descending))
    return several(Result(made, index, 2))


@onnx.writes(ops.Sort)
def sort(op):
    return _ordered(op, 0)


@onnx.writes(ops.Argsort)
def argsort(op):
    return _ordered(op, 1)


@onnx.lowers(ops.Searchsorted)
def searchsorted(op):
    """The number of boundaries below each value."""
    values = ops.Reshape(op.values, (*shape_of(op.values), 1))
    below = (ops.LessEqual if op.right else ops.Less)(op.boundaries, values)
    return ops.Sum(ops.Cast(below, op.dtype), (len(shape_of(op.values)),), False)
