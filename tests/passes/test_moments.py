"""What TensorFlow's converters spell out is read as what it is; what only looks like it is left."""

import numpy as np
import pytest
from tests.passes.test_spelled_out import graph_of, weight

from netglot.passes.patterns import raise_patterns
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Builder, Graph, Names, Value
from netglot.pivot.op import TensorType

RANDOM = np.random.default_rng(0)


def moments(x, *, scale=(1, 1, 8), offset=(8,), negative=True, axes=(2,), other=False, times=None, moved=None):
    mean = ops.Mean(x, axes, True)
    centred = ops.Subtract(x, mean)
    variance = ops.Mean(ops.Multiply(centred, centred), axes, True)
    factor = ops.Reciprocal(ops.Sqrt(ops.Add(variance, 1e-6)))
    factor = ops.Multiply(factor, weight(*scale)) if scale else factor
    factor = ops.Multiply(factor, times) if times is not None else factor
    mean = ops.Mean(x, moved, True) if moved else mean
    moved = ops.Multiply(ops.Negative(mean) if negative else mean, ops.Abs(factor) if other else factor)
    if not offset:
        return ops.Add(ops.Multiply(x, factor), moved) if negative else ops.Subtract(ops.Multiply(x, factor), moved)
    shift = ops.Add(moved, weight(*offset)) if negative else ops.Subtract(weight(*offset), moved)
    return ops.Add(ops.Multiply(x, factor), shift)


def chosen(x):
    keep = ops.Greater(ops.Sum(x, (2,), True), 0.0)
    return ops.Add(
        ops.Multiply(ops.Cast(keep, "float32"), x), ops.Multiply(-7.0, ops.Cast(ops.LogicalNot(keep), "float32"))
    )


def dense(x, bias=True):
    rows = ops.Matmul(ops.Reshape(x, (6, 8)), weight(8, 12))
    apart = ops.Reshape(rows, (2, 3, 4, 3))
    return ops.Add(apart, weight(4, 3)) if bias else apart


def attention(x, low=-1e9, other=False):
    heads = [ops.Permute(ops.Reshape(x, (2, 3, 2, 4)), (0, 2, 1, 3)) for _ in range(3)]
    keep = ops.Greater(ops.Reshape(ops.Select(x, 2, 0), (2, 1, 1, 3)), 0.0)
    query = ops.Permute(heads[1], (0, 1, 3, 2))
    logits = ops.Permute(ops.Matmul(ops.Multiply(heads[0], 2.0), query), (0, 1, 3, 2))
    masked = ops.Softmax(ops.Where(keep, logits, low), 3)
    keep = ops.LogicalNot(keep) if other else keep
    return ops.Matmul(ops.Where(keep, masked, 0.0), heads[2])


FOUND = [
    (moments, "LayerNorm"),
    (lambda x: moments(x, negative=False), "LayerNorm"),
    (lambda x: moments(x, scale=None, offset=None), "LayerNorm"),
    (lambda x: moments(x, scale=None, offset=None, negative=False), "LayerNorm"),
    (lambda x: moments(x, offset=None), "LayerNorm"),
    (lambda x: moments(x, scale=(3, 8), offset=(3, 8), axes=(1, 2)), "LayerNorm"),
    (chosen, "Where"),
    (dense, "Linear"),
    (attention, "Attention"),
]


@pytest.mark.parametrize(("build", "kind"), FOUND)
def test_the_same_numbers(build, kind):
    graph = graph_of((2, 3, 8), build)
    x = RANDOM.normal(size=(2, 3, 8)).astype("float32")
    x[0, :, 0] = -1.0  # a row of the mask that keeps nothing
    wanted = evaluate(graph, {"x": x})
    raised = raise_patterns(graph)
    assert kind in [type(node.op).__name__ for node in raised.nodes]
    made = evaluate(raised, {"x": x})
    assert made.shape == wanted.shape
    np.testing.assert_allclose(made, wanted, atol=2e-5)


def test_a_layer_whose_features_go_apart_takes_its_bias_and_no_rows():
    raised = raise_patterns(graph_of((2, 3, 8), dense))
    (layer,) = [node.op for node in raised.nodes if isinstance(node.op, ops.Linear)]
    assert layer.bias is not None and layer.x.type.rank == 3


LEFT = [
    (lambda x: moments(x, other=True), "LayerNorm"),
    (lambda x: moments(x, scale=(3, 1)), "LayerNorm"),
    (lambda x: moments(x, scale=None, times=2.0), "LayerNorm"),
    (lambda x: moments(x, scale=None, offset=None, times=2.0), "LayerNorm"),
    (lambda x: moments(x, scale=None, offset=None, times=ops.Abs(x)), "LayerNorm"),
    (lambda x: moments(x, moved=(1, 2)), "LayerNorm"),
    (lambda x: moments(x, scale=None, offset=None, negative=False, moved=(1, 2)), "LayerNorm"),
    (lambda x: attention(x, low=-10.0), "Attention"),
    (lambda x: attention(x, other=True), "Attention"),
]


@pytest.mark.parametrize(("build", "kind"), LEFT)
def test_what_only_looks_like_it_is_left(build, kind):
    raised = raise_patterns(graph_of((2, 3, 8), build))
    assert kind not in [type(node.op).__name__ for node in raised.nodes]


def test_rows_of_a_table_are_counted_from_the_front():
    ids = Value("ids", TensorType("int64", (2, 3)))
    builder = Builder(Names(["ids"]))
    table = weight(5, 4)
    wrapped = ops.Where(ops.Less(ops.Cast(ids, "float32"), 0.0), ops.Add(ids, 5), ids)
    made = builder.one(ops.Embedding(wrapped, table, None))
    graph = raise_patterns(Graph("net", [ids], {table.name: table}, builder.nodes, made))
    assert [type(node.op).__name__ for node in graph.nodes] == ["Embedding"]
