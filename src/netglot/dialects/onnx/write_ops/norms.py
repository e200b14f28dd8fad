"""Norms and dropout as ONNX operators."""

from __future__ import annotations

import numpy as np

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.versions import opset
from netglot.dialects.onnx.write_ops.terms import node, number
from netglot.errors import Refusal, notimpl
from netglot.passes.composed import neural
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of


def _rank(x) -> int:
    return len(shape_of(x))


def _ones(x, count) -> np.ndarray:
    return np.ones(count, numpy_dtype(dtype_of(x)))


@onnx.lowers(ops.BatchNorm)
def batch_statistics(op):
    return None if op.mean is not None and op.axis == 1 else neural.batch_norm(op)


@onnx.writes(ops.BatchNorm)
def batch_norm(op):
    count = shape_of(op.mean)[0]
    scale = _ones(op.x, count) if op.scale is None else op.scale
    offset = 0 * _ones(op.x, count) if op.offset is None else op.offset
    momentum = None if op.momentum is None else 1 - op.momentum
    return node("BatchNormalization", op.x, scale, offset, op.mean, op.variance, epsilon=op.epsilon, momentum=momentum)


@onnx.lowers(ops.LayerNorm)
def layer_norm_in_order(op):
    rank, n = _rank(op.x), len(op.axes)
    last = tuple(range(rank - n, rank))
    if tuple(op.axes) == last and op.scale is not None:
        return None
    if tuple(op.axes) == last:
        sizes = tuple(shape_of(op.x)[a] for a in last)
        if all(isinstance(s, int) for s in sizes):
            return op.replace(scale=np.ones(sizes, numpy_dtype(dtype_of(op.x))))
    return neural.layer_norm(op)


@onnx.writes(ops.LayerNorm)
def layer_norm(op):
    return node("LayerNormalization", op.x, op.scale, op.offset, axis=-len(op.axes), epsilon=op.epsilon)


@onnx.lowers(ops.RmsNorm)
def rms_norm_in_pieces(op):
    rank, sizes = _rank(op.x), [shape_of(op.x)[a] for a in op.axes]
    last = tuple(op.axes) == tuple(range(rank - len(sizes), rank))
    known = op.scale is not None or all(isinstance(s, int) for s in sizes)
    return None if opset() >= 23 and last and known else neural.rms_norm(op)


@onnx.writes(ops.RmsNorm)
def rms_norm(op):
    scale = _ones(op.x, [shape_of(op.x)[a] for a in op.axes]) if op.scale is None else op.scale
    return node("RMSNormalization", op.x, scale, axis=-len(op.axes), epsilon=op.epsilon)


@onnx.writes(ops.GroupNorm)
def group_norm(op):
    count = shape_of(op.x)[op.axis]
    scale = _ones(op.x, count) if op.scale is None else op.scale
    offset = 0 * _ones(op.x, count) if op.offset is None else op.offset
    return node("GroupNormalization", op.x, scale, offset, num_groups=op.groups, epsilon=op.epsilon)


@onnx.lowers(ops.GroupNorm)
def group_norm_in_pieces(op):
    """Before version 21 the scale was one of each group."""
    batch, channels, *space = shape_of(op.x)
    if op.axis != 1:
        raise Refusal(notimpl("groups of channels that are not at axis 1"))
    if opset() >= 21:
        return None
    rows = ops.Reshape(op.x, (batch, op.groups, product(space) * (channels // op.groups)))
    kind = numpy_dtype(dtype_of(op.x))
    even = ops.InstanceNorm(rows, np.ones(op.groups, kind), np.zeros(op.groups, kind), op.epsilon, 1)
    return neural.scaled(ops.Reshape(even, shape_of(op.x)), op.scale, op.offset, (channels, *(1,) * len(space)))


@onnx.writes(ops.InstanceNorm)
def instance_norm(op):
    count = shape_of(op.x)[op.axis]
    if op.axis != 1:
        raise Refusal(notimpl("channels that are not at axis 1"))
    scale = _ones(op.x, count) if op.scale is None else op.scale
    offset = 0 * _ones(op.x, count) if op.offset is None else op.offset
    return node("InstanceNormalization", op.x, scale, offset, epsilon=op.epsilon)


@onnx.lowers(ops.LocalResponseNorm)
def neighbours_before(op):
    return None if op.size % 2 else neural.local_response_norm(op)


@onnx.writes(ops.LocalResponseNorm)
def lrn(op):
    return node("LRN", op.x, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)


@onnx.writes(ops.Dropout)
def dropout(op):
    if len(op.noise_axes) == _rank(op.x):
        return node("Dropout", op.x, number(op.rate, "float32"))
    return node("Identity", op.x)


@onnx.writes(ops.AlphaDropout)
def alpha_dropout(op):
    return node("Identity", op.x)
