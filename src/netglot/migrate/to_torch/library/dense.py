"""Layers on features and on sequences."""

import functools

import torch
import torch.nn.functional as F
from torch import nn

from netglot.migrate.to_torch.library.starting import function_of, start
from netglot.migrate.to_torch.library.symbols import Layer


class Dense(Layer):
    """A dense layer, followed by its activation."""

    def __init__(
        self, units, activation=None, use_bias=True, kernel_initializer="glorot_uniform", bias_initializer="zeros",
    ):  # fmt: skip
        super().__init__()
        self.units, self.activation, self.kernel_initializer = units, function_of(activation), kernel_initializer
        self.weight = nn.UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(units)) if use_bias else None
        if use_bias:
            start(self.bias, bias_initializer, 1, units)

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            self.weight.materialize((self.units, x.shape[-1]))
            start(self.weight, self.kernel_initializer, x.shape[-1], self.units)

    def forward(self, x):
        return self.activation(F.linear(x.to(self.weight.dtype), self.weight, self.bias))


class Embedding(Layer):
    """Rows of a table, which starts uniform as Keras's does."""

    def __init__(self, input_dim, output_dim, embeddings_initializer="uniform", mask_zero=False):
        super().__init__()
        self.mask_zero = mask_zero
        self.weight = nn.Parameter(torch.empty(input_dim, output_dim))
        start(self.weight, embeddings_initializer, input_dim, output_dim)

    def forward(self, ids):
        found = F.embedding(ids.long(), self.weight, sparse=True)
        return masked(found, ids != 0) if self.mask_zero else found

    def compute_mask(self, ids, mask=None):
        """Which ids are no padding."""
        return ids != 0 if self.mask_zero else None


class Masking(Layer):
    """Steps of a sequence that hold one value alone are masked."""

    def __init__(self, mask_value=0.0):
        super().__init__()
        self.mask_value = mask_value

    def forward(self, x):
        kept = (x != self.mask_value).any(-1)
        return masked(x * kept[..., None].to(x.dtype), kept)


def hand_on(layer, inputs, output):
    """What a layer gives has the mask of its input, where the layer keeps the steps of a sequence."""
    keeping = (
        "Dense", "Dropout", "LSTM", "GRU", "SimpleRNN", "Bidirectional", "TimeDistributed", "LayerNormalization",
        "BatchNormalization", "MultiHeadAttention", "Embedding", "ReLU", "PReLU", "GaussianNoise", "GaussianDropout",
        "merged", "relu", "tanh", "sigmoid", "softmax", "gelu", "elu", "selu", "leaky_relu", "silu", "softplus",
    )  # fmt: skip
    kind = getattr(getattr(layer, "function", None), "__name__", type(layer).__name__)
    given = inputs[0] if inputs and isinstance(inputs[0], (list, tuple)) else inputs[:1]
    masks = [getattr(one, "mask", None) for one in given]
    joined = kind == "cat" and layer.options.get("dim") == -1  # what is side by side counts where all of it does
    if joined:
        masks = [one for one in masks if one is not None]
    if not (kind in keeping or joined) or not masks or any(one is None for one in masks):
        return
    mask = functools.reduce(torch.logical_and if joined else torch.logical_or, masks)
    if isinstance(output, tuple) and kind in ("LSTM", "GRU", "SimpleRNN", "Bidirectional"):  # states come behind it
        output = output[0]
    if not isinstance(output, torch.Tensor):
        return
    if output.ndim > 2 and output.shape[:2] == mask.shape:
        output.mask = mask


def masked(x, mask):
    """A tensor with a mask of its steps, which the layers behind it hand on."""
    x.mask = mask
    return x


nn.modules.module.register_module_forward_hook(hand_on)


def masked_mean(x, dim=1):
    """The mean over the steps of a sequence that are not masked."""
    mask = getattr(x, "mask", None)
    if mask is None:
        return x.mean(dim)
    weights = mask[..., None].to(x.dtype)
    return (x * weights).sum(dim) / weights.sum(dim)


