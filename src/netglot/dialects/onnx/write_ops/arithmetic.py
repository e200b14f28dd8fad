"""Arithmetic, activations, comparison and logic as ONNX operators."""

from __future__ import annotations

import math

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.versions import opset
from netglot.dialects.onnx.write_ops.terms import cast, node, number
from netglot.errors import never, notimpl
from netglot.passes.composed import arithmetic
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, is_scalar, shape_of

_SAME = {
    "Abs": ops.Abs,
    "Neg": ops.Negative,
    "Sign": ops.Sign,
    "Exp": ops.Exp,
    "Log": ops.Log,
    "Sqrt": ops.Sqrt,
    "Reciprocal": ops.Reciprocal,
    "Sin": ops.Sin,
    "Cos": ops.Cos,
    "Tan": ops.Tan,
    "Asin": ops.Asin,
    "Acos": ops.Acos,
    "Atan": ops.Atan,
    "Sinh": ops.Sinh,
    "Cosh": ops.Cosh,
    "Tanh": ops.Tanh,
    "Asinh": ops.Asinh,
    "Acosh": ops.Acosh,
    "Atanh": ops.Atanh,
    "Floor": ops.Floor,
    "Ceil": ops.Ceil,
    "Round": ops.Round,
    "Erf": ops.Erf,
    "Relu": ops.Relu,
    "Sigmoid": ops.Sigmoid,
    "Softsign": ops.Softsign,
    "Mish": ops.Mish,
    "HardSwish": ops.Hardswish,
    "Selu": ops.Selu,
    "Not": ops.LogicalNot,
    "IsNaN": ops.IsNan,
    "IsInf": ops.IsInf,
    "BitwiseNot": ops.BitwiseNot,
    "Identity": ops.Identity,
    "Det": ops.Determinant,
}
"""Operators of one operand that mean an op."""

_PAIRS = {
    "Add": ops.Add,
    "Sub": ops.Subtract,
    "Mul": ops.Multiply,
    "Div": ops.Divide,
    "Pow": ops.Power,
    "Max": ops.Maximum,
    "Min": ops.Minimum,
    "Equal": ops.Equal,
    "Less": ops.Less,
    "LessOrEqual": ops.LessEqual,
    "Greater": ops.Greater,
    "GreaterOrEqual": ops.GreaterEqual,
    "And": ops.LogicalAnd,
    "Or": ops.LogicalOr,
    "Xor": ops.LogicalXor,
    "BitwiseAnd": ops.BitwiseAnd,
    "BitwiseOr": ops.BitwiseOr,
    "BitwiseXor": ops.BitwiseXor,
}
"""Operators of two operands that mean an op."""


def _of_one(kind):
    return lambda op: node(kind, op.x)


def _of_two(kind):
    return lambda op: node(kind, op.x, op.y)


for _name, _op in _SAME.items():
    onnx.writes(_op)(_of_one(_name))
for _name, _op in _PAIRS.items():
    onnx.writes(_op)(_of_two(_name))
onnx.writes(ops.StopGradient)(_of_one("Identity"))


def _lowering(kind, function):
    onnx.lowers(kind)(function)


_LOWERED = {
    ops.Expm1: lambda op: ops.Subtract(ops.Exp(op.x), 1.0),
    ops.Exp2: lambda op: ops.Exp(ops.Multiply(op.x, math.log(2))),
    ops.Log1p: lambda op: ops.Log(ops.Add(op.x, 1.0)),
    ops.Log2: lambda op: ops.Multiply(ops.Log(op.x), 1 / math.log(2)),
    ops.Log10: lambda op: ops.Multiply(ops.Log(op.x), 1 / math.log(10)),
    ops.Rsqrt: lambda op: ops.Reciprocal(ops.Sqrt(op.x)),
    ops.Square: lambda op: ops.Multiply(op.x, op.x),
    ops.Trunc: lambda op: ops.Multiply(ops.Sign(op.x), ops.Floor(ops.Abs(op.x))),
    ops.Erfc: lambda op: ops.Subtract(1.0, ops.Erf(op.x)),
    ops.Silu: lambda op: ops.Multiply(op.x, ops.Sigmoid(op.x)),
    ops.Gelu: lambda op: None if opset() >= 20 else arithmetic.TABLE[ops.Gelu](op),
    ops.LogSigmoid: lambda op: ops.Negative(ops.Softplus(ops.Negative(op.x), 1.0, math.inf)),
    ops.Tanhshrink: lambda op: ops.Subtract(op.x, ops.Tanh(op.x)),
    ops.Rrelu: lambda op: ops.LeakyRelu(op.x, (op.lower + op.upper) / 2),
    ops.IsFinite: lambda op: ops.LogicalNot(ops.LogicalOr(ops.IsInf(op.x), ops.IsNan(op.x))),
    ops.SignBit: lambda op: ops.LogicalOr(ops.Less(op.x, 0.0), ops.Less(ops.Reciprocal(op.x), 0.0)),
    ops.Hypot: lambda op: ops.Sqrt(ops.Add(_squared(op.x, op), _squared(op.y, op))),
    ops.CopySign: lambda op: ops.Where(
        ops.SignBit(_tensor(op.y, op)), ops.Negative(ops.Abs(_tensor(op.x, op))), ops.Abs(_tensor(op.x, op))
    ),
}
for _kind, _function in _LOWERED.items():
    _lowering(_kind, _function)


