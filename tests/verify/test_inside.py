"""A Keras source shows no values of its own: what was read of it stands for it where the first difference is sought."""

from unittest import mock

import pytest

keras = pytest.importorskip("keras")

import netglot.dialects.keras.layers  # noqa: E402
import netglot.dialects.torch.write_ops  # noqa: E402, F401
from netglot import convert  # noqa: E402
from netglot.dialects.keras.dialect import keras as source  # noqa: E402
from netglot.dialects.torch.dialect import torch as target  # noqa: E402
from netglot.pivot import ops  # noqa: E402


def network():
    given = keras.Input((3, 4))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(4, name="first")(given))
    return keras.Model(given, keras.layers.LeakyReLU(0.3, name="leaky")(x))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_mistakes_in_writing_and_in_reading_are_told_apart():
    (write,), read = target.writers[ops.BatchNorm], source.readers["layers.LeakyReLU"]
    written = {ops.BatchNorm: [lambda op: write(op.replace(epsilon=0.1))]}

    def misread(layer, inputs):
        return read(layer, inputs).replace(slope=0.2)

    with mock.patch.dict(target.writers, written), mock.patch.dict(source.readers, {"layers.LeakyReLU": misread}):
        report = convert(network(), to="torch").report
    first = report["first_difference"]
    assert (report["verdict"], first["op"], first["module"]) == ("different", "BatchNorm", "norm")
    assert any("the source was read as another network" in one for one in report["differences"])
