"""Sizes for axes that a model file leaves open."""

import numpy as np

from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Value
from netglot.pivot.op import TensorType
from netglot.verify.inputs import second_size
from netglot.verify.open_sizes import BATCH, ORDINARY, PLAIN, SPATIAL, open_sizes


def graph_of(shape, build, dtype="float32"):
    x = Value("x", TensorType(dtype, shape))
    weight = Parameter("w", TensorType("float32", (3, 3, 5, 5)), lambda: np.zeros((3, 3, 5, 5), "float32"))
    builder = Builder(Names())
    made = builder.one(build(x, weight))
    return Graph("net", [x], {"w": weight}, builder.nodes, made)


def convolved(x, weight, times):
    for _ in range(times):
        x = ops.Conv(x, weight, None, (2, 2), ((0, 0), (0, 0)), (1, 1), 1, 1)
    return x


IMAGE = (Dim.symbol("B"), 3, Dim.symbol("H"), Dim.symbol("W"))


def test_images_are_as_small_as_the_layers_allow():
    few = open_sizes(graph_of(IMAGE, lambda x, w: convolved(x, w, 1)))
    many = open_sizes(graph_of(IMAGE, lambda x, w: convolved(x, w, 4)))
    assert few == {"B": BATCH, "H": SPATIAL[0], "W": SPATIAL[0] + 16}
    assert few["H"] < many["H"]
    for sizes in (few, many):  # the second size has room as well
        size = second_size(sizes["H"])
        for _ in range(1 if sizes is few else 4):
            size = (size - 5) // 2 + 1
        assert size >= 1


def test_sequences_are_short_but_longer_than_what_is_cut_off():
    tokens = (Dim.symbol("B"), Dim.symbol("T"), 4)
    assert open_sizes(graph_of(tokens, lambda x, w: ops.Relu(x)))["T"] == PLAIN[0]
    cut = open_sizes(graph_of(tokens, lambda x, w: ops.Slice(x, 1, 20, x.shape[1], 1)))
    assert cut["T"] > 20


def test_an_empty_tensor_asks_for_no_size():
    sizes = open_sizes(graph_of(IMAGE, lambda x, w: ops.Slice(x, 1, 0, 0, 1)))
    assert sizes["H"] == ORDINARY[0]
