"""Mlp, in Keras."""

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


class Mlp(keras.Model):
    """Three linear layers with dropout between them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.fc1 = layers.Dense(
            64, kernel_initializer=scaled_uniform(), bias_initializer=uniform(32)
        )
        self.fc2 = layers.Dense(
            64, kernel_initializer=scaled_uniform(), bias_initializer=uniform(64)
        )
        self.fc3 = layers.Dense(
            10, kernel_initializer=scaled_uniform(), bias_initializer=uniform(64)
        )
        self.dropout = layers.Dropout(0.2)

    def call(self, x):
        x = self.dropout(ops.relu(self.fc1(x)))
        x = self.dropout(ops.relu(self.fc2(x)))
        return self.fc3(x)


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = Mlp()
    model(keras.Input((32,)))
    if weights is not None:
        model.load_weights(weights)
    return model
