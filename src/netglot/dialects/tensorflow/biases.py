"""Convolutions and linear functions with the bias that TensorFlow adds in an op of its own."""

from __future__ import annotations

from netglot.pivot import ops
from netglot.pivot.graph import Node, Parameter, Value
from netglot.pivot.op import shape_of

_BIASED = (ops.Conv, ops.ConvTranspose, ops.Linear)


def with_biases(nodes: list[Node]) -> list[Node]:
    """The nodes with each `Add` of a vector of parameters behind such an op made that op's bias."""
    uses: dict[Value, int] = {}
    for node in nodes:
        for value in node.operand_values():
            uses[value] = uses.get(value, 0) + 1
    producers = {value: node for node in nodes for value in node.results}
    gone: set[int] = set()
    for node in nodes:
        found = _biased(node, producers, uses)
        if found is not None:
            inner, bias = found
            node.op = inner.op.replace(bias=bias)
            gone.add(id(inner))
    return [node for node in nodes if id(node) not in gone]


def _biased(node: Node, producers: dict[Value, Node], uses: dict[Value, int]) -> tuple[Node, Parameter] | None:
    """The op and its bias, where `node` adds one to the other and nothing else uses the op's own result."""
    if not isinstance(node.op, ops.Add):
        return None
    x, bias = node.op.x, node.op.y
    inner = producers.get(x) if isinstance(x, Value) else None
    if inner is None or not isinstance(inner.op, _BIASED) or inner.op.bias is not None or uses[x] != 1:
        return None
    if not isinstance(bias, Parameter) or len(bias.shape) != 1:
        return None
    rank = len(shape_of(x))
    axis = getattr(inner.op, "axis", rank - 1)
    return (inner, bias) if axis == rank - 1 and bias.shape[0] == shape_of(x)[axis] else None
