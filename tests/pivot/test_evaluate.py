"""A graph runs by the meaning of its ops."""

import numpy as np
import pytest
from pivot_graphs import B, T, parameter, rich

from netglot.errors import Bug, RequestError
from netglot.pivot import ops
from netglot.pivot.evaluate import bind, evaluate, evaluate_all, evaluate_op
from netglot.pivot.graph import Builder, Graph, Names, Part, Value
from netglot.pivot.op import TensorType, rand

INPUTS = {"x": rand(2, 5, 4), "input ids": rand(2, 11, dtype="int64", low=0, high=2)}


def test_outputs_stand_in_their_nest():
    out = evaluate(rich(), INPUTS)
    hidden = INPUTS["x"] @ rand(6, 4).T
    np.testing.assert_allclose(out["out"][0], hidden[:, 2:, 2:] * 5)
    np.testing.assert_array_equal(out["out"][1][1], hidden)
    assert out["more.names"]["none"] is None


def test_every_value_has_its_name():
    values = evaluate_all(rich(), INPUTS)
    assert {"x", "input ids", "proj.weight", "class", "half_0", "half_1"} <= set(values)


def single() -> Graph:
    x = Value("x", TensorType("float32", (B,)))
    weight = parameter("w", np.array([1 / 3], "float32"))
    builder = Builder(Names(["x", "w"]))
    made = builder.one(ops.Cast(ops.Add(ops.Cast(x, dtype="float64"), 1 / 3), dtype="float32"))
    return Graph("single", [x], {"w": weight}, builder.nodes, (made, builder.one(ops.Multiply(made, weight))))


def test_precision_widens_inputs_weights_and_casts():
    x = np.array([1 / 7])
    exact, product = evaluate(single(), {"x": x}, precision="float64")
    assert exact.dtype == product.dtype == np.float64
    np.testing.assert_array_equal(exact, x + 1 / 3)
    assert evaluate(single(), {"x": x})[0].dtype == np.float32


def test_sizes_are_bound_from_inputs():
    x, y = (Value(n, TensorType("float64", s)) for n, s in (("x", (2 * T + 1, B)), ("y", (T, 3))))
    assert bind([x, y], {"x": rand(9, 2), "y": rand(4, 3)}) == {"T": 4, "B": 2}
    assert bind([x], {"x": rand(9, 2)}) == {"T": 4, "B": 2}


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": rand(9, 2)}, "no array"),
        ({"x": rand(9), "y": rand(4, 3)}, "shape"),
        ({"x": rand(9, 2), "y": rand(5, 3)}, "size"),
        ({"x": rand(9, 2), "y": rand(4, 2)}, "size 2 and must be 3"),
    ],
)
def test_inputs_that_do_not_fit_are_told(arrays, says):
    x, y = (Value(n, TensorType("float64", s)) for n, s in (("x", (2 * T + 1, B)), ("y", (T, 3))))
    with pytest.raises(RequestError, match=says):
        bind([x, y], arrays)


def test_a_meaning_that_contradicts_the_type_is_a_defect():
    graph = single()
    graph.nodes[0].results[0].type = TensorType("float64", (B, 1))
    with pytest.raises(Bug):
        evaluate(graph, {"x": rand(2)})
    graph.nodes[0].results[0].type = TensorType("int64", (B,))
    with pytest.raises(Bug):
        evaluate(graph, {"x": rand(2)})


def test_weight_expressions():
    weight = parameter("w", rand(6, 2))
    split = ops.Split(weight, sizes=(2, 4), axis=0)
    tree = ops.Concat((Part(split, 1), Part(split, 0)), axis=0)
    np.testing.assert_array_equal(evaluate_op(tree), np.roll(rand(6, 2), 4, 0))
    assert evaluate_op(weight) is not None and evaluate_op(2.5) == 2.5
    assert evaluate_op(ops.Full(shape=(B, 2), value=1.0, dtype="float32"), sizes={"B": 3}).shape == (3, 2)
    assert evaluate_op(ops.Cast(weight, dtype="float32"), precision="float64").dtype == np.float64
