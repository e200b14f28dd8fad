"""Sampling at places that are data: regions of interest, and convolutions whose taps move."""

from __future__ import annotations

from netglot.dialects.onnx.common import rank
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.matmul import Weight
from netglot.dialects.regions import moved_taps, region_means
from netglot.errors import Refusal, never, notimpl
from netglot.pivot.op import shape_of

# -- regions


def _roi_align(X, rois, batch_indices, mode, height, width, samples, scale, shift):
    if rank(X) != 4 or rank(rois) != 2:
        raise ValueError("it takes pictures and a list of regions")
    if samples <= 0:
        raise Refusal(never("how often a region is sampled depends on its size"))
    if mode != "avg":
        raise Refusal(notimpl("the largest of the weighted neighbours of all samples, as runtimes take it"))
    return region_means(X, rois, batch_indices, (height, width), samples, scale, shift)


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
    if rank(X) != 4:
        raise Refusal(notimpl("a convolution of another rank whose taps move"))
    kernel = shape_of(W)[2:]
    if kernel_shape is not None and tuple(kernel_shape) != tuple(kernel):
        raise ValueError(f"a kernel of the shape {tuple(kernel)} instead of {tuple(kernel_shape)}")
    before = tuple(pads or (0,) * 4)[:2]
    stride, dilation = tuple(strides or (1, 1)), tuple(dilations or (1, 1))
    return moved_taps(X, W, B, offset, mask, stride, before, dilation, group, offset_group)
