"""Arithmetic, comparison, reduction and products of matrices as raw TensorFlow ops."""

from __future__ import annotations

import numpy as np

from netglot.dialects.tensorflow.dialect import tensorflow
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import dtype_of, normal_axes, shape_of, type_of

Known = np.ndarray

_UNARY = {
    "Abs": ops.Abs,
    "Acos": ops.Acos,
    "Acosh": ops.Acosh,
    "Asin": ops.Asin,
    "Asinh": ops.Asinh,
    "Atan": ops.Atan,
    "Atanh": ops.Atanh,
    "Ceil": ops.Ceil,
    "Cos": ops.Cos,
    "Cosh": ops.Cosh,
    "Digamma": ops.Digamma,
    "Erf": ops.Erf,
    "Erfc": ops.Erfc,
    "Erfinv": ops.Erfinv,
    "Exp": ops.Exp,
    "Expm1": ops.Expm1,
    "Floor": ops.Floor,
    "IsFinite": ops.IsFinite,
    "IsInf": ops.IsInf,
    "IsNan": ops.IsNan,
    "Lgamma": ops.Lgamma,
    "Log": ops.Log,
    "Log1p": ops.Log1p,
    "LogicalNot": ops.LogicalNot,
    "Neg": ops.Negative,
    "Reciprocal": ops.Reciprocal,
    "Inv": ops.Reciprocal,
    "Rint": ops.Round,
    "Round": ops.Round,
    "Rsqrt": ops.Rsqrt,
    "Sigmoid": ops.Sigmoid,
    "Sign": ops.Sign,
    "Sin": ops.Sin,
    "Sinh": ops.Sinh,
    "Sqrt": ops.Sqrt,
    "Square": ops.Square,
    "Tan": ops.Tan,
    "Tanh": ops.Tanh,
    "Invert": ops.BitwiseNot,
}

_BINARY = {
    "Add": ops.Add,
    "AddV2": ops.Add,
    "Atan2": ops.Atan2,
    "BitwiseAnd": ops.BitwiseAnd,
    "BitwiseOr": ops.BitwiseOr,
    "BitwiseXor": ops.BitwiseXor,
    "Equal": ops.Equal,
    "FloorDiv": ops.FloorDivide,
    "FloorMod": ops.Remainder,
    "Greater": ops.Greater,
    "GreaterEqual": ops.GreaterEqual,
    "LeftShift": ops.ShiftLeft,
    "Less": ops.Less,
    "LessEqual": ops.LessEqual,
    "LogicalAnd": ops.LogicalAnd,
    "LogicalOr": ops.LogicalOr,
    "Maximum": ops.Maximum,
    "Minimum": ops.Minimum,
    "Mod": ops.Remainder,
    "Mul": ops.Multiply,
    "NotEqual": ops.NotEqual,
    "Pow": ops.Power,
    "RealDiv": ops.Divide,
    "RightShift": ops.ShiftRight,
    "Sub": ops.Subtract,
    "TruncateMod": ops.Fmod,
}


def _declare() -> None:
    for name, op in _UNARY.items():
        tensorflow.reads(name)(_unary(op))
    for name, op in _BINARY.items():
        tensorflow.reads(name)(_binary(op))
    for name, op in {"Sum": ops.Sum, "Mean": ops.Mean, "Max": ops.Max, "Min": ops.Min, "Prod": ops.Prod}.items():
        tensorflow.reads(name)(_reduction(op))
    tensorflow.reads("Any")(_reduction(ops.Any))
    tensorflow.reads("All")(_reduction(ops.All))


def _unary(op):
    return lambda x: op(x)


def _binary(op):
    return lambda x, y: op(x, y)


def _reduction(op):
    def read(input, reduction_indices: Known, keep_dims=False):
        axes = axes_of(input, reduction_indices)
        return op(input, axes, bool(keep_dims)) if axes else input

    return read


def axes_of(x, axis) -> tuple[int, ...]:
    """Axes that a tensor says, counted from the front."""
    given = tuple(int(a) for a in np.ravel(axis))
    return normal_axes(given, len(shape_of(x))) if given else ()


@tensorflow.reads("Div")
def div(x, y):
    if type_of(x).dtype.startswith("float"):
        return ops.Divide(x, y)
    raise Refusal(notimpl("a division of integers that truncates"))


@tensorflow.reads("DivNoNan")
def div_no_nan(x, y):
    none = ops.Equal(y, 0.0)
    return ops.Where(none, 0.0, ops.Divide(x, ops.Where(none, 1.0, y)))


@tensorflow.reads("MulNoNan")
def mul_no_nan(x, y):
    return ops.Where(ops.Equal(y, 0.0), 0.0, ops.Multiply(x, y))


@tensorflow.reads("SquaredDifference")
def squared_difference(x, y):
    return ops.Square(ops.Subtract(x, y))


@tensorflow.reads("AddN")
def add_n(inputs):
    total, *rest = inputs
    for one in rest:
        total = ops.Add(total, one)
    return total


@tensorflow.reads("ClipByValue")
def clip_by_value(t, clip_value_min, clip_value_max):
    return ops.Clip(t, clip_value_min, clip_value_max)


