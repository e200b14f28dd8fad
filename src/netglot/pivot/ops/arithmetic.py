"""Arithmetic element by element: operators, roots, exponentials, trigonometry, rounding, choice and casts.

Operands broadcast by NumPy's rules and have one dtype; a Python number takes the dtype of the tensor beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from netglot.pivot.op import Elementwise, Predicate, Tensor, dtype_of, numpy_dtype, rand

_SPECIAL = np.array([-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5])
"""Halves of both signs, where rounding rules differ."""


class Unary(Elementwise, abstract=True):
    """Functions of one operand; `meaning` is the function in NumPy."""

    x: Tensor
    meaning: ClassVar[Callable]

    def reference(self):
        with np.errstate(all="ignore"):  # outside its domain a function is NaN, without a warning
            return np.asarray(type(self).meaning(self.x))

    cases = [dict(x=rand(2, 3)), dict(x=rand(3, 1, 5, seed=1))]


class Binary(Elementwise, abstract=True):
    """Functions of two operands; `meaning` is the function in NumPy."""

    x: Tensor
    y: Tensor
    meaning: ClassVar[Callable]

    def reference(self):
        with np.errstate(all="ignore"):
            return np.asarray(type(self).meaning(self.x, self.y))

    cases = [
        dict(x=rand(2, 3), y=rand(2, 3, seed=1)),
        dict(x=rand(3, 1, 5), y=rand(4, 1, seed=1)),
        dict(x=rand(2, 3), y=0.75),
        dict(x=1.5, y=rand(2, 3)),
    ]


_INTEGERS = [
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=rand(3, 4, dtype="int64", low=1, high=4, seed=1)),
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=-3),
]
_DIVISIONS = [
    dict(x=rand(3, 4, low=-9, high=9), y=rand(4, low=0.5, high=3, seed=1)),
    dict(x=rand(3, 4, low=-9, high=9), y=-0.75),
    dict(x=np.array([1.0, -1.0, 0.3, 6.0]), y=np.array([0.1, 0.1, 0.1, -3.0])),
]


def _elementwise(function):
    """A function of Python numbers as one of arrays."""
    return np.vectorize(function, otypes=[np.float64])


def _same_dtype(function):
    """A staticmethod that computes in float64 and returns the operand's dtype."""
    return staticmethod(lambda x: np.asarray(function(np.asarray(x))).astype(np.asarray(x).dtype))


class Add(Binary):
    """`x + y`."""

    meaning = np.add


class Subtract(Binary):
    """`x - y`."""

    meaning = np.subtract


class Multiply(Binary):
    """`x * y`."""

    meaning = np.multiply


class Divide(Binary):
    """`x / y` of floats. Integers are cast before, because frameworks disagree on the dtype of the result."""

    meaning = np.divide
    cases = [*_DIVISIONS, dict(x=1.0, y=rand(2, 3, low=0.5, high=2))]


class FloorDivide(Binary):
    """The floor of `x / y`, exact for floats too: `1.0 // 0.1` is 9, as in Python."""

    meaning = np.floor_divide
    cases = _DIVISIONS + _INTEGERS


class Remainder(Binary):
    """`x - y * floor(x / y)`: the remainder with the sign of the divisor."""

    meaning = np.remainder
    cases = _DIVISIONS + _INTEGERS


class Fmod(Binary):
    """The remainder with the sign of the dividend, as in C."""

    meaning = np.fmod
    cases = _DIVISIONS + _INTEGERS


class Power(Binary):
    """`x` to the power `y`."""

    meaning = np.power
    cases = [
        dict(x=rand(2, 3, low=0.1), y=rand(2, 3, seed=1)),
        dict(x=rand(2, 3), y=3.0),
        dict(x=rand(2, 3, low=0.1), y=-0.5),
        dict(x=2.0, y=rand(2, 3)),
        dict(x=rand(2, 3, dtype="int64"), y=2),
    ]


class Maximum(Binary):
    """The larger of two numbers; NaN if either is."""

    meaning = np.maximum


class Minimum(Binary):
    """The smaller of two numbers; NaN if either is."""

    meaning = np.minimum


class Atan2(Binary):
    """The angle of the point `(y, x)`, where the first operand is the ordinate."""

    meaning = np.arctan2


class LogAddExp(Binary):
    """`log(exp(x) + exp(y))`, without overflow."""

    meaning = np.logaddexp


class Hypot(Binary):
    """`sqrt(x² + y²)`, without overflow."""

    meaning = np.hypot


class CopySign(Binary):
    """The magnitude of `x` with the sign of `y`."""

    meaning = np.copysign


class Gcd(Binary):
    """The greatest common divisor of integers."""

    meaning = np.gcd
    cases = _INTEGERS


