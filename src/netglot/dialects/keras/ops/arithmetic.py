"""Keras's arithmetic: Python's operators where a person would use them, else the functions of `keras.ops`."""

from __future__ import annotations

import math

from netglot.dialects.keras.dialect import keras
from netglot.errors import notyet
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import FLOATS, INTEGERS, dtype_of, is_scalar, type_of
from netglot.source.spell import Call, Infix, Layer, Prefix, call

# --- one operand

_UNARY = {
    "abs": ops.Abs,
    "sign": ops.Sign,
    "exp": ops.Exp,
    "expm1": ops.Expm1,
    "log": ops.Log,
    "log1p": ops.Log1p,
    "log2": ops.Log2,
    "log10": ops.Log10,
    "sqrt": ops.Sqrt,
    "rsqrt": ops.Rsqrt,
    "reciprocal": ops.Reciprocal,
    "square": ops.Square,
    "sin": ops.Sin,
    "cos": ops.Cos,
    "tan": ops.Tan,
    "arcsin": ops.Asin,
    "arccos": ops.Acos,
    "arctan": ops.Atan,
    "sinh": ops.Sinh,
    "cosh": ops.Cosh,
    "arcsinh": ops.Asinh,
    "arccosh": ops.Acosh,
    "arctanh": ops.Atanh,
    "sinc": ops.Sinc,
    "floor": ops.Floor,
    "ceil": ops.Ceil,
    "trunc": ops.Trunc,
    "erf": ops.Erf,
    "erfc": ops.Erfc,
    "erfinv": ops.Erfinv,
    "i0": ops.BesselI0,
    "isnan": ops.IsNan,
    "isinf": ops.IsInf,
    "isfinite": ops.IsFinite,
    "signbit": ops.SignBit,
    "bitwise_not": ops.BitwiseNot,
}


def _of_one(kind):
    def mapping(x):
        return kind(x)

    return mapping


for _name, _kind in _UNARY.items():
    keras.maps(f"ops.{_name}")(_of_one(_kind))


@keras.writes(ops.Round)
def round_half_even(op):
    return call("ops.round", op.x)


@keras.writes(ops.Tanh)
def tanh(op):
    return Layer("layers.Activation", (op.x,), arguments=("tanh",), function=call("ops.tanh", op.x))


@keras.writes(ops.Negative)
def negative(op):
    return Prefix("-", op.x)


_NO_GAMMA = notyet("Keras has no gamma function or relative of it")
keras.refuses(ops.Lgamma, _NO_GAMMA)
keras.refuses(ops.Digamma, _NO_GAMMA)


# --- two operands


def adapted(op) -> list:
    """The operands, with numbers of the kind that the tensors beside them hold.

    TensorFlow's tensors take a Python number only if it fits their dtype; a symbolic size may be a tensor itself.
    """
    operands = list(op.operands())
    dtypes = {type_of(o).dtype for o in operands if not is_scalar(o)}
    dtypes = dtypes - {"bool"} if len(dtypes) > 1 else dtypes
    return [_fitting(o, next(iter(dtypes)) if len(dtypes) == 1 else None) if is_scalar(o) else o for o in operands]


def _fitting(number, dtype: str | None):
    """A number as something that meets a tensor of `dtype`."""
    if dtype and isinstance(number, Dim):
        return call("ops.cast", number, dtype)
    return int(number) if dtype in INTEGERS and isinstance(number, float) and number.is_integer() else number


_OPERATORS = {
    ops.Add: "+",
    ops.Subtract: "-",
    ops.Multiply: "*",
    ops.Divide: "/",
    ops.FloorDivide: "//",
    ops.Remainder: "%",
}

_FUNCTIONS = {
    ops.Fmod: "ops.fmod",
    ops.Maximum: "ops.maximum",
    ops.Minimum: "ops.minimum",
    ops.Hypot: "ops.hypot",
    ops.Gcd: "ops.gcd",
    ops.Lcm: "ops.lcm",
    ops.BitwiseAnd: "ops.bitwise_and",
    ops.BitwiseOr: "ops.bitwise_or",
    ops.BitwiseXor: "ops.bitwise_xor",
    ops.ShiftLeft: "ops.left_shift",
    ops.ShiftRight: "ops.right_shift",
}


