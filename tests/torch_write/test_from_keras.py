"""Keras to PyTorch: the layers on which converters differ, each in a small model, in double precision."""

import numpy as np
import pytest
import torch
from tests.torch_write.emitted import emit, outputs

from netglot.verify.inputs import permute

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

import netglot  # noqa: E402
from netglot.dialects.keras.read import read_keras  # noqa: E402


def stacked(*parts, shape, dtype=None):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *parts])


MODELS = {
    "same_padding_with_strides": lambda: stacked(
        layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(3),
        shape=(8, 9, 3),
    ),
    "separable_and_depthwise": lambda: stacked(
        layers.SeparableConv2D(6, 3, padding="same"), layers.DepthwiseConv2D(3, depth_multiplier=2), shape=(8, 9, 3)
    ),
    "transposed_with_output_padding": lambda: stacked(
        layers.Conv2DTranspose(4, 3, strides=3, padding="same", output_padding=1), shape=(5, 6, 3)
    ),
    "pools_over_padding": lambda: stacked(
        layers.AveragePooling2D(3, 2, padding="same"), layers.MaxPooling2D(2, padding="same"), shape=(9, 8, 3)
    ),
    "norms": lambda: stacked(
        layers.BatchNormalization(scale=False),
        layers.GroupNormalization(2),
        layers.LayerNormalization(axis=[1, 2, 3]),
        layers.LayerNormalization(),
        layers.UnitNormalization(),
        shape=(4, 5, 6),
    ),
    "recurrent": lambda: stacked(
        layers.Embedding(20, 6),
        layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
        layers.GRU(4, return_sequences=True),
        layers.GRU(4, return_sequences=True, reset_after=False),
        layers.SimpleRNN(3),
        shape=(7,),
        dtype="int32",
    ),
    "flatten_and_reshape": lambda: stacked(
        layers.Conv2D(4, 3), layers.Permute((2, 1, 3)), layers.Reshape((-1, 8)), layers.Dense(3), shape=(6, 10, 2)
    ),
    "activations": lambda: stacked(
        layers.Conv2D(4, 1),
        layers.LeakyReLU(),
        layers.PReLU(shared_axes=[1, 2]),
        layers.ELU(),
        layers.Softmax(),
        shape=(4, 5, 2),
    ),
}


MODELS |= {
    f"bidirectional_{mode}": lambda mode=mode: stacked(
        layers.Bidirectional(layers.LSTM(4, return_sequences=True), merge_mode=mode),
        layers.Bidirectional(layers.GRU(3, reset_after=False), merge_mode=mode),
        shape=(6, 5),
    )
    for mode in ("sum", "mul", "ave", "concat")
}
MODELS |= {
    "backwards": lambda: stacked(
        layers.LSTM(4, return_sequences=True, go_backwards=True),
        layers.GRU(4, return_sequences=True, go_backwards=True),
        layers.SimpleRNN(3, go_backwards=True),
        shape=(6, 5),
    ),
    "time_distributed": lambda: stacked(
        layers.TimeDistributed(layers.Conv2D(4, 3, strides=2, padding="same")),
        layers.TimeDistributed(layers.Flatten()),
        layers.TimeDistributed(layers.Dense(3)),
        shape=(4, 7, 6, 2),
    ),
    "masked_sequence": lambda: stacked(
        layers.Embedding(2, 6, mask_zero=True),
        layers.LSTM(5, return_sequences=True),
        layers.Bidirectional(layers.GRU(4, reset_after=False, return_sequences=True)),
        layers.GRU(4, go_backwards=True, return_sequences=True),
        layers.SimpleRNN(3),
        shape=(7,), dtype="int32",
    ),
    "adapted_statistics": lambda: stacked(
        layers.Normalization(axis=-1, mean=[0.5, -1.0, 2.0], variance=[0.3, 2.0, 4.0]),
        layers.Rescaling(1 / 127.5, offset=-1),
        layers.Resizing(6, 7, interpolation="nearest"),
        layers.CenterCrop(4, 4),
        layers.Conv2D(2, 3),
        shape=(9, 8, 3),
    ),
    "einsum_dense": lambda: stacked(
        layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 4), bias_axes="de"),
        layers.EinsumDense("abde,dec->abc", output_shape=(None, 6), bias_axes="c"),
        layers.EinsumDense("abc,cd->abd", output_shape=(None, 3), activation="gelu"),
        shape=(5, 8),
    ),
    "gelus_and_slopes": lambda: stacked(
        layers.Dense(4, activation="gelu"),
        layers.Dense(4, activation=lambda x: keras.activations.gelu(x, approximate=True)),
        layers.Dense(4, activation="leaky_relu"),
        layers.LeakyReLU(negative_slope=0.1),
        layers.Dense(4, activation="softmax"),
        shape=(5,),
    ),
    "norms_of_chosen_axes": lambda: stacked(
        layers.LayerNormalization(axis=1), layers.BatchNormalization(axis=1), layers.GroupNormalization(3, axis=1),
        layers.UnitNormalization(axis=2), layers.SpectralNormalization(layers.Conv2D(2, 2)),
        shape=(6, 4, 5),
    ),
    "frozen": lambda: frozen_beginning(),
    "loops": lambda: stacked(
        layers.Embedding(3, 6, mask_zero=True),
        layers.LSTM(5, activation="relu", return_sequences=True),
        layers.RNN([layers.LSTMCell(4, activation="elu"), layers.GRUCell(3)], return_sequences=True),
        layers.Bidirectional(layers.GRU(3, recurrent_activation="hard_sigmoid")),
        shape=(None,), dtype="int32",
    ),
}  # fmt: skip


