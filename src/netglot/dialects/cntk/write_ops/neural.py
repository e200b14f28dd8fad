"""Layers of neural networks as CNTK's functions."""

from __future__ import annotations

import numpy as np

from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.write_ops.words import each, window
from netglot.dialects.steps import held, step
from netglot.errors import never
from netglot.formats.cntk_save import Shape
from netglot.passes.composed import TABLE, neural
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of
from netglot.pivot.windows import count, spatial_axes


def _blank(x, size: int, value: float):
    return np.full(size, value, numpy_dtype(dtype_of(x)))


# -- convolutions and products


@cntk.lowers(ops.Conv)
def dilated(op):
    """CNTK dilates no kernel on a processor: the kernel has zeros between its elements."""
    if any(before < 0 or after < 0 for before, after in op.padding):
        return neural.uneven(op)
    if any(one != 1 for one in op.dilation):
        return op.replace(weight=_with_gaps(op.weight, op.dilation), dilation=(1,) * len(op.dilation))
    if op.groups > 1 and any(before != after for before, after in op.padding):
        return _padded_before(op)
    return _grouped(op) if op.groups > 1 and len(op.stride) != 2 and op.axis == 1 else None


def _padded_before(op):
    """Zeros around the picture, and then the convolution: of groups, CNTK pads all but the first alike at both ends."""
    x = op.x
    for axis, (before, after) in zip(spatial_axes(len(shape_of(x)), op.axis), op.padding, strict=True):
        x = neural.widened(x, axis, before, after)
    return op.replace(x=x, padding=((0, 0),) * len(op.padding))


