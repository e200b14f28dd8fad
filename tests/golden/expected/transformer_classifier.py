"""TransformerClassifier, in Keras."""

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


class MaskedMultiHeadAttention(layers.MultiHeadAttention):
    """Multi-head attention in which a query that may see no key attends to nothing; Keras takes the mean of all."""

    def _compute_attention(self, query, key, value, attention_mask=None, *arguments, **options):
        attended, scores = super()._compute_attention(
            query, key, value, attention_mask, *arguments, **options
        )
        seen = ops.any(attention_mask, axis=-1, keepdims=True)
        attended = ops.where(ops.transpose(seen, (0, 2, 1, 3)), attended, 0.0)
        return attended, None if scores is None else ops.where(seen, scores, 0.0)


class TransformerEncoderLayer(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.self_attn = MaskedMultiHeadAttention(num_heads=4, key_dim=8, dropout=0.1)
        self.linear1 = layers.Dense(
            128, kernel_initializer=scaled_uniform(), bias_initializer=uniform(32)
        )
        self.dropout = layers.Dropout(0.1)
        self.linear2 = layers.Dense(
            32, kernel_initializer=scaled_uniform(), bias_initializer=uniform(128)
        )
        self.norm1 = layers.LayerNormalization(epsilon=1e-05)
        self.norm2 = layers.LayerNormalization(epsilon=1e-05)
        self.dropout1 = layers.Dropout(0.1)
        self.dropout2 = layers.Dropout(0.1)

    def call(self, src, src_key_padding_mask):
        x = self.self_attn(
            src,
            src,
            attention_mask=ops.expand_dims(ops.logical_not(src_key_padding_mask), axis=(1, 2)),
        )
        x = self.norm1(src + self.dropout1(x))
        linear = self.linear2(self.dropout(ops.gelu(self.linear1(x), approximate=False)))
        return self.norm2(x + self.dropout2(linear))


class TransformerEncoder(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layers_ = [TransformerEncoderLayer() for _ in range(2)]

    def call(self, src, src_key_padding_mask):
        for layer in self.layers_:
            src = layer(src, src_key_padding_mask)
        return src


class TransformerClassifier(keras.Model):
    """PyTorch's own encoder over embedded words, with learnt positions and padding masked out."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embedding = layers.Embedding(500, 32, embeddings_initializer=normal(1.0))
        self.encoder = TransformerEncoder()
        self.norm = layers.LayerNormalization(epsilon=1e-05)
        self.head = layers.Dense(
            3, kernel_initializer=scaled_uniform(), bias_initializer=uniform(32)
        )
        self.position = self.add_weight(shape=(1, 20, 32), initializer="zeros", name="position")

    def call(self, tokens):
        x = self.embedding(tokens) + self.position
        x = self.encoder(x, ops.equal(tokens, 0))
        return self.head(ops.mean(self.norm(x), axis=1))


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = TransformerClassifier()
    model(keras.Input((20,), dtype="int64"))
    if weights is not None:
        model.load_weights(weights)
    return model
