"""Whole models: nested, subclassed, shared, with several inputs; what the graph says of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras_reading import close, compare, draw, randomise, read

from netglot.errors import Refusal, UnsupportedOps, UserCodeError
from netglot.pivot import ops as pivot
from netglot.pivot.dims import Dim
from netglot.pivot.evaluate import evaluate


class Block(layers.Layer):
    """Adds what two dense layers make, scaled by a list of vectors."""

    def __init__(self, dim):
        super().__init__()
        self.inner = layers.Dense(dim, activation="relu")
        self.outer = layers.Dense(dim)
        self.norm = layers.LayerNormalization()
        self.scales = [self.add_weight(shape=(dim,), name="scale") for _ in range(2)]

    def call(self, x, training=None):
        y = self.outer(self.inner(x))
        for scale in self.scales:
            y = y * scale
        return self.norm(x + y)


class Positions(layers.Layer):
    """Adds a vector for each place, in two ways."""

    def build(self, shape):
        self.table = self.add_weight(shape=(128, shape[-1]))

    def call(self, x):
        length = ops.shape(x)[1]
        scale = ops.sqrt(ops.cast(ops.shape(x)[-1], x.dtype))
        return x * scale + ops.take(self.table, ops.arange(length), axis=0) + self.table[:length]


class Tokens(keras.Model):
    """A small language model with tied weights."""

    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(10, 8)
        self.positions = Positions()
        self.blocks = [Block(8) for _ in range(3)]
        self.head = keras.Sequential([layers.Dense(4), layers.ReLU()])

    def call(self, ids, training=False):
        x = self.positions(self.embedding(ids))
        for block in self.blocks:
            x = block(x, training=training)
        batch = ops.shape(x)[0]
        heads = ops.transpose(ops.reshape(x, (batch, -1, 2, 4)), (0, 2, 1, 3))
        x = ops.reshape(ops.transpose(heads, (0, 2, 1, 3)), (batch, ops.shape(x)[1], 8))
        first = ops.broadcast_to(ops.zeros((1, 1, 8)), (batch, 1, 8)) + ops.ones((batch, 1, 8), dtype=x.dtype)
        x = ops.concatenate([first, x], axis=1)
        logits = ops.matmul(x, ops.transpose(self.embedding.embeddings))
        return {"head": self.head(x[:, 0]), "last": x[:, -1, None, ::2], "logits": logits}


def tokens():
    model = Tokens()
    model(np.zeros((2, 5), "int32"))
    randomise(model)
    return model


def test_subclassed_model_with_symbolic_sizes():
    model = tokens()
    graph = read(model, inputs="int32 B,T")
    assert graph.name == "Tokens"
    assert [str(size) for size in graph.inputs[0].shape] == ["B", "T"]
    for length in (3, 6):
        compare(model, graph, high=9, length=length)


def test_paths_are_attributes():
    graph = read(tokens(), inputs="int32 B,T")
    assert {"embedding", "positions", "blocks.0", "blocks.2.norm", "head", "head.dense"} <= set(graph.modules)
    assert {"embedding.embeddings", "positions.table", "blocks.1.scales.0", "head.dense.kernel"} <= set(
        graph.parameters
    )
    assert graph.modules["head"].container == "sequential"
    assert graph.modules["blocks.0"].arguments == {"dim": 8}
    node = next(n for n in graph.nodes if isinstance(n.op, pivot.LayerNorm))
    assert [frame.path for frame in node.scope] == ["blocks.0", "blocks.0.norm"]
    assert node.site is not None and node.site.file == __file__


def test_tied_weights_are_one_parameter():
    graph = read(tokens(), inputs="int32 B,T")
    used = [n for n in graph.nodes if graph.parameters["embedding.embeddings"] in n.operand_values()]
    assert len(used) == 2


def test_a_batch_that_became_a_number_is_refused():
    class Baked(layers.Layer):
        def call(self, x):
            return ops.reshape(x, (int(x.shape[0] or 1009), 3))

    given = keras.Input((3,))
    with pytest.raises((Refusal, UserCodeError)):
        read(keras.Model(given, Baked()(given)))


def test_shared_layer_and_functions():
    given = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    x = shared(shared(given))
    x = ops.relu(x) * 2 + ops.mean(x, axis=-1, keepdims=True)
    model = keras.Model(given, [layers.Lambda(lambda t: t**2)(x), x])
    randomise(model)
    graph = read(model)
    compare(model, graph)
    calls = {frame.call for node in graph.nodes for frame in node.scope if frame.path == "shared"}
    assert calls == {0, 1}


def test_nested_models():
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(3, activation="relu"), layers.Dense(3)], name="inner")
    given = keras.Input((5,), name="features")
    middle = keras.Model(given, layers.Add()([inner(given), layers.Dense(3)(given)]), name="middle")
    model = keras.Sequential([keras.Input((5,)), middle, layers.Dense(2)])
    randomise(model)
    graph = read(model)
    compare(model, graph)
    assert "middle.inner.dense" in graph.modules


def test_several_inputs_by_name():
    left, right = keras.Input((4,), name="left"), keras.Input((6,), name="right")
    out = {"sum": layers.Add()([layers.Dense(3)(left), layers.Dense(3)(right)]), "left": layers.Dense(2)(left)}
    model = keras.Model({"left": left, "right": right}, out)
    randomise(model)
    graph = read(model)
    assert [value.name for value in graph.inputs] == ["left", "right"]
    compare(model, graph)


def test_frozen_layers():
    base = keras.Sequential([keras.Input((5,)), layers.Dense(3), layers.BatchNormalization()], name="base")
    base.trainable = False
    given = keras.Input((5,))
    model = keras.Model(given, layers.Dense(2)(base(given, training=False)))
    graph = read(model)
    trained = {name for name, p in graph.parameters.items() if p.trainable}
    assert trained == {"dense.kernel", "dense.bias"}
    assert len(trained) == len(model.trainable_variables)
    assert graph.parameters["base.batch_normalization.moving_mean"].kind == "buffer"
    assert any("keeps its statistics" in note for note in graph.notes)


def test_training_momentum_is_the_complement():
    model = keras.Sequential([keras.Input((5,)), layers.BatchNormalization(momentum=0.9)])
    (norm,) = [n.op for n in read(model).nodes if isinstance(n.op, pivot.BatchNorm)]
    assert norm.momentum == 0.1 and not norm.unbiased


def test_initialisers_are_kept():
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, kernel_initializer="he_normal", bias_initializer="ones")]
    )
    graph = read(model)
    kernel, bias = (graph.parameters[f"dense.{name}"].initialiser for name in ("kernel", "bias"))
    assert kernel.kind == "truncated" and bias.kind == "constant" and bias.a == 1.0


def test_layer_names_that_keras_made_up_are_numbered_within_the_model():
    layers.Dense(3)  # so that Keras's own count begins with 1
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3), layers.Dense(3), layers.Dense(2, name="top_7")])
    assert set(read(model).modules) == {"", "dense", "dense_1", "top_7"}


def test_mixed_precision():
    keras.config.set_floatx("float32")
    policy = "mixed_float16"
    given = keras.Input((6, 4))
    x = layers.Dense(5, activation="relu", dtype=policy)(given)
    x = layers.LayerNormalization(dtype=policy)(x)
    model = keras.Model(given, layers.Dense(3, dtype="float32")(x))
    randomise(model)
    graph = read(model)
    assert not [node for node in graph.nodes if isinstance(node.op, pivot.Cast)]
    compare(model, graph, tolerance=2e-3, precision=None)  # the model itself computes with three digits


class Raw(layers.Layer):
    """Calls TensorFlow itself."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(6, activation="relu")

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x):
        batch = tf.shape(x)[0]
        y = tf.transpose(tf.reshape(x, (batch, -1, 2)), [0, 2, 1])
        y = tf.reshape(y, tf.shape(x))
        y = tf.nn.relu(y) * self.scale + tf.reduce_mean(x, -1, keepdims=True)
        return self.dense(y), tf.concat([y[:, :2], tf.zeros([batch, 3], y.dtype)], -1)


