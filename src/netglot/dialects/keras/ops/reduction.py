"""Keras's reductions: NumPy's names, biased variances, places in int32."""

from __future__ import annotations

import math

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.ops.shape import from_end
from netglot.errors import Refusal, notimpl
from netglot.pivot import dims, ops
from netglot.pivot.graph import is_weight
from netglot.pivot.op import dtype_of, shape_of
from netglot.source.spell import OMIT, Call, Layer, Name, call, unless

_FOLDS = {
    ops.Sum: "ops.sum",
    ops.Mean: "ops.mean",
    ops.Max: "ops.max",
    ops.Min: "ops.min",
    ops.Prod: "ops.prod",
    ops.Any: "ops.any",
    ops.All: "ops.all",
    ops.LogSumExp: "ops.logsumexp",
    ops.Variance: "ops.var",
}
_GLOBAL = {ops.Mean: "GlobalAveragePooling", ops.Max: "GlobalMaxPooling"}
"""Folds over all axes between the batch and the channels, as layers."""


def axis_of(op):
    """The axes as a person writes them: nothing for all, a number for one, else a tuple."""
    rank = len(shape_of(op.x))
    if len(op.axes) == rank:
        return OMIT
    return from_end(op.axes[0], rank) if len(op.axes) == 1 else tuple(op.axes)


@keras.writes(*_FOLDS)
def fold(op):
    if not op.axes:  # Keras would fold all axes
        raise Refusal(notimpl("a reduction over no axes"))
    function = call(_FOLDS[type(op)], op.x, axis=axis_of(op), keepdims=unless(op.keepdims, False))
    pool, space = _GLOBAL.get(type(op)), len(shape_of(op.x)) - 2
    if pool is None or tuple(op.axes) != tuple(range(1, space + 1)) or not 1 <= space <= 3:
        return function
    options = {"keepdims": True} if op.keepdims else {}
    return Layer(f"layers.{pool}{space}D", (op.x,), options, function=function)


@keras.lowers(ops.Variance)
def variance(op):
    """Keras divides by `n`; the other divisor is a factor."""
    if not op.correction:
        return None
    count = dims.product(shape_of(op.x)[a] for a in op.axes)
    biased = op.replace(correction=0)
    if isinstance(count, int):
        divisor = max(0, count - op.correction)
        if divisor:
            return ops.Multiply(biased, count / divisor)
        return ops.Divide(ops.Multiply(biased, float(count)), 0.0)
    return ops.Divide(_deviations(op), count - int(op.correction))


def _deviations(op):
    """The sum of the squared deviations."""
    centred = ops.Subtract(op.x, ops.Mean(op.x, axes=op.axes, keepdims=True))
    return ops.Sum(ops.Square(centred), axes=op.axes, keepdims=op.keepdims)


@keras.lowers(ops.StandardDeviation)
def standard_deviation(op):
    """The divisor that Keras lacks is a factor; where it is no number, the root keeps clear of 0 by itself."""
    if not op.correction:
        return None
    count = dims.product(shape_of(op.x)[a] for a in op.axes)
    if isinstance(count, int) and count > op.correction:
        return ops.Multiply(op.replace(correction=0), math.sqrt(count / (count - op.correction)))
    variance = ops.Variance(op.x, op.axes, op.keepdims, op.correction)
    return _power(variance, 0.5)


def _power(x, exponent: float):
    """A root whose gradient is 0 where `x` is 0."""
    zero = ops.Equal(x, 0.0)
    return ops.Where(zero, 0.0, ops.Power(ops.Where(zero, 1.0, x), exponent))


@keras.writes(ops.StandardDeviation)
def deviation(op):
    if not op.axes:
        raise Refusal(notimpl("a reduction over no axes"))
    return _root(call("ops.var", op.x, axis=axis_of(op), keepdims=unless(op.keepdims, False)))


def _root(squared) -> Call:
    # Keras's own gradient is NaN where the vector is zero, or constant.
    return Call("root", (squared,), helper="root")


_MOST_AXES_OF_A_NORM = 2


@keras.lowers(ops.Norm)
def lower_norm(op):
    """Keras's norm of two axes is that of a matrix, which is the vector's for `p = 2` alone."""
    if op.p == 2 and len(op.axes) <= _MOST_AXES_OF_A_NORM:
        return None
    how = {"axes": op.axes, "keepdims": op.keepdims}
    size = ops.Abs(op.x)
    if op.p == 2:
        return _power(ops.Sum(ops.Square(op.x), **how), 0.5)
    if op.p == 1:
        return ops.Sum(size, **how)
    if op.p in (float("inf"), float("-inf")):
        return (ops.Max if op.p > 0 else ops.Min)(size, **how)
    if op.p == 0:
        return ops.Sum(ops.Cast(ops.NotEqual(op.x, 0.0), dtype=dtype_of(op.x)), **how)
    return _power(ops.Sum(ops.Power(size, op.p), **how), 1 / op.p)


@keras.writes(ops.Norm)
def norm(op):
    how = {"axis": axis_of(op), "keepdims": unless(op.keepdims, False)}
    if is_weight(op.x):  # which is not zero
        return call("ops.norm", op.x, **how)
    return _root(call("ops.sum", call("ops.square", op.x), **how))


NAN_IS_PASSED_OVER = "where a value is NaN, other frameworks' argmax gives its place and TensorFlow's passes over it"
keras.tells(NAN_IS_PASSED_OVER, ops.Argmax, ops.Argmin)


@keras.writes(ops.Argmax, ops.Argmin)
def place(op):
    name = "ops.argmax" if isinstance(op, ops.Argmax) else "ops.argmin"
    axis = from_end(op.axis, len(shape_of(op.x)))
    return call("ops.cast", call(name, op.x, axis=axis, keepdims=unless(op.keepdims, False)), "int64")


_SCANNED = {
    ops.CumulativeMax: "ops.maximum",
    ops.CumulativeMin: "ops.minimum",
    ops.CumulativeProd: "ops.multiply",  # the gradient of `ops.cumprod` is wrong where an element is 0
}


@keras.writes(ops.CumulativeSum)
def cumulative_sum(op):
    return call("ops.cumsum", op.x, axis=from_end(op.axis, len(shape_of(op.x))))


def _scanned_axis(op) -> int:
    """The axis along which a scan runs, in so many steps as it has places."""
    if not isinstance(shape_of(op.x)[op.axis], int):
        raise Refusal(notimpl(f"{type(op).__name__} along an axis of symbolic size"))
    return from_end(op.axis, len(shape_of(op.x)))


@keras.writes(*_SCANNED)
def scanned(op):
    return Call("running", (Name(_SCANNED[type(op)]), op.x), {"axis": _scanned_axis(op)}, helper="running")


@keras.writes(ops.CumulativeLogSumExp)
def cumulative_log_sum_exp(op):
    name = "cumulative_log_sum_exp"
    return Call(name, (op.x,), {"axis": _scanned_axis(op)}, helper=name)
