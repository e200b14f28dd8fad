"""Arithmetic, activations, reductions and products as PaddlePaddle's functions."""

from __future__ import annotations

import math

from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.steps import Result, several, step
from netglot.errors import notimpl
from netglot.passes.composed import TABLE
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, is_scalar

_UNARY = {
    ops.Abs: "abs", ops.Sign: "sign", ops.Exp: "exp", ops.Expm1: "expm1", ops.Log: "log", ops.Log1p: "log1p",
    ops.Log2: "log2", ops.Log10: "log10", ops.Sqrt: "sqrt", ops.Rsqrt: "rsqrt", ops.Reciprocal: "reciprocal",
    ops.Square: "square", ops.Sin: "sin", ops.Cos: "cos", ops.Tan: "tan", ops.Asin: "asin", ops.Acos: "acos",
    ops.Atan: "atan", ops.Sinh: "sinh", ops.Cosh: "cosh", ops.Tanh: "tanh", ops.Asinh: "asinh", ops.Acosh: "acosh",
    ops.Atanh: "atanh", ops.Floor: "floor", ops.Ceil: "ceil", ops.Trunc: "trunc", ops.Erf: "erf",
    ops.Erfinv: "erfinv", ops.Lgamma: "lgamma", ops.Digamma: "digamma", ops.BesselI0: "i0", ops.IsNan: "isnan",
    ops.IsInf: "isinf", ops.IsFinite: "isfinite", ops.LogicalNot: "logical_not", ops.BitwiseNot: "bitwise_not",
    ops.Negative: "neg", ops.Cholesky: "linalg.cholesky", ops.Inverse: "linalg.inv", ops.Determinant: "linalg.det",
}  # fmt: skip
"""Functions of `paddle` of one operand that mean an op."""

_ACTIVATIONS = {
    ops.Relu: "relu", ops.Sigmoid: "sigmoid", ops.Silu: "silu", ops.Softsign: "softsign", ops.Mish: "mish",
    ops.Hardswish: "hardswish", ops.LogSigmoid: "log_sigmoid", ops.Tanhshrink: "tanhshrink", ops.Selu: "selu",
}  # fmt: skip
"""Functions of `paddle.nn.functional` of one operand that mean an op."""

_INFIX = {
    ops.Add: "+", ops.Subtract: "-", ops.Multiply: "*", ops.Divide: "/", ops.Power: "**", ops.Equal: "==",
    ops.NotEqual: "!=", ops.Less: "<", ops.LessEqual: "<=", ops.Greater: ">", ops.GreaterEqual: ">=",
}  # fmt: skip

_PAIRS = {
    ops.Maximum: "maximum", ops.Minimum: "minimum", ops.Atan2: "atan2", ops.LogicalAnd: "logical_and",
    ops.LogicalOr: "logical_or", ops.LogicalXor: "logical_xor", ops.BitwiseAnd: "bitwise_and",
    ops.BitwiseOr: "bitwise_or", ops.BitwiseXor: "bitwise_xor", ops.ShiftLeft: "bitwise_left_shift",
    ops.ShiftRight: "bitwise_right_shift", ops.Gcd: "gcd", ops.Lcm: "lcm", ops.Hypot: "hypot",
    ops.CopySign: "copysign",
}  # fmt: skip
"""Functions of `paddle` of two tensors that mean an op."""

paddle.writes(*_UNARY)(lambda op: step(f"paddle.{_UNARY[type(op)]}", op.x))
paddle.writes(*_ACTIVATIONS)(lambda op: step(f"F.{_ACTIVATIONS[type(op)]}", op.x))


@paddle.lowers(ops.Divide)
def whole_numbers(op):
    if "int" not in dtype_of(op.x, op.y):
        return None
    wide = [one if is_scalar(one) else ops.Cast(one, "float64") for one in (op.x, op.y)]
    return ops.Cast(ops.Trunc(ops.Divide(*wide)), dtype_of(op.x, op.y))


@paddle.writes(*_INFIX)
def infix(op):
    return step(_INFIX[type(op)], op.x, op.y)


def tensor(x, op):
    """A number as a tensor of the other operand's dtype."""
    return step("paddle.full", [], x, dtype=Kind(dtype_of(op.x, op.y))) if is_scalar(x) else x


class Kind:
    """A dtype in the source: floats are what the network computes in."""

    def __init__(self, name: str):
        self.name = name


@paddle.writes(*_PAIRS)
def pair(op):
    return step(f"paddle.{_PAIRS[type(op)]}", tensor(op.x, op), tensor(op.y, op))


@paddle.writes(ops.Remainder)
def remainder(op):
    return step("paddle.remainder", tensor(op.x, op), tensor(op.y, op))


@paddle.writes(ops.Where)
def where(op):
    kind = next((dtype_of(x) for x in (op.x, op.y) if not is_scalar(x)), None)
    kind = kind or ("float32" if isinstance(op.x, float) or isinstance(op.y, float) else "int64")
    x, y = (step("paddle.full", [], one, dtype=Kind(kind)) if is_scalar(one) else one for one in (op.x, op.y))
    return step("paddle.where", op.condition, x, y)


@paddle.writes(ops.Clip)
def clip(op):
    if not all(bound is None or is_scalar(bound) for bound in (op.low, op.high)):
        return step("paddle.assign", TABLE[ops.Clip](op))
    if op.low is not None and op.high is not None and op.low > op.high:  # the upper bound decides
        return step("paddle.full_like", op.x, op.high)
    return step("paddle.clip", op.x, min=op.low, max=op.high)


