"""What TensorFlow spells with several ops and the pivot with one: biases, and the places of extremes."""

from __future__ import annotations

from typing import Any

from netglot.dialects.biases import with_biases
from netglot.pivot import ops
from netglot.pivot.graph import Node, Value
from netglot.pivot.op import Op


def joined(nodes: list[Node], outputs: list[Any]) -> list[Node]:
    """The nodes with biases within their ops, and with extremes of the tensors that the source means."""
    _without_marks(nodes)
    return with_biases(nodes, outputs)


def _without_marks(nodes: list[Node]) -> None:
    """Lets each extreme look at the tensor itself: Keras marks negative zeros before it."""
    producers = {value: node.op for node in nodes for value in node.results}
    for node in nodes:
        if isinstance(node.op, ops.Argmax | ops.Argmin):
            found = producers.get(node.op.x)
            if isinstance(found, ops.Where) and isinstance(found.y, Value) and _marks(found, producers):
                node.op = node.op.replace(x=found.y)


def _marks(found: ops.Where, producers: dict[Value, Op]) -> bool:
    """Whether a choice gives the negative zeros of its second tensor a number just below zero."""
    both = producers.get(found.condition)
    if not isinstance(both, ops.LogicalAnd) or not isinstance(found.x, float) or not -1e-30 < found.x < 0:
        return False
    zero, sign = producers.get(both.x), producers.get(both.y)
    if not isinstance(zero, ops.Equal) or not isinstance(sign, ops.SignBit) or zero.x is not found.y or zero.y != 0:
        return False
    narrow = producers.get(sign.x)
    return sign.x is found.y or (isinstance(narrow, ops.Cast) and narrow.x is found.y)
