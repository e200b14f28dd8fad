"""LstmClassifier, in Keras."""

import pathlib

import keras
from keras import layers

WEIGHTS = pathlib.Path(__file__).with_name("model.weights.h5")


def normal(stddev):
    """Normal around zero."""
    return keras.initializers.RandomNormal(stddev=stddev)


def scaled_uniform():
    """PyTorch's default for weights: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def uniform(fan_in):
    """PyTorch's default for biases and recurrent layers: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


class LstmClassifier(keras.Model):
    """Words are embedded and read by two stacked LSTM layers; the last state is classified."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embedding = layers.Embedding(1000, 32, embeddings_initializer=normal(1.0))
        self.lstm = layers.LSTM(
            64,
            return_sequences=True,
            kernel_initializer=uniform(64),
            recurrent_initializer=uniform(64),
            bias_initializer=uniform(64),
        )
        self.lstm_dropout = layers.Dropout(0.1)
        self.lstm_2 = layers.LSTM(
            64,
            kernel_initializer=scaled_uniform(),
            recurrent_initializer=uniform(64),
            bias_initializer=uniform(64),
        )
        self.fc = layers.Dense(2, kernel_initializer=scaled_uniform(), bias_initializer=uniform(64))

    def call(self, tokens):
        x = self.fc(self.lstm_2(self.lstm_dropout(self.lstm(self.embedding(tokens)))))
        return x


def load(weights=WEIGHTS):
    """The network with its trained weights; `weights=None` leaves it freshly initialised."""
    model = LstmClassifier()
    model(keras.Input((None,), dtype="int64"))
    if weights is not None:
        model.load_weights(weights)
    return model
