"""Keras to PyTorch to Keras: the same numbers as the first model, and the same text from the first round on."""

import numpy as np
import pytest
import torch
from tests.torch_write import test_from_keras as sources
from tests.torch_write.emitted import emit

import netglot
from netglot.frontend.inputs import Inputs, InputSpec
from netglot.verify.inputs import permute

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from netglot.dialects.keras.read import read_keras  # noqa: E402
from netglot.dialects.keras.write import save_weights, write  # noqa: E402
from netglot.verify.emitted import import_emitted  # noqa: E402


def image():
    x = given = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Add()([x, layers.SeparableConv2D(8, 3, padding="same")(x)])
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same")(layers.MaxPooling2D(3, 2, padding="same")(x))
    x = layers.GlobalAveragePooling2D()(layers.UpSampling2D()(x))
    return keras.Model(given, layers.Dense(5, activation="softmax", name="top")(x), name="small_net")


def tokens():
    given = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(5, 6, mask_zero=True)(given)
    return keras.Model(given, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)), name="tokens_net")


def steps():
    x = given = keras.Input((5,), dtype="int32", name="tokens")
    x = layers.Embedding(3, 4, mask_zero=True)(x)
    x = layers.Bidirectional(layers.GRU(3, reset_after=False, return_sequences=True))(x)
    return keras.Model(given, layers.LSTM(4, name="lstm")(x), name="steps_net")


def one_by_one():
    given = keras.Input((3, 5), name="steps")
    first, second, third = keras.ops.unstack(given, axis=1)
    return keras.Model(given, layers.Dense(2)(layers.Concatenate()([first * second, third])), name="one_by_one")


def blocks():
    def block(x, width):
        y = layers.DepthwiseConv2D(3, padding="same", activation="gelu")(x)
        return layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(width, 1, activation="gelu")(y))])

    given = keras.Input((12, 12, 3))
    x = layers.BatchNormalization()(layers.Conv2D(8, 2, strides=2, activation="gelu")(given))
    for _ in range(3):
        x = block(x, 8)
    return keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)), name="mixer")


SMALL = "same_padding_with_strides separable_and_depthwise norms activations flatten_and_reshape einsum_dense".split()
GOLDEN = {name: sources.MODELS[name] for name in SMALL} | {
    "attention": sources.attention,
    "shared": sources.shared,
    "image": image,
    "tokens": tokens,
    "steps": steps,
    "one_by_one": one_by_one,
    "blocks": blocks,
}


@pytest.fixture(autouse=True)
def double():
    keras.backend.clear_session(free_memory=False)
    keras.config.set_floatx("float64")
    torch.set_default_dtype(torch.float64)
    yield
    keras.config.set_floatx("float32")
    torch.set_default_dtype(torch.float32)
    keras.backend.clear_session(free_memory=False)


def specs(graph, written) -> list[InputSpec]:
    """What the emitted network is called with."""
    pairs = zip(graph.inputs, written.arranged.inputs, strict=True)
    return [InputSpec(tuple(v.shape[axis] for axis in order), v.dtype, v.name) for v, order in pairs]


def by_way_of_torch(graph, folder):
    """What both writers make, the graph between them, and the Keras model that comes back."""
    for name in ("torch", "keras"):
        (folder / name).mkdir(parents=True)
    there, load = emit(graph, folder / "torch")
    between = netglot.read(load, Inputs(tuple(specs(graph, there))))
    back = write(between)
    (folder / "keras" / "model.py").write_text(back.source)
    save_weights(back, folder / "keras" / "model.weights.h5")
    return there, between, back, import_emitted(str(folder / "keras" / "model.py")).load()


@pytest.mark.parametrize("name", GOLDEN)
def test_there_and_back(name, tmp_path):
    model, generator = GOLDEN[name](), np.random.default_rng(0)
    for variable in model.variables:
        low = 0.5 if "variance" in variable.path else -0.7
        variable.assign(generator.uniform(low, 0.9, variable.shape))
    graph = read_keras(model)
    there, between, back, second = by_way_of_torch(graph, tmp_path / "first")
    sizes = {"B": 3, "T": 6}
    shapes = [tuple(sizes.get(str(size), size) for size in value.shape) for value in graph.inputs]
    arrays = [
        generator.normal(size=shape) if value.dtype.startswith("float") else generator.integers(0, 3, shape)
        for value, shape in zip(graph.inputs, shapes, strict=True)
    ]
    expected = np.asarray(model(arrays if len(arrays) > 1 else arrays[0], training=False))
    orders = list(zip(there.arranged.inputs, back.arranged.inputs, strict=True))
    moved = [permute(permute(array, one), other) for array, (one, other) in zip(arrays, orders, strict=True)]
    named = {value.name: array for value, array in zip(between.inputs, moved, strict=True)}
    found = np.asarray(second(named if len(named) > 1 else moved[0], training=False))
    expected = permute(permute(expected, there.arranged.outputs[0]), back.arranged.outputs[0])
    assert np.abs(found - expected).max() <= 1e-8 * np.abs(expected).max()
    trained = [sum(int(np.prod(v.shape)) for v in one.trainable_variables) for one in (model, second)]
    assert trained[0] == trained[1]
    given = {spec.name: spec for spec in specs(between, back)}
    again = read_keras(second, inputs=Inputs((given if len(given) > 1 else next(iter(given.values())),)))
    assert by_way_of_torch(again, tmp_path / "second")[2].source == back.source
