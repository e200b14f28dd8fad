"""Sampling at places that are data: regions of interest, and convolutions whose taps move."""

from __future__ import annotations

import numpy as np

from netglot.dialects.onnx.common import cast, dtype, rank, reshaped
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.matmul import Weight
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import floordiv
from netglot.pivot.op import numpy_dtype, shape_of


def _unit(place, size):
    """Places counted in elements as coordinates from -1 to 1 between the outer edges."""
    return ops.Subtract(ops.Divide(ops.Add(ops.Multiply(place, 2.0), 1.0), _number(size)), 1.0)


def _number(size):
    return float(size) if isinstance(size, int) else size


# -- regions


def _line(start, width, bins: int, samples: int, kind: str):
    """Where each of `bins` bins of each region is sampled along an axis: (region, place)."""
    shares = ((np.arange(bins * samples) + 0.5) / samples / bins).astype(numpy_dtype(kind))
    count = shape_of(start)[0]
    steps = ops.Multiply(reshaped(width, (count, 1)), shares.reshape(1, -1))
    return ops.Add(reshaped(start, (count, 1)), steps)


def _roi_align(X, rois, batch_indices, mode, height, width, samples, scale, shift):
    if rank(X) != 4 or rank(rois) != 2:
        raise ValueError("it takes pictures and a list of regions")
    if samples <= 0:
        raise Refusal(never("how often a region is sampled depends on its size"))
    if mode != "avg":
        raise Refusal(notimpl("the largest of the weighted neighbours of all samples, as runtimes take it"))
    kind, count = dtype(X), shape_of(rois)[0]
    corners = [ops.Subtract(ops.Multiply(ops.Select(rois, 1, i), scale), shift) for i in range(4)]
    spans = [ops.Subtract(corners[2], corners[0]), ops.Subtract(corners[3], corners[1])]
    if not shift:
        spans = [ops.Maximum(span, 1.0) for span in spans]
    x = _line(corners[0], spans[0], width, samples, kind)
    y = _line(corners[1], spans[1], height, samples, kind)
    rows, columns = height * samples, width * samples
    places = [
        ops.Broadcast(reshaped(_unit(x, shape_of(X)[3]), (count, 1, columns)), (count, rows, columns)),
        ops.Broadcast(reshaped(_unit(y, shape_of(X)[2]), (count, rows, 1)), (count, rows, columns)),
    ]
    pictures = ops.Take(X, cast(batch_indices, "int64"), 0)
    found = ops.GridSample(pictures, ops.Stack(tuple(places), 3), "linear", "border", False, 1)
    inside = ops.LogicalAnd(
        reshaped(_within(x, shape_of(X)[3]), (count, 1, 1, columns)),
        reshaped(_within(y, shape_of(X)[2]), (count, 1, rows, 1)),
    )
    found = ops.Where(inside, found, 0.0)
    return ops.AvgPool(found, (samples, samples), (samples, samples), ((0, 0), (0, 0)), False, True, None, (2, 3))


def _within(place, size):
    return ops.LogicalAnd(ops.GreaterEqual(place, -1.0), ops.LessEqual(place, _number(size)))


@onnx.reads("RoiAlign-10")
def roi_align_10(
    X, rois, batch_indices, *, mode="avg", output_height=1, output_width=1, sampling_ratio=0, spatial_scale=1.0
):
    return _roi_align(X, rois, batch_indices, mode, output_height, output_width, sampling_ratio, spatial_scale, 0.0)


@onnx.reads("RoiAlign-16")
def roi_align(
    X,
    rois,
    batch_indices,
    *,
    coordinate_transformation_mode="half_pixel",
    mode="avg",
    output_height=1,
    output_width=1,
    sampling_ratio=0,
    spatial_scale=1.0,
):
    shift = 0.5 if coordinate_transformation_mode == "half_pixel" else 0.0
    return _roi_align(X, rois, batch_indices, mode, output_height, output_width, sampling_ratio, spatial_scale, shift)


onnx.refuses_reading("MaxRoiPool", never("how many elements a region holds depends on its size"))


# -- convolutions


@onnx.reads("DeformConv-19")
def deform_conv(
    X,
    W: Weight,
    offset,
    B: Weight = None,
    mask=None,
    *,
    dilations=None,
    group=1,
    kernel_shape=None,
    offset_group=1,
    pads=None,
    strides=None,
):
    """The taps of all windows are sampled side by side; a convolution over them sums them up."""
    if rank(X) != 4:
        raise Refusal(notimpl("a convolution of another rank whose taps move"))
    kernel = shape_of(W)[2:]
    if kernel_shape is not None and tuple(kernel_shape) != tuple(kernel):
        raise ValueError(f"a kernel of the shape {tuple(kernel)} instead of {tuple(kernel_shape)}")
    batch, channels, height, width = shape_of(X)
    rows, columns = shape_of(offset)[2:]
    taps, kind = kernel[0] * kernel[1], dtype(X)
    stride, dilation = tuple(strides or (1, 1)), tuple(dilations or (1, 1))
    before = tuple(pads or (0,) * 4)[:2]
    apart = reshaped(offset, (batch * offset_group, taps, 2, rows, columns))
    grid = np.stack(np.meshgrid(*(np.arange(k) for k in kernel), indexing="ij")).reshape(2, taps)
    places = []
    for axis, count, size in ((1, columns, width), (0, rows, height)):
        first = grid[axis] * dilation[axis] - before[axis]
        shape = (count, 1) if axis == 0 else (1, count)
        steps = ops.Cast(ops.Arange(0, count, 1, "int64"), kind)
        steps = reshaped(ops.Multiply(steps, float(stride[axis])) if stride[axis] != 1 else steps, shape)
        start = ops.Add(steps, first.astype(numpy_dtype(kind)).reshape(taps, 1, 1))
        places.append(_unit(ops.Add(ops.Select(apart, 2, axis), start), size))
    sampled = (batch * offset_group, taps * rows, columns)
    grouped = reshaped(X, (batch * offset_group, floordiv(channels, offset_group), height, width))
    found = ops.GridSample(grouped, reshaped(ops.Stack(tuple(places), 4), (*sampled, 2)), "linear", "zeros", False, 1)
    if mask is not None:
        found = ops.Multiply(found, reshaped(mask, (sampled[0], 1, *sampled[1:])))
    found = reshaped(found, (batch, channels, taps, rows * columns))
    weight = reshaped(W, (*shape_of(W)[:2], taps, 1))
    made = ops.Conv(found, weight, B, (1, 1), ((0, 0), (0, 0)), (1, 1), group, 1)
    return reshaped(made, (batch, shape_of(W)[0], rows, columns))
