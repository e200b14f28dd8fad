"""Arithmetic, comparison, logic and casts."""

from __future__ import annotations

from functools import reduce
from typing import Any

from netglot.dialects.onnx.common import cast, dtype, dtype_called, filled, is_float, rank, reshaped, same_dtype, scalar
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.index import known_array
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import INTEGERS, numpy_dtype, shape_of

_UNARY = {
    "Abs": (1, ops.Abs),
    "Acos": (7, ops.Acos),
    "Acosh": (9, ops.Acosh),
    "Asin": (7, ops.Asin),
    "Asinh": (9, ops.Asinh),
    "Atan": (7, ops.Atan),
    "Atanh": (9, ops.Atanh),
    "BitwiseNot": (18, ops.BitwiseNot),
    "Ceil": (1, ops.Ceil),
    "Cos": (7, ops.Cos),
    "Cosh": (9, ops.Cosh),
    "Erf": (9, ops.Erf),
    "Erfc": (1, ops.Erfc),  # which the standard has not, and TensorFlow's converters leave
    "Exp": (1, ops.Exp),
    "Floor": (1, ops.Floor),
    "Log": (1, ops.Log),
    "Neg": (1, ops.Negative),
    "Not": (1, ops.LogicalNot),
    "Reciprocal": (1, ops.Reciprocal),
    "Round": (11, ops.Round),
    "Sigmoid": (1, ops.Sigmoid),
    "Sign": (9, ops.Sign),
    "Sin": (7, ops.Sin),
    "Sinh": (9, ops.Sinh),
    "Sqrt": (1, ops.Sqrt),
    "Tan": (7, ops.Tan),
    "Tanh": (1, ops.Tanh),
}


def _unary(kind):
    return lambda X: kind(X)


def _unary_1(kind):
    return lambda X, *, consumed_inputs=None: kind(X)


for _name, (_version, _kind) in _UNARY.items():
    onnx.reads(f"{_name}-{_version}")(_unary_1(_kind) if _version == 1 else _unary(_kind))
    if _version == 1 and _name != "Not":
        onnx.reads(f"{_name}-6")(_unary(_kind))


def _divide(x, y):
    """Floats are divided; of integers what is left behind the point is dropped."""
    if is_float(x):
        return ops.Divide(x, y)
    if dtype(x).startswith("uint"):
        return ops.FloorDivide(x, y)
    quotient = ops.FloorDivide(ops.Abs(x), ops.Abs(y))
    return ops.Multiply(quotient, ops.Multiply(ops.Sign(x), ops.Sign(y)))


_BINARY: dict[str, Any] = {
    "Add": ops.Add,
    "Sub": ops.Subtract,
    "Mul": ops.Multiply,
    "Div": _divide,
    "And": ops.LogicalAnd,
    "Or": ops.LogicalOr,
    "Xor": ops.LogicalXor,
    "Equal": ops.Equal,
    "Greater": ops.Greater,
    "Less": ops.Less,
}


def _binary(kind):
    def read(A, B):
        same_dtype(A, B)
        return kind(A, B)

    return read


def _old_binary(kind):
    def read(A, B, *, axis=None, broadcast=0, consumed_inputs=None):
        """Before version 7 the second operand broadcasts to axes of the first that an attribute names."""
        if not broadcast and shape_of(A) != shape_of(B):
            raise ValueError(f"the shapes {shape_of(A)} and {shape_of(B)} differ and nothing broadcasts")
        if axis is not None and broadcast:
            place = axis + rank(A) if axis < 0 else axis
            ones = (1,) * (rank(A) - place - rank(B))
            B = reshaped(B, (*shape_of(B), *ones))
        return kind(A, B)

    return read


for _name, _kind in _BINARY.items():
    onnx.reads(f"{_name}-1")(_old_binary(_kind))
    onnx.reads(f"{_name}-7")(_binary(_kind))

onnx.reads("GreaterOrEqual-12")(_binary(ops.GreaterEqual))
onnx.reads("LessOrEqual-12")(_binary(ops.LessEqual))
for _name, _kind in (("BitwiseAnd", ops.BitwiseAnd), ("BitwiseOr", ops.BitwiseOr), ("BitwiseXor", ops.BitwiseXor)):
    onnx.reads(f"{_name}-18")(_binary(_kind))


@onnx.reads("Equal-19")
def equal(A, B):
    if dtype(A) == "string":
        raise Refusal(never("no framework's layers work on text"))
    return ops.Equal(A, B)


@onnx.reads("BitShift-11")
def bit_shift(X, Y, *, direction):
    """All bits are shifted out by amounts beyond the width, which machines differ about."""
    kind, shift = dtype(X), ops.ShiftLeft if direction == "LEFT" else ops.ShiftRight
    if known_array(Y) is not None or kind.startswith("uint"):
        return shift(X, Y)
    width = 8 * numpy_dtype(kind).itemsize
    moved = shift(X, ops.Clip(Y, 0, width - 1))
    inside = ops.LogicalAnd(ops.GreaterEqual(Y, 0), ops.Less(Y, width))
    zero = filled(shape_of(moved), 0, kind)
    gone = zero if direction == "LEFT" else ops.Where(ops.Less(X, 0), ops.Subtract(zero, 1), zero)
    return ops.Where(inside, moved, gone)


@onnx.reads("Pow-1")
def power_1(X, Y, *, axis=None, broadcast=0):
    return _old_binary(ops.Power)(X, Y, axis=axis, broadcast=broadcast)


