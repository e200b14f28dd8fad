"""Activation functions. All work element by element, except those with an `axis`."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np

from netglot.pivot.op import Along, Axis, Elementwise, Op, Tensor, TensorType, dtype_of, rand, shape_of

_WIDE = rand(3, 4, low=-30, high=30, seed=3)
"""Values far beyond the bends of every activation."""
_PLAIN = [dict(x=rand(2, 3)), dict(x=_WIDE)]


class Relu(Elementwise):
    """`max(x, 0)`."""

    x: Tensor

    def reference(self):
        return np.maximum(self.x, 0)

    cases = _PLAIN


class Sigmoid(Elementwise):
    """`1 / (1 + exp(-x))`."""

    x: Tensor

    def reference(self):
        return _sigmoid(self.x)

    cases = _PLAIN


class Silu(Elementwise):
    """`x * sigmoid(x)`; also called Swish."""

    x: Tensor

    def reference(self):
        return self.x * _sigmoid(self.x)

    cases = _PLAIN


class Gelu(Elementwise):
    """`x` times the normal distribution function of `x`, or its approximation by tanh (Hendrycks and Gimpel, 2016)."""

    x: Tensor
    approximate: bool

    def reference(self):
        x = self.x
        if self.approximate:
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return 0.5 * x * np.vectorize(math.erfc, otypes=[x.dtype])(-x / math.sqrt(2))

    cases = [dict(x=rand(2, 3), approximate=a) for a in (False, True)]


class LeakyRelu(Elementwise):
    """`x` where `x >= 0`, else `slope * x`."""

    x: Tensor
    slope: float

    def reference(self):
        return np.where(self.x >= 0, self.x, self.slope * self.x)

    cases = [dict(x=rand(2, 3), slope=s) for s in (0.01, 0.2, 0.3, 1.5)]


class Elu(Elementwise):
    """`x` where `x > 0`, else `alpha * (exp(x) - 1)`."""

    x: Tensor
    alpha: float

    def reference(self):
        return np.where(self.x > 0, self.x, self.alpha * np.expm1(np.minimum(self.x, 0)))

    cases = [dict(x=rand(2, 3), alpha=a) for a in (1.0, 0.5, 2.0)]


class Selu(Elementwise):
    """`Elu` with the two constants that keep mean and variance (Klambauer et al., 2017)."""

    x: Tensor

    def reference(self):
        alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
        return scale * np.where(self.x > 0, self.x, alpha * np.expm1(np.minimum(self.x, 0)))

    cases = _PLAIN


class Celu(Elementwise):
    """`max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))` (Barron, 2017)."""

    x: Tensor
    alpha: float

    def reference(self):
        return np.maximum(self.x, 0) + self.alpha * np.expm1(np.minimum(self.x, 0) / self.alpha)

    cases = [dict(x=rand(2, 3), alpha=a) for a in (1.0, 0.5, 2.0)]


class Softplus(Elementwise):
    """`log(1 + exp(beta * x)) / beta`, and `x` itself where `beta * x > threshold`."""

    x: Tensor
    beta: float
    threshold: float

    def reference(self):
        smooth = np.logaddexp(self.beta * self.x, 0) / self.beta
        return np.where(self.beta * self.x > self.threshold, self.x, smooth)

    cases = [
        dict(x=rand(2, 3), beta=1.0, threshold=20.0),
        dict(x=_WIDE, beta=1.0, threshold=20.0),
        dict(x=rand(2, 3), beta=2.0, threshold=20.0),
        dict(x=rand(2, 3), beta=0.5, threshold=0.25),
    ]


class Softsign(Elementwise):
    """`x / (1 + |x|)`."""

    x: Tensor

    def reference(self):
        return self.x / (1 + np.abs(self.x))

    cases = _PLAIN


class Mish(Elementwise):
    """`x * tanh(log(1 + exp(x)))` (Misra, 2019)."""

    x: Tensor

    def reference(self):
        return self.x * np.tanh(np.logaddexp(self.x, 0))

    cases = _PLAIN


class Hardswish(Elementwise):
    """`x * min(max(x + 3, 0), 6) / 6` (Howard et al., 2019)."""

    x: Tensor

    def reference(self):
        return self.x * np.clip(self.x + 3, 0, 6) / 6

    cases = [*_PLAIN, dict(x=rand(2, 3) * 2.5)]


class Hardsigmoid(Elementwise):
    """`min(max(x / 6 + 1/2, 0), 1)`."""

    x: Tensor

    def reference(self):
        return np.clip(self.x + 3, 0, 6) / 6

    cases = Hardswish.cases


class LogSigmoid(Elementwise):
    """`log(sigmoid(x))`, without overflow."""

    x: Tensor

    def reference(self):
        return -np.logaddexp(0, -self.x)

    cases = _PLAIN


class Tanhshrink(Elementwise):
    """`x - tanh(x)`."""

    x: Tensor

    def reference(self):
        return self.x - np.tanh(self.x)

    cases = _PLAIN


class Hardshrink(Elementwise):
    """`x` where `|x| > lambd`, else 0."""

    x: Tensor
    lambd: float

    def reference(self):
        return np.where(np.abs(self.x) > self.lambd, self.x, 0)

    cases = [dict(x=rand(2, 3), lambd=v) for v in (0.5, 0.0, 1.25)]


class Softshrink(Elementwise):
    """`x` moved towards 0 by `lambd`, not past it."""

    x: Tensor
    lambd: float

    def reference(self):
        return np.sign(self.x) * np.maximum(np.abs(self.x) - self.lambd, 0)

    cases = Hardshrink.cases


class Threshold(Elementwise):
    """`x` where `x > threshold`, else `value`."""

    x: Tensor
    threshold: float
    value: float

    def reference(self):
        return np.where(self.x > self.threshold, self.x, np.asarray(self.value, self.x.dtype))

    cases = [dict(x=rand(2, 3), threshold=0.5, value=-3.0), dict(x=rand(2, 3), threshold=0.0, value=0.0)]


class Rrelu(Elementwise):
    """A leaky ReLU whose slope training draws from `[lower, upper)` for each element; inference uses the mean slope."""

    x: Tensor
    lower: float
    upper: float
    random = True

    def reference(self):
        return np.where(self.x >= 0, self.x, (self.lower + self.upper) / 2 * self.x)

    cases = [dict(x=rand(2, 3), lower=1 / 8, upper=1 / 3), dict(x=rand(2, 3), lower=0.5, upper=0.5)]


class Softmax(Along):
    """`exp(x)` divided by its sum along `axis`."""

    x: Tensor
    axis: Axis

    def reference(self):
        raised = np.exp(self.x - self.x.max(self.axis, keepdims=True, initial=-np.inf))
        return raised / raised.sum(self.axis, keepdims=True)

    cases = [dict(x=rand(3, 4, 5), axis=a) for a in (0, 1, 2)]


class LogSoftmax(Along):
    """The logarithm of `Softmax`, without overflow."""

    x: Tensor
    axis: Axis

    def reference(self):
        shifted = self.x - self.x.max(self.axis, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.exp(shifted).sum(self.axis, keepdims=True))

    cases = Softmax.cases


class Prelu(Along):
    """`x` where `x > 0`, else `slope * x`.

    `slope` has one element, or one for each place of `axis`.
    """

    x: Tensor
    slope: Annotated[Tensor, "slope"]
    axis: Axis

    def reference(self):
        shape = [1] * self.x.ndim
        if self.slope.size > 1:
            shape[self.axis] = -1
        slope = self.slope.reshape(shape)
        return np.where(self.x > 0, self.x, slope * self.x)

    cases = [
        dict(x=rand(3, 4, 5), slope=rand(4, seed=1), axis=1),
        dict(x=rand(3, 4), slope=rand(4, seed=1), axis=1),
        dict(x=rand(3, 4, 5), slope=rand(1, seed=1), axis=1),
        dict(x=rand(3, 4, 5, 2), slope=rand(2, seed=1), axis=3),
    ]


class Glu(Op):
    """The first half of `x` along `axis` times the sigmoid of the second half (Dauphin et al., 2016)."""

    layout = "along"
    x: Tensor
    axis: Axis

    def infer(self):
        shape = list(shape_of(self.x))
        shape[self.axis] = shape[self.axis] // 2
        return TensorType(dtype_of(self.x), tuple(shape))

    def reference(self):
        value, gate = np.split(self.x, 2, self.axis)
        return value * _sigmoid(gate)

    cases = [dict(x=rand(3, 4, 6), axis=a) for a in (1, 2)]


def _sigmoid(x):
    """The logistic function, without overflow."""
    return np.exp(-np.logaddexp(0, -x))
