"""PyTorch's arithmetic: Python's operators where a person would use them, else the functions of `torch`."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import dtype_name, fitted, is_float, tensors
from netglot.pivot import ops
from netglot.pivot.op import is_scalar, shape_of, type_of
from netglot.source.spell import Call, Infix, Layer, Method, Prefix, call

# --- one operand

_UNARY = {
    ops.Abs: "abs",
    ops.Sign: "sign",
    ops.Exp: "exp",
    ops.Exp2: "exp2",
    ops.Expm1: "expm1",
    ops.Log: "log",
    ops.Log1p: "log1p",
    ops.Log2: "log2",
    ops.Log10: "log10",
    ops.Sqrt: "sqrt",
    ops.Rsqrt: "rsqrt",
    ops.Reciprocal: "reciprocal",
    ops.Square: "square",
    ops.Sin: "sin",
    ops.Cos: "cos",
    ops.Tan: "tan",
    ops.Asin: "asin",
    ops.Acos: "acos",
    ops.Atan: "atan",
    ops.Sinh: "sinh",
    ops.Cosh: "cosh",
    ops.Asinh: "asinh",
    ops.Acosh: "acosh",
    ops.Atanh: "atanh",
    ops.Sinc: "sinc",
    ops.Floor: "floor",
    ops.Ceil: "ceil",
    ops.Round: "round",
    ops.Trunc: "trunc",
    ops.Erf: "erf",
    ops.Erfc: "erfc",
    ops.Erfinv: "erfinv",
    ops.Lgamma: "lgamma",
    ops.Digamma: "digamma",
    ops.BesselI0: "special.i0",
    ops.IsNan: "isnan",
    ops.IsInf: "isinf",
    ops.IsFinite: "isfinite",
    ops.SignBit: "signbit",
}


@torch.writes(*_UNARY)
def unary(op):
    return call(f"torch.{_UNARY[type(op)]}", op.x)


@torch.writes(ops.Tanh)
def tanh(op):
    return Layer("nn.Tanh", (op.x,), function=call("torch.tanh", op.x))


@torch.writes(ops.Negative)
def negative(op):
    return Prefix("-", op.x)


@torch.writes(ops.BitwiseNot)
def bitwise_not(op):
    return Prefix("~", op.x)


# --- two operands

_OPERATORS = {
    ops.Add: "+",
    ops.Subtract: "-",
    ops.Multiply: "*",
    ops.Divide: "/",
    ops.FloorDivide: "//",
    ops.Remainder: "%",
    ops.Power: "**",
    ops.BitwiseAnd: "&",
    ops.BitwiseOr: "|",
    ops.BitwiseXor: "^",
    ops.ShiftLeft: "<<",
    ops.ShiftRight: ">>",
}

_FUNCTIONS = {
    ops.Fmod: "fmod",
    ops.Maximum: "maximum",
    ops.Minimum: "minimum",
    ops.Atan2: "atan2",
    ops.LogAddExp: "logaddexp",
    ops.Hypot: "hypot",
    ops.CopySign: "copysign",
    ops.Gcd: "gcd",
    ops.Lcm: "lcm",
}


@torch.writes(*_OPERATORS)
def operator(op):
    return Infix(_OPERATORS[type(op)], *fitted(op))


@torch.lowers(ops.Maximum, ops.Minimum)
def extreme_of_a_number(op):
    """PyTorch bounds a tensor by a number with `clamp`."""
    if is_scalar(op.x) == is_scalar(op.y):
        return None
    x, bound = (op.y, op.x) if is_scalar(op.x) else (op.x, op.y)
    return ops.Clip(x, bound, None) if isinstance(op, ops.Maximum) else ops.Clip(x, None, bound)


@torch.writes(*_FUNCTIONS)
def function(op):
    return call(f"torch.{_FUNCTIONS[type(op)]}", *tensors(op))


# --- choice and casts


@torch.lowers(ops.Clip)
def clip_by_both_kinds(op):
    """PyTorch takes two numbers or two tensors."""
    bounds = [is_scalar(bound) for bound in (op.low, op.high) if bound is not None]
    if len(set(bounds)) < 2:
        return None
    x = ops.Clip(op.x, op.low, None) if is_scalar(op.low) else ops.Maximum(op.x, op.low)
    return ops.Clip(x, None, op.high) if is_scalar(op.high) else ops.Minimum(x, op.high)


@torch.writes(ops.Clip)
def clip(op):
    x, *_ = fitted(op)
    given = {"min": op.low, "max": op.high}
    if not is_float(op.x):
        given = {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in given.items()}
    given = {k: v for k, v in given.items() if v is not None}
    if not all(isinstance(v, int | float) for v in given.values()) or not is_float(op.x):
        return Method(x, "clamp", (), given)
    if (op.low, op.high) == (0, 6):
        return Layer("nn.ReLU6", (x,), function=call("F.relu6", x))
    function = Method(x, "clamp", (), given)
    if len(given) < 2 or op.low >= op.high:
        return function
    return Layer("nn.Hardtanh", (x,), arguments=(op.low, op.high), function=function)


@torch.writes(ops.Where)
def where(op):
    whole = tuple(shape_of(op))
    if is_scalar(op.x) and not is_scalar(op.y) and tuple(shape_of(op.y)) == whole:
        return Method(op.y, "masked_fill", (op.condition, fitted(op)[1]))
    condition, x, y = fitted(op)
    if is_scalar(x) and is_scalar(y):
        kind = dtype_name(type_of(op).dtype)
        return Call("torch.where", (condition, call("torch.tensor", x, dtype=kind), y))
    return call("torch.where", condition, x, y)


@torch.writes(ops.Cast)
def cast(op):
    return Method(op.x, "to", (dtype_name(op.dtype),))
