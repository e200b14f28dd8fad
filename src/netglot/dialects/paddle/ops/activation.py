"""Activations, by their names in version 3."""

from __future__ import annotations

from netglot.dialects.paddle.dialect import paddle
from netglot.errors import InputError, Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import normal_axis, shape_of

Known = object
_PLAIN = {
    "relu": ops.Relu, "sigmoid": ops.Sigmoid, "silu": ops.Silu, "swish": ops.Silu, "softsign": ops.Softsign,
    "logsigmoid": ops.LogSigmoid, "tanh_shrink": ops.Tanhshrink, "tanh": ops.Tanh,
}  # fmt: skip
for _name, _op in _PLAIN.items():
    paddle.reads(_name)(lambda node, x, *, _op=_op: _op(x))


@paddle.reads("relu6")
def relu6(node, x):
    return ops.Clip(x, 0.0, node.number("threshold", 6.0))


@paddle.reads("gelu")
def gelu(node, x):
    return ops.Gelu(x, node.flag("approximate"))


@paddle.reads("leaky_relu")
def leaky_relu(node, x):
    return ops.LeakyRelu(x, node.number("negative_slope", 0.02))


@paddle.reads("elu")
def elu(node, x):
    return ops.Elu(x, node.number("alpha", 1.0))


@paddle.reads("celu")
def celu(node, x):
    return ops.Celu(x, node.number("alpha", 1.0))


_SELU = (1.0507009873554805, 1.6732632423543772)


@paddle.reads("selu")
def selu(node, x):
    scale, alpha = node.number("scale", _SELU[0]), node.number("alpha", _SELU[1])
    if max(abs(scale - _SELU[0]), abs(alpha - _SELU[1])) < 1e-6:
        return ops.Selu(x)
    return ops.Multiply(ops.Elu(x, alpha), scale)


@paddle.reads("softplus")
def softplus(node, x):
    return ops.Softplus(x, node.number("beta", 1.0), node.number("threshold", 20.0))


@paddle.reads("mish")
def mish(node, x):
    return ops.Mish(x)


@paddle.reads("hardswish")
def hardswish(node, x):
    threshold, scale, offset = node.number("threshold", 6.0), node.number("scale", 6.0), node.number("offset", 3.0)
    if (threshold, scale, offset) == (6.0, 6.0, 3.0):
        return ops.Hardswish(x)
    return ops.Divide(ops.Multiply(x, ops.Clip(ops.Add(x, offset), 0.0, threshold)), scale)


@paddle.reads("hardsigmoid")
def hardsigmoid(node, x):
    slope, offset = node.number("slope", 0.2), node.number("offset", 0.5)
    if abs(slope - 1 / 6) < 1e-6 and offset == 0.5:  # the framework itself writes the sixth with seven digits
        return ops.Hardsigmoid(x)
    return ops.Clip(ops.Add(ops.Multiply(x, slope), offset), 0.0, 1.0)


@paddle.reads("hardtanh", "brelu")
def hardtanh(node, x):
    return ops.Clip(x, node.number("t_min", 0.0), node.number("t_max", 24.0))


@paddle.reads("hardshrink")
def hardshrink(node, x):
    return ops.Hardshrink(x, node.number("threshold", 0.5))


@paddle.reads("softshrink")
def softshrink(node, x):
    return ops.Softshrink(x, node.number("threshold", 0.5))


@paddle.reads("thresholded_relu")
def thresholded_relu(node, x):
    return ops.Threshold(x, node.number("threshold", 1.0), node.number("value", 0.0))


@paddle.reads("stanh")
def stanh(node, x):
    return ops.Multiply(ops.Tanh(ops.Multiply(x, node.number("scale_a", 0.67))), node.number("scale_b", 1.7159))


@paddle.reads("softmax")
def softmax(node, x):
    return ops.Softmax(x, normal_axis(node.integer("axis", -1), len(shape_of(x))))


