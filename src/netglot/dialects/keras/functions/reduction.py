"""Reductions and running totals of `keras.ops`."""

from __future__ import annotations

import math

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axes_of, axis_of, flat, rank, truth, with_axes
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import type_of


@keras.reads("ops.sum")
def sum_(x, axis=None, keepdims=False):
    return ops.Sum(_counted(x), axes_of(x, axis), keepdims)


@keras.reads("ops.mean")
def mean(x, axis=None, keepdims=False):
    return ops.Mean(x, axes_of(x, axis), keepdims)


@keras.reads("ops.prod")
def prod(x, axis=None, keepdims=False, dtype=None):
    x = _counted(x) if dtype is None else ops.Cast(x, dtype)
    return ops.Prod(x, axes_of(x, axis), keepdims)


@keras.reads("ops.max")
def max_(x, axis=None, keepdims=False, initial=None):
    found = ops.Max(_counted(x), axes_of(x, axis), keepdims)
    return found if initial is None else ops.Maximum(found, initial)


@keras.reads("ops.min")
def min_(x, axis=None, keepdims=False, initial=None):
    found = ops.Min(_counted(x), axes_of(x, axis), keepdims)
    return found if initial is None else ops.Minimum(found, initial)


@keras.reads("ops.amax")
def amax(x, axis=None, keepdims=False):
    return max_(x, axis, keepdims)


@keras.reads("ops.amin")
def amin(x, axis=None, keepdims=False):
    return min_(x, axis, keepdims)


def _counted(x):
    """Truth values as numbers."""
    return ops.Cast(x, "int32") if type_of(x).dtype == "bool" else x


@keras.reads("ops.any")
def any_(x, axis=None, keepdims=False):
    return ops.Any(truth(x), axes_of(x, axis), keepdims)


@keras.reads("ops.all")
def all_(x, axis=None, keepdims=False):
    return ops.All(truth(x), axes_of(x, axis), keepdims)


@keras.reads("ops.var")
def var(x, axis=None, keepdims=False):
    return ops.Variance(x, axes_of(x, axis), keepdims, 0)


@keras.reads("ops.std")
def std(x, axis=None, keepdims=False):
    return ops.StandardDeviation(x, axes_of(x, axis), keepdims, 0)


@keras.reads("ops.moments")
def moments(x, axes, keepdims=False, synchronized=False):
    if synchronized:
        raise Refusal(notimpl("statistics over several devices"))
    return [ops.Mean(x, axes_of(x, axes), keepdims), ops.Variance(x, axes_of(x, axes), keepdims, 0)]


@keras.reads("ops.ptp")
def ptp(x, axis=None, keepdims=False):
    return ops.Subtract(max_(x, axis, keepdims), min_(x, axis, keepdims))


@keras.reads("ops.logsumexp")
def logsumexp(x, axis=None, keepdims=False):
    return ops.LogSumExp(x, axes_of(x, axis), keepdims)


@keras.reads("ops.count_nonzero")
def count_nonzero(x, axis=None):
    return ops.Sum(ops.Cast(truth(x), "int32"), axes_of(x, axis), False)


@keras.reads("ops.average")
def average(x, axis=None, weights=None):
    axes = axes_of(x, axis)
    if weights is None:
        return ops.Mean(x, axes, False)
    if rank(weights) != rank(x):
        weights = with_axes(weights, tuple(i for i in range(rank(x)) if i not in axes))
    total = ops.Sum(ops.Multiply(x, weights), axes, False)
    return ops.Divide(total, ops.Sum(ops.Multiply(ops.Add(ops.Multiply(x, 0), 1), weights), axes, False))


@keras.reads("ops.argmax")
def argmax(x, axis=None, keepdims=False):
    return _place(ops.Argmax, x, axis, keepdims)


@keras.reads("ops.argmin")
def argmin(x, axis=None, keepdims=False):
    return _place(ops.Argmin, x, axis, keepdims)


def _place(op, x, axis, keepdims):
    if axis is not None:
        return op(x, axis_of(x, axis), keepdims)
    place = op(flat(x), 0, False)
    return ops.Reshape(place, (1,) * rank(x)) if keepdims else place


@keras.reads("ops.cumsum")
def cumsum(x, axis=None, dtype=None):
    return _running(ops.CumulativeSum, x, axis, dtype)


@keras.reads("ops.cumprod")
def cumprod(x, axis=None, dtype=None):
    return _running(ops.CumulativeProd, x, axis, dtype)


def _running(op, x, axis, dtype):
    x = _counted(x) if dtype is None else ops.Cast(x, dtype)
    return op(flat(x), 0) if axis is None else op(x, axis_of(x, axis))


@keras.reads("ops.norm")
def norm(x, ord=None, axis=None, keepdims=False):
    axes = axes_of(x, axis)
    if axis is None and ord is None:
        return ops.Norm(x, axes, keepdims, 2.0)
    if len(axes) == 2 and ord in (None, "fro"):
        return ops.Norm(x, axes, keepdims, 2.0)
    if len(axes) == 1 and ord in (None, "euclidean"):
        return ops.Norm(x, axes, keepdims, 2.0)
    if len(axes) != 1 or isinstance(ord, str):
        raise Refusal(notimpl(f"the matrix norm {ord!r}"))
    return ops.Norm(x, axes, keepdims, math.inf if ord == math.inf else float(ord))


@keras.reads("ops.normalize")
def normalize(x, axis=-1, order=2, epsilon=None):
    return ops.Normalize(x, float(order), axis_of(x, axis), 1e-7 if epsilon is None else epsilon)
