"""Convolutions and pools as ONNX operators."""

from __future__ import annotations

import math

import numpy as np

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.write_ops.terms import Result, node, number
from netglot.errors import Refusal, notimpl
from netglot.passes.composed import neural
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, shape_of
from netglot.pivot.pooling import amounts_of, mean_with_padding


def _pads(padding) -> list:
    return [before for before, _ in padding] + [after for _, after in padding]


@onnx.writes(ops.Conv)
def conv(op):
    return _convolution("Conv", op)


def _convolution(kind: str, op, **more):
    return node(
        kind,
        op.x,
        op.weight,
        op.bias,
        kernel_shape=list(shape_of(op.weight)[2:]),
        strides=list(op.stride),
        pads=_pads(op.padding),
        dilations=list(op.dilation),
        group=op.groups,
        **more,
    )


@onnx.lowers(ops.ConvTranspose)
def cropped(op):
    """ONNX crops no less than nothing, and its runtimes lengthen by less than a stride."""
    if all(p >= 0 for pair in op.padding for p in pair) and all(
        e < max(s, d) for e, s, d in zip(op.output_padding, op.stride, op.dilation, strict=True)
    ):
        return None
    return neural.crop_apart(op)


@onnx.writes(ops.ConvTranspose)
def conv_transpose(op):
    return _convolution("ConvTranspose", op, output_padding=list(op.output_padding) if any(op.output_padding) else None)


def _even(op) -> list:
    """The padding with what the last windows overhang."""
    amounts = amounts_of(op)
    if not all(isinstance(side, int) for pair in amounts for side in pair):
        raise Refusal(notimpl("windows that may overhang, of sizes that are not known"))
    if any(max(pair) >= k for pair, k in zip(amounts, op.kernel, strict=True)):
        raise Refusal(notimpl("padding as large as the window"))
    return _pads(amounts)


@onnx.lowers(ops.MaxPool, ops.MaxPoolIndices)
def pool_with_channels(op):
    return neural.with_channels(op) or _padded_apart(op)


def _padded_apart(op):
    """A pool with padding as large as its kernel, which runtimes do not take, of a picture that is padded before."""
    amounts = amounts_of(op)
    known = all(isinstance(side, int) for pair in amounts for side in pair)
    too_large = known and any(max(pair) >= k for pair, k in zip(amounts, op.kernel, strict=True))
    if not too_large or not isinstance(op, ops.MaxPool) or not dtype_of(op.x).startswith("float"):
        return None
    before, after = ([0] * len(shape_of(op.x)) for _ in range(2))
    for axis, pair in zip(op.axes, amounts, strict=True):
        before[axis], after[axis] = pair
    wide = ops.Pad(op.x, tuple(before), tuple(after), "constant", -math.inf)
    return op.replace(x=wide, padding=((0, 0),) * len(op.axes), ceil_mode=False)


@onnx.writes(ops.MaxPool)
def max_pool(op):
    return _max_pool(op)


def _max_pool(op):
    return node(
        "MaxPool",
        op.x,
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=_even(op),
        dilations=list(op.dilation) if any(d != 1 for d in op.dilation) else None,
    )


@onnx.writes(ops.MaxPoolIndices)
def max_pool_indices(op):
    plane = int(np.prod([shape_of(op.x)[axis] for axis in op.axes]))
    return node("Mod", Result(_max_pool(op), 1, 2), number(plane, "int64"))


@onnx.lowers(ops.MaxUnpool)
def max_unpool(op):
    kept = shape_of(op.x)[: -len(op.size)]
    plane = int(np.prod(op.size))
    count = int(np.prod(shape_of(op.x)[-len(op.size) :]))
    blank = ops.Full((*kept, plane), 0.0, dtype_of(op.x))
    places, values = (ops.Reshape(one, (*kept, count)) for one in (op.indices, op.x))
    made = ops.ScatterAlongAxis(blank, places, values, len(kept), "set")
    return ops.Reshape(made, shape_of(op))


@onnx.lowers(ops.AvgPool)
def mean_of_windows(op):
    apart = neural.with_channels(op)
    if apart is not None:
        return apart
    mean = neural.average(op)
    if mean is not None:
        return mean
    overhang = any(not isinstance(e, int) or e > 0 for e in op.overhangs())
    return mean_with_padding(op) if op.count_include_pad and overhang else None


@onnx.writes(ops.AvgPool)
def avg_pool(op):
    padded = any(side for pair in op.padding for side in pair)
    return node(
        "AveragePool",
        op.x,
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=_even(op),
        count_include_pad=1 if op.count_include_pad and padded else None,
    )
