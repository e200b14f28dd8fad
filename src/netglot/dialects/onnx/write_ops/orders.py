"""The orders of axes that ONNX operators ask for."""

from __future__ import annotations

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.versions import opset
from netglot.dialects.onnx.write_ops.terms import moved, order_for
from netglot.passes.channels_first import channels_of_steps
from netglot.pivot import ops
from netglot.pivot.op import shape_of
from netglot.pivot.windows import spatial_axes


def _rank(x) -> int:
    return len(shape_of(x))


@onnx.arranges(
    ops.Conv,
    ops.ConvTranspose,
    ops.BatchNorm,
    ops.GroupNorm,
    ops.InstanceNorm,
    ops.LocalResponseNorm,
    ops.PixelShuffle,
    ops.PixelUnshuffle,
    ops.GridSample,
)
def channels_second(op):
    rank = _rank(op.x)
    if op.axis == 0:
        return None
    return moved(order_for(rank, (0, op.axis), spatial_axes(rank, op.axis)), "x", "out")


@onnx.arranges(
    ops.MaxPool, ops.AvgPool, ops.LpPool, ops.MaxPoolIndices, ops.AdaptiveAvgPool, ops.AdaptiveMaxPool, ops.Resize
)
def space_last(op):
    rank = _rank(op.x)
    return moved(order_for(rank, [axis for axis in range(rank) if axis not in op.axes], op.axes), "x", "out")


@onnx.arranges(ops.LayerNorm)
def features_last(op):
    rank = _rank(op.x)
    return moved(order_for(rank, [axis for axis in range(rank) if axis not in op.axes], op.axes), "x", "out")


@onnx.arranges(ops.RmsNorm)
def features_of_one_operator(op):
    return features_last(op) if opset() >= 23 else None


@onnx.arranges(ops.Attention)
def heads_before_time(op):
    return moved((0, 2, 1, 3) if op.head_axis == 2 else (0, 1, 2, 3), "query", "key", "value", "out")


onnx.arranges(ops.ConvLstm)(channels_of_steps)
