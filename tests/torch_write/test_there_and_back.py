"""PyTorch to Keras to PyTorch: the same numbers as the first network, and the same text from the first round on.

The network that comes back is converted once more there and back. That Keras's text is a fixed point too follows: it
is made of the same PyTorch text with the same weights.
"""

import numpy as np
import pytest
import torch
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
"""Networks of full size that go round in some seconds. The others of the golden ones take too long; their classes go
round in small."""


def densely_connected():
    from tests.conftest import register_torchvision_operators

    register_torchvision_operators()
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=4, block_config=(2, 3), num_init_features=8, num_classes=5)


def vision_transformer():
    from tests.conftest import register_torchvision_operators

    register_torchvision_operators()
    from torchvision.models import VisionTransformer

    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16, "num_classes": 3}
    network = VisionTransformer(image_size=16, patch_size=4, **sizes)
    torch.nn.init.normal_(network.heads.head.weight)  # which is zero at first
    return network


LESSER = {
    "densenet": (densely_connected, ["B,3,32,32"]),
    "vision_transformer": (vision_transformer, ["B,3,16,16"]),
}


@pytest.fixture(autouse=True)
def afresh():
    keras.backend.clear_session(free_memory=False)
    yield
    keras.backend.clear_session(free_memory=False)


@pytest.mark.parametrize("name", [*SMALL, *LARGER, *LESSER])
def test_there_and_back(name, tmp_path):
    make, inputs = (NETWORKS | LESSER)[name]
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
