"""Small ops to big ops: what a source wrote in pieces becomes the operation that a person means.

Every rule looks at one node and what leads to it, and only takes pieces that nothing else uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from netglot.pivot import ops
from netglot.pivot.graph import Builder, Graph, Node, Value, names_of
from netglot.pivot.op import Op, is_scalar


class Matcher:
    """Looks backwards from a node through pieces that are used once."""

    def __init__(self, graph: Graph):
        self.producers = graph.producers()
        consumers = graph.consumers()
        outputs = {v for _, v in graph.outputs}
        self.single = {v for v, users in consumers.items() if len(users) == 1 and v not in outputs}

    def op(self, value: Any, *kinds: type[Op]) -> Any:
        """The op that makes `value`, where it is of these kinds and nothing else uses the value."""
        node = self.producers.get(value) if isinstance(value, Value) else None
        if node is None or value not in self.single or not isinstance(node.op, kinds):
            return None
        return node.op


def raise_ops(graph: Graph) -> Graph:
    """The graph with all raising rules applied."""
    matcher = Matcher(graph)
    names = names_of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        raised = next((r for rule in _RULES.get(type(node.op), ()) if (r := rule(node.op, matcher)) is not None), None)
        if raised is not None:
            builder = Builder(names, scope=node.scope, sites=node.sites)
            op = raised.map_operands(lambda o, b=builder: b.one(o) if isinstance(o, Op) else o)
            nodes += builder.nodes
            node = Node(op, node.results, node.scope, node.sites)
        nodes.append(node)
    graph.nodes = nodes
    graph.prune()
    return graph


def _attention(op: ops.Matmul, find: Matcher) -> Op | None:
    """softmax(q k^T * scale + mask) v = Attention(q, k, v)"""
    weights, rate = op.x, 0.0
    if not isinstance(op.y, Value) or op.y.type.rank != 4 or op.x.type.rank != 4:
        return None
    dropout = find.op(weights, ops.Dropout)
    if dropout is not None:
        if len(dropout.noise_axes) != 4:
            return None
        weights, rate = dropout.x, dropout.rate
    softmax = find.op(weights, ops.Softmax)
    if softmax is None or softmax.axis != 3:
        return None
    logits, mask = _masked(softmax.x, find)
    logits, scale = _scaled(logits, find)
    product = find.op(logits, ops.Matmul)
    if product is None:
        return None
    query, more = _scaled(product.x, find)
    keys = find.op(product.y, ops.Permute)
    if keys is None or len(keys.axes) != 4:
        return None
    if tuple(keys.axes) == (0, 1, 3, 2):
        key = keys.x
    else:  # the key was permuted from another order as well: undo only the last swap
        axes = (keys.axes[0], keys.axes[1], keys.axes[3], keys.axes[2])
        key = ops.Permute(keys.x, axes)
    if query.type.rank != 4 or query.shape[1] != op.y.shape[1]:
        return None
    if isinstance(mask, Value) and mask.type.rank != 4:
        mask = ops.Reshape(mask, (1,) * (4 - mask.type.rank) + tuple(mask.shape))
    return ops.Attention(query, key, op.y, mask, scale * more, False, rate, 1)


def _masked(value: Value, find: Matcher) -> tuple[Value, Any]:
    """Logits without their mask, and the mask: numbers that are added, or truth values that keep."""
    added = find.op(value, ops.Add)
    if added is not None and isinstance(added.x, Value) and isinstance(added.y, Value):
        for logits, mask in ((added.x, added.y), (added.y, added.x)):
            if logits.shape == value.shape and _is_product(logits, find):
                return logits, mask
    chosen = find.op(value, ops.Where)
    if chosen is not None:
        if _is_minus_infinity(chosen.x) and isinstance(chosen.y, Value):
            return chosen.y, ops.LogicalNot(chosen.condition)
        if _is_minus_infinity(chosen.y) and isinstance(chosen.x, Value):
            return chosen.x, chosen.condition
    return value, None


def _is_product(value: Value, find: Matcher) -> bool:
    return find.op(_scaled(value, find)[0], ops.Matmul) is not None


def _is_minus_infinity(operand: Any) -> bool:
    return is_scalar(operand) and operand == -math.inf


def _scaled(value: Value, find: Matcher) -> tuple[Value, float]:
    """A value without the number that it was multiplied with."""
    op = find.op(value, ops.Multiply, ops.Divide)
    if isinstance(op, ops.Multiply):
        for inner, factor in ((op.x, op.y), (op.y, op.x)):
            if isinstance(inner, Value) and isinstance(factor, int | float):
                return inner, float(factor)
    if isinstance(op, ops.Divide) and isinstance(op.x, Value) and isinstance(op.y, int | float):
        return op.x, 1.0 / op.y
    return value, 1.0


_RULES: dict[type[Op], list[Callable[[Any, Matcher], Op | None]]] = {ops.Matmul: [_attention]}
