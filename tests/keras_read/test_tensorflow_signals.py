"""Signals in layers that call TensorFlow themselves: complex tensors are pairs of real ones."""

import keras
import pytest
import tensorflow as tf
from keras import layers
from keras_reading import compare, read

from netglot.errors import UnsupportedOps


class Signal(layers.Layer):
    """Calls a function of TensorFlow."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


def mel_spectrogram(x):
    spectrum = tf.abs(tf.signal.stft(x, 16, 8, fft_length=20))
    matrix = tf.signal.linear_to_mel_weight_matrix(6, 11, 8000, 80.0, 3800.0, dtype=x.dtype)
    return tf.math.log(tf.tensordot(spectrum, matrix, 1) + 1e-6)


def products(x):
    half, whole = tf.signal.rfft(x), tf.signal.fft(tf.cast(x, tf.complex128))
    shifted = tf.complex(tf.constant(2.0, x.dtype), tf.constant(0.5, x.dtype))
    parts = [
        tf.math.real(half * tf.math.conj(half)),
        tf.math.angle(half + 1.0),
        tf.math.imag(tf.transpose(half, [0, 2, 1]))[:, :5],
        tf.signal.irfft(half * shifted, [15]),
        tf.math.real(tf.signal.ifft(tf.square(whole))),
    ]
    return tf.concat([tf.reshape(one, [tf.shape(x)[0], -1]) for one in parts], -1)


@pytest.mark.parametrize(
    "function, shape",
    [(mel_spectrogram, (100,)), (products, (5, 13)), (lambda x: tf.signal.frame(x, 7, 3, pad_end=True), (30,))],
)
def test_signals(function, shape):
    given = keras.Input(shape)
    model = keras.Model(given, Signal(function)(given))
    compare(model, read(model), tolerance=1e-8)


def test_what_has_no_form_in_real_numbers_is_named():
    given = keras.Input((5, 12))
    model = keras.Model(given, Signal(lambda x: tf.abs(tf.exp(tf.signal.rfft(x))))(given))
    with pytest.raises(UnsupportedOps, match=r"tf\.Exp of complex numbers"):
        read(model)


def test_name_scopes_are_no_modules():
    """What TensorFlow calls its own steps is no layer of the user's."""
    given = keras.Input((100,))
    graph = read(keras.Model(given, Signal(mel_spectrogram)(given)))
    assert {frame.path for node in graph.nodes for frame in node.scope} == {"signal"}
