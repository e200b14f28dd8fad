"""Lowers what a target lacks to what it has, by the target dialect's own declarations."""

from __future__ import annotations

from netglot.dialects.dialect import Dialect
from netglot.errors import Refusal, RefusedOp, UnsupportedOps
from netglot.pivot.graph import Builder, Graph, Node, Part, Value, names_of
from netglot.pivot.op import Op

_DEEPEST = 20


def lower(graph: Graph, dialect: Dialect) -> Graph:
    """The graph with every op lowered that `dialect` lowers; results keep their names.

    Raises:
        UnsupportedOps: lowerings that refuse the attributes at hand, all of them.
    """
    names = names_of(graph)
    nodes: list[Node] = []
    table: dict[Value, Value] = {}
    refused: list[RefusedOp] = []
    for node in graph.nodes:
        if any(v in table for v in node.operand_values()):
            node = Node(node.op.map_operands(lambda o: table.get(o, o)), node.results, node.scope, node.sites)
        try:
            nodes.extend(_lowered(node, dialect, names, table, 0))
        except Refusal as refusal:
            site = str(node.site) if node.site else None
            refused.append(RefusedOp(node.path, type(node.op).__name__, refusal.reason, site))
    if refused:
        raise UnsupportedOps(refused, len(graph.nodes), dialect.title)
    lowered = Graph(graph.name, graph.inputs, graph.parameters, nodes, graph.output, graph.modules, list(graph.notes))
    lowered.replace_values(table)
    lowered.prune()
    return lowered


def _lowered(node: Node, dialect: Dialect, names, table: dict[Value, Value], depth: int) -> list[Node]:
    lowering = dialect.lowerings.get(type(node.op))
    made = lowering(node.op) if lowering else None
    if made is None or made is node.op or depth > _DEEPEST:
        return [node]
    builder = Builder(names, scope=node.scope, sites=node.sites)
    parts = made if isinstance(made, tuple | list) else (made,)
    built: dict = {}
    for part, result in zip(parts, node.results, strict=False):
        value = build(builder, part, built)
        table[result] = value
        own = builder.nodes and value in builder.nodes[-1].results
        if own and len(builder.nodes[-1].results) == 1:
            # the last op of the composition is the op: it keeps the result, so that names and types stay
            last = builder.nodes[-1]
            builder.nodes[-1] = Node(last.op, (result,), last.scope, last.sites)
            table.pop(result)
            built = {k: tuple(result if v is value else v for v in vs) for k, vs in built.items()}
    nodes: list[Node] = []
    for inner in builder.nodes:
        if any(v in table for v in inner.operand_values()):
            inner = Node(inner.op.map_operands(lambda o: table.get(o, o)), inner.results, inner.scope, inner.sites)
        nodes.extend(_lowered(inner, dialect, names, table, depth + 1))
    return nodes


def build(builder: Builder, part, built: dict) -> Value:
    """The value of a part of a composition; `built` has the ops that were added before."""
    if isinstance(part, Value):
        return part
    op, index = (part.op, part.index) if isinstance(part, Part) else (part, 0)
    assert isinstance(op, Op)
    if id(op) not in built:
        built[id(op)] = builder._add(op, built)
    return built[id(op)][index]
