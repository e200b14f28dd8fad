"""Normalisation."""

from __future__ import annotations

from netglot.dialects.onnx.common import Known, axis_of, cast, dtype, rank
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.matmul import Weight
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of


def _batch_norm(X, scale, B, mean, var, epsilon, momentum):
    same = {dtype(one) for one in (scale, B, mean, var)}
    if same != {dtype(X)}:
        scale, B, mean, var = (cast(one, dtype(X)) for one in (scale, B, mean, var))
    # ONNX weighs the old value; the momentum is kept to the digits that a person would write
    return ops.BatchNorm(X, scale, B, mean, var, epsilon, round(1 - momentum, 7), False, 1 if rank(X) > 1 else 0)


@onnx.reads("BatchNormalization-1")
def batch_norm_1(
    X,
    scale: Weight,
    B: Weight,
    mean: Weight,
    var: Weight,
    *,
    consumed_inputs=None,
    epsilon=1e-5,
    is_test=0,
    momentum=0.9,
    spatial=1,
    outputs=(),
):
    if not spatial:
        raise Refusal(notimpl("a batch norm with statistics for each place"))
    return _batch_norm(X, scale, B, mean, var, epsilon, momentum)


@onnx.reads("BatchNormalization-7")
def batch_norm_7(
    X, scale: Weight, B: Weight, mean: Weight, var: Weight, *, epsilon=1e-5, momentum=0.9, spatial=1, outputs=()
):
    if not spatial:
        raise Refusal(notimpl("a batch norm with statistics for each place"))
    return _batch_norm(X, scale, B, mean, var, epsilon, momentum)


@onnx.reads("BatchNormalization-9")
def batch_norm_9(X, scale: Weight, B: Weight, mean: Weight, var: Weight, *, epsilon=1e-5, momentum=0.9, outputs=()):
    return _batch_norm(X, scale, B, mean, var, epsilon, momentum)


@onnx.reads("BatchNormalization-14")
def batch_norm(
    X,
    scale: Weight,
    B: Weight,
    mean: Weight,
    var: Weight,
    *,
    epsilon=1e-5,
    momentum=0.9,
    training_mode=0,
    outputs=(),
):
    if not training_mode:
        return _batch_norm(X, scale, B, mean, var, epsilon, momentum)
    out = ops.BatchNorm(X, scale, B, None, None, epsilon, None, False, 1)
    if not any(outputs[1:]):
        return out
    axes = tuple(axis for axis in range(rank(X)) if axis != 1)
    found = ops.Mean(X, axes, False), ops.Variance(X, axes, False, 0)
    new = [
        ops.Add(ops.Multiply(old, momentum), ops.Multiply(now, 1 - momentum))
        for old, now in zip((mean, var), found, strict=True)
    ]
    return [out, *new]


def _tail(x, axis: int) -> tuple[int, ...]:
    return tuple(range(axis, rank(x)))


def _exactly(vector, x, axes) -> bool:
    return vector is None or tuple(shape_of(vector)) == tuple(shape_of(x)[axis] for axis in axes)


@onnx.reads("LayerNormalization-17")
def layer_norm(X, Scale: Weight, B: Weight = None, *, axis=-1, epsilon=1e-5, stash_type=1, outputs=()):
    axes = _tail(X, axis_of(X, axis))
    if _exactly(Scale, X, axes) and _exactly(B, X, axes):
        out = ops.LayerNorm(X, Scale, B, epsilon, axes)
    else:
        out = ops.Multiply(ops.LayerNorm(X, None, None, epsilon, axes), Scale)
        out = out if B is None else ops.Add(out, B)
    if not any(outputs[1:]):
        return out
    mean = ops.Mean(X, axes, True)
    deviation = ops.Rsqrt(ops.Add(ops.Variance(X, axes, True, 0), epsilon))
    return [out, mean, deviation]


@onnx.reads("RMSNormalization-23")
def rms_norm(X, scale: Weight, *, axis=-1, epsilon=1e-5, stash_type=1):
    axes = _tail(X, axis_of(X, axis))
    if _exactly(scale, X, axes):
        return ops.RmsNorm(X, scale, epsilon, axes)
    return ops.Multiply(ops.RmsNorm(X, None, epsilon, axes), scale)


@onnx.reads("SimplifiedLayerNormalization-1")
def simplified_layer_norm(X, scale: Weight, *, axis=-1, epsilon=1e-5, stash_type=1, outputs=()):
    if any(outputs[1:]):
        raise Refusal(notimpl("the deviation as a result of an RMS norm"))
    return rms_norm(X, scale, axis=axis, epsilon=epsilon)


