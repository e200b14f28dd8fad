"""Operations of ML Programs: arithmetic, layers, recurrences."""

from __future__ import annotations

import math

import numpy as np

from netglot.dialects.coreml.dialect import coreml
from netglot.dialects.coreml.ops.neural import same_padding
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import dtype_of, is_scalar, shape_of

_UNARY = {
    "abs": ops.Abs, "acos": ops.Acos, "asin": ops.Asin, "atan": ops.Atan, "atanh": ops.Atanh, "ceil": ops.Ceil,
    "cos": ops.Cos, "cosh": ops.Cosh, "erf": ops.Erf, "exp": ops.Exp, "exp2": ops.Exp2, "floor": ops.Floor,
    "round": ops.Round, "sign": ops.Sign, "sin": ops.Sin, "sinh": ops.Sinh, "sqrt": ops.Sqrt, "square": ops.Square,
    "tan": ops.Tan, "tanh": ops.Tanh, "relu": ops.Relu, "sigmoid": ops.Sigmoid, "silu": ops.Silu,
    "softsign": ops.Softsign, "identity": ops.Identity, "logical_not": ops.LogicalNot,
}  # fmt: skip
_BINARY = {
    "add": ops.Add, "sub": ops.Subtract, "mul": ops.Multiply, "real_div": ops.Divide, "floor_div": ops.FloorDivide,
    "mod": ops.Remainder, "pow": ops.Power, "maximum": ops.Maximum, "minimum": ops.Minimum, "equal": ops.Equal,
    "not_equal": ops.NotEqual, "greater": ops.Greater, "greater_equal": ops.GreaterEqual, "less": ops.Less,
    "less_equal": ops.LessEqual, "logical_and": ops.LogicalAnd, "logical_or": ops.LogicalOr,
    "logical_xor": ops.LogicalXor,
}  # fmt: skip
_REDUCED = {
    "sum": ops.Sum, "mean": ops.Mean, "max": ops.Max, "min": ops.Min, "prod": ops.Prod, "log_sum_exp": ops.LogSumExp,
}  # fmt: skip
_DTYPES = {"fp16": "float32", "fp32": "float32", "int32": "int32", "bool": "bool", "int16": "int32", "uint16": "int32",
           "int8": "int32", "uint8": "int32"}  # fmt: skip

for _name, _op in _UNARY.items():
    coreml.reads(f"mil.{_name}")(lambda work, op=_op: op(work.tensor()))


def _pair(op):
    def read(work):
        x, y = work.operand("x"), work.operand("y")
        return op(work.tensor() if is_scalar(x) and is_scalar(y) else x, y)

    return read


for _name, _op in _BINARY.items():
    coreml.reads(f"mil.{_name}")(_pair(_op))

_SHIFTED = {"inverse": (ops.Reciprocal, 1e-4), "log": (ops.Log, 1e-45), "rsqrt": (ops.Rsqrt, 1e-12)}


@coreml.reads(*(f"mil.{name}" for name in _SHIFTED))
def shifted(work):
    """Functions whose argument has a little added to it."""
    op, default = _SHIFTED[work.operation.type]
    epsilon = work.number("epsilon", default)
    return op(ops.Add(work.tensor(), epsilon) if epsilon > 1e-30 else work.tensor())


@coreml.reads("mil.cast")
def cast(work):
    from netglot.dialects.coreml.program import Sizes

    dtype, held = _DTYPES.get(work.text("dtype")), work.raw("x")
    if dtype is None:
        raise Refusal(notimpl(f"a conversion to {work.text('dtype')}"))
    if isinstance(held, Sizes):
        return held
    x = work.tensor()
    return ops.Identity(x) if dtype_of(x) == dtype else ops.Cast(x, dtype)


# -- activations


@coreml.reads("mil.relu6")
def relu6(work):
    return ops.Clip(work.tensor(), 0.0, 6.0)


@coreml.reads("mil.clip")
def clip(work):
    return ops.Clip(work.tensor(), work.number("alpha"), work.number("beta"))


