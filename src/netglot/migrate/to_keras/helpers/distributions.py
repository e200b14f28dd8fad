"""Distributions: what is drawn, and how likely it was."""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "Categorical": '''
class Categorical:
    """One of several classes, by probabilities or by logits."""

    def __init__(self, probs=None, logits=None):
        self.logits = ops.log_softmax(logits, axis=-1) if probs is None else ops.log(ops.clip(
            probs / ops.sum(probs, axis=-1, keepdims=True), 1.1920929e-07, 1 - 1.1920929e-07))
        self.probs = ops.softmax(logits, axis=-1) if probs is None else probs / ops.sum(probs, axis=-1, keepdims=True)

    def sample(self, shape=()):
        shares = ops.cumsum(self.probs, axis=-1)
        drawn = keras.random.uniform((*shape, *ops.shape(shares)[:-1], 1), dtype=shares.dtype)
        return ops.cast(ops.sum(ops.cast(shares[..., :-1] < drawn, "int64"), axis=-1), "int64")

    def log_prob(self, value):
        chosen = ops.one_hot(ops.cast(value, "int64"), self.logits.shape[-1], dtype=self.logits.dtype)
        return ops.sum(chosen * self.logits, axis=-1)

    def entropy(self):
        return -ops.sum(self.probs * self.logits, axis=-1)
''',
    "Bernoulli": '''
class Bernoulli:
    """Yes or no, by a probability or by logits."""

    def __init__(self, probs=None, logits=None):
        self.probs = ops.sigmoid(logits) if probs is None else probs
        held = ops.clip(self.probs, 1.1920929e-07, 1 - 1.1920929e-07)
        self.logits = ops.log(held) - ops.log1p(-held) if logits is None else logits

    def sample(self, shape=()):
        drawn = keras.random.uniform((*shape, *ops.shape(self.probs)), dtype=self.probs.dtype)
        return ops.cast(drawn < self.probs, self.probs.dtype)

    def log_prob(self, value):
        return value * ops.log_sigmoid(self.logits) + (1 - value) * ops.log_sigmoid(-self.logits)

    def entropy(self):
        return -self.probs * ops.log_sigmoid(self.logits) - (1 - self.probs) * ops.log_sigmoid(-self.logits)
''',
    "Normal": '''
class Normal:
    """A bell curve, by its mean and its deviation."""

    def __init__(self, loc, scale):
        loc, scale = ops.convert_to_tensor(loc), ops.convert_to_tensor(scale)
        self.loc, self.scale = loc + ops.zeros_like(scale), scale + ops.zeros_like(loc)
        self.mean, self.stddev, self.variance = self.loc, self.scale, ops.square(self.scale)

    def rsample(self, shape=()):
        noise = keras.random.normal((*shape, *ops.shape(self.loc)), dtype=self.loc.dtype)
        return self.loc + self.scale * noise

    def sample(self, shape=()):
        return ops.stop_gradient(self.rsample(shape))

    def log_prob(self, value):
        return -ops.square(value - self.loc) / (2 * self.variance) - ops.log(self.scale) - 0.5 * math.log(2 * math.pi)

    def entropy(self):
        return 0.5 + 0.5 * math.log(2 * math.pi) + ops.log(self.scale)
''',
}
