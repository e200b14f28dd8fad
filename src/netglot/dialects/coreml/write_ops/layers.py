"""Ops as layers of Core ML's neural networks."""

from __future__ import annotations

import math

import numpy as np

from netglot.dialects.coreml.dialect import coreml
from netglot.dialects.steps import Result, several, step
from netglot.errors import Refusal, never
from netglot.passes.composed import TABLE, neural
from netglot.pivot import ops
from netglot.pivot.op import is_scalar, shape_of


def picture(op) -> None:
    """Asserts that an op works on pictures whose sizes are known.

    Raises:
        Refusal: it does not.
    """
    shape = shape_of(op.x)
    if len(shape) != 4 or not all(isinstance(size, int) for size in shape[1:]):
        raise Refusal(never(f"these layers of Core ML work on pictures of known sizes, not on {list(shape)}"))


def _edges(padding) -> dict:
    (top, bottom), (left, right) = padding
    if min(top, bottom, left, right) < 0:
        raise Refusal(never("Core ML pads by no less than nothing"))
    return {"padding_top": top, "padding_bottom": bottom, "padding_left": left, "padding_right": right}


@coreml.writes(ops.Conv)
def conv(op):
    picture(op)
    out, inside, height, width = shape_of(op.weight)
    return step(
        "convolution",
        op.x,
        weights={"W": ops.Permute(op.weight, (2, 3, 1, 0)), "b": op.bias},
        stored={"weights": op.weight, "bias": op.bias},
        kernel_channels=inside,
        output_channels=out,
        height=height,
        width=width,
        stride_height=op.stride[0],
        stride_width=op.stride[1],
        border_mode="valid",
        groups=op.groups,
        dilation_factors=list(op.dilation),
        **_edges(op.padding),
    )


@coreml.lowers(ops.ConvTranspose)
def cropped(op):
    picture(op)
    return neural.cropped(op)


@coreml.writes(ops.ConvTranspose)
def conv_transpose(op):
    if any(op.output_padding):
        raise Refusal(never("Core ML lengthens a transposed convolution by its size only"))
    inside, each, height, width = shape_of(op.weight)
    return step(
        "convolution",
        op.x,
        weights={"W": ops.Permute(op.weight, (2, 3, 0, 1)), "b": op.bias},
        stored={"weights": op.weight, "bias": op.bias},
        kernel_channels=inside,
        output_channels=each * op.groups,
        height=height,
        width=width,
        stride_height=op.stride[0],
        stride_width=op.stride[1],
        border_mode="valid",
        groups=op.groups,
        is_deconv=True,
        dilation_factors=list(op.dilation),
        **_edges(op.padding),
    )


@coreml.writes(ops.Linear)
def linear(op):
    if len(shape_of(op.x)) != 2:
        raise Refusal(never("Core ML's inner products are those of vectors"))
    out, inside = shape_of(op.weight)
    weights = {"W": op.weight, "b": op.bias}
    stored = {"weights": op.weight, "bias": op.bias}
    return step("inner_product", op.x, weights=weights, stored=stored, input_channels=inside, output_channels=out)


@coreml.writes(ops.BatchNorm)
def batch_norm(op):
    if op.mean is None or len(shape_of(op.x)) not in (2, 4):
        raise Refusal(never("Core ML's batch norm has statistics, and works on pictures or vectors"))
    channels = shape_of(op.mean)[0]
    gamma = np.ones(channels, "float32") if op.scale is None else op.scale
    beta = np.zeros(channels, "float32") if op.offset is None else op.offset
    weights = {"gamma": gamma, "beta": beta, "mean": op.mean, "variance": op.variance}
    return step("batchnorm", op.x, weights=weights, stored=weights, channels=channels, epsilon=float(op.epsilon))


@coreml.writes(ops.LocalResponseNorm)
def local_response_norm(op):
    if op.size % 2 == 0:
        raise Refusal(never("Core ML's norm of neighbours looks as far before as behind"))
    return step("lrn", op.x, alpha=op.alpha, beta=op.beta, local_size=op.size, k=op.k)


# -- pools


def _pool(op, kind: str, **more):
    picture(op)
    if any(d != 1 for d in getattr(op, "dilation", (1, 1))):
        raise Refusal(never("Core ML's pools have no dilation"))
    amounts = [(b, a + max(e, 0)) for (b, a), e in zip(op.padding, op.overhangs(), strict=True)]
    return step(
        "pooling",
        op.x,
        height=op.kernel[0],
        width=op.kernel[1],
        stride_height=op.stride[0],
        stride_width=op.stride[1],
        layer_type=kind,
        padding_type="VALID",
        **_edges(amounts),
        **more,
    )


@coreml.writes(ops.MaxPool)
def max_pool(op):
    return _pool(op, "MAX")


@coreml.lowers(ops.AvgPool)
def average_by_a_number(op):
    return neural.average(op)


