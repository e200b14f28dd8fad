"""ML Programs that coremltools made, held against what the networks that they were made of computed."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from netglot.dialects.coreml.read import read_coreml
from netglot.errors import InputError, UnsupportedOps
from netglot.formats.registry import format_of
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate

PARTS = ("Manifest.json", "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin")
NAMES = ("pictures", "pictures_in_half", "words", "attention", "attention_of_its_own", "many", "both", "gated", "rare")


@functools.cache
def recorded():
    with np.load(Path(__file__).parent / "recorded_programs.npz") as held:
        return {name: held[name] for name in held.files}


def package(name: str, folder: Path) -> Path:
    path = folder / "net.mlpackage"
    for part in PARTS:
        (path / part).parent.mkdir(parents=True, exist_ok=True)
        (path / part).write_bytes(recorded()[f"{name}/{part}"].tobytes())
    return path


@pytest.mark.parametrize("name", NAMES)
def test_read(name, tmp_path):
    path = package(name, tmp_path)
    assert format_of(path).name == "coreml"
    graph = read_coreml(path)
    (value,) = graph.inputs
    found = evaluate(graph, {value.name: recorded()[f"{name}/in"].astype(value.dtype)}, precision="float64")
    wide = 2e-2 if name.endswith("half") else 1e-5
    np.testing.assert_allclose(found, recorded()[f"{name}/out"], rtol=wide, atol=wide)
    assert any("half precision" in note for note in graph.notes) == name.endswith("half")


def test_layers_keep_their_names_and_the_batch_is_open(tmp_path):
    graph = read_coreml(package("pictures", tmp_path))
    assert {"stem.weight", "blocks.0.conv1.weight", "blocks.1.conv2.bias"} <= graph.parameters.keys()
    assert str(graph.inputs[0].type) == "float32[B, 3, 33, 33]"
    assert sum(isinstance(node.op, ops.Lstm) for node in read_coreml(package("both", tmp_path)).nodes) == 2


def test_a_loop_is_written_out_and_its_steps_share_their_weights(tmp_path):
    graph = read_coreml(package("gated", tmp_path))
    steps = [node for node in graph.nodes if isinstance(node.op, ops.Tanh)]
    assert len(steps) == 2 * 2 * 5
    assert sum(len(one.shape) == 2 and one.kind == "parameter" for one in graph.parameters.values()) == 4 * 6 + 1
    assert str(graph.inputs[0].type) == "float32[2, 5, 4]"


def test_a_loop_by_the_data_is_refused(tmp_path):
    path = package("gated", tmp_path)
    model = path / PARTS[1]
    before = model.read_bytes()
    assert before.count(b"less") > 2
    model.write_bytes(before.replace(b"\x0a\x04less", b"\x0a\x04lesx"))
    with pytest.raises(UnsupportedOps, match="lesx"):
        read_coreml(path)


def test_what_is_not_whole_is_an_error(tmp_path):
    path = package("words", tmp_path)
    (path / PARTS[2]).unlink()
    with pytest.raises(InputError, match=r"weight\.bin"):
        read_coreml(path)
    (path / PARTS[0]).write_text('{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "../../x"}}}')
    with pytest.raises(InputError, match="outside"):
        read_coreml(path)


def test_an_operation_without_a_reading_is_refused_by_name(tmp_path):
    path = package("pictures", tmp_path)
    model = path / PARTS[1]
    model.write_bytes(model.read_bytes().replace(b"leaky_relu", b"leaky_what"))
    with pytest.raises(UnsupportedOps, match="leaky_what"):
        read_coreml(path)


def test_damaged_programs_are_errors(damage, tmp_path):
    path = package("many", tmp_path)
    damage(path / PARTS[1], lambda: read_coreml(path), any_bytes=True)


def test_an_input_that_is_no_tensor_of_numbers(tmp_path):
    path = package("words", tmp_path)
    model = path / PARTS[1]
    before = b"\x0a\x01x\x12\x12\x0a\x10\x08"
    model.write_bytes(model.read_bytes().replace(before + b"\x17", before + b"\x63"))
    with pytest.raises(InputError, match="no tensor of numbers"):
        read_coreml(path)
