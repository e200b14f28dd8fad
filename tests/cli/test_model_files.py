"""Models in files of their own, from the command line to PyTorch: which are understood, and what is said of others."""

import json
import textwrap

import numpy as np
import pytest

from netglot import cli

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from keras import layers  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # when Keras saves
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file"),
]

OWN_LAYER = """
    import keras

    @keras.saving.register_keras_serializable("mine")
    class Scaled(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), name="scale", initializer="ones")

        def call(self, x):
            return x * self.scale
"""


@pytest.fixture
def small():
    image = keras.Input((8, 8, 3), name="image")
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, padding="same", name="stem")(image))
    return keras.Model(image, layers.Dense(2, name="top")(layers.GlobalAveragePooling2D()(x)), name="small")


def run(capsys, *argv):
    code = cli.run([str(one) for one in argv])
    told = capsys.readouterr()
    return code, told.out, told.err


def convert(capsys, source, out, *more):
    return run(capsys, "convert", source, "--to", "torch", "-o", out, *more)


def emitted(folder):
    return (folder / "model.py").read_text()


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_saved_model_is_proven(small, tmp_path, capsys, name):
    if name == "net.h5":  # the proof is the same for both
        small.save(tmp_path / name)
        code, _, err = convert(capsys, tmp_path / name, tmp_path / "out", "--no-verify")
    else:
        small.save(tmp_path / name)
        code, out, err = convert(capsys, tmp_path / name, tmp_path / "out", "--json")
        record = json.loads(out)
        assert record["verdict"] == "equivalent" and record["float64"]["max_rel"] < 1e-12
        assert record["parameters"]["source"] == record["parameters"]["target"]
        assert record["training"]["same"]
    assert code == 0, err
    assert "class Small(nn.Module)" in emitted(tmp_path / "out")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "README.md", "model.py", "model.safetensors", "report.json",
    ]  # fmt: skip


def test_a_served_model_is_proven(small, tmp_path, capsys):
    small.export(tmp_path / "net", verbose=False)
    code, out, err = convert(capsys, tmp_path / "net", tmp_path / "out", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["verdict"] == "equivalent" and record["float64"]["max_rel"] < 1e-7
    assert record["gradients"]["same"] and record["gradients"]["parameters"] == 6
    code, _, err = convert(capsys, tmp_path / "net", tmp_path / "other", "--signature", "train")
    assert code == 2 and "no signature 'train'" in err and "it has serve" in err


def test_architecture_and_weights(small, tmp_path, capsys):
    (tmp_path / "net.json").write_text(small.to_json())
    small.save_weights(tmp_path / "net.weights.h5")
    given = ("--weights", tmp_path / "net.weights.h5", "--no-verify")
    assert convert(capsys, tmp_path / "net.json", tmp_path / "out", *given)[0] == 0
    from safetensors.numpy import load_file

    kernel = np.asarray(small.get_layer("stem").kernel)
    assert np.array_equal(
        load_file(tmp_path / "out" / "model.safetensors")["stem.weight"], kernel.transpose(3, 2, 0, 1)
    )


def test_weights_beside_code(small, tmp_path, capsys):
    (tmp_path / "network_of_a_test.py").write_text(
        "from keras import layers, Sequential\nnet = Sequential([layers.Dense(2)])\n"
    )
    other = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    other.save_weights(tmp_path / "net.weights.h5")
    given = ("--weights", tmp_path / "net.weights.h5", "--input", "1,3", "--no-verify")
    code, _, err = convert(capsys, f"{tmp_path / 'network_of_a_test.py'}:net", tmp_path / "out", *given)
    assert code == 0, err


def test_the_users_own_classes(tmp_path, capsys):
    (tmp_path / "own_layers_of_a_test.py").write_text(textwrap.dedent(OWN_LAYER))
    namespace: dict = {}
    exec(textwrap.dedent(OWN_LAYER), {"__name__": "elsewhere"}, namespace)
    model = keras.Sequential([keras.Input((4,)), namespace["Scaled"](name="own")])
    model.save(tmp_path / "net.keras")
    keras.saving.get_custom_objects().clear()
    code, _, err = convert(capsys, tmp_path / "net.keras", tmp_path / "out")
    assert code == 2 and "Scaled" in err and "own" in err and "--import my_layers.py" in err
    assert not (tmp_path / "out").exists()
    supplied = ("--import", tmp_path / "own_layers_of_a_test.py", "--no-verify")
    assert convert(capsys, tmp_path / "net.keras", tmp_path / "out", *supplied)[0] == 0
    assert "class Scaled(nn.Module)" in emitted(tmp_path / "out")


def test_code_in_a_file_runs_when_trusted(tmp_path, capsys):
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2.0, name="twice")])
    model.save(tmp_path / "net.keras")
    code, _, err = convert(capsys, tmp_path / "net.keras", tmp_path / "out")
    assert code == 3 and "twice" in err and "--trust" in err
    assert convert(capsys, tmp_path / "net.keras", tmp_path / "out", "--trust", "--no-verify")[0] == 0
    assert "* 2.0" in emitted(tmp_path / "out")


