"""TensorFlow Lite's files against what its own interpreter computes of them."""

import contextlib
import pathlib

import numpy as np
import pytest

from netglot.dialects.tflite.read import read_tflite
from netglot.errors import InputError, UnsupportedOps
from netglot.formats.flexible import numbers
from netglot.formats.tflite import OPERATORS, read_model
from netglot.frontend.extending import extended
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate

HERE = pathlib.Path(__file__).parent
RECORDED = {}
for _group in ("float", "matrices", "more", "networks"):
    with np.load(HERE / f"recorded_{_group}.npz") as _file:
        RECORDED |= dict(_file)
NAMES = sorted({name.split("/")[0] for name in RECORDED})
LOOSE = {"depthwise_int8": 1, "mobilenet_v2_int8": 1}
"""Steps of the last tensor by which a network may differ: the interpreter's own kernels differ by as much."""


def written(folder, name):
    (folder / f"{name}.tflite").write_bytes(RECORDED[f"{name}/file"].tobytes())
    return folder / f"{name}.tflite"


def recorded(name, side):
    start = f"{name}/{side}/"
    return [RECORDED[key] for key in sorted(RECORDED, key=lambda k: (len(k), k)) if key.startswith(start)]


def outputs(graph, arrays):
    given = {value.name: array for value, array in zip(graph.inputs, arrays, strict=True)}
    found = evaluate(graph, given, precision="float64")
    return list(found.values()) if isinstance(found, dict) else [found]


@pytest.mark.parametrize("name", NAMES)
def test_computes_what_the_interpreter_computes(name, tmp_path):
    graph = read_tflite(written(tmp_path, name))
    found, expected = outputs(graph, recorded(name, "in")), recorded(name, "out")
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        assert got.shape == want.shape
        if want.dtype.kind in "iu":
            assert got.dtype == want.dtype
            assert np.abs(got.astype("int64") - want).max() <= LOOSE.get(name, 0)
        else:
            loose = {"half": 2e-3, "conv_int16": 6e-5}.get(name, 2e-5)
            np.testing.assert_allclose(got, want, rtol=loose, atol=loose * max(1, np.abs(want).max()))


def test_there_are_enough_networks():
    assert len(NAMES) >= 40


def test_the_batch_is_open(tmp_path):
    graph = read_tflite(written(tmp_path, "mobilenet_v2"))
    assert str(graph.inputs[0].type) == "float32[B, 32, 32, 3]"


def test_layers_have_the_names_of_the_file(tmp_path):
    graph = read_tflite(written(tmp_path, "mobilenet_v2"))
    assert sum(name.endswith(".weight") for name in graph.parameters) > 15


def test_loops_that_count_are_written_out(tmp_path):
    graph = read_tflite(written(tmp_path, "loop"))
    assert sum(isinstance(node.op, ops.Tanh) for node in graph.nodes) == 4


def test_a_quantised_network_keeps_its_types_and_says_so(tmp_path):
    graph = read_tflite(written(tmp_path, "conv_int8"))
    assert graph.inputs[0].dtype == "int8" and graph.outputs[0][1].dtype == "int8"
    assert any("quantised" in note for note in graph.notes)


def test_weights_are_not_copied(tmp_path):
    path = written(tmp_path, "resnet")
    held = [t.data for t in read_model(path).subgraphs[0].tensors if t.data is not None and t.data.size > 100]
    assert held and not any(array.flags.owndata for array in held)


def test_operators_are_refused_together(tmp_path):
    data = RECORDED["products/file"].tobytes()
    one, other = OPERATORS.index("GREATER"), OPERATORS.index("UNIQUE")
    places = [i for i in range(len(data) - 4) if data[i : i + 4] == one.to_bytes(4, "little")]
    refused = 0
    for place in places:
        (tmp_path / "x.tflite").write_bytes(data[:place] + other.to_bytes(4, "little") + data[place + 4 :])
        try:
            read_tflite(tmp_path / "x.tflite")
        except UnsupportedOps as error:
            refused += any(entry.what == "UNIQUE" for entry in error.refused)
        except InputError:
            pass
    assert refused


@pytest.mark.parametrize("name", ["two_inputs", "conv_int8", "loop"])
def test_damaged_files_are_errors(name, damage, tmp_path):
    path = written(tmp_path, name)
    damage(path, lambda: read_tflite(path), any_bytes=True)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(InputError, match="TFL3"):
        read_tflite(tmp_path / "x.tflite")


def test_what_a_detection_keeps_is_among_what_is_handed_out(tmp_path):
    with np.load(HERE / "detection.npz") as held:
        (tmp_path / "net.tflite").write_bytes(held["model"].tobytes())
        x, kept = held["in"], list(zip(held["boxes"], held["kinds"], held["scores"], strict=True))
    graph = read_tflite(tmp_path / "net.tflite")
    boxes, scores = (one[0] for one in outputs(graph, [x]))
    assert len(kept) == 10 and boxes.shape == (32, 4)
    for box, kind, score in kept:
        place = np.abs(boxes - box).sum(1).argmin()
        np.testing.assert_allclose(boxes[place], box, atol=1e-5)
        np.testing.assert_allclose(scores[place][int(kind) + 1], score, atol=1e-6)
    assert any("overlap 0.6" in note for note in graph.notes)


def test_a_custom_operator_is_refused_by_name_and_read_by_an_extension(tmp_path):
    with np.load(HERE / "detection.npz") as held:
        model, x = held["model"].tobytes(), held["in"]
    (tmp_path / "net.tflite").write_bytes(
        model.replace(b"TFLite_Detection_PostProcess", b"TFLite_Detection_OfMyOwnKind")
    )
    with pytest.raises(UnsupportedOps, match="the custom operator TFLite_Detection_OfMyOwnKind") as refused:
        read_tflite(tmp_path / "net.tflite")
    assert '--extend my_ops.py, with a reader of "CUSTOM:TFLite_Detection_OfMyOwnKind"' in str(refused.value)
    (tmp_path / "my_ops.py").write_text(
        "from netglot.dialects.tflite.dialect import tflite\nfrom netglot.pivot import ops\n\n\n"
        '@tflite.reads("CUSTOM:TFLite_Detection_OfMyOwnKind")\ndef mine(node, boxes, scores, anchors):\n'
        "    return [ops.Relu(boxes), ops.Relu(boxes), ops.Identity(scores), ops.Relu(scores)]\n"
    )
    with extended([tmp_path / "my_ops.py"]):
        found = outputs(read_tflite(tmp_path / "net.tflite"), [x])
    assert len(found) == 4 and (found[0] >= 0).all()


@pytest.mark.parametrize("place", range(1, 160, 9))
def test_damaged_options_of_a_custom_operator_are_errors(place):
    with np.load(HERE / "detection.npz") as held:
        model = held["model"].tobytes()
    end = model.index(b"y_scale")
    data = bytearray(model[end - 150 : end + 150])
    for value in (0, 127, 255):
        data[-place] = value
        with contextlib.suppress(InputError):
            assert all(isinstance(one, int | float) for one in numbers(bytes(data)).values())
