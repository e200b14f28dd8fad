"""CNTK's files against what CNTK 2.7 computes of them."""

import pathlib

import numpy as np
import pytest

from netglot.dialects.cntk.read import read_cntk
from netglot.errors import InputError, NetglotError, UnsupportedOps
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate

HERE = pathlib.Path(__file__).parent
RECORDED = {}
for _path in sorted(HERE.glob("recorded_*.npz")):
    with np.load(_path) as _file:
        RECORDED |= dict(_file)
NAMES = sorted({name.split("/")[0] for name in RECORDED})
STEPS = {"odd_cells": "x=1,4!,3"}


def read(folder, name):
    path = folder / "net.model"
    path.write_bytes(RECORDED[f"{name}/model"].tobytes())
    return read_cntk(path, inputs=STEPS.get(name))


def arrays_of(name):
    return {key.split("/in/")[1]: RECORDED[key] for key in RECORDED if key.startswith(f"{name}/in/")}


def outputs(graph, name):
    arrays = arrays_of(name)
    found = evaluate(graph, {value.name: arrays[value.name] for value in graph.inputs}, precision="float64")
    return list(found.values()) if isinstance(found, dict) else [found]


@pytest.mark.parametrize("name", NAMES)
def test_computes_what_cntk_computes(name, tmp_path):
    found = outputs(read(tmp_path, name), name)
    expected = [RECORDED[key] for key in sorted(RECORDED) if key.startswith(f"{name}/out/")]
    assert len(found) == len(expected)
    for place, (got, want) in enumerate(zip(found, expected, strict=True)):
        assert got.shape == want.shape, place
        np.testing.assert_allclose(got, want, rtol=3e-5, atol=3e-5, err_msg=str(place))


def kinds(graph):
    return [type(node.op).__name__ for node in graph.nodes]


def test_there_are_enough_networks():
    assert len(NAMES) >= 25 and {"resnet", "vgg", "lstm"} <= set(NAMES)


def test_batch_and_time_are_open(tmp_path):
    assert str(read(tmp_path, "resnet").inputs[0].type) == "float32[B, 3, 24, 24]"
    assert str(read(tmp_path, "lstm").inputs[0].type) == "float32[B, T, 3]"


def test_cells_become_layers(tmp_path):
    assert kinds(read(tmp_path, "lstm")) == ["Lstm", "Lstm"]
    found = kinds(read(tmp_path, "bidirectional"))
    assert found.count("Lstm") == found.count("Gru") == 1
    assert kinds(read(tmp_path, "plain_recurrence")).count("Rnn") == 2
    directions = [node.op.direction for node in read(tmp_path, "lstm").nodes]
    assert directions == ["forward", "backward"]


def test_blocks_become_layers_with_names(tmp_path):
    graph = read(tmp_path, "dense")
    assert {"first.weight", "first.bias"} <= graph.parameters.keys()
    assert kinds(graph).count("Linear") == 3
    assert [node.op.bias is None for node in graph.nodes if isinstance(node.op, ops.Linear)] == [False, False, True]
    graph = read(tmp_path, "words")
    assert "Embedding" in kinds(graph) and "OneHot" not in kinds(graph)


def test_padding_by_itself_takes_the_rest_from_the_first_window(tmp_path):
    convolutions = [node.op for node in read(tmp_path, "convolutions").nodes if isinstance(node.op, ops.Conv)]
    assert [one.padding for one in convolutions] == [((1, 1), (1, 0)), ((1, 2), (0, 0)), ((1, 1), (0, 1))]


def test_other_recurrences_are_refused_without_the_number_of_steps(tmp_path):
    path = tmp_path / "net.model"
    path.write_bytes(RECORDED["odd_cells/model"].tobytes())
    with pytest.raises(UnsupportedOps) as refused:
        read_cntk(path)
    assert {one.what for one in refused.value.refused} == {"recurrence"}
    assert all("how many steps" in one.reason.text for one in refused.value.refused)


def test_the_first_version_is_refused(tmp_path):
    path = tmp_path / "old.dnn"
    path.write_bytes("BCN\0".encode("utf-16-le") + bytes(100))
    with pytest.raises(NetglotError, match="first version"):
        read_cntk(path)


def test_functions_of_users_are_refused_by_name(tmp_path):
    data = RECORDED["convolution_1d/model"].tobytes()
    path = tmp_path / "net.model"
    number = data.index(b"op\x12") + data[data.index(b"op\x12") :].index(b"\x28") + 1
    path.write_bytes(data[:number] + bytes([47]) + data[number + 1 :])
    with pytest.raises((UnsupportedOps, InputError)):
        read_cntk(path)


@pytest.mark.parametrize("name", ["convolution_1d", "classifier"])
def test_damaged_files_are_errors(name, damage, tmp_path):
    path = tmp_path / "net.model"
    path.write_bytes(RECORDED[f"{name}/model"].tobytes())
    damage(path, lambda: read_cntk(path), any_bytes=True)