@coreml.writes(ops.AvgPool)
def avg_pool(op):
    if op.count_include_pad and any(extra > 0 for extra in op.overhangs()):
        raise Refusal(never("Core ML's means count all of the padding, or none"))
    return _pool(op, "AVERAGE", exclude_pad_area=not op.count_include_pad)


def _whole(kind: str):
    def write(op):
        axes, shape = tuple(sorted(op.axes)), shape_of(op.x)
        if len(shape) != 4 or axes != (2, 3):
            raise Refusal(never("Core ML's neural networks fold whole pictures"))
        told = {"height": 1, "width": 1, "stride_height": 1, "stride_width": 1, "padding_type": "VALID"}
        made = step("pooling", op.x, layer_type=kind, is_global=True, **told)
        return made if op.keepdims else step("flatten", made, mode=0)

    return write


coreml.writes(ops.Mean)(_whole("AVERAGE"))
coreml.writes(ops.Max)(_whole("MAX"))


# -- activations and arithmetic

_ACTIVATIONS = {ops.Relu: "RELU", ops.Sigmoid: "SIGMOID", ops.Tanh: "TANH", ops.Softsign: "SOFTSIGN"}
coreml.writes(*_ACTIVATIONS)(lambda op: step("activation", op.x, non_linearity=_ACTIVATIONS[type(op)]))
_UNARY = {ops.Exp: "exp", ops.Log: "log", ops.Sqrt: "sqrt", ops.Abs: "abs"}
coreml.writes(*_UNARY)(lambda op: step("unary", op.x, mode=_UNARY[type(op)]))


@coreml.writes(ops.Softplus)
def softplus(op):
    if op.beta != 1 or op.threshold < 20:
        return affine(TABLE[ops.Softplus](op))
    return step("activation", op.x, non_linearity="SOFTPLUS")


@coreml.writes(ops.LeakyRelu)
def leaky_relu(op):
    return step("activation", op.x, non_linearity="LEAKYRELU", params=[float(op.slope)])


@coreml.writes(ops.Elu)
def elu(op):
    return step("activation", op.x, non_linearity="ELU", params=float(op.alpha))


def affine(x, factor: float = 1.0, offset: float = 0.0):
    """The layer for `factor * x + offset`."""
    return step("activation", x, non_linearity="LINEAR", params=[float(factor), float(offset)])


@coreml.writes(ops.Identity, ops.StopGradient, ops.Dropout)
def identity(op):
    return affine(op.x)


@coreml.writes(ops.Clip)
def clip(op):
    """Of two rectifiers, because the layer for it asks for systems of later years."""
    if not all(bound is None or is_scalar(bound) for bound in (op.low, op.high)):
        raise Refusal(never("Core ML's bounds are numbers"))
    x = op.x
    if op.low is not None and math.isfinite(op.low):
        x = ops.Add(ops.Relu(ops.Add(x, -op.low)), op.low) if op.low else ops.Relu(x)
    if op.high is not None and math.isfinite(op.high):
        x = ops.Subtract(op.high, ops.Relu(ops.Subtract(op.high, x)))
    return affine(x)


def _each(x, value):
    """Weights as one number for each channel of `x`; None where they are something else."""
    shape = shape_of(x)
    wide = (*(1,) * (len(shape) - len(shape_of(value))), *shape_of(value))
    alone = len(wide) == len(shape) and wide[0] == 1 and wide[1] == shape[1] and all(n == 1 for n in wide[2:])
    return ops.Reshape(value, (shape[1],)) if alone else None


def _known(x) -> bool:
    return hasattr(x, "load") or isinstance(x, np.ndarray)


def _two(op, mode: str):
    x, y = (op.y, op.x) if _known(op.x) or shape_of(op.x) != shape_of(op) else (op.x, op.y)
    if _known(y):
        held = _each(x, y)
        if held is None:
            raise Refusal(never("Core ML joins a picture with one number for each channel"))
        count = shape_of(held)
        ones, zeros = np.ones(count, "float32"), np.zeros(count, "float32")
        w, b = (held, zeros) if mode == "MULTIPLY" else (ones, held)
        told = {"shape_scale": list(count), "shape_bias": list(count)}
        return step("scale", x, weights={"W": w, "b": b}, stored={"scale": w, "bias": b}, **told)
    if shape_of(x) != shape_of(y) and (len(shape_of(x)) != 4 or shape_of(y) != (*shape_of(x)[:2], 1, 1)):
        raise Refusal(never("Core ML joins tensors of one shape, or with one number for each channel"))
    return step("elementwise", x, y, mode=mode)


@coreml.writes(ops.Add)
def add(op):
    if is_scalar(op.x) or is_scalar(op.y):
        return affine(*((op.y, 1, op.x) if is_scalar(op.x) else (op.x, 1, op.y)))
    return _two(op, "ADD")


@coreml.writes(ops.Multiply)
def multiply(op):
    if is_scalar(op.x) or is_scalar(op.y):
        return affine(*((op.y, op.x) if is_scalar(op.x) else (op.x, op.y)))
    return _two(op, "MULTIPLY")


