"""Siamese, in Keras."""

import pathlib

import keras
from keras import layers, ops

WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")


def scaled_uniform():
    """PyTorch's default for weights: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def uniform(fan_in):
    """PyTorch's default for biases and recurrent layers: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


class Branch(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.fc1 = layers.Dense(
            16, kernel_initializer=scaled_uniform(), bias_initializer=uniform(12)
        )
        self.fc2 = layers.Dense(
            16, kernel_initializer=scaled_uniform(), bias_initializer=uniform(16)
        )

    def call(self, x):
        return self.fc2(ops.tanh(self.fc1(x)))


class Siamese(keras.Model):
    """One branch is called on both inputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.branch = Branch()
        self.scale = self.add_weight(shape=(1,), initializer="ones", name="scale")

    def call(self, inputs):
        left = inputs["left"]
        right = inputs["right"]
        x = ops.normalize(self.branch(left), epsilon=1e-08) * ops.normalize(
            self.branch(right), epsilon=1e-08
        )
        return self.scale * ops.sum(x, axis=-1)


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = Siamese()
    model({"left": keras.Input((12,)), "right": keras.Input((12,))})
    if weights is not None:
        model.load_weights(weights)
    return model
