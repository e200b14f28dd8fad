"""Scales behind convolutions become part of the weights, where nothing else takes either."""

import numpy as np
import pytest

from netglot.passes.scales import merge_scales
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Value
from netglot.pivot.op import TensorType

RANDOM = np.random.default_rng(0)


def weight(name, *shape):
    array = RANDOM.normal(size=shape).astype("float32")
    return Parameter(name, TensorType("float32", shape), lambda: array)


def network(groups=1, scale=(1, 6, 1, 1), biased=False, twice=False):
    x = Value("x", TensorType("float32", (2, 6, 5, 5)))
    held = [weight("w", 6, 6 // groups, 3, 3), weight("s", *scale), weight("b", 6)]
    builder = Builder(Names(["x", "w", "s", "b"]))
    bias = held[2] if biased else None
    conv = builder.one(ops.Conv(x, held[0], bias, (1, 1), ((1, 1), (1, 1)), (1, 1), groups, 1))
    made = builder.one(ops.Relu(ops.Multiply(held[1], conv)))
    made = builder.one(ops.Add(made, conv)) if twice else made
    used = {value for node in builder.nodes for value in node.operand_values()}
    return Graph("net", [x], {p.name: p for p in held if p in used}, builder.nodes, made)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_scale_of_channels_is_part_of_the_weights(groups):
    x = RANDOM.normal(size=(2, 6, 5, 5)).astype("float32")
    graph = network(groups)
    wanted = evaluate(graph, {"x": x})
    merged = merge_scales(graph)
    assert [type(node.op).__name__ for node in merged.nodes] == ["Conv", "Relu"]
    assert list(merged.parameters) == ["w"] and "1" in merged.notes[-1]
    np.testing.assert_allclose(evaluate(merged, {"x": x}), wanted, atol=1e-5)


@pytest.mark.parametrize("options", [{"scale": (5,)}, {"scale": (1, 6, 5, 5)}, {"biased": True}, {"twice": True}])
def test_other_products_stay(options):
    assert "Multiply" in [type(node.op).__name__ for node in merge_scales(network(**options)).nodes]
