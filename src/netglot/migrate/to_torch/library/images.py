"""Layers on images with the channels last."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from netglot.migrate.to_torch.library.starting import function_of, start
from netglot.migrate.to_torch.library.symbols import Layer


def sizes_of(value, count):
    """An option for each axis of an image."""
    return (value,) * count if isinstance(value, int) else tuple(value)


def same_padded(x, kernel, strides, rates=None, value=0.0):
    """Channels-first images, padded as TensorFlow pads for "same": more at the end where it is uneven."""
    pads = []
    for size, window, step, rate in zip(x.shape[2:], kernel, strides, rates or (1,) * len(kernel)):
        total = max((-(-size // step) - 1) * step + (window - 1) * rate + 1 - size, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(x, pads, value=value) if any(pads) else x


class Conv(Layer):
    """A convolution of images with the channels last, followed by its activation."""

    rank = 2

    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", dilation_rate=1, groups=1, activation=None,
        use_bias=True, kernel_initializer="glorot_uniform", bias_initializer="zeros",
    ):  # fmt: skip
        super().__init__()
        self.filters, self.kernel, self.strides = (
            filters,
            sizes_of(kernel_size, self.rank),
            sizes_of(strides, self.rank),
        )
        self.padding, self.rates, self.groups = padding.lower(), sizes_of(dilation_rate, self.rank), groups
        self.activation, self.kernel_initializer = function_of(activation), kernel_initializer
        self.weight = nn.UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(filters)) if use_bias else None
        if use_bias:
            start(self.bias, bias_initializer, 1, filters)

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            inputs, window = x.shape[-1] // self.groups, math.prod(self.kernel)
            self.weight.materialize((self.filters, inputs, *self.kernel))
            start(self.weight, self.kernel_initializer, inputs * window, self.filters * window)

    def forward(self, x):
        x = x.movedim(-1, 1).to(self.weight.dtype)
        if self.padding == "same":
            x = same_padded(x, self.kernel, self.strides, self.rates)
        elif self.padding == "causal":
            x = F.pad(x, ((self.kernel[0] - 1) * self.rates[0], 0))
        convolution = getattr(F, f"conv{self.rank}d")
        y = convolution(x, self.weight, self.bias, self.strides, 0, self.rates, self.groups)
        return self.activation(y.movedim(1, -1))


class ConvTranspose(Layer):
    """A transposed convolution of images with the channels last, followed by its activation."""

    rank = 2

    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", activation=None, use_bias=True,
        kernel_initializer="glorot_uniform", bias_initializer="zeros",
    ):  # fmt: skip
        super().__init__()
        self.filters, self.kernel, self.strides = (
            filters,
            sizes_of(kernel_size, self.rank),
            sizes_of(strides, self.rank),
        )
        self.padding, self.activation, self.kernel_initializer = (
            padding.lower(),
            function_of(activation),
            kernel_initializer,
        )
        self.weight = nn.UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(filters)) if use_bias else None
        if use_bias:
            start(self.bias, bias_initializer, 1, filters)

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            window = math.prod(self.kernel)
            self.weight.materialize((x.shape[-1], self.filters, *self.kernel))
            start(self.weight, self.kernel_initializer, self.filters * window, x.shape[-1] * window)

    def forward(self, x):
        y = getattr(F, f"conv_transpose{self.rank}d")(x.movedim(-1, 1), self.weight, None, self.strides)
        for axis, (size, window, step) in enumerate(zip(x.shape[1:-1], self.kernel, self.strides), start=2):
            first = max(window - step, 0) // 2 if self.padding == "same" else 0
            size = size * step + (0 if self.padding == "same" else max(window - step, 0))
            short = first + size - y.shape[axis]
            if short > 0:
                y = F.pad(y, (0, 0) * (y.ndim - 1 - axis) + (0, short))
            y = y.narrow(axis, first, size)
        y = y.movedim(1, -1)
        return self.activation(y if self.bias is None else y + self.bias)


class Conv1D(Conv):
    """A convolution of sequences."""

    rank = 1


class Conv1DTranspose(ConvTranspose):
    """A transposed convolution of sequences."""

    rank = 1


class Conv2D(Conv):
    """A convolution of images."""

    rank = 2


class Conv2DTranspose(ConvTranspose):
    """A transposed convolution of images."""

    rank = 2


class Conv3D(Conv):
    """A convolution of volumes."""

    rank = 3


class Conv3DTranspose(ConvTranspose):
    """A transposed convolution of volumes."""

    rank = 3


class DepthwiseConv2D(Layer):
    """A convolution of each channel by its own, images with the channels last."""

    def __init__(
        self, kernel_size, strides=1, padding="valid", depth_multiplier=1, dilation_rate=1, activation=None,
        use_bias=True, depthwise_initializer="glorot_uniform", bias_initializer="zeros",
    ):  # fmt: skip
        super().__init__()
        self.window, self.strides, self.rates = (
            sizes_of(kernel_size, 2),
            sizes_of(strides, 2),
            sizes_of(dilation_rate, 2),
        )
        self.padding, self.depth_multiplier, self.activation = (
            padding.lower(),
            depth_multiplier,
            function_of(activation),
        )
        self.initializers = depthwise_initializer, bias_initializer
        self.kernel = nn.UninitializedParameter()
        self.bias = nn.UninitializedParameter() if use_bias else None

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            inputs, window = x.shape[-1], math.prod(self.window)
            self.kernel.materialize((*self.window, inputs, self.depth_multiplier))
            start(self.kernel, self.initializers[0], inputs * window, self.depth_multiplier * window)
            if self.bias is not None:
                self.bias.materialize((inputs * self.depth_multiplier,))
                start(self.bias, self.initializers[1], 1, 1)

    def forward(self, x):
        y = depthwise(x.movedim(-1, 1), self.kernel, self.bias, self.strides, self.padding, self.rates)
        return self.activation(y.movedim(1, -1))


def depthwise(x, kernel, bias, strides, padding, rates):
    """A convolution of each channel by its own kernel."""
    if padding == "same":
        x = same_padded(x, kernel.shape[:2], strides, rates)
    weight = kernel.permute(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
    return F.conv2d(x, weight, bias, strides, 0, rates, x.shape[1])


class SeparableConv2D(Layer):
    """A convolution of each channel by its own, then one of single places."""

    def __init__(
        self, filters, kernel_size, strides=1, padding="valid", dilation_rate=1, depth_multiplier=1, activation=None,
        use_bias=True, depthwise_initializer="glorot_uniform", pointwise_initializer="glorot_uniform",
    ):  # fmt: skip
        super().__init__()
        self.window, self.strides, self.rates = (
            sizes_of(kernel_size, 2),
            sizes_of(strides, 2),
            sizes_of(dilation_rate, 2),
        )
        self.filters, self.depth_multiplier, self.padding = filters, depth_multiplier, padding.lower()
        self.activation, self.initializers = function_of(activation), (depthwise_initializer, pointwise_initializer)
        self.depthwise_kernel, self.pointwise_kernel = nn.UninitializedParameter(), nn.UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(filters)) if use_bias else None

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            inputs, window = x.shape[-1], math.prod(self.window)
            between = inputs * self.depth_multiplier
            self.depthwise_kernel.materialize((*self.window, inputs, self.depth_multiplier))
            self.pointwise_kernel.materialize((1, 1, between, self.filters))
            start(self.depthwise_kernel, self.initializers[0], inputs * window, self.depth_multiplier * window)
            start(self.pointwise_kernel, self.initializers[1], between, self.filters)

    def forward(self, x):
        y = depthwise(x.movedim(-1, 1), self.depthwise_kernel, None, self.strides, self.padding, self.rates)
        y = torch.matmul(y.movedim(1, -1), self.pointwise_kernel[0, 0])
        return self.activation(y if self.bias is None else y + self.bias)


def pool(x, kind, pool_size, strides=None, padding="valid"):
    """The largest ("max") or the mean ("avg") of each window of images with the channels last."""
    count = x.ndim - 2
    sizes, steps = sizes_of(pool_size, count), sizes_of(pool_size if strides is None else strides, count)
    x = x.movedim(-1, 1)
    function = getattr(F, f"{kind}_pool{count}d")
    if padding.lower() != "same":
        return function(x, sizes, steps).movedim(1, -1)
    if kind == "max":
        return function(same_padded(x, sizes, steps, value=float("-inf")), sizes, steps).movedim(1, -1)
    counted = function(same_padded(torch.ones_like(x), sizes, steps), sizes, steps)
    return (function(same_padded(x, sizes, steps), sizes, steps) / counted).movedim(1, -1)


def upsampled(x, size=2, interpolation="nearest"):
    """Larger images with the channels last."""
    x = x.movedim(-1, 1)
    sizes = [length * factor for length, factor in zip(x.shape[2:], sizes_of(size, x.ndim - 2))]
    mode = interpolation if interpolation == "nearest" else {3: "linear", 4: "bilinear", 5: "trilinear"}[x.ndim]
    return F.interpolate(x, size=sizes, mode=mode).movedim(1, -1)


def zero_padded(x, padding=1):
    """Images with the channels last, with zeros around."""
    sides = [(one, one) if isinstance(one, int) else tuple(one) for one in sizes_of(padding, x.ndim - 2)]
    if x.ndim == 3 and not isinstance(padding, int) and all(isinstance(one, int) for one in padding):
        sides = [tuple(padding)]
    return F.pad(x, (0, 0, *(size for pair in reversed(sides) for size in pair)))


def cropped(x, cropping=0):
    """Images with the channels last, without their borders."""
    sides = [(one, one) if isinstance(one, int) else tuple(one) for one in sizes_of(cropping, x.ndim - 2)]
    return x[(slice(None), *(slice(a, size - b) for (a, b), size in zip(sides, x.shape[1:-1])))]


def inner_sizes(x, sizes):
    """An option of images with the channels last for their inner axes: given for these, for all axes, or once."""
    count = x.ndim - 2
    sizes = [sizes] * count if isinstance(sizes, int) else list(sizes) * (count if len(sizes) == 1 else 1)
    return tuple(sizes[1:-1] if len(sizes) == count + 2 else sizes)


def convolved(x, kernel, strides, padding, rates=None):
    """A convolution of images with the channels last by a kernel in TensorFlow's order of axes."""
    count = x.ndim - 2
    x, weight = x.movedim(-1, 1), kernel.permute(-1, -2, *range(count))
    if padding.upper() == "SAME":
        x = same_padded(x, kernel.shape[:count], strides, rates)
    return getattr(F, f"conv{count}d")(x, weight, None, strides, 0, rates or 1).movedim(1, -1)