def test_raw_tensorflow_inside_a_layer():
    given = keras.Input((8,))
    first, second = Raw()(layers.Dense(8)(given))
    model = keras.Model(given, [layers.Lambda(lambda t: tf.nn.softmax(t * 2.0))(first), second])
    randomise(model)
    graph = read(model)
    compare(model, graph)
    linear = [n for n in graph.nodes if isinstance(n.op, pivot.Linear)]
    assert {n.path for n in linear} == {"dense", "raw.dense"}
    assert {"raw.scale", "raw.dense.kernel"} <= set(graph.parameters)


def test_raw_gathering_and_ranges_of_open_sizes():
    class Gather(layers.Layer):
        def call(self, x, places):
            every = tf.range(tf.shape(x)[0])
            return (
                tf.gather(x, places, batch_dims=1),
                tf.gather(x[..., 0], places, batch_dims=1),
                tf.gather(x, every),
                tf.image.resize(x[:, :, :, None], tf.shape(x)[1:3] * 2, method="nearest"),
            )

    x, places = keras.Input((6, 4)), keras.Input((3, 2), dtype="int32")
    model = keras.Model([x, places], Gather()(x, places))
    compare(model, read(model))


def test_a_condition_on_data_is_refused():
    class Choice(layers.Layer):
        def call(self, x):
            return tf.cond(tf.reduce_sum(x) > 0, lambda: x, lambda: -x)

    given = keras.Input((3,))
    with pytest.raises(UnsupportedOps, match="a condition on data"):
        read(keras.Model(given, Choice()(given)))


