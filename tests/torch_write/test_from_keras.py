"""Keras to PyTorch: the layers on which converters differ, each in a small model, in double precision."""

import numpy as np
import pytest
import torch
from tests.torch_write.emitted import emit, outputs

from netglot.verify.inputs import permute

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

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


def attention():
    query, key = keras.Input((5, 8), name="query"), keras.Input((6, 8), name="key")
    return keras.Model([query, key], layers.MultiHeadAttention(2, 4)(query, key))


@pytest.fixture(autouse=True)
def double():
    keras.backend.clear_session()  # it remembers the precision of models of other tests
    keras.config.set_floatx("float64")
    torch.set_default_dtype(torch.float64)
    yield
    keras.config.set_floatx("float32")
    keras.backend.clear_session()
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("make", [*MODELS.values(), attention], ids=[*MODELS, "attention"])
def test_both_compute_the_same(make, tmp_path):
    model, generator = make(), np.random.default_rng(0)
    for variable in model.variables:
        if "seed" not in variable.path:
            low = 0.5 if "variance" in variable.path else -1.0
            variable.assign(generator.uniform(low, 1.5, variable.shape))
    graph = read_keras(model)
    written, load = emit(graph, tmp_path)
    shapes = [tuple(size if isinstance(size, int) else 3 for size in value.shape) for value in graph.inputs]
    arrays = [
        generator.normal(size=shape) if value.dtype.startswith("float") else generator.integers(0, 20, shape)
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
