"""Models of CNTK: where the batch goes, which a file of CNTK does not have as an axis."""

from __future__ import annotations

import numpy as np
import pytest
from tests.written import harness

from netglot.dialects.cntk.write import read_back, save_weights, store, stored, write
from netglot.errors import UnsupportedOps
from netglot.formats.cntk import read_model
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Value
from netglot.pivot.op import TensorType, rand

B = Dim.symbol("B")


def graph_of(make, *shapes, weights=()):
    """The graph of a function of inputs of these shapes, and of parameters."""
    names = Names()
    inputs = [Value(names.unique("x"), TensorType("float32", shape)) for shape in shapes]
    held = [Parameter(names.unique("w"), TensorType("float32", w.shape), lambda w=w: w) for w in weights]
    builder = Builder(names)
    results = builder.add(make(*inputs, *held))
    return Graph("net", inputs, {one.name: one for one in held}, builder.nodes, {"y": results[0]})


def written(graph, folder):
    made = write(graph, keep_layout=True)
    save_weights(made, folder / "model.model")
    return made


KEEPS = {
    "heads": (lambda x: ops.Permute(ops.Reshape(x, (B, 6, 2, 4)), (0, 2, 1, 3)), (B, 6, 8)),
    "windows": (lambda x: ops.Softmax(ops.Reshape(x, (B * 3, 2, 8)), 2), (B, 6, 8)),
    "and back": (lambda x: ops.Reshape(ops.Relu(ops.Reshape(x, (B * 3, 2, 8))), (B, 48)), (B, 6, 8)),
    "batch second": (lambda x: ops.Permute(ops.Softmax(ops.Permute(x, (1, 0, 2)), 0), (1, 0, 2)), (B, 6, 8)),
    "many axes": (lambda x: ops.Permute(ops.Reshape(x, (B, 2, 3, 2, 2, 2)), (0, 5, 3, 1, 4, 2)), (B, 6, 8)),
    "flat": (lambda x: ops.Reshape(x, (B, 48)), (B, 6, 8)),
    "a stack of products": (lambda x: ops.Matmul(x, ops.Permute(x, (0, 1, 3, 2))), (B, 2, 3, 4)),
    "what all share": (lambda x: ops.Concat((ops.Full((B, 1, 8), 0.5, "float32"), x), 1), (B, 6, 8)),
}
"""Networks for a batch of any size, of which the batch moves."""


@pytest.mark.parametrize("name", [one for one in KEEPS if one != "windows"])
def test_a_batch_of_any_size(name, tmp_path):
    make, shape = KEEPS[name]
    graph = graph_of(make, shape)
    written(graph, tmp_path)
    (declared,) = (one for one in read_model(tmp_path / "model.model").variables.values() if one.kind == 0)
    assert declared.dynamic == ("defaultBatchAxis",)
    x = rand(3, *shape[1:]).astype("float32")
    expected = evaluate(graph, {"x": x})["y"]
    harness.same(expected, harness.read_back("cntk", tmp_path, {"x": x}))
    if harness.interpreter("cntk"):
        harness.same(expected, harness.run("cntk", tmp_path, {"x": x}))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda x: ops.Mean(x, (0,), False), "reach across a batch"),
        (lambda x: ops.Reshape(x, (6, B, 8)), "reach across a batch"),
        (KEEPS["windows"][0], "batch as the first axis"),
        (lambda x: ops.Argmax(x, 1, False), "floats"),
    ],
)
def test_what_tears_an_open_batch_is_refused(make, what):
    with pytest.raises(UnsupportedOps, match=what):
        write(graph_of(make, (B, 6, 8)), keep_layout=True)


def test_a_batch_that_is_reached_across_is_pinned(tmp_path):
    graph = graph_of(lambda x: ops.Subtract(x, ops.Mean(x, (0,), True)), (2, 6))
    written(graph, tmp_path)
    (declared,) = (one for one in read_model(tmp_path / "model.model").variables.values() if one.kind == 0)
    assert (declared.dynamic, declared.shape) == ((), (2, 6))


def test_sizes_that_are_not_known(tmp_path):
    """A sequence is an axis of free size, and a recurrent layer over it is read back as one."""
    weights = [rand(12, 4, seed=1), rand(12, 3, seed=2), rand(12, seed=3)]
    graph = graph_of(
        lambda x, w, u, b: ops.Lstm(x, (), (), (w,), (u,), (b,), (), "forward", 1, None, False),
        (B, Dim.symbol("T"), 4),
        weights=[w.astype("float32") for w in weights],
    )
    made = written(graph, tmp_path)
    again = read_back(tmp_path, None)
    assert [type(node.op) for node in again.nodes] == [ops.Lstm]
    assert set(made.weights) == set(stored(tmp_path))


def test_other_weights(tmp_path):
    graph = graph_of(lambda x, w: ops.Linear(x, w, None), (B, 3), weights=[np.ones((2, 3), "float32")])
    written(graph, tmp_path)
    (tmp_path / "copy").mkdir()
    (name,) = stored(tmp_path)
    store(tmp_path, {name: np.full((3, 2), 2.0)}, tmp_path / "copy")
    x = np.ones((1, 3), "float32")
    harness.same(np.full((1, 2), 6.0), harness.read_back("cntk", tmp_path / "copy", {"x": x}))


def test_groups_are_padded_unevenly_before_they_are_folded(tmp_path):
    """CNTK itself pads the second group otherwise than the first."""
    weight = rand(6, 2, 3, 2).astype("float32")
    options = {"stride": (2, 1), "padding": ((0, 1), (0, 1)), "dilation": (1, 1), "groups": 2, "axis": 1}
    graph = graph_of(lambda x, w: ops.Conv(x, w, None, **options), (B, 4, 7, 9), weights=[weight])
    written(graph, tmp_path)
    assert [type(node.op) for node in read_back(tmp_path, None).nodes].count(ops.Pad) == 2
    x = rand(2, 4, 7, 9).astype("float32")
    expected = evaluate(graph, {"x": x})
    expected = expected["y"] if isinstance(expected, dict) else expected
    harness.same(expected, harness.read_back("cntk", tmp_path, {"x": x}))
    if harness.interpreter("cntk"):
        harness.same(expected, harness.run("cntk", tmp_path, {"x": x}))
