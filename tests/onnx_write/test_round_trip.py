"""Whole networks to ONNX and back, with names and without; `python -m tests.zoo.onnx_round` has the others."""

import importlib.util

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

import numpy as np
import onnxruntime
import torch
from tests.zoo.onnx_round import _back, _without_names, chosen, run
from torch import nn

import netglot
from netglot.dialects.onnx.write import save_weights, write


@pytest.mark.parametrize(
    "name", ["torchvision/resnet18", "torchvision/mobilenet_v3_small", "keras.applications/MobileNetV2"]
)
def test_a_network_comes_back_equal_and_its_blocks_are_found_without_names(name, torchvision):
    if name.startswith("keras") and importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    record = run(next(network for key, network in chosen().items() if key == name))
    assert record["verdict"] == "equal", record
    assert record["bare classes"] >= 2 and record["bare longest"] <= 40


def _there_and_back(module, x, folder):
    """The model in onnxruntime and the network read back, both beside the network itself."""
    path = folder / "model.onnx"
    module.eval()
    save_weights(write(netglot.read(module, inputs=[x]), keep_layout=True), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(made, module(x).numpy(), rtol=1e-4, atol=1e-5)
        wanted = [module.double()(x.double()).numpy()]
    assert _back(path, folder, [x.numpy()], wanted, "")["back"] < 1e-9
    return (folder / "named" / "model.py").read_text()


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.RNN(3, 3, num_layers=2, batch_first=True)

    def forward(self, x):
        return self.recurrent(x)[0] - self.recurrent(x * 0.5)[0]


class Stretched(nn.Module):
    def forward(self, x):
        return nn.functional.interpolate(x, size=(5, 9), mode="bicubic")


class Around(nn.Module):
    def forward(self, x):
        y = x.transpose(3, 4).reshape(-1, 5, 1, 1, 12).softmax(2)
        return nn.functional.pad(y, (0, 0, 0, 0, 1, 1), mode="circular")[:, :, :1]


@pytest.mark.parametrize(
    ("module", "shape", "text"),
    [
        (Twice(), (2, 4, 3), "self.recurrent_2(rnn)"),
        (nn.Upsample(size=(4, 6)), (1, 2, 14, 6), "[:, :, self."),
        (Stretched(), (1, 2, 5, 4), 'size=(5, 9), mode="bicubic"'),
        (nn.MaxPool1d(2, padding=1, dilation=2, ceil_mode=True), (2, 4, 2), "dilation=2"),
        (Around(), (2, 5, 1, 3, 4), "torch.cat([x, x, x])"),
    ],
    ids=[
        "a recurrent module of two layers, called twice",
        "a nearest between two",
        "curves along one axis",
        "a wide dilated pool",
        "wrapped",
    ],
)
def test_a_network_comes_back(module, shape, text, tmp_path):
    assert text in _there_and_back(module, torch.randn(shape), tmp_path)


def test_curves_are_proven_in_double_precision():
    """ONNX's own implementation computes their weights in the precision of an attribute."""
    assert netglot.convert(Stretched(), to="onnx", inputs=[("B", 2, 5, 4)]).verdict == "equivalent"


class Residual(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.norm.weight, self.norm.bias = norm.weight, norm.bias
        self.mix = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.mix(self.norm(x))


class Tied(nn.Module):
    """Layers of their own in a sequence, with weights of one."""

    def __init__(self):
        super().__init__()
        norm = nn.LayerNorm(4)
        nn.init.normal_(norm.weight)
        self.blocks = nn.Sequential(*[Residual(norm) for _ in range(3)])

    def forward(self, x):
        return self.blocks(x)


def test_layers_that_share_weights_within_a_sequence_come_back(tmp_path):
    assert "nn.LayerNorm(4" in _there_and_back(Tied(), torch.randn(2, 4), tmp_path)


class Reading(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.RNN(4, 2, num_layers=2, nonlinearity="relu")
        self.block = nn.TransformerEncoderLayer(2, 1, 3, activation="gelu", batch_first=True)

    def forward(self, x):
        return self.block(self.recurrent(x.transpose(0, 1))[0].transpose(0, 1))


class Difference(nn.Module):
    def __init__(self):
        super().__init__()
        self.read = Reading()

    def forward(self, x):
        return (self.read(x) - self.read(x * 0.5)).softmax(-1)


def test_a_recurrent_layer_of_two_blocks_without_names_stands_around_both(tmp_path):
    module, x = Difference().eval(), torch.randn(2, 3, 4)
    save_weights(write(netglot.read(module, inputs=[x]), keep_layout=True), tmp_path / "model.onnx")
    _without_names(tmp_path / "model.onnx", tmp_path / "bare.onnx")
    with torch.no_grad():
        wanted = [module.double()(x.double()).numpy()]
    assert _back(tmp_path / "bare.onnx", tmp_path, [x.numpy()], wanted, "")["back"] < 1e-9
