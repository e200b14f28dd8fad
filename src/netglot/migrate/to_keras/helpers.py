"""What an emitted file defines for itself where Keras has nothing that does as PyTorch does: small, documented source.

Images keep PyTorch's order of axes, channels first; TensorFlow's convolutions want them last, so the helpers move that
axis and back.
"""

from __future__ import annotations

import re

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

_BATCH_NORM = '''
class BatchNormalization(layers.BatchNormalization):
    """Batch normalisation of axis 1, with PyTorch's defaults and its unbiased moving variance."""

    def __init__(self, momentum=0.9, epsilon=1e-5, **options):
        super().__init__(1, momentum, epsilon, **options)

    def call(self, x, training=None):
        before = self.momentum * ops.convert_to_tensor(self.moving_variance)
        y = super().call(x, training=training)
        if training and self.trainable:
            count = math.prod(x.shape) // x.shape[1]
            self.moving_variance.assign(before + (self.moving_variance - before) * count / max(count - 1, 1))
        return y
'''

_EMBEDDING = '''
class Embedding(layers.Embedding):
    """An embedding that starts normal, as PyTorch's does; the row `padding_idx` starts at zero and is not trained."""

    def __init__(self, input_dim, output_dim, padding_idx=None):
        super().__init__(input_dim, output_dim, keras.initializers.RandomNormal(stddev=1.0))
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % input_dim

    def build(self, input_shape=None):
        super().build(input_shape)
        if self.padding_idx is not None:
            rows = ops.arange(self.input_dim)[:, None]
            self.embeddings.assign(ops.where(rows == self.padding_idx, 0.0, self.embeddings))

    def call(self, ids):
        y = super().call(ids)
        if self.padding_idx is None:
            return y
        return ops.where((ids == self.padding_idx)[..., None], ops.stop_gradient(y), y)
'''

_PRELU = '''
class PReLU(layers.Layer):
    """A leaky rectifier with learned slopes: one, or one for each channel."""

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.alpha = self.add_weight((num_parameters,), keras.initializers.Constant(init), name="alpha")

    def call(self, x):
        alpha = ops.reshape(self.alpha, (1, -1) + (1,) * (len(x.shape) - 2))
        return ops.where(x > 0, x, alpha * x)
'''

_FUNCTION_LAYER = '''
class FunctionLayer(layers.Layer):
    """A function as a layer, its options held."""

    def __init__(self, function, **options):
        super().__init__()
        self.function, self.options = function, options

    def call(self, *inputs):
        return self.function(*inputs, **self.options)
'''

_PAD_LAYER = '''
class PadLayer(layers.Layer):
    """Pads the last `count` axes on both sides."""

    def __init__(self, count, padding, mode="constant", value=0.0):
        super().__init__()
        self.sizes = (padding,) * (2 * count) if isinstance(padding, int) else tuple(padding)
        self.mode, self.value = mode, value

    def call(self, x):
        return pad(x, self.sizes, self.mode, self.value)
'''

_WINDOWS = '''
def windows(value, x):
    """An option of a pooling for each axis of an image."""
    return (value,) * (len(x.shape) - 2) if isinstance(value, int) else tuple(value)
'''

_MAX_POOL = '''
def max_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False):
    """The largest of each window of images with the channels first."""
    sizes, strides, pads = windows(kernel_size, x), windows(stride or kernel_size, x), windows(padding, x)
    ends = [
        (-(size + 2 * pad - window)) % step if ceil_mode else 0
        for size, window, step, pad in zip(x.shape[2:], sizes, strides, pads)
    ]
    x = ops.moveaxis(x, 1, -1)
    if any(pads) or any(ends):
        around = [(0, 0), *((pad, pad + end) for pad, end in zip(pads, ends)), (0, 0)]
        x = ops.pad(x, around, constant_values=float("-inf"))
    return ops.moveaxis(ops.max_pool(x, sizes, strides, "valid"), -1, 1)
'''

_AVG_POOL = '''
def avg_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of images with the channels first."""
    sizes, strides, pads = windows(kernel_size, x), windows(stride or kernel_size, x), windows(padding, x)
    ends = [
        (-(size + 2 * pad - window)) % step if ceil_mode else 0
        for size, window, step, pad in zip(x.shape[2:], sizes, strides, pads)
    ]

    def pooled(x, pads):
        x = ops.pad(x, [(0, 0), *((pad, pad) for pad in pads), (0, 0)]) if any(pads) else x
        x = ops.pad(x, [(0, 0), *((0, end) for end in ends), (0, 0)]) if any(ends) else x
        return ops.average_pool(x, sizes, strides, "valid")

    x = ops.moveaxis(x, 1, -1)
    y = pooled(x, pads)
    if any(ends) or (any(pads) and not count_include_pad):
        ones = ops.ones_like(x[:1, ..., :1])
        if count_include_pad:
            y = y / pooled(ops.pad(ones, [(0, 0), *((p, p) for p in pads), (0, 0)], constant_values=1), (0,) * len(pads))
        else:
            y = y / pooled(ones, pads)
    return ops.moveaxis(y, -1, 1)
'''

_ADAPTIVE = '''
def adaptive_pool(x, output_size, function=ops.mean):
    """Images of a given size, each place the mean (or another `function`) of its share."""
    for axis, size in enumerate(windows(output_size, x), start=2):
        length = x.shape[axis]
        if size is None or size == length:
            continue
        x = ops.moveaxis(x, axis, -1)
        shares = [x[..., i * length // size : -(-(i + 1) * length // size)] for i in range(size)]
        x = ops.moveaxis(ops.stack([function(share, axis=-1) for share in shares], axis=-1), -1, axis)
    return x
'''

