"""PyTorch's activations: a layer where the source had one, else a function."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import TRAINING, moved, order_for
from netglot.pivot import ops
from netglot.pivot.graph import is_weight
from netglot.pivot.op import shape_of
from netglot.source.spell import Layer, call, options, unless
from netglot.source.subscripts import from_end

_PLAIN = {
    ops.Relu: ("nn.ReLU", "F.relu"),
    ops.Sigmoid: ("nn.Sigmoid", "torch.sigmoid"),
    ops.Silu: ("nn.SiLU", "F.silu"),
    ops.Selu: ("nn.SELU", "F.selu"),
    ops.Softsign: ("nn.Softsign", "F.softsign"),
    ops.Mish: ("nn.Mish", "F.mish"),
    ops.Hardswish: ("nn.Hardswish", "F.hardswish"),
    ops.Hardsigmoid: ("nn.Hardsigmoid", "F.hardsigmoid"),
    ops.LogSigmoid: ("nn.LogSigmoid", "F.logsigmoid"),
    ops.Tanhshrink: ("nn.Tanhshrink", "F.tanhshrink"),
}
"""Activations without options: the layer and the function."""


def _activation(layer: str, function: str, x, **given):
    given = options(**given)
    return Layer(layer, (x,), given, function=call(function, x, **given))


@torch.writes(*_PLAIN)
def plain(op):
    return _activation(*_PLAIN[type(op)], op.x)


@torch.writes(ops.Gelu)
def gelu(op):
    return _activation("nn.GELU", "F.gelu", op.x, approximate=unless("tanh" if op.approximate else "none", "none"))


@torch.writes(ops.LeakyRelu)
def leaky_relu(op):
    return _activation("nn.LeakyReLU", "F.leaky_relu", op.x, negative_slope=op.slope)


@torch.writes(ops.Elu)
def elu(op):
    return _activation("nn.ELU", "F.elu", op.x, alpha=unless(op.alpha, 1.0))


@torch.writes(ops.Celu)
def celu(op):
    return _activation("nn.CELU", "F.celu", op.x, alpha=unless(op.alpha, 1.0))


@torch.writes(ops.Softplus)
def softplus(op):
    given = {"beta": unless(op.beta, 1.0), "threshold": unless(op.threshold, 20.0)}
    return _activation("nn.Softplus", "F.softplus", op.x, **given)


@torch.writes(ops.Hardshrink)
def hardshrink(op):
    return _activation("nn.Hardshrink", "F.hardshrink", op.x, lambd=unless(op.lambd, 0.5))


@torch.writes(ops.Softshrink)
def softshrink(op):
    return _activation("nn.Softshrink", "F.softshrink", op.x, lambd=unless(op.lambd, 0.5))


@torch.writes(ops.Threshold)
def threshold(op):
    bounds = (op.threshold, op.value)
    return Layer("nn.Threshold", (op.x,), arguments=bounds, function=call("F.threshold", op.x, *bounds))


@torch.writes(ops.Rrelu)
def rrelu(op):
    bounds = (op.lower, op.upper)
    function = call("F.rrelu", op.x, *bounds, training=TRAINING)
    return Layer("nn.RReLU", (op.x,), arguments=bounds, function=function)


def _dim(op) -> int:
    return from_end(op.axis, len(shape_of(op.x)))


@torch.writes(ops.Softmax)
def softmax(op):
    return _activation("nn.Softmax", "F.softmax", op.x, dim=_dim(op))


@torch.writes(ops.LogSoftmax)
def log_softmax(op):
    return _activation("nn.LogSoftmax", "F.log_softmax", op.x, dim=_dim(op))


@torch.writes(ops.Glu)
def glu(op):
    return _activation("nn.GLU", "F.glu", op.x, dim=unless(_dim(op), -1))


@torch.arranges(ops.Prelu)
def channels_second(op):
    """The slopes lie along axis 1."""
    rank = len(shape_of(op.x))
    if shape_of(op.slope)[0] == 1 or op.axis == 0:
        return None
    rest = [axis for axis in range(1, rank) if axis != op.axis]
    return moved(order_for(rank, (0, op.axis), rest), "x", "out")


@torch.lowers(ops.Prelu)
def prelu_along_the_batch(op):
    """PyTorch has no slopes along axis 0."""
    if shape_of(op.slope)[0] == 1 or op.axis != 0:
        return None
    slope = ops.Reshape(op.slope, shape=(shape_of(op.slope)[0], *(1,) * (len(shape_of(op.x)) - 1)))
    return ops.Where(ops.Greater(op.x, 0.0), op.x, ops.Multiply(slope, op.x))


@torch.writes(ops.Prelu)
def prelu(op):
    function = call("F.prelu", op.x, op.slope)
    if not is_weight(op.slope):
        return function
    number = shape_of(op.slope)[0]
    return Layer(
        "nn.PReLU", (op.x,), arguments=() if number == 1 else (number,), weights={"weight": op.slope}, function=function
    )
