"""Functions of one operand, element by element: roots, exponentials, trigonometry, rounding, special functions."""

from __future__ import annotations

import math

import numpy as np

from netglot.pivot.op import rand
from netglot.pivot.ops.arithmetic import Unary

_SPECIAL = np.array([-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5])
"""Halves of both signs, where rounding rules differ."""


def _elementwise(function):
    """A function of Python numbers as one of arrays."""
    return np.vectorize(function, otypes=[np.float64])


def _same_dtype(function):
    """A staticmethod that computes in float64 and returns the operand's dtype."""
    return staticmethod(lambda x: np.asarray(function(np.asarray(x))).astype(np.asarray(x).dtype))


class Negative(Unary):
    """`-x`."""

    meaning = np.negative


class Abs(Unary):
    """The absolute value."""

    meaning = np.abs


class Sign(Unary):
    """-1, 0 or 1."""

    meaning = np.sign
    cases = [*Unary.cases, dict(x=_SPECIAL)]


class Exp(Unary):
    """The exponential."""

    meaning = np.exp


class Exp2(Unary):
    """Two to the power `x`."""

    meaning = np.exp2


class Expm1(Unary):
    """`exp(x) - 1`, exact near 0."""

    meaning = np.expm1


class Log(Unary):
    """The natural logarithm."""

    meaning = np.log
    cases = [dict(x=rand(2, 3, low=0.1))]


class Log1p(Unary):
    """`log(1 + x)`, exact near 0."""

    meaning = np.log1p
    cases = [dict(x=rand(2, 3, low=-0.9))]


class Log2(Unary):
    """The logarithm to base 2."""

    meaning = np.log2
    cases = Log.cases


class Log10(Unary):
    """The logarithm to base 10."""

    meaning = np.log10
    cases = Log.cases


class Sqrt(Unary):
    """The square root."""

    meaning = np.sqrt
    cases = Log.cases


class Rsqrt(Unary):
    """`1 / sqrt(x)`."""

    meaning = staticmethod(lambda x: 1 / np.sqrt(x))
    cases = Log.cases


class Reciprocal(Unary):
    """`1 / x`."""

    meaning = np.reciprocal


class Square(Unary):
    """`x * x`."""

    meaning = np.square


class Sin(Unary):
    """The sine of an angle in radians."""

    meaning = np.sin


class Cos(Unary):
    """The cosine of an angle in radians."""

    meaning = np.cos


class Tan(Unary):
    """The tangent of an angle in radians."""

    meaning = np.tan


class Asin(Unary):
    """The inverse sine."""

    meaning = np.arcsin
    cases = [dict(x=rand(2, 3, low=-0.95, high=0.95))]


class Acos(Unary):
    """The inverse cosine."""

    meaning = np.arccos
    cases = Asin.cases


class Atan(Unary):
    """The inverse tangent."""

    meaning = np.arctan


class Sinh(Unary):
    """The hyperbolic sine."""

    meaning = np.sinh


class Cosh(Unary):
    """The hyperbolic cosine."""

    meaning = np.cosh


class Tanh(Unary):
    """The hyperbolic tangent."""

    meaning = np.tanh


class Asinh(Unary):
    """The inverse hyperbolic sine."""

    meaning = np.arcsinh


class Acosh(Unary):
    """The inverse hyperbolic cosine."""

    meaning = np.arccosh
    cases = [dict(x=rand(2, 3, low=1.1, high=3))]


class Atanh(Unary):
    """The inverse hyperbolic tangent."""

    meaning = np.arctanh
    cases = Asin.cases


class Sinc(Unary):
    """`sin(πx) / (πx)`, and 1 at 0."""

    meaning = np.sinc


class Floor(Unary):
    """The largest integer that is not above `x`."""

    meaning = np.floor
    cases = [dict(x=rand(3, 5, high=9)), dict(x=_SPECIAL)]


class Ceil(Unary):
    """The smallest integer that is not below `x`."""

    meaning = np.ceil
    cases = Floor.cases


class Round(Unary):
    """The nearest integer; halves go to the even one."""

    meaning = np.round
    cases = Floor.cases


class Trunc(Unary):
    """`x` without its fraction: towards 0."""

    meaning = np.trunc
    cases = Floor.cases


class Erf(Unary):
    """The error function."""

    meaning = _same_dtype(_elementwise(math.erf))


class Erfc(Unary):
    """One minus the error function, exact for large `x`."""

    meaning = _same_dtype(_elementwise(math.erfc))


def _erfinv(y: float) -> float:
    """The inverse error function, by Newton's method from Winitzki's approximation."""
    if abs(y) >= 1:
        return math.copysign(math.inf, y) if abs(y) == 1 else math.nan
    logarithm = math.log1p(-y * y)
    half = 2 / (math.pi * 0.147) + logarithm / 2
    x = math.copysign(math.sqrt(math.sqrt(half * half - logarithm / 0.147) - half), y)
    for _ in range(4):
        x -= (math.erf(x) - y) * math.sqrt(math.pi) / 2 * math.exp(x * x)
    return x


class Erfinv(Unary):
    """The inverse of the error function."""

    meaning = _same_dtype(_elementwise(_erfinv))
    cases = Asin.cases


class Lgamma(Unary):
    """The logarithm of the absolute value of the gamma function."""

    meaning = _same_dtype(_elementwise(lambda x: math.inf if x <= 0 and x == math.floor(x) else math.lgamma(x)))
    cases = Log.cases


def _digamma(x: float) -> float:
    """The digamma function: the recurrence up to 10, then the asymptotic series."""
    if x <= 0 and x == math.floor(x):
        return math.copysign(math.inf, -math.copysign(1, x)) if x == 0 else math.nan
    if x < 0:
        return _digamma(1 - x) - math.pi / math.tan(math.pi * x)
    shift = 0.0
    while x < 10:
        shift -= 1 / x
        x += 1
    s = 1 / (x * x)
    series = s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132 - s * 691 / 32760)))))
    return shift + math.log(x) - 0.5 / x - series


class Digamma(Unary):
    """The derivative of `Lgamma`."""

    meaning = _same_dtype(_elementwise(_digamma))
    cases = Log.cases


class BesselI0(Unary):
    """The modified Bessel function of the first kind, of order 0."""

    meaning = staticmethod(np.i0)