@coreml.reads("mil.clamped_relu")
def clamped_relu(work):
    return ops.Minimum(ops.LeakyRelu(work.tensor(), work.number("alpha")), work.number("beta"))


@coreml.reads("mil.leaky_relu")
def leaky_relu(work):
    return ops.LeakyRelu(work.tensor(), work.number("alpha", 0.01))


@coreml.reads("mil.elu")
def elu(work):
    return ops.Elu(work.tensor(), work.number("alpha", 1.0))


@coreml.reads("mil.gelu")
def gelu(work):
    mode, x = work.text("mode", "EXACT"), work.tensor()
    if mode == "SIGMOID_APPROXIMATION":
        return ops.Multiply(x, ops.Sigmoid(ops.Multiply(x, 1.702)))
    return ops.Gelu(x, mode == "TANH_APPROXIMATION")


@coreml.reads("mil.linear_activation")
def linear_activation(work):
    return ops.Add(ops.Multiply(work.tensor(), work.number("alpha")), work.number("beta"))


@coreml.reads("mil.scaled_tanh")
def scaled_tanh(work):
    return ops.Multiply(ops.Tanh(ops.Multiply(work.tensor(), work.number("beta"))), work.number("alpha"))


@coreml.reads("mil.sigmoid_hard")
def sigmoid_hard(work):
    line = ops.Add(ops.Multiply(work.tensor(), work.number("alpha", 0.2)), work.number("beta", 0.5))
    return ops.Clip(line, 0.0, 1.0)


@coreml.reads("mil.softplus")
def softplus(work):
    return ops.Softplus(work.tensor(), 1.0, math.inf)


@coreml.reads("mil.prelu")
def prelu(work):
    return ops.Prelu(work.tensor(), work.weight("alpha", "weight"), 1)


@coreml.reads("mil.thresholded_relu")
def thresholded_relu(work):
    x, alpha = work.tensor(), work.number("alpha", 1.0)
    return ops.Where(ops.GreaterEqual(x, alpha), x, 0.0)


@coreml.reads("mil.threshold")
def threshold(work):
    return ops.Maximum(work.tensor(), work.number("alpha"))


@coreml.reads("mil.softmax")
def softmax(work):
    x = work.tensor()
    return ops.Softmax(x, axis_of(work.integer("axis", -1), x))


def axis_of(axis: int, x) -> int:
    """An axis counted from the front.

    Raises:
        InputError: there is no such axis.
    """
    rank = len(shape_of(x))
    if not -rank <= axis < rank:
        raise InputError(f"the axis {axis} of {rank}")
    return axis % rank


def axes_of(work, name: str, x) -> tuple[int, ...]:
    """Axes, all where none is said."""
    given = work.integers(name) if work.raw(name) is not None else range(len(shape_of(x)))
    return tuple(sorted(axis_of(one, x) for one in given))


# -- layers


def _window(work, x, kernel, dilation) -> tuple:
    n = len(kernel)
    stride = work.integers("strides", (1,) * n)
    pads, kind = work.integers("pad", (0,) * (2 * n)), work.text("pad_type", "valid")
    if kind in ("same", "same_lower"):
        padding = tuple(same_padding(shape_of(x)[2:], kernel, stride, dilation, kind == "same_lower"))
    elif kind == "custom":
        padding = tuple(zip(pads[::2], pads[1::2], strict=True))
    else:
        padding = ((0, 0),) * n
    if not len(stride) == len(padding) == len(shape_of(x)) - 2 == n or min(*stride, *kernel) < 1:
        raise InputError(f"{work.operation.type}: a window of {list(kernel)} over {list(shape_of(x))}")
    return stride, padding


@coreml.reads("mil.conv")
def conv(work):
    x, weight = work.tensor(), work.weight("weight", "weight")
    kernel = shape_of(weight)[2:]
    dilation = work.integers("dilations", (1,) * len(kernel))
    stride, padding = _window(work, x, kernel, dilation)
    return ops.Conv(x, weight, work.weight("bias", "bias"), stride, padding, dilation, work.integer("groups", 1), 1)