onnx.reads("com.microsoft.SimplifiedLayerNormalization-1")(simplified_layer_norm)


@onnx.reads("com.microsoft.SkipLayerNormalization-1")
def skip_layer_norm(input, skip, gamma: Weight, beta: Weight = None, bias: Weight = None, *, epsilon=1e-12, outputs=()):
    total = ops.Add(input, skip)
    total = total if bias is None else ops.Add(total, bias)
    out = ops.LayerNorm(total, gamma, beta, epsilon, (rank(input) - 1,))
    return _skipped(out, total, outputs)


@onnx.reads("com.microsoft.SkipSimplifiedLayerNormalization-1")
def skip_rms_norm(input, skip, gamma: Weight, bias: Weight = None, *, epsilon=1e-12, outputs=()):
    total = ops.Add(input, skip)
    total = total if bias is None else ops.Add(total, bias)
    return _skipped(ops.RmsNorm(total, gamma, epsilon, (rank(input) - 1,)), total, outputs)


def _skipped(out, total, outputs):
    if any(outputs[1:3]):
        raise Refusal(notimpl("mean and deviation as results of a layer norm"))
    return [out, None, None, total] if len(outputs) > 3 and outputs[3] else out


@onnx.reads("InstanceNormalization-1")
def instance_norm_1(input, scale: Weight, B: Weight, *, consumed_inputs=None, epsilon=1e-5):
    return instance_norm(input, scale, B, epsilon=epsilon)


@onnx.reads("InstanceNormalization-6")
def instance_norm(input, scale: Weight, B: Weight, *, epsilon=1e-5):
    return ops.InstanceNorm(input, scale, B, epsilon, 1)


@onnx.reads("GroupNormalization-18")
def group_norm_18(X, scale: Weight, bias: Weight, *, epsilon=1e-5, num_groups):
    if shape_of(scale)[0] == shape_of(X)[1]:
        return ops.GroupNorm(X, scale, bias, num_groups, epsilon, 1)
    per = shape_of(X)[1] // num_groups  # one scale for each group, in this version
    return ops.GroupNorm(X, ops.Repeat(scale, per, 0), ops.Repeat(bias, per, 0), num_groups, epsilon, 1)


@onnx.reads("GroupNormalization-21")
def group_norm(X, scale: Weight, bias: Weight, *, epsilon=1e-5, num_groups, stash_type=1):
    return ops.GroupNorm(X, scale, bias, num_groups, epsilon, 1)


@onnx.reads("LRN-1")
def lrn(X, *, alpha=1e-4, beta=0.75, bias=1.0, size):
    if size % 2:
        return ops.LocalResponseNorm(X, size, alpha, beta, bias, 1)
    turned = ops.LocalResponseNorm(ops.Flip(X, (1,)), size, alpha, beta, bias, 1)
    return ops.Flip(turned, (1,))  # of an even number of neighbours, one more comes after the channel


@onnx.reads("LpNormalization-1")
def lp_norm(input, *, axis=-1, p=2):
    return ops.Normalize(input, float(p), axis_of(input, axis), 1e-12)


@onnx.reads("MeanVarianceNormalization-9")
def mean_variance_norm(X, *, axes=(0, 2, 3)):
    places = tuple(sorted(axis_of(X, axis) for axis in axes))
    mean = ops.Mean(X, places, True)
    variance = ops.Subtract(ops.Mean(ops.Square(X), places, True), ops.Square(mean))
    return ops.Divide(ops.Subtract(X, mean), ops.Add(ops.Sqrt(variance), 1e-9))


def _dropped(data, rate, outputs):
    out = data if rate is None else ops.Dropout(data, rate, tuple(range(rank(data))))
    if not any(outputs[1:]):
        return ops.Identity(out) if out is data else out
    return [ops.Identity(data), ops.Full(shape_of(data), True, "bool")]


@onnx.reads("Dropout-1")
def dropout_1(data, *, consumed_inputs=None, is_test=0, ratio=0.5, outputs=()):
    if not is_test:
        raise Refusal(never("the network drops at random while it runs"))
    return _dropped(data, ratio, outputs)


@onnx.reads("Dropout-7")
def dropout_7(data, *, ratio=0.5, outputs=()):
    return _dropped(data, ratio, outputs)


@onnx.reads("Dropout-12")
def dropout(data, ratio: Known = None, training_mode: Known = None, *, seed=None, outputs=()):
    rate = 0.5 if ratio is None else float(ratio.reshape(-1)[0])
    trains = training_mode is not None and bool(training_mode.reshape(-1)[0])
    if trains and rate:
        raise Refusal(never("the network drops at random while it runs", "export the network for inference"))
    return _dropped(data, rate or None, outputs)
