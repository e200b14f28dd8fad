"""Activations and arithmetic, element by element."""

from __future__ import annotations

import math

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.words import axis_of, choice
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of


@caffe.reads("ReLU")
def relu(layer, x):
    slope = layer.options("relu_param").number("negative_slope", 0.0)
    return ops.LeakyRelu(x, slope) if slope else ops.Relu(x)


@caffe.reads("PReLU")
def prelu(layer, x):
    shared = layer.options("prelu_param").flag("channel_shared")
    return ops.Prelu(x, layer.weight(0, "weight", (1 if shared else shape_of(x)[1],)), 1)


@caffe.reads("ELU")
def elu(layer, x):
    return ops.Elu(x, layer.options("elu_param").number("alpha", 1.0))


@caffe.reads("ReLU6")
def relu6(layer, x):
    return ops.Clip(x, 0.0, 6.0)


@caffe.reads("Clip")
def clip(layer, x):
    options = layer.options("clip_param")
    return ops.Clip(x, options.number("min"), options.number("max"))


_PLAIN = {
    "Sigmoid": ops.Sigmoid,
    "TanH": ops.Tanh,
    "AbsVal": ops.Abs,
    "BNLL": lambda x: ops.Softplus(x, 1.0, float("inf")),
    "Mish": ops.Mish,
}
for _name, _op in _PLAIN.items():
    caffe.reads(_name)(lambda layer, x, op=_op: op(x))


@caffe.reads("Swish")
def swish(layer, x):
    beta = layer.options("swish_param").number("beta", 1.0)
    return ops.Silu(x) if beta == 1 else ops.Multiply(x, ops.Sigmoid(ops.Multiply(x, beta)))


def _affine(x, factor: float, offset: float):
    y = x if factor == 1 else ops.Multiply(x, factor)
    return y if offset == 0 else ops.Add(y, offset)


@caffe.reads("Power")
def power(layer, x):
    options = layer.options("power_param")
    inner = _affine(x, options.number("scale", 1.0), options.number("shift", 0.0))
    exponent = options.number("power", 1.0)
    if exponent == 1:
        return ops.Identity(inner) if inner is x else inner
    return ops.Square(inner) if exponent == 2 else ops.Power(inner, exponent)


@caffe.reads("Exp")
def exp(layer, x):
    options = layer.options("exp_param")
    base = options.number("base", -1.0)
    inner = _affine(x, options.number("scale", 1.0), options.number("shift", 0.0))
    if base != -1 and base <= 0:
        raise InputError(f"layer {layer.spec.name}: the base {base}")
    return ops.Exp(inner if base == -1 else ops.Multiply(inner, math.log(base)))


@caffe.reads("Log")
def log(layer, x):
    options = layer.options("log_param")
    base = options.number("base", -1.0)
    found = ops.Log(_affine(x, options.number("scale", 1.0), options.number("shift", 0.0)))
    if base != -1 and (base <= 0 or base == 1):
        raise InputError(f"layer {layer.spec.name}: the base {base}")
    return found if base == -1 else ops.Divide(found, math.log(base))


@caffe.reads("Threshold")
def threshold(layer, x):
    return ops.Cast(ops.Greater(x, layer.options("threshold_param").number("threshold", 0.0)), "float32")


@caffe.reads("Eltwise")
def eltwise(layer, *xs):
    options = layer.options("eltwise_param")
    kind = choice(options, "operation", ("PROD", "SUM", "MAX"), "SUM")
    factors = [float(f"{one:.7g}") for one in options.all("coeff")] if kind == "SUM" else []
    if factors and len(factors) != len(xs):
        raise InputError(f"layer {layer.spec.name}: {len(factors)} coefficients for {len(xs)} bottoms")
    if any(shape_of(x) != shape_of(xs[0]) for x in xs):
        raise InputError(f"layer {layer.spec.name}: bottoms of different shapes")
    join = {"PROD": ops.Multiply, "SUM": ops.Add, "MAX": ops.Maximum}[kind]
    total = _scaled(xs[0], factors[0] if factors else 1.0)
    for i, x in enumerate(xs[1:], 1):
        factor = factors[i] if factors else 1.0
        total = ops.Subtract(total, x) if factor == -1 else join(total, _scaled(x, factor))
    return total if len(xs) > 1 or factors else ops.Identity(total)


def _scaled(x, factor: float):
    return x if factor == 1 else ops.Multiply(x, factor)


@caffe.reads("Softmax")
def softmax(layer, x):
    return ops.Softmax(x, axis_of(layer.options("softmax_param"), len(shape_of(x))))


@caffe.reads("ArgMax")
def argmax(layer, x):
    options = layer.options("argmax_param")
    shape, top = shape_of(x), options.integer("top_k", 1)
    whole = "axis" not in options
    values = options.flag("out_max_val")
    if values and not whole:
        if top != 1:
            raise Refusal(notimpl("the largest values of an axis, more than one"))
        return ops.Max(x, (axis_of(options, len(shape)),), True)
    if whole:
        features = 1
        for size in shape[1:]:
            features = features * size
        x, axis = ops.Reshape(x, (shape[0], 1, features)), 2
    else:
        axis = axis_of(options, len(shape))
    if top == 1 and not values:
        found = ops.Cast(ops.Argmax(x, axis, True), "float32")
        return found
    best = ops.TopK(x, top, axis, True, "int64")
    from netglot.pivot.graph import Part

    indices = ops.Cast(Part(best, 1), "float32")
    return ops.Concat((indices, Part(best, 0)), 1) if values else indices


@caffe.reads("Dropout")
def dropout(layer, x):
    rate = layer.options("dropout_param").number("dropout_ratio", 0.5)
    return ops.Dropout(x, rate, tuple(range(len(shape_of(x)))))