def test_user_code_that_raises_is_told_with_its_place():
    class Broken(layers.Layer):
        def call(self, x):
            return x if x.shape[0] is None else self.missing

    given = keras.Input((3,))
    model = keras.Model(given, Broken()(given))
    with pytest.raises(UserCodeError, match="missing") as caught:
        read(model)
    assert "test_models.py" in caught.value.trace


def test_everything_refused_is_told_at_once():
    model = keras.Sequential([keras.Input((6, 6, 3)), layers.RandomCrop(3, 3), layers.Hashing(3)])
    with pytest.raises(UnsupportedOps) as caught:
        read(model)
    assert [one.where for one in caught.value.refused] == ["random_crop", "hashing"]


def test_reading_leaves_the_model_as_it_was():
    model = tokens()
    graph = read(model, inputs="int32 B,T")
    arrays = draw(graph, 2, high=9)
    before = model(next(iter(arrays.values())))
    assert isinstance(model.embedding.embeddings, keras.Variable)
    again = model(next(iter(arrays.values())))
    np.testing.assert_array_equal(before["logits"], again["logits"])


def test_a_model_that_was_never_built_says_what_it_needs():
    class Unbuilt(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(Refusal, match="what it is called with"):
        read(Unbuilt())


def test_every_application_family_in_small():
    for name, shape in (("MobileNetV2", (32, 32, 3)), ("EfficientNetV2B0", (32, 32, 3)), ("DenseNet121", (32, 32, 3))):
        model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=shape)
        graph = read(model)
        compare(model, graph, batches=(1,), tolerance=1e-8)
        trained = sum(int(np.prod(p.shape)) for p in graph.parameters.values() if p.trainable)
        assert trained == sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_sizes_are_symbols():
    graph = read(keras.Sequential([keras.Input((None, 3)), layers.Conv1D(4, 3), layers.UpSampling1D(2)]))
    ((_, out),) = graph.outputs
    assert out.shape == (Dim.symbol("B"), (Dim.symbol("T") - 2) * 2, 4)


