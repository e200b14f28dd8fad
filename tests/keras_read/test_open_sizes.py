"""Sizes that may vary: computed with as tensors they stay symbols; what became a number of one size is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras_reading import compare, read

from netglot.errors import Refusal


class Apply(keras.Model):
    """A network that computes with the sizes of what it is given."""

    def __init__(self, function):
        super().__init__()
        self.dense = layers.Dense(3)
        self.function = function

    def call(self, x):
        return self.function(self.dense(x))


def length(x):
    return ops.shape(x)[1]


def applied(function):
    model = Apply(function)
    model(np.zeros((2, 9, 3), "float32"))
    return model


COMPUTED = {
    "cast": lambda x: x / ops.sqrt(ops.cast(length(x), x.dtype)),
    "converted": lambda x: x * ops.cast(ops.convert_to_tensor(length(x)), x.dtype),
    "product": lambda x: x * ops.cast(ops.prod(ops.shape(x)[1:]), x.dtype),
    "smaller of two": lambda x: x[:, : ops.minimum(length(x), 5)],
    "list": lambda x: x * ops.cast(ops.array([length(x), 2, 1]), x.dtype),
    "places": lambda x: x * ops.expand_dims(ops.linspace(0.0, 1.0, length(x), dtype=x.dtype), -1),
    "raw": lambda x: x / tf.sqrt(tf.cast(tf.shape(x)[1], x.dtype)),
    "raw range": lambda x: x * tf.range(tf.cast(0, x.dtype), tf.cast(tf.shape(x)[1], x.dtype))[:, None],
    "raw band": lambda x: tf.linalg.band_part(tf.matmul(x, x, transpose_b=True), tf.minimum(tf.shape(x)[1], 1), 0),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_sizes_as_numbers_of_a_tensor(name):
    model = applied(COMPUTED[name])
    graph = read(model, "B,T,3")
    for given in (7, 11):
        compare(model, graph, batches=(2,), length=given, tolerance=1e-6)


@pytest.mark.parametrize(
    "function", [lambda x: x / len(range(x.shape[1])), lambda x: sum(x[:, place] for place in range(x.shape[1]))]
)
def test_a_size_that_became_a_number_is_refused(function):
    with pytest.raises(Refusal, match=r"a size that may vary \(T\) is computed with"):
        read(applied(function), "B,T,3")
