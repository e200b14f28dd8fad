"""A Keras source in double precision, in this process."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from netglot.dialects.keras.hierarchy import hierarchy  # noqa: E402
from netglot.verify.arrays import read_arrays, write_arrays  # noqa: E402
from netglot.verify.source_keras import Runtime  # noqa: E402


@keras.saving.register_keras_serializable("netglot_tests")
class Single(keras.layers.Layer):
    """Makes layers of single precision for itself, of which its configuration tells nothing."""

    def build(self, shape):
        self.dense = keras.layers.Dense(4, dtype="float32", bias_initializer="ones")
        self.dense.build(shape)
        self.softmax = keras.layers.Softmax(dtype=keras.DTypePolicy("float32"))

    def call(self, x):
        return self.softmax(self.dense(x))


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # when Keras saves


@pytest.fixture(autouse=True)
def single_precision():
    keras.backend.clear_session()
    keras.config.set_floatx("float32")
    keras.saving.get_custom_objects()["netglot_tests>Single"] = Single  # other tests clear what is registered
    yield
    keras.config.set_floatx("float32")
    keras.backend.clear_session()


def test_layers_that_ask_for_single_precision_are_widened_too(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), Single()])
    kernel, bias = (np.asarray(v, "float64") for v in model.get_weights())
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32").astype("float64")
    wide = np.exp(x @ kernel + bias)
    wide /= wide.sum(1, keepdims=True)

    runtime = Runtime(str(tmp_path))
    runtime.load({"args": ["x"], "kwargs": {}}, str(tmp_path / "model.keras"))
    errors = {}
    for dtype in ("float64", "float32"):
        runtime.set_dtype(dtype)
        (found,) = read_arrays(runtime.run(write_arrays(tmp_path, {"x": x}))).values()
        assert found.dtype == dtype
        errors[dtype] = np.abs(found - wide).max()
    assert errors["float64"] < 1e-15 < 1e-9 < errors["float32"]


@keras.saving.register_keras_serializable("netglot_tests")
class Nameless(keras.layers.Layer):
    """Names no argument for its name, so that a file tells it beside its configuration only."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.dense = keras.layers.Dense(units)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


def test_layers_that_take_no_name_keep_theirs(tmp_path):
    keras.saving.get_custom_objects()["netglot_tests>Nameless"] = Nameless
    given = keras.Input((3,))
    model = keras.Model(given, Nameless(5)(Nameless(4)(given)))
    model.save(tmp_path / "model.keras")
    named = {name: list(v.shape) for name, v in hierarchy(model).variables.items()}
    runtime = Runtime(str(tmp_path))
    runtime.load({"args": ["x"], "kwargs": {}}, str(tmp_path / "model.keras"))
    assert {name: shape for name, shape, *_ in runtime.describe()["state"]} == named


def test_variables_go_by_the_names_that_they_had(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="other")])
    model.save(tmp_path / "model.keras")
    runtime = Runtime(str(tmp_path))
    names = [["before.kernel", [3, 4]], ["before.bias", [4]]]
    runtime.load({"args": ["x"], "kwargs": {}}, str(tmp_path / "model.keras"), variables=names)
    assert [[name, shape] for name, shape, *_ in runtime.describe()["state"]] == names


@keras.saving.register_keras_serializable("netglot_tests")
class Rows(keras.Model):
    """A model that floats cannot build: one of its inputs chooses rows of the other."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, inputs, training=None):
        x, places = inputs
        return keras.ops.take(self.dense(x), places, axis=0)


def test_what_only_a_call_builds_is_built(tmp_path):
    from netglot.frontend.inputs import InputSpec
    from netglot.verify.ship import save_keras

    model, x, places = Rows(), np.ones((3, 4), "float32"), np.asarray([2, 0], "int32")
    expected = np.asarray(model([x, places]))
    kernel = model.dense.kernel
    kernel.assign(kernel * 2)
    told = save_keras(model, tmp_path, [InputSpec((3, 4), "float32"), InputSpec((2,), "int32")])
    runtime = Runtime(str(tmp_path))
    runtime.load({"args": [["x", "places"]], "kwargs": {}}, **told)
    (found,) = read_arrays(runtime.run(write_arrays(tmp_path, {"x": x, "places": places}))).values()
    np.testing.assert_allclose(found, 2 * expected, rtol=1e-6)
