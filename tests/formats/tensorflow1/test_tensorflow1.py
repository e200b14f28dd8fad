"""Frozen graphs against what TensorFlow 1.15 computed of them."""

import contextlib
import io
import pathlib
import zipfile

import numpy as np
import pytest

from netglot.errors import InputError, NetglotError, UnsupportedOps
from netglot.formats.registry import format_of
from netglot.frontend.extending import extended
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.evaluate import evaluate

tf = pytest.importorskip("tensorflow")
from netglot.dialects.tensorflow.frozen import read_tensorflow  # noqa: E402

HERE = pathlib.Path(__file__).parent
RECORDED = {}
for _path in sorted(HERE.glob("recorded*.npz")):
    with np.load(_path) as _file:
        RECORDED |= dict(_file)
NAMES = sorted({name.split("/")[0] for name in RECORDED})
PLAIN = {"dropped": ["keep_prob:=1.0", "phase_train:=False"]}
"""What is no tensor among the placeholders of a graph."""


def written(folder, name):
    (folder / "net.pb").write_bytes(RECORDED[f"{name}/file"].tobytes())
    return folder / "net.pb"


def given(name):
    return {key.split("/in/")[1]: RECORDED[key] for key in RECORDED if key.startswith(f"{name}/in/")}


@pytest.mark.parametrize("name", NAMES)
def test_computes_what_tensorflow_computes(name, tmp_path):
    graph = read_tensorflow(written(tmp_path, name), inputs=PLAIN.get(name))
    found = evaluate(graph, given(name), precision="float64")
    expected = {key.split("/out/")[1]: RECORDED[key] for key in RECORDED if key.startswith(f"{name}/out/")}
    found = found if isinstance(found, dict) else {"out00": found}
    assert found.keys() == expected.keys()
    for key, want in expected.items():
        np.testing.assert_allclose(found[key], want, rtol=2e-5, atol=2e-5, err_msg=key)


def test_weights_have_the_names_of_their_nodes(tmp_path):
    graph = read_tensorflow(written(tmp_path, "resnet"))
    assert "stage0_unit0.a.kernel" in graph.parameters
    assert str(graph.inputs[0].type) == "float32[B, 32, 32, 3]"


def test_a_known_condition_chooses_its_branch(tmp_path):
    graph = read_tensorflow(written(tmp_path, "branches"))
    assert not any(isinstance(node.op, ops.Multiply) for node in graph.nodes)
    assert [value.name for value in graph.inputs] == ["x0"]


def test_text_is_the_same(tmp_path):
    from google.protobuf import text_format

    definition = tf.compat.v1.GraphDef.FromString(RECORDED["dense/file"].tobytes())
    (tmp_path / "net.pbtxt").write_text(text_format.MessageToString(definition))
    found = evaluate(read_tensorflow(tmp_path / "net.pbtxt"), given("dense"))
    np.testing.assert_allclose(found, RECORDED["dense/out/out00"], rtol=1e-4, atol=1e-5)


def test_a_meta_graph_with_its_checkpoint(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder("float32", (None, 3), name="x")
        with tf.compat.v1.variable_scope("layer"):
            weight = tf.compat.v1.get_variable("weight", (3, 4), use_resource=False)
        y = tf.nn.relu(tf.matmul(x, weight), name="y")
        session.run(tf.compat.v1.global_variables_initializer())
        array = np.random.RandomState(0).uniform(-1, 1, (2, 3)).astype("float32")
        want = session.run(y, {x: array})
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "model"))
    graph = read_tensorflow(tmp_path / "model.meta")
    np.testing.assert_allclose(evaluate(graph, {"x": array}), want, rtol=1e-6)
    assert list(graph.parameters) == ["layer.weight"]


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [("basic_lstm", ops.Lstm, 1), ("deep", ops.Lstm, 2), ("both", ops.Gru, 2), ("rnn_time_major", ops.Rnn, 1)],
)
def test_loops_over_known_cells_are_layers(name, kind, count, tmp_path):
    graph = read_tensorflow(written(tmp_path, name))
    assert sum(isinstance(node.op, kind) for node in graph.nodes) == count
    assert "B" in str(graph.inputs[0].type)


