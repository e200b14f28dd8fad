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


def pieces_model():
    """Layers that Keras exports in small ops."""
    x = given = keras.Input((6, 6, 8))
    x = layers.Conv2D(8, 1)(layers.BatchNormalization()(x))
    x = layers.GroupNormalization(2)(x)
    x = layers.LayerNormalization()(layers.Reshape((36, 8))(x))
    x = layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    return keras.Model(given, layers.Dense(4, activation="gelu")(x))


def test_what_is_exported_in_pieces_is_layers_again(tmp_path):
    model = pieces_model()
    randomise(model)
    model.export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    check(graph)
    found = [type(node.op).__name__ for node in graph.nodes]
    for name in ("BatchNorm", "GroupNorm", "LayerNorm", "Gelu", "Attention"):
        assert found.count(name) == 1, name
    (attention,) = [node.op for node in graph.nodes if isinstance(node.op, pivot.Attention)]
    assert attention.causal and attention.mask is None
    arrays = draw(graph, 2, seed=1)
    serve = tf.saved_model.load(str(tmp_path / "net")).signatures["serving_default"]
    close(evaluate(graph, arrays), serve(**{n: tf.constant(a) for n, a in arrays.items()}), 1e-4)


class Spelled(tf.Module):
    """What Keras 2 makes of a layer norm and a projection: a batch norm of rows, and an einsum of three axes."""

    def __init__(self):
        super().__init__()
        draw = np.random.default_rng(0).normal
        self.kernel = tf.Variable(draw(size=(8, 2, 4)).astype("float32"), name="query/kernel")
        self.bias = tf.Variable(draw(size=(2, 4)).astype("float32"), name="query/bias")

    @tf.function(input_signature=[tf.TensorSpec([None, 5, 8], tf.float32, name="x")])
    def __call__(self, x):
        rows = tf.reshape(x, (1, -1, 8, 1))
        size = tf.shape(rows)[1]
        kinds = dict(epsilon=1e-3, data_format="NCHW", is_training=True)
        rows = tf.compat.v1.nn.fused_batch_norm(rows, tf.ones([size]), tf.zeros([size]), **kinds)[0]
        return {"y": tf.einsum("abc,cde->abde", tf.reshape(rows, (-1, 5, 8)), self.kernel) + self.bias}


def test_what_keras_2_spells_out(tmp_path):
    module = Spelled()
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.__call__)
    graph = saved_model.read(tmp_path / "net")
    assert {"LayerNorm", "Linear"} <= {type(node.op).__name__ for node in graph.nodes}
    x = np.random.default_rng(1).normal(size=(3, 5, 8)).astype("float32")
    rows = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    expected = np.einsum("abc,cde->abde", rows, module.kernel.numpy()) + module.bias.numpy()
    np.testing.assert_allclose(evaluate(graph, {"x": x})["y"], expected, rtol=1e-4, atol=1e-5)


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


RECURRENT = {
    "lstm": lambda: layers.LSTM(3),
    "outputs": lambda: layers.LSTM(3, return_sequences=True, use_bias=False),
    "backwards": lambda: layers.GRU(3, go_backwards=True),
    "reset_first": lambda: layers.GRU(3, reset_after=False, return_sequences=True),
    "plain": lambda: layers.SimpleRNN(3),
    "both": lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", RECURRENT)
def test_loops_over_open_sizes_are_recurrent_layers(tmp_path, name, masked):
    x = given = keras.Input((None,), dtype="int32")
    x = layers.Embedding(4, 5, mask_zero=masked)(x)
    model = keras.Model(given, RECURRENT[name]()(x))
    randomise(model)
    model.export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    check(graph)
    assert {type(node.op) for node in graph.nodes} & {pivot.Lstm, pivot.Gru, pivot.Rnn}
    for length in (1, 6):
        arrays = draw(graph, 3, seed=length, high=3, length=length)
        expected = model(next(iter(arrays.values())), training=False)
        close(next(iter(evaluate(graph, arrays).values())), expected, 1e-5)
    trained = sum(int(np.prod(p.shape)) for p in graph.parameters.values() if p.trainable)
    assert trained == sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_what_is_frozen_stays_so_in_a_loop(tmp_path):
    given = keras.Input((None, 2))
    layer = layers.LSTM(3, trainable=False)
    keras.Model(given, layers.Dense(2)(layer(given))).export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    assert {name.partition(".")[0] for name, one in graph.parameters.items() if one.trainable} == {"dense"}


def test_scopes_are_those_of_the_variables(tmp_path):
    """TensorFlow numbers the scopes that it traces again, and Keras names no model before its variables."""
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="gelu", name="one")], name="inner")
    shared = layers.Dense(4, name="shared")
    given = keras.Input((4,))
    x = shared(layers.BatchNormalization(name="norm")(shared(inner(given) @ np.ones((3, 4), "float32"))))
    keras.Model(given, x, name="whole").export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    assert {"inner.one.kernel", "shared.kernel", "norm.gamma"} <= set(graph.parameters)
    assert {"inner.one", "shared", "norm"} <= {node.path for node in graph.nodes}
    calls = {frame.call for node in graph.nodes for frame in node.scope if frame.path == "shared"}
    assert calls == {0, 1}


