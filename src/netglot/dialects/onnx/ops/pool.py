"""Pooling."""

from __future__ import annotations

from netglot.dialects.onnx.common import Known, cast, dtype, numbers, rank, reshaped
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.conv import pairs
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import shape_of


def _window(X, kernel_shape, strides, dilations, pads, auto_pad):
    count = rank(X) - 2
    kernel, stride = tuple(kernel_shape), tuple(strides or (1,) * count)
    dilation = tuple(dilations or (1,) * count)
    if not len(kernel) == len(stride) == len(dilation) == count:
        raise ValueError("kernel, strides and dilations have one entry for each spatial axis")
    if min((*kernel, *stride, *dilation), default=1) < 1:
        raise ValueError("kernel, strides and dilations are positive")
    padding = pairs(pads, auto_pad, shape_of(X)[2:], kernel, stride, dilation)
    return kernel, stride, padding, dilation, tuple(range(2, rank(X)))


def _within(padding, kernel, dilation):
    """Padding that no window lies in alone. More of it is legal, and means windows of nothing."""
    if any(max(p) > d * (k - 1) for p, k, d in zip(padding, kernel, dilation, strict=True)):
        raise Refusal(notimpl("padding as large as the window"))


def _max_pool(X, outputs, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode, storage_order):
    kernel, stride, padding, dilation, axes = _window(X, kernel_shape, strides, dilations, pads, auto_pad)
    _within(padding, kernel, dilation)
    options = (kernel, stride, padding, dilation, bool(ceil_mode), axes)
    values = ops.MaxPool(X, *options)
    if len(outputs) < 2 or not outputs[1]:
        return values
    shape = shape_of(X)
    place = ops.MaxPoolIndices(X, *options)
    if storage_order and rank(X) > 4:
        raise Refusal(notimpl("positions of maxima counted column by column in more than two axes"))
    if storage_order and rank(X) == 4:
        row, column = ops.FloorDivide(place, shape[3]), ops.Remainder(place, shape[3])
        place = ops.Add(ops.Multiply(column, shape[2]), row)
    planes = reshaped(ops.Arange(0, shape[0] * shape[1], 1, "int64"), (*shape[:2], *(1,) * (rank(X) - 2)))
    return [values, ops.Add(place, ops.Multiply(planes, product(shape[2:])))]


@onnx.reads("MaxPool-1")
def max_pool_1(X, *, auto_pad="NOTSET", kernel_shape, pads=None, strides=None, outputs=()):
    return _max_pool(X, outputs, kernel_shape, strides, None, pads, auto_pad, 0, 0)


@onnx.reads("MaxPool-8")
def max_pool_8(X, *, auto_pad="NOTSET", kernel_shape, pads=None, strides=None, storage_order=0, outputs=()):
    return _max_pool(X, outputs, kernel_shape, strides, None, pads, auto_pad, 0, storage_order)


@onnx.reads("MaxPool-10")
def max_pool(
    X,
    *,
    auto_pad="NOTSET",
    ceil_mode=0,
    dilations=None,
    kernel_shape,
    pads=None,
    storage_order=0,
    strides=None,
    outputs=(),
):
    return _max_pool(X, outputs, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode, storage_order)


def _avg_pool(X, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode, count_include_pad):
    kernel, stride, padding, dilation, axes = _window(X, kernel_shape, strides, dilations, pads, auto_pad)
    if any(d != 1 for d in dilation):
        return _dilated_mean(X, kernel, stride, padding, dilation, axes, ceil_mode, count_include_pad)
    _within(padding, kernel, dilation)
    return ops.AvgPool(X, kernel, stride, padding, bool(ceil_mode), bool(count_include_pad), None, axes)


