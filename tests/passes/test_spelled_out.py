"""What exporters spell out is read as the op that it is, with the same numbers; what only looks like it is left."""

import numpy as np
import pytest

from netglot.passes.patterns import raise_patterns
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Part, Value
from netglot.pivot.op import TensorType

RANDOM = np.random.default_rng(0)


def weight(*shape, value=None):
    array = RANDOM.normal(size=shape).astype("float32") if value is None else np.full(shape, value, "float32")
    name = f"w{RANDOM.integers(10**9)}"
    return Parameter(name, TensorType("float32", shape), lambda: array)


def graph_of(shape, build):
    x = Value("x", TensorType("float32", shape))
    builder = Builder(Names(["x"]))
    made = builder.one(build(x))
    held = {v.name: v for node in builder.nodes for v in node.operand_values() if isinstance(v, Parameter)}
    return Graph("net", [x], held, builder.nodes, made)


def grouped(x, scale=1.0, shape=(2, 6, 4, 5)):
    norm = ops.InstanceNorm(ops.Reshape(x, (2, 3, 40)), weight(3, value=scale), weight(3, value=0.0), 1e-5, 1)
    return ops.Reshape(norm, shape)


def affine(x):
    return ops.Add(ops.Multiply(grouped(x), weight(6, 1, 1)), weight(1, 6, 1, 1))


def glu(x, swap=False):
    halves = ops.Split(x, (3, 3), 1)
    first, second = Part(halves, int(swap)), Part(halves, int(not swap))
    return ops.Multiply(first, ops.Sigmoid(second))


def length(x, keepdims=True):
    return ops.Divide(x, ops.Broadcast(ops.Clip(ops.Norm(x, (1,), keepdims, 2.0), 1e-12, None), (2, 6, 4, 5)))


def spread(x, axes=(1, 2), inner=(1, 2)):
    apart = ops.Subtract(x, ops.Mean(x, inner, True))
    return ops.Mean(ops.Multiply(apart, apart), axes, False)


def softplus(x, above=20.0):
    return ops.Where(ops.Greater(x, above), x, ops.Softplus(x, 1.0, 1e9))


def scaled_along(x, *shape):
    """A group norm with weights along another axis than that of the channels."""
    return ops.Multiply(grouped(x), weight(*shape))


def ones_at(x, value=1.0, axis=1):
    """Ones written into zeros at the largest element of each row."""
    rows = ops.Reshape(x, (12, 20))
    places = ops.Reshape(ops.Argmax(ops.Slice(rows, 1, 0, 12, 1), 1, True), (12, 1) if axis else (1, 12))
    ones = ops.Full((12, 1) if axis else (1, 12), value, "float32")
    return ops.ScatterAlongAxis(ops.Full((12, 20), 0.0, "float32"), places, ones, axis, "set")


FOUND = {
    "group norm": (affine, "GroupNorm"),
    "group norm without weights": (grouped, "GroupNorm"),
    "gate": (glu, "Glu"),
    "unit length": (length, "Normalize"),
    "variance": (spread, "Variance"),
    "softplus": (softplus, "Softplus"),
    "one hot": (ones_at, "OneHot"),
}
LEFT = {
    "a norm with weights of its own": lambda x: grouped(x, scale=2.0),
    "a norm of groups that are not whole channels": lambda x: grouped(x, shape=(2, 4, 6, 5)),
    "the other half opens": lambda x: glu(x, swap=True),
    "a mean over other axes": lambda x: spread(x, inner=(2, 3)),
    "twos in zeros": lambda x: ones_at(x, value=2.0),
    "ones along the rows": lambda x: ones_at(x, axis=0),
    "a low threshold": lambda x: softplus(x, above=0.5),
}


def both(build):
    graph = graph_of((2, 6, 4, 5), build)
    x = RANDOM.normal(size=(2, 6, 4, 5)).astype("float32") * 3
    before = evaluate(graph, {"x": x}, precision="float64")
    raised = raise_patterns(graph)
    np.testing.assert_allclose(evaluate(raised, {"x": x}, precision="float64"), before, rtol=1e-9, atol=1e-12)
    return [type(node.op).__name__ for node in raised.nodes]


@pytest.mark.parametrize("name", FOUND)
def test_found(name):
    build, wanted = FOUND[name]
    names = both(build)
    assert names[-1] == wanted
    assert set(names) <= {wanted, "Reshape", "Argmax", "Slice"}


@pytest.mark.parametrize("shape", [(5,), (4, 1), (4, 5), (1, 6, 4, 1), ()])
def test_weights_along_other_axes_stay_apart(shape):
    assert both(lambda x: scaled_along(x, *shape))[-1] == "Multiply"


@pytest.mark.parametrize("name", LEFT)
def test_left_alone(name):
    assert not set(both(LEFT[name])) & {"GroupNorm", "Glu", "Variance", "OneHot"}


def convolved(x, *shape, kind=ops.Conv, swap=False):
    if kind is ops.Conv:
        made = ops.Conv(x, weight(5, 6, 3, 3), None, (1, 1), ((1, 1), (1, 1)), (1, 1), 1, 1)
    else:
        made = ops.ConvTranspose(x, weight(6, 5, 3, 3), None, (2, 2), ((1, 1), (1, 1)), (1, 1), (1, 1), 1, 1)
    bias = weight(*shape)
    return ops.Add(bias, made) if swap else ops.Add(made, bias)


@pytest.mark.parametrize(
    "build",
    [
        lambda x: convolved(x, 1, 5, 1, 1),
        lambda x: convolved(x, 5, 1, 1, swap=True),
        lambda x: convolved(x, 5, 1, 1, kind=ops.ConvTranspose),
    ],
)
def test_one_number_for_each_channel_after_a_convolution_is_its_bias(build):
    graph = graph_of((2, 6, 5, 5), build)
    x = RANDOM.normal(size=(2, 6, 5, 5)).astype("float32")
    wanted = evaluate(graph, {"x": x})
    raised = raise_patterns(graph)
    assert not any(isinstance(node.op, ops.Add) for node in raised.nodes)
    np.testing.assert_allclose(evaluate(raised, {"x": x}), wanted, atol=1e-5)


def test_what_is_added_along_another_axis_is_no_bias():
    graph = raise_patterns(graph_of((2, 6, 5, 5), lambda x: convolved(x, 5)))
    assert isinstance(graph.nodes[-1].op, ops.Add)


@pytest.mark.parametrize("value", [0, None])
def test_what_is_taken_from_one_number_is_that_number(value):
    array = np.arange(6).reshape(1, 6) if value is None else np.full((1, 6), value)
    table = Parameter("table", TensorType("int64", (1, 6)), lambda: array, kind="constant")
    places = Value("places", TensorType("int64", (1, 3)))
    builder = Builder(Names(["places", "table"]))
    made = builder.one(ops.Add(ops.TakeAlongAxis(table, places, 1), 1))
    graph = raise_patterns(Graph("net", [places], {"table": table}, builder.nodes, made))
    assert ("Full" in [type(node.op).__name__ for node in graph.nodes]) == (value is not None)
    given = {"places": np.array([[1, 5, 0]])}
    np.testing.assert_array_equal(evaluate(graph, given), array[:, [1, 5, 0]] + 1)
