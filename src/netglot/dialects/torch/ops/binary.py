"""Arithmetic of two and three tensors."""

from __future__ import annotations

import math

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import as_bool, as_dtype, as_float, is_bool, is_whole
from netglot.dialects.torch.ops.arithmetic import as_real
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import FLOATS, is_scalar, type_of

# --- two operands


def scaled(x, alpha):
    """`x * alpha`, without the product where `alpha` is 1."""
    return x if alpha == 1 else ops.Multiply(x, alpha)


@torch.reads("aten.add.Tensor", "aten.add.Scalar")
def add(self, other, alpha=1):
    if is_bool(self) and is_bool(other):
        return ops.LogicalOr(self, other)
    return ops.Add(self, scaled(other, alpha))


@torch.reads("aten.sub.Tensor", "aten.sub.Scalar", "aten.subtract.Tensor", "aten.subtract.Scalar")
def sub(self, other, alpha=1):
    return ops.Subtract(self, scaled(other, alpha))


@torch.reads("aten.rsub.Tensor", "aten.rsub.Scalar")
def rsub(self, other, alpha=1):
    return ops.Subtract(other, scaled(self, alpha))


@torch.reads("aten.mul.Tensor", "aten.mul.Scalar", "aten.multiply.Tensor", "aten.multiply.Scalar")
def mul(self, other):
    if is_bool(self) and is_bool(other):
        return ops.LogicalAnd(self, other)
    return ops.Multiply(self, other)


@torch.reads("aten.div.Tensor", "aten.div.Scalar", "aten.divide.Tensor", "aten.divide.Scalar")
@torch.reads("aten.true_divide.Tensor", "aten.true_divide.Scalar")
def div(self, other):
    if is_whole(self) and (is_scalar(other) or is_whole(other)):
        return ops.Divide(as_float(self), as_float(other))
    return ops.Divide(self, other)


@torch.reads("aten.div.Tensor_mode", "aten.div.Scalar_mode", "aten.divide.Tensor_mode", "aten.divide.Scalar_mode")
def div_rounded(self, other, *, rounding_mode):
    if rounding_mode is None:
        return div(self, other)
    if rounding_mode == "floor":
        return ops.FloorDivide(self, other)
    if not (is_whole(self) and is_whole(other)):
        return ops.Trunc(ops.Divide(self, other))
    quotient = ops.FloorDivide(self, other)
    uneven = ops.NotEqual(ops.Remainder(self, other), 0)
    below_zero = ops.LogicalXor(ops.Less(self, 0), _negative(other))
    return ops.Where(ops.LogicalAnd(uneven, below_zero), ops.Add(quotient, 1), quotient)


def _negative(x):
    return ops.Full((), value=x < 0, dtype="bool") if is_scalar(x) else ops.Less(x, 0)


@torch.reads("aten.floor_divide.default", "aten.floor_divide.Scalar")
def floor_divide(self, other):
    return ops.FloorDivide(self, other)


@torch.reads("aten.remainder.Tensor", "aten.remainder.Scalar", "aten.remainder.Scalar_Tensor")
def remainder(self, other):
    return ops.Remainder(self, other)


@torch.reads("aten.fmod.Tensor", "aten.fmod.Scalar")
def fmod(self, other):
    return ops.Fmod(self, other)


_POWERS = {2: ops.Square, 0.5: ops.Sqrt, -0.5: ops.Rsqrt, -1: ops.Reciprocal}


@torch.reads("aten.pow.Tensor_Scalar")
def pow_scalar(self, exponent):
    if is_whole(self) and not isinstance(exponent, float):
        return ops.Square(self) if exponent == 2 and not is_bool(self) else ops.Power(self, exponent)
    x = as_float(self)
    if exponent == 1:
        return x
    named = None if isinstance(exponent, Dim) else _POWERS.get(exponent)
    return named(x) if named else ops.Power(x, exponent)


@torch.reads("aten.pow.Tensor_Tensor")
def pow_tensor(self, exponent):
    return ops.Power(self, exponent)


@torch.reads("aten.pow.Scalar")
def pow_of_scalar(self, exponent):
    return ops.Power(self, as_float(exponent) if isinstance(self, float) else exponent)


@torch.reads("aten.float_power.Tensor_Tensor", "aten.float_power.Tensor_Scalar", "aten.float_power.Scalar")
def float_power(self, exponent):
    def double(x):
        return float(x) if is_scalar(x) else as_dtype(as_real(x), "float64")

    return ops.Power(double(self), double(exponent))


@torch.reads("aten.maximum.default", "aten.max.other")
def maximum(self, other):
    return ops.LogicalOr(self, other) if is_bool(self) and is_bool(other) else ops.Maximum(self, other)


@torch.reads("aten.minimum.default", "aten.min.other")
def minimum(self, other):
    return ops.LogicalAnd(self, other) if is_bool(self) and is_bool(other) else ops.Minimum(self, other)


def _number(x, y, both):
    """The one operand that is no NaN, or `both` of the two."""
    return ops.Where(ops.IsNan(x), y, ops.Where(ops.IsNan(y), x, both))


@torch.reads("aten.fmax.default")
def fmax(self, other):
    larger = maximum(self, other)
    return larger if is_whole(self) and is_whole(other) else _number(as_float(self), as_float(other), larger)


