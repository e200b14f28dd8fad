"""Files of Keras: what they mean, and what is said of those that cannot be read."""

import json
import types
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from keras_reading import compare, randomise, read

from netglot.errors import InputError, UnsupportedOps, WeightsError
from netglot.formats import keras_file
from netglot.pivot.evaluate import evaluate

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # when Keras saves

FILES = Path(__file__).parent / "files"
EXPECTED = np.load(FILES / "keras2.npz")


@keras.saving.register_keras_serializable("tests")
class Scaled(layers.Layer):
    """A class of the user."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x):
        return x * self.scale


def small(*more):
    given = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="stem")(given)
    for layer in more:
        x = layer(x)
    model = keras.Model(given, layers.Dense(2, name="top")(layers.GlobalAveragePooling2D()(x)), name="small")
    randomise(model)
    return model


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_saved_model_is_read(tmp_path, name):
    model = small()
    model.save(tmp_path / name)
    assert keras_file.sniff(tmp_path / name) == name.partition(".")[2]
    loaded = keras_file.load(tmp_path / name)
    compare(model, read(loaded))


def test_architecture_and_weights(tmp_path):
    model = small()
    (tmp_path / "net.json").write_text(model.to_json())
    model.save_weights(tmp_path / "net.weights.h5")
    loaded = keras_file.load(tmp_path / "net.json", weights=tmp_path / "net.weights.h5")
    compare(model, read(loaded))


@pytest.mark.parametrize("name", ["cnn", "rnn", "ops"])
def test_keras_2_is_read(name):
    keras.config.set_floatx("float32")
    graph = read(keras_file.load(FILES / f"keras2_{name}.h5"))
    actual = evaluate(graph, {graph.inputs[0].name: EXPECTED[f"{name}_in"]})
    np.testing.assert_allclose(actual, EXPECTED[f"{name}_out"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["nested", "images"])
def test_archives_of_keras_2_are_read(name):
    """Nested models count their calls from one there; layers and options that Keras 3 lacks have their meaning."""
    keras.config.set_floatx("float32")
    graph = read(keras_file.load(FILES / f"keras2_{name}.keras"))
    actual = evaluate(graph, {graph.inputs[0].name: EXPECTED[f"{name}_in"]})
    np.testing.assert_allclose(actual, EXPECTED[f"{name}_out"], rtol=1e-4, atol=1e-5)


def test_weights_of_a_keras_2_archive_that_do_not_fit(tmp_path):
    with zipfile.ZipFile(FILES / "keras2_nested.keras") as source, zipfile.ZipFile(tmp_path / "net.keras", "w") as made:
        config = source.read("config.json").replace(b'"units": 3', b'"units": 5')
        made.writestr("config.json", config)
        for name in ("metadata.json", "model.weights.h5"):
            made.writestr(name, source.read(name))
    with pytest.raises(WeightsError, match="do not fit"):
        keras_file.load(tmp_path / "net.keras")


def test_keras_2_architecture_and_weights():
    keras.config.set_floatx("float32")
    graph = read(keras_file.load(FILES / "keras2_cnn.json", weights=FILES / "keras2_cnn_weights.h5"))
    actual = evaluate(graph, {graph.inputs[0].name: EXPECTED["cnn_in"]})
    np.testing.assert_allclose(actual, EXPECTED["cnn_out"], rtol=1e-5, atol=1e-6)


def test_hard_sigmoid_of_keras_2_keeps_its_formula():
    config = json.loads((FILES / "keras2_cnn.json").read_text())
    config["config"]["layers"][-1]["config"]["activation"] = "hard_sigmoid"
    from netglot.formats import keras2

    known = keras2.custom_objects()
    model = keras.saving.deserialize_keras_object(keras2.translated(config, {}), custom_objects=known)
    x = np.array([-1.0, 0.0, 1.0], "float32")
    np.testing.assert_allclose(model.layers[-1].activation(x), [0.3, 0.5, 0.7], rtol=1e-6)


def test_both_directions_of_keras_2_keep_its_formula():
    """A layer that is made of another one's config forgets no formula on the way."""
    from netglot.formats import keras2

    inner = {"class_name": "LSTM", "config": {"name": "lstm", "units": 3, "recurrent_activation": "hard_sigmoid"}}
    around = {"class_name": "Bidirectional", "config": {"name": "both", "layer": inner, "merge_mode": "concat"}}
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": [around]}}
    model = keras.saving.deserialize_keras_object(keras2.translated(config, {}), custom_objects=keras2.custom_objects())
    for layer in (model.layers[0].forward_layer, model.layers[0].backward_layer):
        curve = layer.cell.recurrent_activation
        np.testing.assert_allclose(curve(np.array([-1.0, 0.0, 1.0], "float32")), [0.3, 0.5, 0.7], rtol=1e-6)


def test_shapes_that_attention_of_keras_2_remembers_are_left_out():
    from netglot.formats import keras2

    inner = {"name": "attend", "num_heads": 2, "key_dim": 4, "query_shape": [None, 6, 6], "value_shape": [None, 6, 6]}
    made = keras2.translated({"class_name": "MultiHeadAttention", "config": inner | {"key_shape": None}}, {})
    assert "query_shape" not in made["config"]


