"""TwoInputs, in Keras."""

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


class TwoInputs(keras.Model):
    """An image and a table of numbers about it; a score and the features behind it come out."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.image = keras.Sequential(
            [
                layers.Conv2D(
                    8,
                    5,
                    strides=2,
                    kernel_initializer=scaled_uniform(),
                    bias_initializer=uniform(75),
                ),
                layers.Activation("relu"),
                layers.GlobalAveragePooling2D(),
            ]
        )
        self.table = keras.Sequential(
            [
                layers.Dense(8, kernel_initializer=scaled_uniform(), bias_initializer=uniform(6)),
                layers.Activation("relu"),
            ]
        )
        self.head = layers.Dense(
            4, kernel_initializer=scaled_uniform(), bias_initializer=uniform(16)
        )

    def call(self, inputs):
        image = inputs["image"]
        table = inputs["table"]
        features = ops.concatenate([self.image(image), self.table(table)], axis=-1)
        return {"scores": self.head(features), "features": features}


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = TwoInputs()
    model({"image": keras.Input((33, 33, 3)), "table": keras.Input((6,))})
    if weights is not None:
        model.load_weights(weights)
    return model
