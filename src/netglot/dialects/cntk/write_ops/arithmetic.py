"""Arithmetic and reductions as CNTK's functions. All numbers are floats there, and truth values are 0 or 1."""

from __future__ import annotations

import math

from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.emitter import At
from netglot.dialects.cntk.ops.arithmetic import BINARY, COMPARED, REDUCED, UNARY
from netglot.dialects.cntk.write_ops.words import along, each
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import FLOATS, dtype_of, is_scalar

_NAMES = {op: name for name, op in reversed(UNARY.items()) if op is not ops.StopGradient}
cntk.writes(*_NAMES)(lambda op: each(_NAMES[type(op)], op.x))

_PAIRS = {op: name for name, op in BINARY.items() if op in (ops.Add, ops.Subtract, ops.Multiply, ops.Power)}
cntk.writes(*_PAIRS)(lambda op: each(_PAIRS[type(op)], op.x, op.y))

_COMPARISONS = {op: name for name, op in COMPARED.items()}
cntk.writes(*_COMPARISONS)(lambda op: each(_COMPARISONS[type(op)], op.x, op.y))


@cntk.lowers(ops.Divide)
def of_whole_numbers(op):
    """All numbers are floats: of a quotient of whole ones the fraction is cut off."""
    if "int" not in dtype_of(op.x, op.y):
        return None
    wide = [float(one) if is_scalar(one) else ops.Cast(one, "float32") for one in (op.x, op.y)]
    return ops.Cast(ops.Trunc(ops.Divide(*wide)), dtype_of(op.x, op.y))


@cntk.writes(ops.Divide)
def divide(op):
    if is_scalar(op.y) and op.y:
        return each("ElementTimes", op.x, 1 / op.y)
    below = each("Reciprocal", op.y)
    return below if is_scalar(op.x) and op.x == 1 else each("ElementTimes", op.x, below)


@cntk.writes(ops.Remainder)
def remainder(op):
    halves = is_scalar(op.y) and op.y > 0 and math.frexp(op.y)[0] == 0.5  # whose quotients are exact
    if "int" not in dtype_of(op.x, op.y) and not halves:
        raise Refusal(notimpl("CNTK has no remainder, and one made of its quotients is wrong beside whole ones"))
    quotient = each("Floor", divide(op))
    return each("Minus", op.x, each("ElementTimes", quotient, op.y))


@cntk.writes(ops.Maximum)
def maximum(op):
    return each("Select", each("Greater", op.x, op.y), op.x, op.y)


@cntk.writes(ops.Minimum)
def minimum(op):
    return each("Select", each("Less", op.x, op.y), op.x, op.y)


@cntk.writes(ops.Where)
def where(op):
    return each("Select", op.condition, op.x, op.y)


@cntk.writes(ops.Clip)
def clip(op):
    low, high = (-math.inf if op.low is None else op.low), (math.inf if op.high is None else op.high)
    if is_scalar(low) and is_scalar(high) and low <= high and not (math.isinf(low) or math.isinf(high)):
        return each("Clip", op.x, low, high)
    x = op.x if op.low is None else ops.Maximum(op.x, op.low)
    return each("Pass", x if op.high is None else ops.Minimum(x, op.high))


@cntk.writes(ops.LogicalNot)
def logical_not(op):
    return each("Equal", op.x, 0.0)


@cntk.writes(ops.LogicalAnd)
def logical_and(op):
    return each("ElementTimes", op.x, op.y)


@cntk.writes(ops.LogicalOr)
def logical_or(op):
    return each("Greater", each("Plus", op.x, op.y), 0.0)


@cntk.writes(ops.Cast)
def cast(op):
    """Only what changes the number is done."""
    have = dtype_of(op.x)
    if op.dtype == "bool" and have != "bool":
        return each("NotEqual", op.x, 0.0)
    if have in FLOATS and op.dtype not in FLOATS:
        return each("Pass", ops.Trunc(op.x))
    return each("Pass", op.x)


@cntk.writes(ops.Identity, ops.StopGradient)
def identity(op):
    return each("StopGradient" if isinstance(op, ops.StopGradient) else "Pass", op.x)


_FOLDS = {op: name for name, op in REDUCED.items()}


@cntk.lowers(*_FOLDS)
def vanishing(op):
    """CNTK folds axes and keeps them; those that vanish are dropped afterwards."""
    if op.keepdims or not op.axes:
        return None
    return ops.Reshape(op.replace(keepdims=True), op.result_types()[0].shape)


@cntk.writes(*_FOLDS)
def reduction(op):
    if not op.axes:
        return each("Pass", op.x)
    told = {"reductionOpName": _FOLDS[type(op)], "reductionKeepDimensions": True}
    shape = op.result_types()[0].shape
    return along("ReduceElements", op.x, axes=op.axes, shape=shape, axisVec=[At(a) for a in sorted(op.axes)], **told)


@cntk.writes(ops.Argmax, ops.Argmin)
def place(op):
    gone = () if op.keepdims else (op.axis,)
    shape = op.result_types()[0].shape
    told = {"reductionOpName": type(op).__name__, "reductionKeepDimensions": op.keepdims}
    return along("ReduceElements", op.x, axes=(op.axis,), gone=gone, shape=shape, axisVec=[At(op.axis)], **told)


@cntk.lowers(ops.Acosh)
def acosh(op):
    return ops.Log(ops.Add(op.x, ops.Sqrt(ops.Subtract(ops.Multiply(op.x, op.x), 1.0))))


_NEAR = (-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
         -0.82215223, 0.17087277)  # fmt: skip
"""A Chebyshev fit of the complementary error function, right to 1.2e-7 of its value."""


@cntk.writes(ops.Erf)
def erf(op):
    """CNTK has no error function: a rational fit of it, as right as single precision is."""
    size = each("Abs", op.x)
    t = each("Reciprocal", each("Plus", each("ElementTimes", size, 0.5), 1.0))
    total = each("Plus", each("ElementTimes", t, _NEAR[-1]), _NEAR[-2])
    for one in reversed(_NEAR[:-2]):
        total = each("Plus", each("ElementTimes", total, t), one)
    tail = each("ElementTimes", t, each("Exp", each("Minus", total, each("ElementTimes", size, size))))
    return each("ElementTimes", ops.Sign(op.x), each("Minus", 1.0, tail))


cntk.tells("CNTK has no error function: it is a fit that differs by 1.2e-7", ops.Erf, ops.Gelu)

_FUNCTION = never("CNTK has no such function, and no others make it up")
_BITS = never("CNTK computes with floats, of which it has no bits")
_LINEAR = never("CNTK has no such function of linear algebra")
for _reason, _kinds in (
    (_FUNCTION, (ops.Erfinv, ops.Lgamma, ops.Digamma, ops.BesselI0, ops.CtcLoss)),
    (_BITS, (ops.Gcd, ops.Lcm, ops.BitwiseAnd, ops.BitwiseOr, ops.BitwiseXor, ops.BitwiseNot, ops.ShiftLeft,
             ops.ShiftRight)),
    (_LINEAR, (ops.Solve, ops.Inverse, ops.Determinant, ops.SingularValues, ops.Cholesky)),
    (notimpl("CNTK has no running fold, and it is not put together"),
     (ops.CumulativeProd, ops.CumulativeMax, ops.CumulativeMin, ops.CumulativeLogSumExp)),
):  # fmt: skip
    for _kind in _kinds:
        cntk.refuses(_kind, _reason)