def test_comparison_with_operators_is_that_of_elements():
    class Diagonal(keras.layers.Layer):
        def call(self, x):
            steps = keras.ops.arange(keras.ops.shape(x)[1])
            same = steps[:, None] == steps
            return keras.ops.matmul(keras.ops.where(same, 2.0, 1.0), x) + keras.ops.where(x != 0, 1.0, 0.0)

    given = keras.Input((None, 3))
    compare(keras.Model(given, Diagonal()(given)), read(keras.Model(given, Diagonal()(given))), length=5)


def test_depthwise_kernels_start_as_their_layer_says():
    model = keras.Sequential(
        [keras.Input((5, 5, 3)), keras.layers.DepthwiseConv2D(3, depthwise_initializer="he_normal")]
    )
    (kernel,) = (p for p in read(model).parameters.values() if len(p.shape) == 4)
    assert kernel.initialiser.kind == "truncated"


def test_variables_of_layers_of_ones_own_start_as_they_say():
    class Own(layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(3, 4), initializer=keras.initializers.RandomNormal(stddev=0.3))
            self.matrix = self.add_weight(shape=(4, 4), initializer="orthogonal")

        def call(self, x):
            return ops.matmul(ops.matmul(x, self.table), self.matrix)

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.own, self.gates = Own(), layers.LSTM(2)

        def call(self, x):
            return self.gates(self.own(x))

    graph = read(Net(), "B,5,3")
    starts = {name: parameter.initialiser for name, parameter in graph.parameters.items()}
    assert (starts["own.table"].kind, starts["own.table"].b) == ("normal", 0.3)
    assert starts["own.matrix"].kind == starts["gates.cell.recurrent_kernel"].kind == "orthogonal"


