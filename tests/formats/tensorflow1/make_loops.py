"""Loops that are written out, and dropouts that do nothing, made and run in TensorFlow 1.15: `python make_loops.py`."""

import tensorflow as tf
from make_recordings import Recorder

RECORDER = Recorder("recorded_loops.npz")
network = RECORDER.network


@network((None, 5, 4))
def keras_layers(x):
    """Keras within TensorFlow 1: its own loops, with hard gates."""
    k = tf.keras.layers
    return [k.Bidirectional(k.LSTM(3, return_sequences=True))(x), k.GRU(3)(x), k.SimpleRNN(3)(x)]


@network((None, 4, 3))
def odd_cells(x):
    """Peepholes and a projection."""
    cell = tf.nn.rnn_cell.LSTMCell(5, use_peepholes=True, num_proj=3, cell_clip=0.3)
    return list(tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)[1])


@network((2, 6, 6, 3))
def each_picture(x):
    """As the detection networks of TensorFlow prepare their pictures."""
    y = tf.map_fn(lambda one: tf.image.per_image_standardization(one) * 2.0, x)
    return tf.reduce_mean(y, [2, 3])


@network((None, 4))
def powers(x):
    """A loop around a loop."""

    def outer(i, y):
        _, z = tf.while_loop(lambda j, _: j < i + 1, lambda j, z: (j + 1, z * 0.5 + x), (0, y))
        return i + 1, tf.tanh(z)

    return tf.while_loop(lambda i, _: i < 3, outer, (0, x))[1]


@network((None, 6), feeds={"keep_prob:0": 1.0, "phase_train:0": False})
def dropped(x):
    """A dropout by a placeholder that has no default, and a norm that asks whether the network is trained."""
    keep, training = tf.placeholder(tf.float32, (), name="keep_prob"), tf.placeholder(tf.bool, (), name="phase_train")
    y = tf.nn.dropout(tf.layers.dense(x, 5, name="hidden"), keep_prob=keep)
    y = tf.layers.batch_normalization(y, training=training, name="norm")
    return tf.layers.dense(y, 3, name="out")


RECORDER.record()
