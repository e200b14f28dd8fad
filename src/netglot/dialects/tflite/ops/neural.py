"""Convolutions, pools, activations and norms. Data is always channels-last."""

from __future__ import annotations

import numpy as np

from netglot.dialects.keras.functions import windows
from netglot.dialects.tflite.dialect import tflite
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import shape_of

_PADDING = {0: "same", 1: "valid"}


def _word(node, field: int = 0) -> str:
    return _PADDING[node.number(field, "b") & 1]


def _bias(node, bias):
    return None if bias is None else node.weight(bias, "bias")


def _strides(*numbers: int) -> tuple[int, ...]:
    if min(numbers) < 1:
        raise InputError(f"steps of {list(numbers)}")
    return numbers


@tflite.reads("CONV_2D")
def conv_2d(node, x, kernel, bias=None):
    kernel = node.weight(kernel, "weight")
    _, *size, inputs = shape_of(kernel)
    stride, dilation = (
        _strides(node.number(2), node.number(1)),
        _strides(node.number(5, "i", 1), node.number(4, "i", 1)),
    )
    pads = windows.paddings(x, (1, 2), size, stride, dilation, _word(node))
    if inputs < 1 or shape_of(x)[3] % inputs:
        raise InputError(f"{shape_of(x)[3]} channels and a kernel for {inputs}")
    groups = shape_of(x)[3] // inputs
    y = ops.Conv(x, ops.Permute(kernel, (0, 3, 1, 2)), _bias(node, bias), stride, pads, dilation, groups, 3)
    return node.activated(y, 3)


@tflite.reads("CONV_3D")
def conv_3d(node, x, kernel, bias=None):
    kernel = node.weight(kernel, "weight")
    *size, _, _ = shape_of(kernel)
    stride = _strides(*(node.number(i) for i in (1, 3, 2)))
    dilation = _strides(*(node.number(i, "i", 1) for i in (5, 7, 6)))
    pads = windows.paddings(x, (1, 2, 3), size, stride, dilation, _word(node))
    weight = ops.Permute(kernel, (4, 3, 0, 1, 2))
    return node.activated(ops.Conv(x, weight, _bias(node, bias), stride, pads, dilation, 1, 4), 4)


@tflite.reads("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(node, x, kernel, bias=None):
    kernel = node.weight(kernel, "weight")
    _, *size, out = shape_of(kernel)
    groups = shape_of(x)[3]
    if groups < 1 or out % groups:
        raise InputError(f"{groups} channels to {out}, each by itself")
    stride, dilation = (
        _strides(node.number(2), node.number(1)),
        _strides(node.number(6, "i", 1), node.number(5, "i", 1)),
    )
    pads = windows.paddings(x, (1, 2), size, stride, dilation, _word(node))
    y = ops.Conv(x, ops.Permute(kernel, (3, 0, 1, 2)), _bias(node, bias), stride, pads, dilation, groups, 3)
    return node.activated(y, 4)


@tflite.reads("TRANSPOSE_CONV")
def transpose_conv(node, shape, kernel, x, bias=None):
    kernel = node.weight(kernel, "weight")
    turned = ops.Permute(kernel, (1, 2, 0, 3))
    strides = (1, *_strides(node.number(2), node.number(1)), 1)
    y = node.tensorflow(
        "Conv2DBackpropInput", input_sizes=shape, filter=turned, out_backprop=x, strides=strides,
        padding=_word(node).upper(),
    )  # fmt: skip
    y = y if bias is None else y.replace(bias=_bias(node, bias))
    return node.activated(y, 3)


@tflite.reads("FULLY_CONNECTED")
def fully_connected(node, x, weight, bias=None):
    if node.number(1, "b"):
        raise Refusal(notimpl("weights in a shuffled order"))
    features = shape_of(weight)[1]
    shape = shape_of(x)
    if (not node.flag(2) and len(shape) != 2) or shape[-1] != features:
        x = ops.Reshape(x, (product(shape) // features, features))
    if isinstance(weight, np.ndarray):
        return node.activated(ops.Linear(x, node.weight(weight, "weight"), _bias(node, bias)), 0)
    y = ops.Matmul(x, ops.Permute(weight, (1, 0)))
    return node.activated(y if bias is None else ops.Add(y, node.operand(bias)), 0)


def _window(node, x):
    size, stride = (node.number(4), node.number(3)), (node.number(2), node.number(1))
    _strides(*size, *stride)
    return size, stride, windows.paddings(x, (1, 2), size, stride, (1, 1), _word(node))


@tflite.reads("MAX_POOL_2D")
def max_pool_2d(node, x):
    size, stride, pads = _window(node, x)
    return node.activated(ops.MaxPool(x, size, stride, pads, (1, 1), False, (1, 2)), 5)


@tflite.reads("AVERAGE_POOL_2D")
def average_pool_2d(node, x):
    size, stride, pads = _window(node, x)
    return node.activated(ops.AvgPool(x, size, stride, pads, False, False, None, (1, 2)), 5)


@tflite.reads("L2_POOL_2D")
def l2_pool_2d(node, x):
    size, stride, pads = _window(node, x)
    mean = ops.AvgPool(ops.Square(x), size, stride, pads, False, False, None, (1, 2))
    return node.activated(ops.Sqrt(mean), 5)


@tflite.reads("SOFTMAX")
def softmax(node, x):
    beta = node.decimal(0)
    return ops.Softmax(x if beta == 1 else ops.Multiply(x, beta), len(shape_of(x)) - 1)


@tflite.reads("LOG_SOFTMAX")
def log_softmax(node, x):
    return ops.LogSoftmax(x, len(shape_of(x)) - 1)


_ACTIVATIONS = {
    "RELU": ops.Relu,
    "RELU6": lambda x: ops.Clip(x, 0.0, 6.0),
    "RELU_N1_TO_1": lambda x: ops.Clip(x, -1.0, 1.0),
    "RELU_0_TO_1": lambda x: ops.Clip(x, 0.0, 1.0),
    "ELU": lambda x: ops.Elu(x, 1.0),
    "HARD_SWISH": ops.Hardswish,
}
for _name, _op in _ACTIVATIONS.items():
    tflite.reads(_name)(lambda node, x, op=_op: op(x))


@tflite.reads("GELU")
def gelu(node, x):
    return ops.Gelu(x, node.flag(0))


@tflite.reads("LEAKY_RELU")
def leaky_relu(node, x):
    return ops.LeakyRelu(x, node.decimal(0))


@tflite.reads("PRELU")
def prelu(node, x, alpha):
    shape = shape_of(alpha)
    last = len(shape_of(x)) - 1
    if isinstance(alpha, np.ndarray) and (
        alpha.size == 1 or (shape[-1:] == shape_of(x)[-1:] and alpha.size == shape[-1])
    ):
        return ops.Prelu(x, ops.Reshape(node.weight(alpha, "weight"), (alpha.size,)), last)
    return ops.Add(ops.Relu(x), ops.Multiply(node.weight(alpha, "weight"), ops.Minimum(x, 0.0)))


@tflite.reads("L2_NORMALIZATION")
def l2_normalization(node, x):
    last = len(shape_of(x)) - 1
    norm = ops.Sqrt(ops.Sum(ops.Square(x), (last,), True))
    return node.activated(ops.Divide(x, ops.Maximum(norm, 1e-6)), 0)


@tflite.reads("LOCAL_RESPONSE_NORMALIZATION")
def local_response_normalization(node, x):
    return node.tensorflow(
        "LRN", input=x, depth_radius=node.number(0), bias=node.decimal(1), alpha=node.decimal(2), beta=node.decimal(3)
    )