LAYERS = {
    "keras_words": "Lstm Lstm",
    "keras_sequences": "Gru Gru Gru Lstm Rnn",
    "keras_states": "Lstm Lstm",
    "keras_masked": "Gru Gru Lstm",
    "masked_within": "Gru Lstm",
    "block_cells": "Gru Lstm",
    "compatible_cells": "Gru Lstm",
    "residual_cells": "Gru Gru",
}


@pytest.mark.parametrize("name", LAYERS)
def test_loops_of_keras_and_of_other_cells_are_layers(name, tmp_path):
    graph = read_tensorflow(written(tmp_path, name))
    found = [type(node.op).__name__ for node in graph.nodes]
    assert sorted(one for one in found if one in ("Lstm", "Gru", "Rnn")) == LAYERS[name].split()
    masked = [node.op for node in graph.nodes if getattr(node.op, "mask", None) is not None]
    assert len(masked) == {"keras_masked": 3, "masked_within": 2}.get(name, 0)
    if name != "keras_states":
        assert all(isinstance(size, Dim) for size in graph.inputs[0].shape[:2])


def test_weights_of_cells_have_the_names_of_their_cells(tmp_path):
    graph = read_tensorflow(written(tmp_path, "deep"))
    assert "rnn.multi_rnn_cell.cell_1.lstm_cell.weight_hh" in graph.parameters
    assert "rnn.gru_cell.weight_ih" in read_tensorflow(written(tmp_path, "gru")).parameters


def test_rows_of_weights_are_an_embedding(tmp_path):
    assert any(isinstance(node.op, ops.Embedding) for node in read_tensorflow(written(tmp_path, "words")).nodes)


@pytest.mark.parametrize("change", ["forget", "gates", "axis"])
def test_a_loop_that_computes_something_else_is_none(change, tmp_path):
    """A cell is known by its formula: where one operation differs, the loop is written out.

    Gates that are computed from the same columns are no other formula.
    """
    definition = tf.compat.v1.GraphDef.FromString(RECORDED["basic_lstm/file"].tobytes())
    nodes = {node.name.rpartition("basic_lstm_cell/")[2]: node for node in definition.node}
    if change == "forget":
        nodes["Sigmoid_2"].op = "Tanh"
    elif change == "gates":
        nodes["Tanh"].input[0] = nodes["Tanh"].input[0].replace("split:1", "split:3")
    else:
        nodes["Mul_1"].op = "AddV2"
    (tmp_path / "net.pb").write_bytes(definition.SerializeToString())
    graph = read_tensorflow(tmp_path / "net.pb")
    assert any(isinstance(node.op, ops.Lstm) for node in graph.nodes) == (change == "gates")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(definition, name="")
        wanted = session.run(["out00:0", "out01:0"], {"x0:0": given("basic_lstm")["x0"]})
    found = evaluate(graph, given("basic_lstm"), precision="float64")
    for number, want in enumerate(wanted):
        np.testing.assert_allclose(found[f"out{number:02d}"], want, rtol=2e-5, atol=2e-5)


def test_a_loop_around_one_picture_at_a_time_fixes_their_number(tmp_path):
    graph = read_tensorflow(written(tmp_path, "each_picture"))
    assert graph.inputs[0].shape == (2, 6, 6, 3)


def test_steps_of_a_loop_share_their_constants(tmp_path):
    parameters = read_tensorflow(written(tmp_path, "powers")).parameters
    assert len(parameters) <= 2


def test_a_dropout_at_work_is_refused(tmp_path):
    with pytest.raises(UnsupportedOps, match="a dropout at work") as refused:
        read_tensorflow(written(tmp_path, "dropped"), inputs=["phase_train:=False"])
    assert "--input keep_prob:=1.0" in str(refused.value)


