"""Raising keeps every number and leaves the larger op."""

import numpy as np
import pytest

from netglot.passes.raising import raise_ops
from netglot.pivot import ops
from netglot.pivot.check import check
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Value
from netglot.pivot.op import TensorType, rand, type_of


def held(name, array):
    """A parameter that holds `array`."""
    return Parameter(name, type_of(array), lambda: array)


def raised(inputs, parameters, builder, output):
    """The ops after raising, with the numbers checked against those before."""
    graph = Graph("test", inputs, {p.name: p for p in parameters}, builder.nodes, output)
    arrays = {v.name: rand(*v.shape, dtype=v.dtype, seed=i) for i, v in enumerate(inputs)}
    before = evaluate(graph, arrays)
    after = raise_ops(graph)
    check(after)
    for mine, theirs in zip(evaluate(after, arrays), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    return [node.op for node in after.nodes]


def recurrence(builder, x, states, direction="forward"):
    """A GRU over (batch, time, 3) with its weights."""
    count = 2 if direction == "both" else 1
    weights = [held(f"w{i}", rand(15, n, seed=i)) for i, n in enumerate((3, 5) * count)]
    made = ops.Gru(x, states, tuple(weights[::2]), tuple(weights[1::2]), (), (), True, direction, 1, None, False)
    return builder.add(made), weights


@pytest.mark.parametrize(("value", "dropped"), [(0.0, True), (1.0, False)])
def test_initial_states_of_zero_are_dropped(value, dropped):
    x, builder = Value("x", TensorType("float64", (2, 4, 3))), Builder(Names(["x"]))
    states = builder.one(ops.Full(shape=(1, 2, 5), value=value, dtype="float64"))
    results, weights = recurrence(builder, x, (builder.one(ops.Select(states, axis=0, index=0)),))
    found = raised([x], weights, builder, results)
    assert (found[-1].h0 == ()) == dropped
    assert len(found) == (1 if dropped else 3)


@pytest.mark.parametrize(("kept", "equal"), [(True, True), (False, False)])
def test_the_output_of_a_step_that_is_left_out_is_no_final_state(kept, equal):
    x, builder = Value("x", TensorType("float64", (2, 4, 3))), Builder(Names(["x", "mask"]))
    mask = held("mask", np.asarray([[True, True, True, False], [False, True, False, True]]))
    results, weights = recurrence(builder, x, ())
    node = builder.nodes[-1]
    node.op = node.op.replace(mask=mask, held=kept)
    last = builder.one(ops.Select(results[0], axis=1, index=3))
    found = raised([x], [*weights, mask], builder, (last,))
    assert any(isinstance(op, ops.Select) for op in found) != equal


@pytest.mark.parametrize(
    ("axis", "index", "direction", "equal"),
    [(1, 3, "forward", True), (1, 2, "forward", False), (0, 1, "forward", False), (1, 3, "both", False)],
)
def test_the_last_output_is_the_final_state(axis, index, direction, equal):
    x, builder = Value("x", TensorType("float64", (2, 4, 3))), Builder(Names(["x"]))
    results, weights = recurrence(builder, x, (), direction)
    last = builder.one(ops.Select(results[0], axis=axis, index=index))
    found = raised([x], weights, builder, (last,))
    assert any(isinstance(op, ops.Select) for op in found) != equal


INFINITY = float("-inf")
MASKS = {
    "fill": (lambda b, c, d: b.one(ops.Where(c, INFINITY, b.one(ops.Full((2, 5), 0.0, "float64")))), True),
    "choice": (lambda b, c, d: b.one(ops.Where(c, 0.0, INFINITY)), True),
    "not": (lambda b, c, d: b.one(ops.Where(b.one(ops.LogicalNot(c)), INFINITY, 0.0)), True),
    "sum": (lambda b, c, d: b.one(ops.Add(*(b.one(ops.Where(m, 0.0, INFINITY)) for m in (c, d)))), True),
    "finite": (lambda b, c, d: b.one(ops.Where(c, 0.0, -1e30)), False),
    "numbers": (lambda b, c, d: b.one(ops.Where(c, INFINITY, 1.0)), False),
}


@pytest.mark.parametrize("name", MASKS)
def test_an_added_mask_of_infinities_becomes_one_of_truth_values(name):
    make, boolean = MASKS[name]
    x = Value("x", TensorType("float64", (2, 4, 5, 3)))
    conditions = [Value(n, TensorType("bool", (2, 5))) for n in "cd"]
    builder = Builder(Names("xcd"))
    mask = builder.one(ops.Reshape(make(builder, *conditions), shape=(2, 1, 1, 5)))
    out = builder.one(ops.Attention(x, x, x, mask, scale=0.5, causal=False, dropout=0.0, head_axis=1))
    found = raised([x, *conditions], [], builder, (out,))
    assert (type_of(found[-1].mask).dtype == "bool") == boolean


CAUSAL = {
    "tril": lambda b, ones: b.one(ops.Tril(ones, diagonal=0)),
    "not triu": lambda b, ones: b.one(ops.LogicalNot(b.one(ops.Triu(ones, diagonal=1)))),
}
NOT_CAUSAL = {
    "tril above": lambda b, ones: b.one(ops.Tril(ones, diagonal=1)),
    "triu": lambda b, ones: b.one(ops.LogicalNot(b.one(ops.Triu(ones, diagonal=2)))),
}


@pytest.mark.parametrize("name", [*CAUSAL, *NOT_CAUSAL])
def test_a_mask_that_keeps_what_is_not_later_is_the_causal_option(name):
    x, builder = Value("x", TensorType("float64", (2, 4, 5, 3))), Builder(Names("x"))
    ones = builder.one(ops.Full(shape=(5, 5), value=True, dtype="bool"))
    mask = (CAUSAL | NOT_CAUSAL)[name](builder, ones)
    mask = builder.one(ops.Reshape(mask, shape=(1, 1, 5, 5)))
    out = builder.one(ops.Attention(x, x, x, mask, scale=0.5, causal=False, dropout=0.0, head_axis=1))
    found = raised([x], [], builder, (out,))
    assert found[-1].causal == (name in CAUSAL)
    assert (len(found) == 1) == (name in CAUSAL)