@paddle.reads("log_softmax")
def log_softmax(node, x):
    return ops.LogSoftmax(x, normal_axis(node.integer("axis", -1), len(shape_of(x))))


@paddle.reads("fused_softmax_mask_upper_triangle")
def softmax_upper_triangle(node, x):
    rows, columns = shape_of(x)[-2:]
    ones = ops.Full((rows, columns), True, "bool")
    return ops.Softmax(ops.Where(ops.Tril(ones, 0), x, float("-inf")), len(shape_of(x)) - 1)


@paddle.reads("fused_softmax_mask")
def softmax_mask(node, x, mask):
    return ops.Softmax(ops.Add(x, mask), len(shape_of(x)) - 1)


@paddle.reads("prelu")
def prelu(node, x, alpha):
    mode, shape = node.text("mode", "all"), shape_of(x)
    axis = len(shape) - 1 if node.text("data_format", "NCHW").endswith("C") else 1
    if mode in ("all", "channel"):
        weight = node.weight(alpha, "weight")
        if len(shape_of(weight)) != 1:
            weight = ops.Reshape(weight, (max(size for size in shape_of(weight)),))
        return ops.Prelu(x, weight, min(axis, len(shape) - 1))
    if mode != "element":
        raise InputError(f"prelu: the mode {mode}")
    weight = node.weight(alpha, "weight")
    return ops.Where(ops.Greater(x, 0.0), x, ops.Multiply(weight, x))


@paddle.reads("maxout")
def maxout(node, x):
    shape, groups = list(shape_of(x)), node.integer("groups")
    axis = normal_axis(node.integer("axis", 1), len(shape))
    if groups < 1 or shape[axis] % groups:
        raise InputError(f"maxout: {shape[axis]} channels in {groups} groups")
    opened = ops.Reshape(x, (*shape[:axis], shape[axis] // groups, groups, *shape[axis + 1 :]))
    return ops.Max(opened, (axis + 1,), False)


@paddle.reads("rrelu")
def rrelu(node, x):
    return [ops.Rrelu(x, node.number("lower", 0.125), node.number("upper", 1 / 3)), None]


@paddle.reads("swiglu")
def swiglu(node, x, y=None):
    if y is not None:
        return ops.Multiply(ops.Silu(x), y)
    axis = len(shape_of(x)) - 1
    half = shape_of(x)[axis] // 2
    left, right = ops.Slice(x, axis, 0, half, 1), ops.Slice(x, axis, half, 2 * half, 1)
    return ops.Multiply(ops.Silu(left), right)


@paddle.reads("dropout")
def dropout(node, x, seed: Known = None, p: Known = None):
    """Where nothing is scaled in training, inference scales instead."""
    rate = node.scalar(p, "a rate") if p is not None else node.number("p", 0.5)
    axes = tuple(range(len(shape_of(x))))
    if not 0 <= rate <= 1:
        raise InputError(f"dropout: the rate {rate}")
    if rate == 1:
        return [ops.Multiply(x, 0.0), None]
    dropped = ops.Dropout(x, rate, axes)
    if node.text("mode", "downgrade_in_infer") == "upscale_in_train":
        return [dropped, None]
    return [ops.Multiply(dropped, float(f"{1 - rate:.7g}")), None]


paddle.refuses_reading("gumbel_softmax", never("random numbers in inference"))
for _name in ("gaussian", "uniform", "randint", "bernoulli", "multinomial", "randperm"):
    paddle.refuses_reading(_name, never("random numbers in inference are drawn differently in each framework"))
for _name in ("while", "if"):
    paddle.refuses_reading(_name, notimpl("control flow that depends on data", "export the network without it"))
for _name in ("multiclass_nms3", "matrix_nms", "yolo_box", "prior_box", "roi_align", "generate_proposals", "nms"):
    paddle.refuses_reading(_name, notimpl("operators of detection", "export the network without its last steps"))


def refused(what: str) -> Refusal:
    """A refusal of an option."""
    return Refusal(notimpl(what))