_INTERPOLATE = '''
def interpolate(x, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """Images with the channels first in another size, nearest or linear."""
    count = len(x.shape) - 2
    scales = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * count
    sizes = (size,) * count if isinstance(size, int) else size
    sizes = sizes or [int(length * scale) for length, scale in zip(x.shape[2:], scales)]
    for axis, (size, scale) in enumerate(zip(sizes, scales), start=2):
        length = x.shape[axis]
        places, step = np.arange(size), 1 / scale if scale else length / size
        if mode == "nearest":
            x = ops.take(x, np.minimum((places * step).astype(int), length - 1), axis=axis)
            continue
        if align_corners:
            at = places * ((length - 1) / max(size - 1, 1))
        else:
            at = np.maximum((places + 0.5) * step - 0.5, 0)
        low = np.minimum(at.astype(int), length - 1)
        high = np.minimum(low + 1, length - 1)
        share = ops.cast(np.reshape(at - low, (-1,) + (1,) * (len(x.shape) - axis - 1)), x.dtype)
        x = ops.take(x, low, axis=axis) * (1 - share) + ops.take(x, high, axis=axis) * share
    return x
'''

_PAD = '''
def pad(x, sizes, mode="constant", value=0.0):
    """Pads the last axes: `sizes` holds the two sides of the last axis, then of the one before, and so on."""
    pairs = [tuple(sizes[i : i + 2]) for i in range(0, len(sizes), 2)][::-1]
    rank = len(x.shape) - len(pairs)
    x = x[(...,) + tuple(slice(max(0, -a), min(0, b) or None) for a, b in pairs)]
    around = [(0, 0)] * rank + [(max(a, 0), max(b, 0)) for a, b in pairs]
    if mode == "replicate":
        for axis, (before, after) in enumerate(around):
            places = np.clip(np.arange(-before, x.shape[axis] + after), 0, x.shape[axis] - 1)
            x = ops.take(x, places, axis=axis) if before or after else x
        return x
    return ops.pad(x, around, mode, **({"constant_values": value} if mode == "constant" else {}))
'''

_PIXEL_SHUFFLE = '''
def pixel_shuffle(x, factor):
    """Channels laid out as places of a larger image."""
    batch, channels, height, width = ops.shape(x)
    x = ops.reshape(x, (batch, channels // factor**2, factor, factor, height, width))
    x = ops.transpose(x, (0, 1, 4, 2, 5, 3))
    return ops.reshape(x, (batch, channels // factor**2, height * factor, width * factor))
'''

_RECURRENT = '''
class Recurrent(layers.Layer):
    """Stacked recurrent layers with PyTorch's weights, states and results: (outputs, last states)."""

    gates, states = 1, 1

    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False
    ):
        super().__init__()
        self.hidden_size, self.num_layers, self.batch_first = hidden_size, num_layers, batch_first
        self.dropout = layers.Dropout(dropout)
        self.suffixes = ("", "_reverse") if bidirectional else ("",)
        bound = hidden_size**-0.5
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * len(self.suffixes)
            for suffix in self.suffixes:
                rows = self.gates * hidden_size
                shapes = {"weight_ih": (rows, width), "weight_hh": (rows, hidden_size)}
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
                for name, shape in shapes.items():
                    uniform = keras.initializers.RandomUniform(-bound, bound)
                    name = f"{name}_l{layer}{suffix}"
                    setattr(self, name, self.add_weight(shape, uniform, name=name))

    def call(self, x, state=None, training=None):
        single = len(x.shape) == 2
        if single:
            x = x[:, None] if not self.batch_first else x[None]
        if self.batch_first:
            x = ops.swapaxes(x, 0, 1)
        if state is None:
            count = self.num_layers * len(self.suffixes)
            zeros = ops.zeros((count, ops.shape(x)[1], self.hidden_size), x.dtype)
            state = (zeros,) * self.states
        elif self.states == 1:
            state = (state,)
        if single:
            state = tuple(s[:, None] if len(s.shape) == 2 else s for s in state)
        ends = []
        for layer in range(self.num_layers):
            results = []
            for suffix in self.suffixes:
                held = tuple(s[len(ends)] for s in state)
                y, end = self.run(x, held, f"_l{layer}{suffix}", bool(suffix))
                results.append(y)
                ends.append(end)
            x = ops.concatenate(results, axis=-1) if len(results) > 1 else results[0]
            if layer + 1 < self.num_layers:
                x = self.dropout(x, training=training)
        last = tuple(ops.stack([end[i] for end in ends]) for i in range(self.states))
        x = ops.swapaxes(x, 0, 1) if self.batch_first else x
        if single:
            x, last = x[0] if self.batch_first else x[:, 0], tuple(s[:, 0] for s in last)
        return x, last if self.states > 1 else last[0]

    def run(self, x, state, suffix, backward):
        """One layer in one direction."""
        steps = x.shape[0]
        w_in, w = getattr(self, "weight_ih" + suffix), getattr(self, "weight_hh" + suffix)
        b_in, b = getattr(self, "bias_ih" + suffix, 0.0), getattr(self, "bias_hh" + suffix, 0.0)
        given, results = ops.matmul(x, ops.transpose(w_in)) + b_in, [None] * steps
        for step in reversed(range(steps)) if backward else range(steps):
            state = self.step(given[step], state, ops.matmul(state[0], ops.transpose(w)) + b)
            results[step] = state[0]
        return ops.stack(results), state
'''

