"""Small Keras networks."""
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def build_cnn(num_classes=10):
    """A convolutional network, layer after layer."""
    model = keras.Sequential([
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(8, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),  # halve
        layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(num_classes, activation="softmax"),
    ])
    return model


def build_text():
    inputs = keras.Input(shape=(None,), dtype="int32")
    x = layers.Embedding(50, 8)(inputs)
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    x = layers.GRU(5)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inputs, outputs)


def build_skip():
    a = keras.Input((16,))
    x = layers.Dense(8, activation="relu")(a)
    y = layers.Dense(8)(x)
    z = layers.add([x, y])
    z = keras.ops.relu(z * 2.0)
    return keras.Model(inputs=a, outputs=[layers.Dense(2)(z), layers.Dense(3)(layers.concatenate([x, z]))])


class Block(layers.Layer):
    def __init__(self, filters, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)
        self.bn = layers.BatchNormalization()
        self.proj = layers.Conv2D(filters, 1, strides=stride) if stride != 1 else None

    def call(self, x, training=None):
        y = tf.nn.relu(self.bn(self.conv(x), training=training))
        return y + (self.proj(x) if self.proj is not None else x)


class Scale(layers.Layer):
    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="w")

    def call(self, x):
        return x * self.w


class Net(keras.Model):
    """A subclassed network."""

    def __init__(self, filters=8, num_classes=4):
        super().__init__()
        self.stem = layers.Conv2D(filters, 3, padding="same")
        self.blocks = [Block(filters), Block(filters * 2, stride=2)]
        self.scale = Scale()
        self.pool = layers.GlobalAveragePooling2D()
        self.head = layers.Dense(num_classes)

    def call(self, inputs, training=False):
        x = self.stem(inputs)
        for block in self.blocks:
            x = block(x, training=training)
        x = self.pool(self.scale(x))  # one vector for each image
        return self.head(x)
