"""Each invariant of a graph is checked."""

import pytest
from pivot_graphs import B, T, all_cases, around, parameter, rich

from netglot.errors import Bug
from netglot.pivot import ops
from netglot.pivot.check import agree, check
from netglot.pivot.dims import maximum, minimum
from netglot.pivot.graph import Value
from netglot.pivot.op import TensorType, rand


def test_good_graphs_pass():
    check(rich())
    for _, op in all_cases():
        check(around(op)[0])


def undefined(graph):
    graph.nodes[0].op = graph.nodes[0].op.replace(x=Value("nowhere", graph.inputs[0].type))


def late(graph):
    graph.nodes.reverse()


def doubled(graph):
    graph.nodes.append(graph.nodes[0])


def same_name(graph):
    graph.nodes[1].results[0].name = "x"


def unlisted(graph):
    graph.nodes[0].op = graph.nodes[0].op.replace(weight=parameter("other", rand(6, 4)))


def misnamed(graph):
    graph.parameters["wrong"] = graph.parameters.pop("table")


def negative_axis(graph):
    graph.nodes[1].op = graph.nodes[1].op.replace(axis=-1)


def axis_outside(graph):
    graph.nodes[1].op = graph.nodes[1].op.replace(axis=3)


def wrong_dtype(graph):
    graph.nodes[0].results[0].type = TensorType("float32", graph.nodes[0].result.shape)


def wrong_shape(graph):
    graph.nodes[0].results[0].type = TensorType("float64", (B, T, 7))


def mixed_dtypes(graph):
    graph.nodes[-2].op = ops.Multiply(graph.nodes[-2].op.x, graph.parameters["scale"])


def nested(graph):
    graph.nodes[-2].op = ops.Multiply(ops.Exp(graph.nodes[-2].op.x), 2.0)


def array(graph):
    graph.nodes[-2].op = ops.Multiply(graph.nodes[-2].op.x, rand(4))


def absent(graph):
    graph.nodes[-2].op = graph.nodes[-2].op.replace(x=None)


def output(graph):
    graph.output = Value("nowhere", graph.inputs[0].type)


BREAKS = [undefined, late, doubled, same_name, unlisted, misnamed, negative_axis, axis_outside, wrong_dtype]
BREAKS += [wrong_shape, mixed_dtypes, nested, array, absent, output]


@pytest.mark.parametrize("break_", BREAKS)
def test_a_broken_invariant_is_told(break_):
    graph = rich()
    break_(graph)
    with pytest.raises(Bug, match="is broken"):
        check(graph)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (T - 3, maximum(T - 3, 0), True),
        (minimum(T, 512), T, True),
        (minimum(T, 4), 4, True),
        (2 * (T // 2), T, True),
        (T, B, False),
        (T, T + 1, False),
        (T, 2 * T, False),
        (3, 4, False),
    ],
)
def test_sizes_agree_where_capture_may_know_more(one, other, same):
    assert agree(TensorType("int64", (one,)), TensorType("int64", (other,))) == same
