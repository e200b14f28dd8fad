"""Normalisation as PyTorch spells it: channels at axis 1, features last."""

from __future__ import annotations

import numpy as np

from netglot.dialects.torch.dialect import torch
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, normal_axis, numpy_dtype, shape_of
from netglot.pivot.windows import spatial_axes


def _batch_norm(x, scale, offset, mean, variance, training, momentum, eps):
    """In a graph taken in inference, `training` says that the module uses the batch's statistics in both modes."""
    if training:
        mean = variance = None
    return ops.BatchNorm(x, scale, offset, mean, variance, eps, momentum, unbiased=True, axis=1)


@torch.reads("aten.batch_norm.default")
def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled):
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def _with_statistics(x, normal, axes, eps):
    """What the native ops return beside the result: the mean, and one over the deviation."""
    mean, variance = ops.Mean(x, axes, False), ops.Variance(x, axes, False, 0)
    return normal, mean, ops.Rsqrt(ops.Add(variance, eps))


@torch.reads("aten.native_batch_norm.default")
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    normal = _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    if not training:
        return (normal,)
    return _with_statistics(input, normal, (0, *spatial_axes(len(shape_of(input)), 1)), eps)


@torch.reads("aten._native_batch_norm_legit_no_training.default")
def native_batch_norm_no_training(input, weight, bias, running_mean, running_var, momentum, eps):
    return (_batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps),)


@torch.reads("aten._native_batch_norm_legit.no_stats")
def native_batch_norm_no_stats(input, weight, bias, training, momentum, eps):
    normal = _batch_norm(input, weight, bias, None, None, True, momentum, eps)
    return _with_statistics(input, normal, (0, *spatial_axes(len(shape_of(input)), 1)), eps)


@torch.reads("aten.instance_norm.default")
def instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled):
    if use_input_stats:
        return ops.InstanceNorm(input, weight, bias, eps, axis=1)
    # With tracked statistics, inference normalises as a batch norm does; training does not.
    return ops.BatchNorm(input, weight, bias, running_mean, running_var, eps, momentum, unbiased=True, axis=1)


@torch.reads("aten.group_norm.default")
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
    return ops.GroupNorm(input, weight, bias, num_groups, eps, axis=1)


@torch.reads("aten.native_group_norm.default")
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    normal = ops.GroupNorm(input, weight, bias, group, eps, axis=1)
    return _with_statistics(ops.Reshape(input, (N, group, C // group * HxW)), normal, (2,), eps)


def _last(x, normalized_shape) -> tuple[int, ...]:
    rank = len(shape_of(x))
    return tuple(range(rank - len(normalized_shape), rank))


@torch.reads("aten.layer_norm.default")
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True):
    return ops.LayerNorm(input, weight, bias, eps, _last(input, normalized_shape))


@torch.reads("aten.native_layer_norm.default")
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    axes = _last(input, normalized_shape)
    normal = ops.LayerNorm(input, weight, bias, eps, axes)
    mean, variance = ops.Mean(input, axes, True), ops.Variance(input, axes, True, 0)
    return normal, mean, ops.Rsqrt(ops.Add(variance, eps))


def _rms_norm(x, normalized_shape, weight, eps):
    if eps is None:
        eps = float(np.finfo(numpy_dtype(dtype_of(x))).eps)
    return ops.RmsNorm(x, weight, eps, _last(x, normalized_shape))


@torch.reads("aten.rms_norm.default")
def rms_norm(input, normalized_shape, weight=None, eps=None):
    return _rms_norm(input, normalized_shape, weight, eps)


@torch.reads("aten._fused_rms_norm.default")
def fused_rms_norm(input, normalized_shape, weight, eps):
    return (_rms_norm(input, normalized_shape, weight, eps),)


@torch.reads("aten._weight_norm.default")
def weight_norm(v, g, dim=0):
    return _weight_norm(v, g, dim)[0]


@torch.reads("aten._weight_norm_interface.default")
def weight_norm_interface(v, g, dim=0):
    return _weight_norm(v, g, dim)


def _weight_norm(v, g, dim):
    """`v` with its length, over all axes but `dim`, replaced by `g`; and the length that it had."""
    rank = len(shape_of(v))
    axes = tuple(axis for axis in range(rank) if dim == -1 or axis != normal_axis(dim, rank))
    norm = ops.Norm(v, axes, True, 2.0)
    return ops.Multiply(v, ops.Divide(g, norm)), norm
