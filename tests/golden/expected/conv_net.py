"""ConvNet, in Keras."""

import pathlib

import keras
from keras import layers

WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")


def scaled_uniform():
    """PyTorch's default for weights: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def uniform(fan_in):
    """PyTorch's default for biases and recurrent layers: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


class ConvNet(keras.Model):
    """Convolutions with batch norm and pooling, then flattened into a classifier."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.features = keras.Sequential(
            [
                layers.Conv2D(
                    32,
                    3,
                    padding="same",
                    kernel_initializer=scaled_uniform(),
                    bias_initializer=uniform(27),
                ),
                layers.BatchNormalization(momentum=0.9, epsilon=1e-05),
                layers.Activation("relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(
                    64, 3, padding="same", use_bias=False, kernel_initializer=scaled_uniform()
                ),
                layers.BatchNormalization(momentum=0.99, epsilon=0.001),
                layers.Activation("relu"),
                layers.MaxPooling2D(2),
            ]
        )
        self.classifier = keras.Sequential(
            [
                layers.Flatten(),
                layers.Dense(
                    128, kernel_initializer=scaled_uniform(), bias_initializer=uniform(4096)
                ),
                layers.Activation("relu"),
                layers.Dropout(0.5),
                layers.Dense(
                    10, kernel_initializer=scaled_uniform(), bias_initializer=uniform(128)
                ),
            ]
        )

    def call(self, x):
        return self.classifier(self.features(x))


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = ConvNet()
    model(keras.Input((32, 32, 3)))
    if weights is not None:
        model.load_weights(weights)
    return model
