"""Concatenations that continue each other, and the modules around them."""

import numpy as np

from netglot.passes.growing import grow
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Frame, Graph, Node, Value
from netglot.pivot.op import TensorType


def value(name, *shape):
    return Value(name, TensorType("float32", shape))


def dense(layers=3, paths=True, keep=()):
    """A dense block: each layer takes all that there is, and doubles its mean; joined in the layer that takes it."""
    x = value("x", 2, 3)
    nodes, pieces = [], [x]
    for i in range(layers):
        scope = (Frame("block"), Frame(f"block.layer{i}")) if paths else ()
        joined = pieces[0]
        if len(pieces) > 1:
            joined = value(f"joined{i}", 2, 2 + len(pieces))
            nodes.append(Node(ops.Concat(tuple(pieces), 1), (joined,), scope))
        mean, made = value(f"mean{i}", 2, 1), value(f"made{i}", 2, 1)
        nodes.append(Node(ops.Mean(joined, (1,), True), (mean,), scope))
        nodes.append(Node(ops.Multiply(mean, 2.0), (made,), (*scope, Frame(f"block.layer{i}.scale")) if paths else ()))
        pieces.append(made)
    out = value("out", 2, 3 + layers)
    nodes.append(Node(ops.Concat(tuple(pieces), 1), (out,), (Frame("block"),) if paths else ()))
    return Graph("net", [x], {}, nodes, out, {}, [])


def joins(graph):
    return [node for node in graph.nodes if isinstance(node.op, ops.Concat)]


def test_each_layer_ends_by_joining_its_piece_to_what_there_is():
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    wanted = evaluate(dense(), {"x": x})
    graph = grow(dense())
    assert [len(node.op.xs) for node in joins(graph)] == [2, 2, 2]
    assert [node.scope[-1].path for node in joins(graph)] == ["block.layer0", "block.layer1", "block.layer2"]
    np.testing.assert_array_equal(evaluate(graph, {"x": x}), wanted)


def test_without_modules_each_join_stands_behind_what_it_joins():
    x = np.ones((2, 3), "float32")
    graph = grow(dense(paths=False))
    order = [type(node.op).__name__ for node in graph.nodes]
    assert order == ["Mean", "Multiply", "Concat"] * 3
    np.testing.assert_array_equal(evaluate(graph, {"x": x}), evaluate(dense(), {"x": x}))


def test_lists_that_begin_otherwise_or_join_along_another_axis_stay():
    x, y, z = (value(name, 2, 2) for name in "xyz")
    one, other, third = value("one", 2, 4), value("other", 2, 6), value("third", 6, 2)
    nodes = [
        Node(ops.Concat((x, y), 1), (one,)),
        Node(ops.Concat((y, x, z), 1), (other,)),
        Node(ops.Concat((x, y, z), 0), (third,)),
    ]
    graph = grow(Graph("net", [x, y, z], {}, list(nodes), {"a": one, "b": other, "c": third}, {}, []))
    assert graph.nodes == nodes
