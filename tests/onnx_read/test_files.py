"""ONNX files that are damaged, that point elsewhere, or that keep their weights beside them."""

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import helper
from tests.onnx_read.models import graph_of, model, node, result

import netglot
from netglot.dialects.onnx.read import read_onnx
from netglot.errors import InputError, NetglotError, RequestError
from netglot.formats.onnx_file import read_file
from netglot.formats.registry import FORMATS, format_of

RANDOM = np.random.default_rng(0)


def small():
    """A model with a weight that is large enough to stay in the file."""
    weights = {"w": RANDOM.standard_normal((40, 40)).astype("float32"), "b": np.ones(40, "float32")}
    nodes = [node("Gemm", "x w b", "a", transB=1), node("Relu", "a", "c"), node("ReduceMean", "c", "y", axes=[1])]
    return model(nodes, {"x": ["N", 40]}, ["y"], weights, opset=13)


@pytest.fixture
def path(tmp_path):
    onnx.save(small(), tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def test_is_recognised_by_its_name(path):
    assert format_of(path) is FORMATS["onnx"]


def test_large_weights_stay_in_the_file(path):
    found = read_file(path)
    assert not found.proto.graph.initializer[0].raw_data
    kind, load = found.tensors["w"]
    held = onnx.numpy_helper.to_array(onnx.load(path).graph.initializer[0])
    assert str(kind) == "float32[40, 40]" and np.array_equal(load(), held)


def test_converts_and_is_proven(path):
    conversion = netglot.convert(str(path), to="torch")
    assert conversion.verdict == "equivalent"
    assert "nn.Linear(40, 40)" in conversion.source


def test_weights_beside_the_model(path, tmp_path):
    plain = result(read_onnx(path), np.ones((2, 40), "float32"))
    onnx.save(onnx.load(path), tmp_path / "out.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert np.array_equal(result(read_onnx(tmp_path / "out.onnx"), np.ones((2, 40), "float32")), plain)
    (tmp_path / "w.bin").write_bytes((tmp_path / "w.bin").read_bytes()[:-8])
    with pytest.raises(InputError, match=r"reach beyond the end of 'w\.bin'"):
        read_onnx(tmp_path / "out.onnx")
    (tmp_path / "w.bin").unlink()
    with pytest.raises(InputError, match=r"w\.bin is missing"):
        read_onnx(tmp_path / "out.onnx")


@pytest.mark.parametrize("where", ["../secret.bin", "/etc/passwd", "a/../../secret.bin", "link.bin"])
def test_weights_outside_of_the_models_folder_are_refused(path, tmp_path, where):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"x" * 6400)
    (inner / "link.bin").symlink_to(tmp_path / "secret.bin")
    made = onnx.load(path)
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", where
    (inner / "m.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(InputError, match="outside of the model's folder"):
        read_onnx(inner / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\x00" * 64, b"{}", b"\x08\x08"], ids=repr)
def test_what_is_no_model_is_said_to_be_none(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.onnx"):
        read_onnx(tmp_path / "m.onnx")


def test_a_tensor_whose_length_lies_is_found(path):
    made = onnx.load(path)
    made.graph.initializer[0].dims[0] = 1 << 40
    path.write_bytes(made.SerializeToString())
    with pytest.raises(InputError, match="bytes"):
        read_onnx(path)


def test_files_of_weights_are_not_taken(path):
    with pytest.raises(RequestError, match="holds its weights"):
        read_onnx(path, weights="w.pt")


def test_damaged_files_give_a_clear_error_or_a_network(path):
    """Truncations, and bytes turned over where the structure is; the whole file: `make fuzz`."""
    whole = path.read_bytes()
    places = [i for i in range(len(whole)) if not 200 < i < len(whole) - 400]
    mutations = [whole[:n] for n in range(0, len(whole), 211)]
    for _ in range(400):
        changed = bytearray(whole)
        for place in RANDOM.choice(places, RANDOM.integers(1, 4)):
            changed[place] = RANDOM.integers(0, 256)
        mutations.append(bytes(changed))
    read = 0
    for changed in mutations:
        path.write_bytes(changed)
        try:
            read_onnx(path)
            read += 1
        except NetglotError as error:
            assert error.exit_code in (2, 3), error
    assert read > 50


@pytest.mark.fuzz
def test_thousands_of_damaged_files_in_little_memory(tmp_path):
    """Bytes turned over anywhere, pieces cut out, doubled and moved: an error or a network, in time and in bounds."""
    import resource
    import time

    parts = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Shape", "a", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Concat", "n rest", "shape", axis=0),
        node("Reshape", "a shape", "f"),
        node("MatMul", "f v", "y"),
    ]
    weights = {
        "w": RANDOM.standard_normal((4, 3, 3, 3)).astype("float32"),
        "v": RANDOM.standard_normal((64, 30)).astype("float32"),
        "zero": np.array([0]),
        "rest": np.array([64]),
    }
    whole = model(parts, {"x": ["N", 3, 4, 4]}, ["y"], weights).SerializeToString()
    path = tmp_path / "m.onnx"
    path.write_bytes(whole)
    read_onnx(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(5000):
        changed = bytearray(whole)
        if number % 5 == 0:
            first, length = RANDOM.integers(0, len(whole)), RANDOM.integers(1, 200)
            piece = changed[first : first + length]
            del changed[first : first + length]
            if number % 2:
                changed[RANDOM.integers(0, len(changed)) : 0] = piece * int(RANDOM.integers(1, 3))
        else:
            for place in RANDOM.integers(0, len(whole), RANDOM.integers(1, 6)):
                changed[place] = RANDOM.integers(0, 256)
        path.write_bytes(bytes(changed))
        start = time.perf_counter()
        try:
            read_onnx(path)
        except NetglotError as error:
            assert error.exit_code in (2, 3), error
        assert time.perf_counter() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_a_branch_without_its_other_side_is_told():
    proto = model([node("Greater", "a a", "c"), node("Identity", "a", "y")], {"a": [2]}, ["y"])
    choice = helper.make_node("If", ["c"], ["y"], then_branch=helper.make_graph([], "then", [], []))
    proto.graph.node[1].CopyFrom(choice)
    with pytest.raises(InputError, match="not valid"):
        graph_of(proto)


def test_external_data_in_a_file_whose_name_is_no_text_is_told(tmp_path):
    proto = model([node("Add", "a w", "y")], {"a": [2]}, ["y"], {"w": np.ones(2, "float32")})
    onnx.save(proto, tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    data = (tmp_path / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(data.replace(b"weights.bin", b"\xff\xfeights.bin"))
    with pytest.raises(InputError, match="impossible name"):
        read_onnx(tmp_path / "model.onnx")


def test_nodes_in_any_order_are_read():
    """onnxruntime takes them, and its converter to half precision appends casts of inputs at the end."""
    proto = model([node("Add", "b b", "y"), node("Relu", "c", "b"), node("Neg", "a", "c")], {"a": [2]}, ["y"])
    made = result(graph_of(proto), np.array([-1.0, 2.0], "float32"))
    assert np.array_equal(made, [2.0, 0.0])
    circle = model([node("Add", "b a", "y"), node("Relu", "y", "b")], {"a": [2]}, ["y"])
    with pytest.raises(InputError, match="nothing makes its input"):
        graph_of(circle)


def test_the_gate_of_half_precision_is_one():
    """The root of two is 1.4140625 there."""
    half = {name: np.asarray(held, "float16") for name, held in (("r", 2**0.5), ("one", 1.0), ("half", 0.5))}
    steps = [("Div", "h r", "a"), ("Erf", "a", "e"), ("Add", "e one", "g"), ("Mul", "h g", "m"), ("Mul", "m half", "z")]
    nodes = [*(node(*step) for step in steps), node("Cast", "z", "y", to=1)]
    graph = graph_of(model(nodes, {"h": (10, ["N", 4])}, ["y"], half))
    assert "F.gelu(" in netglot.write(graph, to="torch").source