def _dilated_mean(X, kernel, stride, padding, dilation, axes, ceil_mode, count_include_pad):
    """The mean of windows with holes: a convolution with ones for each channel, over the number of its elements."""
    channels, whole = shape_of(X)[1], product(kernel)
    if not isinstance(channels, int):
        raise Refusal(notimpl("a mean over windows with holes, of a number of channels that is not known"))
    if ceil_mode:
        shape = shape_of(ops.MaxPool(X, kernel, stride, padding, dilation, True, axes))
        wanted = [
            (n - 1) * s + d * (k - 1) + 1 - size - before
            for n, s, d, k, size, (before, _) in zip(
                shape[2:], stride, dilation, kernel, shape_of(X)[2:], padding, strict=True
            )
        ]
        if not all(isinstance(w, int) for w in wanted):
            raise Refusal(notimpl("a mean over windows with holes that may overhang, of sizes that are not known"))
        padded = tuple((b, max(w, 0)) for (b, _), w in zip(padding, wanted, strict=True))
    else:
        padded = padding
    ones = ops.Full((channels, 1, *kernel), 1.0, dtype(X))
    total = ops.Conv(X, ones, None, stride, padded, dilation, channels, 1)
    if count_include_pad and not ceil_mode:
        return ops.Divide(total, float(whole))
    filled = ops.Full((1, 1, *shape_of(X)[2:]), 1.0, dtype(X))
    rest = padded
    if count_include_pad:
        low, high = [before for before, _ in padding], [after for _, after in padding]
        filled = ops.Pad(filled, (0, 0, *low), (0, 0, *high), "constant", 1.0)
        rest = tuple((0, q - a) for (_, q), (_, a) in zip(padded, padding, strict=True))
        rest = tuple((b, max(a, 0)) for b, a in rest)
    one = ops.Full((1, 1, *kernel), 1.0, dtype(X))
    return ops.Divide(total, ops.Conv(filled, one, None, stride, rest, dilation, 1, 1))


@onnx.reads("AveragePool-1")
def average_pool_1(X, *, auto_pad="NOTSET", kernel_shape, pads=None, strides=None):
    return _avg_pool(X, kernel_shape, strides, None, pads, auto_pad, 0, 0)


@onnx.reads("AveragePool-7")
def average_pool_7(X, *, auto_pad="NOTSET", count_include_pad=0, kernel_shape, pads=None, strides=None):
    return _avg_pool(X, kernel_shape, strides, None, pads, auto_pad, 0, count_include_pad)


@onnx.reads("AveragePool-10")
def average_pool_10(X, *, auto_pad="NOTSET", ceil_mode=0, count_include_pad=0, kernel_shape, pads=None, strides=None):
    return _avg_pool(X, kernel_shape, strides, None, pads, auto_pad, ceil_mode, count_include_pad)


@onnx.reads("AveragePool-19")
def average_pool(
    X,
    *,
    auto_pad="NOTSET",
    ceil_mode=0,
    count_include_pad=0,
    dilations=None,
    kernel_shape,
    pads=None,
    strides=None,
):
    return _avg_pool(X, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode, count_include_pad)


def _lp_pool(X, p, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode):
    kernel, stride, padding, dilation, axes = _window(X, kernel_shape, strides, dilations, pads, auto_pad)
    if any(d != 1 for d in dilation):
        powers = ops.Power(ops.Abs(X), float(p))
        mean = _dilated_mean(powers, kernel, stride, padding, dilation, axes, ceil_mode, True)
        if ceil_mode:
            raise Refusal(notimpl("norms of windows with holes that may overhang"))
        return ops.Power(ops.Multiply(mean, float(product(kernel))), 1 / p)
    if any(side for pair in padding for side in pair):
        from netglot.dialects.onnx.ops.shape import padded

        X = padded(X, [0, 0, *(before for before, _ in padding), 0, 0, *(after for _, after in padding)])
    return ops.LpPool(X, float(p), kernel, stride, bool(ceil_mode), axes)


@onnx.reads("LpPool-1")
def lp_pool_1(X, *, auto_pad="NOTSET", kernel_shape, p=2, pads=None, strides=None):
    return _lp_pool(X, p, kernel_shape, strides, None, pads, auto_pad, 0)


@onnx.reads("LpPool-18")
def lp_pool(X, *, auto_pad="NOTSET", ceil_mode=0, dilations=None, kernel_shape, p=2, pads=None, strides=None):
    return _lp_pool(X, p, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)


@onnx.reads("MaxUnpool-9")
def max_unpool(X, indices, output_shape: Known = None, *, kernel_shape, pads=None, strides=None):
    count = rank(X) - 2
    stride = strides or (1,) * count
    pads = pads or (0,) * (2 * count)
    natural = [
        (size - 1) * s - pads[i] - pads[count + i] + k
        for i, (size, s, k) in enumerate(zip(shape_of(X)[2:], stride, kernel_shape, strict=True))
    ]
    # positions are counted in the natural size, over all planes
    plane = product(natural)
    wanted = natural if output_shape is None else numbers(output_shape)[2:]
    place = ops.Remainder(cast(indices, "int64"), plane)
    if list(wanted) != list(natural) and count == 2:
        row, column = ops.FloorDivide(place, natural[1]), ops.Remainder(place, natural[1])
        place = ops.Add(ops.Multiply(row, wanted[1]), column)
    elif list(wanted) != list(natural):
        raise Refusal(notimpl("positions of maxima moved to a larger tensor that is no picture"))
    return ops.MaxUnpool(X, place, tuple(wanted))
