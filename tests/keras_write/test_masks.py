"""Masks do not go further in Keras than in the network that is written."""

import numpy as np
import pytest

from netglot.dialects.keras.masks import leave_masks
from netglot.pivot import ops
from netglot.pivot.graph import Builder, Graph, Module, Names, Value
from netglot.pivot.op import TensorType


def network(mask_of_second: bool, between=None) -> Graph:
    """A masked recurrence, something between, and a second recurrence."""
    x, mask = Value("x", TensorType("float32", (2, 5, 3))), Value("mask", TensorType("bool", (2, 5)))
    weights = [
        Value(name, TensorType("float32", shape)) for name, shape in (("w", (4, 3)), ("u", (4, 4)), ("v", (4, 4)))
    ]
    builder = Builder(Names(["x", "mask", "w", "u", "v"]))
    w, u, v = weights
    first = builder.add(ops.Rnn(x, (), (w,), (u,), (), (), "tanh", "forward", 1, mask, False))[0]
    middle = builder.one(between(first)) if between else first
    held = mask if mask_of_second else None
    second = builder.add(ops.Rnn(middle, (), (v,), (u,), (), (), "tanh", "forward", 1, held, False))[0]
    return Graph("Net", [x, mask, *weights], {}, builder.nodes, second, {"": Module("", "Net")})


@pytest.mark.parametrize(
    ("masked", "between", "copies"),
    [
        (False, None, 1),
        (True, None, 0),
        (False, ops.Relu, 1),
        (False, lambda one: ops.Flip(one, (1,)), 0),
        (False, lambda one: ops.Dropout(one, 0.5, (0, 1, 2)), 1),
    ],
)
def test_a_sequence_is_copied_where_its_mask_would_be_obeyed(masked, between, copies):
    graph = leave_masks(network(masked, between))
    assert sum(isinstance(node.op, ops.Identity) for node in graph.nodes) == copies


def test_keras_obeys_masks_unasked():
    """What is written for: without the copy, Keras masks the second layer too."""
    keras = pytest.importorskip("keras")
    x, mask = np.ones((1, 4, 2), "float32"), np.array([[True, True, False, False]])
    first, second = keras.layers.GRU(3, return_sequences=True), keras.layers.GRU(3, return_sequences=True)
    masked = first(x, mask=mask)
    seen, unseen = np.asarray(second(masked)), np.asarray(second(keras.ops.copy(masked)))
    assert np.array_equal(seen[:, 1], seen[:, 3]) and not np.array_equal(unseen[:, 1], unseen[:, 3])
