"""Loops over sequences of different lengths, and over cells that are no layers."""

import pathlib

import numpy as np
import pytest

from netglot.errors import NetglotError
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.evaluate import evaluate

tf = pytest.importorskip("tensorflow")
from netglot.dialects.tensorflow.frozen import read_tensorflow  # noqa: E402

with np.load(pathlib.Path(__file__).with_name("recorded_lengths.npz")) as _file:
    RECORDED = dict(_file)


def written(folder, definition):
    (folder / "net.pb").write_bytes(definition.SerializeToString())
    return folder / "net.pb"


def definition_of(name):
    return tf.compat.v1.GraphDef.FromString(RECORDED[f"{name}/file"].tobytes())


def computed(definition, name, count):
    """What TensorFlow computes of a graph."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(definition, name="")
        return session.run([f"out{place:02d}:0" for place in range(count)], {"x0:0": RECORDED[f"{name}/in/x0"]})


@pytest.mark.parametrize(("name", "kind"), [("sentences", ops.Lstm), ("last_words", ops.Gru)])
def test_lengths_are_masks_of_layers(name, kind, tmp_path):
    graph = read_tensorflow(written(tmp_path, definition_of(name)))
    found = [node.op for node in graph.nodes if isinstance(node.op, kind)]
    assert len(found) == 2 and all(op.mask is not None for op in found)
    assert isinstance(graph.inputs[0].shape[0], Dim)
    assert [op.direction for op in found] == (["forward", "backward"] if name == "sentences" else ["forward"] * 2)
    assert not any(isinstance(node.op, ops.TakeAlongAxis) for node in graph.nodes)


def test_other_cells_run_once_for_each_step(tmp_path):
    graph = read_tensorflow(written(tmp_path, definition_of("rare_cells")))
    assert sum(isinstance(node.op, ops.Scan) for node in graph.nodes) == 3
    assert all(isinstance(size, Dim) for size in graph.inputs[0].shape)
    assert all(isinstance(one, Dim) for one in graph.outputs[0][1].shape[:2])


@pytest.mark.parametrize(
    ("name", "last", "op"),
    [
        ("sentences", "fw/while/GreaterEqual", "Greater"),
        ("sentences", "bw/while/GreaterEqual", "Less"),
        ("sentences", "fw/Max", "Min"),
        ("sentences", "bw/Maximum", "Minimum"),
        ("last_words", "rnn/Minimum", "Maximum"),
    ],
)
def test_a_loop_that_ends_otherwise_is_none(name, last, op, tmp_path):
    """Where one operation differs, the results are still TensorFlow's, or it is refused."""
    definition = definition_of(name)
    (node,) = (one for one in definition.node if one.name.endswith(last))
    node.op = op
    try:
        graph = read_tensorflow(written(tmp_path, definition), inputs=[(3, 6)])
    except NetglotError:
        return
    try:
        wanted = computed(definition, name, 3 if name == "sentences" else 2)
    except tf.errors.OpError:
        return
    found = evaluate(graph, {"x0": RECORDED[f"{name}/in/x0"]}, precision="float64")
    for key, want in zip(sorted(found), wanted, strict=True):
        np.testing.assert_allclose(found[key], want, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("time", "batch"), [(1, 0), (0, 1), (2, 0)])
def test_sequences_turned_around_by_their_lengths(time, batch, tmp_path):
    array = np.random.RandomState(0).uniform(-1, 1, (3, 4, 5)).astype("float32")
    lengths = np.minimum([3, 1, 4, 2][: array.shape[batch]], array.shape[time])
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder("float32", array.shape, name="x")
        n = tf.compat.v1.placeholder("int64", lengths.shape, name="n")
        tf.identity(tf.reverse_sequence(x, n, time, batch_axis=batch), name="y")
    want = tf.reverse_sequence(array, lengths, time, batch_axis=batch).numpy()
    read = read_tensorflow(written(tmp_path, graph.as_graph_def()))
    np.testing.assert_allclose(evaluate(read, {"x": array, "n": lengths}), want)


def test_norms_of_the_first_releases(tmp_path):
    """TensorFlow 1.15 itself makes none any more; files of 2015 have them."""
    state = np.random.RandomState(0)
    x = state.uniform(-1, 1, (2, 3, 3, 4)).astype("float32")
    m, v, beta, gamma = (state.uniform(0.5, 1.5, 4).astype("float32") for _ in range(4))
    definition = tf.compat.v1.GraphDef()
    place = definition.node.add(name="t", op="Placeholder")
    place.attr["dtype"].type = tf.float32.as_datatype_enum
    place.attr["shape"].shape.CopyFrom(tf.TensorShape(x.shape).as_proto())
    for name, array in {"m": m, "v": v, "beta": beta, "gamma": gamma}.items():
        node = definition.node.add(name=name, op="Const")
        node.attr["dtype"].type = tf.float32.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array))
    names = ["t", "m", "v", "beta", "gamma"]
    norm = definition.node.add(name="norm", op="BatchNormWithGlobalNormalization", input=names)
    norm.attr["variance_epsilon"].f, norm.attr["scale_after_normalization"].b = 0.01, True
    graph = read_tensorflow(written(tmp_path, definition))
    assert sum(isinstance(node.op, ops.BatchNorm) for node in graph.nodes) == 1
    want = (x - m) / np.sqrt(v + 0.01) * gamma + beta
    np.testing.assert_allclose(evaluate(graph, {"t": x}), want, rtol=1e-5, atol=1e-6)


def test_weights_keep_their_names_through_another_shape(tmp_path):
    """`tf.layers.dense` over sequences gives its kernel another shape first."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder("float32", (None, 3, 4), name="x")
        kernel = tf.constant(np.eye(4, 5, dtype="float32"), name="dense/kernel")
        tf.matmul(tf.reshape(x, (-1, 4)), tf.reshape(kernel, (4, 5)), name="y")
    (parameter,) = read_tensorflow(written(tmp_path, graph.as_graph_def())).parameters.values()
    assert (parameter.name, parameter.trainable) == ("dense.weight", True)


def test_damaged_lengths_are_errors(damage, tmp_path):
    path = written(tmp_path, definition_of("sentences"))
    damage(path, lambda: read_tensorflow(path), any_bytes=True)
