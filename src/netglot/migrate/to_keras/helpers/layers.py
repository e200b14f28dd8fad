"""Dense, convolutional and normalising layers, and layers that hold a function."""

from __future__ import annotations

_UNIFORM = """        if self.kernel_initializer is None:
            self.kernel_initializer = keras.initializers.RandomUniform(-bound, bound)
        if self.bias_initializer is None:
            self.bias_initializer = keras.initializers.RandomUniform(-bound, bound)
"""

DENSE = (
    '''
class Dense(layers.Dense):
    """A dense layer that starts as PyTorch's does: uniform, within 1 / sqrt(inputs)."""

    def __init__(self, units, use_bias=True):
        super().__init__(units, use_bias=use_bias, kernel_initializer=None, bias_initializer=None)

    def build(self, input_shape):
        bound = input_shape[-1] ** -0.5
'''
    + _UNIFORM
    + """        super().build(input_shape)
"""
)

_CONV = (
    '''
class ConvND(layers.ConvND):
    """A convolution that pads and starts as PyTorch's does, with the channels first."""

    def __init__(
        self, filters, kernel_size, strides=1, padding=0, dilation_rate=1, groups=1, use_bias=True, padding_mode="zeros"
    ):
        super().__init__(
            filters, kernel_size, strides, "same" if padding == "same" else "valid", dilation_rate=dilation_rate,
            groups=groups, use_bias=use_bias, kernel_initializer=None, bias_initializer=None,
        )
        sizes = (0 if isinstance(padding, str) else padding,) * N if isinstance(padding, (int, str)) else padding
        self.pad = [(0, 0), *((size, size) for size in sizes), (0, 0)]
        self.pad_mode = "constant" if padding_mode == "zeros" else padding_mode

    def build(self, input_shape):
        inputs = input_shape[1]
        bound = (inputs // self.groups * math.prod(self.kernel_size)) ** -0.5
'''
    + _UNIFORM
    + """        sizes = [size and size + sum(pad) for size, pad in zip(input_shape[2:], self.pad[1:])]
        super().build((input_shape[0], *sizes, inputs))
        self.input_spec = None

    def call(self, x):
        x = ops.moveaxis(x, 1, -1)
        if any(map(any, self.pad)):
            x = ops.pad(x, self.pad, self.pad_mode)
        return ops.moveaxis(super().call(x), -1, 1)

    def compute_output_spec(self, x):
        batch, channels, *sizes = x.shape
        sizes = [size and size + sum(pad) for size, pad in zip(sizes, self.pad[1:])]
        batch, *sizes, channels = self.compute_output_shape((batch, *sizes, channels))
        return keras.KerasTensor((batch, channels, *sizes), self.compute_dtype)
"""
)

_GROUPED = '''
class GroupedConvND(ConvND):
    """A convolution in groups; where each channel is its own group, TensorFlow's own kernel for that."""

    def convolution_op(self, x, kernel):
        if self.groups == x.shape[-1] > 1 and len(set(self.strides)) == 1:
            kernel = ops.reshape(kernel, (*self.kernel_size, self.groups, -1))
            return ops.depthwise_conv(x, kernel, self.strides, self.padding, dilation_rate=self.dilation_rate)
        parts = zip(ops.split(x, self.groups, axis=-1), ops.split(kernel, self.groups, axis=-1))
        options = {"strides": list(self.strides), "padding": self.padding, "dilation_rate": self.dilation_rate}
        return ops.concatenate([ops.conv(a, b, **options) for a, b in parts], axis=-1)
'''

_TRANSPOSED = (
    '''
class ConvNDTranspose(layers.ConvNDTranspose):
    """A transposed convolution with PyTorch's padding and start, with the channels first."""

    def __init__(self, filters, kernel_size, strides=1, padding=0, output_padding=0, use_bias=True, dilation_rate=1):
        super().__init__(
            filters, kernel_size, strides, dilation_rate=dilation_rate, use_bias=use_bias,
            kernel_initializer=None, bias_initializer=None,
        )
        self.crop = (padding,) * N if isinstance(padding, int) else tuple(padding)
        self.extra = (output_padding,) * N if isinstance(output_padding, int) else tuple(output_padding)

    def build(self, input_shape):
        bound = (self.filters * math.prod(self.kernel_size)) ** -0.5
'''
    + _UNIFORM
    + """        super().build((input_shape[0], *input_shape[2:], input_shape[1]))
        self.input_spec = None

    def call(self, x):
        sizes = self.sizes(x.shape[2:])
        y = ops.conv_transpose(
            ops.moveaxis(x, 1, -1), self.kernel, list(self.strides), "valid", dilation_rate=self.dilation_rate
        )
        ends = [max(0, crop + size - full) for crop, size, full in zip(self.crop, sizes, y.shape[1:])]
        y = ops.pad(y, [(0, 0), *((0, end) for end in ends), (0, 0)])
        y = y[(slice(None), *(slice(crop, crop + size) for crop, size in zip(self.crop, sizes)))]
        if self.use_bias:
            y = y + self.bias
        return ops.moveaxis(y, -1, 1)

    def sizes(self, sizes):
        rates = (self.dilation_rate,) * N if isinstance(self.dilation_rate, int) else self.dilation_rate
        return [
            (size - 1) * stride + rate * (kernel - 1) + 1 - 2 * crop + extra
            for size, stride, rate, kernel, crop, extra in zip(
                sizes, self.strides, rates, self.kernel_size, self.crop, self.extra
            )
        ]

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], self.filters, *self.sizes(x.shape[2:])), self.compute_dtype)
"""
)

