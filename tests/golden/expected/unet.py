"""UNet, in Keras."""

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


class DoubleConv(layers.Layer):
    def __init__(self, out_channels, **kwargs):
        super().__init__(**kwargs)
        self.conv1 = layers.Conv2D(
            out_channels, 3, padding="same", use_bias=False, kernel_initializer=scaled_uniform()
        )
        self.bn1 = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.conv2 = layers.Conv2D(
            out_channels, 3, padding="same", use_bias=False, kernel_initializer=scaled_uniform()
        )
        self.bn2 = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)

    def call(self, x):
        x = ops.relu(self.bn1(self.conv1(x)))
        return ops.relu(self.bn2(self.conv2(x)))


class Up(layers.Layer):
    def __init__(self, out_channels, **kwargs):
        super().__init__(**kwargs)
        self.up = layers.Conv2DTranspose(
            out_channels,
            2,
            strides=2,
            kernel_initializer=scaled_uniform(),
            bias_initializer=uniform(out_channels * 4),
        )
        self.conv = DoubleConv(out_channels)

    def call(self, x, skip):
        return self.conv(ops.concatenate([skip, self.up(x)], axis=-1))


class UNet(keras.Model):
    """Down and up again, with what was seen on the way down beside it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = DoubleConv(16)
        self.down1 = DoubleConv(32)
        self.down2 = DoubleConv(64)
        self.pool = layers.MaxPooling2D(2)
        self.up1 = Up(32)
        self.up2 = Up(16)
        self.head = layers.Conv2D(
            2, 1, kernel_initializer=scaled_uniform(), bias_initializer=uniform(16)
        )

    def call(self, x):
        first = self.stem(x)
        second = self.down1(self.pool(first))
        third = self.down2(self.pool(second))
        x = self.up2(self.up1(third, second), first)
        return self.head(x)


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = UNet()
    model(keras.Input((64, 64, 3)))
    if weights is not None:
        model.load_weights(weights)
    return model