@coreml.writes(ops.Subtract)
def subtract(op):
    if is_scalar(op.y):
        return affine(op.x, 1, -op.y)
    if is_scalar(op.x):
        return affine(op.y, -1, op.x)
    return affine(ops.Add(op.x, ops.Multiply(op.y, -1.0)))


@coreml.writes(ops.Divide)
def divide(op):
    if not is_scalar(op.y):
        raise Refusal(never("Core ML's neural networks divide by numbers"))
    return affine(op.x, 1 / op.y)


@coreml.writes(ops.Negative)
def negative(op):
    return affine(op.x, -1)


@coreml.writes(ops.Maximum, ops.Minimum)
def extreme(op):
    if is_scalar(op.x) or is_scalar(op.y):
        x, y = (op.y, op.x) if is_scalar(op.x) else (op.x, op.y)
        return affine(ops.Clip(x, y, None) if isinstance(op, ops.Maximum) else ops.Clip(x, None, y))
    if shape_of(op.x) != shape_of(op.y):
        raise Refusal(never("Core ML compares tensors of one shape"))
    return step("elementwise", op.x, op.y, mode="MAX" if isinstance(op, ops.Maximum) else "MIN")


@coreml.writes(ops.Softmax)
def softmax(op):
    if op.axis != 1:
        raise Refusal(never("Core ML's softmax goes over channels"))
    return step("softmax", op.x)


# -- moving elements


@coreml.writes(ops.Reshape)
def reshape(op):
    before, after = shape_of(op.x), tuple(op.shape)
    if len(after) == 2 and before[0] == after[0] and len(before) == 4:
        return step("flatten", op.x, mode=0)
    if (
        len(after) == 4
        and before[0] == after[0]
        and all(isinstance(n, int) for n in after[1:])
        and len(before) in (2, 4)
    ):
        return step("reshape", op.x, target_shape=list(after[1:]), mode=0)
    raise Refusal(never(f"Core ML's neural networks reshape pictures and vectors, not {list(before)} to {list(after)}"))


@coreml.writes(ops.Permute)
def permute(op):
    if len(op.axes) != 4 or op.axes[0] != 0:
        raise Refusal(never("Core ML's neural networks move the axes of pictures"))
    return step("permute", op.x, dim=list(op.axes))


@coreml.writes(ops.Concat)
def concat(op):
    if op.axis != 1 or len(shape_of(op)) not in (2, 4):
        raise Refusal(never("Core ML's neural networks join channels"))
    return step("elementwise", *op.xs, mode="CONCAT")


@coreml.writes(ops.Split)
def split(op):
    count = len(op.sizes)
    if op.axis != 1 or len(set(op.sizes)) != 1 or count < 2 or len(shape_of(op.x)) != 4:
        raise Refusal(never("Core ML's neural networks split channels into equal parts"))
    made = step("split", op.x)
    return several(*(Result(made, i, count) for i in range(count)))


@coreml.writes(ops.Slice)
def slice_(op):
    names = {1: "channel", 2: "height", 3: "width"}
    if len(shape_of(op.x)) != 4 or op.axis not in names or not isinstance(op.stop, int) or op.stop <= op.start:
        raise Refusal(never("Core ML's neural networks cut the channels and sides of pictures"))
    return step("slice", op.x, axis=names[op.axis], start_index=op.start, end_index=op.stop, stride=op.step)


_PADS = {"constant": "constant", "reflect": "reflection", "edge": "replication"}


@coreml.writes(ops.Pad)
def pad(op):
    picture(op)
    sides = (*op.before, *op.after)
    if op.mode not in _PADS or any((*op.before[:2], *op.after[:2])) or min(sides) < 0:
        raise Refusal(never("Core ML pads the sides of pictures"))
    told = {"top": op.before[2], "left": op.before[3], "bottom": op.after[2], "right": op.after[3]}
    return step("padding", op.x, padding_type=_PADS[op.mode], value=float(op.value), **told)


@coreml.writes(ops.Resize)
def resize(op):
    picture(op)
    pairs = zip(shape_of(op.x)[2:], op.size, strict=True)
    factors = [new // size if isinstance(new, int) and new % size == 0 else 0 for size, new in pairs]
    if not op.mode.startswith("nearest") or 0 in factors:
        raise Refusal(never("these layers of Core ML repeat the elements of a picture a whole number of times"))
    return step("upsample", op.x, scaling_factor_h=factors[0], scaling_factor_w=factors[1], mode="NN")


@coreml.writes(ops.Prelu)
def prelu(op):
    if op.axis != 1 or shape_of(op.slope)[0] != shape_of(op.x)[1]:
        raise Refusal(never("Core ML's slopes stand along the channels"))
    return step("activation", op.x, weights={"params": op.slope}, stored={"alpha": op.slope}, non_linearity="PRELU")