HELPERS: dict[str, str] = {
    "Dense": DENSE,
    "TiedDense": '''
class TiedDense(Dense):
    """A dense layer that may take its weight from an embedding: `layer.tied = embedding`."""

    tied = None

    def call(self, x):
        if self.tied is None:
            return super().call(x)
        y = ops.matmul(x, ops.transpose(self.tied.embeddings))
        return y + self.bias if self.use_bias else y

    def build(self, input_shape):
        super().build(input_shape)
        if self.tied is not None:
            self._untrack_variable(self.kernel)
''',
    "BatchNormalization": '''
class BatchNormalization(layers.BatchNormalization):
    """Batch normalisation of axis 1, with PyTorch's defaults and its unbiased moving variance."""

    def __init__(self, momentum=0.9, epsilon=1e-5, **options):
        super().__init__(1, momentum, epsilon, **options)

    def call(self, x, training=None):
        before = self.momentum * ops.convert_to_tensor(self.moving_variance)
        y = super().call(x, training=training)
        if training and self.trainable:
            count = ops.cast(ops.size(x) // x.shape[1], x.dtype)
            grown = (self.moving_variance - before) * ops.cast(count / ops.maximum(count - 1, 1), before.dtype)
            self.moving_variance.assign(before + grown)
        return y
''',
    "Embedding": '''
class Embedding(layers.Embedding):
    """An embedding that starts normal, as PyTorch's does; the row `padding_idx` starts at zero and is not trained."""

    def __init__(self, input_dim, output_dim, padding_idx=None):
        super().__init__(input_dim, output_dim, self.start)
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % input_dim

    def start(self, shape, dtype=None):
        rows = keras.initializers.RandomNormal(stddev=1.0)(shape, dtype=dtype)
        if self.padding_idx is None:
            return rows
        return ops.where(ops.arange(shape[0])[:, None] == self.padding_idx, 0.0, rows)

    def call(self, ids):
        y = super().call(ids)
        if self.padding_idx is None:
            return y
        return ops.where((ids == self.padding_idx)[..., None], ops.stop_gradient(y), y)
''',
    "PReLU": '''
class PReLU(layers.Layer):
    """A leaky rectifier with learned slopes: one, or one for each channel."""

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.alpha = self.add_weight((num_parameters,), keras.initializers.Constant(init), name="alpha")

    def call(self, x):
        alpha = ops.reshape(self.alpha, (1, -1) + (1,) * (len(x.shape) - 2))
        return ops.where(x > 0, x, alpha * x)
''',
    "built": '''
def built(layer, *sizes):
    """A layer that makes its weights at once, for inputs of these sizes."""
    layer.build((None, *sizes))
    layer.input_spec = None
    return layer
''',
    "FunctionLayer": '''
class FunctionLayer(layers.Layer):
    """A function as a layer, its options held."""

    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def call(self, *inputs):
        return self.function(*inputs, **self.options)
''',
    "PadLayer": '''
class PadLayer(layers.Layer):
    """Pads the last `count` axes on both sides."""

    def __init__(self, count, padding, mode="constant", value=0.0):
        super().__init__()
        self.sizes = (padding,) * (2 * count) if isinstance(padding, int) else tuple(padding)
        self.mode, self.value = mode, value

    def call(self, x):
        return pad(x, self.sizes, self.mode, self.value)
''',
}
for _n in "123":
    HELPERS[f"Conv{_n}D"] = _CONV.replace("ND", f"{_n}D").replace("* N", f"* {_n}")
    HELPERS[f"Conv{_n}DTranspose"] = _TRANSPOSED.replace("ND", f"{_n}D").replace("* N", f"* {_n}")
    if _n != "3":
        HELPERS[f"GroupedConv{_n}D"] = _GROUPED.replace("ND", f"{_n}D")


ALONE = """
    def __call__(self, x, *args, **options):
        if len(x.shape) == 1:  # one sample by itself
            return ops.squeeze(super().__call__(ops.expand_dims(x, 0), *args, **options), 0)
        return super().__call__(x, *args, **options)
"""


def alone(text: str) -> str:
    """A dense layer that takes a single sample without a batch, too."""
    return text + ALONE
