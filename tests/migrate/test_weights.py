"""`--network` and `--weights`: the trained weights come along, and the target's own call loads them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from netglot.errors import InputError
from netglot.migrate.migrating import migrate

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
SOURCES = Path(__file__).parent / "sources"


def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_checkpoint_of_pytorch_is_loaded_by_keras(tmp_path):
    net = _module(SOURCES / "weights_torch.py").Net(4, classes=3).eval()
    with torch.no_grad():
        for one in net.parameters():
            one.add_(0.1 * torch.randn_like(one))
    torch.save({"epoch": 3, "net": {f"module.{k}": v for k, v in net.state_dict().items()}}, tmp_path / "net.pt")
    given = {"network": ["weights_torch.py:Net(4, classes=3)"], "weights": tmp_path / "net.pt"}
    found = migrate(SOURCES / "weights_torch.py", "keras", verify=False, **given)
    assert found.report["networks"][0]["weights"] == "model.weights.h5"
    found.save(tmp_path / "out")
    made = _module(tmp_path / "out" / "weights_torch.py").Net(4, classes=3)
    x = np.random.default_rng(0).random((2, 3, 9, 9), "float32")
    made(x)
    made.load_weights(tmp_path / "out" / "model.weights.h5")
    assert np.abs(np.asarray(made(x)) - net(torch.from_numpy(x)).detach().numpy()).max() < 1e-5
    with pytest.raises(InputError, match="does not fit: Net"):
        migrate(SOURCES / "weights_torch.py", "keras", verify=False, **given | {"network": ["weights_torch.py:Net(5)"]})


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own, where it saves
def test_weights_of_keras_are_loaded_by_pytorch(tmp_path):
    from safetensors.torch import load_file

    net = _module(SOURCES / "weights_keras.py").Tagger(20)
    ids = np.random.default_rng(0).integers(0, 20, (2, 7))
    net(ids)
    rng = np.random.default_rng(1)
    net.set_weights([one + 0.1 * rng.standard_normal(one.shape) for one in net.get_weights()])
    net.save_weights(tmp_path / "net.weights.h5")
    found = migrate(
        SOURCES / "weights_keras.py", "torch", network=["weights_keras.py:Tagger(20)"],
        weights=tmp_path / "net.weights.h5",
    )  # fmt: skip
    assert found.verdict == "equivalent", found.report
    assert found.report["networks"][0]["weights"] == "model.safetensors"
    found.save(tmp_path / "out")
    made = _module(tmp_path / "out" / "weights_keras.py").Tagger(20)
    made.load_state_dict(load_file(tmp_path / "out" / "model.safetensors"))
    with torch.no_grad():
        assert np.abs(np.asarray(net(ids)) - made.eval()(torch.from_numpy(ids)).numpy()).max() < 1e-5
