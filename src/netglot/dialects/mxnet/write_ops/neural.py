"""Layers of neural networks as MXNet's operators."""

from __future__ import annotations

import numpy as np

from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.steps import Result, held, several, step
from netglot.errors import Refusal, notimpl
from netglot.passes.composed import TABLE, neural
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of
from netglot.pivot.windows import count

# -- convolutions and products


@mxnet.lowers(ops.Conv)
def conv_with_even_padding(op):
    return neural.uneven(op)


@mxnet.writes(ops.Conv)
def conv(op):
    return step(
        "Convolution",
        op.x,
        held("weight", op.weight),
        held("bias", op.bias),
        kernel=tuple(shape_of(op.weight)[2:]),
        stride=tuple(op.stride),
        dilate=tuple(op.dilation),
        pad=tuple(before for before, _ in op.padding),
        num_filter=shape_of(op.weight)[0],
        num_group=op.groups,
        no_bias=op.bias is None,
    )


@mxnet.lowers(ops.ConvTranspose)
def deconvolution_cropped(op):
    return neural.cropped(op)


@mxnet.writes(ops.ConvTranspose)
def conv_transpose(op):
    return step(
        "Deconvolution",
        op.x,
        held("weight", op.weight),
        held("bias", op.bias),
        kernel=tuple(shape_of(op.weight)[2:]),
        stride=tuple(op.stride),
        dilate=tuple(op.dilation),
        pad=tuple(before for before, _ in op.padding),
        adj=tuple(op.output_padding),
        num_filter=shape_of(op.weight)[1] * op.groups,
        num_group=op.groups,
        no_bias=op.bias is None,
    )


@mxnet.writes(ops.Linear)
def linear(op):
    rank = len(shape_of(op.x))
    if rank == 1:
        return step("identity", TABLE[ops.Linear](op))
    return step(
        "FullyConnected",
        op.x,
        held("weight", op.weight),
        held("bias", op.bias),
        num_hidden=shape_of(op.weight)[0],
        no_bias=op.bias is None,
        flatten=rank == 2,
    )


# -- pools


@mxnet.lowers(ops.MaxPool)
def max_pool_in_pieces(op):
    apart = neural.with_channels(op)
    if apart is not None:
        return apart
    if any(d != 1 for d in op.dilation) or _convention(op) is None or len(op.axes) > 3:
        return neural.sliced_pool(op)
    return None


@mxnet.lowers(ops.AvgPool)
def avg_pool_in_pieces(op):
    apart = neural.with_channels(op) or neural.average(op)
    if apart is not None:
        return apart
    return neural.average_apart(op) if _convention(op) is None else None


