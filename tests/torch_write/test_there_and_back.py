"""PyTorch to Keras to PyTorch: the same numbers as the first network, and the same text from the first round on.

The network that comes back is converted once more there and back. That Keras's text is a fixed point too follows: it
is made of the same PyTorch text with the same weights.
"""

import numpy as np
import pytest
from tests.golden.networks import NETWORKS, SMALL
from tests.torch_write.emitted import emit, outputs
from tests.torch_write.test_round_trip import arguments_for

import netglot

keras = pytest.importorskip("keras")

from netglot.dialects.keras.read import read_keras  # noqa: E402
from netglot.dialects.keras.write import save_weights, write  # noqa: E402
from netglot.verify.emitted import import_emitted  # noqa: E402


def by_way_of_keras(network, inputs, folder):
    """The Keras network, and the PyTorch text and network that come back from it."""
    for name in ("keras", "torch"):
        (folder / name).mkdir(parents=True)
    graph = netglot.read(network, inputs)
    written = write(graph)
    (folder / "keras" / "model.py").write_text(written.source)
    save_weights(written, folder / "keras" / "model.weights.h5")
    model = import_emitted(str(folder / "keras" / "model.py")).load()
    specs = keras_specs(graph, written)
    back, load = emit(read_keras(model, inputs=specs), folder / "torch")
    return model, back, load


def keras_specs(graph, written):
    """What the Keras network is called with: one tensor, or a dictionary of them, in its own order of axes."""
    from netglot.frontend.inputs import Inputs, InputSpec

    specs = {
        value.name: InputSpec(tuple(value.shape[axis] for axis in order), value.dtype, value.name)
        for value, order in zip(graph.inputs, written.arranged.inputs, strict=True)
    }
    return Inputs((next(iter(specs.values())) if len(specs) == 1 else specs,))


SUMMED = {"lstm_classifier"}
"""Networks whose two biases are one in Keras: their sum has no distribution by which its start could be recognised, so
the text says nothing of it from the second round on."""

LARGER = ("resnet18", "mobilenet_v3_large")
"""Networks of full size that go round in some seconds; the others of the golden ones take too long."""


@pytest.fixture(autouse=True)
def afresh():
    keras.backend.clear_session(free_memory=False)
    yield
    keras.backend.clear_session(free_memory=False)


@pytest.mark.parametrize("name", [*SMALL, *LARGER])
def test_there_and_back(name, tmp_path):
    make, inputs = NETWORKS[name]
    network = make().eval()
    model, back, load = by_way_of_keras(lambda: network, inputs, tmp_path / "first")
    theirs, ours = load().double(), network.double()
    arguments = arguments_for(inputs)
    expected, found = outputs(ours, arguments), outputs(theirs, arguments)
    for one, other in zip(expected.values(), found.values(), strict=True):
        assert np.abs(other - one).max() <= 1e-13 * np.abs(one).max()
    trained = sum(p.numel() for p in theirs.parameters() if p.requires_grad)
    assert trained == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    _, twice, load = by_way_of_keras(load, inputs, tmp_path / "second")
    if name in SUMMED:
        back, (_, twice, _) = twice, by_way_of_keras(load, inputs, tmp_path / "third")
    assert twice.source == back.source
