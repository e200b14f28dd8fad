"""Ops as sections. "affine" stands for one factor and one offset a channel, "activation" for what a section ends in,
"same" for nothing at all; the writer makes them part of a section before, or a section of their own."""

from __future__ import annotations

import numpy as np

from netglot.dialects.darknet.activations import ACTIVATIONS
from netglot.dialects.darknet.dialect import darknet
from netglot.dialects.steps import held, several, step
from netglot.errors import Refusal, never
from netglot.passes.composed import neural
from netglot.pivot import ops
from netglot.pivot.op import is_scalar, shape_of

RUN_ALIKE = ("relu", "leaky", "swish", "mish", "logistic", "tanh")
"""The activations of both Darknet and OpenCV."""


def _activation_named(op) -> str | None:
    """The activation that an op is, by what the reader reads as which."""
    for name in RUN_ALIKE:
        found = ACTIVATIONS[name](op.x)
        if type(found) is type(op) and found.attributes() == op.attributes():
            return name
    return None


@darknet.writes(ops.Relu, ops.Sigmoid, ops.Tanh, ops.Silu, ops.Mish, ops.LeakyRelu)
def activation(op):
    name = _activation_named(op)
    if name is None:
        raise Refusal(never("Darknet's leaky rectifier has a slope of 0.1"))
    return step("activation", op.x, activation=name)


def _square(values, what: str) -> int:
    """The one value of both sides.

    Raises:
        Refusal: there are two.
    """
    if len(set(values)) != 1:
        raise Refusal(never(f"Darknet has one {what} for both sides of a window"))
    return int(values[0])


def _picture(op) -> None:
    if len(shape_of(op.x)) != 4:
        raise Refusal(never(f"Darknet's sections work on pictures, and this tensor has {len(shape_of(op.x))} axes"))


@darknet.writes(ops.Conv)
def conv(op):
    _picture(op)
    if any(d != 1 for d in op.dilation):
        raise Refusal(never("OpenCV takes no notice of a dilation in Darknet's files"))
    pads = [side for pair in op.padding for side in pair]
    if any(side < 0 for side in pads):
        raise Refusal(never("Darknet pads by no less than nothing"))
    size, stride = _square(shape_of(op.weight)[2:], "size"), _square(op.stride, "stride")
    told = {"filters": shape_of(op.weight)[0], "size": size, "stride": stride, "padding": _square(pads, "padding")}
    if op.groups != 1:
        told["groups"] = op.groups
    return step("convolutional", op.x, weight=held("weight", op.weight), bias=held("bias", op.bias), **told)


@darknet.writes(ops.Linear)
def linear(op):
    if len(shape_of(op.x)) != 2:
        raise Refusal(never("Darknet connects all of an example, and not parts of it"))
    told = {"output": shape_of(op.weight)[0]}
    return step("connected", op.x, weight=held("weight", op.weight), bias=held("bias", op.bias), **told)


@darknet.writes(ops.BatchNorm)
def batch_norm(op):
    if op.mean is None:
        raise Refusal(never("Darknet has no norm by the statistics of a batch"))
    scale = ops.Reciprocal(ops.Sqrt(ops.Add(op.variance, op.epsilon)))
    scale = scale if op.scale is None else ops.Multiply(scale, op.scale)
    shift = ops.Negative(ops.Multiply(op.mean, scale))
    shift = shift if op.offset is None else ops.Add(shift, op.offset)
    return affine(op.x, scale, shift)


def affine(x, scale, shift):
    """One factor and one offset for each channel."""
    if len(shape_of(x)) not in (2, 4):
        raise Refusal(never("Darknet's sections work on pictures"))
    return step("affine", x, scale=held("scale", scale), shift=held("shift", shift))


def _each(x, value):
    """A number or a tensor as one number for each channel of `x`.

    Raises:
        Refusal: it is neither.
    """
    shape = shape_of(x)
    if len(shape) < 2:
        raise Refusal(never("Darknet's sections work on pictures"))
    channels = shape[1]
    if is_scalar(value):
        return np.full(channels, float(value), "float32")
    wide = (*(1,) * (len(shape) - len(shape_of(value))), *shape_of(value))
    if len(wide) != len(shape) or wide[0] != 1 or wide[1] not in (1, channels) or any(n != 1 for n in wide[2:]):
        raise Refusal(never("Darknet joins tensors of one shape, or with one number a channel"))
    flat = ops.Reshape(value, (wide[1],))
    return flat if wide[1] == channels else ops.Broadcast(flat, (channels,))


def _is_plain(x) -> bool:
    """Whether an operand is a number or known beforehand: the other one is the picture."""
    return is_scalar(x) or hasattr(x, "load") or isinstance(x, np.ndarray)


def _ordered(op):
    return (op.y, op.x) if _is_plain(op.x) or shape_of(op.x) != shape_of(op) else (op.x, op.y)


@darknet.writes(ops.Add)
def add(op):
    x, y = _ordered(op)
    if not is_scalar(y) and shape_of(x) == shape_of(y) and not _is_plain(y):
        _picture(op)
        return step("shortcut", x, y)
    return affine(x, _each(x, 1.0), _each(x, y))


@darknet.writes(ops.Multiply)
def multiply(op):
    x, y = _ordered(op)
    if not is_scalar(y) and not _is_plain(y):
        if len(shape_of(x)) == 4 and shape_of(x) == shape_of(y):
            return step("sam", x, y)
        if len(shape_of(x)) == 4 and shape_of(y) == (*shape_of(x)[:2], 1, 1):
            return step("scale_channels", y, x)
    return affine(x, _each(x, y), _each(x, 0.0))