def _squared(x, op):
    return x * x if is_scalar(x) else ops.Multiply(x, x)


def _tensor(x, op):
    """An operand as a tensor, where it may be a number."""
    return ops.Full((), x, dtype_of(op.x, op.y)) if is_scalar(x) else x


@onnx.lowers(ops.LogAddExp)
def log_add_exp(op):
    gap = ops.Negative(ops.Abs(ops.Subtract(op.x, op.y)))
    return ops.Add(ops.Maximum(op.x, op.y), ops.Log(ops.Add(ops.Exp(gap), 1.0)))


@onnx.lowers(ops.Sinc)
def sinc(op):
    angle = ops.Multiply(op.x, math.pi)
    zero = ops.Equal(op.x, 0.0)
    return ops.Where(zero, 1.0, ops.Divide(ops.Sin(angle), ops.Where(zero, 1.0, angle)))


@onnx.lowers(ops.Atan2)
def atan2(op):
    x, y = _tensor(op.y, op), _tensor(op.x, op)
    angle = ops.Atan(ops.Divide(y, x))
    behind = ops.Where(ops.Less(y, 0.0), ops.Subtract(angle, math.pi), ops.Add(angle, math.pi))
    upright = ops.Multiply(ops.Sign(y), math.pi / 2)
    return ops.Where(ops.Greater(x, 0.0), angle, ops.Where(ops.Less(x, 0.0), behind, upright))


def _is_float(op) -> bool:
    return "float" in dtype_of(op.x, op.y)


@onnx.writes(ops.Fmod)
def fmod(op):
    return node("Mod", op.x, op.y, fmod=1)


@onnx.lowers(ops.Remainder)
def remainder_of_floats(op):
    if not _is_float(op):
        return None
    rest, divisor = ops.Fmod(op.x, op.y), _tensor(op.y, op)
    apart = ops.NotEqual(ops.Less(rest, 0.0), ops.Less(divisor, 0.0))
    off = ops.LogicalAnd(apart, ops.NotEqual(rest, 0.0))
    return ops.Where(off, ops.Add(rest, divisor), rest)


@onnx.writes(ops.Remainder)
def remainder(op):
    return node("Mod", op.x, op.y)


@onnx.lowers(ops.FloorDivide)
def floor_divide(op):
    """What the remainder leaves divides exactly."""
    whole = ops.Subtract(op.x, ops.Remainder(op.x, op.y))
    return ops.Round(ops.Divide(whole, op.y)) if _is_float(op) else ops.Divide(whole, op.y)


@onnx.writes(ops.NotEqual)
def not_equal(op):
    return node("Not", node("Equal", op.x, op.y))


@onnx.lowers(ops.ShiftLeft)
def shift_left(op):
    return _shifted(op, lambda x, power: ops.Multiply(x, power))


@onnx.lowers(ops.ShiftRight)
def shift_right(op):
    return _shifted(op, lambda x, power: ops.FloorDivide(x, power))


def _shifted(op, combine):
    """Signed integers by a power of two, in a width that powers exist in."""
    kind = dtype_of(op.x, op.y)
    if kind.startswith("uint"):
        return None
    x, y = (one if is_scalar(one) or kind == "int64" else ops.Cast(one, "int64") for one in (op.x, op.y))
    made = combine(x, ops.Power(ops.Full((), 2, "int64"), y))
    return made if kind == "int64" else ops.Cast(made, kind)


@onnx.writes(ops.ShiftLeft)
def bit_shift_left(op):
    return node("BitShift", op.x, op.y, direction="LEFT")


@onnx.writes(ops.ShiftRight)
def bit_shift_right(op):
    return node("BitShift", op.x, op.y, direction="RIGHT")


