"""SeResNet, in Keras."""

import pathlib

import keras
from keras import layers, ops

WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")


def he_normal(mode="fan_out"):
    """Normal, with variance 2 / fan."""
    return keras.initializers.VarianceScaling(2.0, mode, "untruncated_normal")


def scaled_uniform():
    """PyTorch's default for weights: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def uniform(fan_in):
    """PyTorch's default for biases and recurrent layers: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


class SqueezeExcitation(layers.Layer):
    def __init__(self, channels, filters, **kwargs):
        super().__init__(**kwargs)
        self.fc1 = layers.Conv2D(
            filters, 1, kernel_initializer=he_normal(), bias_initializer=uniform(channels)
        )
        self.fc2 = layers.Conv2D(
            channels, 1, kernel_initializer=he_normal(), bias_initializer=uniform(filters)
        )

    def call(self, x):
        scale = ops.mean(x, axis=(1, 2), keepdims=True)
        scale = ops.sigmoid(self.fc2(ops.relu(self.fc1(scale))))
        return x * scale


class SeBlock(layers.Layer):
    def __init__(self, out_channels, filters, downsample=False, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.conv1_pad = layers.ZeroPadding2D(1)
        self.conv1 = layers.Conv2D(
            out_channels, 3, use_bias=False, kernel_initializer=he_normal(), strides=stride
        )
        self.bn1 = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.conv2 = layers.Conv2D(
            out_channels, 3, padding="same", use_bias=False, kernel_initializer=he_normal()
        )
        self.bn2 = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.se = SqueezeExcitation(out_channels, filters)
        self.downsample = (
            keras.Sequential(
                [
                    layers.Conv2D(
                        out_channels, 1, strides=2, use_bias=False, kernel_initializer=he_normal()
                    ),
                    layers.BatchNormalization(momentum=0.9, epsilon=1e-05),
                ]
            )
            if downsample
            else None
        )

    def call(self, x):
        residual = x
        x = ops.relu(self.bn1(self.conv1(self.conv1_pad(x))))
        x = self.se(self.bn2(self.conv2(x)))
        identity = self.downsample(residual) if self.downsample is not None else residual
        return ops.relu(x + identity)


class SeResNet(keras.Model):
    """Residual blocks with squeeze and excitation; some have a projection beside them and some have none."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = layers.Conv2D(
            16, 3, padding="same", use_bias=False, kernel_initializer=he_normal()
        )
        self.bn = layers.BatchNormalization(momentum=0.9, epsilon=1e-05)
        self.blocks = keras.Sequential(
            [
                SeBlock(16, 4),
                SeBlock(16, 4),
                SeBlock(32, 8, downsample=True, stride=2),
                SeBlock(32, 8),
                SeBlock(64, 16, downsample=True, stride=2),
                SeBlock(64, 16),
            ]
        )
        self.fc = layers.Dense(
            10, kernel_initializer=scaled_uniform(), bias_initializer=uniform(64)
        )

    def call(self, x):
        x = self.blocks(ops.relu(self.bn(self.stem(x))))
        return self.fc(ops.mean(x, axis=(1, 2)))


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = SeResNet()
    model(keras.Input((32, 32, 3)))
    if weights is not None:
        model.load_weights(weights)
    return model
