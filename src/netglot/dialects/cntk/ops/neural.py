"""Convolutions, pools, norms and activations. Channels come first."""

from __future__ import annotations

import functools
import math

from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.sample import Sample
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.op import dtype_of, shape_of
from netglot.pivot.windows import count, reach


def _padding(work, sizes, kernel, stride, dilation, rank: int) -> tuple:
    """How much is added before and after each of the inner axes.

    An axis that is padded by itself has one window for each `stride` positions, and what is left over is taken from
    its first window: one less before, for an odd rest, where others take it after.
    """
    spatial = len(kernel)
    auto = work.many("autoPadding", rank, False)[rank - spatial :]
    lower = work.many("lowerPad", rank, 0)[rank - spatial :]
    upper = work.many("upperPad", rank, 0)[rank - spatial :]
    found = []
    for size, k, s, d, by_itself, before, after in zip(
        sizes, kernel, stride, dilation, auto, lower, upper, strict=True
    ):
        if not by_itself:
            found.append((before, after))
            continue
        if isinstance(size, Dim) and s != 1:
            raise Refusal(notimpl("padding that depends on a size that is not known"))
        wide = reach(k, d)
        rest = 0 if s == 1 else (size - 1) % s
        first = (wide - 1) // 2 - rest // 2
        last = wide - 1 - rest - first
        if first < 0:
            raise Refusal(notimpl("windows smaller than their step that begin behind the first element"))
        found.append((first, max(last, 0)))
    return tuple(found)


def _each_step(place: int):
    """Of a reader of pictures one of sequences of pictures too: all their steps are taken for a batch."""

    def wrap(reader):
        @functools.wraps(reader)
        def read(work, *operands):
            x = operands[place] if len(operands) > place else None
            if x is None or len(x.dynamic) != 2 or work.options.flag("sequential"):
                return reader(work, *operands)
            flat = Sample(ops.Reshape(x.value, (product(x.lead), *x.shape)), x.dynamic[:1])
            made = reader(work, *operands[:place], flat, *operands[place + 1 :])
            return x.like(ops.Reshape(made.value, (*x.lead, *made.shape)))

        return read

    return wrap


@cntk.reads("Convolution")
@_each_step(1)
def convolution(work, weight, x):
    if work.options.flag("sequential"):
        raise Refusal(notimpl("a convolution over a sequence that is not written out"))
    if weight.dynamic or not x.dynamic:
        raise Refusal(notimpl("a convolution of weights, or with a kernel that the network computes"))
    shape, rank = weight.shape, x.rank
    kernel = shape[2:] if len(shape) == rank + 1 else ()
    if not kernel:
        return _without_channels(work, weight, x)
    turned = work.options.flag("transpose")
    stride = tuple(work.many("strides", rank, 1)[1:])
    dilation = tuple(work.many("dilation", rank, 1)[1:])
    groups = work.options.integer("groups", 1)
    if groups < 1 or min(*kernel, *stride, *dilation) < 1 or x.shape[0] != (shape[0] if turned else shape[1] * groups):
        raise InputError(f"{work.function.uid}: {list(x.shape)} convolved with {list(shape)} in {groups} groups")
    padded = work.many("autoPadding", rank, False)[0]
    if not all(work.many("sharing", rank, True)) or (padded and shape[1] != x.shape[0]):
        raise Refusal(notimpl("a convolution over channels, or without shared weights"))
    held = work.weight(weight, "weight")
    if not turned:
        padding = _padding(work, x.shape[1:], kernel, stride, dilation, rank)
        return x.like(ops.Conv(x.value, held, None, stride, padding, dilation, groups, 1))
    return _transposed(work, x, held, (kernel, stride, dilation, groups))


def _without_channels(work, weight: Sample, x: Sample) -> Sample:
    """A kernel over all axes, with an outer axis of size 1 for each that it has more."""
    if weight.rank != x.rank or work.options.flag("transpose"):
        raise Refusal(notimpl(f"a kernel of {weight.rank} axes over {x.rank}"))
    stride = tuple(work.many("strides", x.rank, 1))
    dilation = tuple(work.many("dilation", x.rank, 1))
    padding = _padding(work, x.shape, weight.shape, stride, dilation, x.rank)
    held = work.weight(weight, "weight", shape=(1, 1, *weight.shape))
    data = ops.Reshape(x.value, (*x.lead, 1, *x.shape))
    if x.rank > 3:
        raise Refusal(notimpl("a convolution over four axes"))
    made = ops.Conv(data, held, None, stride, padding, dilation, 1, 1)
    return x.like(ops.Reshape(made, (*x.lead, *shape_of(made)[2:])))


