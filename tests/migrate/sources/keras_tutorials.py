"""What Keras's tutorials do beside the usual: losses of a network's own, clones, generators, weights kept aside."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

keras.utils.set_random_seed(3)
x = np.random.rand(12, 5).astype("float32")
y = np.random.randint(0, 3, 12)
data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
kept = x[:1]
kept[0, 0] = 7.0  # the data set has a copy


class Scaled(layers.Layer):
    def __init__(self, initializer="Ones", regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)

    def build(self, input_shape):
        self.scale = self.add_weight(
            shape=(input_shape[-1],), initializer=self.initializer, regularizer=self.regularizer
        )

    def call(self, inputs):
        return inputs * self.scale


class Distiller(keras.Model):
    """Learns from labels and from a teacher."""

    def __init__(self, student, teacher, name="distiller", **kwargs):
        super().__init__(name=name, **kwargs)
        self.student, self.teacher = student, teacher

    def compile(self, loss_fn, temperature=2.0, **kwargs):
        super().compile(**kwargs)
        self.loss_fn = loss_fn
        self.temperature = temperature

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        soft = ops.softmax(self.teacher(x, training=False) / self.temperature, axis=1)
        return self.loss_fn(y, y_pred) + keras.losses.KLDivergence()(soft, ops.softmax(y_pred, axis=1))

    def call(self, inputs):
        return self.student(inputs)


class Stages(keras.Model):
    """Groups of layers, and a training step that asks for the loss it was compiled with."""

    def __init__(self, widths=(6, 4)):
        super().__init__()
        self.offset = tf.Variable(0.5)  # Keras does not train it
        self.pairs, self.stages = [], []
        for width in widths:
            self.pairs.append((layers.Dense(width), layers.BatchNormalization()))
            self.stages.append([[layers.Dense(width)]])
        self.head = layers.Dense(3)

    def blend(self, layer, x, training):
        """A method that is told whether the network trains."""
        return tf.nn.relu(features=layer(x, training=training))

    def call(self, x, training=None):
        for (dense, norm), stage in zip(self.pairs, self.stages):
            x = self.blend(norm, dense(x), training)
            for (last,) in stage:
                x = last(x)
        return self.head(x) + self.offset

    def train_step(self, data):
        features, labels = data
        with tf.GradientTape() as tape:
            loss = self.loss(labels, self(features, training=True))
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables))
        return {"loss": loss}


class Told(keras.callbacks.Callback):
    """Remembers what it is told in the middle of an epoch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_batch_end(self, batch, logs=None):
        self.seen.append(sorted(logs))

    def on_test_end(self, logs=None):
        self.seen.append("tested")


teacher = keras.Sequential(
    [
        layers.Dense(6, input_shape=(5,), activation="relu"),  # says what comes in
        Scaled(regularizer="l2"),
        layers.Dense(3),
    ]
)
student = keras.models.clone_model(teacher)
before = teacher.trainable_variables[0].numpy()
METRICS = ["accuracy"]
teacher.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=METRICS)


def batches():
    while True:
        for i in range(0, 12, 4):
            yield x[i : i + 4], y[i : i + 4]


told = Told()
teacher.fit(batches(), steps_per_epoch=2, epochs=2, verbose=0, callbacks=[told], validation_data=(x, y))
print(told.seen)
print("moved", float(np.abs(teacher.trainable_variables[0].numpy() - before).max()) > 0)
distiller = Distiller(student, teacher)
distiller.compile(keras.losses.SparseCategoricalCrossentropy(from_logits=True), optimizer="sgd", metrics=["accuracy"])
distiller.fit(data, epochs=2, verbose=0)
with tf.GradientTape() as tape:
    total = tf.reduce_mean(input_tensor=student(tf.constant(x.astype("float64"))) ** 2)
    gradients = tape.gradient(total, student.trainable_variables)  # under its own tape
keras.optimizers.SGD(0.1).apply_gradients(zip(gradients, student.trainable_variables))
stages = Stages()
stages.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
stages.fit(data, epochs=2, verbose=0)
