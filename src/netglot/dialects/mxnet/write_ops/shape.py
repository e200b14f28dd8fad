"""Moving elements about as MXNet's operators, whose reshapes keep sizes that are not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.write_ops.arithmetic import cast
from netglot.dialects.steps import Result, several, step
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.op import dtype_of, shape_of


def words(before: tuple, after: tuple) -> list[int]:
    """A shape in MXNet's words: 0 keeps a size, -1 is what is left.

    Raises:
        Refusal: more than one size is neither known, kept nor left.
    """
    if not after:
        return [1]
    made: list[Any] = list(after)
    for place, size in enumerate(after):
        if isinstance(size, Dim) and place < len(before) and before[place] == size:
            made[place] = 0
    left = [place for place, size in enumerate(made) if isinstance(size, Dim)]
    if len(left) > 1:
        raise Refusal(notimpl(f"a reshape to {list(after)}, of which {len(left)} sizes are not known"))
    for place in left:
        made[place] = -1
    return made


@mxnet.writes(ops.Reshape)
def reshape(op):
    before, after = shape_of(op.x), tuple(op.shape)
    if len(after) == 2 and len(before) > 2 and before[0] == after[0]:
        return step("Flatten", op.x)
    return step("Reshape", op.x, shape=tuple(words(before, after)))


@mxnet.lowers(ops.Permute)
def few_axes(op):
    """MXNet moves six axes at most: those that stay side by side are moved as one, those of one element not at all."""
    shape = shape_of(op.x)
    if len(shape) <= _MOST_AXES:
        return None
    runs: list[list[int]] = []
    for axis in (axis for axis in op.axes if shape[axis] != 1):
        if runs and all(shape[a] == 1 for a in range(runs[-1][-1] + 1, axis)) and axis > runs[-1][-1]:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    if len(runs) > _MOST_AXES:
        raise Refusal(never(f"MXNet moves {_MOST_AXES} axes at most, and {len(runs)} change places here"))
    order = sorted(runs)
    joined = ops.Reshape(op.x, tuple(product(shape[axis] for axis in run) for run in order))
    return ops.Reshape(ops.Permute(joined, tuple(order.index(run) for run in runs)), shape_of(op))


_MOST_AXES = 6


@mxnet.writes(ops.Permute)
def permute(op):
    return step("transpose", op.x, axes=tuple(op.axes))


@mxnet.writes(ops.Concat)
def concat(op):
    return step("Concat", *op.xs, num_args=len(op.xs), dim=op.axis)


@mxnet.writes(ops.Stack)
def stack(op):
    return step("stack", *op.xs, num_args=len(op.xs), axis=op.axis)


@mxnet.writes(ops.Split)
def split(op):
    if len(set(op.sizes)) > 1:
        return None
    count = len(op.sizes)
    if count == 1:
        return several(step("identity", op.x))
    made = step("SliceChannel", op.x, num_outputs=count, axis=op.axis, squeeze_axis=False)
    return several(*(Result(made, i, count) for i in range(count)))


@mxnet.lowers(ops.Split)
def uneven_split(op):
    from netglot.passes.composed import TABLE

    return TABLE[ops.Split](op) if len(set(op.sizes)) > 1 else None


def _end(place, size) -> int | None:
    """Where a slice begins or ends: counted from the end where the size is not known.

    Raises:
        Refusal: neither is known.
    """
    if not isinstance(place, Dim):
        return place
    if place == size:
        return None
    back = place - size
    if isinstance(back, int) and back < 0:
        return back
    raise Refusal(notimpl(f"a slice to {place} of {size}"))


@mxnet.writes(ops.Slice)
def slice_(op):
    shape = shape_of(op.x)
    begin, end = _end(op.start, shape[op.axis]), _end(op.stop, shape[op.axis])
    if isinstance(shape[op.axis], int) and end == shape[op.axis]:
        end = None
    if op.step == 1:
        return step("slice_axis", op.x, axis=op.axis, begin=begin or 0, end="None" if end is None else end)
    apart = [None] * op.axis
    return step("slice", op.x, begin=(*apart, begin), end=(*apart, end), step=(*apart, op.step))


@mxnet.writes(ops.Select)
def select(op):
    size = shape_of(op.x)[op.axis]
    place = _end(op.index, size)
    stop = None if place in (-1, None) or (isinstance(size, int) and place == size - 1) else place + 1
    one = step("slice_axis", op.x, axis=op.axis, begin=place or 0, end="None" if stop is None else stop)
    return step("squeeze", one, axis=op.axis) if len(shape_of(op.x)) > 1 else one


@mxnet.writes(ops.Broadcast)
def broadcast(op):
    shape, wanted = shape_of(op.x), tuple(op.shape)
    level = (*(1,) * (len(wanted) - len(shape)), *shape)
    x = op.x if level == shape else ops.Reshape(op.x, level)
    made = x
    for axis, (size, have) in enumerate(zip(wanted, level, strict=True)):
        if isinstance(size, Dim) and size != have:
            made = step("broadcast_like", made, Sized(size, dtype_of(op.x)), lhs_axes=(axis,), rhs_axes=Place(size))
    known = tuple(
        0 if isinstance(size, Dim) or size == have else size for size, have in zip(wanted, level, strict=True)
    )
    return made if made is not x and not any(known) else step("broadcast_to", made, shape=known)


@dataclass(frozen=True)
class Sized:
    """An input of the network that has a size which is not known before it runs, as this dtype."""

    size: Dim
    dtype: str


@dataclass(frozen=True)
class Place:
    """The axis of that input."""

    size: Dim


@mxnet.writes(ops.Tile)
def tile(op):
    if any(isinstance(times, Dim) for times in op.repeats):
        raise Refusal(notimpl("a tensor repeated a number of times that is not known"))
    return step("tile", op.x, reps=tuple(op.repeats))


@mxnet.writes(ops.Repeat)
def repeat(op):
    return step("repeat", op.x, repeats=op.repeats, axis=op.axis)


@mxnet.writes(ops.Flip)
def flip(op):
    return step("reverse", op.x, axis=tuple(op.axes))


@mxnet.writes(ops.Pad)
def pad(op):
    """MXNet pads pictures and volumes, and there space alone."""
    rank, sides = len(shape_of(op.x)), (*op.before, *op.after)
    plain = all(isinstance(n, int) and n >= 0 for n in sides) and not any((*op.before[:2], *op.after[:2]))
    wanted = op.mode in ("constant", "edge", "reflect") and dtype_of(op.x).startswith("float")
    if rank not in (4, 5) or not plain or not wanted or (op.mode == "reflect" and rank == 5):
        from netglot.passes.composed import TABLE

        return step("identity", TABLE[ops.Pad](op))
    width = tuple(n for pair in zip(op.before, op.after, strict=True) for n in pair)
    value = float(op.value) if op.mode == "constant" else None
    return step("Pad", op.x, mode=op.mode, pad_width=width, constant_value=value)


@mxnet.writes(ops.Take)
def take(op):
    indices, mode = op.indices, "wrap"
    if isinstance(indices, np.ndarray):
        indices, mode = np.where(indices < 0, indices + shape_of(op.x)[op.axis], indices), "clip"
    return step("take", op.x, indices, axis=op.axis, mode=mode)


@mxnet.writes(ops.TakeAlongAxis)
def take_along_axis(op):
    if shape_of(op.indices)[op.axis] != 1:
        raise Refusal(notimpl("taking several elements along an axis, each row its own"))
    places = ops.Reshape(op.indices, tuple(n for a, n in enumerate(shape_of(op.indices)) if a != op.axis))
    return step("pick", op.x, places, axis=op.axis, keepdims=True, mode="wrap")


@mxnet.writes(ops.Embedding)
def embedding(op):
    from netglot.dialects.steps import held

    rows, columns = shape_of(op.weight)
    weight, dtype = held("weight", op.weight), dtype_of(op.weight)
    return step("Embedding", op.ids, weight, input_dim=rows, output_dim=columns, dtype=dtype)


@mxnet.writes(ops.OneHot)
def one_hot(op):
    return step("one_hot", op.x, depth=op.classes, dtype=_number_kind(op.dtype))


def _number_kind(dtype: str) -> str:
    return "float32" if dtype == "bool" else dtype


@mxnet.writes(ops.Full)
def full(op):
    if any(isinstance(size, Dim) for size in op.shape):
        known = tuple(1 if isinstance(size, Dim) else size for size in op.shape)
        return broadcast(ops.Broadcast(ops.Full(known, op.value, op.dtype), op.shape))
    return step("_full", shape=tuple(op.shape) or (1,), value=float(op.value), dtype=_number_kind(op.dtype))


@mxnet.writes(ops.Arange)
def arange(op):
    if any(isinstance(one, Dim) for one in (op.start, op.stop, op.step)):
        raise Refusal(notimpl("a range whose end is not known"))
    return step("_arange", start=op.start, stop=op.stop, step=op.step, dtype=op.dtype)


@mxnet.writes(ops.CumulativeSum)
def cumulative_sum(op):
    return step("cumsum", op.x, axis=op.axis)


@mxnet.writes(ops.Sort)
def sort(op):
    return step("sort", op.x, axis=op.axis, is_ascend=not op.descending)


@mxnet.writes(ops.Argsort)
def argsort(op):
    return step("argsort", op.x, axis=op.axis, is_ascend=not op.descending, dtype="int64")


@mxnet.writes(ops.TopK)
def top_k(op):
    made = step("topk", op.x, axis=op.axis, k=op.k, ret_typ="both", is_ascend=not op.largest, dtype="int64")
    places = Result(made, 1, 2)
    return several(Result(made, 0, 2), places if op.index_dtype == "int64" else cast(places, op.index_dtype))


_ROWS = notimpl("MXNet gathers and scatters by other rules, and they are not put together from these")
for _op in (ops.AdvancedIndex, ops.ScatterNd, ops.ScatterAlongAxis, ops.IndexPut, ops.SegmentFold, ops.Searchsorted):
    mxnet.refuses(_op, _ROWS)