_LSTM = '''
class LSTM(Recurrent):
    """Long short-term memory; gates in the order input, forget, cell, output."""

    gates, states = 4, 2

    def step(self, given, state, recurrent):
        i, f, g, o = ops.split(given + recurrent, 4, axis=-1)
        cell = ops.sigmoid(f) * state[1] + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(cell), cell
'''

_GRU = '''
class GRU(Recurrent):
    """Gated recurrent units; gates in the order reset, update, new."""

    gates = 3

    def step(self, given, state, recurrent):
        r, z, n = ops.split(given, 3, axis=-1)
        hr, hz, hn = ops.split(recurrent, 3, axis=-1)
        update = ops.sigmoid(z + hz)
        return ((1 - update) * ops.tanh(n + ops.sigmoid(r + hr) * hn) + update * state[0],)
'''

_RNN = '''
class RNN(Recurrent):
    """The plain recurrent layer."""

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", **options):
        super().__init__(input_size, hidden_size, num_layers, **options)
        self.activation = ops.tanh if nonlinearity == "tanh" else ops.relu

    def step(self, given, state, recurrent):
        return (self.activation(given + recurrent),)
'''


_LSTM_CELL = '''
class LSTMCell(layers.Layer):
    """One step of long short-term memory, with PyTorch's weights."""

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        self.hidden_size, bound, rows = hidden_size, hidden_size**-0.5, 4 * hidden_size
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(shape, keras.initializers.RandomUniform(-bound, bound), name=name))

    def call(self, x, state=None):
        h, c = state if state is not None else (ops.zeros((ops.shape(x)[0], self.hidden_size), x.dtype),) * 2
        given = ops.matmul(x, ops.transpose(self.weight_ih)) + getattr(self, "bias_ih", 0.0)
        i, f, g, o = ops.split(
            given + ops.matmul(h, ops.transpose(self.weight_hh)) + getattr(self, "bias_hh", 0.0), 4, axis=-1
        )
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c
'''

_GRU_CELL = '''
class GRUCell(layers.Layer):
    """One step of gated recurrent units, with PyTorch's weights."""

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        self.hidden_size, bound, rows = hidden_size, hidden_size**-0.5, 3 * hidden_size
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(shape, keras.initializers.RandomUniform(-bound, bound), name=name))

    def call(self, x, state=None):
        h = state if state is not None else ops.zeros((ops.shape(x)[0], self.hidden_size), x.dtype)
        given = ops.matmul(x, ops.transpose(self.weight_ih)) + getattr(self, "bias_ih", 0.0)
        recurrent = ops.matmul(h, ops.transpose(self.weight_hh)) + getattr(self, "bias_hh", 0.0)
        (r, z, n), (hr, hz, hn) = ops.split(given, 3, axis=-1), ops.split(recurrent, 3, axis=-1)
        update = ops.sigmoid(z + hz)
        return (1 - update) * ops.tanh(n + ops.sigmoid(r + hr) * hn) + update * h
'''

_RNN_CELL = '''
class RNNCell(layers.Layer):
    """One step of the plain recurrent layer, with PyTorch's weights."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh"):
        super().__init__()
        self.hidden_size, bound = hidden_size, hidden_size**-0.5
        self.activation = ops.tanh if nonlinearity == "tanh" else ops.relu
        shapes = {"weight_ih": (hidden_size, input_size), "weight_hh": (hidden_size, hidden_size)}
        shapes |= {"bias_ih": (hidden_size,), "bias_hh": (hidden_size,)} if bias else {}
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(shape, keras.initializers.RandomUniform(-bound, bound), name=name))

    def call(self, x, state=None):
        h = state if state is not None else ops.zeros((ops.shape(x)[0], self.hidden_size), x.dtype)
        given = ops.matmul(x, ops.transpose(self.weight_ih)) + getattr(self, "bias_ih", 0.0)
        return self.activation(given + ops.matmul(h, ops.transpose(self.weight_hh)) + getattr(self, "bias_hh", 0.0))
'''

_ATTENTION = '''
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
    """Attention over the last two axes; a mask of booleans says what is seen, one of numbers is added."""
    scores = ops.matmul(query, ops.swapaxes(key, -2, -1)) * (scale or query.shape[-1] ** -0.5)
    if is_causal:
        attn_mask = ops.tril(ops.ones(scores.shape[-2:], dtype="bool"))
    if attn_mask is not None:
        if "bool" in str(attn_mask.dtype):
            scores = ops.where(attn_mask, scores, float("-inf"))
        else:
            scores = scores + attn_mask
    weights = ops.softmax(scores, axis=-1)
    if dropout_p:
        weights = keras.random.dropout(weights, dropout_p)
    return ops.matmul(weights, value)
'''