def truncated(small, folder):
    small.save(folder / "net.keras")
    data = (folder / "net.keras").read_bytes()
    (folder / "net.keras").write_bytes(data[: len(data) // 2])
    return [folder / "net.keras"], "is it truncated?"


def truncated_hdf5(small, folder):
    small.save(folder / "net.h5")
    data = (folder / "net.h5").read_bytes()
    (folder / "net.h5").write_bytes(data[: len(data) // 2])
    return [folder / "net.h5"], "is it truncated?"


def of_another_model(small, folder):
    (folder / "net.json").write_text(keras.Sequential([keras.Input((3,)), layers.Dense(2)]).to_json())
    small.save_weights(folder / "net.weights.h5")
    return [folder / "net.json", "--weights", folder / "net.weights.h5"], "does not fit"


def weights_alone(small, folder):
    small.save_weights(folder / "net.weights.h5")
    return [folder / "net.weights.h5"], "holds weights and no architecture"


def missing(small, folder):
    small.save(folder / "net.keras")
    return [folder / "nett.keras"], "did you mean"


def no_saved_model(small, folder):
    (folder / "net").mkdir()
    return [folder / "net"], "it has no saved_model.pb"


def without_signature(small, folder):
    class Plain(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 3])])
        def score(self, x):
            return x * 2.0

        @tf.function(input_signature=[tf.TensorSpec([None, 3])])
        def embed(self, x):
            return x + 2.0

    tf.saved_model.save(Plain(), str(folder / "net"))
    return [folder / "net"], "it has the functions embed, score"


def signature_of_a_file(small, folder):
    small.save(folder / "net.keras")
    return [folder / "net.keras", "--signature", "serve"], "only a SavedModel has signatures"


def missing_import(small, folder):
    small.save(folder / "net.keras")
    return [folder / "net.keras", "--import", folder / "none.py"], "none.py: no such file"


@pytest.mark.parametrize(
    "make",
    [
        truncated, truncated_hdf5, of_another_model, weights_alone, missing, no_saved_model, without_signature,
        signature_of_a_file, missing_import,
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(small, tmp_path, capsys, make):
    (source, *more), says = make(small, tmp_path)
    code, out, err = convert(capsys, source, tmp_path / "out", *more)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split())
    assert err.startswith("error: ") and len([line for line in err.splitlines() if not line.startswith("  ")]) == 1
    assert not (tmp_path / "out").exists()


def test_weights_that_cannot_be_fetched(tmp_path, capsys, monkeypatch):
    def fails(*_, **__):
        raise Exception("URL fetch failure on https://...: None")

    monkeypatch.setattr("keras.src.applications.mobilenet_v2.file_utils.get_file", fails)
    code, _, err = convert(capsys, "keras.applications:MobileNetV2", tmp_path / "out")
    assert code == 2
    assert "keras.applications:MobileNetV2(weights=None)" in " ".join(err.split())
