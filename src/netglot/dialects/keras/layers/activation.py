"""Activations that are layers of their own."""

from __future__ import annotations

import math
from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.activation import full_relu, softmax
from netglot.dialects.keras.functions.axes import truth
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of


@keras.reads("layers.Activation")
def activation(layer, inputs):
    return layer.activated(layer.activation, inputs)


@keras.reads("layers.ReLU")
def relu(layer, inputs):
    return full_relu(inputs, float(layer.negative_slope), layer.max_value, float(layer.threshold))


@keras.reads("layers.LeakyReLU")
def leaky_relu(layer, inputs):
    return ops.LeakyRelu(inputs, float(layer.negative_slope))


@keras.reads("layers.ELU")
def elu(layer, inputs):
    return ops.Elu(inputs, float(layer.alpha))


@keras.reads("layers.PReLU")
def prelu(layer, inputs):
    """A slope for each place of one axis is the pivot's op; any other shape is written with its parts."""
    shape = shape_of(layer.alpha)
    varied = [i for i, size in enumerate(shape) if size != 1]
    if len(varied) <= 1:
        place = varied[0] if varied else len(shape) - 1
        slope = layer.alpha if len(shape) == 1 else ops.Reshape(layer.alpha, (math.prod(shape),))
        return ops.Prelu(inputs, slope, place + 1)
    below = ops.Multiply(ops.Negative(layer.alpha), ops.Relu(ops.Negative(inputs)))
    return ops.Add(ops.Relu(inputs), below)


@keras.reads("layers.Softmax")
def softmax_layer(layer, inputs, mask=None):
    """Masked places get a very low logit before and zero after, so a row without any place is all zeros."""
    if mask is None:
        return softmax(inputs, layer.axis)
    mask = truth(mask) if type_of(mask).dtype == "bool" else ops.Greater(mask, 0.5)
    low = -3e4 if type_of(inputs).dtype == "float16" else -1e9
    held: Any = softmax(ops.Where(mask, inputs, low), layer.axis)
    return ops.Where(mask, held, 0.0)
