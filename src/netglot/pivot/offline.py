"""What is computed from parameters alone, before a network runs: which they are, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netglot.pivot.graph import Node, Parameter, Part, Value
from netglot.pivot.op import Op


def base_parameters(tree: Any, producers: Mapping[Value, Node]) -> list[Parameter]:
    """The parameters from which a value or a tree of ops is computed."""
    found: dict[Parameter, None] = {}

    def visit(item: Any) -> None:
        if isinstance(item, Parameter):
            found[item] = None
        elif isinstance(item, Value):
            if item in producers:
                visit(producers[item].op)
        elif isinstance(item, Part):
            visit(item.op)
        elif isinstance(item, Op):
            for operand in item.operands():
                visit(operand)

    visit(tree)
    return list(found)


def recipe(tree: Any, producers: Mapping[Value, Node]) -> Any:
    """A value as a tree of ops over parameters, arrays and numbers alone."""

    def inside(item: Any) -> Any:
        return recipe(item, producers)

    if isinstance(tree, Value) and not isinstance(tree, Parameter):
        made = producers[tree]
        op = made.op.map_operands(inside)
        return op if len(made.results) == 1 else Part(op, made.results.index(tree))
    if isinstance(tree, Part):
        return Part(tree.op.map_operands(inside), tree.index)
    return tree.map_operands(inside) if isinstance(tree, Op) else tree


__all__ = ["base_parameters", "recipe"]
