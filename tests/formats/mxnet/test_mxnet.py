"""MXNet's files against what MXNet 1.9.1 computes of them."""

import json
import pathlib
import re

import numpy as np
import pytest

from netglot.dialects.mxnet.read import read_mxnet
from netglot.errors import InputError, UnsupportedOps, WeightsError
from netglot.formats.mxnet import read_params
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate

HERE = pathlib.Path(__file__).parent
RECORDED = {}
for _path in sorted(HERE.glob("recorded_*.npz")):
    with np.load(_path) as _file:
        RECORDED |= dict(_file)
ALL = sorted({name.split("/")[0] for name in RECORDED})
NAMES = [name for name in ALL if name != "detection"]


def written(folder, name):
    (folder / "net-symbol.json").write_bytes(RECORDED[f"{name}/symbol"].tobytes())
    (folder / "net-0000.params").write_bytes(RECORDED[f"{name}/params"].tobytes())
    return folder / "net-symbol.json"


def arrays_of(name):
    return {key.split("/in/")[1]: RECORDED[key] for key in RECORDED if key.startswith(f"{name}/in/")}


def read(folder, name):
    return read_mxnet(written(folder, name), inputs=shapes_of(name))


def shapes_of(name):
    """The shapes of the inputs, by name where there are several."""
    shapes = {key: array.shape for key, array in arrays_of(name).items()}
    if name == "cells":
        return "data=4!,2,3"  # the steps are written out, so their number is fixed
    return shapes if len(shapes) > 1 else list(shapes.values())


def outputs(graph, arrays):
    only = next(iter(arrays.values())) if len(arrays) == 1 else None
    given = {value.name: arrays[value.name] if only is None else only for value in graph.inputs}
    found = evaluate(graph, given, precision="float64")
    return list(found.values()) if isinstance(found, dict) else [found]


@pytest.mark.parametrize("name", NAMES)
def test_computes_what_mxnet_computes(name, tmp_path):
    found = outputs(read(tmp_path, name), arrays_of(name))
    expected = [RECORDED[key] for key in sorted(RECORDED) if key.startswith(f"{name}/out/")]
    assert len(found) == len(expected)
    for place, (got, want) in enumerate(zip(found, expected, strict=True)):
        assert got.shape == want.shape or want.shape == (1,), place
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=3e-5, atol=3e-5, err_msg=str(place))


def test_there_are_enough_networks():
    assert len(NAMES) >= 20 and {"resnet", "mobilenet", "gluon_lstm"} <= set(NAMES)


def test_gamma_is_fixed_unless_told(tmp_path):
    norms = [node.op for node in read(tmp_path, "norms").nodes if isinstance(node.op, ops.BatchNorm)]
    assert norms[0].scale is None and norms[1].scale is not None
    assert norms[0].epsilon == 0.01 and norms[1].momentum == 0.2


def test_pooling_conventions(tmp_path):
    graph = read(tmp_path, "pools")
    sizes = [node.result.shape[2:] for node in graph.nodes if isinstance(node.op, ops.MaxPool | ops.AvgPool)]
    assert sizes[:3] == [(3, 4), (4, 4), (5, 5)]


def test_labels_are_no_inputs_and_blocks_have_names(tmp_path):
    assert [value.name for value in read(tmp_path, "trained").inputs] == ["data"]
    graph = read(tmp_path, "resnet")
    assert {"stage1", "stage2"} <= graph.modules.keys()
    assert str(graph.inputs[0].type) == "float32[B, 3, 32, 32]"


def test_recurrent_layers_stay_layers(tmp_path):
    kinds = [type(node.op).__name__ for node in read(tmp_path, "gluon_lstm").nodes]
    assert kinds.count("Lstm") == 2
    assert [type(node.op).__name__ for node in read(tmp_path, "packed_rnn").nodes].count("Rnn") == 2


def test_older_json_is_the_same(tmp_path):
    """Options in `param`, what users added in `attr`, inputs as pairs, and a field for the way back."""
    expected = outputs(read(tmp_path, "conv_options"), arrays_of("conv_options"))
    path = tmp_path / "net-symbol.json"
    held = json.loads(path.read_text())
    for node in held["nodes"]:
        attributes = node.pop("attrs", {})
        node |= {"param": attributes, "attr": {"mirror_stage": "True"}, "backward_source_id": -1}
        node["inputs"] = [one[:2] for one in node["inputs"]]
    held["heads"] = [one[:2] for one in held["heads"]]
    held.pop("attrs")
    path.write_text(json.dumps(held))
    found = outputs(read_mxnet(path, inputs={"data": (2, 4, 9, 10)}), arrays_of("conv_options"))
    np.testing.assert_array_equal(found[0], expected[0])


def test_statistics_that_older_files_leave_unsaid(tmp_path):
    """Before version 0.9 the means and variances of batch norms were no inputs of theirs."""
    name = "norms"
    expected = outputs(read(tmp_path, name), arrays_of(name))
    path = tmp_path / "net-symbol.json"
    held = json.loads(path.read_text())
    kept, nodes = {}, []
    for number, node in enumerate(held["nodes"]):
        if not node["name"].endswith(("_moving_mean", "_moving_var")):
            kept[number] = len(nodes)
            node["inputs"] = [[kept[one], result] for one, result, _ in node["inputs"] if one in kept]
            nodes.append({**node, "param": node.pop("attrs", {}), "backward_source_id": -1})
    held = {"nodes": nodes, "arg_nodes": [], "heads": [[kept[one], result] for one, result, _ in held["heads"]]}
    path.write_text(json.dumps(held))
    found = outputs(read_mxnet(path, inputs=shapes_of(name)), arrays_of(name))
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_what_a_detection_keeps_is_among_what_is_handed_out(tmp_path):
    graph = read(tmp_path, "detection")
    found = evaluate(graph, {graph.inputs[0].name: arrays_of("detection")["data"]}, precision="float64")
    boxes, scores = found["boxes"][0], found["scores"][0]
    kept = [row for row in RECORDED["detection/out/00"][0] if row[0] >= 0]
    assert len(kept) > 20
    for kind, score, *box in kept:
        place = np.abs(boxes - box).sum(1).argmin()
        np.testing.assert_allclose([scores[place][int(kind) + 1], *boxes[place]], [score, *box], atol=1e-5)
    assert any("overlap 0.4" in note for note in graph.notes)