_MULTIHEAD = '''
class MultiheadAttention(layers.Layer):
    """Attention with several heads and PyTorch's weights; masks of booleans say what is not seen."""

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, batch_first=False):
        super().__init__()
        self.num_heads, self.batch_first = num_heads, batch_first
        self.dropout = layers.Dropout(dropout)
        glorot = keras.initializers.GlorotUniform
        self.in_proj_weight = self.add_weight((3 * embed_dim, embed_dim), glorot(), name="in_proj_weight")
        self.in_proj_bias = self.add_weight((3 * embed_dim,), "zeros", name="in_proj_bias") if bias else None
        bound = embed_dim**-0.5
        uniform = keras.initializers.RandomUniform(-bound, bound)
        self.out_weight = self.add_weight((embed_dim, embed_dim), uniform, name="out_weight")
        self.out_bias = self.add_weight((embed_dim,), "zeros", name="out_bias") if bias else None

    def call(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
        average_attn_weights=True, is_causal=False, training=None,
    ):  # fmt: skip
        def heads(x, w, b):
            x = x if self.batch_first else ops.swapaxes(x, 0, 1)
            y = ops.matmul(x, ops.transpose(w)) + (0.0 if b is None else b)
            y = ops.reshape(y, (ops.shape(y)[0], ops.shape(y)[1], self.num_heads, -1))
            return ops.transpose(y, (0, 2, 1, 3))

        def hidden(mask, scores):
            return ops.where(mask, float("-inf"), 0.0) if "bool" in str(mask.dtype) else mask

        biases = (None,) * 3 if self.in_proj_bias is None else ops.split(self.in_proj_bias, 3)
        q, k, v = map(heads, (query, key, value), ops.split(self.in_proj_weight, 3), biases)
        scores = ops.matmul(q, ops.swapaxes(k, -2, -1)) * q.shape[-1] ** -0.5
        if attn_mask is not None:
            if len(attn_mask.shape) == 3:
                attn_mask = ops.reshape(attn_mask, (-1, self.num_heads, *attn_mask.shape[1:]))
            scores = scores + hidden(attn_mask, scores)
        if key_padding_mask is not None:
            scores = scores + hidden(key_padding_mask, scores)[:, None, None]
        weights = self.dropout(ops.softmax(scores, axis=-1), training=training)
        y = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        y = ops.reshape(y, (ops.shape(y)[0], ops.shape(y)[1], -1))
        y = ops.matmul(y, ops.transpose(self.out_weight)) + (0.0 if self.out_bias is None else self.out_bias)
        y = y if self.batch_first else ops.swapaxes(y, 0, 1)
        if not need_weights:
            return y, None
        return y, ops.mean(weights, axis=1) if average_attn_weights else weights
'''

_ENCODER_LAYER = '''
class TransformerEncoderLayer(layers.Layer):
    """Attention to itself, then two dense layers, each beside a shortcut and a normalisation."""

    def __init__(
        self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=ops.relu, layer_norm_eps=1e-5,
        batch_first=False, norm_first=False,
    ):  # fmt: skip
        super().__init__()
        self.options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first)
        self.linear1, self.linear2 = Dense(dim_feedforward), Dense(d_model)
        self.norm1 = layers.LayerNormalization(epsilon=layer_norm_eps)
        self.norm2 = layers.LayerNormalization(epsilon=layer_norm_eps)
        self.dropout, self.dropout1, self.dropout2 = (layers.Dropout(dropout) for _ in range(3))
        if isinstance(activation, str):
            activation = {"relu": ops.relu, "gelu": keras.activations.gelu}[activation]
        self.activation, self.norm_first = activation, norm_first

    def attend(self, x, mask, padding):
        y, _ = self.self_attn(x, x, x, key_padding_mask=padding, need_weights=False, attn_mask=mask)
        return self.dropout1(y)

    def feed(self, x):
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def call(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        if self.norm_first:
            x = src + self.attend(self.norm1(src), src_mask, src_key_padding_mask)
            return x + self.feed(self.norm2(x))
        x = self.norm1(src + self.attend(src, src_mask, src_key_padding_mask))
        return self.norm2(x + self.feed(x))
'''

_ENCODER = '''
class TransformerEncoder(layers.Layer):
    """Several encoder layers of one kind, one after the other."""

    def __init__(self, encoder_layer, num_layers, norm=None):
        super().__init__()
        self.layers = [type(encoder_layer)(*encoder_layer.options) for _ in range(num_layers)]
        self.norm = norm

    def call(self, src, mask=None, src_key_padding_mask=None, is_causal=False):
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask)
        return src if self.norm is None else self.norm(src)
'''

