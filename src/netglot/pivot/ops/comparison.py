"""Comparisons, logic and tests of single numbers: the results are truth values."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from netglot.pivot.op import Predicate, Tensor, rand


class Comparison(Predicate, abstract=True):
    """Predicates of two operands; `meaning` is the function in NumPy."""

    x: Tensor
    y: Tensor
    meaning: ClassVar[Callable]

    def reference(self):
        return np.asarray(type(self).meaning(self.x, self.y))

    cases = [
        dict(x=rand(3, 4, dtype="int64"), y=rand(3, 4, dtype="int64", seed=1)),
        dict(x=np.round(rand(3, 1, 4)), y=np.round(rand(5, 1, seed=1))),
        dict(x=np.array([-1.0, 0.5, 2.0]), y=0.5),
    ]


class Equal(Comparison):
    """`x == y`."""

    meaning = np.equal


class NotEqual(Comparison):
    """`x != y`."""

    meaning = np.not_equal


class Less(Comparison):
    """`x < y`."""

    meaning = np.less


class LessEqual(Comparison):
    """`x <= y`."""

    meaning = np.less_equal


class Greater(Comparison):
    """`x > y`."""

    meaning = np.greater


class GreaterEqual(Comparison):
    """`x >= y`."""

    meaning = np.greater_equal


_TRUTHS = [
    dict(x=rand(3, 4, dtype="bool"), y=rand(3, 4, dtype="bool", seed=1)),
    dict(x=rand(3, 1, dtype="bool"), y=rand(4, dtype="bool", seed=1)),
]


class LogicalAnd(Comparison):
    """Whether both truth values hold."""

    meaning = np.logical_and
    cases = _TRUTHS


class LogicalOr(Comparison):
    """Whether either truth value holds."""

    meaning = np.logical_or
    cases = _TRUTHS


class LogicalXor(Comparison):
    """Whether exactly one truth value holds."""

    meaning = np.logical_xor
    cases = _TRUTHS


class LogicalNot(Predicate):
    """Whether the truth value does not hold."""

    x: Tensor

    def reference(self):
        return np.logical_not(self.x)

    cases = [dict(x=rand(3, 4, dtype="bool"))]


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
