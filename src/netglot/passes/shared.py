"""What is computed twice without weights is computed once: masks and positions that every block makes for itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.pivot.graph import Graph, Node, Parameter, Value

_SMALL = 1 << 12
"""Elements of a constant up to which it is compared with others."""


def share(graph: Graph) -> Graph:
    """The graph, changed in place, in which equal constants and equal computations without weights are one."""
    table: dict[Value, Value] = {}
    known: dict[Any, Value] = {}
    for parameter in graph.parameters.values():
        if parameter.kind == "constant" and _count(parameter) <= _SMALL:
            array = np.ascontiguousarray(parameter.load())
            table[parameter] = known.setdefault((parameter.dtype, parameter.shape, array.tobytes()), parameter)
    trained = {p for p in graph.parameters.values() if p.kind != "constant"}
    first: dict[Any, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        node.op = node.op.map_operands(lambda o: table.get(o, o) if isinstance(o, Value) else o)
        if any(value in trained for value in node.operand_values()):
            trained.update(node.results)
            nodes.append(node)
            continue
        same = first.setdefault(_key(node), node) if not node.op.random else node
        if same is node:
            nodes.append(node)
        else:
            table.update(zip(node.results, same.results, strict=True))
    graph.nodes = nodes
    graph.replace_values({old: new for old, new in table.items() if old is not new})
    used = {value for node in graph.nodes for value in node.operand_values()} | {v for _, v in graph.outputs}
    graph.parameters = {n: p for n, p in graph.parameters.items() if p in used or p.kind != "constant"}
    return graph


def _count(parameter: Parameter) -> int:
    return int(np.prod(parameter.shape, dtype=object))


def _key(node: Node) -> tuple:
    """Equal for nodes that compute the same."""
    operands = tuple(
        tuple(_operand(one) for one in held) if isinstance(held, tuple) else _operand(held)
        for held in (getattr(node.op, field.name) for field in node.op.operand_fields())
    )
    return type(node.op), operands, repr(sorted(node.op.attributes().items()))


def _operand(one: Any) -> Any:
    if isinstance(one, np.ndarray):  # whose text leaves out the middle
        return one.dtype.str, one.shape, one.tobytes()
    return (type(one), one if isinstance(one, Value) else repr(one))