class Lcm(Binary):
    """The least common multiple of integers."""

    meaning = np.lcm
    cases = _INTEGERS


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


class Clip(Elementwise):
    """`min(max(x, low), high)`: where `low` is above `high`, the result is `high`. An absent bound does not bind."""

    x: Tensor
    low: Tensor | None
    high: Tensor | None

    def reference(self):
        x = self.x if self.low is None else np.maximum(self.x, self.low)
        return np.asarray(x if self.high is None else np.minimum(x, self.high))

    cases = [
        dict(x=rand(2, 3), low=-1.0, high=1.0),
        dict(x=rand(2, 3) * 4, low=0.0, high=6.0),
        dict(x=rand(2, 3), low=0.5, high=None),
        dict(x=rand(2, 3), low=None, high=0.5),
        dict(x=rand(2, 3), low=1.0, high=-1.0),
        dict(x=rand(2, 3), low=rand(3, seed=1), high=rand(2, 1, seed=2)),
        dict(x=rand(2, 3, dtype="int64", low=-9, high=9), low=-1, high=4),
    ]


class Where(Elementwise):
    """`x` where `condition`, else `y`."""

    condition: Tensor
    x: Tensor
    y: Tensor

    def result_dtype(self):
        return dtype_of(self.x, self.y)

    def reference(self):
        tensor = self.x if isinstance(self.x, np.ndarray) else self.y
        return np.where(self.condition, self.x, self.y).astype(np.asarray(tensor).dtype)

    cases = [
        dict(condition=rand(2, 3, dtype="bool"), x=rand(2, 3), y=rand(2, 3, seed=1)),
        dict(condition=rand(3, 1, dtype="bool"), x=rand(4), y=-1.0),
        dict(condition=rand(2, 3, dtype="bool"), x=float("-inf"), y=rand(2, 3)),
        dict(condition=rand(2, 3, dtype="bool"), x=rand(2, 3, dtype="int64"), y=7),
    ]


class Cast(Elementwise):
    """`x` in another dtype. Floats become integers by dropping the fraction, truth values by comparing with 0."""

    x: Tensor
    dtype: str

    def result_dtype(self):
        return self.dtype

    def reference(self):
        return np.asarray(self.x).astype(numpy_dtype(self.dtype))

    cases = [
        dict(x=rand(2, 3) * 3, dtype="int64"),
        dict(x=rand(2, 3) * 3, dtype="int32"),
        dict(x=rand(2, 3, dtype="int64"), dtype="bool"),
        dict(x=rand(2, 3, dtype="bool"), dtype="float64"),
        dict(x=rand(2, 3, dtype="int64"), dtype="float64"),
    ]


_STRANGE = np.array([np.nan, np.inf, -np.inf, 0.0, -1.5])


class IsNan(Predicate):
    """Whether `x` is not a number."""

    x: Tensor

    def reference(self):
        return np.isnan(self.x)

    cases = [dict(x=_STRANGE)]


class IsInf(Predicate):
    """Whether `x` is infinite, of either sign."""

    x: Tensor

    def reference(self):
        return np.isinf(self.x)

    cases = [dict(x=_STRANGE)]


class IsFinite(Predicate):
    """Whether `x` is neither infinite nor NaN."""

    x: Tensor

    def reference(self):
        return np.isfinite(self.x)

    cases = [dict(x=_STRANGE)]


class SignBit(Predicate):
    """Whether the sign bit is set, which it is for -0.0."""

    x: Tensor

    def reference(self):
        return np.signbit(self.x)

    cases = [dict(x=np.array([-1.5, -0.0, 0.0, 2.0]))]


_BITS = [
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=rand(3, 4, dtype="int64", low=0, high=7, seed=1)),
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=5),
]
_SHIFTS = [
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=rand(3, 4, dtype="int64", low=0, high=5, seed=1)),
    dict(x=rand(3, 4, dtype="int64", low=-9, high=9), y=2),
]


class BitwiseAnd(Binary):
    """Bits that are set in both integers."""

    meaning = np.bitwise_and
    cases = _BITS


class BitwiseOr(Binary):
    """Bits that are set in either integer."""

    meaning = np.bitwise_or
    cases = _BITS


class BitwiseXor(Binary):
    """Bits that are set in one of the integers."""

    meaning = np.bitwise_xor
    cases = _BITS


class BitwiseNot(Unary):
    """The bits of an integer turned over."""

    meaning = np.invert
    cases = [dict(x=rand(3, 4, dtype="int64", low=-9, high=9))]


class ShiftLeft(Binary):
    """The bits of `x` moved to higher places."""

    meaning = np.left_shift
    cases = _SHIFTS


class ShiftRight(Binary):
    """The bits of `x` moved to lower places; the sign stays."""

    meaning = np.right_shift
    cases = _SHIFTS
