"""Moving elements about as PaddlePaddle's functions, and as parts of tensors."""

from __future__ import annotations

import numpy as np

from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.paddle.write_ops.functions import Kind
from netglot.dialects.steps import Result, several, step
from netglot.passes.composed import TABLE
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import dtype_of, shape_of


@paddle.writes(ops.Reshape)
def reshape(op):
    return step("paddle.reshape", op.x, list(op.shape))


@paddle.writes(ops.Permute)
def permute(op):
    return step("paddle.transpose", op.x, list(op.axes))


@paddle.writes(ops.Broadcast)
def broadcast(op):
    return step("paddle.expand", op.x, list(op.shape))


@paddle.writes(ops.Concat)
def concat(op):
    return step("paddle.concat", Listed(op.xs), axis=op.axis)


@paddle.writes(ops.Stack)
def stack(op):
    return step("paddle.stack", Listed(op.xs), axis=op.axis)


class Listed:
    """Several tensors in a list."""

    def __init__(self, items):
        self.items = items


@paddle.writes(ops.Split)
def split(op):
    if len(op.sizes) == 1:
        return several(step("paddle.assign", op.x))
    made = step("paddle.split", op.x, list(op.sizes), axis=op.axis)
    return several(*(Result(made, i, len(op.sizes)) for i in range(len(op.sizes))))


@paddle.writes(ops.Slice)
def slice_(op):
    return step("[]", op.x, (*(slice(None),) * op.axis, slice(op.start, op.stop, None if op.step == 1 else op.step)))


@paddle.writes(ops.Select)
def select(op):
    return step("[]", op.x, (*(slice(None),) * op.axis, op.index))


@paddle.writes(ops.Take)
def take(op):
    """A flat list of places, and the shape of them again."""
    size, places = shape_of(op.x)[op.axis], op.indices
    if isinstance(places, np.ndarray):
        places = np.where(places < 0, places + size, places)
    else:
        places = ops.Remainder(ops.Cast(places, "int64"), size)
    shape = shape_of(op.indices)
    flat = places if len(shape) == 1 else ops.Reshape(places, (product(shape),))
    found = step("paddle.index_select", op.x, flat, axis=op.axis)
    return found if len(shape) == 1 else step("paddle.reshape", found, list(shape_of(op)))


@paddle.writes(ops.TakeAlongAxis)
def take_along_axis(op):
    return step("paddle.take_along_axis", op.x, ops.Cast(op.indices, "int64"), op.axis, broadcast=False)


@paddle.writes(ops.Tile)
def tile(op):
    return step("paddle.tile", op.x, list(op.repeats))


@paddle.writes(ops.Repeat)
def repeat(op):
    return step("paddle.repeat_interleave", op.x, op.repeats, axis=op.axis)


@paddle.writes(ops.Roll)
def roll(op):
    return step("paddle.roll", op.x, list(op.shifts), axis=list(op.axes))


@paddle.writes(ops.Flip)
def flip(op):
    return step("paddle.flip", op.x, list(op.axes))


@paddle.writes(ops.Pad)
def pad(op):
    sides = [n for pair in zip(op.before, op.after, strict=True) for n in pair]
    plain = op.mode == "constant" and dtype_of(op.x).startswith("float") and len(shape_of(op.x)) <= 5
    if not plain or not all(isinstance(n, int) and n >= 0 for n in sides):
        return step("paddle.assign", TABLE[ops.Pad](op))
    return step("F.pad", op.x, sides, value=float(op.value), pad_from_left_axis=True)


@paddle.writes(ops.OneHot)
def one_hot(op):
    return step("paddle.cast", step("F.one_hot", op.x, op.classes), Kind(op.dtype))


@paddle.writes(ops.Full)
def full(op):
    return step("paddle.full", list(op.shape), op.value, dtype=Kind(op.dtype))


@paddle.writes(ops.Arange)
def arange(op):
    return step("paddle.arange", op.start, op.stop, op.step, dtype=Kind(op.dtype))


@paddle.writes(ops.Tril)
def tril(op):
    return step("paddle.tril", op.x, op.diagonal)


@paddle.writes(ops.Triu)
def triu(op):
    return step("paddle.triu", op.x, op.diagonal)