@paddle.writes(ops.Cast)
def cast(op):
    return step("paddle.cast", op.x, Kind(op.dtype))


@paddle.writes(ops.Identity)
def identity(op):
    return step("paddle.assign", op.x)


@paddle.writes(ops.StopGradient)
def stop_gradient(op):
    return step(".detach", op.x)


# -- activations


@paddle.writes(ops.Gelu)
def gelu(op):
    return step("F.gelu", op.x, approximate=op.approximate or None)


@paddle.writes(ops.LeakyRelu)
def leaky_relu(op):
    return step("F.leaky_relu", op.x, op.slope)


@paddle.writes(ops.Elu, ops.Celu)
def elu(op):
    return step("F.elu" if isinstance(op, ops.Elu) else "F.celu", op.x, op.alpha)


@paddle.lowers(ops.Softplus)
def low_threshold(op):
    return TABLE[ops.Softplus](op) if op.threshold < 20 else None


@paddle.writes(ops.Softplus)
def softplus(op):
    threshold = op.threshold if math.isfinite(op.threshold) else 1e30
    return step("F.softplus", op.x, op.beta, threshold)


@paddle.writes(ops.Hardsigmoid)
def hardsigmoid(op):
    return step("F.hardsigmoid", op.x, slope=1 / 6, offset=0.5)


@paddle.writes(ops.Hardshrink)
def hardshrink(op):
    return step("F.hardshrink", op.x, op.lambd)


@paddle.writes(ops.Softshrink)
def softshrink(op):
    return step("F.softshrink", op.x, op.lambd)


@paddle.writes(ops.Softmax)
def softmax(op):
    return step("F.softmax", op.x, axis=op.axis)


@paddle.writes(ops.LogSoftmax)
def log_softmax(op):
    return step("F.log_softmax", op.x, axis=op.axis)


@paddle.writes(ops.Glu)
def glu(op):
    return step("F.glu", op.x, axis=op.axis)


# -- reductions and products

_FOLDED = {ops.Sum: "sum", ops.Mean: "mean", ops.Max: "max", ops.Min: "min", ops.Prod: "prod", ops.Any: "any",
           ops.All: "all", ops.LogSumExp: "logsumexp"}  # fmt: skip


@paddle.writes(*_FOLDED)
def folded(op):
    return step(f"paddle.{_FOLDED[type(op)]}", op.x, axis=list(op.axes), keepdim=op.keepdims or None)


@paddle.writes(ops.Argmax, ops.Argmin)
def extreme(op):
    return step(f"paddle.{type(op).__name__.lower()}", op.x, axis=op.axis, keepdim=op.keepdims or None)


@paddle.writes(ops.CumulativeSum)
def cumulative_sum(op):
    return step("paddle.cumsum", op.x, axis=op.axis)


@paddle.writes(ops.CumulativeProd)
def cumulative_prod(op):
    return step("paddle.cumprod", op.x, dim=op.axis)


@paddle.writes(ops.CumulativeLogSumExp)
def cumulative_log_sum_exp(op):
    return step("paddle.logcumsumexp", op.x, axis=op.axis)


@paddle.writes(ops.CumulativeMax, ops.CumulativeMin)
def cumulative_extreme(op):
    made = step("paddle.cummax" if isinstance(op, ops.CumulativeMax) else "paddle.cummin", op.x, axis=op.axis)
    return several(*(Result(made, i, 2) for i in range(len(op.result_types()))))


@paddle.writes(ops.Matmul)
def matmul(op):
    return step("paddle.matmul", op.x, op.y)


@paddle.writes(ops.Einsum)
def einsum(op):
    return step("paddle.einsum", op.equation, *op.xs)


@paddle.writes(ops.Sort)
def sort(op):
    return step("paddle.sort", op.x, axis=op.axis, descending=op.descending or None)


@paddle.writes(ops.Argsort)
def argsort(op):
    return step("paddle.argsort", op.x, axis=op.axis, descending=op.descending or None, stable=True)


@paddle.writes(ops.TopK)
def top_k(op):
    """Sorted, because of elements that are alike `topk` takes any."""
    order = step("paddle.argsort", op.x, axis=op.axis, descending=op.largest or None, stable=True)
    places = step("[]", order, (*(slice(None),) * op.axis, slice(0, op.k, None)))
    values = step("paddle.take_along_axis", op.x, places, op.axis, broadcast=False)
    return several(values, places if op.index_dtype == "int64" else step("paddle.cast", places, Kind(op.index_dtype)))


_ROWS = notimpl("PaddlePaddle's indexing differs in its corners, and is not written")
for _kind in (ops.ScatterNd, ops.ScatterAlongAxis, ops.IndexPut, ops.AdvancedIndex, ops.SegmentFold, ops.Searchsorted,
              ops.MaxPoolIndices, ops.MaxUnpool, ops.Fold):  # fmt: skip
    paddle.refuses(_kind, _ROWS)
paddle.refuses(ops.CtcLoss, notimpl("PaddlePaddle's CTC loss takes its labels in another form"))
paddle.refuses(ops.Solve, notimpl("PaddlePaddle's solver wants its right side as a matrix"))
paddle.refuses(ops.SingularValues, notimpl("PaddlePaddle gives the whole decomposition, and this is not written"))
