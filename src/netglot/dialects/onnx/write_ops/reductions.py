"""Reductions as ONNX operators."""

from __future__ import annotations

import numpy as np

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.versions import opset
from netglot.dialects.onnx.write_ops.terms import cast, node, number, vector
from netglot.passes.composed import neural
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of


def _rank(x) -> int:
    return len(shape_of(x))


def _whole_picture(kind: str):
    """A fold over all places of a picture, which has an operator of its own."""

    def write(op):
        rank = _rank(op.x)
        everywhere = rank in (4, 5) and op.keepdims and tuple(sorted(op.axes)) == tuple(range(2, rank))
        return node(kind, op.x) if everywhere and dtype_of(op.x).startswith("float") else None

    return write


onnx.writes(ops.Mean)(_whole_picture("GlobalAveragePool"))
onnx.writes(ops.Max)(_whole_picture("GlobalMaxPool"))


def _reduced(kind: str):
    return lambda op: node(kind, op.x, vector(*op.axes), keepdims=int(op.keepdims))


for _kind, _name in (
    (ops.Sum, "ReduceSum"),
    (ops.Mean, "ReduceMean"),
    (ops.Max, "ReduceMax"),
    (ops.Min, "ReduceMin"),
    (ops.Prod, "ReduceProd"),
    (ops.LogSumExp, "ReduceLogSumExp"),
):
    onnx.writes(_kind)(_reduced(_name))


def _truths(kind: str):
    return lambda op: cast(node(kind, cast(op.x, "int32"), vector(*op.axes), keepdims=int(op.keepdims)), "bool")


onnx.writes(ops.Any)(_truths("ReduceMax"))
onnx.writes(ops.All)(_truths("ReduceMin"))


@onnx.lowers(ops.Norm)
def norm(op):
    return None if op.p in (1.0, 2.0) else neural.norm(op)


@onnx.writes(ops.Norm)
def norm_1_or_2(op):
    return _reduced("ReduceL1" if op.p == 1.0 else "ReduceL2")(op)


def _extreme(kind: str):
    return lambda op: node(kind, op.x, axis=op.axis, keepdims=int(op.keepdims))


onnx.writes(ops.Argmax)(_extreme("ArgMax"))
onnx.writes(ops.Argmin)(_extreme("ArgMin"))


@onnx.writes(ops.CumulativeSum)
def cumulative_sum(op):
    return node("CumSum", op.x, number(op.axis, "int64"))


@onnx.writes(ops.CumulativeProd)
def cumulative_prod(op):
    return node("CumProd", op.x, number(op.axis, "int64"))


def _running(fold, rest, since: int | None = None):
    """A running fold: all elements along a new axis, those behind the place left out; until a version has it."""

    def lowered(op):
        if since is not None and opset() >= since:
            return None
        shape, axis = list(shape_of(op.x)), op.axis
        size, count, kind = shape[axis], len(shape), dtype_of(op.x)
        steps = ops.Arange(0, size, 1, "int64")
        seen = ops.LessEqual(
            ops.Reshape(steps, (1, size, *(1,) * (count - axis - 1))),
            ops.Reshape(steps, (size, 1, *(1,) * (count - axis - 1))),
        )
        apart = ops.Reshape(op.x, (*shape[:axis], 1, *shape[axis:]))
        return fold(ops.Where(seen, apart, rest(kind)), (axis + 1,), False)

    return lowered


def _lowest(kind: str):
    return -np.inf if kind.startswith(("float", "bfloat")) else int(np.iinfo(numpy_dtype(kind)).min)


def _highest(kind: str):
    return np.inf if kind.startswith(("float", "bfloat")) else int(np.iinfo(numpy_dtype(kind)).max)


for _kind, _fold, _rest, _since in (
    (ops.CumulativeProd, ops.Prod, lambda kind: 1.0 if "float" in kind else 1, 26),
    (ops.CumulativeMax, ops.Max, _lowest, None),
    (ops.CumulativeMin, ops.Min, _highest, None),
    (ops.CumulativeLogSumExp, ops.LogSumExp, _lowest, None),
):
    onnx.lowers(_kind)(_running(_fold, _rest, _since))
