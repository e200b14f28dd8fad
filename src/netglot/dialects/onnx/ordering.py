"""The order of nodes. The standard wants each before those that need it; onnxruntime does not mind, and so some
converters append casts at the end."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any


def in_order(nodes: Sequence[Any], held: Container[str]) -> Sequence[Any]:
    """The nodes in an order in which each input is made before it is needed, as far as there is one.

    `held` has the names of tensors that are there before.
    """
    made: set[str] = set()
    for node in nodes:
        if any(name and name not in held and name not in made for name in node.input):
            return list(_sorted(nodes))
        made.update(node.output)
    return nodes


def _sorted(nodes: Sequence[Any]) -> Iterator[Any]:
    """Each node as soon as what it needs is made, otherwise in the given order; those in a circle come last."""
    makers = {name: place for place, node in enumerate(nodes) for name in node.output if name}
    waiting = [{makers[n] for n in _needs(node) if n in makers} - {place} for place, node in enumerate(nodes)]
    users: list[list[int]] = [[] for _ in nodes]
    for place, needed in enumerate(waiting):
        for one in needed:
            users[one].append(place)
    left = dict.fromkeys(range(len(nodes)))
    for start in range(len(nodes)):
        ready = [start] if start in left and not waiting[start] else []
        while ready:
            place = ready.pop()
            del left[place]
            yield nodes[place]
            for user in users[place]:
                waiting[user].discard(place)
            ready += [u for u in reversed(users[place]) if not waiting[u] and u < start and u in left]
    yield from (nodes[place] for place in left)


def _needs(node: Any) -> Iterator[str]:
    """The tensors that a node needs, those within its sub-graphs included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _needs(inner)
            yield from (one.name for one in graph.output)


__all__ = ["in_order"]
