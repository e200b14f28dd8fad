"""SavedModels of TensorFlow 2: read through a signature."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from keras_reading import close, draw, randomise

from netglot.errors import InputError, RequestError, UnsupportedOps
from netglot.formats import saved_model
from netglot.pivot import ops as pivot
from netglot.pivot.check import check
from netglot.pivot.evaluate import evaluate


@pytest.fixture(autouse=True)
def single_precision(double_precision):
    keras.config.set_floatx("float32")


def image_model():
    x = given = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Add()([x, layers.SeparableConv2D(8, 3, padding="same")(x)])
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(layers.UpSampling2D()(x))
    return keras.Model(given, layers.Dense(5, activation="softmax", name="top")(x), name="net")


def token_model():
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(10, 8),
            layers.Dense(4, activation="gelu"),
            layers.LayerNormalization(),
            layers.GlobalAveragePooling1D(),
        ]
    )


def attention_model():
    given = keras.Input((5, 8))
    return keras.Model(given, layers.MultiHeadAttention(2, 4)(given, given))


@pytest.mark.parametrize("make", [image_model, token_model, attention_model])
def test_exported_model(tmp_path, make):
    model = make()
    randomise(model)
    model.export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    check(graph)
    serve = tf.saved_model.load(str(tmp_path / "net")).signatures["serving_default"]
    for batch in (1, 3):
        arrays = draw(graph, batch, seed=batch)
        expected = serve(**{name: tf.constant(array) for name, array in arrays.items()})
        close(evaluate(graph, arrays), expected, 1e-4)


def test_biases_and_names(tmp_path):
    image_model().export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    assert graph.inputs[0].name == "image"
    assert {"stem.kernel", "norm.gamma", "top.kernel", "top.bias"} <= set(graph.parameters)
    (linear,) = [n.op for n in graph.nodes if isinstance(n.op, pivot.Linear)]
    assert linear.bias is graph.parameters["top.bias"]
    assert not graph.parameters["norm.moving_mean"].trainable


class Two(tf.Module):
    """Two functions."""

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable(np.ones((3, 2), "float32"), name="weight")

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def first(self, x):
        return {"y": tf.matmul(x, self.weight)}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def second(self, x):
        return {"y": x * 2.0}


def test_signatures_are_listed(tmp_path):
    module = Two()
    tf.saved_model.save(module, str(tmp_path / "net"), signatures={"one": module.first, "two": module.second})
    with pytest.raises(RequestError) as caught:
        saved_model.read(tmp_path / "net")
    assert "one, two" in caught.value.advice
    graph = saved_model.read(tmp_path / "net", signature="one")
    np.testing.assert_allclose(evaluate(graph, {"x": np.ones((2, 3), "float32")})["y"], np.full((2, 2), 3.0))


def test_a_saved_model_without_signatures_lists_its_functions(tmp_path):
    module = Two()
    tf.saved_model.save(module, str(tmp_path / "net"), signatures={})
    with pytest.raises(RequestError, match="no signature") as caught:
        saved_model.read(tmp_path / "net")
    assert "first" in caught.value.advice


def test_a_loop_is_written_out_where_its_steps_are_known(tmp_path):
    given = keras.Input((5, 8))
    model = keras.Model(given, layers.LSTM(3)(given))
    model.export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    x = np.random.RandomState(0).uniform(-1, 1, (2, 5, 8)).astype("float32")
    found = evaluate(graph, {graph.inputs[0].name: x}, precision="float64")
    found = next(iter(found.values())) if isinstance(found, dict) else found
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_a_loop_over_an_open_size_is_refused(tmp_path):
    given = keras.Input((None, 8))
    keras.Model(given, layers.LSTM(3)(given)).export(tmp_path / "net", verbose=False)
    with pytest.raises(UnsupportedOps, match="whose length"):
        saved_model.read(tmp_path / "net")


def test_what_is_no_saved_model(tmp_path):
    with pytest.raises(InputError, match="no SavedModel"):
        saved_model.read(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be loaded"):
        saved_model.read(tmp_path)