@pytest.mark.parametrize("name", ["words", "basic_lstm"])
def test_a_saved_model_of_tensorflow_1(name, tmp_path):
    """Its variables lie in a checkpoint, and its signature names inputs and outputs."""
    with zipfile.ZipFile(io.BytesIO(RECORDED[f"{name}/saved"].tobytes())) as held:
        held.extractall(tmp_path / "model")
    assert format_of(tmp_path / "model").name == "tensorflow"
    graph = read_tensorflow(tmp_path / "model")
    assert [value.name for value in graph.inputs] == ["given0"]
    found = evaluate(graph, {"given0": RECORDED[f"{name}/in/x0"]}, precision="float64")
    found = found if isinstance(found, dict) else {"found0": found}
    for number, key in enumerate(sorted(key for key in RECORDED if key.startswith(f"{name}/out/"))):
        np.testing.assert_allclose(found[f"found{number}"], RECORDED[key], rtol=2e-5, atol=2e-5)


def test_a_saved_model_of_tensorflow_2_is_another_format(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "model"))
    assert format_of(tmp_path / "model") is None


def test_an_op_of_ones_own_is_read_by_an_extension(tmp_path):
    definition = tf.compat.v1.GraphDef.FromString(RECORDED["dense/file"].tobytes())
    for node in definition.node:
        if node.op == "Elu":
            node.op = "MyElu"
            node.attr["slope"].f = 1.0
    (tmp_path / "net.pb").write_bytes(definition.SerializeToString())
    with pytest.raises(UnsupportedOps, match="a user defined") as refused:
        read_tensorflow(tmp_path / "net.pb")
    assert "--extend my_ops.py" in str(refused.value)
    (tmp_path / "my_ops.py").write_text(
        "from netglot.dialects.tensorflow.dialect import tensorflow\nfrom netglot.pivot import ops\n\n\n"
        '@tensorflow.reads("MyElu")\ndef my_elu(x, slope):\n    return ops.Elu(x, slope)\n'
    )
    with extended([tmp_path / "my_ops.py"]):
        found = evaluate(read_tensorflow(tmp_path / "net.pb"), given("dense"), precision="float64")
    np.testing.assert_allclose(found, RECORDED["dense/out/out00"], rtol=2e-5, atol=2e-5)


def test_loops_are_refused(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.compat.v1.disable_control_flow_v2()
        x = tf.compat.v1.placeholder("float32", (2,), name="x")
        tf.compat.v1.while_loop(lambda i, s: tf.reduce_sum(s) < 3, lambda i, s: (i + 1, s * x), (0, x))
        tf.compat.v1.enable_control_flow_v2()
    (tmp_path / "loop.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(UnsupportedOps, match="a loop that runs as often as its data"):
        read_tensorflow(tmp_path / "loop.pb")


def test_damaged_files_are_errors(damage, tmp_path):
    path = written(tmp_path, "dense")
    damage(path, lambda: read_tensorflow(path), any_bytes=True)


def test_damaged_loops_are_errors(damage, tmp_path):
    path = written(tmp_path, "deep")
    damage(path, lambda: read_tensorflow(path), any_bytes=True)


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"/LoopCond", b"/LoopC\x01nd"), (b"NextIteration", b"NextIteratfon"), (b"_context", b"_co\x80text")],
)
def test_a_loop_that_lost_a_node_is_an_error(before, after, tmp_path):
    path = written(tmp_path, "powers")
    whole = path.read_bytes()
    for place in range(whole.count(before)):
        start = -1
        for _ in range(place + 1):
            start = whole.index(before, start + 1)
        path.write_bytes(whole[:start] + after + whole[start + len(before) :])
        with contextlib.suppress(NetglotError):
            read_tensorflow(path)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x.pb").write_bytes(b"\xff" * 50)
    with pytest.raises(InputError, match="no graph of TensorFlow"):
        read_tensorflow(tmp_path / "x.pb")
