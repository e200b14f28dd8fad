"""ATen's arithmetic. Promotion to a common dtype is the driver's; what depends on the kind of number is said here."""

from __future__ import annotations

import math

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import as_float, is_bool, is_whole, largest
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of

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
    return lambda self: kind(as_real(self))


def _of_float(kind):
    return lambda self: kind(as_float(as_real(self)))


def _rounding(kind):
    return lambda self: self if is_whole(self) else kind(as_real(self))


def _test(kind):
    return lambda self: kind(as_float(as_real(self)))


def as_real(x):
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
    return self if is_bool(self) else ops.Sign(as_real(self))


@torch.reads("aten.positive.default", "aten.conj.default", "aten.conj_physical.default", "aten.real.default")
def positive(self):
    return as_real(self)


@torch.reads("aten._conj.default")
def lazy_conjugate(self):
    return as_real(self)


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
    x = as_float(as_real(self))
    return ops.Where(ops.IsNan(x), x, ops.Where(ops.Less(x, 0.0), math.pi, ops.Multiply(x, 0.0)))


@torch.reads("aten.isposinf.default")
def isposinf(self):
    return ops.Equal(as_float(self), INFINITY)


@torch.reads("aten.isneginf.default")
def isneginf(self):
    return ops.Equal(as_float(self), -INFINITY)


@torch.reads("aten.isreal.default")
def isreal(self):
    return ops.Full(shape_of(as_real(self)), value=True, dtype="bool")


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
