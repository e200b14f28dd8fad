import keras
from keras import layers, ops


class Scale(layers.Layer):
    def build(self, input_shape):
        self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gain")
        self.norm = layers.Dense(input_shape[-1])

    def call(self, x):
        return self.norm(x * self.gain)


class Net(keras.Model):
    def __init__(self, width, classes=5):
        super().__init__()
        self.conv = layers.Conv2D(width, 3, padding="same", activation="relu")
        self.bn = layers.BatchNormalization()
        self.scale = Scale()
        self.head = layers.Dense(classes)

    def call(self, x):
        x = self.scale(self.bn(self.conv(x)))
        return self.head(ops.mean(x, axis=(1, 2)))


class Tagger(keras.Model):
    def __init__(self, words, size=8):
        super().__init__()
        self.embed = layers.Embedding(words, size)
        self.lstm = layers.Bidirectional(layers.LSTM(6, return_sequences=True))
        self.attn = layers.MultiHeadAttention(3, 4)
        self.norm = layers.LayerNormalization()
        self.out = layers.Dense(4)

    def call(self, ids):
        x = self.lstm(self.embed(ids))
        return self.out(self.norm(x + self.attn(x, x)))


def make_mlp(width=8):
    inputs = keras.Input((6,))
    x = layers.Dense(width, activation="relu")(inputs)
    x = layers.BatchNormalization()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def plain():
    return keras.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)])
