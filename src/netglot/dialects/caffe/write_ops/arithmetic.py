"""Arithmetic and activations as Caffe's layers."""

from __future__ import annotations

import math

import numpy as np

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.steps import held, step
from netglot.errors import Refusal, never, notimpl
from netglot.passes.composed import TABLE
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import is_scalar, shape_of

_PLAIN = {ops.Relu: "ReLU", ops.Sigmoid: "Sigmoid", ops.Tanh: "TanH", ops.Abs: "AbsVal", ops.Exp: "Exp",
          ops.Log: "Log"}  # fmt: skip
caffe.writes(*_PLAIN)(lambda op: step(_PLAIN[type(op)], op.x))


def power(x, *, exponent: float = 1.0, scale: float = 1.0, shift: float = 0.0):
    """The layer for `(shift + scale * x) ** exponent`."""
    told = {"power": exponent, "scale": scale, "shift": shift}
    usual = {"power": 1.0, "scale": 1.0, "shift": 0.0}
    return step("Power", x, power_param={k: float(v) for k, v in told.items() if float(v) != usual[k]})


def number(x) -> float:
    """An operand that is a number.

    Raises:
        Refusal: it is a size that is not known.
    """
    if isinstance(x, Dim):
        raise Refusal(notimpl(f"the size {x} as a number"))
    if math.isinf(x) or math.isnan(x):
        raise Refusal(never("Caffe's files hold finite numbers only"))
    return float(x)


@caffe.writes(ops.Identity, ops.StopGradient)
def identity(op):
    return step("Power", op.x)


@caffe.writes(ops.LeakyRelu)
def leaky_relu(op):
    return step("ReLU", op.x, relu_param={"negative_slope": float(op.slope)})


@caffe.writes(ops.Elu)
def elu(op):
    return step("ELU", op.x, elu_param={"alpha": float(op.alpha)})


@caffe.writes(ops.Prelu)
def prelu(op):
    if op.axis != 1:
        raise Refusal(never("Caffe's slopes stand along axis 1"))
    shared = shape_of(op.slope)[0] == 1 and shape_of(op.x)[1] != 1
    told = {"channel_shared": True} if shared else None
    return step("PReLU", op.x, blobs=(held("slope", op.slope),), prelu_param=told)


@caffe.writes(ops.Softplus)
def softplus(op):
    if op.beta == 1 and op.threshold >= 20:
        return step("BNLL", op.x)
    if op.threshold < 20:
        raise Refusal(never("Caffe has no choice between two values"))
    return power(ops.Softplus(ops.Multiply(op.x, op.beta), 1.0, math.inf), scale=1 / op.beta)


@caffe.writes(ops.Clip)
def clip(op):
    """Between 0 and 6 a layer of its own, which Caffe's successors all have; else of two rectifiers."""
    if any(bound is not None and not is_scalar(bound) for bound in (op.low, op.high)):
        return step("Power", TABLE[ops.Clip](op))
    if (op.low, op.high) == (0, 6):
        return step("ReLU6", op.x)
    x = op.x
    if op.low is not None and not math.isinf(op.low):
        x = ops.Add(ops.Relu(ops.Add(x, -op.low) if op.low else x), op.low) if op.low else ops.Relu(x)
    if op.high is not None and not math.isinf(op.high):
        turned = ops.Relu(ops.Add(ops.Multiply(x, -1.0), op.high))
        x = ops.Add(ops.Multiply(turned, -1.0), op.high)
    return step("Power", x)


# -- two operands


def _joined(op, kind: str, coefficients: list[float] | None = None):
    x, y = alike(op.x, op.y)
    told = {"operation": kind} | ({"coeff": coefficients} if coefficients else {})
    return step("Eltwise", x, y, eltwise_param=told)


def alike(x, y):
    """Two operands of one shape.

    Raises:
        Refusal: they are not.
    """
    if shape_of(x) != shape_of(y):
        shapes = f"{list(shape_of(x))} and {list(shape_of(y))}"
        raise Refusal(never(f"Caffe joins tensors of one shape, and these have {shapes}"))
    return x, y


def along_channels(x, y, whole) -> bool:
    """Whether `y` has one element for each channel of `x`, or for each of each example, and all the rest is one."""
    shape, wide = shape_of(x), shape_of(y)
    if shape != tuple(whole) or len(shape) < 2 or len(wide) > len(shape):
        return False
    wide = (*(1,) * (len(shape) - len(wide)), *wide)
    return wide[1] == shape[1] and all(size == 1 for size in wide[2:]) and wide[0] in (1, shape[0])


