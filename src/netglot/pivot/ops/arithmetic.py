"""Arithmetic element by element: operators of two operands, bounds, choice and casts.

Operands broadcast by NumPy's rules and have one dtype; a Python number takes the dtype of the tensor beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from netglot.pivot.op import Elementwise, Tensor, dtype_of, numpy_dtype, rand


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