@torch.reads("aten.fmin.default")
def fmin(self, other):
    smaller = minimum(self, other)
    return smaller if is_whole(self) and is_whole(other) else _number(as_float(self), as_float(other), smaller)


@torch.reads("aten.atan2.default", "aten.arctan2.default")
def atan2(self, other):
    return ops.Atan2(as_float(self), as_float(other))


@torch.reads("aten.hypot.default")
def hypot(self, other):
    return ops.Hypot(self, other)


@torch.reads("aten.logaddexp.default")
def logaddexp(self, other):
    return ops.LogAddExp(as_float(self), as_float(other))


@torch.reads("aten.logaddexp2.default")
def logaddexp2(self, other):
    two = math.log(2)
    return ops.Divide(ops.LogAddExp(ops.Multiply(as_float(self), two), ops.Multiply(as_float(other), two)), two)


@torch.reads("aten.copysign.Tensor", "aten.copysign.Scalar")
def copysign(self, other):
    if is_scalar(other):
        size = ops.Abs(as_float(self))
        return ops.Negative(size) if math.copysign(1, other) < 0 else size
    return ops.CopySign(as_float(self), as_float(other))


@torch.reads("aten.gcd.default")
def gcd(self, other):
    return ops.Gcd(self, other)


@torch.reads("aten.lcm.default")
def lcm(self, other):
    return ops.Abs(ops.Lcm(self, other))


@torch.reads("aten.ldexp.Tensor")
def ldexp(self, other):
    return ops.Multiply(self, ops.Exp2(as_float(other)))


@torch.reads("aten.heaviside.default")
def heaviside(self, values):
    if is_bool(self):
        return ops.LogicalOr(self, values)
    step = ops.Cast(ops.Greater(self, 0), dtype=type_of(values).dtype)
    return ops.Where(ops.Equal(self, 0), values, step)


def _product_with(function, x, y):
    """`x * function(y)`, and 0 wherever `x` is 0; `function` never meets a `y` that is out of its domain there."""
    void = ops.LogicalAnd(ops.Equal(x, 0.0), ops.LogicalNot(ops.IsNan(y)))
    return ops.Where(void, 0.0, ops.Multiply(x, function(ops.Where(void, 1.0, y))))


def _both_float(x, y):
    """Both operands as floats and, if numbers, as tensors."""
    dtype = next((type_of(o).dtype for o in (x, y) if not is_scalar(o) and type_of(o).dtype in FLOATS), "float32")
    return tuple(ops.Full((), value=float(o), dtype=dtype) if is_scalar(o) else as_float(o) for o in (x, y))


@torch.reads("aten.xlogy.Tensor", "aten.xlogy.Scalar_Other", "aten.xlogy.Scalar_Self")
@torch.reads("aten.special_xlogy.default", "aten.special_xlogy.other_scalar", "aten.special_xlogy.self_scalar")
def xlogy(self, other):
    return _product_with(ops.Log, *_both_float(self, other))


@torch.reads("aten.special_xlog1py.default", "aten.special_xlog1py.other_scalar", "aten.special_xlog1py.self_scalar")
def xlog1py(self, other):
    return _product_with(ops.Log1p, *_both_float(self, other))


# --- three operands


@torch.reads("aten.addcmul.default")
def addcmul(self, tensor1, tensor2, *, value=1):
    return ops.Add(self, scaled(ops.Multiply(tensor1, tensor2), value))


@torch.reads("aten.addcdiv.default")
def addcdiv(self, tensor1, tensor2, *, value=1):
    return ops.Add(self, scaled(ops.Divide(tensor1, tensor2), value))


@torch.reads("aten.lerp.Scalar", "aten.lerp.Tensor")
def lerp(self, end, weight):
    return ops.Add(self, ops.Multiply(ops.Subtract(end, self), weight))


@torch.reads("aten.clamp.default", "aten.clamp.Tensor", "aten.clip.default", "aten.clip.Tensor")
def clamp(self, min=None, max=None):
    if is_bool(self):
        x = self if min is None else maximum(self, min)
        return x if max is None else minimum(x, max)
    return ops.Clip(self, low=min, high=max)


@torch.reads("aten.clamp_min.default", "aten.clamp_min.Tensor")
def clamp_min(self, min):
    return clamp(self, min, None)


@torch.reads("aten.clamp_max.default", "aten.clamp_max.Tensor")
def clamp_max(self, max):
    return clamp(self, None, max)


def where(condition, x, y):
    """`x` where the condition holds, else `y`; two numbers become a tensor of PyTorch's default dtype."""
    if is_scalar(x) and is_scalar(y):
        kinds = {type(x), type(y)}
        dtype = "float32" if float in kinds else "bool" if kinds == {bool} else "int64"
        x = ops.Full((), value=x, dtype=dtype)
    return ops.Where(as_bool(condition), x, y)


@torch.reads("aten.where.self", "aten.where.Scalar", "aten.where.ScalarOther", "aten.where.ScalarSelf")
def where_self(condition, self, other):
    return where(condition, self, other)


@torch.reads("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def masked_fill(self, mask, value):
    dtype = type_of(self).dtype
    if not is_scalar(value):
        value = as_dtype(value, dtype)
    else:
        value = (float if dtype in FLOATS else bool if dtype == "bool" else int)(value)
    return ops.Where(as_bool(mask), value, self)
