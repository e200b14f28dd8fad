"""Convolutions, pools, norms and their like as Caffe's layers.

Caffe pads both sides alike and counts the windows of a pool upwards. Padding that is not even is made larger, by whole
strides in front, and what that adds to the result is cut off again.
"""

from __future__ import annotations

import numpy as np

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.write_ops.arithmetic import power
from netglot.dialects.steps import held, step
from netglot.errors import Refusal, never, notimpl
from netglot.passes.composed import neural
from netglot.pivot import ops
from netglot.pivot.op import shape_of


def _sides(name: str, values) -> dict:
    """An option of both sides of a window: said once where they agree."""
    height, width = values
    long = {"kernel_size": "kernel", "stride": "stride", "pad": "pad"}[name]
    return {name: int(height)} if height == width else {f"{long}_h": int(height), f"{long}_w": int(width)}


def _picture(op) -> None:
    """Asserts that an op works on a picture whose sizes are known.

    Raises:
        Refusal: it does not.
    """
    shape = shape_of(op.x)
    if len(shape) != 4:
        raise Refusal(never(f"Caffe's windows go over pictures, and this tensor has {len(shape)} axes"))
    if not all(isinstance(size, int) for size in shape[1:]):
        raise Refusal(never("Caffe's files say the size of a picture", "give --input with numbers"))


def _window(op, kernel) -> dict:
    found = {**_sides("kernel_size", kernel), **_sides("stride", op.stride)}
    pad = [before for before, _ in op.padding]
    if any(pad):
        found |= _sides("pad", pad)
    if any(d != 1 for d in op.dilation):
        found["dilation"] = list(op.dilation) if op.dilation[0] != op.dilation[1] else int(op.dilation[0])
    return found


