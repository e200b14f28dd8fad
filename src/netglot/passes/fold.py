"""What does not depend on the input is computed once.

Long computations over constants and frozen buffers (masks of shifted windows, tables of positions) become one
constant. Short ones stay as they are: `arange(77)` reads better than a stored table.
"""

from __future__ import annotations

from typing import Any

from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Graph, Names, Node, Parameter, Part, Value
from netglot.pivot.op import is_open

_SHORT = 4
"""Computations of so many ops stay in the code, unless they read a stored constant."""


def fold(graph: Graph) -> Graph:
    """The graph with its long constant computations replaced by constants, and all that is empty made from nothing."""
    for node in graph.nodes:
        if len(node.results) == 1 and 0 in node.results[0].shape and not isinstance(node.op, ops.Full):
            result = node.results[0]
            node.op = ops.Full(result.shape, False if result.dtype == "bool" else 0, result.dtype)
    producers = graph.producers()
    frozen = constants(graph)
    frontier = _frontier(graph, frozen)
    names = Names(v.name for v in graph.values() if v not in frozen)
    folded = {v: _folded(v, producers, names) for v in frontier if frozen[v] > _SHORT}
    if not folded:
        return graph
    graph.parameters.update({p.name: p for p in folded.values()})
    graph.replace_values(folded)
    graph.prune()
    return graph


def constants(graph: Graph) -> dict[Value, int]:
    """What does not depend on the input or on what is trained, and how many ops each takes with all that it needs."""
    frozen: dict[Value, int] = {}
    for node in graph.nodes:
        size = _constant_size(node, frozen)
        if size is not None:
            frozen.update(dict.fromkeys(node.results, size))
    return frozen


def _constant_size(node: Node, frozen: dict[Value, int]) -> int | None:
    """How many ops a constant node takes with all that it needs; None where it depends on the input or is trained."""
    if node.op.random or is_open(node.op) or any(not isinstance(s, int) for v in node.results for s in v.shape):
        return None
    size = 1
    for value in node.operand_values():
        if isinstance(value, Parameter) and not value.trainable:
            size += 1 if value.kind == "constant" else 0
        elif value in frozen:
            size += frozen[value]
        else:
            return None
    if any(not isinstance(o, int | float | bool | Value) for o in node.op.operands()):
        return None
    return None if any(_is_open(held) for held in node.op.attributes().values()) else size


def _is_open(held: Any) -> bool:
    """Whether an attribute holds a size that is not known."""
    return any(_is_open(one) for one in held) if isinstance(held, tuple) else isinstance(held, Dim)


def _frontier(graph: Graph, frozen: dict[Value, int]) -> list[Value]:
    """Constant values that something else needs."""
    needed: dict[Value, None] = {}
    for node in graph.nodes:
        if node.results[0] not in frozen:
            needed.update({v: None for v in node.operand_values() if v in frozen})
    needed.update({v: None for _, v in graph.outputs if v in frozen})
    return list(needed)


def _folded(value: Value, producers, names: Names) -> Parameter:
    node = producers[value]

    def tree(item):
        if isinstance(item, Parameter) or not isinstance(item, Value):
            return item
        inner = producers[item]
        op = inner.op.map_operands(tree)
        return op if len(inner.results) == 1 else Part(op, inner.results.index(item))

    cache: list = []

    def load():  # in float64, so that a double-precision run does not inherit the rounding of a table
        if not cache:
            cache.append(evaluate_op(tree(value), precision="float64"))
        return cache[0]

    place = node.path + "." if node.path else ""
    name = value.hint or _named(node) or value.name
    return Parameter(names.unique(f"{place}{name}"), value.type, load, kind="constant", trainable=False)


def _named(node: Node) -> str | None:
    """The variable that held the value in the source."""
    from netglot.source.hints import assigned_names

    names = assigned_names(node.site)
    return names[0] if names and len(names) == 1 else None
