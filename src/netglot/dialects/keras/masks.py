"""Masks that Keras hands on by itself.

What a recurrent layer makes of a masked sequence carries the mask, and layers behind it obey that unasked. Where one of
them is not masked in the network, the sequence is copied first, which leaves the mask behind.
"""

from __future__ import annotations

from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Value, names_of
from netglot.pivot.op import Op

_RECURRENT = (ops.Lstm, ops.Gru, ops.Rnn)
_OBEYING: tuple[type[Op], ...] = (ops.BatchNorm, ops.AdaptiveAvgPool, ops.Softmax, ops.MultiHeadAttention)
"""Ops whose layers leave out what is masked."""
_PASSING: tuple[type[Op], ...] = (
    ops.Dropout, ops.Linear, ops.LayerNorm, ops.RmsNorm, ops.GroupNorm, ops.Prelu, ops.Relu, ops.LeakyRelu, ops.Elu,
    ops.Identity,
)  # fmt: skip
"""Ops whose layers hand a mask on."""


def leave_masks(graph: Graph) -> Graph:
    """The graph with a copy of each masked sequence that is not to be masked any further."""
    consumers, names = graph.consumers(), names_of(graph)
    for node in list(graph.nodes):
        if isinstance(node.op, _RECURRENT) and node.op.mask is not None and _obeyed(node.results[0], consumers):
            old = node.results[0]
            new = Value(names.unique(old.name), old.type, old.hint)
            graph.replace_values({old: new})
            graph.nodes.insert(
                graph.nodes.index(node) + 1, Node(ops.Identity(old), (new,), node.scope[:-1], node.sites)
            )
    return graph


def _obeyed(value: Value, consumers: dict[Value, list[Node]]) -> bool:
    """Whether a layer that is not masked in the network sees the mask of a sequence."""
    for node in consumers.get(value, ()):
        if isinstance(node.op, _RECURRENT) and node.op.mask is None and node.op.x is value:
            return True
        if isinstance(node.op, _OBEYING):
            return True
        if isinstance(node.op, _PASSING) and any(_obeyed(one, consumers) for one in node.results):
            return True
    return False