def _convention(op) -> str | None:
    """How MXNet counts the windows as the op does; None where it cannot."""
    if any(before != after for before, after in op.padding):
        return None
    if not op.ceil_mode:
        return "valid"
    for axis, k, s, (p, _) in zip(op.axes, op.kernel, op.stride, op.padding, strict=True):
        size = shape_of(op.x)[axis]
        if not isinstance(size, int) or -((k - size - 2 * p) // s) + 1 != count(size, k, s, (p, p), 1, True):
            return None
    return "full"


def _pool(op, kind: str, **more):
    return step(
        "Pooling",
        op.x,
        pool_type=kind,
        kernel=tuple(op.kernel),
        stride=tuple(op.stride),
        pad=tuple(before for before, _ in op.padding),
        pooling_convention=_convention(op),
        **more,
    )


@mxnet.writes(ops.MaxPool)
def max_pool(op):
    return _pool(op, "max")


@mxnet.writes(ops.AvgPool)
def avg_pool(op):
    return _pool(op, "avg", count_include_pad=op.count_include_pad)


def _whole(kind: str):
    def write(op):
        if all(size == 1 for size in op.output_size) and len(op.axes) + 2 == len(shape_of(op.x)):
            return step("Pooling", op.x, kernel=(1,) * len(op.axes), global_pool=True, pool_type=kind)
        if (
            kind == "avg"
            and len(op.axes) == 2
            and len(shape_of(op.x)) == 4
            and all(type(n) is int for n in op.output_size)
        ):
            return step("_contrib_AdaptiveAvgPooling2D", op.x, output_size=tuple(op.output_size))
        return step("identity", TABLE[type(op)](op))

    return write


mxnet.writes(ops.AdaptiveAvgPool)(_whole("avg"))
mxnet.writes(ops.AdaptiveMaxPool)(_whole("max"))
for _op in (ops.MaxPoolIndices, ops.MaxUnpool):
    mxnet.refuses(_op, notimpl("MXNet's pools do not say where the largest elements were"))


# -- norms


def _blank(x, count: int, value: float):
    return np.full(count, value, numpy_dtype(dtype_of(x)))


@mxnet.lowers(ops.BatchNorm)
def batch_norm_of_the_batch(op):
    return TABLE[ops.BatchNorm](op) if op.mean is None else None


@mxnet.writes(ops.BatchNorm)
def batch_norm(op):
    channels = shape_of(op.mean)[0]
    scale = _blank(op.x, channels, 1.0) if op.scale is None else op.scale
    offset = _blank(op.x, channels, 0.0) if op.offset is None else op.offset
    return step(
        "BatchNorm",
        op.x,
        held("gamma", scale),
        held("beta", offset),
        held("moving_mean", op.mean),
        held("moving_var", op.variance),
        eps=op.epsilon,
        momentum=0.9 if op.momentum is None else round(1 - op.momentum, 9),
        fix_gamma=op.scale is None,
        axis=op.axis,
    )


@mxnet.lowers(ops.LayerNorm)
def layer_norm_in_pieces(op):
    return None if len(op.axes) == 1 else TABLE[ops.LayerNorm](op)


@mxnet.writes(ops.LayerNorm)
def layer_norm(op):
    size = shape_of(op.x)[op.axes[0]]
    scale = _blank(op.x, size, 1.0) if op.scale is None else op.scale
    offset = _blank(op.x, size, 0.0) if op.offset is None else op.offset
    return step("LayerNorm", op.x, held("gamma", scale), held("beta", offset), axis=op.axes[0], eps=op.epsilon)


@mxnet.writes(ops.InstanceNorm)
def instance_norm(op):
    """A group norm of one channel a group: MXNet's own operator computes in single precision only."""
    channels = shape_of(op.x)[op.axis]
    scale = _blank(op.x, channels, 1.0) if op.scale is None else op.scale
    offset = _blank(op.x, channels, 0.0) if op.offset is None else op.offset
    return step("GroupNorm", op.x, held("gamma", scale), held("beta", offset), num_groups=channels, eps=op.epsilon)


@mxnet.lowers(ops.LocalResponseNorm)
def even_neighbours(op):
    return None if op.size % 2 else TABLE[ops.LocalResponseNorm](op)


@mxnet.writes(ops.LocalResponseNorm)
def local_response_norm(op):
    return step("LRN", op.x, nsize=op.size, alpha=op.alpha, beta=op.beta, knorm=op.k)


# -- activations

_ACTIVATIONS = {
    ops.Relu: "relu", ops.Sigmoid: "sigmoid", ops.Tanh: "tanh", ops.Softsign: "softsign",
}  # fmt: skip
mxnet.writes(*_ACTIVATIONS)(lambda op: step("Activation", op.x, act_type=_ACTIVATIONS[type(op)]))


@mxnet.writes(ops.Softplus)
def softplus(op):
    if op.beta == 1 and op.threshold >= 20:
        return step("Activation", op.x, act_type="softrelu")
    return step("identity", TABLE[ops.Softplus](op))


@mxnet.writes(ops.LeakyRelu)
def leaky_relu(op):
    return step("LeakyReLU", op.x, act_type="leaky", slope=op.slope)


@mxnet.writes(ops.Elu)
def elu(op):
    return step("LeakyReLU", op.x, act_type="elu", slope=op.alpha)


@mxnet.writes(ops.Selu)
def selu(op):
    return step("LeakyReLU", op.x, act_type="selu")


@mxnet.writes(ops.Gelu)
def gelu(op):
    return step("identity", TABLE[ops.Gelu](op)) if op.approximate else step("LeakyReLU", op.x, act_type="gelu")


@mxnet.writes(ops.Prelu)
def prelu(op):
    if op.axis != 1:
        return step("identity", TABLE[ops.Prelu](op))
    return step("LeakyReLU", op.x, held("gamma", op.slope), act_type="prelu")


@mxnet.writes(ops.Softmax)
def softmax(op):
    return step("softmax", op.x, axis=op.axis)


@mxnet.writes(ops.LogSoftmax)
def log_softmax(op):
    return step("log_softmax", op.x, axis=op.axis)


@mxnet.writes(ops.Dropout)
def dropout(op):
    shared = tuple(axis for axis in range(len(shape_of(op.x))) if axis not in op.noise_axes)
    return step("Dropout", op.x, p=op.rate, axes=shared or None)


# -- resizing


@mxnet.writes(ops.Resize)
def resize(op):
    """Pictures that grow by a whole number, and smooth resizing of pictures; all else by matrices."""
    old = [shape_of(op.x)[axis] for axis in op.axes]
    if len(op.axes) == 2 and len(shape_of(op.x)) == 4:
        factor = _factor(op, old)
        if factor:
            return step("UpSampling", op.x, scale=factor, sample_type="nearest", num_args=1)
        smooth = op.mode == "linear" and not op.antialias and op.scale is None
        if smooth and all(isinstance(size, int) and size > 1 for size in (*op.size, *old)):
            height, width = op.size
            return step("_contrib_BilinearResize2D", op.x, height=height, width=width, align_corners=op.align_corners)
    return step("identity", TABLE[ops.Resize](op))


def _factor(op, old) -> int | None:
    """How many times a picture grows by repeating its elements, where both sides grow alike."""
    if not op.mode.startswith("nearest"):
        return None
    found = set()
    for i, (size, new) in enumerate(zip(old, op.size, strict=True)):
        if isinstance(size, int) and isinstance(new, int):
            found.add(new // size if new % size == 0 else 0)
        else:
            found.add(int(op.scale[i]) if op.scale and op.scale[i] == int(op.scale[i]) else 0)
    factor = found.pop()
    return factor if not found and factor >= 1 else None


@mxnet.lowers(ops.GridSample)
def grid_from_centre_to_centre(op):
    """MXNet counts from the centres of the outer pixels, and takes pictures for zeros around."""
    if op.align_corners and op.padding_mode == "zeros":
        return None
    sizes = [size for axis, size in enumerate(shape_of(op.x)) if axis not in (0, op.axis)][::-1]
    if op.padding_mode == "reflection" or not all(isinstance(size, int) and size > 1 for size in sizes):
        raise Refusal(notimpl("sampling with reflections, or pictures whose size is not known"))
    grid = op.grid
    if not op.align_corners:
        grid = ops.Multiply(grid, np.array([n / (n - 1) for n in sizes], numpy_dtype(dtype_of(op.grid))))
    grid = ops.Clip(grid, -1.0, 1.0) if op.padding_mode == "border" else grid
    return op.replace(grid=grid, align_corners=True, padding_mode="zeros")


@mxnet.writes(ops.GridSample)
def grid_sample(op):
    if op.mode != "linear" or len(shape_of(op.x)) != 4:
        raise Refusal(notimpl("sampling of other than four neighbours in a plane"))
    return step("BilinearSampler", op.x, ops.Permute(op.grid, (0, 3, 1, 2)))


mxnet.refuses(ops.Fold, notimpl("MXNet's col2im counts its windows otherwise"))


# -- recurrent layers


def _recurrent(op, mode: str, states: int, used):
    """One layer, with all weights in one vector: both matrices of each direction, then both biases of each."""
    if op.mask is not None:
        raise Refusal(notimpl("a recurrence that leaves steps out"))
    hidden, sides = shape_of(op.w_hh[0])[1], len(op.w_ih)
    x = op.x if op.time_axis == 0 else ops.Permute(op.x, (1, 0, 2))
    back = op.direction == "backward"
    x = ops.Flip(x, (0,)) if back else x
    rows = shape_of(op.w_hh[0])[0]
    blank = (np.zeros(rows, numpy_dtype(dtype_of(op.x))),) * sides
    matrices = [one for pair in zip(op.w_ih, op.w_hh, strict=True) for one in pair]
    biases = [one for pair in zip(op.b_ih or blank, op.b_hh or blank, strict=True) for one in pair]
    flat = [ops.Reshape(one, (int(np.prod(shape_of(one))),)) for one in matrices]
    packed = ops.Concat((*flat, *biases), 0)
    starts = [
        ops.Stack(tuple(given), 0) if given else step("_zeros", shape=(sides, 0, hidden), dtype=dtype_of(op.x))
        for given in (op.h0, *((op.c0,) if states == 2 else ()))
    ]
    final = any(index > 0 for index in used)
    made = step(
        "RNN",
        x,
        held("parameters", packed),
        *starts,
        mode=mode,
        state_size=hidden,
        num_layers=1,
        bidirectional=sides == 2,
        state_outputs=final,
    )
    out = Result(made, 0, 1 + states) if final else made
    if back:
        out = step("reverse", out, axis=(0,))
    if op.time_axis == 1:
        out = step("transpose", out, axes=(1, 0, 2))
    if not final:
        return several(out)
    finals = [
        step("squeeze", step("slice_axis", Result(made, 1 + s, 1 + states), axis=0, begin=d, end=d + 1), axis=0)
        for d in range(sides)
        for s in range(states)
    ]
    return several(out, *finals)


@mxnet.writes(ops.Lstm)
def lstm(op, used):
    return _recurrent(op, "lstm", 2, used)


@mxnet.writes(ops.Gru)
def gru(op, used):
    if not op.reset_after:
        raise Refusal(notimpl("a GRU whose reset gate comes before the product with the state"))
    return _recurrent(op, "gru", 1, used)


@mxnet.writes(ops.Rnn)
def rnn(op, used):
    return _recurrent(op, f"rnn_{op.activation}", 1, used)
