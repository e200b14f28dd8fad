"""Convolution, pooling, normalisation, activations and resizing as raw TensorFlow ops."""

from __future__ import annotations

import numpy as np

from netglot.dialects.keras.functions import windows
from netglot.dialects.tensorflow.dialect import tensorflow
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of
from netglot.pivot.windows import reach

Known = np.ndarray


def _format(data_format: str) -> str:
    return "channels_first" if data_format.startswith("NC") else "channels_last"


def _spatial(values, data_format: str) -> tuple[int, ...]:
    """The entries of a list over all axes that belong to the spatial ones."""
    return tuple(values[2:]) if data_format.startswith("NC") else tuple(values[1:-1])


def _explicit(padding: str, explicit, data_format: str):
    if padding != "EXPLICIT":
        return None
    pairs = [tuple(explicit[i : i + 2]) for i in range(0, len(explicit), 2)]
    return tuple(pairs[2:]) if data_format.startswith("NC") else tuple(pairs[1:-1])


def _conv(x, kernel, strides, padding, explicit, data_format, dilations, depthwise=False):
    rank = len(shape_of(x))
    dilation = _spatial(dilations, data_format) if dilations else (1,) * (rank - 2)
    word = "valid" if padding == "EXPLICIT" else padding.lower()
    conv = windows.conv(
        x, kernel, None, _spatial(strides, data_format), word, _format(data_format), dilation, depthwise=depthwise
    )
    pads = _explicit(padding, explicit, data_format)
    return conv if pads is None else conv.replace(padding=pads)


@tensorflow.reads("Conv2D")
def conv2d(input, filter, strides, padding, explicit_paddings=(), data_format="NHWC", dilations=None):
    return _conv(input, filter, strides, padding, explicit_paddings, data_format, dilations)


@tensorflow.reads("Conv3D")
def conv3d(input, filter, strides, padding, data_format="NDHWC", dilations=None):
    return _conv(input, filter, strides, padding, (), data_format, dilations)


@tensorflow.reads("DepthwiseConv2dNative")
def depthwise_conv2d(input, filter, strides, padding, explicit_paddings=(), data_format="NHWC", dilations=None):
    return _conv(input, filter, strides, padding, explicit_paddings, data_format, dilations, depthwise=True)


def _conv_transpose(sizes, kernel, x, strides, padding, explicit, data_format, dilations):
    """The gradient of a convolution: what the convolution pads on the result is cropped."""
    rank = len(shape_of(x))
    count = rank - 2
    axis = windows.channel_axis_of(rank, _format(data_format))
    axes = windows.spatial_axes_of(rank, _format(data_format))
    stride = _spatial(strides, data_format)
    dilation = _spatial(dilations, data_format) if dilations else (1,) * count
    wanted = [np.asarray(sizes, dtype=object)[a] for a in axes]
    given = _explicit(padding, explicit, data_format)
    pads, more = [], []
    for i, (place, k, s, d, want) in enumerate(
        zip(axes, shape_of(kernel)[:count], stride, dilation, wanted, strict=True)
    ):
        full = (shape_of(x)[place] - 1) * s + reach(k, d)
        before = given[i][0] if given else windows.same_padding(want, k, s, d)[0] if padding == "SAME" else 0
        after = full - before - want
        if not isinstance(after, int) or not isinstance(before, int):
            raise Refusal(notimpl("a transposed convolution whose crop depends on a size that is not known"))
        pads.append((before, max(after, 0)))
        more.append(max(-after, 0))
    weight = ops.Permute(kernel, (count + 1, count, *range(count)))
    return ops.ConvTranspose(x, weight, None, stride, tuple(pads), tuple(more), dilation, 1, axis)


@tensorflow.reads("Conv2DBackpropInput")
def conv2d_transpose(
    input_sizes: Known, filter, out_backprop, strides, padding, explicit_paddings=(), data_format="NHWC", dilations=None
):
    return _conv_transpose(
        input_sizes, filter, out_backprop, strides, padding, explicit_paddings, data_format, dilations
    )


