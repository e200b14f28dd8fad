"""ATen's arithmetic. Promotion to a common dtype is the driver's; what depends on the kind of number is said here."""

from __future__ import annotations

import math

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import as_bool, as_dtype, as_float, is_bool, is_whole, largest
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import FLOATS, is_scalar, shape_of, type_of

INFINITY = float("inf")


# --- one operand

_FLOAT_FUNCTIONS = {
    "exp": ops.Exp,
    "exp2": ops.Exp2,
    "special_exp2": ops.Exp2,
    "expm1": ops.Expm1,
    "special_expm1": ops.Expm1,
    "log": ops.Log,
    "log1p": ops.Log1p,
    "log2": ops.Log2,
    "log10": ops.Log10,
    "sqrt": ops.Sqrt,
    "rsqrt": ops.Rsqrt,
    "reciprocal": ops.Reciprocal,
    "sin": ops.Sin,
    "cos": ops.Cos,
    "tan": ops.Tan,
    "asin": ops.Asin,
    "arcsin": ops.Asin,
    "acos": ops.Acos,
    "arccos": ops.Acos,
    "atan": ops.Atan,
    "arctan": ops.Atan,
    "sinh": ops.Sinh,
    "cosh": ops.Cosh,
    "tanh": ops.Tanh,
    "asinh": ops.Asinh,
    "arcsinh": ops.Asinh,
    "acosh": ops.Acosh,
    "arccosh": ops.Acosh,
    "atanh": ops.Atanh,
    "arctanh": ops.Atanh,
    "sinc": ops.Sinc,
    "special_sinc": ops.Sinc,
    "erf": ops.Erf,
    "special_erf": ops.Erf,
    "erfc": ops.Erfc,
    "special_erfc": ops.Erfc,
    "erfinv": ops.Erfinv,
    "special_erfinv": ops.Erfinv,
    "lgamma": ops.Lgamma,
    "special_gammaln": ops.Lgamma,
    "digamma": ops.Digamma,
    "special_digamma": ops.Digamma,
    "special_psi": ops.Digamma,
    "i0": ops.BesselI0,
    "special_i0": ops.BesselI0,
}
"""Functions that turn integers into floats first."""

_SAME_DTYPE_FUNCTIONS = {
    "neg": ops.Negative,
    "negative": ops.Negative,
    "abs": ops.Abs,
    "absolute": ops.Abs,
    "square": ops.Square,
}

_ROUNDINGS = {
    "floor": ops.Floor,
    "ceil": ops.Ceil,
    "round": ops.Round,
    "trunc": ops.Trunc,
    "fix": ops.Trunc,
}
"""Functions that leave integers as they are."""

_TESTS = {"isnan": ops.IsNan, "isinf": ops.IsInf, "isfinite": ops.IsFinite, "signbit": ops.SignBit}


def _plain(kind):
    return lambda self: kind(_real(self))


def _of_float(kind):
    return lambda self: kind(as_float(_real(self)))


def _rounding(kind):
    return lambda self: self if is_whole(self) else kind(_real(self))


def _test(kind):
    return lambda self: kind(as_float(_real(self)))


def _real(x):
    """`x`, if its numbers are real."""
    if type_of(x).dtype.startswith("complex"):
        raise Refusal(notimpl("complex numbers", "compute with the real and the imaginary part"))
    return x


for _names, _reader in (
    (_FLOAT_FUNCTIONS, _of_float),
    (_SAME_DTYPE_FUNCTIONS, _plain),
    (_ROUNDINGS, _rounding),
    (_TESTS, _test),
):
    for _name, _kind in _names.items():
        torch.reads(f"aten.{_name}.default")(_reader(_kind))


@torch.reads("aten.sign.default", "aten.sgn.default")
def sign(self):
    return self if is_bool(self) else ops.Sign(_real(self))


@torch.reads("aten.positive.default", "aten.conj.default", "aten.conj_physical.default", "aten.real.default")
def positive(self):
    return _real(self)


@torch.reads("aten._conj.default")
def lazy_conjugate(self):
    return _real(self)


@torch.reads("aten.round.decimals", "aten.special_round.decimals")
def round_decimals(self, *, decimals):
    if is_whole(self):
        return self
    factor = 10.0 ** abs(decimals)
    if decimals < 0:
        return ops.Multiply(ops.Round(ops.Divide(self, factor)), factor)
    return ops.Divide(ops.Round(ops.Multiply(self, factor)), factor)


@torch.reads("aten.special_round.default")
def special_round(self, *, decimals=0):
    return round_decimals(self, decimals=decimals) if decimals else _rounding(ops.Round)(self)


@torch.reads("aten.frac.default")
def frac(self):
    return ops.Subtract(self, ops.Trunc(self))


@torch.reads("aten.deg2rad.default")
def deg2rad(self):
    return ops.Multiply(as_float(self), math.pi / 180)


@torch.reads("aten.rad2deg.default")
def rad2deg(self):
    return ops.Multiply(as_float(self), 180 / math.pi)


@torch.reads("aten.angle.default")
def angle(self):
    x = as_float(_real(self))
    return ops.Where(ops.IsNan(x), x, ops.Where(ops.Less(x, 0.0), math.pi, ops.Multiply(x, 0.0)))


