"""Attributes of TensorFlow's ops: none is overlooked, and what a file leaves out has TensorFlow's own default."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf
from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import netglot
from netglot.dialects.tensorflow.graphdef import dialect
from netglot.pivot.evaluate import evaluate

HARMLESS = {
    "Truncate": "only of casts to half precision",
    "grad_a": "whether a product is one of a gradient",
    "grad_b": "whether a product is one of a gradient",
    "grad_x": "whether a product is one of a gradient",
    "grad_y": "whether a product is one of a gradient",
    "N": "how many operands there are",
    "bad_indices_policy": "what is done with wrong indices",
    "incompatible_shape_error": "what is done with shapes that do not fit",
    "num_split": "how many results there are",
    "use_cudnn_on_gpu": "how it is computed",
    "validate_indices": "what is done with wrong indices",
}


def test_readers_look_at_every_attribute():
    overlooked = []
    for name, reader in dialect.readers.items():
        parameters, definition = inspect.signature(reader).parameters, op_def_registry.get(name)
        open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
        for attribute in definition.attr if definition and not open_ended else ():
            known = (
                attribute.type in ("type", "list(type)") or attribute.name in parameters or attribute.name in HARMLESS
            )
            overlooked += [] if known else [f"{name}.{attribute.name}"]
    assert not overlooked


def test_attributes_that_a_file_leaves_out(tmp_path):
    weights = tf.constant(np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype("float32"))

    @tf.function(input_signature=[tf.TensorSpec((2, 5, 5, 3), name="x")])
    def network(x):
        y = tf.nn.conv2d(x, weights, 2, "VALID")
        return (
            tf.one_hot(tf.argmax(tf.nn.leaky_relu(tf.cumsum(y, 1)), -1), 4) + tf.matmul(y, y, transpose_b=True)[..., :1]
        )

    graph = convert_variables_to_constants_v2(network.get_concrete_function()).graph.as_graph_def()
    for node in graph.node:
        definition = op_def_registry.get(node.op)
        for attribute in definition.attr:
            if attribute.HasField("default_value") and node.attr[attribute.name] == attribute.default_value:
                del node.attr[attribute.name]
    (tmp_path / "net.pb").write_bytes(graph.SerializeToString())
    read = netglot.read(tmp_path / "net.pb")
    x = np.random.default_rng(1).normal(size=(2, 5, 5, 3)).astype("float32")
    found = evaluate(read, {read.inputs[0].name: x})
    np.testing.assert_allclose(np.asarray(found).reshape(-1), network(x).numpy().reshape(-1), rtol=1e-5, atol=1e-5)


def test_rows_of_a_variable_by_batch(tmp_path):
    class Rows(tf.Module):
        def __init__(self):
            self.table = tf.Variable(np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32"))

        @tf.function(input_signature=[tf.TensorSpec((2, 4), tf.int32, name="ids")])
        def __call__(self, ids):
            return tf.gather(self.table, ids, batch_dims=1)

    module = Rows()
    tf.saved_model.save(module, str(tmp_path / "rows"), signatures=module.__call__.get_concrete_function())
    read = netglot.read(tmp_path / "rows")
    ids = np.array([[0, 4, 1, 1], [3, 2, 0, 4]], dtype="int32")
    found = evaluate(read, {read.inputs[0].name: ids})
    found = next(iter(found.values())) if isinstance(found, dict) else found[0] if isinstance(found, tuple) else found
    np.testing.assert_allclose(found, module(ids).numpy())
