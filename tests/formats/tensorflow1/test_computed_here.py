"""Frozen graphs that are put together here and computed by the TensorFlow that is installed."""

import numpy as np
import pytest

from netglot.pivot.evaluate import evaluate

tf = pytest.importorskip("tensorflow")
from tensorflow.python.framework import op_def_registry  # noqa: E402

from netglot.dialects.tensorflow.frozen import read_tensorflow  # noqa: E402

v1, raw = tf.compat.v1, tf.raw_ops
DRAWN = np.random.RandomState(0)


def drawn(*shape):
    return DRAWN.uniform(-1, 1, shape).astype("float32")


def without_defaults(definition):
    """Leaves attributes out that are what their op has anyway, as exporters do."""
    for node in definition.node:
        for attribute in op_def_registry.get(node.op).attr:
            if attribute.HasField("default_value") and node.attr[attribute.name] == attribute.default_value:
                del node.attr[attribute.name]


def compared(folder, make, *arrays, inputs=None):
    """Asserts that a graph of placeholders for arrays is read as what TensorFlow computes of it; the graph."""
    with v1.Graph().as_default() as graph:
        places = [v1.placeholder(array.dtype, [None, *array.shape[1:]], f"x{i}") for i, array in enumerate(arrays)]
        made = [tf.identity(one, name=f"out{i}") for i, one in enumerate(make(*places))]
        with v1.Session() as session:
            expected = session.run(made, dict(zip(places, arrays, strict=True)))
    definition = graph.as_graph_def()
    without_defaults(definition)
    (folder / "net.pb").write_bytes(definition.SerializeToString())
    read = read_tensorflow(folder / "net.pb", inputs=inputs)
    found = evaluate(read, {f"x{i}": array for i, array in enumerate(arrays)}, precision="float64")
    found = found if isinstance(found, dict) else {"out0": found}
    for i, want in enumerate(expected):
        np.testing.assert_allclose(found[f"out{i}"], want, rtol=1e-5, atol=1e-5, err_msg=f"out{i}")
    return read


@pytest.mark.parametrize("op", [raw.ResizeBilinear, raw.ResizeBicubic, raw.ResizeNearestNeighbor])
@pytest.mark.parametrize("corners", [{}, {"align_corners": True}, {"half_pixel_centers": True}])
def test_resizing_with_the_corners_of_all_versions(op, corners, tmp_path):
    sizes = [(7, 17), (20, 5), (1, 1), (9, 11)]
    compared(tmp_path, lambda x: [op(images=x, size=size, **corners) for size in sizes], drawn(2, 10, 12, 3))


def test_cells_in_one_op(tmp_path):
    w, b, peepholes = drawn(9, 16), drawn(16), [drawn(4) for _ in range(3)]

    def make(x, h, c):
        told = dict(zip(("wci", "wcf", "wco"), peepholes, strict=True), w=w, b=b, cs_prev=c, h_prev=h)
        plain = raw.LSTMBlockCell(x=x, **told, forget_bias=0.7, cell_clip=0.4, use_peephole=False)
        peeping = raw.LSTMBlockCell(x=x, **told, forget_bias=1.0, cell_clip=-1.0, use_peephole=True)
        gru = raw.GRUBlockCell(x=x, h_prev=h, w_ru=w[:, :8], w_c=w[:, 8:12], b_ru=b[:8], b_c=b[8:12])
        return [*plain, *peeping, *gru]

    compared(tmp_path, make, drawn(3, 5), drawn(3, 4), drawn(3, 4))


def test_a_sequence_in_one_op(tmp_path):
    w, b, zeros, start = drawn(9, 16), drawn(16), np.zeros(4, "float32"), np.zeros((2, 4), "float32")

    def make(x):
        told = {"w": w, "b": b, "wci": zeros, "wcf": zeros, "wco": zeros, "cs_prev": start, "h_prev": start}
        made = raw.BlockLSTM(seq_len_max=tf.constant(6, "int64"), x=x, **told, forget_bias=1.0)
        return [made.h, made.cs[-1]]

    compared(tmp_path, make, drawn(6, 2, 5), inputs=[(6, 2, 5)])


def test_what_a_bias_is_added_to_may_be_an_output_itself(tmp_path):
    kernel, bias = drawn(3, 3, 2, 4), drawn(4)

    def make(x):
        convolved = tf.nn.conv2d(x, kernel, 2, "SAME")
        return [convolved, tf.nn.relu(tf.nn.bias_add(convolved, bias)), tf.matmul(x[:, 0, 0], drawn(2, 3)) + drawn(3)]

    read = compared(tmp_path, make, drawn(2, 7, 8, 2))
    assert sum(getattr(node.op, "bias", None) is not None for node in read.nodes) == 1


def test_a_checkpoint_of_a_training_graph_gives_what_depends_on_its_inputs(tmp_path):
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", (None, 3), name="x")
        weight = v1.get_variable("weight", (3, 4), use_resource=True)
        v1.is_variable_initialized(weight)
        tf.identity(1e-3 * tf.nn.l2_loss(weight), name="penalty")
        tf.zeros((tf.shape(x)[0], 4), name="start")
        y = tf.nn.relu(tf.matmul(x, weight), name="y")
        session.run(v1.global_variables_initializer())
        array = drawn(2, 3)
        want = session.run(y, {x: array})
        v1.train.Saver().save(session, str(tmp_path / "model"))
    graph = read_tensorflow(tmp_path / "model.meta")
    np.testing.assert_allclose(evaluate(graph, {"x": array}), want, rtol=1e-5)


def test_columns_of_buckets_and_sizes_by_slices(tmp_path):
    def make(x):
        buckets = raw.Bucketize(input=x, boundaries=[-0.5, 0.0, 0.25])
        return [buckets, tf.reshape(tf.one_hot(buckets, 4), [tf.shape(x)[0], 12])]

    compared(tmp_path, make, drawn(4, 3))


def test_a_variable_in_parts_is_whole_in_its_checkpoint(tmp_path):
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", (None, 3), name="x")
        with v1.variable_scope("layer", partitioner=v1.fixed_size_partitioner(1)):
            weight = v1.get_variable("weight", (3, 4))
        y = tf.matmul(x, tf.convert_to_tensor(weight), name="y")
        session.run(v1.global_variables_initializer())
        want = session.run(y, {x: (array := drawn(2, 3))})
        v1.train.Saver().save(session, str(tmp_path / "model"))
    graph = read_tensorflow(tmp_path / "model.meta")
    np.testing.assert_allclose(evaluate(graph, {"x": array}), want, rtol=1e-5)