def dotted(tensors, axes, normalize=False):
    """Products of two tensors along an axis of each."""
    x, y = tensors
    i, j = (axes, axes) if isinstance(axes, int) else axes
    if normalize:
        x, y = (one * torch.rsqrt((one**2).sum(axis, keepdim=True).clamp(min=1e-12)) for one, axis in ((x, i), (y, j)))
    x, y = x.movedim(i, -1), y.movedim(j, -1)
    if x.ndim == y.ndim == 2:
        return (x * y).sum(-1, keepdim=True)
    found = torch.einsum("bxk,byk->bxy", x.reshape(len(x), -1, x.shape[-1]), y.reshape(len(y), -1, y.shape[-1]))
    return found.reshape(len(x), *x.shape[1:-1], *y.shape[1:-1])


class PReLU(Layer):
    """A rectifier whose slopes are learned; axes that are shared have one slope."""

    def __init__(self, alpha_initializer="zeros", shared_axes=None):
        super().__init__()
        self.initializer = alpha_initializer
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes or ()
        self.alpha = nn.UninitializedParameter()

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            shape = [1 if axis in self.shared_axes else size for axis, size in enumerate(x.shape)][1:]
            self.alpha.materialize(shape)
            start(self.alpha, self.initializer, 1, 1)

    def forward(self, x):
        return torch.where(x > 0, x, self.alpha * x)


class GroupNormalization(Layer):
    """Groups of the last axis normalised, with Keras's defaults."""

    def __init__(self, groups=32, epsilon=0.001, center=True, scale=True):
        super().__init__()
        self.groups, self.epsilon = groups, epsilon
        self.weight = nn.UninitializedParameter() if scale else None
        self.bias = nn.UninitializedParameter() if center else None

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            for tensor, value in ((self.weight, "ones"), (self.bias, "zeros")):
                if tensor is not None:
                    tensor.materialize((x.shape[-1],))
                    start(tensor, value, 1, 1)

    def forward(self, x):
        groups = x.shape[-1] if self.groups == -1 else self.groups
        return F.group_norm(x.movedim(-1, 1), groups, self.weight, self.bias, self.epsilon).movedim(1, -1)


class GaussianNoise(Layer):
    """Adds normal noise while training."""

    def __init__(self, stddev):
        super().__init__()
        self.stddev = stddev

    def forward(self, x):
        return x + self.stddev * torch.randn_like(x) if self.training else x


class GaussianDropout(Layer):
    """Multiplies by normal noise around one while training."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        return x * (1 + (self.rate / (1 - self.rate)) ** 0.5 * torch.randn_like(x)) if self.training else x


class Normalization(Layer):
    """Features less their mean, by their deviation, as `adapt` saw them."""

    def __init__(self, axis=-1, mean=None, variance=None):
        super().__init__()
        self.axis = axis
        for name, value in (("mean", mean), ("variance", variance)):
            self.register_buffer(
                name, None if value is None else torch.as_tensor(value, dtype=torch.get_default_dtype())
            )

    def adapt(self, data):
        """Takes mean and variance from data."""
        if not hasattr(data, "shape"):
            data = torch.cat([torch.as_tensor(one) for one in data])
        data = torch.as_tensor(data).to(torch.get_default_dtype())
        data = data[:, None] if data.ndim == 1 else data
        axes = [i for i in range(data.ndim) if self.axis is None or i != self.axis % data.ndim]
        self.mean, self.variance = data.mean(axes), data.var(axes, correction=0)

    def forward(self, x):
        return (x.to(self.mean.dtype) - self.mean) / self.variance.sqrt().clamp(min=1e-7)


class Dropout(Layer):
    """Zeros at random while training; `noise_axes` are those with noise of their own."""

    def __init__(self, rate, noise_axes=None):
        super().__init__()
        self.rate, self.noise_axes = rate, noise_axes

    def forward(self, x):
        if not self.training or not self.rate:
            return x
        if self.noise_axes is None:
            return F.dropout(x, self.rate)
        axes = [axis % x.ndim for axis in self.noise_axes]
        return x * F.dropout(x.new_ones([size if i in axes else 1 for i, size in enumerate(x.shape)]), self.rate)


class ReLU(Layer):
    """A rectifier, possibly with a slope, a ceiling and a threshold."""

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0):
        super().__init__()
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def forward(self, x):
        y = torch.where(x >= self.threshold, x, self.negative_slope * (x - self.threshold))
        return y if self.max_value is None else torch.clamp(y, max=self.max_value)


class LayerNormalization(Layer):
    """Each sample normalised over its last axes, with Keras's defaults."""

    def __init__(
        self, axis=-1, epsilon=0.001, center=True, scale=True, beta_initializer="zeros", gamma_initializer="ones",
    ):  # fmt: skip
        super().__init__()
        self.initializers = gamma_initializer, beta_initializer
        self.count, self.epsilon = 1 if isinstance(axis, int) else len(axis), epsilon
        if axis not in (-1, [-1], (-1,)) and sorted(axis) != list(range(-self.count, 0)):
            raise NotImplementedError("only the last axes are normalised")
        self.weight = nn.UninitializedParameter() if scale else None
        self.bias = nn.UninitializedParameter() if center else None

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            for tensor, value in ((self.weight, self.initializers[0]), (self.bias, self.initializers[1])):
                if tensor is not None:
                    tensor.materialize(tuple(x.shape[-self.count :]))
                    start(tensor, value, 1, 1)

    def forward(self, x):
        return F.layer_norm(x, x.shape[-self.count :], self.weight, self.bias, self.epsilon)


