"""Folding axes into one value, and running folds along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from netglot.pivot.op import Along, Axis, Op, Reduction, Tensor, TensorType, rand, reduced_shape, shape_of


class Fold(Reduction, abstract=True):
    """Reductions without further attributes; `meaning` is the function in NumPy."""

    meaning: ClassVar[Callable]

    def reference(self):
        return np.asarray(type(self).meaning(self.x, axis=self.axes, keepdims=self.keepdims))

    cases = [
        dict(x=rand(3, 4, 5), axes=(1,), keepdims=False),
        dict(x=rand(3, 4, 5), axes=(0, 2), keepdims=True),
        dict(x=rand(3, 4, 5), axes=(0, 1, 2), keepdims=False),
        dict(x=rand(1, 4), axes=(0,), keepdims=False),
    ]


class Sum(Fold):
    """The sum, in the dtype of `x`."""

    meaning = staticmethod(lambda x, **how: np.sum(x, dtype=x.dtype, **how))
    cases = [*Fold.cases, dict(x=rand(3, 4, dtype="int64"), axes=(1,), keepdims=False)]


class Mean(Fold):
    """The arithmetic mean of floats."""

    meaning = np.mean


class Max(Fold):
    """The largest element."""

    meaning = np.max


class Min(Fold):
    """The smallest element."""

    meaning = np.min


class Prod(Fold):
    """The product, in the dtype of `x`."""

    meaning = staticmethod(lambda x, **how: np.prod(x, dtype=x.dtype, **how))


_TRUTHS = [
    dict(x=rand(3, 4, 5, dtype="bool"), axes=(1,), keepdims=False),
    dict(x=rand(3, 4, 5, dtype="bool"), axes=(0, 2), keepdims=True),
]


class Any(Fold):
    """Whether any of the truth values holds."""

    meaning = np.any
    cases = _TRUTHS


class All(Fold):
    """Whether all of the truth values hold."""

    meaning = np.all
    cases = _TRUTHS


class LogSumExp(Fold):
    """`log(sum(exp(x)))`, without overflow."""

    meaning = staticmethod(lambda x, **how: np.logaddexp.reduce(x, **how))


class Variance(Reduction):
    """The mean squared deviation, with the divisor `n - correction` (0 where that is negative)."""

    correction: float

    def reference(self):
        return _variance(self)

    cases = [dict(c, correction=k) for c in Fold.cases[:3] for k in (0, 1)]


class StandardDeviation(Reduction):
    """The square root of `Variance`."""

    correction: float

    def reference(self):
        return np.sqrt(_variance(self))

    cases = Variance.cases


def _variance(op):
    deviation = op.x - op.x.mean(op.axes, keepdims=True)
    count = np.prod([op.x.shape[a] for a in op.axes])
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.sum(deviation**2, axis=op.axes, keepdims=op.keepdims)
        return (total / np.float64(max(0, count - op.correction))).astype(op.x.dtype)


class Norm(Reduction):
    """`sum(|x|**p)**(1/p)` of the elements taken as one vector.

    `p` may be infinite (the largest or smallest absolute value) or 0 (the number of elements that are not 0).
    """

    p: float

    def reference(self):
        how = dict(axis=self.axes, keepdims=self.keepdims)
        size = np.abs(self.x)
        if self.p == np.inf:
            return size.max(**how)
        if self.p == -np.inf:
            return size.min(**how)
        if self.p == 0:
            return np.sum(size != 0, **how).astype(self.x.dtype)
        return np.sum(size**self.p, **how) ** (1 / self.p)

    cases = [
        *(dict(x=rand(3, 4, 5), axes=(1,), keepdims=False, p=p) for p in (1.0, 2.0, 3.0, 0.0, np.inf, -np.inf, 0.5)),
        *(dict(x=rand(3, 4, 5), axes=(0, 2), keepdims=True, p=p) for p in (1.0, 2.0, np.inf)),
        dict(x=rand(3, 4, 5), axes=(0, 1, 2), keepdims=False, p=2.0),
    ]


class ArgReduction(Op, abstract=True):
    """The place (int64) of an extreme element along one axis; the first one among equals."""

    layout = "reduce"
    x: Tensor
    axis: Axis
    keepdims: bool

    def infer(self):
        return TensorType("int64", reduced_shape(shape_of(self.x), (self.axis,), self.keepdims))

    cases = [
        dict(x=rand(3, 4, 5), axis=1, keepdims=False),
        dict(x=rand(3, 4, 5), axis=2, keepdims=True),
        dict(x=np.array([[1.0, 2.0, 2.0], [0.0, 0.0, -1.0]]), axis=1, keepdims=False),
    ]


class Argmax(ArgReduction):
    """The place of the largest element."""

    def reference(self):
        return np.argmax(self.x, axis=self.axis, keepdims=self.keepdims)


class Argmin(ArgReduction):
    """The place of the smallest element."""

    def reference(self):
        return np.argmin(self.x, axis=self.axis, keepdims=self.keepdims)


class Running(Along, abstract=True):
    """Folds of all elements up to each place along one axis; `meaning` is the NumPy ufunc that folds."""

    x: Tensor
    axis: Axis
    meaning: ClassVar[np.ufunc]

    def reference(self):
        return type(self).meaning.accumulate(self.x, axis=self.axis)

    cases = [dict(x=rand(3, 4, 5), axis=a) for a in (0, 1, 2)]


class CumulativeSum(Running):
    """The running sum."""

    meaning = np.add
    cases = [*Running.cases, dict(x=rand(3, 4, dtype="int64"), axis=1)]


class CumulativeProd(Running):
    """The running product."""

    meaning = np.multiply


class CumulativeMax(Running):
    """The running maximum."""

    meaning = np.maximum
    cases = CumulativeSum.cases


class CumulativeMin(Running):
    """The running minimum."""

    meaning = np.minimum
    cases = CumulativeSum.cases


class CumulativeLogSumExp(Running):
    """The running `LogSumExp`."""

    meaning = np.logaddexp