def frozen_beginning():
    model = stacked(
        layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(2), shape=(6, 6, 3)
    )
    model.layers[0].trainable = False
    model.layers[1].trainable = False
    return model


def states():
    given = keras.Input((6, 5), name="steps")
    out, h, c = layers.LSTM(4, return_state=True, return_sequences=True)(given)
    last, state = layers.GRU(4, return_state=True)(out, initial_state=h)
    return keras.Model(given, layers.Concatenate()([last, state, h, c]))


def shared():
    left, right = keras.Input((5,), name="left"), keras.Input((5,), name="right")
    tower = keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(3)], name="tower")
    return keras.Model([left, right], layers.Dot(-1, normalize=True)([tower(left), tower(right)]))


def attention():
    query, key = keras.Input((5, 8), name="query"), keras.Input((6, 8), name="key")
    return keras.Model([query, key], layers.MultiHeadAttention(2, 4)(query, key))


def grouped():
    given = keras.Input((5, 8))
    return keras.Model(given, layers.GroupQueryAttention(4, 4, 2)(given, given))


def wide_attention():
    """Heads that together are wider than the tensors, which PyTorch's layer cannot be."""
    given = keras.Input((5, 8))
    x = layers.MultiHeadAttention(2, 8, name="first")(given, given)
    return keras.Model(given, layers.MultiHeadAttention(2, 8, name="second")(x, x))


class Positions(layers.Layer):
    """Looks all of its positions up, as examples of Keras do."""

    def __init__(self):
        super().__init__(name="positions")
        self.dense, self.embedding = layers.Dense(4, name="dense"), layers.Embedding(6, 4, name="embedding")

    def call(self, x):
        return self.dense(x) + self.embedding(keras.ops.arange(6))


def positions():
    given = keras.Input((6, 3))
    return keras.Model(given, Positions()(given))


@pytest.fixture(autouse=True)
def double():
    keras.backend.clear_session(free_memory=False)  # it remembers the precision of models of other tests
    keras.config.set_floatx("float64")
    torch.set_default_dtype(torch.float64)
    yield
    keras.config.set_floatx("float32")
    keras.backend.clear_session(free_memory=False)
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "make", [*MODELS.values(), attention, states, shared], ids=[*MODELS, "attention", "states", "shared"]
)
def test_both_compute_the_same(make, tmp_path):
    model, generator = make(), np.random.default_rng(0)
    for variable in model.variables:
        if "seed" not in variable.path:
            low = 0.5 if "variance" in variable.path else -1.0
            variable.assign(generator.uniform(low, 1.5, variable.shape))
    graph = read_keras(model)
    written, load = emit(graph, tmp_path)
    sizes = {"B": 3, "T": 6}
    shapes = [tuple(sizes.get(str(size), size) for size in value.shape) for value in graph.inputs]
    arrays = [
        generator.normal(size=shape) if value.dtype.startswith("float") else generator.integers(0, 2, shape)
        for value, shape in zip(graph.inputs, shapes, strict=True)
    ]
    expected = np.asarray(model(arrays if len(arrays) > 1 else arrays[0], training=False))
    module = load()
    moved = [torch.from_numpy(permute(a, o).copy()) for a, o in zip(arrays, written.arranged.inputs, strict=True)]
    found = outputs(module, moved)["output"]
    expected = permute(expected, written.arranged.outputs[0])
    assert np.abs(found - expected).max() <= 1e-8 * np.abs(expected).max()
    ours = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert sum(p.numel() for p in module.parameters() if p.requires_grad) == ours


