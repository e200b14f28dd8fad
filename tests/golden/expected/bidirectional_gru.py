"""BidirectionalGru, in Keras."""

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


class BidirectionalGru(keras.Model):
    """A label for every step of a sequence."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.gru = layers.Bidirectional(
            layers.GRU(
                24,
                return_sequences=True,
                kernel_initializer=uniform(24),
                recurrent_initializer=uniform(24),
                bias_initializer=uniform(24),
            )
        )
        self.head = layers.Dense(
            5, kernel_initializer=scaled_uniform(), bias_initializer=uniform(48)
        )

    def call(self, x):
        return ops.log_softmax(self.head(self.gru(x)))


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = BidirectionalGru()
    model(keras.Input((None, 16)))
    if weights is not None:
        model.load_weights(weights)
    return model
