"""Keras models whose calls write to variables, and layers that several parts of a model share."""

import numpy as np
import pytest
import torch
from tests.torch_write.emitted import emit, outputs

from netglot.errors import Refusal, UnsupportedOps

keras = pytest.importorskip("keras")

from keras import layers, ops  # noqa: E402

from netglot.dialects.keras.read import read_keras  # noqa: E402


@pytest.fixture(autouse=True)
def afresh():
    keras.backend.clear_session(free_memory=False)
    yield
    keras.backend.clear_session(free_memory=False)


def randomised(given, made):
    model, generator = keras.Model(given, made), np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 0.5, variable.shape))
    return model


# -- variables that a call writes to


class Running(layers.Layer):
    """Takes a running mean off, and counts its calls."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="count")
        self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="mean")
        self.activity = keras.metrics.Mean(name="activity")

    def call(self, x):
        self.activity.update_state(ops.mean(x))
        self.count.assign_add(1)
        self.mean.assign(self.mean * 0.9 + 0.1 * ops.mean(x, axis=0))
        return (x - self.mean) / ops.cast(self.count, x.dtype)


class Window(layers.Layer):
    """Adds what the last calls held, before this call takes its place among them."""

    def build(self, shape):
        self.last = self.add_weight(shape=(2, shape[-1]), initializer="zeros", trainable=False, name="last")

    def call(self, x):
        seen = x + ops.sum(self.last, axis=0)
        self.last.assign(ops.concatenate([self.last[1:], ops.mean(x, axis=0, keepdims=True)]))
        return seen


class Replacing(layers.Layer):
    """Overwrites its first result's variable and hands on another."""

    def build(self, shape):
        self.held = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False)

    def call(self, x):
        self.held.assign(ops.mean(x, axis=0))
        return x + 1.0, x * 2.0


class Training(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1],))

    def call(self, x):
        self.kernel.assign(self.kernel * 0.5)
        return x * self.kernel


def twice(x):
    layer = Running()
    return layer(layer(x))


@pytest.mark.parametrize("make", [lambda x: Running()(x), lambda x: Window()(x), twice])
def test_what_a_call_writes_is_there_in_the_next(make, tmp_path):
    given = keras.Input((5,))
    model = randomised(given, layers.Dense(2)(make(layers.Dense(4, name="first")(given))))
    _, load = emit(read_keras(model), tmp_path)
    module = load()
    generator = np.random.default_rng(1)
    for _ in range(3):
        array = generator.normal(size=(3, 5)).astype("float32")
        (found,) = outputs(module, [torch.from_numpy(array)]).values()
        np.testing.assert_allclose(found, np.asarray(model(array)), atol=1e-5)


def test_no_gradient_goes_through_a_variable(tmp_path):
    import tensorflow as tf

    given = keras.Input((5,))
    model = randomised(given, Running()(layers.Dense(4, name="first")(given)))
    array = np.random.default_rng(1).normal(size=(3, 5)).astype("float32")
    _, load = emit(read_keras(model), tmp_path)
    module = load()
    (module(torch.from_numpy(array)) ** 2).sum().backward()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(array) ** 2)
    expected = np.asarray(tape.gradient(loss, model.get_layer("first").kernel.value))
    np.testing.assert_allclose(module.first.weight.grad.numpy().T, expected, atol=1e-4)


@pytest.mark.parametrize(
    "make, reason",
    [(lambda x: Replacing()(x)[1], "first result nothing uses"), (lambda x: Training()(x), "the trained variable")],
)
def test_writes_without_a_form_are_refused(make, reason):
    given = keras.Input((5,))
    model = keras.Model(given, make(given))
    with pytest.raises((Refusal, UnsupportedOps), match=reason):
        read_keras(model)


# -- layers that several parts share


def in_a_sequence(x):
    """A layer of the model that is also a part of a sequence."""
    dense = layers.Dense(6, activation="relu", name="shared")
    inner = keras.Sequential([keras.Input((6,)), dense, layers.Dropout(0.1), layers.Dense(6)], name="inner")
    return inner(dense(inner(dense(x))))


def in_two_sequences(x):
    tower = keras.Sequential([layers.Dense(4, activation="tanh"), layers.Dense(4)], name="tower")
    left = keras.Sequential([layers.Dense(3), tower], name="left")
    right = keras.Sequential([layers.Dense(3), tower, layers.Dense(2)], name="right")
    return layers.Concatenate()([left(x), right(x)])


def in_two_models(x):
    given = keras.Input((3,))
    wide = layers.Dense(3, activation="tanh")(layers.Dense(5)(given))
    tower = keras.Model(given, layers.Add()([wide, given]), name="tower")

    def side(name):
        inner = keras.Input((6,))
        return keras.Model(inner, layers.Dense(2)(tower(layers.Dense(3)(inner))), name=name)

    return layers.Subtract()([side("left")(x), side("right")(x)])


def one_activation(x):
    activation = layers.ReLU()
    first = keras.Sequential([layers.Dense(5), activation, layers.Dense(4)], name="first")
    return keras.Sequential([layers.Dense(5), activation, layers.Dense(4)], name="second")(first(x))


@pytest.mark.parametrize("make", [in_a_sequence, in_two_sequences, in_two_models, one_activation])
def test_shared_layers(make, tmp_path):
    given = keras.Input((6,))
    model = randomised(given, make(given))
    written, load = emit(read_keras(model), tmp_path)
    module, array = load(), np.random.default_rng(1).normal(size=(3, 6)).astype("float32")
    (found,) = outputs(module, [torch.from_numpy(array)]).values()
    np.testing.assert_allclose(found, np.asarray(model(array)), atol=1e-5)
    assert sum(p.numel() for p in module.parameters()) == model.count_params()
    if make is one_activation:
        assert written.source.count("nn.ReLU()") == 2 and "class" not in written.source.partition("class Net")[0]


# -- queries that may see no key


def attended(x, other):
    """Masks of steps together with one of the caller's own, and queries whose keys are all padding."""
    causal = layers.MultiHeadAttention(2, 4)(x, x, attention_mask=other[:, None, :] > 0, use_causal_mask=True)
    across = layers.MultiHeadAttention(2, 4)(x, layers.Embedding(7, 6, mask_zero=True)(other))
    return layers.Concatenate()([causal, across])


def test_queries_that_see_no_key_attend_to_all_alike(tmp_path):
    ids, other = (keras.Input((5,), dtype="int32", name=name) for name in ("ids", "other"))
    model = randomised([ids, other], attended(layers.Embedding(7, 6, mask_zero=True)(ids), other))
    written, load = emit(read_keras(model), tmp_path)
    arrays = [np.asarray([[3, 1, 2, 0, 0], [1, 2, 3, 4, 5]], "int32"), np.asarray([[0] * 5, [0, 0, 3, 2, 1]], "int32")]
    (found,) = outputs(load(), [torch.from_numpy(array) for array in arrays]).values()
    np.testing.assert_allclose(found, np.asarray(model(arrays)), atol=1e-5)
    assert "def forward(self, query, query_mask, attention_mask)" in written.source
    assert "torch.tril(" in written.source and "cumsum" not in written.source