@caffe.writes(ops.Add)
def add(op):
    x, y = (op.y, op.x) if is_scalar(op.x) else (op.x, op.y)
    if is_scalar(y):
        return power(x, shift=number(y))
    x, y = _larger_first(op, x, y)
    if shape_of(x) != shape_of(y) and along_channels(x, y, shape_of(op)):
        return _shifted(x, y)
    return _joined(op, "SUM")


def _larger_first(op, x, y):
    return (x, y) if shape_of(x) == shape_of(op) else (y, x)


def _shifted(x, y):
    channels = shape_of(x)[1]
    ones = np.ones(channels, "float32")
    told = {"bias_term": True}
    return step("Scale", x, blobs=(held("scale", ones), held("bias", ops.Reshape(y, (channels,)))), scale_param=told)


@caffe.writes(ops.Subtract)
def subtract(op):
    if is_scalar(op.y):
        return power(op.x, shift=-number(op.y))
    if is_scalar(op.x):
        return power(op.y, scale=-1.0, shift=number(op.x))
    if shape_of(op.x) != shape_of(op.y):
        return step("Power", ops.Add(op.x, ops.Multiply(op.y, -1.0)))
    return _joined(op, "SUM", [1.0, -1.0])


@caffe.writes(ops.Multiply)
def multiply(op):
    x, y = (op.y, op.x) if is_scalar(op.x) else (op.x, op.y)
    if is_scalar(y):
        return power(x, scale=number(y))
    x, y = _larger_first(op, x, y)
    if shape_of(x) != shape_of(y) and along_channels(x, y, shape_of(op)):
        wide = (*(1,) * (len(shape_of(x)) - len(shape_of(y))), *shape_of(y))
        if wide[0] == 1 and shape_of(x)[0] != 1:
            return step("Scale", x, blobs=(held("scale", ops.Reshape(y, (shape_of(x)[1],))),))
        return step("Scale", x, ops.Reshape(y, wide[:2]), scale_param={"axis": 0})
    return _joined(op, "PROD")


@caffe.writes(ops.Divide)
def divide(op):
    if is_scalar(op.y):
        return power(op.x, scale=1 / number(op.y))
    if is_scalar(op.x):
        inverse = power(op.y, exponent=-1.0)
        return inverse if op.x == 1 else power(inverse, scale=number(op.x))
    return step("Power", ops.Multiply(op.x, ops.Reciprocal(op.y)))


@caffe.writes(ops.Reciprocal)
def reciprocal(op):
    return power(op.x, exponent=-1.0)


@caffe.writes(ops.Negative)
def negative(op):
    return power(op.x, scale=-1.0)


@caffe.writes(ops.Sqrt)
def sqrt(op):
    return power(op.x, exponent=0.5)


@caffe.writes(ops.Rsqrt)
def rsqrt(op):
    return power(op.x, exponent=-0.5)


@caffe.writes(ops.Square)
def square(op):
    return power(op.x, exponent=2.0)


@caffe.writes(ops.Power)
def power_(op):
    if not is_scalar(op.y):
        raise Refusal(never("Caffe's powers have one exponent for all elements"))
    return power(op.x, exponent=number(op.y))


@caffe.writes(ops.Maximum)
def maximum(op):
    if is_scalar(op.y) or is_scalar(op.x):
        x, y = (op.y, op.x) if is_scalar(op.x) else (op.x, op.y)
        return step("Power", ops.Clip(x, y, None))
    return _joined(op, "MAX")


@caffe.writes(ops.Minimum)
def minimum(op):
    if is_scalar(op.y) or is_scalar(op.x):
        x, y = (op.y, op.x) if is_scalar(op.x) else (op.x, op.y)
        return step("Power", ops.Clip(x, None, y))
    return step("Power", ops.Negative(ops.Maximum(ops.Negative(op.x), ops.Negative(op.y))))


@caffe.writes(ops.Softmax)
def softmax(op):
    return step("Softmax", op.x, softmax_param={"axis": op.axis})


@caffe.lowers(ops.LogSoftmax)
def log_softmax(op):
    return ops.Log(ops.Softmax(op.x, op.axis))


@caffe.writes(ops.Cast)
def cast(op):
    if op.dtype != "float32":
        raise Refusal(never(f"Caffe computes in float32, and not in {op.dtype}"))
    return step("Power", op.x)
