"""What is computed twice without weights is computed once; what only looks the same is left."""

import numpy as np
import pytest

from netglot.passes.shared import share
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Value
from netglot.pivot.op import TensorType

X = np.random.default_rng(0).normal(size=(2, 2048)).astype("float32")


def held(name, array, kind="constant"):
    return Parameter(name, TensorType(str(array.dtype), array.shape), lambda: array, kind=kind)


def shared(build):
    """The kinds of ops that remain of what `build` makes of x; the numbers are those of before."""
    x = Value("x", TensorType("float32", (2, 2048)))
    builder = Builder(Names(["x"]))
    results = tuple(builder.one(op) for op in build(x))
    parameters = {v.name: v for node in builder.nodes for v in node.operand_values() if isinstance(v, Parameter)}
    graph = Graph("net", [x], parameters, builder.nodes, results)
    before = evaluate(graph, {"x": X})
    found = share(graph)
    for one, other in zip(evaluate(found, {"x": X}), before, strict=True):
        np.testing.assert_array_equal(one, other)
    return [type(node.op).__name__ for node in found.nodes]


ONES, RAMP = np.ones(2048, "float32"), np.arange(2048, dtype="float32")
BENT = RAMP.copy()
BENT[1000] = -1  # where the text of an array has only dots

ONCE = {
    "the same op": lambda x: (ops.Exp(x), ops.Exp(x)),
    "equal constants": lambda x: (ops.Add(x, held("a", RAMP)), ops.Add(x, held("b", RAMP.copy()))),
}
TWICE = {
    "other options": lambda x: (ops.Softmax(x, 1), ops.Softmax(x, 0)),
    "numbers of another kind": lambda x: (ops.Add(x, 1), ops.Add(x, 1.5)),
    "constants of one shape": lambda x: (ops.Add(x, held("a", RAMP)), ops.Add(x, held("b", ONES))),
    "constants that part in one place": lambda x: (ops.Add(x, held("a", RAMP)), ops.Add(x, held("b", BENT))),
    "weights": lambda x: (
        ops.Add(x, held("a", ONES, "parameter")),
        ops.Add(x, held("b", ONES.copy(), "parameter")),
    ),
    "draws of random numbers": lambda x: (ops.Dropout(x, 0.5, (0, 1)), ops.Dropout(x, 0.5, (0, 1))),
}


@pytest.mark.parametrize("name", ONCE)
def test_once(name):
    assert len(shared(ONCE[name])) == 1


@pytest.mark.parametrize("name", TWICE)
def test_twice(name):
    assert len(shared(TWICE[name])) == 2
