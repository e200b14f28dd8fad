"""From Keras to the pivot and back to Keras: the same numbers, and the same text after one round."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers
from keras_reading import call, close, draw, randomise, read

from netglot.dialects.keras.write import save_weights, write


def image():
    x = given = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Add()([x, layers.SeparableConv2D(8, 3, padding="same")(x)])
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same")(layers.MaxPooling2D(3, 2, padding="same")(x))
    x = layers.GlobalAveragePooling2D()(layers.UpSampling2D()(x))
    return keras.Model(given, layers.Dense(5, activation="softmax", name="top")(x), name="small_net")


def sequence():
    given = keras.Input((9, 5))
    x = layers.LSTM(4, return_sequences=True)(given)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum")(x)
    x = layers.GRU(3, reset_after=False, return_sequences=True)(x)
    x = layers.MultiHeadAttention(2, 4)(x, x)
    return keras.Model(given, layers.SimpleRNN(3)(layers.LayerNormalization()(x)), name="sequence_net")


def padded():
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(7, 6, mask_zero=True)(tokens)
    return keras.Model(tokens, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)), name="padded_net")


def nested():
    body = keras.Sequential([keras.Input((6,)), layers.Dense(6, activation="gelu"), layers.Dropout(0.1)], name="body")
    given = keras.Input((6,))
    x = layers.Add()([body(given), given])
    return keras.Model(given, [layers.Dense(2)(x), layers.UnitNormalization()(x)], name="nested_net")


def emitted(graph, folder):
    """The text and the model that the writer makes of a graph."""
    folder.mkdir()
    written = write(graph)
    (folder / "model.py").write_text(written.source)
    save_weights(written, folder / "model.weights.h5")
    spec = importlib.util.spec_from_file_location("emitted", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return written, module.load()


def output_of(model, graph, arrays):
    tensors = [keras.ops.convert_to_tensor(arrays[value.name]) for value in graph.inputs]
    if len(tensors) == 1:
        return model(tensors[0])
    return model({value.name: tensor for value, tensor in zip(graph.inputs, tensors, strict=True)})


MODELS = [image, sequence, padded, nested]


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_numbers_survive_the_round_trip(make, tmp_path):
    model = make()
    randomise(model)
    graph = read(model)
    _, back = emitted(read(model), tmp_path / "back")
    for batch in (1, 3):
        arrays = draw(graph, batch, seed=batch, high=5)
        found = keras.tree.map_structure(np.asarray, output_of(back, graph, arrays))
        close(found, call(model, graph, arrays), 1e-8)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_trainable_parameters_are_the_same(make, tmp_path):
    model = make()
    _, back = emitted(read(model), tmp_path / "back")
    assert back.count_params() == model.count_params()
    counts = [sum(int(np.prod(v.shape)) for v in one.trainable_variables) for one in (model, back)]
    assert counts[0] == counts[1]