@tensorflow.reads("SelectV2")
def select_v2(condition, t, e):
    return ops.Where(condition, t, e)


@tensorflow.reads("Select")
def select(condition, t, e):
    short = len(shape_of(t)) - len(shape_of(condition))
    if short and shape_of(condition):  # a vector chooses rows
        condition = ops.Reshape(condition, (*shape_of(condition), *(1,) * short))
    return ops.Where(condition, t, e)


@tensorflow.reads("Cast")
def cast(x, DstT):
    if DstT == "bool":
        return ops.NotEqual(x, 0)
    return ops.Cast(x, DstT)


@tensorflow.reads("StopGradient")
def stop_gradient(input):
    return ops.StopGradient(input)


@tensorflow.reads("ArgMax")
def arg_max(input, dimension: Known, output_type):
    (axis,) = axes_of(input, dimension)
    return ops.Cast(ops.Argmax(input, axis, False), output_type)


@tensorflow.reads("ArgMin")
def arg_min(input, dimension: Known, output_type):
    (axis,) = axes_of(input, dimension)
    return ops.Cast(ops.Argmin(input, axis, False), output_type)


@tensorflow.reads("EuclideanNorm")
def euclidean_norm(input, reduction_indices: Known, keep_dims=False):
    return ops.Norm(input, axes_of(input, reduction_indices), bool(keep_dims), 2.0)


def _running(op, start):
    def read(x, axis: Known, exclusive, reverse):
        (place,) = axes_of(x, axis)
        x = ops.Flip(x, (place,)) if reverse else x
        if exclusive:
            zero, rank, size = [0] * len(shape_of(x)), len(shape_of(x)), shape_of(x)[place]
            before = tuple(int(axis == place) for axis in range(rank))
            x = ops.Slice(ops.Pad(x, before, tuple(zero), "constant", start), place, 0, size, 1)
        total = op(x, place)
        return ops.Flip(total, (place,)) if reverse else total

    return read


tensorflow.reads("Cumsum")(_running(ops.CumulativeSum, 0))
tensorflow.reads("Cumprod")(_running(ops.CumulativeProd, 1))


@tensorflow.reads("MatMul")
def mat_mul(a, b, transpose_a=False, transpose_b=False):
    if isinstance(b, Parameter) and b.kind != "constant" and not transpose_a:
        return ops.Linear(a, b if transpose_b else ops.Permute(b, (1, 0)), None)
    return ops.Matmul(_turned(a, transpose_a), _turned(b, transpose_b))


@tensorflow.reads("BatchMatMulV2", "BatchMatMul", "BatchMatMulV3")
def batch_mat_mul(x, y, adj_x=False, adj_y=False):
    return ops.Matmul(_turned(x, adj_x), _turned(y, adj_y))


def _turned(x, turn):
    if not turn:
        return x
    rank = len(shape_of(x))
    return ops.Permute(x, (*range(rank - 2), rank - 1, rank - 2))


@tensorflow.reads("Einsum")
def einsum(inputs, equation):
    return ops.Einsum(tuple(inputs), equation.replace(" ", ""))


@tensorflow.reads("L2Loss")
def l2_loss(t):
    return ops.Multiply(ops.Sum(ops.Square(t), tuple(range(len(shape_of(t)))), False), 0.5)


@tensorflow.reads("OneHot")
def one_hot(indices, depth: Known, on_value: Known, off_value: Known, axis, T="float32"):
    rank = len(shape_of(indices))
    dtype = str(np.asarray(on_value).dtype)
    places = ops.Arange(0, int(depth), 1, type_of(indices).dtype)
    same = ops.Equal(ops.Reshape(indices, (*shape_of(indices), 1)), places)
    rows = ops.Where(same, np.asarray(on_value).item(), ops.Full((), np.asarray(off_value).item(), dtype))
    if axis in (-1, rank):
        return rows
    order = list(range(rank))
    order.insert(axis, rank)
    return ops.Permute(rows, tuple(order))


@tensorflow.reads("DenseBincount")
def dense_bincount(input, size: Known, weights: Known, binary_output=False):
    """How often each number occurs in a row; Keras 2 encodes categories by it."""
    rank = len(shape_of(input))
    if np.size(weights):
        raise Refusal(notimpl("weighted counts of numbers"))
    rows = ops.OneHot(input, int(size), str(np.asarray(weights).dtype))
    return ops.Max(rows, (rank - 1,), False) if binary_output else ops.Sum(rows, (rank - 1,), False)


@tensorflow.reads("TopKV2")
def top_k(input, k: Known, sorted=True):
    return ops.TopK(input, int(k), len(shape_of(input)) - 1, True, "int32")


_declare()


@tensorflow.reads("Bucketize")
def bucketize(input, boundaries=()):
    if not boundaries:
        return ops.Full(shape_of(input), 0, "int32")
    bounds = np.asarray(boundaries, dtype_of(input) if dtype_of(input).startswith("float") else "float32")
    each = ops.Reshape(input, (*shape_of(input), 1))
    each = each if dtype_of(input) == bounds.dtype.name else ops.Cast(each, "float32")
    return ops.Sum(ops.Cast(ops.GreaterEqual(each, bounds), "int32"), (len(shape_of(input)),), False)
