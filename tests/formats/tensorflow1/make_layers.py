"""Recurrent layers of Keras 2.3 and of tf.contrib over sequences of any length, made and run in TensorFlow 1.15:
`python make_layers.py`. Needs TensorFlow 1.15 and Keras 2.3.
"""

import keras
import tensorflow as tf
from keras import layers
from make_recordings import Recorder

RECORDER = Recorder("recorded_keras.npz", keras.backend.set_session)
network = RECORDER.network
CELLS = tf.nn.rnn_cell


@network((None, None), dtype=tf.int32, sizes=[(2, 6)])
def keras_words(ids):
    x = layers.Embedding(4, 5)(layers.Input(tensor=ids))
    x = layers.LSTM(4)(layers.LSTM(5, return_sequences=True)(x))
    return layers.Dense(3, activation="softmax")(x)


@network((None, None, 5), sizes=[(2, 6, 5)])
def keras_sequences(x):
    given = layers.Input(tensor=x)
    both = layers.Bidirectional(layers.GRU(4, return_sequences=True))(given)
    back = layers.LSTM(3, implementation=1, return_sequences=True, go_backwards=True)(both)
    after = layers.GRU(3, reset_after=True, return_sequences=True)(given)
    return [layers.Dense(2)(back), layers.SimpleRNN(3, activation="relu")(both), after]


@network((None, 4), dtype=tf.int32)
def keras_states(ids):
    x = layers.Embedding(4, 5)(layers.Input(tensor=ids))
    outputs, h, c = layers.LSTM(5, return_state=True, return_sequences=True)(x)
    return [layers.LSTM(5, return_sequences=True)(outputs, initial_state=[h, c]), h]


@network((None, None), dtype=tf.int32, sizes=[(3, 6)])
def keras_masked(ids):
    x = layers.Embedding(4, 5, mask_zero=True)(layers.Input(tensor=ids))
    x = layers.LSTM(4, return_sequences=True)(x)
    return [layers.Bidirectional(layers.GRU(3))(x), layers.TimeDistributed(layers.Dense(2))(x)]


@network((None, None), dtype=tf.int32, sizes=[(3, 6)])
def masked_within(ids):
    embedding = tf.keras.layers.Embedding(4, 5, mask_zero=True)
    x, mask = embedding(ids), embedding.compute_mask(ids)
    told = {"recurrent_activation": "sigmoid", "return_sequences": True}
    return [tf.keras.layers.LSTM(4, **told)(x, mask=mask), tf.keras.layers.GRU(3, **told)(x, mask=mask)]


@network((None, None, 5), sizes=[(2, 6, 5)])
def block_cells(x):
    outputs, state = tf.nn.dynamic_rnn(tf.contrib.rnn.LSTMBlockCell(4), x, dtype=tf.float32)
    gated, _ = tf.nn.dynamic_rnn(tf.contrib.rnn.GRUBlockCellV2(4), x, dtype=tf.float32, scope="gated")
    return [outputs, state.h, state.c, gated]


@network((None, None, 5), sizes=[(2, 6, 5)])
def compatible_cells(x):
    cells = tf.contrib.cudnn_rnn
    outputs, _ = tf.nn.dynamic_rnn(cells.CudnnCompatibleLSTMCell(4), x, dtype=tf.float32)
    gated, _ = tf.nn.dynamic_rnn(cells.CudnnCompatibleGRUCell(4), x, dtype=tf.float32, scope="gated")
    return [outputs, gated]


@network((None, None, 5), sizes=[(6, 2, 5)])
def residual_cells(x):
    cell = CELLS.MultiRNNCell([CELLS.GRUCell(5), CELLS.ResidualWrapper(CELLS.GRUCell(5))])
    outputs, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, time_major=True)
    return [outputs, state[1]]


RECORDER.record()