def test_what_a_functional_model_remembers_of_training_is_no_request():
    class Twice(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [keras.Sequential([layers.Dense(3), layers.Dropout(0.1)]) for _ in range(2)]

        def call(self, x):
            for part in self.parts:
                x = part(x)
            self.add_loss(ops.sum(x))
            return x

    given = keras.Input((3,))
    notes = read(keras.Model(given, Twice()(given))).notes
    assert [note for note in notes if "training=False" in note] == []
    assert any("adds a loss of its own" in note for note in notes)


def test_marks_of_negative_zeros_before_an_extreme_are_left_out():
    class Largest(layers.Layer):
        def call(self, x):
            return ops.argmax(tf.identity(x), axis=-1)

    given = keras.Input((5,))
    graph = read(keras.Model(given, Largest()(given)))
    assert {type(node.op).__name__ for node in graph.nodes} <= {"Argmax", "Cast"}


PATCHES = {
    "same": lambda x: ops.image.extract_patches(x, (3, 2), strides=2, padding="same"),
    "dilated": lambda x: ops.image.extract_patches(x, 2, strides=1, dilation_rate=3),
    "raw": lambda x: tf.image.extract_patches(x, [1, 2, 3, 1], [1, 2, 2, 1], [1, 2, 1, 1], "SAME"),
    "along broadcast axes": lambda x: ops.take_along_axis(x, ops.zeros((1, 1, 8, 1), "int32"), axis=1),
}


@pytest.mark.parametrize("name", PATCHES)
def test_patches(name):
    class Patches(keras.Model):
        def call(self, x):
            return PATCHES[name](x)

    model = Patches()
    model(np.zeros((1, 9, 8, 3), "float32"))
    compare(model, read(model, "B,9,8,3"))


def test_activations_are_followed_and_not_traced_by_tensorflow():
    names = ["hard_silu", "hard_sigmoid", "relu6", "gelu", "mish", "softsign"]
    model = keras.Sequential([keras.Input((6, 4)), *(layers.Activation(name) for name in names)])
    kinds = {type(node.op).__name__ for node in read(model).nodes}
    assert {"Hardswish", "Hardsigmoid", "Gelu", "Softplus", "Softsign"} <= kinds


class AroundLayers(layers.Layer):
    """Calls TensorFlow itself around layers that train otherwise than they infer."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = layers.BatchNormalization(), layers.Dropout(0.3)
        self.mix = layers.MultiHeadAttention(2, 3)

    def call(self, x, training=False):
        x = self.drop(self.norm(tf.nn.relu(x), training=training), training=training)
        batch, height, width, _ = tf.unstack(tf.shape(x))
        x = tf.reshape(x, [batch, height * width, x.shape[-1]])
        earlier = tf.linalg.band_part(tf.ones((1, height * width, height * width)), -1, 0) > 0
        return tf.concat([self.mix(x, x, attention_mask=earlier), x], -1)


def test_layers_within_a_layer_of_tensorflow_keep_what_they_do_in_training():
    given = keras.Input((3, 2, 4))
    model = keras.Model(given, AroundLayers()(given))
    randomise(model)
    graph = read(model)
    kinds = {type(node.op).__name__ for node in graph.nodes}
    assert {"BatchNorm", "Dropout"} <= kinds and kinds & {"Attention", "MultiHeadAttention"}
    assert not any("training=False" in note for note in graph.notes)
    assert {frame.path for node in graph.nodes for frame in node.scope} >= {
        "around_layers.norm",
        "around_layers.drop",
        "around_layers.mix",
    }
    compare(model, graph, tolerance=1e-7)


def test_inputs_of_a_functional_model_by_name():
    given = [keras.Input((4,), name=name) for name in ("left", "right")]
    model = keras.Model(given, layers.Subtract()(given))
    graph = read(model, {"right": (2, 4), "left": (2, 4)})
    assert [value.name for value in graph.inputs] == ["left", "right"]


class Pair(keras.Model):
    """A model whose call takes one nest of tensors."""

    def __init__(self):
        super().__init__()
        self.one, self.two = layers.Dense(3), layers.Dense(3)

    def call(self, inputs, training=None):
        a, b = inputs.values() if isinstance(inputs, dict) else inputs
        return self.one(a) + self.two(b)


@pytest.mark.parametrize("specs", [["B,4", "B,5"], ["a=B,4", "b=B,5"]], ids=["listed", "named"])
def test_several_inputs_of_a_call_that_takes_one_nest(specs):
    from netglot.frontend.request import understand

    model, named = Pair(), "=" in specs[0]
    x, y = np.ones((2, 4), "float32"), np.ones((2, 5), "float32")
    expected = model({"a": x, "b": y} if named else [x, y])
    request = understand(model, inputs=specs)
    graph = read(request.network, request.inputs)
    arrays = dict(zip([value.name for value in graph.inputs], (x, y), strict=True))
    close(evaluate(graph, arrays), expected, 1e-5)


class Sized(keras.Model):
    """A model that does not say how it was made."""

    def __init__(self, width, depth=1, **more):
        super().__init__(**more)
        self.steps = [layers.Dense(width) for _ in range(depth)]

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x


def test_what_a_constructor_was_given_is_remembered(tmp_path):
    """So that a process of its own can make the model again."""
    import json
    import zipfile

    from netglot.dialects.keras.construction import watching
    from netglot.verify.ship import save_keras

    with watching():
        model = Sized(3, depth=2, name="sized")
    model(np.ones((1, 4), "float32"))
    save_keras(model, tmp_path)
    with zipfile.ZipFile(tmp_path / "source.keras") as archive:
        config = json.loads(archive.read("config.json"))["config"]
    assert config == {"name": "sized", "trainable": True, "width": 3, "depth": 2}
    assert "get_config" not in vars(Sized)
    alone = Sized(3)
    alone(np.ones((1, 4), "float32"))
    with pytest.raises(Refusal, match="get_config"):
        save_keras(alone, tmp_path)
