"""What a module computes of nothing of its own, and others use as well, is computed around them.

Exporters keep equal computations once, in the first module that needs them: the sines of positions in the first layer
of many. Then that layer would have to hand them on, and be unlike the others.
"""

from __future__ import annotations

from collections.abc import Callable

from netglot.pivot.graph import Graph, Node, Parameter, Scope, Value

_MOST = 12
"""So many nodes are lifted with one that others use."""


def lift(graph: Graph) -> Graph:
    """The graph, changed in place, with such nodes before the modules and outside of them."""
    producers, users = graph.producers(), graph.consumers()
    for node in list(reversed(graph.nodes)):
        scopes = [user.scope for result in node.results for user in users.get(result, ())]
        around = _common([node.scope, *scopes])
        if not scopes or len(around) >= len(node.scope):
            continue
        inner = node.scope[: len(around) + 1]
        if not any(scope[: len(inner)] == inner for scope in scopes):
            continue  # it is what the module is for
        places = {one: place for place, one in enumerate(graph.nodes)}
        first = next(place for one, place in places.items() if one.scope[: len(inner)] == inner)
        moved = _closure(node, inner, first, producers, places)
        if moved is None:
            continue
        rest = [one for one in graph.nodes if one not in moved]
        graph.nodes = [*rest[:first], *sorted(moved, key=places.__getitem__), *rest[first:]]
        for one in moved:
            one.scope = around
    return graph


def _common(scopes: list[Scope]) -> Scope:
    shortest = min(scopes, key=len)
    count = 0
    while count < len(shortest) and all(scope[count] == shortest[count] for scope in scopes):
        count += 1
    return shortest[:count]


def _closure(node: Node, inner: Scope, first: int, producers: dict[Value, Node], places: dict) -> set[Node] | None:
    """The node with what it is computed of within its module; None where that is of the module's own."""
    found, stack = {node}, [node]
    while stack:
        one = stack.pop()
        if one.op.random or len(found) > _MOST:
            return None
        for value in one.operand_values():
            if isinstance(value, Parameter):
                if value.kind != "constant":
                    return None
                continue
            maker = producers.get(value)
            if maker is None or places[maker] < first:
                continue
            if maker.scope[: len(inner)] != inner:
                return None
            if maker not in found:
                found.add(maker)
                stack.append(maker)
    return found


def settle_constants(graph: Graph, nameless: Callable[[str], bool]) -> Graph:
    """The graph, changed in place, with constants that nobody named in the modules that use them."""
    users, taken = graph.consumers(), {value.name for value in graph.values()} | set(graph.parameters)
    settled: dict[str, Parameter] = {}
    for name, parameter in graph.parameters.items():
        scopes = [user.scope for user in users.get(parameter, ())]
        around = _common(scopes) if scopes else ()
        if parameter.kind == "constant" and around and nameless(name):
            wanted, number = f"{around[-1].path}.constant", 1
            name = wanted
            while name in taken:
                number += 1
                name = f"{wanted}_{number}"
            parameter.name = name
            taken.add(name)
        settled[name] = parameter
    graph.parameters = settled
    return graph