KEEPING = {
    "standard": lambda: [layers.LSTM(4, stateful=True, return_sequences=True), layers.GRU(3, stateful=True)],
    "backwards": lambda: [layers.SimpleRNN(3, stateful=True, go_backwards=True)],
    "both": lambda: [layers.Bidirectional(layers.GRU(3, stateful=True, return_sequences=True)), layers.Dense(2)],
    "any_cell": lambda: [layers.RNN([layers.LSTMCell(3, activation="relu"), layers.GRUCell(2)], stateful=True)],
}


@pytest.mark.parametrize("name", KEEPING)
def test_states_that_are_kept_between_calls(name, tmp_path):
    given = keras.Input(batch_shape=(2, 5, 4))
    x, generator = given, np.random.default_rng(0)
    for layer in KEEPING[name]():
        x = layer(x)
    model = keras.Model(given, x)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 0.5, variable.shape))
    _, load = emit(read_keras(model), tmp_path)
    module = load()
    for _ in range(3):
        array = generator.normal(size=(2, 5, 4))
        (found,) = outputs(module, [torch.from_numpy(array)]).values()
        np.testing.assert_allclose(found, np.asarray(model(array)), atol=1e-12)
    assert all(buffer.abs().sum() > 0 for buffer in module.buffers())
    for _ in range(2):  # what a call keeps is no part of the next one's gradients
        module.train()(torch.from_numpy(array)).sum().backward()


TEXTS = {
    "attention": (attention, ["nn.MultiheadAttention(", "need_weights=False"]),
    "kept_starts": (
        lambda: stacked(layers.Dense(3, kernel_initializer="he_normal", bias_initializer="ones"), shape=(4,)),
        ["trunc_normal_", "nn.init.ones_"],
    ),
    "masked": (
        lambda: stacked(layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3), shape=(None,), dtype="int32"),
        ["self.lstm = MaskedLSTM(4, 3, batch_first=True)", "_, (h, _) = self.lstm("],
    ),
    "loop": (
        lambda: stacked(layers.LSTM(3, activation="relu"), shape=(None, 4)),
        ["class LSTMCell(nn.Module)", "self.lstm = Recurrence(LSTMCell())", "self.lstm.cell.recurrent.weight)"],
    ),
    "momentum": (lambda: stacked(layers.BatchNormalization(momentum=0.9), shape=(4, 4, 3)), ["momentum=0.1"]),
    "frozen": (frozen_beginning, ["requires_grad_(False)"]),
    "grouped": (grouped, ["F.scaled_dot_product_attention("]),
    "wide_attention": (
        wide_attention,
        ["class MultiHeadAttention(nn.Module)", "self.first = MultiHeadAttention()", "self.second(self.first("],
    ),
    "positions": (positions, ["return self.dense(x) + self.embedding_embeddings"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_text_says(name):
    make, wanted = TEXTS[name]
    source = netglot.write(read_keras(make()), "torch").source
    for text in wanted:
        assert text in source, source


def test_a_block_that_is_cut_short_is_a_class_of_its_own():
    """A few of a block's layers are no block that lacks most of its layers."""
    whole = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), alpha=0.35, include_top=False)
    cut = keras.Model(whole.input, whole.get_layer("block_6_expand_relu").output)
    source = netglot.write(read_keras(cut), "torch").source
    assert "class Block3(nn.Module)" in source and "is not None else" not in source


def test_padding_that_depends_on_an_open_size(tmp_path):
    model = stacked(layers.Conv2D(4, 3, strides=2, padding="same"), shape=(None, None, 3))
    _, load = emit(read_keras(model), tmp_path)
    module = load()
    for sizes in ((7, 8), (8, 7)):
        x = np.random.default_rng(0).normal(size=(2, *sizes, 3))
        (found,) = outputs(module, [torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))]).values()
        np.testing.assert_allclose(found.transpose(0, 2, 3, 1), np.asarray(model(x)), atol=1e-5)


def test_queries_that_see_nothing_have_no_part_in_gradients(tmp_path):
    import tensorflow as tf

    tokens = keras.Input((6,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 8, mask_zero=True)(tokens)
    attended = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    model = keras.Model(tokens, layers.Add()([x, attended]))
    ids = np.asarray([[3, 0, 5, 0, 0, 1], [0, 0, 2, 2, 7, 0]], "int32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(ids) ** 2)
    variables = {v.path: v.value for v in model.trainable_variables}
    slopes = dict(zip(variables, tape.gradient(loss, list(variables.values())), strict=True))
    _, load = emit(read_keras(model), tmp_path)
    module = load()
    (module(torch.from_numpy(ids)) ** 2).sum().backward()
    for name in ("query", "key", "value"):
        expected = np.asarray(slopes[f"attention/{name}/kernel"]).reshape(8, 8).T
        found = module.get_submodule(f"attention.{name}_dense").weight.grad.numpy()
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
