"""What an emitted file defines itself, where Keras has nothing close: small functions and layers, by name.

Each is source text that needs the imports `keras`, `layers`, `ops` and `math` and nothing else. A helper that uses
another names it, and the file then holds both.
"""

from __future__ import annotations

HELPERS: dict[str, str] = {}
"""The source of each helper by its name."""

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
