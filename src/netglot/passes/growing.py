"""What grows by a piece at a time: each concatenation continues the one before it.

Dense blocks join everything that their layers have made so far, each layer anew. A list that begins with what was
joined already is joined to that, at the end of the layer that made the new piece; the layers are then alike.
"""

from __future__ import annotations

from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Scope, Value


def grow(graph: Graph) -> Graph:
    """The graph, changed in place, with each concatenation continuing an earlier one that holds its beginning."""
    known: dict[tuple, Node] = {}
    continued: dict[Node, Node] = {}
    for node in graph.nodes:
        if not isinstance(node.op, ops.Concat):
            continue
        parts = tuple(node.op.xs)
        for count in range(len(parts) - 1, 1, -1):
            before = known.get((node.op.axis, parts[:count]))
            if before is not None:
                continued[node] = before
                break
        known.setdefault((node.op.axis, parts), node)
    if not continued:
        return graph
    chain = set(continued) | set(continued.values())
    for node, before in continued.items():
        parts = tuple(node.op.xs)
        count = next(n for n in range(len(parts) - 1, 1, -1) if known.get((node.op.axis, parts[:n])) is before)
        new = (before.result, *parts[count:])
        continued[node] = Node(node.op.replace(xs=new), node.results, node.scope, node.sites)
    nodes = [continued.get(node, node) for node in graph.nodes]
    _close(graph, nodes, {continued.get(node, node) for node in chain})
    return graph


def _close(graph: Graph, nodes: list[Node], chain: set[Node]) -> None:
    """Moves each concatenation behind the layer that makes its last piece, where that takes what it is joined to."""
    graph.nodes = nodes
    users, producers = graph.consumers(), graph.producers()
    behind: dict[Node, list[Node]] = {}
    ready: dict[Value, int] = {}
    for place, node in enumerate(nodes):
        at = place
        if node in chain and len(node.op.xs) == 2:
            first, last = node.op.xs
            maker = producers.get(last)
            scope = _layer(maker, users.get(first, ())) if maker is not None else None
            if maker is not None and scope is not None and ready.get(first, -1) < ready[last]:
                behind.setdefault(maker, []).append(Node(node.op, node.results, scope, node.sites))
                chain.discard(node)
                at = ready[last]
                nodes[place] = behind[maker][-1]
        ready.update(dict.fromkeys(node.results, at))
    moved = {one for several in behind.values() for one in several}
    graph.nodes = [
        one for node in nodes if node not in moved for one in (node, *behind.get(node, ()))
    ]  # fmt: skip


def _layer(maker: Node, users: object) -> Scope | None:
    """The innermost module that makes a piece and takes what the piece is joined to; None where there is none."""
    takes = {frame for node in users for frame in node.scope}  # type: ignore[attr-defined]
    for depth in range(len(maker.scope), 0, -1):
        if maker.scope[depth - 1] in takes:
            return maker.scope[:depth]
    return () if not maker.scope else None


__all__ = ["grow"]
