"""Loops of files as the pivot has them: a sub-graph that runs once for each step of sequences."""

from __future__ import annotations

from typing import Any

from netglot.pivot.graph import Graph, Module, Names, Node, Parameter, Value
from netglot.pivot.op import shape_of
from netglot.pivot.text import to_text


def swapped(value: Any) -> tuple[int, ...]:
    """The order of axes with the first two exchanged."""
    return (1, 0, *range(2, len(shape_of(value))))


def body_text(
    steps: list[Value], states: list[Value], outside: list[Value], nodes: list[Node], outputs: list[Value]
) -> str:
    """The text of the sub-graph of one step."""
    names, table = Names(), {}
    letters = ["h", "c"] if len(states) <= 2 else [f"state_{place}" for place in range(len(states))]
    titles = ["x", *(f"x{place}" for place in range(1, len(steps)))]
    wanted = [*zip(steps, titles, strict=True), *zip(states, letters, strict=False)]
    wanted += [(value, value.name.rpartition(".")[2]) for value in outside]
    for value, name in wanted:
        table[value] = Value(names.unique(name), value.type, hint=None if isinstance(value, Parameter) else name)

    def renamed(one: Any) -> Any:
        return table.get(one, one) if isinstance(one, Value) else one

    body = []
    for node in nodes:
        op = node.op.map_operands(renamed)
        table |= {value: Value(names.unique(value.name), value.type) for value in node.results}
        body.append(Node(op, tuple(table[value] for value in node.results)))
    inputs = [table[value] for value in (*steps, *states, *outside)]
    graph = Graph("Cell", inputs, {}, body, tuple(table[value] for value in outputs), {"": Module("", "Cell")})
    graph.prune()
    return to_text(graph)