class BatchNormalization(Layer):
    """Batch normalisation with Keras's defaults; the moving variance is the biased one."""

    def __init__(
        self, axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=True, beta_initializer="zeros",
        gamma_initializer="ones",
    ):  # fmt: skip
        super().__init__()
        self.initializers = gamma_initializer, beta_initializer
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.weight = nn.UninitializedParameter() if scale else None
        self.bias = nn.UninitializedParameter() if center else None
        self.register_buffer("running_mean", nn.UninitializedBuffer())
        self.register_buffer("running_var", nn.UninitializedBuffer())

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            buffers = ((self.running_mean, "zeros"), (self.running_var, "ones"))
            for tensor, value in ((self.weight, self.initializers[0]), (self.bias, self.initializers[1]), *buffers):
                if tensor is not None:
                    tensor.materialize((x.shape[self.axis],))
                    start(tensor, value, 1, 1)

    def forward(self, x):
        x = x.movedim(self.axis, -1)
        mean, variance = self.running_mean, self.running_var
        if self.training and (self.weight is None or self.weight.requires_grad):  # frozen, it keeps to its averages
            axes = tuple(range(x.ndim - 1))
            mean, variance = x.mean(axes), x.var(axes, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, 1 - self.momentum)
                self.running_var.lerp_(variance, 1 - self.momentum)
        y = (x - mean) * torch.rsqrt(variance + self.epsilon)
        y = y if self.weight is None else y * self.weight
        return (y if self.bias is None else y + self.bias).movedim(-1, self.axis)


class TimeDistributed(Layer):
    """A layer on every step of a sequence."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        y = self.layer(x.reshape(-1, *x.shape[2:]))
        return y.reshape(*x.shape[:2], *y.shape[1:])


def merged(tensors, how):
    """Several tensors as their sum, product, mean, difference or maximum."""
    functions = {
        "add": torch.add, "multiply": torch.mul, "average": torch.add, "subtract": torch.sub,
        "maximum": torch.maximum, "minimum": torch.minimum,
    }  # fmt: skip
    masks = [getattr(one, "mask", None) for one in tensors]
    if how == "multiply" and any(one is not None for one in masks):  # a masked step is no factor
        tensors = [x if m is None else torch.where(m[..., None], x, 1) for x, m in zip(tensors, masks)]
    total = functools.reduce(functions[how], tensors)
    if how == "multiply" and all(one is not None for one in masks):
        total = total * functools.reduce(torch.logical_or, masks)[..., None].to(total.dtype)
    return total / len(tensors) if how == "average" else total
