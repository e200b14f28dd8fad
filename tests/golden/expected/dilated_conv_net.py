"""DilatedConvNet, in Keras."""

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


class ResidualConv1d(layers.Layer):
    def __init__(self, dilation=1, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv1D(
            32,
            3,
            padding="same",
            kernel_initializer=scaled_uniform(),
            bias_initializer=uniform(48),
            dilation_rate=dilation,
        )
        self.mix = layers.Conv1D(
            16, 1, kernel_initializer=scaled_uniform(), bias_initializer=uniform(16)
        )

    def call(self, x):
        a, b = ops.split(self.conv(x), 2, axis=-1)
        return x + self.mix(ops.tanh(a) * ops.sigmoid(b))


class DilatedConvNet(keras.Model):
    """Gated one-dimensional convolutions whose reach doubles from block to block."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = layers.Conv1D(
            16, 1, kernel_initializer=scaled_uniform(), bias_initializer=uniform(8)
        )
        self.blocks = [
            ResidualConv1d(),
            ResidualConv1d(dilation=2),
            ResidualConv1d(dilation=4),
            ResidualConv1d(dilation=8),
        ]
        self.head = layers.Conv1D(
            1, 1, kernel_initializer=scaled_uniform(), bias_initializer=uniform(16)
        )

    def call(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(ops.relu(x))


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = DilatedConvNet()
    model(keras.Input((100, 8)))
    if weights is not None:
        model.load_weights(weights)
    return model
