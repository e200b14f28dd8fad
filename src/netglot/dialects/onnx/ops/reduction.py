"""Reductions, extremes and running sums."""

from __future__ import annotations

from netglot.dialects.onnx.common import (
    Known,
    axes_of,
    axis_of,
    dtype,
    filled,
    integer,
    is_float,
    numbers,
    rank,
    sliced,
)
from netglot.dialects.onnx.dialect import onnx
from netglot.pivot import ops
from netglot.pivot.op import shape_of


def _abs_sum(x, axes, keep):
    return ops.Sum(ops.Abs(x), axes, keep)


def _norm(x, axes, keep):
    if not is_float(x):
        return ops.Cast(ops.Sqrt(ops.Cast(ops.Sum(ops.Square(x), axes, keep), "float64")), dtype(x))
    return ops.Norm(x, axes, keep, 2.0)


def _log_sum(x, axes, keep):
    return ops.Log(ops.Sum(x, axes, keep))


def _log_sum_exp(x, axes, keep):
    return ops.LogSumExp(x, axes, keep)


def _square_sum(x, axes, keep):
    return ops.Sum(ops.Square(x), axes, keep)


def _mean(x, axes, keep):
    if not is_float(x):
        return ops.Cast(ops.Mean(ops.Cast(x, "float64"), axes, keep), dtype(x))
    return ops.Mean(x, axes, keep)


def _max(x, axes, keep):
    if dtype(x) == "bool":
        return ops.Any(x, axes, keep)
    return ops.Max(x, axes, keep)


def _min(x, axes, keep):
    if dtype(x) == "bool":
        return ops.All(x, axes, keep)
    return ops.Min(x, axes, keep)


_EMPTY = {"ReduceMax": ("-inf", False, "lowest"), "ReduceMin": ("inf", True, "highest")}
"""What the fold of nothing is: for floats, for truth values, for integers."""

_FOLDS = {
    "ReduceL1": _abs_sum,
    "ReduceL2": _norm,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": _max,
    "ReduceMean": _mean,
    "ReduceMin": _min,
    "ReduceProd": lambda x, axes, keep: ops.Prod(x, axes, keep),
    "ReduceSum": lambda x, axes, keep: ops.Sum(x, axes, keep),
    "ReduceSumSquare": _square_sum,
}

_POINTWISE = {
    "ReduceL1": ops.Abs,
    "ReduceL2": ops.Abs,
    "ReduceLogSum": ops.Log,
    "ReduceSumSquare": ops.Square,
}
"""What a fold over no axis does to each element, where it is not nothing."""


def _folded(name, data, axes, keepdims):
    if not axes:
        return _POINTWISE.get(name, ops.Identity)(data)
    if any(shape_of(data)[axis] == 0 for axis in axes):
        empty = _of_nothing(name, data, axes, bool(keepdims))
        if empty is not None:
            return empty
    return _FOLDS[name](data, axes, bool(keepdims))


def _of_nothing(name, data, axes, keep):
    from netglot.pivot.op import numpy_dtype, reduced_shape

    if name not in _EMPTY and name != "ReduceLogSumExp":
        return None
    shape = reduced_shape(shape_of(data), axes, keep)
    if name == "ReduceLogSumExp":
        return filled(shape, float("-inf"), dtype(data))
    number, truth, extreme = _EMPTY[name]
    if dtype(data) == "bool":
        return filled(shape, truth, "bool")
    if is_float(data):
        return filled(shape, float(number), dtype(data))
    import numpy as np

    bounds = np.iinfo(numpy_dtype(dtype(data)))
    return filled(shape, bounds.min if extreme == "lowest" else bounds.max, dtype(data))


def _by_attribute(name):
    def read(data, *, axes=None, keepdims=1):
        return _folded(name, data, axes_of(data, axes), keepdims)

    return read


def _by_input(name):
    def read(data, axes: Known = None, *, keepdims=1, noop_with_empty_axes=0):
        given = None if axes is None or not numbers(axes) else axes
        places = () if given is None and noop_with_empty_axes else axes_of(data, given)
        return _folded(name, data, places, keepdims)

    return read


for _name in _FOLDS:
    onnx.reads(f"{_name}-1")(_by_attribute(_name))
    onnx.reads(f"{_name}-{13 if _name == 'ReduceSum' else 18}")(_by_input(_name))


def _extreme(kind):
    def read(data, *, axis=0, keepdims=1, select_last_index=0):
        place = axis_of(data, axis)
        if not select_last_index:
            return kind(data, place, bool(keepdims))
        back = kind(ops.Flip(data, (place,)), place, bool(keepdims))
        return ops.Subtract(shape_of(data)[place] - 1, back)

    return read


def _first_extreme(kind):
    return lambda data, *, axis=0, keepdims=1: kind(data, axis_of(data, axis), bool(keepdims))


for _name, _kind in (("ArgMax", ops.Argmax), ("ArgMin", ops.Argmin)):
    onnx.reads(f"{_name}-1")(_first_extreme(_kind))
    onnx.reads(f"{_name}-12")(_extreme(_kind))


def _running(kind, unit):
    def read(x, axis: Known, *, exclusive=0, reverse=0):
        place = axis_of(x, integer(axis))
        if reverse:
            x = ops.Flip(x, (place,))
        total = kind(x, place)
        if exclusive:  # all moved by one, with nothing in the first place
            size = shape_of(x)[place]
            first = filled((*shape_of(x)[:place], 1, *shape_of(x)[place + 1 :]), unit, dtype(x))
            total = ops.Concat((first, sliced(total, place, 0, size - 1)), place)
        return ops.Flip(total, (place,)) if reverse else total

    return read


onnx.reads("CumSum-11")(_running(ops.CumulativeSum, 0))
onnx.reads("CumProd-26")(_running(ops.CumulativeProd, 1))


def _global(fold):
    return lambda X: fold(X, tuple(range(2, rank(X))), True)


onnx.reads("GlobalAveragePool-1")(_global(ops.Mean))
onnx.reads("GlobalMaxPool-1")(_global(ops.Max))


@onnx.reads("GlobalLpPool-1")
def global_lp_pool(X, *, p=2):
    return ops.Norm(X, tuple(range(2, rank(X))), True, float(p))