def test_lambda_layers_are_refused(tmp_path):
    model = small(layers.Lambda(lambda x: x * 2, name="twice"))
    model.save(tmp_path / "net.keras")
    with pytest.raises(UnsupportedOps, match="runs no code") as caught:
        keras_file.load(tmp_path / "net.keras")
    assert "twice" in caught.value.refused[0].where
    compare(model, read(keras_file.load(tmp_path / "net.keras", trust=True)))


def test_lambda_layers_of_keras_2_are_refused():
    with pytest.raises(UnsupportedOps, match="runs no code"):
        keras_file.load(FILES / "keras2_lambda.h5")


def test_a_function_that_may_do_more_than_compute_is_refused():
    from netglot.errors import Refusal
    from netglot.formats.keras2 import call_by_name

    for name in ("io.read_file", "py_function", "numpy_function", "__class__", "raw_ops.ReadFile", "math.__class__"):
        with pytest.raises(Refusal):
            call_by_name(name, (), {})


def renamed(path: Path, target: Path, old: str, new: str) -> Path:
    """A copy of an archive with a word of its config changed."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as made:
        for name in source.namelist():
            held = source.read(name)
            made.writestr(name, held.replace(old.encode(), new.encode()) if name == "config.json" else held)
    return target


def test_unknown_layer_is_named_with_its_place(tmp_path):
    small(Scaled(name="scaling")).save(tmp_path / "net.keras")
    path = renamed(tmp_path / "net.keras", tmp_path / "other.keras", "Scaled", "Rescaled")
    with pytest.raises(InputError, match=r"Rescaled of the layer .*scaling") as caught:
        keras_file.load(path)
    assert "--import" in caught.value.advice


def test_users_module_supplies_a_layer(tmp_path):
    model = small(Scaled(name="scaling"))
    model.save(tmp_path / "net.keras")
    module = types.ModuleType("my_layers")
    module.Scaled = Scaled
    compare(model, read(keras_file.load(tmp_path / "net.keras", modules=[module])))


def test_damaged_archives(tmp_path):
    path = tmp_path / "net.keras"
    small().save(path)
    whole = path.read_bytes()
    for part in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(InputError, match="archive"):
            keras_file.load(path)
    path.write_bytes(b"not an archive")
    with pytest.raises(InputError):
        keras_file.load(path)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_damaged_hdf5(tmp_path):
    path = tmp_path / "net.h5"
    small().save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="HDF5"):
        keras_file.load(path)


def test_weights_that_do_not_fit(tmp_path):
    small(layers.Conv2D(5, 1)).save_weights(tmp_path / "net.weights.h5")
    (tmp_path / "net.json").write_text(small().to_json())
    with pytest.raises(WeightsError, match="does not fit small"):
        keras_file.load(tmp_path / "net.json", weights=tmp_path / "net.weights.h5")


def test_weights_alone_need_an_architecture(tmp_path):
    small().save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(InputError, match="weights and no architecture"):
        keras_file.load(tmp_path / "net.weights.h5")


def test_json_that_is_no_model(tmp_path):
    (tmp_path / "net.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="not the architecture"):
        keras_file.load(tmp_path / "net.json")


def sliced():
    given = keras.Input((4, 6))
    return keras.Model(given, given[:, ::-1, 1:4] * 2.0)


def halved(policy):
    """A network under a dtype policy of half precision, whose last layer is in single precision."""
    given = keras.Input((6, 6, 3), dtype="float32")
    x = layers.BatchNormalization(dtype=policy)(layers.Conv2D(4, 3, dtype=policy)(given))
    x = layers.GlobalAveragePooling2D(dtype=policy)(x)
    return keras.Model(given, layers.Dense(2, dtype="float32")(x))


def test_slices_come_back_from_a_file(tmp_path):
    model = sliced()
    model.save(tmp_path / "net.keras")
    compare(model, read(keras_file.load(tmp_path / "net.keras")))


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_half_precision_is_read_in_single_precision(policy):
    model = halved(policy)
    randomise(model)
    graph = read(model)
    kinds = {value.dtype for node in graph.nodes for value in node.results} | {
        p.dtype for p in graph.parameters.values()
    }
    assert kinds == {"float32"} and any(f"the dtype policy {policy}" in note for note in graph.notes)
    assert model.layers[1].dtype_policy.name == policy
    plain = halved("float32")
    plain.set_weights([np.asarray(weight).astype("float32") for weight in model.get_weights()])
    compare(plain, graph, tolerance=1e-5)


def strength(x):
    return keras.ops.abs(x)


def test_trusted_code_sees_what_is_imported(tmp_path):
    given = keras.Input((3,))
    model = keras.Model(given, layers.Lambda(lambda x: strength(x) + keras.ops.sin(x), output_shape=(3,))(given))
    model.save(tmp_path / "net.keras")
    names = types.ModuleType("names")
    names.strength = strength
    compare(model, read(keras_file.load(tmp_path / "net.keras", trust=True, modules=[names])))
