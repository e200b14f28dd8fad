"""Scales of channels behind convolutions, which converters leave of batch norms, multiplied into the weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Graph, Node, Parameter, Value

NOTE = "scales of channels behind convolutions are multiplied into their weights: "


def merge_scales(graph: Graph) -> Graph:
    """The graph, changed in place, without scales that only multiply what a convolution without a bias makes."""
    consumers, producers = graph.consumers(), graph.producers()
    ends = {value for _, value in graph.outputs}
    table: dict[Value, Value] = {}
    for node in graph.nodes:
        found = _scaled(node, producers)
        if found is None:
            continue
        conv, scale = found
        alone = all(len(consumers.get(one, ())) == 1 for one in (conv.result, conv.op.weight, scale))
        if alone and conv.result not in ends:
            weight = conv.op.weight
            weight.load = _times(weight.load, scale.load, len(weight.shape))
            table[node.result] = conv.result
            graph.parameters = {name: p for name, p in graph.parameters.items() if p is not scale}
    if table:
        graph.replace_values(table)
        graph.prune()
        graph.notes.append(f"{NOTE}{len(table)}")
    return graph


def _scaled(node: Node, producers: dict[Value, Node]) -> tuple[Node, Parameter] | None:
    """The convolution and the scale, where a node multiplies the one by the other."""
    if not isinstance(node.op, ops.Multiply):
        return None
    for value, scale in ((node.op.x, node.op.y), (node.op.y, node.op.x)):
        conv = producers.get(value) if isinstance(value, Value) else None
        if conv is None or not isinstance(conv.op, ops.Conv) or not isinstance(scale, Parameter):
            continue
        weight, channels = conv.op.weight, value.shape[conv.op.axis]
        wanted = tuple(channels if axis == conv.op.axis else 1 for axis in range(value.type.rank))
        spread = (1,) * (value.type.rank - scale.type.rank) + tuple(scale.shape)
        trained = isinstance(weight, Parameter) and weight.trainable and scale.trainable
        if trained and conv.op.bias is None and spread == wanted and product(scale.shape) == channels:
            return conv, scale
    return None


def _times(weight: Callable, scale: Callable, rank: int) -> Callable[[], np.ndarray]:
    def load() -> np.ndarray:
        factors = np.asarray(scale()).reshape(-1, *(1,) * (rank - 1))
        return np.asarray(weight()) * factors

    return load


__all__ = ["NOTE", "merge_scales"]