@pytest.mark.parametrize("option", [{"mode": "always"}, {"output_mean_var": "True"}, {"initial": "1"}])
def test_options_that_are_not_read_are_refused(option, tmp_path):
    path = written(tmp_path, "trained")
    held = json.loads(path.read_text())
    next(node for node in held["nodes"] if node["op"] == "Dropout")["attrs"].update(option)
    path.write_text(json.dumps(held))
    with pytest.raises(UnsupportedOps, match=next(iter(option))):
        read_mxnet(path, inputs={"data": (3, 8)})


def test_older_params_are_the_same(tmp_path):
    """Arrays with a rank in place of a version, and with the first version that had one."""
    path = written(tmp_path, "dense").with_name("net-0000.params")
    arrays = {name: array.copy() for name, array in read_params(path).items()}
    for version in (None, 0xF993FAC8):
        body = b""
        for array in arrays.values():
            if version is None:
                body += len(array.shape).to_bytes(4, "little") + np.array(array.shape, "<u4").tobytes()
            else:
                body += version.to_bytes(4, "little") + len(array.shape).to_bytes(4, "little")
                body += np.array(array.shape, "<i8").tobytes()
            body += np.array([1, 0, 0], "<i4").tobytes() + array.tobytes()
        names = b"".join(len(f"arg:{n}").to_bytes(8, "little") + f"arg:{n}".encode() for n in arrays)
        count = len(arrays).to_bytes(8, "little")
        path.write_bytes((0x112).to_bytes(8, "little") + bytes(8) + count + body + count + names)
        again = read_params(path)
        assert again.keys() == arrays.keys()
        assert all(np.array_equal(again[name], arrays[name]) for name in arrays)


def test_without_weights_they_are_random_and_said_to_be(tmp_path):
    path = written(tmp_path, "resnet")
    path.with_name("net-0000.params").unlink()
    graph = read_mxnet(path, inputs="data=1,3,32,32")
    assert "no weights were given: they are random" in graph.notes
    assert np.isfinite(outputs(graph, arrays_of("resnet"))[0]).all()


def test_the_shape_of_the_input_must_be_said(tmp_path):
    with pytest.raises(InputError, match="shape of the input 'data'") as error:
        read_mxnet(written(tmp_path, "resnet"))
    assert "--input data=" in error.value.advice


def test_refusals_are_told_together(tmp_path):
    path = written(tmp_path, "trained")
    text = path.read_text().replace('"Dropout"', '"Custom"').replace('"Activation"', '"ROIPooling"')
    path.write_text(text)
    with pytest.raises(UnsupportedOps) as refused:
        read_mxnet(path, inputs="data=3,8")
    assert [one.what for one in refused.value.refused] == ["ROIPooling"]


def test_weights_of_another_network_are_refused(tmp_path):
    path = written(tmp_path, "trained")
    path.write_text(re.sub(r'"num_hidden": "6"', '"num_hidden": "7"', path.read_text()))
    with pytest.raises(WeightsError, match="fc1"):
        read_mxnet(path, inputs="data=3,8")
    written(tmp_path, "trained")
    (tmp_path / "net-0000.params").write_bytes(RECORDED["dense/params"].tobytes())
    with pytest.raises(WeightsError, match="no weight of"):
        read_mxnet(path, inputs="data=3,8")


@pytest.mark.parametrize("name", ["conv_options", "packed_lstm"])
def test_damaged_files_are_errors(name, damage, tmp_path):
    path = written(tmp_path, name)
    given = shapes_of(name)
    for file in (path, path.with_name("net-0000.params")):
        whole = file.read_bytes()
        damage(file, lambda: read_mxnet(path, inputs=given), any_bytes=True)
        file.write_bytes(whole)


def cut_into(folder, count, head):
    """The file of a network that cuts a sequence into steps and gives one of them."""
    nodes = [
        {"op": "null", "name": "data", "inputs": []},
        {
            "op": "SliceChannel",
            "name": "cut",
            "attrs": {"num_outputs": str(count), "axis": "1"},
            "inputs": [[0, 0, 0]],
        },
    ]
    text = json.dumps({"nodes": nodes, "arg_nodes": [0], "heads": [[1, head, 0]]})
    (folder / "net-symbol.json").write_text(text)
    return folder / "net-symbol.json"


def test_a_long_sequence_is_cut_into_its_steps(tmp_path):
    graph = read_mxnet(cut_into(tmp_path, 200, 150), inputs="data=2!,200,3")
    x = np.random.RandomState(0).randn(2, 200, 3)
    np.testing.assert_array_equal(evaluate(graph, {"data": x}, precision="float64"), x[:, 150:151])


def test_a_result_that_no_operator_has(tmp_path):
    with pytest.raises(InputError, match="no output that it has"):
        read_mxnet(cut_into(tmp_path, 200, 10**9), inputs="data=2!,200,3")
