"""Text to numbers, masks that a layer makes, a loss of the steps that count."""
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

texts = ["what a great film", "truly awful, and boring!", "great fun", "awful plot"]
tags = [["x", "y"], ["y", "x", "y"], ["x"], ["y", "y"]]

vectorize = layers.TextVectorization(max_tokens=12, output_sequence_length=4)
vectorize.adapt(texts)
lookup = layers.StringLookup(num_oov_indices=0)
lookup.adapt([tag for row in tags for tag in row])
x = vectorize(tf.constant(texts))
rows = keras.preprocessing.sequence.pad_sequences([lookup(tf.constant(row)).numpy() for row in tags], maxlen=4, padding="post")


class Tokens(layers.Layer):
    def __init__(self, count, size):
        super().__init__()
        self.embed = layers.Embedding(count, size, mask_zero=True)

    def call(self, ids):
        return 2.0 * self.embed(ids)

    def compute_mask(self, inputs, mask=None):
        return self.embed.compute_mask(inputs)


class Fill(layers.Layer):
    def call(self, x, mask=None):
        if mask is None:
            return x
        return x + tf.cast(mask, x.dtype)[:, :, tf.newaxis]


class Tagger(keras.Model):
    def __init__(self):
        super().__init__()
        self.tokens = Tokens(vectorize.vocabulary_size(), 5)
        self.fill = Fill()
        self.read = layers.Bidirectional(layers.GRU(3, return_sequences=True))
        self.add = layers.Add()
        self.norm = layers.LayerNormalization()
        self.wide = layers.Dense(6)
        self.tag = layers.Dense(2)

    def call(self, ids):
        h = self.tokens(ids)
        wide = self.wide(self.fill(h))
        return self.tag(self.norm(self.add([wide, self.read(h)])))


model = Tagger()
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=[keras.metrics.SparseCategoricalAccuracy()])
history = model.fit(x, rows, epochs=2, batch_size=2, verbose=0)
print(tf.math.confusion_matrix([0, 1, 1], [1, 1, 0]).numpy().tolist(), sorted(history.history))
