"""Activation functions."""

from __future__ import annotations

from netglot.dialects.onnx.common import axis_of, dtype, flat, rank, reshaped
from netglot.dialects.onnx.dialect import onnx
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import is_weight
from netglot.pivot.op import shape_of


def _plain(kind):
    return lambda X: kind(X)


def _plain_1(kind):
    return lambda X, *, consumed_inputs=None: kind(X)


onnx.reads("Relu-1")(_plain_1(ops.Relu))
onnx.reads("Relu-6")(_plain(ops.Relu))
onnx.reads("Softsign-1")(_plain(ops.Softsign))
onnx.reads("Mish-18")(_plain(ops.Mish))
onnx.reads("HardSwish-14")(_plain(ops.Hardswish))


@onnx.reads("Softplus-1")
def softplus(X):
    return ops.Softplus(X, 1.0, float("inf"))


@onnx.reads("LeakyRelu-1")
def leaky_relu_1(X, *, alpha=0.01, consumed_inputs=None):
    return ops.LeakyRelu(X, alpha)


@onnx.reads("LeakyRelu-6")
def leaky_relu(X, *, alpha=0.01):
    return ops.LeakyRelu(X, alpha)


@onnx.reads("ThresholdedRelu-10")
def thresholded_relu(X, *, alpha=1.0):
    return ops.Threshold(X, alpha, 0.0)


@onnx.reads("Elu-1")
def elu_1(X, *, alpha=1.0, consumed_inputs=None):
    return ops.Elu(X, alpha)


@onnx.reads("Elu-6")
def elu(X, *, alpha=1.0):
    return ops.Elu(X, alpha)


@onnx.reads("Celu-12")
def celu(X, *, alpha=1.0):
    return ops.Celu(X, alpha)


SELU = (1.6732632, 1.0507010)
"""The standard's alpha and gamma, to the digits that single precision holds."""


@onnx.reads("Selu-1")
def selu_1(X, *, alpha=1.6732, gamma=1.0507, consumed_inputs=None):
    return selu(X, alpha=alpha, gamma=gamma)


@onnx.reads("Selu-6")
def selu(X, *, alpha=SELU[0], gamma=SELU[1]):
    if abs(alpha - SELU[0]) < 1e-6 and abs(gamma - SELU[1]) < 1e-6:
        return ops.Selu(X)
    return ops.Multiply(ops.Elu(X, alpha), gamma)


@onnx.reads("HardSigmoid-1")
def hard_sigmoid_1(X, *, alpha=0.2, beta=0.5, consumed_inputs=None):
    return hard_sigmoid(X, alpha=alpha, beta=beta)


@onnx.reads("HardSigmoid-6")
def hard_sigmoid(X, *, alpha=0.2, beta=0.5):
    if abs(alpha - 1 / 6) < 1e-7 and beta == 0.5:
        return ops.Hardsigmoid(X)
    return ops.Clip(ops.Add(ops.Multiply(X, alpha), beta), 0.0, 1.0)


@onnx.reads("Swish-24")
def swish(X, *, alpha=1.0):
    return ops.Silu(X) if alpha == 1.0 else ops.Multiply(X, ops.Sigmoid(ops.Multiply(X, alpha)))


@onnx.reads("Gelu-20")
def gelu(X, *, approximate="none"):
    return ops.Gelu(X, approximate == "tanh")


@onnx.reads("com.microsoft.Gelu-1")
def gelu_microsoft(X):
    return ops.Gelu(X, False)


@onnx.reads("com.microsoft.FastGelu-1")
def fast_gelu(X, bias=None):
    return ops.Gelu(X if bias is None else ops.Add(X, bias), True)


@onnx.reads("com.microsoft.BiasGelu-1")
def bias_gelu(A, B):
    return ops.Gelu(ops.Add(A, B), False)


@onnx.reads("com.microsoft.QuickGelu-1")
def quick_gelu(X, *, alpha=1.702):
    return swish(X, alpha=alpha)


@onnx.reads("PRelu-1")
def prelu_1(X, slope, *, consumed_inputs=None):
    if rank(slope) == 1 and shape_of(slope)[0] != 1 and rank(X) > 1:
        return ops.Prelu(X, slope, 1)
    return prelu(X, slope)


@onnx.reads("PRelu-7")
def prelu(X, slope):
    places = [i + rank(X) - rank(slope) for i, size in enumerate(shape_of(slope)) if size != 1]
    vector = flat(slope) if is_weight(slope) or rank(slope) <= 1 else None
    if vector is not None and len(places) == 1 and shape_of(X)[places[0]] == product(shape_of(slope)):
        return ops.Prelu(X, vector, places[0])
    if vector is not None and not places and rank(X) > 1:
        return ops.Prelu(X, reshaped(slope, (1,)), 1)
    return ops.Where(ops.Less(X, _zero(X)), ops.Multiply(slope, X), X)


def _zero(x):
    import numpy as np

    from netglot.pivot.op import numpy_dtype

    return np.zeros((), numpy_dtype(dtype(x)))


def _flattened(kind):
    def read(input, *, axis=1):
        """Before version 13 all axes from `axis` on count as one."""
        place = axis_of(input, axis) if axis != rank(input) else rank(input)
        shape = shape_of(input)
        if place == rank(input) - 1:
            return kind(input, place)
        rows = reshaped(input, (product(shape[:place]), product(shape[place:])))
        return reshaped(kind(rows, 1), shape)

    return read


def _along(kind):
    return lambda input, *, axis=-1: kind(input, axis_of(input, axis))


def _hardmax(x, axis):
    best = ops.OneHot(ops.Argmax(x, axis, False), shape_of(x)[axis], dtype(x))
    order = [i for i in range(rank(x)) if i != axis]
    places = [*range(len(order))]
    places.insert(axis, rank(x) - 1)
    return best if places == sorted(places) else ops.Permute(best, tuple(places))


for _name, _kind in (("Softmax", ops.Softmax), ("LogSoftmax", ops.LogSoftmax), ("Hardmax", _hardmax)):
    onnx.reads(f"{_name}-1")(_flattened(_kind))

    onnx.reads(f"{_name}-13")(_along(_kind))