@tensorflow.reads("Conv3DBackpropInputV2")
def conv3d_transpose(input_sizes: Known, filter, out_backprop, strides, padding, data_format="NDHWC", dilations=None):
    return _conv_transpose(input_sizes, filter, out_backprop, strides, padding, (), data_format, dilations)


@tensorflow.reads("BiasAdd")
def bias_add(value, bias, data_format="NHWC"):
    rank = len(shape_of(value))
    if not data_format.startswith("NC") or rank == 2:
        return ops.Add(value, bias)
    return ops.Add(value, ops.Reshape(bias, (1, shape_of(bias)[0], *(1,) * (rank - 2))))


def _pool(op, x, ksize, strides, padding, explicit, data_format):
    made = windows.pool(
        op,
        x,
        _spatial(ksize, data_format),
        _spatial(strides, data_format),
        "valid" if padding == "EXPLICIT" else padding.lower(),
        _format(data_format),
    )
    pads = _explicit(padding, explicit, data_format)
    return made if pads is None else made.replace(padding=pads)


@tensorflow.reads("MaxPool")
def max_pool(input, ksize, strides, padding, explicit_paddings=(), data_format="NHWC"):
    return _pool(ops.MaxPool, input, ksize, strides, padding, explicit_paddings, data_format)


@tensorflow.reads("MaxPool3D")
def max_pool3d(input, ksize, strides, padding, data_format="NDHWC"):
    return _pool(ops.MaxPool, input, ksize, strides, padding, (), data_format)


@tensorflow.reads("AvgPool")
def avg_pool(value, ksize, strides, padding, data_format="NHWC"):
    return _pool(ops.AvgPool, value, ksize, strides, padding, (), data_format)


@tensorflow.reads("AvgPool3D")
def avg_pool3d(input, ksize, strides, padding, data_format="NDHWC"):
    return _pool(ops.AvgPool, input, ksize, strides, padding, (), data_format)


@tensorflow.reads("FusedBatchNormV3", "FusedBatchNormV2", "FusedBatchNorm")
def fused_batch_norm(
    x, scale, offset, mean, variance, epsilon=1e-4, exponential_avg_factor=1.0, data_format="NHWC", is_training=True
):
    axis = windows.channel_axis_of(len(shape_of(x)), _format(data_format))
    if is_training:
        return ops.BatchNorm(x, scale, offset, None, None, float(np.float32(epsilon)), None, False, axis)
    return ops.BatchNorm(x, scale, offset, mean, variance, float(f"{epsilon:.7g}"), 0.01, False, axis)


_ACTIVATIONS = {
    "Relu": lambda features: ops.Relu(features),
    "Relu6": lambda features: ops.Clip(features, 0.0, 6.0),
    "Selu": lambda features: ops.Selu(features),
    "Elu": lambda features: ops.Elu(features, 1.0),
    "Softplus": lambda features: ops.Softplus(features, 1.0, float("inf")),
    "Softsign": lambda features: ops.Softsign(features),
}
for _name, _reader in _ACTIVATIONS.items():
    tensorflow.reads(_name)(_reader)


@tensorflow.reads("LeakyRelu")
def leaky_relu(features, alpha=0.2):
    return ops.LeakyRelu(features, float(f"{alpha:.7g}"))


@tensorflow.reads("Softmax")
def softmax(logits):
    return ops.Softmax(logits, len(shape_of(logits)) - 1)


@tensorflow.reads("LogSoftmax")
def log_softmax(logits):
    return ops.LogSoftmax(logits, len(shape_of(logits)) - 1)


@tensorflow.reads("LRN")
def lrn(input, depth_radius=5, bias=1.0, alpha=1.0, beta=0.5):
    size = 2 * depth_radius + 1
    values = (float(f"{one:.7g}") for one in (alpha, beta, bias))
    alpha, beta, bias = values
    return ops.LocalResponseNorm(input, size, alpha * size, beta, bias, len(shape_of(input)) - 1)