def _transposed(work, x: Sample, weight, window) -> Sample:
    kernel, stride, dilation, groups = window
    wanted = work.option("outputShape")
    wanted = wanted[-len(kernel) :] if isinstance(wanted, tuple) and any(wanted) else None
    auto = work.many("autoPadding", x.rank, False)[1:]
    lower, upper = work.many("lowerPad", x.rank, 0)[1:], work.many("upperPad", x.rank, 0)[1:]
    crops, more = [], []
    for i, (size, k, s, d) in enumerate(zip(x.shape[1:], kernel, stride, dilation, strict=True)):
        wide = reach(k, d)
        full = (size - 1) * s + wide
        if wanted is None:
            crop = ((wide - 1) // 2, wide - 1 - (wide - 1) // 2) if auto[i] else (lower[i], upper[i])
        elif auto[i]:
            rest = wanted[i] - ((size - 1) * s + 1)
            before = (wide - 1) // 2 - rest // 2
            crop = (before, full - wanted[i] - before)
        else:
            crop = (lower[i], full - wanted[i] - lower[i])
        if not all(isinstance(one, int) for one in crop) or crop[0] < 0:
            raise Refusal(notimpl("a transposed convolution to a size that is not known"))
        more.append(max(-crop[1], 0))
        crops.append((crop[0], max(crop[1], 0)))
    return x.like(ops.ConvTranspose(x.value, weight, None, stride, tuple(crops), tuple(more), dilation, groups, 1))


@cntk.reads("Pooling")
@_each_step(0)
def pooling(work, x):
    window = work.option("poolingWindowShape")
    if not isinstance(window, tuple) or len(window) > x.rank or len(x.dynamic) > 1 or not x.dynamic:
        raise Refusal(notimpl("pooling over a sequence, or over all axes that are not known"))
    mean = work.options.integer("poolingType", 0) == 1
    if any(size < 0 or size > 2**40 for size in window):
        window = x.shape[-2:] if x.rank > 2 else x.shape[-1:]
    n, rank = len(window), x.rank
    stride = tuple(work.many("strides", rank, 1)[rank - n :])
    if n == rank and (window[0], stride[0]) == (1, 1) and n > 1:
        window, stride, n = window[1:], stride[1:], n - 1
    if n > 3 or min(*window, *stride) < 1:
        raise Refusal(notimpl(f"pooling over windows of {list(window)}"))
    sizes, axes = x.shape[rank - n :], tuple(range(rank - n + 1, rank + 1))
    padding = _padding(work, sizes, window, stride, (1,) * n, rank)
    ceil = work.options.flag("ceilOutDim")
    if window == sizes and not any(map(sum, padding)):
        return x.like((ops.AdaptiveAvgPool if mean else ops.AdaptiveMaxPool)(x.value, (1,) * n, axes))
    for size, k, s, pad in zip(sizes, window, stride, padding, strict=True):
        if ceil and isinstance(size, int) and -((k - size - sum(pad)) // s) + 1 != count(size, k, s, pad, 1, True):
            raise Refusal(notimpl("pooling whose last window lies behind the data"))
    if rank == n:
        raise Refusal(notimpl("pooling of what has no channels"))
    if not mean:
        return x.like(ops.MaxPool(x.value, window, stride, padding, (1,) * n, ceil, axes))
    counted = work.options.flag("includePad")
    return x.like(ops.AvgPool(x.value, window, stride, padding, ceil, counted, None, axes))


@cntk.reads("Unpooling")
def unpooling(work, x, before):
    """Each element goes where its window's largest was; windows lie side by side."""
    window, rank = work.option("unpoolingWindowShape"), x.rank
    if not isinstance(window, tuple) or len(x.dynamic) != 1 or rank != 3 or len(before.dynamic) != 1:
        raise Refusal(notimpl("putting elements back along a sequence, or in other than planes"))
    n = len(window) if len(window) < rank else rank - 1
    window, stride = window[-n:], tuple(work.many("strides", rank, 1)[rank - n :])
    padding = _padding(work, before.shape[rank - n :], window, stride, (1,) * n, rank)
    if n != 2 or window != stride or before.shape[0] != x.shape[0]:
        raise Refusal(notimpl("putting elements back from windows that overlap"))
    places = ops.MaxPoolIndices(before.value, window, stride, padding, (1, 1), False, (2, 3))
    return x.like(ops.MaxUnpool(x.value, places, tuple(before.shape[1:])))


@cntk.reads("CosDistance")
def cos_distance(work, x, y):
    if x.rank != 1 or y.shape != x.shape or len(x.dynamic) != len(y.dynamic):
        raise Refusal(notimpl(f"the angle between samples of the shapes {list(x.shape)} and {list(y.shape)}"))
    axis = (len(x.dynamic),)
    inner = ops.Sum(ops.Multiply(x.value, y.value), axis, False)
    sizes = ops.Multiply(*(ops.Norm(one.value, axis, False, 2.0) for one in (x, y)))
    return x.like(ops.Divide(inner, ops.Maximum(sizes, 1e-8)))


@cntk.reads("BatchNormalization")
@_each_step(0)
def batch_norm(work, x, scale, offset, mean, variance, seen=None):
    """Statistics of each channel, or with `spatial` off of each element. They are weighted by a time constant."""
    constant = work.options.number("normalizationTimeConstant", 5000.0)
    if not (work.options.number("blendTimeConstant", 0.0) == 0.0) or constant < 0:
        raise Refusal(notimpl("a norm that blends running statistics with those of the batch"))
    momentum = 1.0 if constant == 0 else round(1 - math.exp(-32 / constant), 6)
    work.note("norms update their statistics by time constants, which are taken for batches of 32")
    spatial = work.options.flag("spatial")
    if not x.dynamic or not x.rank:
        raise Refusal(notimpl("a norm of single numbers"))
    channels = x.shape[0] if spatial else product(x.shape)
    roles = (("weight", ""), ("bias", ""), ("running_mean", "buffer"), ("running_var", "buffer"))
    held = [work.weight(one, role, kind, shape=(channels,))
            for one, (role, kind) in zip((scale, offset, mean, variance), roles, strict=True)]  # fmt: skip
    flat = not spatial and x.rank > 1
    data = ops.Reshape(x.value, (*x.lead, channels)) if flat else x.value
    made = ops.BatchNorm(data, *held, work.options.number("epsilon", 1e-5), momentum, False, len(x.lead))
    return x.like(ops.Reshape(made, (*x.lead, *x.shape)) if flat else made)


@cntk.reads("Dropout")
def dropout(work, x):
    rate = work.options.number("dropoutRate", 0.0)
    return x.like(ops.Dropout(x.value, rate, tuple(range(len(shape_of(x.value)))))) if rate else x


@cntk.reads("Softmax", "LogSoftmax")
def softmax(work, x):
    """Over the given axis; over all axes of the sample where none is."""
    kind = ops.Softmax if work.function.op == "Softmax" else ops.LogSoftmax
    if work.option("axis") is not None:
        return x.like(kind(x.value, len(x.dynamic) + work.axis(work.option("axis"), x.rank)))
    return _over_all(x, lambda flat, axis: kind(flat, axis))


@cntk.reads("Hardmax")
def hardmax(work, x):
    size = product(x.shape)
    return _over_all(x, lambda flat, axis: ops.OneHot(ops.Argmax(flat, axis, False), size, dtype_of(flat)))


def _over_all(x: Sample, make) -> Sample:
    if x.rank == 1:
        return x.like(make(x.value, len(x.dynamic)))
    flat = ops.Reshape(x.value, (*x.lead, product(x.shape)))
    return x.like(ops.Reshape(make(flat, len(x.dynamic)), (*x.lead, *x.shape)))


@cntk.reads("Sequence::Softmax")
def softmax_over_time(work, x):
    if len(x.dynamic) != 2:
        raise Refusal(notimpl("a softmax along a sequence of what is none"))
    return x.like(ops.Softmax(x.value, 1))


@cntk.reads("LocalResponseNormalization")
def local_response_norm(work, x):
    number = work.options.number
    size = 2 * work.options.integer("depthRadius") + 1
    if len(x.dynamic) != 1 or not x.rank:
        raise Refusal(notimpl("a local norm of what has no channels"))
    return x.like(ops.LocalResponseNorm(x.value, size, number("alpha"), number("beta"), number("bias"), 1))


@cntk.reads("ELU")
def elu(work, x):
    return x.like(ops.Elu(x.value, work.options.number("alpha", 1.0)))


@cntk.reads("SELU")
def selu(work, x):
    gamma, alpha = work.options.number("gamma", 1.0507009873554805), work.options.number("alpha", 1.6732632423543772)
    if abs(gamma - 1.0507009873554805) < 1e-6 and abs(alpha - 1.6732632423543772) < 1e-6:
        return x.like(ops.Selu(x.value))
    return x.like(ops.Multiply(ops.Elu(x.value, alpha), gamma))


@cntk.reads("LeakyReLU")
def leaky_relu(work, x):
    return x.like(ops.LeakyRelu(x.value, work.options.number("alpha", 0.01)))


@cntk.reads("Softsign")
def softsign(work, x):
    return x.like(ops.Softsign(x.value))


@cntk.reads("Softplus")
def softplus(work, x):
    return x.like(ops.Softplus(x.value, 1.0, 20.0))
