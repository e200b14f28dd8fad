"""What an emitted file defines itself, where Keras has nothing close: small functions and layers, by name.

Each is source text that needs the imports `keras`, `layers`, `ops` and `math` and nothing else. A helper that uses
another names it, and the file then holds both.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from typing import Any

HELPERS: dict[str, str] = {}
"""The source of each helper by its name."""


@functools.cache
def is_helper(kind: Any) -> bool:
    """Whether a class is a helper as it stands in an emitted file, and so means what is known of it."""
    if kind.__name__ not in HELPERS:
        return False
    try:
        found = inspect.getsource(kind)
    except (OSError, TypeError):
        return False
    return ast.dump(ast.parse(textwrap.dedent(found))) == ast.dump(ast.parse(HELPERS[kind.__name__]))


HELPERS["PaddedEmbedding"] = '''
class PaddedEmbedding(layers.Embedding):
    """An embedding whose row `padding_idx` gets no gradient."""

    def __init__(self, input_dim, output_dim, padding_idx, **kwargs):
        super().__init__(input_dim, output_dim, **kwargs)
        self.padding_idx = padding_idx

    def call(self, inputs):
        rows = super().call(inputs)
        padding = ops.expand_dims(ops.equal(inputs, self.padding_idx), -1)
        return ops.where(padding, ops.stop_gradient(rows), rows)

    def get_config(self):
        return {**super().get_config(), "padding_idx": self.padding_idx}
'''

HELPERS["RandomReLU"] = '''
class RandomReLU(layers.Layer):
    """A leaky ReLU whose slope is drawn for each element in training; inference uses the mean slope."""

    def __init__(self, lower, upper, **kwargs):
        super().__init__(**kwargs)
        self.lower, self.upper = lower, upper
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        slope = (self.lower + self.upper) / 2
        if training:
            slope = keras.random.uniform(
                ops.shape(inputs), self.lower, self.upper, dtype=inputs.dtype, seed=self.seed_generator
            )
        return ops.where(inputs >= 0, inputs, slope * inputs)

    def get_config(self):
        return {**super().get_config(), "lower": self.lower, "upper": self.upper}
'''

HELPERS["GLU"] = '''
class GLU(layers.Layer):
    """Half of the channels, gated by the other half; `layers.Activation("glu")` does not tell that they are fewer."""

    def call(self, inputs):
        return ops.glu(inputs)
'''

HELPERS["root"] = '''
def root(x):
    """The square root, with gradient 0 where `x` is 0: a norm of zeros or the spread of a constant; Keras has NaN."""
    zero = ops.equal(x, 0)
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, x)))
'''

HELPERS["angle"] = '''
def angle(y, x):
    """The angle of the point `(y, x)`, with gradient 0 where both are 0; that of `ops.arctan2` is NaN there."""
    origin = ops.logical_and(ops.equal(x, 0), ops.equal(y, 0))
    y = ops.where(origin, ops.stop_gradient(y), y)
    return ops.arctan2(y, ops.where(origin, ops.where(ops.signbit(x), -1.0, 1.0), x))
'''

HELPERS["masked_attention"] = '''
def masked_attention(query, key, value, mask, scale=None):
    """Attention in which a query that may see no key gives zeros; Keras gives the mean of all values."""
    attended = ops.dot_product_attention(query, key, value, mask=mask, scale=scale)
    seen = ops.any(mask, axis=-1, keepdims=True)
    return ops.where(ops.transpose(seen, (0, 2, 1, 3)), attended, 0.0)
'''

HELPERS["biased_attention"] = '''
def biased_attention(query, key, value, bias, scale=None):
    """Attention in which a query that may see no key (a bias of minus infinity) gives zeros; Keras gives NaN."""
    seen = ops.any(bias > -math.inf, axis=-1, keepdims=True)
    attended = ops.dot_product_attention(query, key, value, bias=ops.where(seen, bias, 0.0), scale=scale)
    return ops.where(ops.transpose(seen, (0, 2, 1, 3)), attended, 0.0)
'''

HELPERS["MaskedMultiHeadAttention"] = '''
class MaskedMultiHeadAttention(layers.MultiHeadAttention):
    """Multi-head attention in which a query that may see no key attends to nothing; Keras takes the mean of all."""

    def _compute_attention(self, query, key, value, attention_mask=None, *arguments, **options):
        attended, scores = super()._compute_attention(query, key, value, attention_mask, *arguments, **options)
        seen = ops.any(attention_mask, axis=-1, keepdims=True)
        attended = ops.where(ops.transpose(seen, (0, 2, 1, 3)), attended, 0.0)
        return attended, None if scores is None else ops.where(seen, scores, 0.0)
'''

HELPERS["resize"] = '''
def resize(x, size, axes, mode="linear", align_corners=False, antialias=False, scale=None):
    """Resizes `axes` of `x` to `size`, one after the other, with the sampling points of PyTorch.

    `ops.image.resize` has no `align_corners`, another cubic kernel, and always computes in float32.
    """
    dtype = keras.backend.result_type(x.dtype, "float32")

    def kernel(distance):
        if mode == "linear":
            return ops.maximum(1 - distance, 0)
        a = -0.5 if antialias else -0.75
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = a * (((distance - 5) * distance + 8) * distance - 4)
        return ops.where(distance <= 1, near, ops.where(distance < 2, far, ops.zeros_like(far)))

    for i, (axis, new) in enumerate(zip(axes, size)):
        old, largest = ops.shape(x)[axis], max
        before, after = old, new
        if not isinstance(old, int) or not isinstance(new, int):  # sizes that are known when it runs
            before, after, largest = ops.cast(old, dtype), ops.cast(new, dtype), ops.maximum
        if align_corners:
            step = (before - 1) / largest(after - 1, 1)
        else:
            step = 1 / scale[i] if scale else before / after
        places, elements = ops.arange(0, new, dtype=dtype)[:, None], ops.arange(0, old, dtype=dtype)
        if antialias:
            weights = kernel(ops.abs(elements + 0.5 - (places + 0.5) * step) / largest(step, 1))
            weights = weights / ops.sum(weights, axis=1, keepdims=True)
        else:
            centres = places * step if align_corners else (places + 0.5) * step - 0.5
            if mode == "linear":
                weights = kernel(ops.abs(elements - ops.clip(centres, 0, before - 1)))
            else:  # the border elements are repeated
                taps = ops.arange(-2, old + 2, dtype="int32")
                weights = kernel(ops.abs(ops.cast(taps, dtype) - centres))
                nearest = ops.clip(taps, 0, old - 1)[:, None]
                weights = weights @ ops.cast(ops.equal(nearest, ops.arange(0, old, dtype="int32")), dtype)
        x = ops.moveaxis(ops.tensordot(x, ops.cast(weights, x.dtype), [[axis], [1]]), -1, axis)
    return x
'''

HELPERS["pixel_shuffle"] = '''
def pixel_shuffle(x, factor):
    """Turns blocks of `factor ** 2` channels (the last axis) into squares of `factor` by `factor` pixels."""
    _, height, width, channels = ops.shape(x)
    channels = channels // factor**2
    x = ops.reshape(x, (-1, height, width, channels, factor, factor))
    x = ops.transpose(x, (0, 1, 4, 2, 5, 3))
    return ops.reshape(x, (-1, height * factor, width * factor, channels))
'''

HELPERS["pixel_unshuffle"] = '''
def pixel_unshuffle(x, factor):
    """Turns squares of `factor` by `factor` pixels into blocks of `factor ** 2` channels (the last axis)."""
    _, height, width, channels = ops.shape(x)
    x = ops.reshape(x, (-1, height // factor, factor, width // factor, factor, channels))
    x = ops.transpose(x, (0, 1, 3, 5, 2, 4))
    return ops.reshape(x, (-1, height // factor, width // factor, channels * factor**2))
'''

HELPERS["grid_sample"] = '''
def grid_sample(x, grid, mode="linear", padding_mode="zeros", align_corners=False):
    """Samples `x`, channels last, at the places `grid`, whose coordinates go from -1 to 1, the last axis of `x` first.

    The modes are "linear", "nearest" and "cubic"; outside of `x` lie "zeros", its "border" or its "reflection".
    """
    sizes, channels = ops.shape(x)[1:-1], x.shape[-1]

    def bounded(place, size):
        if padding_mode == "zeros":
            return place
        if padding_mode == "reflection":
            low, span = (0.0, size - 1) if align_corners else (-0.5, size)
            away = ops.abs(place - low)
            within, flips = ops.mod(away, span), ops.floor(away / span)
            place = ops.where(ops.equal(ops.mod(flips, 2), 0), within + low, span - within + low)
        return ops.clip(place, 0, size - 1)

    def cubic(distance):
        near = (1.25 * distance - 2.25) * distance**2 + 1
        far = -0.75 * (((distance - 5) * distance + 8) * distance - 4)
        return ops.where(distance <= 1, near, far)

    def taps(place, size):
        if mode == "nearest":
            return [(ops.round(bounded(place, size)), ops.ones_like(place))]
        if mode == "linear":
            place = bounded(place, size)
            low = ops.floor(place)
            return [(low, low + 1 - place), (low + 1, place - low)]
        around = [ops.floor(place) + offset for offset in (-1, 0, 1, 2)]
        return [(bounded(tap, size), cubic(ops.abs(place - tap))) for tap in around]

    corners = [(0, 1.0)]
    for i, size in enumerate(sizes):
        unit = grid[..., len(sizes) - 1 - i]
        place = (unit + 1) / 2 * (size - 1) if align_corners else ((unit + 1) * size - 1) / 2
        corners = [
            (
                index * size + ops.cast(ops.clip(tap, 0, size - 1), "int32"),
                weight * share * ops.cast(ops.logical_and(tap >= 0, tap <= size - 1), x.dtype),
            )
            for index, weight in corners
            for tap, share in taps(place, size)
        ]
    places = ops.shape(grid)[1:-1]
    flat = ops.reshape(x, (-1, math.prod(sizes), channels))
    y = 0.0
    for index, weight in corners:
        found = ops.take_along_axis(flat, ops.reshape(index, (-1, math.prod(places), 1)), axis=1)
        y = y + ops.reshape(found, (-1, *places, channels)) * weight[..., None]
    return y
'''

HELPERS["log_add_exp"] = '''
def log_add_exp(x, y):
    """`log(exp(x) + exp(y))` without overflow; where both are equal, they share the gradient."""
    larger = ops.stop_gradient(ops.maximum(x, y))
    larger = ops.where(ops.isfinite(larger), larger, 0.0)
    return larger + ops.log(ops.exp(x - larger) + ops.exp(y - larger))
'''

HELPERS["running"] = '''
def running(combine, x, axis):
    """Combines each element of `x` with all before it along an axis. The shape, which the scan forgets, stays."""
    return ops.reshape(ops.associative_scan(combine, x, axis=axis), ops.shape(x))
'''

HELPERS["cumulative_log_sum_exp"] = '''
def cumulative_log_sum_exp(x, axis):
    """The logarithm of the running sum of exponentials along an axis."""
    return running(log_add_exp, x, axis=axis)
'''

HELPERS["ctc_loss"] = '''
def ctc_loss(log_probs, labels, time_lengths, label_lengths, blank):
    """Minus the log-probability of each label sequence under all its alignments (Graves et al., 2006).

    `log_probs` is (batch, time, classes), `labels` (batch, length) with any padding at the end.
    """
    never = -1e30  # stands for minus infinity, whose differences have no gradient
    normal = ops.log_softmax(log_probs)  # the gradient is that of what was normalised; the value stays
    log_probs = ops.stop_gradient(log_probs - normal) + normal
    labels = ops.maximum(labels, 0)
    blanks = ops.full_like(labels, blank)
    pairs = ops.reshape(ops.stack([blanks, labels], axis=-1), (-1, 2 * labels.shape[1]))
    states = ops.concatenate([pairs, blanks[:, :1]], axis=1)
    skippable = ops.logical_and(states[:, 2:] != blank, states[:, 2:] != states[:, :-2])
    skippable = ops.pad(skippable, ((0, 0), (2, 0)))
    frames = ops.take_along_axis(log_probs, ops.expand_dims(states, 1), axis=2)
    start = ops.where(ops.arange(states.shape[1]) < 2, frames[:, 0], never)

    def step(alpha, frame_and_time):
        frame, time = frame_and_time
        one = ops.pad(alpha[:, :-1], ((0, 0), (1, 0)), constant_values=never)
        two = ops.pad(alpha[:, :-2], ((0, 0), (2, 0)), constant_values=never)
        two = ops.where(skippable, two, never)
        moved = ops.logsumexp(ops.stack([alpha, one, two]), axis=0) + frame
        alpha = ops.where(ops.expand_dims(time < time_lengths, 1), moved, alpha)
        return alpha, None

    times = ops.arange(1, log_probs.shape[1], dtype=time_lengths.dtype)
    alpha, _ = ops.scan(step, start, (ops.transpose(frames[:, 1:], (1, 0, 2)), times))
    last = ops.expand_dims(2 * label_lengths, 1)
    whole = ops.take_along_axis(alpha, last, axis=1)
    short = ops.where(last > 0, ops.take_along_axis(alpha, ops.maximum(last - 1, 0), axis=1), never)
    loss = -ops.logsumexp(ops.concatenate([whole, short], axis=1), axis=1)
    return ops.where(loss > -never / 2, math.inf, loss)
'''

HELPERS["DropoutAttention"] = '''
class DropoutAttention(layers.Layer):
    """Attention that drops some of its weights in training."""

    def __init__(self, rate, scale=None, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.dropout = layers.Dropout(rate)

    def call(self, query, key, value):
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        logits = ops.einsum("bthd,bshd->bhts", query * scale, key)
        weights = ops.softmax(logits)
        return ops.einsum("bhts,bshd->bthd", self.dropout(weights), value)
'''

HELPERS["MaskedDropoutAttention"] = '''
class MaskedDropoutAttention(layers.Layer):
    """Attention that drops some of its weights in training; a query that may see no key gives zeros."""

    def __init__(self, rate, scale=None, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.dropout = layers.Dropout(rate)

    def call(self, query, key, value, mask):
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        logits = ops.einsum("bthd,bshd->bhts", query * scale, key)
        weights = ops.softmax(ops.where(mask, logits, -1e30))
        weights = ops.where(mask, weights, 0.0)
        return ops.einsum("bhts,bshd->bthd", self.dropout(weights), value)
'''

HELPERS["BiasedDropoutAttention"] = '''
class BiasedDropoutAttention(layers.Layer):
    """Attention that drops some of its weights in training; a query that may see no key gives zeros."""

    def __init__(self, rate, scale=None, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.dropout = layers.Dropout(rate)

    def call(self, query, key, value, bias):
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        logits = ops.einsum("bthd,bshd->bhts", query * scale, key)
        seen = bias > -math.inf
        weights = ops.softmax(ops.where(seen, logits + bias, -1e30))
        weights = ops.where(seen, weights, 0.0)
        return ops.einsum("bhts,bshd->bthd", self.dropout(weights), value)
'''

HELPERS["UnbiasedBatchNormalization"] = '''
class UnbiasedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation whose running variance is unbiased, n / (n - 1) of the batch's own, as PyTorch keeps it."""

    def call(self, inputs, training=None, mask=None):
        before = ops.convert_to_tensor(self.moving_variance) + 0.0
        outputs = super().call(inputs, training=training, mask=mask)
        if training and self.trainable:
            count = ops.cast(ops.size(inputs) // inputs.shape[self.axis], self.moving_variance.dtype)
            step = self.moving_variance - before * self.momentum
            self.moving_variance.assign(self.moving_variance + step / (count - 1))
        return outputs
'''
