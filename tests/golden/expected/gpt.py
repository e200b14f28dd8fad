"""Gpt, in Keras."""

import pathlib

import keras
from keras import layers, ops

WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")


def normal(stddev):
    """Normal around zero."""
    return keras.initializers.RandomNormal(stddev=stddev)


def scaled_uniform():
    """PyTorch's default for weights: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def uniform(fan_in):
    """PyTorch's default for biases and recurrent layers: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


class CausalSelfAttention(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.qkv = layers.Dense(
            144, kernel_initializer=scaled_uniform(), bias_initializer=uniform(48)
        )
        self.proj = layers.Dense(
            48, kernel_initializer=scaled_uniform(), bias_initializer=uniform(48)
        )

    def call(self, x):
        q, k, v = ops.split(self.qkv(x), 3, axis=-1)
        y = ops.dot_product_attention(
            ops.reshape(q, (-1, ops.shape(q)[1], 4, 12)),
            ops.reshape(k, (-1, ops.shape(k)[1], 4, 12)),
            ops.reshape(v, (-1, ops.shape(v)[1], 4, 12)),
            is_causal=True,
        )
        return self.proj(ops.reshape(y, (-1, ops.shape(y)[1], 48)))


class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.ln1 = layers.LayerNormalization(epsilon=1e-05)
        self.attn = CausalSelfAttention()
        self.ln2 = layers.LayerNormalization(epsilon=1e-05)
        self.mlp = keras.Sequential(
            [
                layers.Dense(
                    192, kernel_initializer=scaled_uniform(), bias_initializer=uniform(48)
                ),
                layers.Activation("gelu"),
                layers.Dense(
                    48, kernel_initializer=scaled_uniform(), bias_initializer=uniform(192)
                ),
                layers.Dropout(0.1),
            ]
        )

    def call(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Gpt(keras.Model):
    """A small language model; the head shares its weights with the embedding."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.tok = layers.Embedding(256, 48, embeddings_initializer=normal(1.0))
        self.pos = layers.Embedding(64, 48, embeddings_initializer=normal(1.0))
        self.drop = layers.Dropout(0.1)
        self.blocks = [Block() for _ in range(3)]
        self.norm = layers.LayerNormalization(epsilon=1e-05)

    def call(self, tokens):
        x = self.tok(tokens)
        x = x + self.pos(ops.arange(ops.shape(x)[1], dtype="int64"))
        x = self.drop(x)
        for block in self.blocks:
            x = block(x)
        return ops.matmul(self.norm(x), ops.transpose(self.tok.embeddings))


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = Gpt()
    model(keras.Input((None,), dtype="int64"))
    if weights is not None:
        model.load_weights(weights)
    return model