@coreml.reads("mil.conv_transpose")
def conv_transpose(work):
    x, weight = work.tensor(), work.weight("weight", "weight")
    kernel = shape_of(weight)[2:]
    dilation, groups = work.integers("dilations", (1,) * len(kernel)), work.integer("groups", 1)
    if work.text("pad_type", "valid") not in ("valid", "custom"):
        raise Refusal(notimpl("a transposed convolution that is padded to a multiple of its size"))
    stride, padding = _window(work, x, kernel, dilation)
    more = [0] * len(kernel)
    if work.raw("output_shape") is not None:
        wanted = work.integers("output_shape")[-len(kernel) :]
        for i, (size, want) in enumerate(zip(shape_of(x)[2:], wanted, strict=True)):
            have = (size - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 - sum(padding[i])
            more[i] = want - have
    if any(not isinstance(one, int) or one < 0 for one in more):
        raise Refusal(notimpl("a transposed convolution to a size that is not known"))
    return ops.ConvTranspose(x, weight, work.weight("bias", "bias"), stride, padding, tuple(more), dilation, groups, 1)


@coreml.reads("mil.linear")
def linear(work):
    return ops.Linear(work.tensor(), work.weight("weight", "weight"), work.weight("bias", "bias"))


@coreml.reads("mil.matmul")
def matmul(work):
    x, y = (work.weight(name, "weight") if name == "y" else work.tensor(name) for name in ("x", "y"))
    for name in ("x", "y"):
        if work.flag(f"transpose_{name}"):
            held = x if name == "x" else y
            rank = len(shape_of(held))
            turned = ops.Permute(held, (*range(rank - 2), rank - 1, rank - 2))
            x, y = (turned, y) if name == "x" else (x, turned)
    return ops.Matmul(x, y)


@coreml.reads("mil.einsum")
def einsum(work):
    return ops.Einsum(tuple(work.tensor_of(one) for one in work.all("values")), work.text("equation").replace(" ", ""))


@coreml.reads("mil.max_pool", "mil.avg_pool")
def pool(work):
    x = work.tensor()
    kernel = work.integers("kernel_sizes")
    stride, padding = _window(work, x, kernel, (1,) * len(kernel))
    axes, ceil = tuple(range(2, len(shape_of(x)))), work.flag("ceil_mode")
    if work.operation.type == "max_pool":
        return ops.MaxPool(x, kernel, stride, padding, (1,) * len(kernel), ceil, axes)
    counted = not work.flag("exclude_padding_from_average")
    return ops.AvgPool(x, kernel, stride, padding, ceil, counted, None, axes)


@coreml.reads("mil.batch_norm")
def batch_norm(work):
    x = work.tensor()
    mean, variance = work.weight("mean", "running_mean"), work.weight("variance", "running_var")
    for one in (mean, variance):
        one.kind, one.trainable = "buffer", False
    epsilon = work.number("epsilon", 1e-5)
    scale, offset = work.weight("gamma", "weight"), work.weight("beta", "bias")
    return ops.BatchNorm(x, scale, offset, mean, variance, epsilon, 0.1, True, 1)


@coreml.reads("mil.instance_norm")
def instance_norm(work):
    scale, offset = work.weight("gamma", "weight"), work.weight("beta", "bias")
    return ops.InstanceNorm(work.tensor(), scale, offset, work.number("epsilon", 1e-5), 1)


@coreml.reads("mil.layer_norm")
def layer_norm(work):
    x = work.tensor()
    axes = axes_of(work, "axes", x)
    scale, offset = work.weight("gamma", "weight"), work.weight("beta", "bias")
    return ops.LayerNorm(x, scale, offset, work.number("epsilon", 1e-5), axes)


@coreml.reads("mil.local_response_norm")
def local_response_norm(work):
    told = work.number("alpha", 1e-4), work.number("beta", 0.75), work.number("k", 1.0)
    return ops.LocalResponseNorm(work.tensor(), work.integer("size"), *told, 1)


@coreml.reads(*(f"mil.reduce_{name}" for name in _REDUCED))
def reduced(work):
    x = work.tensor()
    op = _REDUCED[work.operation.type.removeprefix("reduce_")]
    return op(x, axes_of(work, "axes", x), work.flag("keep_dims"))


@coreml.reads("mil.reduce_l1_norm", "mil.reduce_l2_norm", "mil.reduce_sum_square")
def reduced_norm(work):
    x, kind = work.tensor(), work.operation.type
    told = axes_of(work, "axes", x), work.flag("keep_dims")
    if kind == "reduce_sum_square":
        return ops.Sum(ops.Square(x), *told)
    return ops.Norm(x, *told, 1.0 if kind == "reduce_l1_norm" else 2.0)


@coreml.reads("mil.reduce_argmax", "mil.reduce_argmin")
def place(work):
    x = work.tensor()
    op = ops.Argmax if work.operation.type.endswith("max") else ops.Argmin
    return ops.Cast(op(x, axis_of(work.integer("axis", -1), x), work.flag("keep_dims", True)), "int32")


@coreml.reads("mil.scaled_dot_product_attention")
def attention(work):
    query, key, value = (work.tensor(name) for name in ("query", "key", "value"))
    if len(shape_of(query)) != 4:
        raise Refusal(notimpl("attention over tensors of another rank than 4"))
    mask = None if work.raw("attn_mask") is None else work.tensor("attn_mask")
    return ops.Attention(query, key, value, mask, shape_of(query)[-1] ** -0.5, False, 0.0, 1)


# -- recurrences


def _gates(count: int, order: tuple[int, ...]):
    """The rows of gates in the pivot's order."""

    def arranged(array):
        parts = np.split(np.asarray(array), count)
        return np.concatenate([parts[one] for one in order])

    return arranged


@coreml.reads("mil.lstm")
def lstm(work):
    """Rows of gates stand in the order input, forget, output, cell."""
    words = (
        work.text("recurrent_activation", "sigmoid"),
        work.text("cell_activation", "tanh"),
        work.text("activation", "tanh"),
    )
    if words != ("sigmoid", "tanh", "tanh") or any(work.raw(one) is not None for one in ("peephole", "clip")):
        raise Refusal(notimpl("an LSTM of other activations, with peepholes or with clipping"))
    x, order = work.tensor(), _gates(4, (0, 1, 3, 2))
    kind = work.text("direction", "forward")
    ends = ("", "_back") if kind == "bidirectional" else ("",)

    def held(name: str) -> tuple:
        found = (work.weight(f"{name}{end}", f"{name}{end}", order) for end in ends)
        return tuple(one for one in found if one is not None)

    w_ih, w_hh, bias = held("weight_ih"), held("weight_hh"), held("bias")
    hidden = shape_of(w_hh[0])[1]
    starts = [_starts(work, name, len(ends), hidden) for name in ("initial_h", "initial_c")]
    direction = {"forward": "forward", "reverse": "backward", "bidirectional": "both"}[kind]
    op = ops.Lstm(x, *starts, w_ih, w_hh, bias, (), direction, 0, None, False)
    states = [[Part(op, 1 + s + 2 * d) for d in range(len(ends))] for s in (0, 1)]
    h, c = (one[0] if len(one) == 1 else ops.Concat(tuple(one), 1) for one in states)
    if work.flag("output_sequence"):
        return [Part(op, 0), h, c]
    return [ops.Reshape(h, (1, *shape_of(h))), h, c]


def _starts(work, name: str, sides: int, hidden: int) -> tuple:
    """The first states of each direction; none where they are zeros."""
    from netglot.formats.mlprogram import Held

    held = work.raw(name)
    if isinstance(held, Held) and not np.any(held.value):
        return ()
    x = work.tensor(name)
    return (x,) if sides == 1 else tuple(ops.Slice(x, 1, i * hidden, (i + 1) * hidden, 1) for i in range(sides))
