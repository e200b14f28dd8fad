"""Lists of layers that are called one after the other, each on what the one before gave: these are sequences."""

from __future__ import annotations

from itertools import pairwise

from netglot.pivot.graph import Frame, Graph, Module, Node, Parameter, Value

_SEQUENCE = "paddle.nn.layer.container.Sequential"


def with_sequences(graph: Graph) -> Graph:
    """The graph with each list whose layers form a chain made a sequence."""
    lists = [path for path, one in graph.modules.items() if one.container == "list"]
    for path in sorted(lists, key=len, reverse=True):
        items = _items(graph, path)
        if items is not None and len(items) > 1 and _is_chain(graph, items):
            graph.modules[path] = Module(path, "Sequential", _SEQUENCE, container="sequential")
            for node in (node for nodes in items for node in nodes):
                place = next(i for i, frame in enumerate(node.scope) if frame.path.rpartition(".")[0] == path)
                node.scope = (*node.scope[:place], Frame(path), *node.scope[place:])
    return graph


def _items(graph: Graph, path: str) -> list[list[Node]] | None:
    """The nodes of each layer of a list in order; None where others stand between them, or one is called twice."""
    found: dict[str, list[Node]] = {}
    places: list[int] = []
    for number, node in enumerate(graph.nodes):
        frame = next((f for f in node.scope if f.path.rpartition(".")[0] == path), None)
        if frame is None:
            continue
        if frame.call or (found and frame.path != list(found)[-1] and frame.path in found):
            return None
        found.setdefault(frame.path, []).append(node)
        places.append(number)
    together = all(b - a == 1 for a, b in pairwise(places))
    return list(found.values()) if together else None


def _is_chain(graph: Graph, items: list[list[Node]]) -> bool:
    """Whether each layer takes one value, that which the one before gives, and gives one."""
    users: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        for value in node.operand_values():
            users.setdefault(value, []).append(node)
    outputs = {value for _, value in graph.outputs}
    flow: Value | None = None
    for number, nodes in enumerate(items):
        inside, made = {id(node) for node in nodes}, {value for node in nodes for value in node.results}
        entering = {v for n in nodes for v in n.operand_values() if v not in made and not isinstance(v, Parameter)}
        leaving = [v for v in made if v in outputs or any(id(user) not in inside for user in users.get(v, ()))]
        if len(entering) != 1 or len(leaving) != 1 or (flow is not None and entering != {flow}):
            return False
        flow = leaving[0]
        after = {id(node) for node in items[number + 1]} if number + 1 < len(items) else None
        if after is not None and (flow in outputs or any(id(u) not in inside | after for u in users.get(flow, ()))):
            return False
    return True