@onnx.reads("Pow-7")
def power(X, Y):
    if dtype(X) == dtype(Y):
        return ops.Power(X, Y)
    if is_float(X):
        return ops.Power(X, cast(Y, dtype(X)))
    if is_float(Y):  # the power is taken in floats, and what is behind the point dropped
        return ops.Cast(ops.Power(cast(X, dtype(Y)), Y), dtype(X))
    return ops.Power(X, cast(Y, dtype(X)))


@onnx.reads("Mod-10")
def mod(A, B, *, fmod=0):
    same_dtype(A, B)
    if is_float(A) and not fmod:
        raise ValueError("the remainder of floats needs fmod=1")
    return (ops.Fmod if fmod else ops.Remainder)(A, B)


@onnx.reads("Mod-28")
def mod_28(A, B, *, fmod=0):
    same_dtype(A, B)
    return (ops.Fmod if fmod else ops.Remainder)(A, B)


def _variadic(kind):
    def read(*inputs):
        same_dtype(*inputs)
        return reduce(kind, inputs)

    return read


def _variadic_1(kind):
    return lambda *inputs, consumed_inputs=None: _variadic(kind)(*inputs)


for _name, _kind in (("Max", ops.Maximum), ("Min", ops.Minimum), ("Sum", ops.Add)):
    onnx.reads(f"{_name}-1")(_variadic_1(_kind))
    onnx.reads(f"{_name}-6")(_variadic(_kind))


@onnx.reads("Mean-1")
def mean(*inputs, consumed_inputs=None):
    return ops.Divide(reduce(ops.Add, inputs), float(len(inputs))) if len(inputs) > 1 else inputs[0]


@onnx.reads("Where-9")
def where(condition, X, Y):
    same_dtype(X, Y)
    return ops.Where(condition, X, Y)


@onnx.reads("IsNaN-9")
def is_nan(X):
    return ops.IsNan(X)


@onnx.reads("IsInf-10")
def is_inf(X, *, detect_negative=1, detect_positive=1):
    infinite = ops.IsInf(X)
    if detect_negative and detect_positive:
        return infinite
    if not detect_negative and not detect_positive:
        return filled(shape_of(X), False, "bool")
    return ops.LogicalAnd(infinite, (ops.Greater if detect_positive else ops.Less)(X, scalar(0, dtype(X))))


@onnx.reads("Clip-1")
def clip_1(input, *, min=None, max=None, consumed_inputs=None):
    return ops.Clip(input, min, max)


@onnx.reads("Clip-6")
def clip_6(input, *, min=-3.4028234663852886e38, max=3.4028234663852886e38):
    low = None if min <= -3.4028234e38 else min
    high = None if max >= 3.4028234e38 else max
    return ops.Clip(input, low, high) if low is not None or high is not None else ops.Identity(input)


@onnx.reads("Clip-11")
def clip(input, min=None, max=None):
    if min is None and max is None:
        return ops.Identity(input)
    same_dtype(input, min, max)
    # where the lower bound is above the upper one, the upper one holds
    return ops.Clip(input, min, max)


_LARGEST = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}
"""The largest number of each float of 8 bits."""


def _converted(x, kind: str, saturate=1):
    if "string" in (kind, dtype(x)):
        raise Refusal(never("no framework's layers work on text"))
    if kind == "float8_e4m3fn" and not saturate:
        raise Refusal(notimpl("numbers too large for float8_e4m3fn made NaN, where frameworks take the largest"))
    if kind in _LARGEST and saturate and dtype(x) in ("float64", "float32", "float16", "bfloat16"):
        x = ops.Clip(x, scalar(-_LARGEST[kind], dtype(x)), scalar(_LARGEST[kind], dtype(x)))
    return ops.Cast(x, kind)


@onnx.reads("Cast-1")
def cast_1(input, *, to):
    names = {"float": "float32", "double": "float64"}
    return _converted(input, names.get(to.lower(), to.lower()))


@onnx.reads("Cast-6")
def cast_6(input, *, to):
    return _converted(input, dtype_called(to))


@onnx.reads("Cast-19")
def cast_19(input, *, to, saturate=1):
    return _converted(input, dtype_called(to), saturate)


@onnx.reads("Cast-24")
def cast_24(input, *, to, saturate=1, round_mode="up"):
    return _converted(input, dtype_called(to), saturate)


@onnx.reads("CastLike-15")
def cast_like(input, target_type):
    return _converted(input, dtype(target_type))


@onnx.reads("CastLike-19")
def cast_like_19(input, target_type, *, saturate=1):
    return _converted(input, dtype(target_type), saturate)


@onnx.reads("CastLike-24")
def cast_like_24(input, target_type, *, saturate=1, round_mode="up"):
    return _converted(input, dtype(target_type), saturate)


@onnx.reads("BitCast-26")
def bit_cast(input, *, to):
    wanted = dtype_called(to)
    if numpy_dtype(wanted).itemsize != numpy_dtype(dtype(input)).itemsize:
        raise Refusal(notimpl("bits read as a dtype of another width"))
    if wanted in INTEGERS and dtype(input) in INTEGERS:
        return ops.Cast(input, wanted)
    raise Refusal(notimpl("the bits of floats read as integers, and of integers as floats"))


@onnx.reads("Shrink-9")
def shrink(input, *, bias=0.0, lambd=0.5):
    if bias == 0.0:
        return ops.Hardshrink(input, lambd)
    if bias == lambd:
        return ops.Softshrink(input, lambd)
    low = ops.Where(ops.Less(input, -lambd), ops.Add(input, bias), filled((), 0, dtype(input)))
    return ops.Where(ops.Greater(input, lambd), ops.Subtract(input, bias), low)
