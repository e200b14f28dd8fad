"""Damaged files of every kind: functions, sub-graphs, quantised and sparse weights, data beside the model."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import helper, numpy_helper

from netglot.dialects.onnx.read import read_onnx
from netglot.errors import NetglotError

QUICK, THOROUGH = 60, 1500
"""Mutations of each kind of file: in every run of the tests, and with `make fuzz`."""

_random = np.random.default_rng(0)


def _tensor(name, *shape, kind=1):
    return helper.make_tensor_value_info(name, kind, list(shape))


def _model(nodes, inputs, outputs, weights, **more):
    held = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, held)
    opsets = [helper.make_opsetid("", 18), *more.pop("opsets", ())]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **more)


def _floats(*shape):
    return _random.standard_normal(shape).astype("float32")


def with_functions():
    node, own = helper.make_node, helper.make_opsetid("own", 1)
    inner = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"]), node("Add", ["b", "x"], ["y"])]
    block = helper.make_function("own", "Block", ["x", "w"], ["y"], inner, [helper.make_opsetid("", 18)])
    calls = [node("Block", ["x", "w"], ["a"], domain="own"), node("Block", ["a", "w"], ["y"], domain="own")]
    ends = [_tensor("x", "N", 8)], [_tensor("y", "N", 8)]
    return _model(calls, *ends, {"w": _floats(8, 8)}, opsets=[own], functions=[block])


def with_subgraphs():
    node = helper.make_node
    steps = [node("MatMul", ["s", "u"], ["d"]), node("Tanh", ["d"], ["n"]), node("Identity", ["c"], ["k"])]
    given = [_tensor("i", kind=7), _tensor("c", kind=9), _tensor("s", "N", 4)]
    body = helper.make_graph(steps, "body", given, [_tensor("k", kind=9), _tensor("n", "N", 4)])
    sides = {
        name: helper.make_graph([node(kind, ["o"], [name])], name, [], [_tensor(name, "N", 4)])
        for name, kind in (("then", "Relu"), ("else", "Neg"))
    }
    nodes = [
        node("Loop", ["m", "", "x"], ["o"], body=body),
        node("ReduceSum", ["o"], ["q"], keepdims=0),
        node("Greater", ["q", "z"], ["p"]),
        node("If", ["p"], ["y"], then_branch=sides["then"], else_branch=sides["else"]),
    ]
    weights = {"m": np.array(3), "u": _floats(4, 4), "z": np.float32(0)}
    return _model(nodes, [_tensor("x", "N", 4)], [_tensor("y", "N", 4)], weights)


def quantised():
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["a"]),
        node("DequantizeLinear", ["a", "s", "z"], ["b"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["c"], axis=0),
        node("Conv", ["b", "c"], ["y"], pads=[1, 1, 1, 1]),
    ]
    kernel = _random.integers(-9, 9, (2, 3, 3, 3)).astype("int8")
    weights = {"s": np.float32(0.1), "z": np.uint8(3), "w": kernel, "ws": np.abs(_floats(2)), "wz": np.zeros(2, "int8")}
    return _model(nodes, [_tensor("x", "N", 3, 4, 4)], [_tensor("y", "N", 2, 4, 4)], weights)


def sparse():
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("SequenceConstruct", ["a", "a"], ["q"]),
        node("ConcatFromSequence", ["q"], ["y"], axis=1),
    ]
    made = _model(nodes, [_tensor("x", "N", 4)], [_tensor("y", "N", 8)], {})
    values, places = numpy_helper.from_array(_floats(2), "w"), numpy_helper.from_array(np.array([1, 5]), "places")
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [4, 4]))
    return made


def recurrent():
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r", "b"], ["o"], hidden_size=3),
        helper.make_node("Squeeze", ["o", "ax"], ["y"]),
    ]
    weights = {"w": _floats(1, 12, 2), "r": _floats(1, 12, 3), "b": _floats(1, 24), "ax": np.array([1])}
    return _model(nodes, [_tensor("x", 4, "N", 2)], [_tensor("y", 4, "N", 3)], weights)


KINDS = {make.__name__: make for make in (with_functions, with_subgraphs, quantised, sparse, recurrent)}


def damaged(whole: bytes, random: np.random.Generator) -> bytes:
    """The file cut short, with a piece lost, moved or repeated, or with bytes turned over."""
    changed, way = bytearray(whole), random.integers(0, 6)
    if way == 0:
        return bytes(changed[: random.integers(0, len(whole))])
    if way == 1:
        start = random.integers(0, len(whole))
        piece = changed[start : start + random.integers(1, 60)]
        del changed[start : start + len(piece)]
        place = random.integers(0, len(changed) + 1)
        changed[place:place] = piece * int(random.integers(0, 4))
        return bytes(changed)
    for place in random.integers(0, len(whole), random.integers(1, 5)):
        changed[place] = random.integers(0, 256)
    return bytes(changed)


def _read_all(path):
    """Reads a network and its weights: a network, or an error that is the user's."""
    start = time.perf_counter()
    try:
        for parameter in read_onnx(path).parameters.values():
            parameter.load()
    except NetglotError as error:
        assert error.exit_code in (2, 3), error
    assert time.perf_counter() - start < 5


def _hunt(folder, kind: str, count: int) -> None:
    path, random = folder / "m.onnx", np.random.default_rng(len(kind))
    beside = kind == "beside"
    if beside:
        onnx.save(recurrent(), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    else:
        path.write_bytes(KINDS[kind]().SerializeToString())
    whole, data = path.read_bytes(), (folder / "w.bin").read_bytes() if beside else b""
    read_onnx(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        path.write_bytes(damaged(whole, random))
        if beside:
            (folder / "w.bin").write_bytes(data[: random.integers(0, len(data))] if number % 3 else data)
            path.write_bytes(whole if number % 4 == 1 else path.read_bytes())
        _read_all(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("kind", [*KINDS, "beside"])
def test_damaged_files_give_a_clear_error_or_a_network(kind, tmp_path):
    _hunt(tmp_path, kind, QUICK)


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", [*KINDS, "beside"])
def test_thousands_of_damaged_files(kind, tmp_path):
    _hunt(tmp_path, kind, THOROUGH)
