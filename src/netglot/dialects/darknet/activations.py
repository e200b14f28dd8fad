"""Darknet's activations by their names."""

from __future__ import annotations

from netglot.errors import Refusal, notimpl
from netglot.pivot import ops


def _plse(x):
    low, high = ops.Multiply(ops.Add(x, 4.0), 0.01), ops.Add(ops.Multiply(ops.Subtract(x, 4.0), 0.01), 1.0)
    middle = ops.Add(ops.Multiply(x, 0.125), 0.5)
    return ops.Where(ops.Less(x, -4.0), low, ops.Where(ops.Greater(x, 4.0), high, middle))


def _lhtan(x):
    high = ops.Add(ops.Multiply(ops.Subtract(x, 1.0), 0.001), 1.0)
    return ops.Where(ops.Less(x, 0.0), ops.Multiply(x, 0.001), ops.Where(ops.Greater(x, 1.0), high, x))


def _stair(x):
    floor, half = ops.Floor(x), ops.Floor(ops.Divide(x, 2.0))
    even = ops.Equal(ops.Remainder(floor, 2.0), 0.0)
    return ops.Where(even, half, ops.Add(ops.Subtract(x, floor), half))


def _hard_mish(x):
    middle = ops.Add(ops.Divide(ops.Square(x), 2.0), x)
    return ops.Where(ops.Greater(x, 0.0), x, ops.Where(ops.Greater(x, -2.0), middle, 0.0))


ACTIVATIONS = {
    "linear": lambda x: x,
    "leaky": lambda x: ops.LeakyRelu(x, 0.1),
    "relu": lambda x: ops.Relu(x),
    "relu6": lambda x: ops.Clip(x, 0.0, 6.0),
    "logistic": lambda x: ops.Sigmoid(x),
    "loggy": lambda x: ops.Subtract(ops.Multiply(ops.Sigmoid(x), 2.0), 1.0),
    "tanh": lambda x: ops.Tanh(x),
    "elu": lambda x: ops.Elu(x, 1.0),
    "selu": lambda x: ops.Multiply(ops.Elu(x, 1.6732), 1.0507),
    "swish": lambda x: ops.Silu(x),
    "mish": lambda x: ops.Mish(x),
    "hard_mish": _hard_mish,
    "gelu": lambda x: ops.Gelu(x, True),
    "relie": lambda x: ops.LeakyRelu(x, 0.01),
    "ramp": lambda x: ops.Add(ops.Relu(x), ops.Multiply(x, 0.1)),
    "hardtan": lambda x: ops.Clip(x, -1.0, 1.0),
    "lhtan": _lhtan,
    "plse": _plse,
    "stair": _stair,
}


def activated(x, name: str):
    """The activation of `x` by its name.

    Raises:
        Refusal: there is none of this name.
    """
    if name not in ACTIVATIONS:
        raise Refusal(notimpl(f"the activation {name}"))
    return ACTIVATIONS[name](x)
