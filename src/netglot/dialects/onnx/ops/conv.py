"""Convolutions."""

from __future__ import annotations

from netglot.dialects.onnx.common import rank, same_dtype
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.matmul import Weight
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import maximum
from netglot.pivot.op import shape_of
from netglot.pivot.windows import reach


def pairs(pads, auto_pad: str, sizes, kernel, stride, dilation) -> tuple:
    """The padding of each spatial axis: as given, or what keeps the size where that is asked for."""
    count = len(kernel)
    if auto_pad in ("NOTSET", ""):
        pads = [0] * (2 * count) if pads is None else pads
        if len(pads) != 2 * count:
            raise ValueError(f"{len(pads)} paddings for {count} axes")
        return tuple((pads[i], pads[count + i]) for i in range(count))
    if auto_pad == "VALID":
        return ((0, 0),) * count
    found = []
    for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        total = maximum((((size + s - 1) // s) - 1) * s + reach(k, d) - size, 0)
        if not isinstance(total, int):
            raise Refusal(notimpl("padding that keeps a size that is not known", "fix the sizes of the inputs"))
        small = total // 2
        found.append((small, total - small) if auto_pad == "SAME_UPPER" else (total - small, small))
    return tuple(found)


def _kernel_of(W, kernel_shape, count: int) -> tuple:
    kernel = tuple(shape_of(W)[2:])
    if kernel_shape is not None and tuple(kernel_shape) != kernel:
        raise ValueError(f"kernel_shape is {list(kernel_shape)}, and the weight has {list(kernel)}")
    if len(kernel) != count:
        raise ValueError(f"a kernel of {len(kernel)} axes for {count} spatial axes")
    return kernel


@onnx.reads("Conv-1")
def conv(
    X,
    W: Weight,
    B: Weight = None,
    *,
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    same_dtype(X, W, B)
    count = rank(X) - 2
    kernel = _kernel_of(W, kernel_shape, count)
    stride, dilation = tuple(strides or (1,) * count), tuple(dilations or (1,) * count)
    if not len(stride) == len(dilation) == count or min((*stride, *dilation, group), default=1) < 1:
        raise ValueError("strides, dilations and groups are positive, one for each spatial axis")
    channels, out = shape_of(X)[1], shape_of(W)[0]
    if isinstance(channels, int) and (channels != shape_of(W)[1] * group or out % group):
        raise ValueError(f"{channels} channels in {group} groups do not fit a weight of shape {list(shape_of(W))}")
    padding = pairs(pads, auto_pad, shape_of(X)[2:], kernel, stride, dilation)
    return _convolved(X, W, B, stride, padding, dilation, group)


def _convolved(X, W, B, stride, padding, dilation, group):
    if any(before < 0 or after < 0 for before, after in padding):
        from netglot.dialects.onnx.ops.shape import padded

        low, high = zip(*padding, strict=True)
        X = padded(X, [0, 0, *(min(p, 0) for p in low), 0, 0, *(min(p, 0) for p in high)])
        padding = tuple((max(b, 0), max(a, 0)) for b, a in padding)
    return ops.Conv(X, W, B, stride, padding, dilation, group, 1)


@onnx.reads("ConvTranspose-1")
def conv_transpose(
    X,
    W: Weight,
    B: Weight = None,
    *,
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    output_padding=None,
    output_shape=None,
    pads=None,
    strides=None,
):
    same_dtype(X, W, B)
    count = rank(X) - 2
    kernel = _kernel_of(W, kernel_shape, count)
    stride, dilation = tuple(strides or (1,) * count), tuple(dilations or (1,) * count)
    extra = tuple(output_padding or (0,) * count)
    if output_shape is not None or auto_pad.startswith("SAME"):
        wanted = output_shape[-count:] if output_shape is not None else None
        padding, extra = _cropped(X, kernel, stride, dilation, extra, wanted, auto_pad)
    else:
        padding = pairs(pads, auto_pad, shape_of(X)[2:], kernel, stride, dilation)
    return ops.ConvTranspose(X, W, B, stride, padding, extra, dilation, group, 1)


def _cropped(X, kernel, stride, dilation, extra, wanted, auto_pad):
    """The crop that gives a wanted size, more of it at the end unless SAME_UPPER asks otherwise."""
    found, longer = [], list(extra)
    for i, size in enumerate(shape_of(X)[2:]):
        full = (size - 1) * stride[i] + extra[i] + reach(kernel[i], dilation[i])
        total = full - (wanted[i] if wanted is not None else size * stride[i])
        if not isinstance(total, int):
            raise Refusal(notimpl("a transposed convolution to a size that depends on one that is not known"))
        if total < 0:
            longer[i] += -total
            total = 0
        small = total // 2
        found.append((small, total - small) if auto_pad == "SAME_UPPER" else (total - small, small))
    return tuple(found), tuple(longer)


_ACTIVATIONS = {
    "": lambda x, _: x,
    "Relu": lambda x, _: ops.Relu(x),
    "Tanh": lambda x, _: ops.Tanh(x),
    "Sigmoid": lambda x, _: ops.Sigmoid(x),
    "LeakyRelu": lambda x, given: ops.LeakyRelu(x, given[0]),
    "Clip": lambda x, given: ops.Clip(x, given[0], given[1]),
    "HardSigmoid": lambda x, given: ops.Clip(ops.Add(ops.Multiply(x, given[0]), given[1]), 0.0, 1.0),
}


def activated(x, name: str, given):
    """`x` after the activation that onnxruntime fuses into an operator."""
    if name not in _ACTIVATIONS:
        raise Refusal(notimpl(f"the fused activation {name}"))
    return _ACTIVATIONS[name](x, given)


@onnx.reads("com.microsoft.FusedConv-1")
def fused_conv(
    X,
    W: Weight,
    B: Weight = None,
    Z=None,
    *,
    activation="",
    activation_params=(),
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    made = conv(
        X,
        W,
        B,
        auto_pad=auto_pad,
        dilations=dilations,
        group=group,
        kernel_shape=kernel_shape,
        pads=pads,
        strides=strides,
    )
    return activated(made if Z is None else ops.Add(made, Z), activation, activation_params)
