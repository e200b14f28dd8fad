"""Operators that look at pictures at places that are data: samplers, transformers, regions, taps that move."""

from __future__ import annotations

import numpy as np

from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.regions import moved_taps, region_means
from netglot.errors import InputError, Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import numpy_dtype, shape_of, type_of


@mxnet.reads("BilinearSampler")
def bilinear_sampler(work, x, grid):
    """The grid holds across and down in two channels, from -1 to 1 between the centres of the outer pixels."""
    return ops.GridSample(x, ops.Permute(grid, (0, 2, 3, 1)), "linear", "zeros", True, 1)


def _affine(work, theta):
    size = work.node.integers("target_shape")
    if len(size) != 2 or min(size) < 1:
        raise InputError(f"{work.node.name}: pictures of the size {list(size)}")
    return ops.AffineGrid(ops.Reshape(theta, (shape_of(theta)[0], 2, 3)), tuple(size), True)


@mxnet.reads("GridGenerator")
def grid_generator(work, x):
    if work.node.text("transform_type") == "affine":
        return ops.Permute(_affine(work, x), (0, 3, 1, 2))
    height, width = shape_of(x)[2:]
    if not isinstance(height, int) or not isinstance(width, int) or min(height, width) < 2:
        raise Refusal(notimpl("a flow over a picture whose size is not known"))
    kind = numpy_dtype(type_of(x).dtype)
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height))).astype(kind)[None]
    half = np.array([(width - 1) / 2, (height - 1) / 2], kind).reshape(1, 2, 1, 1)
    told = [work.assembly.constant(one, f"{work.path}.{name}") for one, name in ((places, "places"), (half, "half"))]
    return ops.Subtract(ops.Divide(ops.Add(x, told[0]), told[1]), 1.0)


@mxnet.reads("SpatialTransformer")
def spatial_transformer(work, x, theta):
    return ops.GridSample(x, _affine(work, theta), "linear", "zeros", True, 1)


@mxnet.reads("_contrib_ROIAlign")
def roi_align(work, x, rois):
    node = work.node
    if node.flag("position_sensitive"):
        raise Refusal(notimpl("regions whose channels depend on the place"))
    samples = node.integer("sample_ratio", -1)
    if samples <= 0:
        raise Refusal(never("how often a region is sampled depends on its size"))
    shift = 0.5 if node.flag("aligned") else 0.0
    boxes, pictures = ops.Slice(rois, 1, 1, 5, 1), ops.Select(rois, 1, 0)
    height, width = node.integers("pooled_size")
    return region_means(x, boxes, pictures, (height, width), samples, node.number("spatial_scale"), shift)


for _name in ("ROIPooling", "_contrib_PSROIPooling", "_contrib_DeformablePSROIPooling"):
    mxnet.refuses_reading(_name, never("how many elements a region holds depends on its size"))
for _name in ("_contrib_box_nms", "_contrib_Proposal", "_contrib_MultiProposal", "_contrib_MultiBoxTarget"):
    mxnet.refuses_reading(
        _name, never("which boxes are left depends on what is seen", "cut the network before it: boxes and scores")
    )


@mxnet.reads("_contrib_DeformableConvolution", "_contrib_ModulatedDeformableConvolution")
def deformable_convolution(work, x, offset, *held):
    node = work.node
    mask, *held = held if node.op.startswith("_contrib_Mod") else (None, *held)
    kernel, filters, groups = node.integers("kernel"), node.integer("num_filter"), node.integer("num_group", 1)
    channels = shape_of(x)[1]
    if len(kernel) != 2 or not isinstance(channels, int) or groups < 1 or channels % groups:
        raise Refusal(notimpl(f"a convolution with a window of {list(kernel)} and {groups} groups"))
    weight = work.weight(held[0], "weight", (filters, channels // groups, *kernel))
    bias = work.weight(held[1], "bias", (filters,)) if len(held) > 1 and not node.flag("no_bias") else None
    stride, dilation = (node.integers(name) or (1, 1) for name in ("stride", "dilate"))
    before, parts = node.integers("pad") or (0, 0), node.integer("num_deformable_group", 1)
    return moved_taps(x, weight, bias, offset, mask, stride, before, dilation, groups, parts, whole=mask is None)


@mxnet.reads("Correlation")
def correlation(work, x, y):
    """For each offset, how alike two pictures are there: a mean over channels and a window."""
    node = work.node
    kernel, reach = node.integer("kernel_size", 1), node.integer("max_displacement", 1)
    stride, apart, pad = (
        node.integer(name, other) for name, other in (("stride1", 1), ("stride2", 1), ("pad_size", 0))
    )
    batch, channels, height, width = shape_of(x)
    if min(kernel, stride, apart, reach + 1, pad + 1) < 1 or not kernel % 2 or not isinstance(channels, int):
        raise InputError(f"{node.name}: a window of {kernel} and offsets up to {reach}")
    steps = reach // apart
    count, rows, columns = (2 * steps + 1) ** 2, height + 2 * pad - 2 * reach, width + 2 * pad - 2 * reach
    around = ((0, 0, pad, pad),) * 2
    x, y = (ops.Pad(one, *around, "constant", 0.0) for one in (x, y))
    x = ops.Reshape(_middle(x, reach, rows, columns), (batch, channels, 1, rows, columns))
    y = _middle(y, reach - steps * apart, rows + 2 * steps * apart, columns + 2 * steps * apart)
    windows = ops.Unfold(y, (2 * steps + 1,) * 2, (1, 1), (0, 0), (apart, apart))
    y = ops.Reshape(windows, (batch, channels, count, rows, columns))
    alike = ops.Multiply(x, y) if node.flag("is_multiply", True) else ops.Abs(ops.Subtract(x, y))
    mean = ops.Mean(alike, (1,), False)
    if kernel == 1 and stride == 1:
        return mean
    return ops.AvgPool(mean, (kernel,) * 2, (stride,) * 2, ((0, 0), (0, 0)), False, True, None, (2, 3))


def _middle(x, start: int, rows, columns):
    return ops.Slice(ops.Slice(x, 2, start, start + rows, 1), 3, start, start + columns, 1)


@mxnet.reads("im2col")
def im2col(work, x):
    node = work.node
    kernel = node.integers("kernel")
    stride, dilation, pad = (
        node.integers(name) or (other,) * len(kernel) for name, other in (("stride", 1), ("dilate", 1), ("pad", 0))
    )
    return ops.Unfold(x, kernel, stride, pad, dilation)


@mxnet.reads("moments")
def moments(work, x):
    axes, keep = tuple(axis % len(shape_of(x)) for axis in work.node.integers("axes")), work.node.flag("keepdims")
    return [ops.Mean(x, axes, keep), ops.Variance(x, axes, keep, 0)]
