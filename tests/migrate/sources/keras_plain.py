"""Plain networks."""
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def mlp(n_features=20, hidden=64, classes=3):
    """A dense network."""
    return keras.Sequential([
        keras.Input(shape=(n_features,)),  # one row
        layers.Dense(hidden, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),  # regularise
        layers.Dense(hidden * 2, activation=tf.nn.tanh, use_bias=False),
        layers.LeakyReLU(),
        layers.LayerNormalization(),
        layers.Dense(classes, activation="softmax"),
    ], name="mlp")


def cnn():
    model = tf.keras.models.Sequential([
        layers.Conv2D(8, (3, 3), activation="relu", padding="same", input_shape=(14, 14, 1)),
        layers.BatchNormalization(),
        layers.MaxPooling2D((2, 2)),
        layers.Conv2D(12, 3, strides=2, padding="same"),
        layers.Activation("relu"),
        layers.Flatten(),
        layers.Dense(10),
    ])
    return model


def conv1d():
    return keras.Sequential([
        layers.Input((24, 3)),
        layers.Conv1D(8, 5, activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(8, 3, strides=2, padding="same", activation="elu"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(1, activation="sigmoid"),
    ])
