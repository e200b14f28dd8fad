"""ATen's activations."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import as_dtype, as_float, is_whole
from netglot.errors import Refusal, never
from netglot.pivot import ops
from netglot.pivot.op import normal_axis, shape_of

RANDOM_IN_INFERENCE = never(
    "random numbers in inference: the two frameworks draw different ones, so nothing can be compared",
    "pass training=self.training, so that inference draws none",
)


@torch.reads("aten.relu.default")
def relu(self):
    return ops.Relu(self)


@torch.reads("aten.relu6.default")
def relu6(self):
    return hardtanh(self, 0, 6)


@torch.reads("aten.hardtanh.default")
def hardtanh(self, min_val=-1, max_val=1):
    if is_whole(self):
        return ops.Clip(self, low=int(min_val), high=int(max_val))
    return ops.Clip(self, low=float(min_val), high=float(max_val))


@torch.reads("aten.sigmoid.default", "aten.special_expit.default")
def sigmoid(self):
    return ops.Sigmoid(as_float(self))


@torch.reads("aten.silu.default")
def silu(self):
    return ops.Silu(self)


@torch.reads("aten.gelu.default")
def gelu(self, *, approximate="none"):
    return ops.Gelu(self, approximate=approximate == "tanh")


@torch.reads("aten.leaky_relu.default")
def leaky_relu(self, negative_slope=0.01):
    return ops.LeakyRelu(self, slope=float(negative_slope))


@torch.reads("aten.elu.default")
def elu(self, alpha=1, scale=1, input_scale=1):
    if scale == 1 and input_scale == 1:
        return ops.Elu(self, alpha=float(alpha))
    # The slope of the positive side is `scale` alone, so only the negative side sees `input_scale`.
    negative = ops.Elu(ops.Multiply(ops.Clip(self, low=None, high=0.0), float(input_scale)), alpha=float(alpha))
    return ops.Multiply(ops.Where(ops.Greater(self, 0.0), self, negative), float(scale))


@torch.reads("aten.selu.default")
def selu(self):
    return ops.Selu(self)


@torch.reads("aten.celu.default")
def celu(self, alpha=1.0):
    return ops.Celu(self, alpha=float(alpha))


@torch.reads("aten.softplus.default")
def softplus(self, beta=1, threshold=20):
    return ops.Softplus(self, beta=float(beta), threshold=float(threshold))


@torch.reads("aten.mish.default")
def mish(self):
    return ops.Mish(self)


@torch.reads("aten.hardswish.default")
def hardswish(self):
    return ops.Hardswish(self)


@torch.reads("aten.hardsigmoid.default")
def hardsigmoid(self):
    return ops.Hardsigmoid(self)


@torch.reads("aten.log_sigmoid.default")
def log_sigmoid(self):
    return ops.LogSigmoid(self)


@torch.reads("aten.hardshrink.default")
def hardshrink(self, lambd=0.5):
    return ops.Hardshrink(self, lambd=float(lambd))


@torch.reads("aten.softshrink.default")
def softshrink(self, lambd=0.5):
    return ops.Softshrink(self, lambd=float(lambd))


@torch.reads("aten.threshold.default")
def threshold(self, threshold, value):
    number = int if is_whole(self) else float
    return ops.Threshold(self, threshold=number(threshold), value=number(value))


@torch.reads("aten.glu.default")
def glu(self, dim=-1):
    return ops.Glu(self, axis=normal_axis(dim, len(shape_of(self))))


@torch.reads("aten.prelu.default")
def prelu(self, weight):
    rank = len(shape_of(self))
    if rank == 0 or not shape_of(weight):
        return ops.Where(ops.Greater(self, 0.0), self, ops.Multiply(self, ops.Reshape(weight, shape=())))
    return ops.Prelu(self, weight, axis=1 if rank > 1 else 0)


@torch.reads("aten.rrelu.default")
def rrelu(self, lower=0.125, upper=1 / 3, training=False):
    if training:
        raise Refusal(RANDOM_IN_INFERENCE)
    return ops.Rrelu(self, lower=float(lower), upper=float(upper))


@torch.reads("aten.softmax.int")
def softmax(self, dim, dtype=None):
    return _along(ops.Softmax, self, dim, dtype)


@torch.reads("aten.special_softmax.int")
def special_softmax(self, dim, dtype=None):
    return _along(ops.Softmax, self, dim, dtype)


@torch.reads("aten.log_softmax.int")
def log_softmax(self, dim, dtype=None):
    return _along(ops.LogSoftmax, self, dim, dtype)


@torch.reads("aten.special_log_softmax.default")
def special_log_softmax(self, dim, *, dtype=None):
    return _along(ops.LogSoftmax, self, dim, dtype)


@torch.reads("aten._softmax.default")
def plain_softmax(self, dim, half_to_float):
    return _along(ops.Softmax, self, dim, "float32" if half_to_float else None)


@torch.reads("aten._log_softmax.default")
def plain_log_softmax(self, dim, half_to_float):
    return _along(ops.LogSoftmax, self, dim, "float32" if half_to_float else None)


@torch.reads("aten._safe_softmax.default")
def safe_softmax(self, dim, dtype=None):
    x = as_dtype(self, dtype)
    axis = normal_axis(dim, len(shape_of(x)))
    masked = ops.All(ops.Equal(x, float("-inf")), axes=(axis,), keepdims=True)
    return ops.Where(masked, 0.0, ops.Softmax(ops.Where(masked, 0.0, x), axis=axis))


def _along(kind, x, dim, dtype):
    x = as_dtype(x, dtype)
    if not shape_of(x):  # a single number is an axis of one place
        return ops.Reshape(kind(ops.Reshape(x, shape=(1,)), axis=0), shape=())
    return kind(as_float(x), axis=normal_axis(dim, len(shape_of(x))))
