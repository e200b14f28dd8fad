"""Moving elements about as Caffe's layers."""

from __future__ import annotations

import itertools

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.steps import Result, several, step
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.op import shape_of


@caffe.writes(ops.Reshape)
def reshape(op):
    """Kept sizes are 0, and what is left is -1."""
    before, after = shape_of(op.x), tuple(op.shape)
    if len(after) == 2 and len(before) > 2 and before[0] == after[0]:
        return step("Flatten", op.x)
    words = [0 if i < len(before) and before[i] == size else size for i, size in enumerate(after)]
    left = [i for i, size in enumerate(words) if isinstance(size, Dim)]
    if len(left) > 1 or not after:
        raise Refusal(notimpl(f"a reshape to {list(after)}, of which {len(left)} sizes are not known"))
    words = [-1 if i in left else size for i, size in enumerate(words)]
    return step("Reshape", op.x, reshape_param={"shape": {"dim": words}})


@caffe.writes(ops.Permute)
def permute(op):
    return step("Permute", op.x, permute_param={"order": list(op.axes)})


@caffe.writes(ops.Concat)
def concat(op):
    return step("Concat", *op.xs, concat_param={"axis": op.axis})


def _cut(x, axis: int, sizes):
    points = list(itertools.accumulate(sizes))[:-1]
    if not all(isinstance(point, int) for point in points):
        raise Refusal(never("Caffe cuts axes at places that are known"))
    return step("Slice", x, tops=len(sizes), slice_param={"axis": axis, "slice_point": points})


@caffe.writes(ops.Split)
def split(op):
    if len(op.sizes) == 1:
        return several(step("Power", op.x))
    made = _cut(op.x, op.axis, op.sizes)
    return several(*(Result(made, i, len(op.sizes)) for i in range(len(op.sizes))))


@caffe.writes(ops.Slice)
def slice_(op):
    size = shape_of(op.x)[op.axis]
    if op.step != 1 or not isinstance(size, int) or not isinstance(op.start, int) or not isinstance(op.stop, int):
        raise Refusal(never("Caffe cuts axes in one piece, at places that are known"))
    sizes = [op.start, op.stop - op.start, size - op.stop]
    if sizes[1] < 1:
        raise Refusal(never("Caffe has no tensors without elements"))
    kept = [part for part in sizes if part]
    return step(
        "Slice",
        op.x,
        tops=len(kept),
        keep=1 if sizes[0] else 0,
        slice_param={"axis": op.axis, "slice_point": list(itertools.accumulate(kept))[:-1]},
    )


@caffe.writes(ops.Tile)
def tile(op):
    many = [axis for axis, times in enumerate(op.repeats) if times != 1]
    if len(many) != 1 or not isinstance(op.repeats[many[0]], int):
        raise Refusal(notimpl("a tensor repeated along several axes"))
    return step("Concat", *(op.x,) * op.repeats[many[0]], concat_param={"axis": many[0]})


@caffe.writes(ops.Broadcast)
def broadcast(op):
    shape, wanted = shape_of(op.x), tuple(op.shape)
    level = (*(1,) * (len(wanted) - len(shape)), *shape)
    times = [1 if have == size else size for have, size in zip(level, wanted, strict=True)]
    if any(isinstance(one, Dim) for one in times) or product(times) > 64:
        raise Refusal(never("Caffe repeats tensors by joining them with themselves, a few times at most"))
    x = op.x if level == shape else ops.Reshape(op.x, level)
    for axis, count in enumerate(times):
        x = ops.Concat((x,) * count, axis) if count != 1 else x
    return step("Power", x)
