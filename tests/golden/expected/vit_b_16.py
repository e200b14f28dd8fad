"""VisionTransformer, in Keras."""

import pathlib

import keras
from keras import layers, ops

WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")


def normal(stddev):
    """Normal around zero."""
    return keras.initializers.RandomNormal(stddev=stddev)


class MLPBlock(layers.Layer):
    """Transformer MLP block."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(3072, bias_initializer=normal(1e-06))
        self.activation = layers.Activation("gelu")
        self.dense_2 = layers.Dense(768, bias_initializer=normal(1e-06))

    def call(self, input):
        return self.dense_2(self.activation(self.dense(input)))


class EncoderBlock(layers.Layer):
    """Transformer encoder block."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.ln_1 = layers.LayerNormalization(epsilon=1e-06)
        self.self_attention = layers.MultiHeadAttention(num_heads=12, key_dim=64)
        self.ln_2 = layers.LayerNormalization(epsilon=1e-06)
        self.mlp = MLPBlock()

    def call(self, input):
        x = self.ln_1(input)
        x = self.self_attention(x, x) + input
        y = self.ln_2(x)
        y = self.mlp(y)
        return x + y


class Encoder(layers.Layer):
    """Transformer Model Encoder for sequence to sequence translation."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layers_ = keras.Sequential([EncoderBlock() for _ in range(12)])
        self.ln = layers.LayerNormalization(epsilon=1e-06)
        self.pos_embedding = self.add_weight(
            shape=(1, 197, 768), initializer=normal(0.02), name="pos_embedding"
        )

    def call(self, input):
        input = input + self.pos_embedding
        return self.ln(self.layers_(input))


class VisionTransformer(keras.Model):
    """Vision Transformer as per https://arxiv.org/abs/2010.11929."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv_proj = layers.Conv2D(768, 16, strides=16, kernel_initializer=normal(0.0360844))
        self.encoder = Encoder()
        self.heads = keras.Sequential([layers.Dense(1000, kernel_initializer="zeros")])
        self.class_token = self.add_weight(
            shape=(1, 1, 768), initializer="zeros", name="class_token"
        )

    def call(self, x):
        x = self.conv_proj(x)
        x = ops.reshape(x, (-1, 196, 768))
        batch_class_token = ops.broadcast_to(self.class_token, (ops.shape(x)[0], 1, 768))
        x = ops.concatenate([batch_class_token, x], axis=1)
        x = self.encoder(x)
        x = x[:, 0]
        x = self.heads(x)
        return x


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = VisionTransformer()
    model(keras.Input((224, 224, 3)))
    if weights is not None:
        model.load_weights(weights)
    return model
