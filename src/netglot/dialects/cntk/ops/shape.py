"""Shapes, slices and padding of samples. The file counts axes from the innermost."""

from __future__ import annotations

from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.sample import Sample, filled, together
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.cntk import Axis
from netglot.pivot import dims, ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Part
from netglot.pivot.op import dtype_of

_MODES = {0: "constant", 1: "reflect", 2: "symmetric"}


@cntk.reads("Reshape")
def reshape(work, x):
    """The axes from `beginAxis` to `endAxis` become others; one size may be left to be found out."""
    new = list(work.option("newShape", ()))
    ends = []
    for name, default in (("beginAxis", 0), ("endAxis", x.rank)):
        held = work.option(name)
        place = held.place if isinstance(held, Axis) and abs(held.place) < 2**20 else default
        ends.append(place + x.rank if place < 0 else place)
    begin, end = ends
    if not 0 <= begin <= end <= x.rank:
        raise InputError(f"{work.function.uid}: the axes {begin} to {end} of {x.rank}")
    outer, old, inner = x.shape[: x.rank - end], x.shape[x.rank - end : x.rank - begin], x.shape[x.rank - begin :]
    free = [i for i, size in enumerate(new) if size > 2**62]
    if len(free) > 1:
        raise Refusal(notimpl("a reshape that leaves two sizes open"))
    for i in free:
        rest = product([size for j, size in enumerate(new) if j != i])
        if not rest:
            raise InputError(f"{work.function.uid}: a reshape to {new}")
        new[i] = dims.floordiv(product(old), rest)
    return x.like(ops.Reshape(x.value, (*x.lead, *outer, *new, *inner)))


@cntk.reads("Squeeze")
def squeeze(work, x):
    if work.option("axis") is not None or work.option("axisVec") is not None:
        held = work.option("axisVec") or [work.option("axis")]
        gone = {work.axis(one, x.rank) for one in held}
    else:
        gone = {i for i, size in enumerate(x.shape) if size == 1}
    return x.like(ops.Reshape(x.value, (*x.lead, *(size for i, size in enumerate(x.shape) if i not in gone))))


@cntk.reads("TransposeAxes")
def transpose(work, x):
    order = work.option("axisVec")
    if order is not None:
        outer = [work.axis(one, x.rank) for one in reversed(order)]
    else:
        a, b = work.axis(work.option("axis1"), x.rank), work.axis(work.option("axis2"), x.rank)
        outer = list(range(x.rank))
        outer[a], outer[b] = b, a
    if sorted(outer) != list(range(x.rank)):
        raise InputError(f"{work.function.uid}: axes in the order {outer}")
    lead = len(x.dynamic)
    return x.like(ops.Permute(x.value, (*range(lead), *(lead + axis for axis in outer))))


@cntk.reads("Slice")
def slice_(work, x):
    if work.option("axisVec") is not None:
        names = ("axisVec", "beginIndexVec", "endIndexVec", "sliceStridesVec")
        columns = [work.option(name) or [] for name in names]
    else:
        columns = [[work.option(name)] for name in ("axis", "beginIndex", "endIndex", "sliceStrides")]
    columns[3] = columns[3] or [1] * len(columns[0])
    if len({len(column) for column in columns}) != 1:
        raise InputError(f"{work.function.uid}: slices of {len(columns[0])} axes with other counts of bounds")
    value = x.value
    for held, begin, end, step in zip(*columns, strict=True):
        axis = work.axis(held, x.rank)
        size, step = x.shape[axis], 1 if step is None else step
        start = size + begin if begin < 0 else begin
        stop = size + end if end <= 0 else end
        if not isinstance(size, int) and (begin < 0 or end > 0):
            stop = size + end if end <= 0 else end
        elif isinstance(size, int) and not 0 <= start < stop <= size:
            raise InputError(f"{work.function.uid}: {begin} to {end} of {size}")
        place = len(x.dynamic) + axis
        if step < 0:
            value = ops.Flip(ops.Slice(value, place, start, stop, 1), (place,))
            start, stop = 0, stop - start
        if abs(step) > 1 or step > 0:
            value = ops.Slice(value, place, start, stop, abs(step))
    return x.like(value)


@cntk.reads("Splice")
def splice(work, *xs):
    rank = max(one.rank for one in xs)
    axis = work.axis(work.option("axis"), rank, extra=1)
    if axis < 0:
        rank, axis = rank + 1, 0
    dynamic = max((one.dynamic for one in xs), key=len)
    lead = max((one.lead for one in xs), key=len)
    shapes = [(1,) * (rank - one.rank) + one.shape for one in xs]
    common = together(*((*shape[:axis], 1, *shape[axis + 1 :]) for shape in shapes))
    made = [filled(one, lead, dynamic, (*common[:axis], shape[axis], *common[axis + 1 :]))
            for one, shape in zip(xs, shapes, strict=True)]  # fmt: skip
    return Sample(ops.Concat(tuple(made), len(lead) + axis), dynamic)


@cntk.reads("Pad")
def pad(work, x):
    before, after = (tuple(work.many(name, x.rank, 0)) for name in ("paddingHead", "paddingFoot"))
    mode = _MODES.get(work.options.integer("paddingMode", 0))
    if mode is None or min(*before, *after, 0) < 0:
        raise Refusal(notimpl("padding of an unknown kind"))
    zeros = (0,) * len(x.dynamic)
    value = work.options.number("paddingConstantValue", 0.0)
    return x.like(ops.Pad(x.value, zeros + before, zeros + after, mode, value))


@cntk.reads("Crop")
def crop(work, x, like):
    offsets = work.option("offset")
    if not isinstance(offsets, list) or len(offsets) != 2 or x.rank < 2 or like.rank < 2:
        raise Refusal(notimpl("a crop whose place follows from the layers before it"))
    value = x.value
    for axis, offset in zip((-1, -2), offsets, strict=True):
        place = len(x.dynamic) + x.rank + axis
        value = ops.Slice(value, place, offset, offset + like.shape[axis], 1)
    return x.like(value)


@cntk.reads("ConstantOp")
def constant(work, x):
    return x.like(ops.Full((*x.lead, *x.shape), work.options.number("fillValue", 0.0), dtype_of(x.value)))


@cntk.reads("TopK")
def top_k(work, x):
    axis = work.axis(work.option("axis"), x.rank) + len(x.dynamic)
    made = ops.TopK(x.value, work.options.integer("numItems"), axis, True, "int64")
    return [x.like(Part(made, 0)), x.like(ops.Cast(Part(made, 1), dtype_of(x.value)))]