def test_other_cells_run_once_for_each_step(tmp_path):
    given = keras.Input((None, 8))
    model = keras.Model(given, layers.LSTM(3, activation="relu")(layers.Masking()(given)))
    model.export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    x[0, 3:] = 0.0
    found = evaluate(graph, {graph.inputs[0].name: x})
    close(next(iter(found.values())), model(x, training=False), 1e-5)


class Powers(tf.Module):
    """A loop that runs as often as its input says."""

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([], tf.int32)])
    def __call__(self, x, count):
        return tf.while_loop(lambda i, y: i < count, lambda i, y: (i + 1, y * x), (0, x))[1]


def test_a_loop_that_data_end_is_refused(tmp_path):
    module = Powers()
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.__call__)
    with pytest.raises(UnsupportedOps, match="as often as its data"):
        saved_model.read(tmp_path / "net")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_read_in_single(tmp_path, policy):
    plain = image_model()
    randomise(plain)
    keras.config.set_dtype_policy(policy)
    try:
        model = image_model()
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights(plain.get_weights())
    model.export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    check(graph)
    assert not any(isinstance(node.op, pivot.Cast) for node in graph.nodes)
    assert f"in {policy.removeprefix('mixed_')} here and there, and is read in single precision" in graph.notes[0]
    arrays = draw(graph, 2, seed=2)
    expected = plain.predict(next(iter(arrays.values())), verbose=0)
    close(next(iter(evaluate(graph, arrays).values())), expected, 1e-6)  # single precision, where half is off by 1e-3


def test_what_is_no_saved_model(tmp_path):
    with pytest.raises(InputError, match="no SavedModel"):
        saved_model.read(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be loaded"):
        saved_model.read(tmp_path)


class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.first = layers.Dense(6, activation="relu")
        self.second = layers.Dense(6)
        self.norm = layers.LayerNormalization()

    def call(self, x):
        return self.norm(x + self.second(self.first(x)))


class Blocks(keras.Model):
    def __init__(self):
        super().__init__()
        self.stem = layers.Dense(6)
        self.blocks = [Block() for _ in range(3)]
        self.head = layers.Dense(2)

    def call(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_blocks_of_a_subclassed_model_are_one_class(tmp_path):
    """All kernels of such a model are called alike, and Keras counts its layers through all blocks."""
    from netglot import write

    model = Blocks()
    model(np.zeros((1, 5), "float32"))
    randomise(model)
    model.export(tmp_path / "net", verbose=False)
    graph = saved_model.read(tmp_path / "net")
    check(graph)
    arrays = draw(graph, 3)
    (given,) = arrays.values()
    close(evaluate(graph, arrays), {"output_0": model(given)}, 1e-4)
    assert sum(name.endswith("layer_normalization.gamma") for name in graph.parameters) == 3
    source = write(graph, "torch").source
    assert source.count("(nn.Module)") == 3 and "class Block(nn.Module)" in source


class Towers(tf.Module):
    def __init__(self):
        super().__init__()
        self.towers = [tf.Variable(tf.random.normal([6, 4])) for _ in range(2)]
        self.offset = tf.Variable(tf.zeros(4))

    @tf.function(input_signature=[tf.TensorSpec([None, 6], tf.float32, name="x")])
    def similarity(self, x):
        left, right = (tf.nn.l2_normalize(x @ tower + self.offset, -1) for tower in self.towers)
        return {"similarity": tf.reduce_sum(left * right, -1)}


def test_variables_without_names_are_called_by_their_attributes(tmp_path):
    """What TensorFlow calls the steps of its own functions is no layer."""
    towers = Towers()
    tf.saved_model.save(towers, str(tmp_path / "net"), signatures={"similarity": towers.similarity})
    graph = saved_model.read(tmp_path / "net")
    assert set(graph.parameters) == {"towers.0", "towers.1", "offset"}
    assert not any(node.scope for node in graph.nodes)
    arrays = draw(graph, 3)
    close(evaluate(graph, arrays), towers.similarity(**arrays), 1e-4)
