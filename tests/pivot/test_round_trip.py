"""A graph survives being written as text and as files, whatever is in it."""

import ml_dtypes
import numpy as np
import pytest
from pivot_graphs import all_cases, around, parameter, rich
from safetensors.numpy import load_file

from netglot.errors import InputError, RequestError
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Graph
from netglot.pivot.op import numpy_dtype, rand
from netglot.pivot.serialize import equal, from_json, load, save, to_data, to_json
from netglot.pivot.text import parse, to_text

CASES = dict(all_cases())
FIRST = {name.rpartition("-")[0]: op for name, op in reversed(CASES.items())}


@pytest.mark.parametrize("name", FIRST)
def test_each_op_survives_text_and_json(name):
    for case, op in CASES.items():
        if case.rpartition("-")[0] == name:
            graph, arrays = around(op)
            for again in (parse(to_text(graph)), from_json(to_json(graph), no_parameters)):
                assert to_data(again) == to_data(graph)
                for mine, theirs in zip(evaluate(again, arrays), evaluate(graph, arrays), strict=True):
                    np.testing.assert_array_equal(mine, theirs)


def no_parameters(name, type):
    raise AssertionError(f"{name}: {type}")


def test_everything_survives_text():
    graph = rich()
    again = parse(to_text(graph))
    assert to_data(again) == to_data(graph)
    assert to_text(again) == to_text(graph)


def test_text_reads_like_python():
    text = to_text(rich())
    assert 'with scope("proj.0", 1):' in text.replace("'", '"')
    assert "half_0: float64[B, T, 2]; half_1: float64[B, T, 4]" in text
    assert "stop=size(T)" in text and "start=size(max(T - 3, 0))" in text


def test_everything_survives_files(tmp_path):
    graph = rich()
    save(graph, tmp_path)
    again = load(tmp_path)
    assert equal(again, graph)
    for name, held in graph.parameters.items():
        np.testing.assert_array_equal(again.parameters[name].load(), held.load())
    first = (tmp_path / "network.json").read_bytes()
    save(again, tmp_path)
    assert (tmp_path / "network.json").read_bytes() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["network.json", "weights.safetensors"]


@pytest.mark.parametrize("change", ["name", "type", "attribute", "operand", "hint", "scope", "output", "note"])
def test_equality_sees_every_change(change):
    one, other = rich(), rich()
    node = other.nodes[1]
    match change:
        case "name":
            node.results[0].name = "other"
        case "type":
            node.results[0].type = type(node.results[0].type)("float32", node.results[0].shape)
        case "attribute":
            node.op = node.op.replace(sizes=(4, 2))
        case "operand":
            node.op = node.op.replace(x=other.inputs[0])
        case "hint":
            node.results[0].hint = None
        case "scope":
            node.scope = ()
        case "output":
            other.output = {**other.output, "out": other.output["out"][0]}
        case "note":
            other.notes = []
    assert equal(one, rich())
    assert not equal(one, other)


FLOATS = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "complex64", "complex128"]
DTYPES = [*FLOATS, "int64", "int8", "uint32", "uint8", "bool"]


def test_every_dtype_is_stored(tmp_path):
    arrays = {f"a.{d}": rand(3, 5, low=0).astype(numpy_dtype(d)) for d in DTYPES}
    arrays |= {"scalar": np.array(1.5, ml_dtypes.bfloat16), "empty": np.zeros((0, 3), "float32")}
    graph = Graph("dtypes", [], {name: parameter(name, array) for name, array in arrays.items()}, [], ())
    save(graph, tmp_path)
    for name, held in load(tmp_path).parameters.items():
        array = held.load()
        assert array.dtype == arrays[name].dtype
        np.testing.assert_array_equal(array, arrays[name])
    plain = {n: p for n, p in graph.parameters.items() if p.dtype in ("float64", "float32", "int64", "bool")}
    save(Graph("plain", [], plain, [], ()), tmp_path)
    for name, array in load_file(tmp_path / "weights.safetensors").items():
        np.testing.assert_array_equal(array, arrays[name])


def test_loading_reads_no_weights_before_they_are_used(tmp_path):
    save(rich(), tmp_path)
    graph = load(tmp_path)
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError):
        graph.parameters["proj.weight"].load()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "network.json").unlink(), "cannot be read"),
        (lambda f: (f / "network.json").write_text("{"), "no JSON"),
        (lambda f: (f / "network.json").write_text("{}"), "no netglot network"),
        (lambda f: replace(f, '"version": 1', '"version": 99'), "version 99"),
        (lambda f: replace(f, '"op": "Linear"', '"op": "Lineal"'), "damaged"),
        (lambda f: replace(f, "float64[6, 4]", "float64[6, 5]"), "proj.weight"),
        (lambda f: (f / "weights.safetensors").write_bytes(b"short"), "truncated"),
        (lambda f: cut(f / "weights.safetensors", 8), "not all there"),
    ],
)
def test_damaged_files_are_told(tmp_path, damage, says):
    save(rich(), tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=says):
        load(tmp_path)


def replace(folder, old, new):
    path = folder / "network.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def cut(path, bytes_):
    path.write_bytes(path.read_bytes()[:-bytes_])


@pytest.mark.parametrize(
    "text",
    [
        "graph('x', version=2)",
        "graph('x', version=1)\nimport os",
        "graph('x', version=1)\ny: float32[2] = Exp(x)",
        "graph('x', version=1)\ninput(x, float31[2])",
        "graph('x', version=1)\ninput(x, float32[2])\ny: float32[2] = Exp(__import__('os'))",
        "graph('x', version=1)\nopen('y')",
        "graph(",
    ],
)
def test_text_that_is_no_graph_is_told(text):
    with pytest.raises(InputError, match=r"line \d|version"):
        parse(text)


def test_a_wrong_array_is_not_written(tmp_path):
    wrong = parameter("w", rand(2, 3))
    wrong.load = lambda: rand(3, 2)
    with pytest.raises(RequestError, match="was said to be"):
        save(Graph("wrong", [], {"w": wrong}, [], ()), tmp_path)
    assert not (tmp_path / "network.json").exists()


def test_a_table_that_was_computed_in_double_precision_is_stored_as_it_is_declared():
    from netglot.pivot.op import TensorType
    from netglot.pivot.storage import _bytes

    assert len(_bytes("table", TensorType("float32", (3,)), np.ones(3))) == 3 * 4
