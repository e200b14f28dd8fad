"""Neural networks of Core ML whose arrays keep their shapes, and recurrent layers, against what they were made of."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from netglot.dialects.coreml.read import read_coreml
from netglot.errors import UnsupportedOps
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate

NAMES = (
    "pictures", "pair", "words", "attention", "functions", "older", "resnet", "mobilenet", "sound", "classifier",
    "bitmap", "in_half", "in_8_bits", "in_a_table",
)  # fmt: skip


@functools.cache
def recorded():
    found = {}
    for kind in ("exact", "known"):
        with np.load(Path(__file__).parent / f"recorded_{kind}.npz") as held:
            found |= {name: held[name] for name in held.files}
    return found


def written(name: str, folder: Path) -> Path:
    (folder / "net.mlmodel").write_bytes(recorded()[f"{name}/file"].tobytes())
    return folder / "net.mlmodel"


@pytest.mark.parametrize("name", NAMES)
def test_read(name, tmp_path):
    graph = read_coreml(written(name, tmp_path))
    given = [recorded()[key] for key in sorted(recorded()) if key.startswith(f"{name}/in/")]
    pairs = zip(graph.inputs, given, strict=True)
    found = evaluate(graph, {value.name: array.astype(value.dtype) for value, array in pairs}, precision="float64")
    found = list(found.values()) if isinstance(found, dict) else [found]
    expected = [recorded()[key] for key in sorted(recorded()) if key.startswith(f"{name}/out/")]
    for place, (got, want) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6, err_msg=str(place))


def test_the_batch_is_open_and_recurrent_layers_are_layers(tmp_path):
    graph = read_coreml(written("pictures", tmp_path))
    assert str(graph.inputs[0].type) == "float32[B, 3, 32, 32]"
    graph = read_coreml(written("words", tmp_path))
    assert sum(isinstance(node.op, ops.Lstm) for node in graph.nodes) == 2
    assert str(graph.inputs[0].type) == "float32[1, 7]"  # the states that it begins with are of a batch of one
    graph = read_coreml(written("older", tmp_path))
    assert {type(node.op).__name__ for node in graph.nodes} >= {"Lstm", "Gru", "Rnn"}
    assert any("the first axis of inputs is the sequence" in note for note in graph.notes)


def test_a_recurrence_with_other_gates_is_refused(tmp_path):
    path = written("older", tmp_path)
    model = path.read_bytes()
    sigmoid, softplus = b"\x52\x03\xc2\x02\x00", b"\x52\x03\xb2\x04\x00"
    assert sigmoid in model
    path.write_bytes(model.replace(sigmoid, softplus))
    with pytest.raises(UnsupportedOps, match="a recurrence with softplus"):
        read_coreml(path)


def test_damaged_networks_are_errors(damage, tmp_path):
    path = written("words", tmp_path)
    damage(path, lambda: read_coreml(path), any_bytes=True)
