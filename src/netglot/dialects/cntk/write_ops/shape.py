"""Moving elements about as CNTK's functions."""

from __future__ import annotations

import numpy as np

from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.emitter import At, PerAxis
from netglot.dialects.cntk.write_ops.words import along, each
from netglot.dialects.steps import Result, held, several, step
from netglot.errors import Refusal, never, notimpl
from netglot.formats.cntk_save import Signed
from netglot.passes.composed import TABLE
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of


@cntk.writes(ops.Reshape)
def reshape(op):
    return step("Reshape", op.x, rule="reshape", shape=tuple(op.shape))


@cntk.writes(ops.Permute)
def permute(op):
    return step("TransposeAxes", op.x, rule="permute", axes=tuple(op.axes))


@cntk.writes(ops.Concat)
def concat(op):
    return step("Splice", *op.xs, rule="join", axis=op.axis)


def _bounds(op) -> tuple[int, int]:
    """Where a slice begins and ends in CNTK's words: counted from the end where the size is not known, 0 for the end.

    Raises:
        Refusal: neither is known.
    """
    size = shape_of(op.x)[op.axis]
    found = []
    for place in (op.start, op.stop):
        if isinstance(place, Dim) or (isinstance(size, Dim) and place == size):
            back = place - size
            if not isinstance(back, int):
                raise Refusal(notimpl(f"a slice to {place} of {size}"))
            place = back
        found.append(int(place))
    return found[0], 0 if found[1] == size else found[1]


@cntk.writes(ops.Slice)
def slice_(op):
    shape = op.result_types()[0].shape
    begin, end = _bounds(op)
    told = {"beginIndex": Signed(begin), "endIndex": Signed(end), "sliceStrides": Signed(op.step)}
    return along("Slice", op.x, axes=(op.axis,), shape=shape, axis=At(op.axis), **told)


@cntk.lowers(ops.Slice)
def whole(op):
    """A slice that is all there is."""
    size = shape_of(op.x)[op.axis]
    return ops.Identity(op.x) if op.step == 1 and op.start == 0 and op.stop == size else None


@cntk.writes(ops.Flip)
def flip(op):
    x = op.x
    told = {"beginIndex": Signed(0), "endIndex": Signed(0), "sliceStrides": Signed(-1)}
    for axis in op.axes:
        x = along("Slice", x, axes=(axis,), shape=shape_of(op.x), axis=At(axis), **told)
    return x if op.axes else each("Pass", x)


@cntk.writes(ops.Broadcast)
def broadcast(op):
    """Added to zeros of the wanted sizes; the batch is not laid out."""
    sizes = [1 if isinstance(size, Dim) else int(size) for size in op.shape]
    have = (*(1,) * (len(sizes) - len(shape_of(op.x))), *shape_of(op.x))
    return step("Plus", op.x, np.zeros(sizes, "float32"), rule="spread", shape=tuple(op.shape), have=have)


_MODES = {"constant": 0, "reflect": 1, "symmetric": 2}


@cntk.lowers(ops.Pad)
def pad_in_pieces(op):
    sides = (*op.before, *op.after)
    plain = op.mode in _MODES and all(isinstance(n, int) and n >= 0 for n in sides)
    return None if plain and any(sides) else TABLE[ops.Pad](op)


@cntk.writes(ops.Pad)
def pad(op):
    axes = tuple(axis for axis, both in enumerate(zip(op.before, op.after, strict=True)) if any(both))
    told = {"paddingHead": PerAxis(tuple(op.before)), "paddingFoot": PerAxis(tuple(op.after))}
    value = float(op.value) if op.mode == "constant" else 0.0
    shape = op.result_types()[0].shape
    return along("Pad", op.x, axes=axes, shape=shape, paddingMode=_MODES[op.mode], paddingConstantValue=value, **told)


@cntk.lowers(ops.Take)
def take(op):
    """Rows of a table; of what is computed, elements at places that are known, by a product with ones and zeros."""
    shape, indices = shape_of(op.x), op.indices
    if not isinstance(indices, np.ndarray | np.generic):
        return None
    size = shape[op.axis]
    if not isinstance(size, int):
        raise Refusal(notimpl("elements at places of an axis whose size is not known"))
    places = np.where(np.asarray(indices) < 0, np.asarray(indices) + size, indices)
    chosen = np.zeros((size, places.size), numpy_dtype(dtype_of(op.x)))
    chosen[places.reshape(-1), np.arange(places.size)] = 1
    rank = len(shape)
    order = (*(axis for axis in range(rank) if axis != op.axis), op.axis)
    made = ops.Matmul(ops.Permute(op.x, order), chosen)
    back = (*range(op.axis), rank - 1, *range(op.axis, rank - 1))
    wanted = (*shape[: op.axis], *places.shape, *shape[op.axis + 1 :])
    return ops.Reshape(ops.Permute(made, back), wanted)


@cntk.writes(ops.Take)
def rows(op):
    if op.axis != 0:
        raise Refusal(notimpl("elements at places that the network computes, along an inner axis"))
    return step("Gather", op.indices, held("table", op.x), rule="gather", shape=op.result_types()[0].shape)


@cntk.writes(ops.Embedding)
def embedding(op):
    return step("Gather", op.ids, held("weight", op.weight), rule="gather", shape=op.result_types()[0].shape)


@cntk.writes(ops.OneHot)
def one_hot(op):
    shape = op.result_types()[0].shape
    return step("OneHot", op.x, rule="rows", shape=shape, classes=op.classes)


@cntk.writes(ops.Full)
def full(op):
    """Of any batch, what is the same for all of it."""
    return step("Constant", rule="constant", value=op.value, shape=tuple(op.shape), dtype=op.dtype)


@cntk.lowers(ops.Arange)
def arange(op):
    if any(isinstance(one, Dim) for one in (op.start, op.stop, op.step)):
        raise Refusal(notimpl("a range whose end is not known"))
    return ops.Identity(np.arange(op.start, op.stop, op.step, numpy_dtype(op.dtype)))


@cntk.lowers(ops.CumulativeSum)
def cumulative_sum(op):
    """A product with a triangle of ones."""
    shape = shape_of(op.x)
    size, rank = shape[op.axis], len(shape)
    if not isinstance(size, int):
        raise Refusal(notimpl("a running sum along an axis whose size is not known"))
    order = (*(axis for axis in range(rank) if axis != op.axis), op.axis)
    back = (*range(op.axis), rank - 1, *range(op.axis, rank - 1))
    ones = np.triu(np.ones((size, size), numpy_dtype(dtype_of(op.x))))
    return ops.Permute(ops.Matmul(ops.Permute(op.x, order), ones), back)


@cntk.writes(ops.TopK)
def top_k(op):
    if not op.largest:
        raise Refusal(notimpl("the smallest elements"))
    shape = op.result_types()[0].shape
    made = along("TopK", op.x, axes=(op.axis,), shape=shape, results=2, axis=At(op.axis), numItems=op.k)
    return several(Result(made, 0, 2), Result(made, 1, 2))


_PLACES = notimpl("CNTK gathers the rows of a table, and puts nothing at places that the network computes")
for _op in (ops.AdvancedIndex, ops.ScatterNd, ops.ScatterAlongAxis, ops.IndexPut, ops.SegmentFold, ops.Searchsorted,
            ops.TakeAlongAxis, ops.GridSample, ops.Fold):  # fmt: skip
    cntk.refuses(_op, _PLACES)
for _op in (ops.Sort, ops.Argsort):
    cntk.refuses(_op, never("CNTK does not sort"))
