"""What TensorFlow spells with several ops and the pivot with one: biases, and the places of extremes."""

from __future__ import annotations

from netglot.pivot import ops
from netglot.pivot.graph import Node, Parameter, Value
from netglot.pivot.op import Op, shape_of

_BIASED = (ops.Conv, ops.ConvTranspose, ops.Linear)


def joined(nodes: list[Node]) -> list[Node]:
    """The nodes with biases within their ops, and with extremes of the tensors that the source means."""
    _without_marks(nodes)
    return _with_biases(nodes)


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


def _with_biases(nodes: list[Node]) -> list[Node]:
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
