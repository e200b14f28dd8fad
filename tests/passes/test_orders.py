"""Deciding the order of axes keeps every number and transposes no more than it must."""

import numpy as np

import netglot.dialects.keras.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.keras.dialect import keras
from netglot.passes.canonical import canonicalise
from netglot.passes.layout import arrange
from netglot.pivot import ops
from netglot.pivot.check import check
from netglot.pivot.dims import Dim
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Value
from netglot.pivot.op import TensorType, rand, type_of

B = Dim.symbol("B")


def convolved(builder, x, channels):
    """A 1 x 1 convolution, which wants the channels last."""
    weight = rand(channels, x.shape[1], 1, 1, seed=3)
    parameter = Parameter(f"w{len(builder.nodes)}", type_of(weight), lambda: weight)
    return builder.one(ops.Conv(x, parameter, None, (1, 1), ((0, 0), (0, 0)), (1, 1), 1, 1)), parameter


def arranged(x, parameters, builder, output):
    """The graph in Keras's order of axes, with its numbers checked against the source's."""
    graph = Graph("test", [x], {p.name: p for p in parameters}, builder.nodes, output)
    array = rand(*(3 if size == B else size for size in x.shape), seed=1)
    before = evaluate(graph, {x.name: array})
    found = arrange(graph, keras.layouts)
    found.graph = canonicalise(found.graph)
    check(found.graph)
    after = evaluate(found.graph, {x.name: array.transpose(found.inputs[0])})
    np.testing.assert_allclose(after, before.transpose(found.outputs[0]), rtol=1e-6)
    return found


def started(*shape):
    """A builder and an input."""
    return Builder(Names()), Value("x", TensorType("float64", (B, *shape)))


def test_shuffled_channels_take_one_transpose():
    builder, x = started(6, 5, 4)
    first, w = convolved(builder, x, 8)
    apart = builder.one(ops.Reshape(first, (B, 2, 4, 5, 4)))
    swapped = builder.one(ops.Permute(apart, (0, 2, 1, 3, 4)))
    last, v = convolved(builder, builder.one(ops.Reshape(swapped, (B, 8, 5, 4))), 3)
    assert arranged(x, [w, v], builder, last).transposes == 1


def test_heads_of_attention_take_no_transpose():
    builder, x = started(7, 8)
    heads = builder.one(ops.Permute(builder.one(ops.Reshape(x, (B, 7, 2, 4))), (0, 2, 1, 3)))
    scores = builder.one(ops.Matmul(heads, builder.one(ops.Permute(heads, (0, 1, 3, 2)))))
    mixed = builder.one(ops.Matmul(builder.one(ops.Softmax(scores, 3)), heads))
    together = builder.one(ops.Reshape(builder.one(ops.Permute(mixed, (0, 2, 1, 3))), (B, 7, 8)))
    found = arranged(x, [], builder, together)
    assert found.transposes == 0
    assert [n.op.equation for n in found.graph.nodes if isinstance(n.op, ops.Einsum)] == [
        "bihj,bkhj->bhik",
        "bhij,bjhk->bihk",
    ]


def test_stacked_halves_take_no_transpose():
    builder, x = started(7, 8)
    heads = builder.one(ops.Permute(builder.one(ops.Reshape(x, (B, 7, 2, 4))), (0, 2, 1, 3)))
    even = builder.one(ops.Slice(heads, 3, 0, 4, 2))
    turned = builder.one(ops.Stack((builder.one(ops.Negative(even)), even), 4))
    added = builder.one(ops.Add(heads, builder.one(ops.Reshape(turned, (B, 2, 7, 4)))))
    together = builder.one(ops.Reshape(builder.one(ops.Permute(added, (0, 2, 1, 3))), (B, 7, 8)))
    assert arranged(x, [], builder, together).transposes == 0


def test_a_batch_that_takes_in_the_heads_takes_one_transpose_each_way():
    builder, x = started(8, 5, 4)
    first, w = convolved(builder, x, 8)
    heads = builder.one(ops.Reshape(first, (2 * B, 4, 20)))
    back = builder.one(ops.Reshape(builder.one(ops.Softmax(heads, 2)), (B, 8, 5, 4)))
    last, v = convolved(builder, back, 3)
    assert arranged(x, [w, v], builder, last).transposes == 2


def test_letters_of_an_einsum_take_any_order():
    builder, x = started(6, 5, 4)
    first, w = convolved(builder, x, 12)
    heads = [
        builder.one(ops.Reshape(builder.one(ops.Slice(first, 1, start, start + 6, 1)), (B, 2, 3, 20)))
        for start in (0, 6)
    ]
    context = builder.one(ops.Einsum(tuple(heads), "bhdn,bhen->bhde"))
    mixed = builder.one(ops.Einsum((context, heads[0]), "bhde,bhdn->bhen"))
    last, v = convolved(builder, builder.one(ops.Reshape(mixed, (B, 6, 5, 4))), 3)
    assert arranged(x, [w, v], builder, last).transposes == 0


def test_axes_without_letters_stay_in_order():
    builder, x = started(6, 5, 4)
    first, w = convolved(builder, x, 12)
    weight = rand(4, 3, seed=5)
    held = Parameter("m", type_of(weight), lambda: weight)
    summed = builder.one(ops.Einsum((first, held), "...d,de->...e"))
    arranged(x, [w, held], builder, summed)