def _grouped(op):
    """Groups are of pictures: of lines as pictures of one row, of volumes one by one."""
    if len(op.stride) == 1:
        flat = op.replace(
            x=_row(op.x), weight=_row(op.weight), stride=(1, *op.stride), padding=((0, 0), *op.padding),
            dilation=(1, 1),
        )  # fmt: skip
        return ops.Reshape(flat, op.result_types()[0].shape)
    return _one_by_one(op, shape_of(op.weight)[0] // op.groups)


def _row(x):
    batch, channels, size = shape_of(x)
    return ops.Reshape(x, (batch, channels, 1, size))


def _one_by_one(op, rows: int):
    """Groups apart, each with so many rows of the weight."""
    size = shape_of(op.x)[op.axis] // op.groups
    made = [
        op.replace(
            x=ops.Slice(op.x, op.axis, i * size, (i + 1) * size, 1),
            weight=ops.Slice(op.weight, 0, i * rows, (i + 1) * rows, 1),
            bias=None,
            groups=1,
        )
        for i in range(op.groups)
    ]
    return _with_bias(op, ops.Concat(tuple(made), op.axis))


def _with_gaps(weight, dilation):
    for number, gap in enumerate(dilation):
        axis, shape = 2 + number, shape_of(weight)
        if gap == 1 or shape[axis] == 1:
            continue
        rank, size = len(shape) + 1, shape[axis]
        apart = ops.Reshape(weight, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
        after = tuple(gap - 1 if i == axis + 1 else 0 for i in range(rank))
        wide = ops.Pad(apart, (0,) * rank, after, "constant", 0.0)
        joined = ops.Reshape(wide, (*shape[:axis], size * gap, *shape[axis + 1 :]))
        weight = ops.Slice(joined, axis, 0, (size - 1) * gap + 1, 1)
    return weight


def _options(op, kernel: tuple, padding, *, turned: bool) -> dict:
    """What a convolution says: along the channels it is whole and without steps."""
    inner = len(op.stride)
    return {
        "kernelShape": Shape(tuple(kernel)),
        "strides": Shape((1, *op.stride)),
        "dilation": Shape((1,) * (inner + 1)),
        "sharing": [True] * (inner + 1),
        "autoPadding": [False] * (inner + 1),
        "lowerPad": Shape((0, *(before for before, _ in padding))),
        "upperPad": Shape((0, *(after for _, after in padding))),
        "transpose": turned,
        "outputShape": Shape((0,)),
        "maxTempMemSizeInSamples": 0,
        "groups": op.groups,
        "sequential": False,
    }


def _biased(op, made):
    """A convolution with its bias added to each channel."""
    if op.bias is None:
        return made
    count_ = shape_of(op.bias)[0]
    wide = held("bias", ops.Reshape(op.bias, (count_, *(1,) * len(op.stride))))
    return each("Plus", made, wide)


@cntk.writes(ops.Conv)
def conv(op):
    weight = shape_of(op.weight)
    told = _options(op, weight[1:], op.padding, turned=False)
    shape = op.replace(bias=None).result_types()[0].shape
    return _biased(op, window("Convolution", held("weight", op.weight), op.x, main=1, shape=shape, **told))


@cntk.lowers(ops.ConvTranspose)
def transposed_in_pieces(op):
    """Groups one by one; gaps in the kernel as zeros; what is cut or added beyond the windows apart."""
    if op.groups > 1:
        return _one_by_one(op, shape_of(op.weight)[0] // op.groups)
    if any(one != 1 for one in op.dilation):
        return op.replace(weight=_with_gaps(op.weight, op.dilation), dilation=(1,) * len(op.dilation))
    if all(b >= 0 and a - extra >= 0 for (b, a), extra in zip(op.padding, op.output_padding, strict=True)):
        return None
    return _cut(op)


def _cut(op):
    """A transposed convolution of which nothing is cut, and then cut or lengthened."""
    none = (0,) * len(op.stride)
    y = op.replace(padding=tuple(zip(none, none, strict=True)), output_padding=none, bias=None)
    rank = len(shape_of(op.x))
    for axis, (before, after), extra in zip(spatial_axes(rank, op.axis), op.padding, op.output_padding, strict=True):
        y = neural.widened(y, axis, -before, extra - after)
    return _with_bias(op, y)


def _with_bias(op, y):
    """The result with the bias of each channel added."""
    if op.bias is None:
        return y
    rank = len(shape_of(op.x))
    return ops.Add(y, ops.Reshape(op.bias, tuple(shape_of(op.bias)[0] if a == op.axis else 1 for a in range(rank))))


@cntk.writes(ops.ConvTranspose)
def conv_transpose(op):
    padding = [(b, a - extra) for (b, a), extra in zip(op.padding, op.output_padding, strict=True)]
    told = _options(op, shape_of(op.weight)[1:], padding, turned=True)
    shape = op.replace(bias=None).result_types()[0].shape
    return _biased(op, window("Convolution", held("weight", op.weight), op.x, main=1, shape=shape, **told))


@cntk.writes(ops.Linear)
def linear(op):
    if len(shape_of(op.x)) == 1:
        return each("Pass", TABLE[ops.Linear](op))
    weight = held("weight", ops.Permute(op.weight, (1, 0)))
    made = step("Times", op.x, weight, rule="product", shape=op.result_types()[0].shape)
    return made if op.bias is None else each("Plus", made, held("bias", op.bias))


@cntk.writes(ops.Matmul)
def matmul(op):
    left, right = shape_of(op.x), shape_of(op.y)
    if len(right) == 1:
        return each("Pass", ops.Reshape(ops.Matmul(op.x, ops.Reshape(op.y, (right[0], 1))), shape_of(op)))
    if len(left) == 1:
        return each("Pass", ops.Reshape(ops.Matmul(ops.Reshape(op.x, (1, left[0])), op.y), shape_of(op)))
    return step("Times", op.x, op.y, rule="product", shape=shape_of(op))


# -- pools


@cntk.lowers(ops.MaxPool)
def max_pool_in_pieces(op):
    apart = neural.with_channels(op)
    if apart is not None:
        return apart
    return neural.sliced_pool(op) if any(d != 1 for d in op.dilation) or not _fits(op) else None


@cntk.lowers(ops.AvgPool)
def avg_pool_in_pieces(op):
    apart = neural.with_channels(op) or neural.average(op)
    if apart is not None:
        return apart
    return None if _fits(op) else neural.average_apart(op)


def _fits(op) -> bool:
    """Whether CNTK counts the windows as the op does, and pads less than a window."""
    if len(op.axes) > 3:
        return False
    for axis, k, s, (before, after) in zip(op.axes, op.kernel, op.stride, op.padding, strict=True):
        size = shape_of(op.x)[axis]
        if not 0 <= before < k or not 0 <= after < k:
            return False
        if op.ceil_mode:
            plain = isinstance(size, int) and count(size, k, s, (before, after), 1, True)
            if plain is False or plain != count(size, k, s, (before, after)):
                return False
    return True


def _pool(op, kind: int, counted: bool):
    n = len(op.axes)
    return window(
        "Pooling",
        op.x,
        shape=op.result_types()[0].shape,
        poolingType=kind,
        poolingWindowShape=Shape(tuple(op.kernel)),
        strides=Shape(tuple(op.stride)),
        autoPadding=[False] * n,
        lowerPad=Shape(tuple(before for before, _ in op.padding)),
        upperPad=Shape(tuple(after for _, after in op.padding)),
        ceilOutDim=False,
        includePad=counted,
    )


@cntk.writes(ops.MaxPool)
def max_pool(op):
    return _pool(op, 0, False)


@cntk.writes(ops.AvgPool)
def avg_pool(op):
    return _pool(op, 1, op.count_include_pad)


for _op in (ops.MaxPoolIndices, ops.MaxUnpool):
    cntk.refuses(_op, never("CNTK's pools do not say where the largest elements were"))


# -- norms


@cntk.lowers(ops.BatchNorm)
def in_pieces(op):
    """A norm over the batch's own statistics, or of channels that are not the axis 1."""
    return TABLE[ops.BatchNorm](op) if op.mean is None or op.axis != 1 else None


@cntk.writes(ops.BatchNorm)
def batch_norm(op):
    channels = shape_of(op.mean)[0]
    scale = _blank(op.x, channels, 1.0) if op.scale is None else op.scale
    offset = _blank(op.x, channels, 0.0) if op.offset is None else op.offset
    weights = [held("scale", scale), held("bias", offset), held("mean", op.mean), held("variance", op.variance)]
    return window(
        "BatchNormalization",
        op.x,
        *weights,
        0.0,
        shape=shape_of(op.x),
        spatial=len(shape_of(op.x)) > 2,
        normalizationTimeConstant=5000.0,
        blendTimeConstant=0.0,
        epsilon=float(op.epsilon),
        useCuDNNEngine=False,
        disableRegularization=False,
    )


@cntk.writes(ops.Dropout)
def dropout(op):
    return each("Dropout", op.x, dropoutRate=float(op.rate), rngSeed=1, rngOffset=0)