_SMALL = {
    "max_along": '''
def max_along(x, axis, keepdims=False):
    """The largest values along an axis, and where they are."""
    return ops.max(x, axis=axis, keepdims=keepdims), ops.cast(ops.argmax(x, axis=axis, keepdims=keepdims), "int64")
''',
    "min_along": '''
def min_along(x, axis, keepdims=False):
    """The smallest values along an axis, and where they are."""
    return ops.min(x, axis=axis, keepdims=keepdims), ops.cast(ops.argmin(x, axis=axis, keepdims=keepdims), "int64")
''',
    "variance": '''
def variance(x, axis=None, keepdims=False, correction=1):
    """The variance along axes, with Bessel's correction."""
    count = ops.size(x) // ops.size(ops.mean(x, axis=axis))
    factor = ops.cast(count, x.dtype) / ops.cast(count - correction, x.dtype)
    return ops.var(x, axis=axis, keepdims=keepdims) * factor
''',
    "expand": '''
def expand(x, *sizes):
    """Broadcast to `sizes`, where -1 keeps an axis."""
    sizes = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    shape = (1,) * (len(sizes) - len(x.shape)) + tuple(ops.shape(x))
    return ops.broadcast_to(x, [old if size == -1 else size for size, old in zip(sizes, shape)])
''',
    "split": '''
def split(x, size, axis=0):
    """Pieces of `size` along an axis (the last may be smaller), or of the sizes of a list."""
    sizes = size if isinstance(size, (list, tuple)) else [size] * (x.shape[axis] // size)
    return ops.split(x, [int(end) for end in np.cumsum(sizes) if end < x.shape[axis]], axis=axis)
''',
    "chunk": '''
def chunk(x, count, axis=0):
    """At most `count` equal pieces along an axis; the last may be smaller."""
    size = -(-x.shape[axis] // count)
    return ops.split(x, list(range(size, x.shape[axis], size)), axis=axis)
''',
    "normalize": '''
def normalize(x, p=2.0, axis=1, eps=1e-12):
    """Scaled to a norm of one along an axis."""
    if p == 2:
        norm = ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=True))
    else:
        norm = ops.sum(ops.abs(x) ** p, axis=axis, keepdims=True) ** (1 / p)
    return x / ops.maximum(norm, eps)
''',
    "cosine_similarity": '''
def cosine_similarity(x, y, axis=1, eps=1e-8):
    """The cosine of the angle between vectors along an axis."""
    norms = [ops.maximum(ops.sqrt(ops.sum(ops.square(one), axis=axis)), eps) for one in (x, y)]
    return ops.sum(x * y, axis=axis) / (norms[0] * norms[1])
''',
    "pairwise_distance": '''
def pairwise_distance(x, y, p=2.0, eps=1e-6, keepdims=False):
    """The distance between vectors of the last axis."""
    return ops.sum(ops.abs(x - y + eps) ** p, axis=-1, keepdims=keepdims) ** (1 / p)
''',
    "sorted_along": '''
def sorted_along(x, axis=-1, descending=False):
    """The values in order along an axis, and where they came from."""
    places = ops.argsort(-x if descending else x, axis=axis)
    return ops.take_along_axis(x, places, axis=axis), places
''',
    "dropout": '''
def dropout(x, rate=0.5, training=True):
    """Zeros at random while training."""
    return keras.random.dropout(x, rate) if training and rate else x
''',
    "dropout2d": '''
def dropout2d(x, rate=0.5, training=True):
    """Whole channels zero at random while training."""
    shape = tuple(ops.shape(x)[:2]) + (1,) * (len(x.shape) - 2)
    return keras.random.dropout(x, rate, noise_shape=shape) if training and rate else x
''',
    "squeeze": '''
def squeeze(x, axis=None):
    """Without the axes of size one; an axis of another size stays."""
    if axis is None:
        return ops.squeeze(x)
    return ops.squeeze(x, axis=axis) if x.shape[axis] == 1 else x
''',
    "flatten": '''
def flatten(x, start_dim=0, end_dim=-1):
    """The axes from `start_dim` to `end_dim` as one."""
    start, end = start_dim % len(x.shape), end_dim % len(x.shape)
    shape = ops.shape(x)
    if start == 0:
        return ops.reshape(x, (-1, *shape[end + 1 :]))
    return ops.reshape(x, (*shape[:start], math.prod(x.shape[start : end + 1]), *shape[end + 1 :]))
''',
    "unflatten": '''
def unflatten(x, dim, sizes):
    """One axis as several."""
    shape, dim = tuple(ops.shape(x)), dim % len(x.shape)
    return ops.reshape(x, (*shape[:dim], *sizes, *shape[dim + 1 :]))
''',
    "freeze": '''
def freeze(model):
    """Holds the weights of a network as they are, those also that its layers have yet to make."""
    for variable in model.trainable_variables:
        variable.trainable = False
    for layer in model._flatten_layers():
        layer.add_weight = lambda *args, make=layer.add_weight, **options: make(*args, **{**options, "trainable": False})
''',
    "inputs_of": '''
def inputs_of(layer):
    """The number of a layer's input channels; None before its first call, which finds it."""
    return layer.kernel.shape[-2] * getattr(layer, "groups", 1) if layer.built else None
''',
    "parameter": '''
def parameter(value, trainable=True):
    """A weight that starts at `value`."""
    return keras.Variable(value, trainable=trainable, dtype=value.dtype)
''',
    "linear": '''
def linear(x, weight, bias=None):
    """A dense layer's function, with PyTorch's order of the weight."""
    y = ops.matmul(x, ops.transpose(weight))
    return y if bias is None else y + bias
''',
    "at": '''
def at(x, *places):
    """The values at places that are given axis by axis."""
    shape, flat = x.shape, 0
    for place, size in zip(places, shape):
        place = ops.cast(place, "int64")
        flat = flat * size + ops.where(place < 0, place + size, place)
    return ops.take(ops.reshape(x, (-1, *shape[len(places) :])), flat, axis=0)
''',
    "updated": '''
def updated(x, index, value):
    """A copy of x with other values at an index, such as `np.s_[:, 0]`."""
    places = np.arange(math.prod(x.shape)).reshape(x.shape)[index]
    value = ops.broadcast_to(ops.cast(value, x.dtype), places.shape)
    flat = ops.scatter_update(ops.reshape(x, (-1,)), places.reshape(-1, 1), ops.reshape(value, (-1,)))
    return ops.reshape(flat, x.shape)
''',
    "layer_norm": '''
def layer_norm(x, shape, weight=None, bias=None, eps=1e-5):
    """Each sample normalised over its last axes."""
    axes = list(range(-len(shape), 0))
    y = x - ops.mean(x, axis=axes, keepdims=True)
    y = y * ops.rsqrt(ops.mean(ops.square(y), axis=axes, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias
''',
    "conv": '''
def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """A convolution of images with the channels first by a weight in PyTorch's order."""
    count = len(x.shape) - 2
    pads = (padding,) * count if isinstance(padding, int) else padding
    x = ops.pad(ops.moveaxis(x, 1, -1), [(0, 0), *((p, p) for p in pads), (0, 0)])
    kernel = ops.transpose(weight, (*range(2, count + 2), 1, 0))
    parts = zip(ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1))
    y = ops.concatenate([ops.conv(a, b, stride, "valid", dilation_rate=dilation) for a, b in parts], axis=-1)
    return ops.moveaxis(y if bias is None else y + bias, -1, 1)
''',
    "cross_entropy": '''
def cross_entropy(logits, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Cross-entropy of logits, the classes on axis 1, with class indices or probabilities."""
    if len(logits.shape) > 2:
        logits = ops.moveaxis(logits, 1, -1)
        target = ops.moveaxis(target, 1, -1) if len(target.shape) == len(logits.shape) else target
    count, logs = logits.shape[-1], ops.log_softmax(logits, axis=-1)
    seen = None
    if len(target.shape) < len(logits.shape):
        seen = ops.cast(target != ignore_index, logs.dtype)
        target = ops.one_hot(target, count, dtype=logs.dtype)
    scale = 1.0 if weight is None else ops.cast(weight, logs.dtype)
    target = target * (1 - label_smoothing) + label_smoothing / count
    losses = -ops.sum(target * scale * logs, axis=-1)
    if seen is not None:
        losses = losses * seen
        total = ops.sum(seen if weight is None else seen * ops.sum(target * scale, axis=-1))
        if weight is not None and label_smoothing:
            raise NotImplementedError("class weights with label smoothing")
    else:
        total = ops.cast(ops.size(losses), logs.dtype)
    if reduction == "none":
        return losses
    return ops.sum(losses) / total if reduction == "mean" else ops.sum(losses)
''',
    "nll_loss": '''
def nll_loss(logs, target, weight=None, ignore_index=-100, reduction="mean"):
    """The negative log-likelihood of class indices, the classes on axis 1."""
    if len(logs.shape) > 2:
        logs = ops.moveaxis(logs, 1, -1)
    places = ops.one_hot(target, logs.shape[-1], dtype=logs.dtype)
    scale = 1.0 if weight is None else ops.cast(weight, logs.dtype)
    seen = ops.sum(places * scale, axis=-1) * ops.cast(target != ignore_index, logs.dtype)
    losses = -ops.sum(places * logs, axis=-1) * seen
    if reduction == "none":
        return losses
    return ops.sum(losses) / ops.sum(seen) if reduction == "mean" else ops.sum(losses)
''',
    "reduced": '''
def reduced(losses, reduction="mean"):
    """Losses as their mean, their sum, or as they are."""
    return {"mean": ops.mean, "sum": ops.sum, "none": lambda x: x}[reduction](losses)
''',
    "mse_loss": '''
def mse_loss(x, target, reduction="mean"):
    """Squared errors."""
    return reduced(ops.square(x - target), reduction)
''',
    "l1_loss": '''
def l1_loss(x, target, reduction="mean"):
    """Absolute errors."""
    return reduced(ops.abs(x - target), reduction)
''',
    "smooth_l1_loss": '''
def smooth_l1_loss(x, target, reduction="mean", beta=1.0):
    """Squared errors where they are below beta, absolute ones elsewhere."""
    error = ops.abs(x - target)
    return reduced(ops.where(error < beta, 0.5 * ops.square(error) / beta, error - 0.5 * beta), reduction)
''',
    "huber_loss": '''
def huber_loss(x, target, reduction="mean", delta=1.0):
    """Squared errors where they are below delta, absolute ones elsewhere."""
    error = ops.abs(x - target)
    return reduced(ops.where(error < delta, 0.5 * ops.square(error), delta * (error - 0.5 * delta)), reduction)
''',
    "binary_cross_entropy": '''
def binary_cross_entropy(x, target, weight=None, reduction="mean"):
    """Cross-entropy of probabilities; logarithms are held above -100."""
    losses = -target * ops.maximum(ops.log(x), -100.0) - (1 - target) * ops.maximum(ops.log(1 - x), -100.0)
    return reduced(losses if weight is None else losses * weight, reduction)
''',
    "binary_cross_entropy_with_logits": '''
def binary_cross_entropy_with_logits(x, target, weight=None, reduction="mean", pos_weight=None):
    """Cross-entropy of logits."""
    scale = 1.0 if pos_weight is None else 1.0 + (pos_weight - 1.0) * target
    losses = (1 - target) * x + scale * (ops.softplus(-ops.abs(x)) + ops.relu(-x))
    return reduced(losses if weight is None else losses * weight, reduction)
''',
    "kl_div": '''
def kl_div(x, target, reduction="mean", log_target=False):
    """The Kullback-Leibler divergence of log-probabilities from a target."""
    if log_target:
        losses = ops.exp(target) * (target - x)
    else:
        losses = ops.where(target > 0, target * (ops.log(ops.where(target > 0, target, 1.0)) - x), 0.0)
    if reduction == "batchmean":
        return ops.sum(losses) / x.shape[0]
    return reduced(losses, reduction)
''',
    "triplet_margin_loss": '''
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, reduction="mean"):
    """How much nearer the positive should be than the negative."""
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    return reduced(ops.relu(near - far + margin), reduction)
''',
    "cosine_embedding_loss": '''
def cosine_embedding_loss(x, y, target, margin=0.0, reduction="mean"):
    """One minus the cosine for pairs of target 1, the cosine above the margin for those of -1."""
    cosine = cosine_similarity(x, y)
    return reduced(ops.where(target > 0, 1 - cosine, ops.relu(cosine - margin)), reduction)
''',
    "Loss": '''
class Loss:
    """A loss function with its options held, called as (outputs, target)."""

    def __init__(self, function, **options):
        self.function, self.options = function, options

    def __call__(self, *values):
        return self.function(*values, **self.options)
''',
    "summed": '''
def summed(a, b):
    """Gradients of two losses together."""
    return [y if x is None else x if y is None else x + y for x, y in zip(a, b)]
''',
    "clip_grad_norm": '''
def clip_grad_norm(gradients, max_norm):
    """Gradients scaled down together where their norm is above `max_norm`."""
    norm = ops.sqrt(sum(ops.sum(ops.square(one)) for one in gradients if one is not None))
    scale = ops.minimum(max_norm / (norm + 1e-6), 1.0)
    return [None if one is None else one * scale for one in gradients]
''',
    "clip_grad_value": '''
def clip_grad_value(gradients, value):
    """Gradients held within plus and minus a value."""
    return [None if one is None else ops.clip(one, -value, value) for one in gradients]
''',
    "SGD": '''
class SGD(keras.optimizers.SGD):
    """Gradient descent as PyTorch has it: the learning rate is no part of the momentum, `l2` adds to the gradients."""

    def __init__(self, learning_rate=1e-3, momentum=0.0, dampening=0.0, l2=0.0, nesterov=False):
        super().__init__(learning_rate, momentum=momentum, nesterov=nesterov)
        self.dampening, self.l2 = dampening, l2

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        if self.momentum:
            held = self.momentums[self._get_variable_index(variable)]
            share = ops.where(self.iterations == 0, 1.0, 1.0 - self.dampening)
            held.assign(self.momentum * held + ops.cast(share, variable.dtype) * gradient)
            gradient = gradient + self.momentum * held if self.nesterov else held
        variable.assign_sub(rate * gradient)
''',
    "Adam": '''
class Adam(keras.optimizers.Adam):
    """Adam as PyTorch has it: epsilon after the correction; `l2` adds to the gradients, `decay` shrinks the weights."""

    def __init__(self, learning_rate=1e-3, betas=(0.9, 0.999), epsilon=1e-8, l2=0.0, decay=0.0):
        super().__init__(learning_rate, betas[0], betas[1], epsilon)
        self.l2, self.decay = l2, decay

    def update_step(self, gradient, variable, learning_rate):
        rate, step = ops.cast(learning_rate, variable.dtype), ops.cast(self.iterations + 1, variable.dtype)
        variable.assign_sub(rate * self.decay * variable)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        mean.assign(self.beta_1 * mean + (1 - self.beta_1) * gradient)
        square.assign(self.beta_2 * square + (1 - self.beta_2) * ops.square(gradient))
        scale = ops.sqrt(square / (1 - self.beta_2**step)) + self.epsilon
        variable.assign_sub(rate * mean / (1 - self.beta_1**step) / scale)
''',
    "RMSprop": '''
class RMSprop(keras.optimizers.RMSprop):
    """RMSprop as PyTorch has it: epsilon outside of the root; `l2` adds to the gradients."""

    def __init__(self, learning_rate=1e-2, alpha=0.99, epsilon=1e-8, l2=0.0):
        super().__init__(learning_rate, rho=alpha, epsilon=epsilon)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        square = self._velocities[self._get_variable_index(variable)]
        square.assign(self.rho * square + (1 - self.rho) * ops.square(gradient))
        variable.assign_sub(rate * gradient / (ops.sqrt(square) + self.epsilon))
''',
    "Adagrad": '''
class Adagrad(keras.optimizers.Adagrad):
    """Adagrad as PyTorch has it: sums start at zero, epsilon outside of the root; `l2` adds to the gradients."""

    def __init__(self, learning_rate=1e-2, epsilon=1e-10, l2=0.0):
        super().__init__(learning_rate, initial_accumulator_value=0.0, epsilon=epsilon)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype) + self.l2 * variable
        square = self._accumulators[self._get_variable_index(variable)]
        square.assign_add(ops.square(gradient))
        variable.assign_sub(rate * gradient / (ops.sqrt(square) + self.epsilon))
''',
    "Schedule": '''
class Schedule:
    """Sets the learning rate of an optimiser at each `step()`, by a rule of the first rate and the count."""

    def __init__(self, optimizer, rule):
        self.optimizer, self.rule, self.base, self.epoch = optimizer, rule, float(optimizer.learning_rate), -1
        self.step()

    def step(self):
        self.epoch += 1
        self.optimizer.learning_rate = self.rule(self.base, self.epoch)
''',
    "ReduceOnPlateau": '''
class ReduceOnPlateau:
    """Lowers the learning rate when a number that is given to `step` no longer gets better."""

    def __init__(self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4, min_rate=0.0):
        self.optimizer, self.sign, self.factor, self.patience = optimizer, 1 if mode == "min" else -1, factor, patience
        self.threshold, self.min_rate, self.best, self.bad = threshold, min_rate, float("inf"), 0

    def step(self, value):
        value = self.sign * float(value)
        if self.best == float("inf") or value < self.best - self.threshold * abs(self.best):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.bad > self.patience:
            rate = float(self.optimizer.learning_rate)
            self.optimizer.learning_rate, self.bad = max(rate * self.factor, self.min_rate), 0
''',
    "TensorDataset": '''
class TensorDataset:
    """Samples that are rows of tensors."""

    def __init__(self, *tensors):
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(one[index] for one in self.tensors)

    def __len__(self):
        return len(self.tensors[0])
''',
    "Subset": '''
class Subset:
    """Some samples of a data set."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, list(indices)

    def __getitem__(self, index):
        return self.dataset[self.indices[index]]

    def __len__(self):
        return len(self.indices)
''',
    "random_split": '''
def random_split(dataset, lengths):
    """A data set in parts, by numbers or by shares of samples."""
    if sum(lengths) <= 1:
        lengths = [int(len(dataset) * share) for share in lengths]
        lengths[0] += len(dataset) - sum(lengths)
    order, ends = np.random.permutation(len(dataset)).tolist(), np.cumsum(lengths)
    return [Subset(dataset, order[end - length : end]) for end, length in zip(ends, lengths)]
''',
    "DataLoader": '''
class DataLoader:
    """Batches of a data set, in a new order each time where it is shuffled."""

    def __init__(self, dataset, batch_size=1, shuffle=False, drop_last=False):
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last

    def __len__(self):
        return len(self.dataset) // self.batch_size if self.drop_last else -(-len(self.dataset) // self.batch_size)

    def __iter__(self):
        order = np.random.permutation(len(self.dataset)) if self.shuffle else np.arange(len(self.dataset))
        for number in range(len(self)):
            rows = order[number * self.batch_size : (number + 1) * self.batch_size]
            samples = [self.dataset[int(row)] for row in rows]
            if isinstance(samples[0], (tuple, list)):
                yield [ops.convert_to_tensor(np.stack([np.asarray(x) for x in column])) for column in zip(*samples)]
            elif isinstance(samples[0], dict):
                yield {k: ops.convert_to_tensor(np.stack([np.asarray(x[k]) for x in samples])) for k in samples[0]}
            else:
                yield ops.convert_to_tensor(np.stack([np.asarray(x) for x in samples]))
''',
    "weights_path": '''
def weights_path(path):
    """The path of a weights file as Keras wants it."""
    return str(path).rpartition(".")[0] + ".weights.h5" if "." in str(path) else f"{path}.weights.h5"
''',
    "modules": '''
def modules(layer):
    """A layer and all that it holds."""
    return layer._flatten_layers()
''',
    "local_response_norm": '''
def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """Each value by the squares of the channels around it."""
    squares = ops.pad(ops.square(x), [(0, 0), (size // 2, (size - 1) // 2)] + [(0, 0)] * (len(x.shape) - 2))
    total = sum(squares[:, i : i + x.shape[1]] for i in range(size))
    return x / (k + alpha * total / size) ** beta
''',
}