def _evened(op, most=None):
    """An op whose padding is even, with the part of its result that is wanted; None where it is even already."""
    if all(before == after and before >= 0 for before, after in op.padding):
        return None
    if any(side < 0 for pair in op.padding for side in pair):
        return neural.uneven(op)
    wanted, padding, cuts = shape_of(op), [], []
    for i, ((before, after), stride) in enumerate(zip(op.padding, op.stride, strict=True)):
        more = -(-max(after - before, 0) // stride)
        side = before + more * stride
        if most is not None and side >= most[i]:
            raise Refusal(never("Caffe's pools are padded by less than a window"))
        padding.append((side, side))
        cuts.append((more, more + wanted[2 + i]))
    return _cut(op.replace(padding=tuple(padding)), cuts)


def _cut(y, cuts):
    """A part of a picture."""
    for axis, (start, stop) in enumerate(cuts, 2):
        if (start, stop) != (0, shape_of(y)[axis]):
            y = ops.Slice(y, axis, start, stop, 1)
    return y


@caffe.lowers(ops.Conv)
def even_conv(op):
    _picture(op)
    return _evened(op)


@caffe.writes(ops.Conv)
def conv(op):
    told = {"num_output": shape_of(op.weight)[0], "bias_term": op.bias is not None}
    told |= _window(op, shape_of(op.weight)[2:])
    if op.groups != 1:
        told["group"] = op.groups
    return step("Convolution", op.x, blobs=_blobs(op), convolution_param=told)


def _blobs(op):
    return tuple(one for one in (held("weight", op.weight), held("bias", op.bias)) if one is not None)


@caffe.lowers(ops.ConvTranspose)
def even_deconvolution(op):
    _picture(op)
    if any(op.output_padding):
        return _lengthened(op)
    return neural.cropped(op)


def _lengthened(op):
    """Without padding, and cut: what it is lengthened by must be there to be cut less."""
    if any(extra > after for extra, (_, after) in zip(op.output_padding, op.padding, strict=True)):
        raise Refusal(never("Caffe's deconvolution is no longer than its windows reach"))
    full = op.replace(padding=((0, 0),) * 2, output_padding=(0, 0))
    wanted = shape_of(op)[2:]
    return _cut(full, [(before, before + size) for (before, _), size in zip(op.padding, wanted, strict=True)])


@caffe.writes(ops.ConvTranspose)
def deconvolution(op):
    told = {"num_output": shape_of(op.weight)[1] * op.groups, "bias_term": op.bias is not None}
    told |= _window(op, shape_of(op.weight)[2:])
    if op.groups != 1:
        told["group"] = op.groups
    return step("Deconvolution", op.x, blobs=_blobs(op), convolution_param=told)


@caffe.writes(ops.Linear)
def linear(op):
    rank = len(shape_of(op.x))
    if rank < 2:
        raise Refusal(never("Caffe's inner products are those of a batch"))
    told = {"num_output": shape_of(op.weight)[0], "bias_term": op.bias is not None}
    if rank != 2:
        told["axis"] = rank - 1
    return step("InnerProduct", op.x, blobs=_blobs(op), inner_product_param=told)


@caffe.lowers(ops.Matmul)
def product_with_weights(op):
    if len(shape_of(op.y)) != 2:
        raise Refusal(never("Caffe has no product of two tensors that are computed"))
    return ops.Linear(op.x, ops.Permute(op.y, (1, 0)), None)


# -- pools


def _pool(op, kind: str):
    _picture(op)
    dilation = getattr(op, "dilation", (1, 1))
    if any(d != 1 for d in dilation):
        raise Refusal(never("Caffe's pools have no dilation"))
    evened = _evened(op, op.kernel)
    if evened is not None:
        return power(evened)
    if any(before >= k for (before, _), k in zip(op.padding, op.kernel, strict=True)):
        raise Refusal(never("Caffe's pools are padded by less than a window"))
    wanted, counted = shape_of(op)[2:], []
    for size, k, s, (pad, _) in zip(shape_of(op.x)[2:], op.kernel, op.stride, op.padding, strict=True):
        windows = -((k - size - 2 * pad) // s) + 1
        if pad and (windows - 1) * s >= size + pad:
            windows -= 1
        if not pad and (windows - 1) * s >= size:
            raise Refusal(notimpl("a pool whose last window lies behind the data"))
        counted.append(windows)
    told = {"pool": kind, **_sides("kernel_size", op.kernel), **_sides("stride", op.stride)}
    if any(before for before, _ in op.padding):
        told |= _sides("pad", [before for before, _ in op.padding])
    made = step("Pooling", op.x, pooling_param=told)
    return _cut_step(made, wanted, counted)


def _cut_step(made, wanted, counted):
    """The windows that are wanted of those that Caffe counts."""
    for axis, (want, have) in enumerate(zip(wanted, counted, strict=True), 2):
        if want < have:
            made = step("Slice", made, keep=0, tops=2, slice_param={"axis": axis, "slice_point": want})
    return made


@caffe.lowers(ops.MaxPool)
def max_pool_of_pictures(op):
    return neural.with_channels(op)


@caffe.writes(ops.MaxPool)
def max_pool(op):
    return _pool(op, "MAX")


@caffe.lowers(ops.AvgPool)
def avg_pool_in_pieces(op):
    return neural.with_channels(op) or neural.average(op)


@caffe.writes(ops.AvgPool)
def avg_pool(op):
    if not op.count_include_pad and any(side for pair in op.padding for side in pair):
        raise Refusal(never("Caffe's means count the padding"))
    sizes = zip(shape_of(op.x)[2:], shape_of(op)[2:], op.kernel, op.stride, op.padding, strict=True)
    for size, windows, k, s, (before, after) in sizes:
        end = (windows - 1) * s + k - before - size
        if min(end, before) != min(end, after):
            raise Refusal(never("Caffe's means count as much padding behind a picture as before it"))
    return _pool(op, "AVE")


def _folded(kind: str):
    def write(op):
        """A fold over space is a pool of all of it."""
        shape, axes = shape_of(op.x), tuple(sorted(op.axes))
        if len(shape) != 4 or not set(axes) <= {2, 3} or not all(isinstance(shape[a], int) for a in axes):
            raise Refusal(never("Caffe folds the places of a picture, and other axes only with those behind them"))
        kernel = tuple(shape[axis] if axis in axes else 1 for axis in (2, 3))
        told = {"pool": kind}
        told |= {"global_pooling": True} if len(axes) == 2 else _sides("kernel_size", kernel)
        made = step("Pooling", op.x, pooling_param=told)
        if op.keepdims:
            return made
        sizes = [0, 0, *(0 for _ in shape_of(op)[2:])]
        return step("Reshape", made, reshape_param={"shape": {"dim": [*sizes[:2], *(-1 for _ in sizes[2:])]}})

    return write


caffe.writes(ops.Mean)(_folded("AVE"))
caffe.writes(ops.Max)(_folded("MAX"))


@caffe.lowers(ops.Min)
def lowest(op):
    return ops.Negative(ops.Max(ops.Negative(op.x), op.axes, op.keepdims))


@caffe.lowers(ops.Sum)
def total(op):
    count = [shape_of(op.x)[axis] for axis in op.axes]
    if not all(isinstance(size, int) for size in count):
        raise Refusal(never("Caffe's files say the size of a picture"))
    return ops.Multiply(ops.Mean(op.x, op.axes, op.keepdims), float(np.prod(count)))


# -- norms


@caffe.lowers(ops.BatchNorm)
def own_statistics(op):
    if op.mean is None:
        raise Refusal(notimpl("a batch norm by the statistics of the batch"))
    return None


@caffe.writes(ops.BatchNorm)
def batch_norm(op):
    """A layer for the statistics, and one for scale and shift."""
    channels = shape_of(op.mean)[0]
    blobs = (held("mean", op.mean), held("variance", op.variance), held("factor", np.ones(1, "float32")))
    told = {"use_global_stats": True, "eps": float(op.epsilon)}
    if op.momentum is not None:
        told["moving_average_fraction"] = round(1 - op.momentum, 9)
    made = step("BatchNorm", op.x, blobs=blobs, batch_norm_param=told)
    if op.scale is None and op.offset is None:
        return made
    scale = np.ones(channels, "float32") if op.scale is None else op.scale
    blobs = tuple(one for one in (held("scale", scale), held("bias", op.offset)) if one is not None)
    told = {"bias_term": True} if op.offset is not None else None
    return step("Scale", made, blobs=blobs, scale_param=told)


@caffe.writes(ops.LocalResponseNorm)
def local_response_norm(op):
    if op.size % 2 == 0:
        raise Refusal(never("Caffe's norm of neighbours looks as far before as behind"))
    told = {"local_size": op.size, "alpha": float(op.alpha), "beta": float(op.beta), "k": float(op.k)}
    return step("LRN", op.x, lrn_param=told)


@caffe.writes(ops.Dropout)
def dropout(op):
    return step("Dropout", op.x, dropout_param={"dropout_ratio": float(op.rate)})


# -- resizing and padding


@caffe.writes(ops.Resize)
def resize(op):
    """Repeated elements by a deconvolution of ones; smooth resizing between the corners."""
    _picture(op)
    old = shape_of(op.x)[2:]
    if op.mode.startswith("nearest"):
        factors = [
            new // size if isinstance(new, int) and new % size == 0 else 0
            for size, new in zip(old, op.size, strict=True)
        ]
        if not all(factors):
            raise Refusal(never("Caffe repeats the elements of a picture a whole number of times"))
        channels = shape_of(op.x)[1]
        ones = np.ones((channels, 1, *factors), "float32")
        return power(ops.ConvTranspose(op.x, ones, None, tuple(factors), ((0, 0),) * 2, (0, 0), (1, 1), channels, 1))
    if op.mode == "linear" and op.align_corners and not op.antialias:
        return step("Interp", op.x, interp_param={"height": op.size[0], "width": op.size[1]})
    raise Refusal(never("Caffe resizes smoothly from corner to corner only"))


@caffe.writes(ops.Pad)
def pad(op):
    """Zeros around a picture: a convolution of each channel with a single one, cut where it is not even."""
    _picture(op)
    if op.mode != "constant" or op.value != 0 or any((*op.before[:2], *op.after[:2])):
        raise Refusal(never("Caffe pads pictures with zeros, and nothing else"))
    if any(side < 0 for side in (*op.before, *op.after)):
        return power(neural.widened(neural.widened(op.x, 2, op.before[2], op.after[2]), 3, op.before[3], op.after[3]))
    channels = shape_of(op.x)[1]
    ones = np.ones((channels, 1, 1, 1), "float32")
    padding = tuple(zip(op.before[2:], op.after[2:], strict=True))
    return power(ops.Conv(op.x, ones, None, (1, 1), padding, (1, 1), channels, 1))
