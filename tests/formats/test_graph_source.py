"""A graph in a file is a source like any other: converted, and proven by the meaning of its ops."""

import numpy as np
import pytest
import torch
from torch import nn

import netglot
from netglot.errors import InputError, RequestError
from netglot.formats.registry import FORMATS, format_of
from netglot.pivot import serialize


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder that holds a small network."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))
    folder = tmp_path_factory.mktemp("saved")
    serialize.save(netglot.read(network, inputs=[(1, 3, 8, 8)]), folder)
    return folder


def test_is_recognised_by_its_files(saved, tmp_path):
    assert format_of(saved) is format_of(saved / "network.json") is FORMATS["netglot"]
    assert format_of(tmp_path) is None


@pytest.mark.parametrize("to", ["keras", "torch"])
def test_converts_and_is_proven(saved, to):
    conversion = netglot.convert(str(saved), to=to)
    assert conversion.verdict == "equivalent"
    assert conversion.report["float64"]["max_rel"] < 1e-12
    assert conversion.report["parameters"]["source"] == conversion.report["parameters"]["target"]


def test_a_wrong_graph_is_found_at_its_node(saved, monkeypatch):
    """The source's worker gets another network than the one that was written."""
    from netglot.verify import conversion

    shipped = conversion._shipped

    def planted(request, folder):
        answer = shipped(request, folder)
        path = folder / "source" / "network.json"
        text = path.read_text()
        assert '"Relu"' in text
        path.write_text(text.replace('"Relu"', '"Sigmoid"'))
        return answer

    monkeypatch.setattr(conversion, "_shipped", planted)
    conversion = netglot.convert(str(saved), to="torch")
    assert conversion.verdict == "different"
    assert "relu" in str(conversion.report["first_difference"])


def test_initialisers_survive_the_file(saved):
    graph = serialize.load(saved)
    kinds = {name: p.initialiser and p.initialiser.kind for name, p in graph.parameters.items()}
    assert kinds["0.weight"] == "uniform" and kinds["1.weight"] == "constant"
    assert np.isfinite(graph.parameters["0.weight"].initialiser.b)


def test_says_what_is_wrong(saved, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        netglot.convert(str(tmp_path / "network.json"), to="torch")
    with pytest.raises(RequestError, match="already"):
        netglot.convert(str(saved), to="torch", weights=str(saved / "weights.safetensors"))