_TIED = '''
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
'''

HELPERS: dict[str, str] = {
    "Dense": DENSE,
    "TiedDense": _TIED,
    "BatchNormalization": _BATCH_NORM,
    "Embedding": _EMBEDDING,
    "PReLU": _PRELU,
    "FunctionLayer": _FUNCTION_LAYER,
    "PadLayer": _PAD_LAYER,
    "windows": _WINDOWS,
    "max_pool": _MAX_POOL,
    "avg_pool": _AVG_POOL,
    "adaptive_pool": _ADAPTIVE,
    "interpolate": _INTERPOLATE,
    "pad": _PAD,
    "pixel_shuffle": _PIXEL_SHUFFLE,
    "Recurrent": _RECURRENT,
    "LSTM": _LSTM,
    "GRU": _GRU,
    "RNN": _RNN,
    "LSTMCell": _LSTM_CELL,
    "GRUCell": _GRU_CELL,
    "RNNCell": _RNN_CELL,
    "scaled_dot_product_attention": _ATTENTION,
    "MultiheadAttention": _MULTIHEAD,
    "TransformerEncoderLayer": _ENCODER_LAYER,
    "TransformerEncoder": _ENCODER,
    **_SMALL,
}
for _n in "123":
    HELPERS[f"Conv{_n}D"] = _CONV.replace("ND", f"{_n}D").replace("* N", f"* {_n}")
    HELPERS[f"Conv{_n}DTranspose"] = _TRANSPOSED.replace("ND", f"{_n}D").replace("* N", f"* {_n}")
    if _n != "3":
        HELPERS[f"GroupedConv{_n}D"] = _GROUPED.replace("ND", f"{_n}D")


def needs(helper: str) -> list[str]:
    """The helpers that a helper uses."""
    return [name for name in HELPERS if name != helper and uses(without_docs(HELPERS[helper]), name)]


def uses(text: str, name: str) -> bool:
    """Whether some source calls a helper, derives from it or passes it on."""
    passed = rf"|\({name}\)" if name[0].isupper() else ""
    return bool(re.search(rf"(?<![\w.])(?<!def ){name}\({passed}", text))


def without_docs(text: str) -> str:
    return re.sub(r'"""[^"]*"""', "", text)


def words(text: str) -> set[str]:
    """The names in some source, comments and docstrings aside."""
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", without_docs(text)))
