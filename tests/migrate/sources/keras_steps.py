"""Training steps of one's own: a network that is given its inputs and outputs, and an autoencoder that samples."""
import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


class CustomModel(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)  # Forward pass
            loss = self.compute_loss(y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


class Sampling(layers.Layer):
    def call(self, inputs):
        mean, log_var = inputs
        return mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean))


class VAE(keras.Model):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            mean, log_var, z = self.encoder(data)
            loss = ops.mean(ops.square(data - self.decoder(z)))
            loss = loss - 0.5 * ops.mean(1 + log_var - ops.square(mean) - ops.exp(log_var))
        grads = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}


class Untold(keras.Model):
    """Its `call` takes no `training`: Keras's `fit` drops nothing, and normalises by the moving averages."""

    def __init__(self):
        super().__init__()
        self.norm = layers.BatchNormalization()
        self.out = layers.Dense(1, kernel_initializer="he_normal")

    def call(self, x):
        return self.out(self.norm(x))


x = np.random.random((64, 16))
y = np.random.random((64, 1))
inputs = keras.Input(shape=(16,))
model = CustomModel(inputs, layers.Dense(1, kernel_initializer="he_normal")(layers.Dense(128)(inputs)))
model.compile(optimizer="adam", loss="mse", metrics=["mae"])
model.fit(x, y, epochs=2, verbose=0)

hidden = layers.Dense(8, activation="relu")(inputs)
mean, log_var = layers.Dense(2)(hidden), layers.Dense(2)(hidden)
encoder = keras.Model(inputs, [mean, log_var, Sampling()([mean, log_var])])
code = keras.Input(shape=(2,))
vae = VAE(encoder, keras.Model(code, layers.Dense(16)(code)))
vae.compile(optimizer="sgd")
vae.fit(x, epochs=2, verbose=0)

untold = Untold()
untold.compile(optimizer="sgd", loss="mse")
untold.fit(x, y, epochs=2, verbose=0)