@torch.reads("aten.isposinf.default")
def isposinf(self):
    return ops.Equal(as_float(self), INFINITY)


@torch.reads("aten.isneginf.default")
def isneginf(self):
    return ops.Equal(as_float(self), -INFINITY)


@torch.reads("aten.isreal.default")
def isreal(self):
    return ops.Full(shape_of(_real(self)), value=True, dtype="bool")


@torch.reads("aten.logit.default", "aten.special_logit.default")
def logit(self, eps=None):
    x = as_float(self)
    if eps is not None:
        x = ops.Clip(x, low=eps, high=1 - eps)
    return ops.Log(ops.Divide(x, ops.Subtract(1.0, x)))


@torch.reads("aten.nan_to_num.default")
def nan_to_num(self, nan=None, posinf=None, neginf=None):
    if is_whole(self):
        return self
    limit = largest(type_of(self).dtype)
    finite = ops.Where(ops.Equal(self, INFINITY), limit if posinf is None else posinf, self)
    finite = ops.Where(ops.Equal(self, -INFINITY), -limit if neginf is None else neginf, finite)
    return ops.Where(ops.IsNan(self), 0.0 if nan is None else nan, finite)


@torch.reads("aten.special_entr.default")
def entr(self):
    x = as_float(self)
    logarithm = ops.Log(ops.Where(ops.LessEqual(x, 0.0), 1.0, x))  # never at 0, where its gradient is infinite
    return ops.Where(ops.Less(x, 0.0), -INFINITY, ops.Negative(ops.Multiply(x, logarithm)))


@torch.reads("aten.special_ndtr.default")
def ndtr(self):
    return ops.Multiply(ops.Add(ops.Erf(ops.Multiply(as_float(self), math.sqrt(0.5))), 1.0), 0.5)


@torch.reads("aten.special_spherical_bessel_j0.default")
def spherical_bessel_j0(x):
    return ops.Sinc(ops.Divide(as_float(x), math.pi))


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
        return float(x) if is_scalar(x) else as_dtype(_real(x), "float64")

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


# --- bits

_BITS = {
    "and": (ops.BitwiseAnd, ops.LogicalAnd),
    "or": (ops.BitwiseOr, ops.LogicalOr),
    "xor": (ops.BitwiseXor, ops.LogicalXor),
}


def _bits(of_integers, of_truths):
    def read(self, other):
        both = all(is_bool(o) for o in (self, other))
        return of_truths(self, other) if both else of_integers(self, other)

    return read


def _shift(kind):
    return lambda self, other: kind(self, other)


for _name, _kinds in _BITS.items():
    torch.reads(*(f"aten.bitwise_{_name}.{o}" for o in ("Tensor", "Scalar", "Scalar_Tensor")))(_bits(*_kinds))
    torch.reads(*(f"aten.__{_name}__.{o}" for o in ("Tensor", "Scalar")))(_bits(*_kinds))

for _name, _kind in {"left": ops.ShiftLeft, "right": ops.ShiftRight}.items():
    torch.reads(*(f"aten.bitwise_{_name}_shift.{o}" for o in ("Tensor", "Tensor_Scalar", "Scalar_Tensor")))(
        _shift(_kind)
    )
    torch.reads(*(f"aten.__{_name[0]}shift__.{o}" for o in ("Tensor", "Scalar")))(_shift(_kind))


@torch.reads("aten.bitwise_not.default")
def bitwise_not(self):
    return ops.LogicalNot(self) if is_bool(self) else ops.BitwiseNot(self)


_COMPLEX = notimpl("complex numbers", "compute with the real and the imaginary part")
for _name in ("complex", "polar", "view_as_complex", "view_as_real", "imag"):
    torch.refuses_reading(f"aten.{_name}.default", _COMPLEX)

_SPECIAL = never("a special function that no target computes")
_SPECIAL_FUNCTIONS = (
    "polygamma special_polygamma mvlgamma special_multigammaln igamma special_gammainc igammac special_gammaincc "
    "special_zeta special_airy_ai special_bessel_j0 special_bessel_j1 special_bessel_y0 special_bessel_y1 "
    "special_chebyshev_polynomial_t special_chebyshev_polynomial_u special_chebyshev_polynomial_v "
    "special_chebyshev_polynomial_w special_erfcx special_hermite_polynomial_h special_hermite_polynomial_he "
    "special_i0e special_i1 special_i1e special_laguerre_polynomial_l special_legendre_polynomial_p "
    "special_log_ndtr special_modified_bessel_i0 special_modified_bessel_i1 special_modified_bessel_k0 "
    "special_modified_bessel_k1 special_ndtri special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 "
    "special_shifted_chebyshev_polynomial_t special_shifted_chebyshev_polynomial_u "
    "special_shifted_chebyshev_polynomial_v special_shifted_chebyshev_polynomial_w nextafter frexp"
)
for _name in _SPECIAL_FUNCTIONS.split():
    torch.refuses_reading(f"aten.{_name}.{'Tensor' if _name == 'frexp' else 'default'}", _SPECIAL)
