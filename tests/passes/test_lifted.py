"""What several modules use is computed around them; tables that were laid out flat are found again."""

import numpy as np
import pytest

from netglot.passes.lifted import lift, settle_constants
from netglot.passes.patterns import raise_patterns
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Frame, Graph, Names, Node, Parameter, Value
from netglot.pivot.op import TensorType

LAYERS = [(Frame("layers"), Frame(f"layers.{i}")) for i in range(2)]


def value(name, shape, dtype="float32"):
    return Value(name, TensorType(dtype, shape))


def two_layers():
    """Two layers that scale by a sine, which the first computes for both."""
    x, scale = (
        value("x", (2, 3)),
        Parameter("Constant_1", TensorType("float32", ()), lambda: np.float32(2.0), kind="constant"),
    )
    names = Names()
    nodes: list[Node] = []

    def add(op, scope):
        (kind,) = op.result_types()
        nodes.append(Node(op, (Value(names.unique(type(op).__name__), kind),), scope, ()))
        return nodes[-1].results[0]

    own = add(ops.Relu(x), LAYERS[0])
    wave = add(ops.Sin(add(ops.Multiply(x, scale), LAYERS[0])), LAYERS[0])
    first = add(ops.Add(own, wave), LAYERS[0])
    second = add(ops.Add(add(ops.Relu(first), LAYERS[1]), wave), LAYERS[1])
    return Graph("net", [x], {scale.name: scale}, nodes, second, {}, [])


def test_what_two_layers_use_is_computed_before_them():
    graph, x = two_layers(), np.float32([[1, -2, 3], [-4, 5, -6]])
    before = evaluate(graph, {"x": x})
    settle_constants(lift(graph), lambda name: name.startswith("Constant"))
    assert [type(node.op).__name__ for node in graph.nodes if node.scope == LAYERS[0][:1]] == ["Multiply", "Sin"]
    assert [type(node.op).__name__ for node in graph.nodes][:2] == ["Multiply", "Sin"]
    assert list(graph.parameters) == ["layers.constant"]
    np.testing.assert_array_equal(evaluate(graph, {"x": x}), before)


def test_what_a_module_is_for_stays_in_it():
    graph = two_layers()
    graph.nodes[1].scope = graph.nodes[2].scope = (Frame("positions"),)
    assert [node.path for node in lift(graph).nodes].count("positions") == 2


def rows_and_columns(swapped):
    """A mask laid out flat, and looked up at row * columns + column."""
    batch, time = Dim.symbol("B"), Dim.symbol("T")
    mask = value("mask", (batch, time), "bool")
    names = Names()
    nodes: list[Node] = []

    def add(op):
        (kind,) = op.result_types()
        nodes.append(Node(op, (Value(names.unique(type(op).__name__), kind),), (), ()))
        return nodes[-1].results[0]

    flat = add(ops.Reshape(mask, (batch * time, 1)))
    row = add(ops.Reshape(add(ops.Arange(0, batch, 1, "int64")), (batch, 1, 1, 1)))
    column = add(ops.Reshape(add(ops.Arange(0, time, 1, "int64")), (1, 1, 1, time)))
    count = add(ops.Arange(time, time + 1, 1, "int64"))
    scaled = add(ops.Multiply(count, row) if swapped else ops.Multiply(row, count))
    place = add(ops.Add(scaled, column) if swapped else ops.Add(column, scaled))
    return Graph("net", [mask], {}, nodes, add(ops.Take(flat, place, 0)), {}, [])


def test_a_table_that_was_laid_out_flat_is_found_again():
    mask = np.random.default_rng(0).random((3, 5)) < 0.5
    for swapped in (False, True):
        graph = rows_and_columns(swapped)
        before = evaluate(graph, {"mask": mask})
        made = raise_patterns(graph)
        assert [type(node.op).__name__ for node in made.nodes] == ["Reshape"]
        np.testing.assert_array_equal(evaluate(made, {"mask": mask}), before)


@pytest.mark.parametrize("joined", [False, True])
def test_a_mask_that_is_looked_up_by_rows_and_columns_is_the_mask(joined):
    batch, time, more = (Dim.symbol(name) for name in "BTN")
    mask, names, nodes = value("mask", (more, time), "bool"), Names(), []

    def add(op):
        (kind,) = op.result_types()
        nodes.append(Node(op, (Value(names.unique(type(op).__name__), kind),), (), ()))
        return nodes[-1].results[0]

    other = value("other", (batch, 4))
    row = add(ops.Reshape(add(ops.Arange(0, batch, 1, "int64")), (batch, 1, 1)))
    column = add(ops.Reshape(add(ops.Arange(0, time, 1, "int64")), (1, 1, time)))
    if joined:
        apart = [
            add(ops.Reshape(add(ops.Broadcast(one, (batch, 1, time))), (batch, 1, time, 1))) for one in (row, column)
        ]
        whole = add(ops.Concat(tuple(apart), 3))
        row, column = add(ops.Select(whole, 3, 0)), add(ops.Select(whole, 3, 1))
    taken = add(ops.AdvancedIndex(mask, (row, column)))
    seen = add(ops.GreaterEqual(add(ops.Reshape(add(ops.Arange(0, time, 1, "int64")), (1, time, 1))), 0))
    graph = Graph("net", [mask, other], {}, nodes, add(ops.LogicalAnd(seen, taken)), {}, [])
    arrays = {"mask": np.random.default_rng(0).random((3, 5)) < 0.5, "other": np.zeros((2, 4), "float32")}
    before = evaluate(graph, arrays)
    made = raise_patterns(graph)
    assert {type(node.op).__name__ for node in made.nodes} <= {"Reshape", "Slice", "Broadcast", "Identity"}
    np.testing.assert_array_equal(evaluate(made, arrays), before)
