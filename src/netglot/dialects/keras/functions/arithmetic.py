"""Arithmetic of `keras.ops`: most functions are ops of the pivot under another name."""

from __future__ import annotations

import math

from netglot.dialects.keras.dialect import keras
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import type_of

_BINARY = {
    "add": ops.Add,
    "subtract": ops.Subtract,
    "multiply": ops.Multiply,
    "divide": ops.Divide,
    "true_divide": ops.Divide,
    "floor_divide": ops.FloorDivide,
    "mod": ops.Remainder,
    "fmod": ops.Fmod,
    "power": ops.Power,
    "maximum": ops.Maximum,
    "minimum": ops.Minimum,
    "arctan2": ops.Atan2,
    "logaddexp": ops.LogAddExp,
    "hypot": ops.Hypot,
    "gcd": ops.Gcd,
    "lcm": ops.Lcm,
}

_UNARY = {
    "absolute": ops.Abs,
    "fabs": ops.Abs,
    "negative": ops.Negative,
    "tanh": ops.Tanh,
    "real": ops.Identity,
    "conjugate": ops.Identity,
    "conj": ops.Identity,
    "copy": ops.Identity,
    "bitwise_invert": ops.BitwiseNot,
}

_BITS = {
    "bitwise_and": ops.BitwiseAnd,
    "bitwise_or": ops.BitwiseOr,
    "bitwise_xor": ops.BitwiseXor,
    "bitwise_left_shift": ops.ShiftLeft,
    "left_shift": ops.ShiftLeft,
    "bitwise_right_shift": ops.ShiftRight,
    "right_shift": ops.ShiftRight,
}


def _declare() -> None:
    for name, op in _BINARY.items():
        keras.reads(f"ops.{name}")(binary(op))
    for name, op in _BITS.items():
        keras.reads(f"ops.{name}")(_bits(op))
    for name, op in _UNARY.items():
        keras.reads(f"ops.{name}")(unary(op))


def unary(op):
    """A reader of a function of one tensor."""
    return lambda x: op(x)


def binary(op):
    """A reader of a function of two tensors."""
    return lambda x1, x2: op(x1, x2)


def _bits(op):
    return lambda x, y: op(x, y)


@keras.reads("ops.stop_gradient")
def stop_gradient(variable):
    return ops.StopGradient(variable)


@keras.reads("ops.clip")
def clip(x, x_min, x_max):
    return ops.Clip(x, x_min, x_max)


@keras.reads("ops.round")
def round_(x, decimals=0):
    return ops.Round(x) if decimals == 0 else ops.Divide(ops.Round(ops.Multiply(x, 10.0**decimals)), 10.0**decimals)


@keras.reads("ops.cast")
def cast(x, dtype):
    return array(x, dtype)


@keras.reads("ops.saturate_cast")
def saturate_cast(x, dtype):
    import numpy as np

    from netglot.pivot.op import INTEGERS

    if dtype not in INTEGERS:
        return ops.Cast(x, _dtype(dtype, x))
    limits = np.iinfo(dtype)
    floats = type_of(x).dtype.startswith("float")
    low, high = (float(limits.min), float(limits.max)) if floats else (limits.min, limits.max)
    return ops.Cast(ops.Clip(x, low, high), dtype)


@keras.reads("ops.convert_to_tensor")
def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    return array(x, dtype)


@keras.reads("ops.array")
def array(x, dtype=None):
    return x if dtype is None or _dtype(dtype, x) == type_of(x).dtype else ops.Cast(x, _dtype(dtype, x))


def _dtype(dtype, x) -> str:
    if isinstance(dtype, type):
        return {bool: "bool", int: "int32", float: "float32"}[dtype]
    name = getattr(dtype, "name", None) or str(dtype)
    return {"float": "float32", "int": "int32", "double": "float64", "half": "float16"}.get(name, name)


@keras.reads("ops.where")
def where(condition, x1=None, x2=None):
    from netglot.dialects.keras.functions.axes import truth

    if x1 is None or x2 is None:
        raise Refusal(never("the number of places that are true depends on the data"))
    if isinstance(condition, bool):  # of sizes
        condition = ops.Full((), condition, "bool")
    return ops.Where(truth(condition), x1, x2)


@keras.reads("ops.divide_no_nan")
def divide_no_nan(x1, x2):
    none = ops.Equal(x2, 0.0)
    return ops.Where(none, 0.0, ops.Divide(x1, ops.Where(none, 1.0, x2)))


@keras.reads("ops.fmax")
def fmax(x1, x2):
    return ops.Where(ops.IsNan(x1), x2, ops.Where(ops.IsNan(x2), x1, ops.Maximum(x1, x2)))


@keras.reads("ops.fmin")
def fmin(x1, x2):
    return ops.Where(ops.IsNan(x1), x2, ops.Where(ops.IsNan(x2), x1, ops.Minimum(x1, x2)))


@keras.reads("ops.logaddexp2")
def logaddexp2(x1, x2):
    return ops.Divide(ops.LogAddExp(ops.Multiply(x1, math.log(2)), ops.Multiply(x2, math.log(2))), math.log(2))


@keras.reads("ops.heaviside")
def heaviside(x1, x2):
    return ops.Where(ops.Less(x1, 0.0), 0.0, ops.Where(ops.Equal(x1, 0.0), x2, 1.0))


@keras.reads("ops.ldexp")
def ldexp(x1, x2):
    return ops.Multiply(x1, ops.Power(2.0, x2))


@keras.reads("ops.cbrt")
def cbrt(x):
    return ops.Multiply(ops.Sign(x), ops.Power(ops.Abs(x), 1 / 3))


@keras.reads("ops.deg2rad")
def deg2rad(x):
    return ops.Multiply(x, math.pi / 180)


@keras.reads("ops.rad2deg")
def rad2deg(x):
    return ops.Multiply(x, 180 / math.pi)


@keras.reads("ops.nan_to_num")
def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    import numpy as np

    limits = np.finfo(type_of(x).dtype)
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    x = ops.Where(ops.IsNan(x), nan, x)
    return ops.Where(ops.Equal(x, math.inf), high, ops.Where(ops.Equal(x, -math.inf), low, x))


@keras.reads("ops.isposinf")
def isposinf(x):
    return ops.Equal(x, math.inf)


@keras.reads("ops.isneginf")
def isneginf(x):
    return ops.Equal(x, -math.inf)


@keras.reads("ops.nextafter")
def nextafter(x1, x2):
    raise Refusal(notimpl("the next number that the dtype can hold"))


_declare()
