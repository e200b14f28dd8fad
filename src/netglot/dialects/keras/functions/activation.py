"""Activations of `keras.ops` and `keras.activations`."""

from __future__ import annotations

import math

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.arithmetic import unary
from netglot.dialects.keras.functions.axes import axes_of, axis_of, moved, rank
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of

_PLAIN = {
    "sigmoid": ops.Sigmoid,
    "silu": ops.Silu,
    "swish": ops.Silu,
    "selu": ops.Selu,
    "softsign": ops.Softsign,
    "hard_sigmoid": ops.Hardsigmoid,
    "hard_silu": ops.Hardswish,
    "hard_swish": ops.Hardswish,
    "log_sigmoid": ops.LogSigmoid,
    "tanh_shrink": ops.Tanhshrink,
}


def _declare() -> None:
    for name, op in _PLAIN.items():
        keras.reads(f"ops.{name}")(unary(op))


@keras.reads("ops.relu")
def relu(x):
    return ops.Relu(x)


@keras.reads("ops.relu6")
def relu6(x):
    return ops.Clip(x, 0.0, 6.0)


@keras.reads("activations.relu")
def full_relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """Zero or a slope below the threshold, the identity above it, and never more than the maximum."""
    if threshold == 0:
        low = ops.LeakyRelu(x, float(negative_slope)) if negative_slope else None
        if max_value is None:
            return low or ops.Relu(x)
        return ops.Clip(x, 0.0, float(max_value)) if low is None else ops.Minimum(low, float(max_value))
    below = ops.Multiply(ops.Subtract(x, float(threshold)), float(negative_slope)) if negative_slope else 0.0
    reached = ops.Greater if negative_slope == 0 and max_value is None else ops.GreaterEqual
    held = ops.Where(reached(x, float(threshold)), x, below)
    return held if max_value is None else ops.Minimum(held, float(max_value))


@keras.reads("activations.mish")
def mish(x):
    return ops.Mish(x)


@keras.reads("ops.gelu")
def gelu(x, approximate=True):
    return ops.Gelu(x, bool(approximate))


@keras.reads("ops.celu")
def celu(x, alpha=1.0):
    return ops.Celu(x, float(alpha))


@keras.reads("ops.softplus")
def softplus(x):
    return ops.Softplus(x, 1.0, math.inf)


@keras.reads("ops.glu")
def glu(x, axis=-1):
    return ops.Glu(x, axis_of(x, axis))


@keras.reads("ops.hard_tanh")
def hard_tanh(x):
    return ops.Clip(x, -1.0, 1.0)


@keras.reads("ops.hard_shrink")
def hard_shrink(x, threshold=0.5):
    return ops.Hardshrink(x, float(threshold))


@keras.reads("ops.soft_shrink")
def soft_shrink(x, threshold=0.5):
    return ops.Softshrink(x, float(threshold))


@keras.reads("ops.squareplus")
def squareplus(x, b=4):
    return ops.Multiply(ops.Add(x, ops.Sqrt(ops.Add(ops.Square(x), float(b)))), 0.5)


@keras.reads("ops.sparse_sigmoid")
def sparse_sigmoid(x):
    return ops.Clip(ops.Multiply(ops.Add(x, 1.0), 0.5), 0.0, 1.0)


@keras.reads("ops.sparse_plus")
def sparse_plus(x):
    middle = ops.Multiply(ops.Square(ops.Add(x, 1.0)), 0.25)
    return ops.Where(ops.LessEqual(x, -1.0), 0.0, ops.Where(ops.Less(x, 1.0), middle, x))


@keras.reads("ops.sparsemax")
def sparsemax(x, axis=-1):
    """The closest point of the simplex (Martins and Astudillo, 2016), as Keras 3.15 has it.

    It adds up the running sums of what is above the threshold, where the paper adds what is above it.
    """
    last, axis, dtype = rank(x) - 1, axis_of(x, axis), type_of(x).dtype
    z = moved(x, axis, last)
    ordered = ops.Flip(ops.Sort(z, last, False), (last,))
    places = ops.Arange(1, shape_of(z)[last] + 1, 1, dtype)
    summed = ops.CumulativeSum(ordered, last)
    inside = ops.Greater(ops.Subtract(ordered, ops.Divide(ops.Subtract(summed, 1.0), places)), 0.0)
    number = ops.Sum(ops.Cast(inside, dtype), (last,), True)
    total = ops.Sum(ops.Where(inside, summed, 0.0), (last,), True)
    found = ops.Relu(ops.Subtract(z, ops.Divide(ops.Subtract(total, 1.0), number)))
    return moved(found, last, axis)


@keras.reads("ops.softmax")
def softmax(x, axis=-1):
    return _over(ops.Softmax, x, axis)


@keras.reads("ops.log_softmax")
def log_softmax(x, axis=-1):
    return _over(ops.LogSoftmax, x, axis)


def _over(op, x, axis):
    """A softmax along one axis, or over several that are made one and parted again."""
    if isinstance(axis, int):
        return op(x, axis_of(x, axis))
    axes = axes_of(x, axis)
    if len(axes) == 1:
        return op(x, axes[0])
    from netglot.pivot.dims import product

    order = (*(a for a in range(rank(x)) if a not in axes), *axes)
    shape = shape_of(x)
    kept = tuple(shape[a] for a in order[: -len(axes)])
    folded = ops.Reshape(ops.Permute(x, order), (*kept, product(shape[a] for a in axes)))
    apart = ops.Reshape(op(folded, len(kept)), tuple(shape[a] for a in order))
    return ops.Permute(apart, tuple(order.index(a) for a in range(rank(x))))


_declare()