@darknet.writes(ops.Subtract)
def subtract(op):
    if is_scalar(op.x):
        return affine(op.y, _each(op.y, -1.0), _each(op.y, op.x))
    if is_scalar(op.y):
        return affine(op.x, _each(op.x, 1.0), _each(op.x, -op.y))
    return step("shortcut", ops.Multiply(op.y, -1.0), op.x)


@darknet.writes(ops.Negative)
def negative(op):
    return step("same", ops.Multiply(op.x, -1.0))


@darknet.writes(ops.Divide)
def divide(op):
    if not is_scalar(op.y):
        raise Refusal(never("Darknet divides by numbers only"))
    return step("same", ops.Multiply(op.x, 1 / op.y))


@darknet.writes(ops.Clip)
def clip(op):
    """Of two rectifiers, because not everyone who runs Darknet's files has a layer for it."""
    if not (is_scalar(op.low) or op.low is None) or not (is_scalar(op.high) or op.high is None):
        raise Refusal(never("Darknet's bounds are numbers"))
    x = op.x
    if op.low is not None:
        x = ops.Add(ops.Relu(ops.Add(x, -op.low) if op.low else x), op.low) if op.low else ops.Relu(x)
    if op.high is not None:
        x = ops.Subtract(op.high, ops.Relu(ops.Subtract(op.high, x)))
    return step("same", x)


@darknet.writes(ops.MaxPool)
def max_pool(op):
    _picture(op)
    if any(d != 1 for d in op.dilation):
        raise Refusal(never("Darknet's pools have no dilation"))
    amounts = [
        (before, after + max(extra, 0)) for (before, after), extra in zip(op.padding, op.overhangs(), strict=True)
    ]
    total = _square([before + after for before, after in amounts], "padding")
    if any(before != total // 2 for before, _ in amounts):
        raise Refusal(never("Darknet pads a pool as much before as behind, and the odd one behind"))
    return step("maxpool", op.x, size=_square(op.kernel, "size"), stride=_square(op.stride, "stride"), padding=total)


@darknet.lowers(ops.AvgPool)
def mean_as_convolution(op):
    """Means of windows are a convolution of each channel with one weight."""
    apart = neural.average(op)
    if apart is not None:
        return apart
    _picture(op)
    if all(k == 1 for k in op.kernel) and all(s == 1 for s in op.stride):
        return ops.Identity(op.x)
    padded = any(side for pair in op.padding for side in pair)
    if (padded and not op.count_include_pad) or any(not isinstance(e, int) or e > 0 for e in op.overhangs()):
        raise Refusal(never("Darknet has no means that leave the padding out"))
    channels = shape_of(op.x)[1]
    weight = np.full((channels, 1, *op.kernel), 1 / np.prod(op.kernel), "float32")
    return ops.Conv(op.x, weight, None, op.stride, op.padding, (1, 1), channels, 1)


@darknet.writes(ops.Mean)
def mean(op):
    if len(shape_of(op.x)) != 4 or tuple(sorted(op.axes)) != (2, 3):
        raise Refusal(never("Darknet's means go over all of a picture"))
    made = step("avgpool", op.x)
    return made if op.keepdims else step("flat", made)


@darknet.writes(ops.Identity, ops.StopGradient)
def identity(op):
    return step("same", op.x)


@darknet.writes(ops.Dropout)
def dropout(op):
    return step("dropout", op.x, probability=op.rate)


@darknet.writes(ops.Softmax)
def softmax(op):
    if op.axis != 1 or any(size != 1 for size in shape_of(op.x)[2:]):
        raise Refusal(never("Darknet's softmax is the end of a classifier"))
    return step("softmax", op.x, groups=1)


@darknet.writes(ops.Reshape)
def reshape(op):
    """Only what a connected section does by itself."""
    before, after = shape_of(op.x), tuple(op.shape)
    if len(after) == 2 and len(before) == 4 and before[0] == after[0]:
        return step("flat", op.x)
    raise Refusal(never("Darknet flattens pictures before a connected section, and reshapes nothing else"))


@darknet.writes(ops.Concat)
def concat(op):
    if op.axis != 1 or len(shape_of(op)) != 4:
        raise Refusal(never("Darknet joins pictures along their channels"))
    return step("route", *op.xs)


@darknet.writes(ops.Split)
def split(op):
    count = len(op.sizes)
    if op.axis != 1 or len(set(op.sizes)) != 1 or len(shape_of(op.x)) != 4:
        raise Refusal(never("Darknet cuts the channels of a picture into equal parts"))
    return several(*(step("route", op.x, groups=count, group_id=i) for i in range(count)))


@darknet.writes(ops.Slice)
def slice_(op):
    size = shape_of(op.x)[op.axis]
    length = op.stop - op.start
    known = isinstance(size, int) and isinstance(length, int) and length > 0
    whole = known and op.step == 1 and op.axis == 1 and size % length == 0 and op.start % length == 0
    if not whole or len(shape_of(op.x)) != 4:
        raise Refusal(never("Darknet cuts the channels of a picture into equal parts"))
    return step("route", op.x, groups=size // length, group_id=op.start // length)


@darknet.writes(ops.Resize)
def resize(op):
    _picture(op)
    factors = {new // size if isinstance(size, int) and new % size == 0 else 0
               for size, new in zip(shape_of(op.x)[2:], op.size, strict=True)}  # fmt: skip
    if not op.mode.startswith("nearest") or len(factors) != 1 or 0 in factors:
        raise Refusal(never("Darknet repeats the elements of a picture a whole number of times"))
    return step("upsample", op.x, stride=factors.pop())
