"""Autoencoder, in Keras."""

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


class ConvTranspose2d(layers.Layer):
    def __init__(self, fan_in, out_channels=1, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2DTranspose(
            out_channels,
            3,
            strides=2,
            kernel_initializer=scaled_uniform(),
            bias_initializer=uniform(fan_in),
        )

    def call(self, input):
        return self.conv(input)[:, 1:][:, :, 1:]


class Autoencoder(keras.Model):
    """Mean and log variance of a hidden code, and what the mean decodes to."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder = keras.Sequential(
            [
                layers.ZeroPadding2D(1),
                layers.Conv2D(
                    16,
                    3,
                    strides=2,
                    kernel_initializer=scaled_uniform(),
                    bias_initializer=uniform(9),
                ),
                layers.LeakyReLU(negative_slope=0.1),
                layers.ZeroPadding2D(1),
                layers.Conv2D(
                    32,
                    3,
                    strides=2,
                    kernel_initializer=scaled_uniform(),
                    bias_initializer=uniform(144),
                ),
                layers.LeakyReLU(negative_slope=0.1),
                layers.Flatten(),
            ]
        )
        self.mean = layers.Dense(
            8, kernel_initializer=scaled_uniform(), bias_initializer=uniform(1568)
        )
        self.log_variance = layers.Dense(
            8, kernel_initializer=scaled_uniform(), bias_initializer=uniform(1568)
        )
        self.expand = layers.Dense(
            1568, kernel_initializer=scaled_uniform(), bias_initializer=uniform(8)
        )
        self.decoder = keras.Sequential(
            [
                ConvTranspose2d(144, out_channels=16),
                layers.LeakyReLU(negative_slope=0.1),
                ConvTranspose2d(9),
                layers.Activation("sigmoid"),
            ]
        )

    def call(self, x):
        features = self.encoder(x)
        mean = self.mean(features)
        log_variance = self.log_variance(features)
        image = self.decoder(ops.reshape(self.expand(mean), (-1, 7, 7, 32)))
        return (image, mean, ops.clip(log_variance, -9.210340371976184, 9.210340371976184))


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = Autoencoder()
    model(keras.Input((28, 28, 1)))
    if weights is not None:
        model.load_weights(weights)
    return model