@onnx.writes(ops.Clip)
def clip(op):
    bounds = [b for b in (op.low, op.high) if b is not None]
    if all(is_scalar(b) or shape_of(b) == () for b in bounds):
        return node("Clip", op.x, op.low, op.high)
    low = op.x if op.low is None else node("Max", op.x, op.low)
    return low if op.high is None else node("Min", low, op.high)


@onnx.writes(ops.Where)
def where(op):
    return node("Where", op.condition, op.x, op.y)


@onnx.writes(ops.Cast)
def cast_(op):
    return cast(op.x, op.dtype)


@onnx.writes(ops.Gelu)
def gelu(op):
    return node("Gelu", op.x, approximate="tanh" if op.approximate else None)


@onnx.writes(ops.LeakyRelu)
def leaky_relu(op):
    return node("LeakyRelu", op.x, alpha=op.slope)


@onnx.lowers(ops.Elu, ops.Celu)
def elu_of_other_precisions(op):
    """Runtimes and the standard know these of few dtypes."""
    kind = dtype_of(op.x)
    if kind == "float32" or (kind in ("float64", "float16") and isinstance(op, ops.Elu)):
        return None
    inner = op.x if isinstance(op, ops.Elu) else ops.Multiply(op.x, 1 / op.alpha)
    below = ops.Multiply(ops.Subtract(ops.Exp(ops.Minimum(inner, 0.0)), 1.0), op.alpha)
    return ops.Where(ops.Greater(op.x, 0.0), op.x, below)


@onnx.writes(ops.Elu)
def elu(op):
    return node("Elu", op.x, alpha=op.alpha)


@onnx.writes(ops.Celu)
def celu(op):
    return node("Celu", op.x, alpha=op.alpha)


@onnx.lowers(ops.Softplus)
def softplus_scaled(op):
    if op.beta != 1.0:
        inner = ops.Softplus(ops.Multiply(op.x, op.beta), 1.0, math.inf)
        smooth = ops.Multiply(inner, 1 / op.beta)
        if op.threshold >= 20:
            return smooth
        return ops.Where(ops.Greater(ops.Multiply(op.x, op.beta), op.threshold), op.x, smooth)
    if op.threshold < 20:
        return ops.Where(ops.Greater(op.x, op.threshold), op.x, op.replace(threshold=math.inf))
    return None


@onnx.writes(ops.Softplus)
def softplus(op):
    return node("Softplus", op.x)


@onnx.writes(ops.Hardsigmoid)
def hard_sigmoid(op):
    return node("HardSigmoid", op.x, alpha=1 / 6, beta=0.5)


@onnx.writes(ops.Softmax)
def softmax(op):
    return node("Softmax", op.x, axis=op.axis)


@onnx.writes(ops.LogSoftmax)
def log_softmax(op):
    return node("LogSoftmax", op.x, axis=op.axis)


@onnx.writes(ops.Prelu)
def prelu(op):
    rank = len(shape_of(op.x))
    count = shape_of(op.slope)[0]
    shape = tuple(count if axis == op.axis else 1 for axis in range(rank)) if count != 1 else (1,) * rank
    return node("PRelu", op.x, ops.Reshape(op.slope, shape))


@onnx.writes(ops.Hardshrink)
def hard_shrink(op):
    return node("Shrink", op.x, lambd=op.lambd, bias=0.0)


@onnx.writes(ops.Softshrink)
def soft_shrink(op):
    return node("Shrink", op.x, lambd=op.lambd, bias=op.lambd)


@onnx.writes(ops.Threshold)
def threshold(op):
    if op.value == 0:
        return node("ThresholdedRelu", op.x, alpha=op.threshold) if op.threshold >= 0 else _chosen(op)
    return _chosen(op)


def _chosen(op):
    kind = dtype_of(op.x)
    return node("Where", node("Greater", op.x, number(op.threshold, kind)), op.x, number(op.value, kind))


@onnx.lowers(ops.Glu)
def glu(op):
    size = shape_of(op.x)[op.axis]
    half = size // 2
    value, gate = (ops.Slice(op.x, op.axis, a, b, 1) for a, b in ((0, half), (half, size)))
    return ops.Multiply(value, ops.Sigmoid(gate))


_TABLES = never("ONNX has no such function, and no other operators make it up")
for _kind in (ops.Erfinv, ops.Lgamma, ops.Digamma, ops.BesselI0):
    onnx.refuses(_kind, _TABLES)
for _kind in (ops.Gcd, ops.Lcm):
    onnx.refuses(_kind, notimpl("ONNX has no such operator, and a loop is not written"))