@keras.writes(*_OPERATORS)
def operator(op):
    return Infix(_OPERATORS[type(op)], *adapted(op))


@keras.writes(*_FUNCTIONS)
def function(op):
    return call(_FUNCTIONS[type(op)], *adapted(op))


@keras.writes(ops.Atan2)
def angle(op):
    # Keras's own function has the gradient NaN where both operands are 0.
    return Call("angle", tuple(adapted(op)), helper="angle")


@keras.writes(ops.LogAddExp)
def log_add_exp(op):
    # Keras's own function has the wrong gradient where both operands are equal.
    return Call("log_add_exp", tuple(adapted(op)), helper="log_add_exp")


@keras.lowers(ops.Maximum, ops.Minimum)
def extreme_of_truths(op):
    """TensorFlow does not order truth values."""
    if dtype_of(op.x, op.y) != "bool":
        return None
    return (ops.LogicalOr if isinstance(op, ops.Maximum) else ops.LogicalAnd)(op.x, op.y)


@keras.writes(ops.Power)
def power(op):
    x, y = adapted(op)
    return Infix("**", x, y) if is_scalar(y) else call("ops.power", x, y)


@keras.lowers(ops.Exp2)
def exp2(op):
    """Keras raises a float32 two, which doubles do not take."""
    return ops.Power(2.0, op.x)


@keras.lowers(ops.FloorDivide)
def floor_divide(op):
    """Keras floors the rounded quotient of floats: `1.0 // 0.1` would be 10. What remains after the exact remainder
    is all but a multiple of the divisor. Powers of two divide exactly.
    """
    if dtype_of(op.x, op.y) not in FLOATS or (is_scalar(op.y) and op.y and math.frexp(op.y)[0] in (0.5, -0.5)):
        return None
    quotient = ops.Divide(op.x, op.y)
    exact = ops.Round(ops.Divide(ops.Subtract(op.x, ops.Remainder(op.x, op.y)), op.y))
    return ops.Where(ops.Equal(op.y, 0.0), quotient, exact) if not is_scalar(op.y) else exact if op.y else quotient


@keras.lowers(ops.CopySign)
def copy_sign(op):
    size = ops.Abs(op.x)
    if is_scalar(op.y):
        return ops.Negative(size) if math.copysign(1.0, op.y) < 0 else size
    if is_scalar(op.x):
        return ops.Where(ops.SignBit(op.y), -abs(op.x), ops.Add(ops.Multiply(op.y, 0.0), abs(op.x)))
    return ops.Where(ops.SignBit(op.y), ops.Negative(size), size)


# --- choice and casts


def _in_order(op) -> bool:
    """Whether both bounds are numbers and the lower one is not above the other."""
    return is_scalar(op.low) and is_scalar(op.high) and op.low <= op.high


@keras.lowers(ops.Clip)
def lower_clip(op):
    """Keras lets the lower bound win where the two cross; the pivot, the upper one."""
    if op.low is not None and op.high is not None and _in_order(op):
        return None
    x = op.x if op.low is None else ops.Maximum(op.x, op.low)
    return x if op.high is None else ops.Minimum(x, op.high)


@keras.writes(ops.Clip)
def clip(op):
    x, low, high = adapted(op)
    if (low, high) == (0, 6) and type_of(op.x).dtype in FLOATS:
        return Layer("layers.ReLU", (x,), options={"max_value": 6.0}, function=call("ops.relu6", x))
    return call("ops.clip", x, low, high)


@keras.writes(ops.Where)
def where(op):
    return call("ops.where", *adapted(op))


@keras.writes(ops.Cast)
def cast(op):
    return call("ops.cast", op.x, op.dtype)
