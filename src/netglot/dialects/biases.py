"""Convolutions and products with the bias that a file adds in an operator of its own."""

from __future__ import annotations

from collections import Counter
from typing import Any

from netglot.pivot import ops
from netglot.pivot.graph import Node, Parameter, Value
from netglot.pivot.op import shape_of

_BIASED = (ops.Conv, ops.ConvTranspose, ops.Linear)


def with_biases(nodes: list[Node], outputs: list[Any]) -> list[Node]:
    """The nodes with each sum of such an op and a weight for each channel made that op's bias."""
    uses = Counter(value for node in nodes for value in node.operand_values())
    uses.update(one for one in outputs if isinstance(one, Value))
    producers = {value: node for node in nodes for value in node.results}
    gone: set[int] = set()
    for node in nodes:
        found = _biased(node, producers, uses)
        if found is not None:
            inner, bias = found
            node.op, node.scope = inner.op.replace(bias=bias), inner.scope
            gone.add(id(inner))
    return [node for node in nodes if id(node) not in gone]


def _biased(node: Node, producers: dict[Value, Node], uses: Counter) -> tuple[Node, Parameter] | None:
    """The op and its bias, where `node` adds one to the other and nothing else uses the sum's parts."""
    if not isinstance(node.op, ops.Add):
        return None
    x, added = node.op.x, node.op.y
    inner = producers.get(x) if isinstance(x, Value) else None
    if inner is None or not isinstance(inner.op, _BIASED) or inner.op.bias is not None:
        return None
    bias = _vector(added, producers)
    rank = len(shape_of(x))
    axis = getattr(inner.op, "axis", rank - 1)
    if bias is None or uses[x] != 1 or bias.shape != (shape_of(x)[axis],):
        return None
    shape = shape_of(added)
    placed = (1,) * (rank - len(shape)) + tuple(shape)
    wanted = tuple(bias.shape[0] if a == axis else 1 for a in range(rank))
    return (inner, bias) if placed == wanted else None


def _vector(added: Any, producers: dict[Value, Node]) -> Parameter | None:
    """The weight with one axis that an operand is, whatever axes of size 1 it was given."""
    node = producers.get(added) if isinstance(added, Value) else None
    held = node.op.x if node is not None and isinstance(node.op, ops.Reshape) else added
    return held if isinstance(held, Parameter) and len(held.shape) == 1 else None
