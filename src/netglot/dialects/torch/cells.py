"""The body of a loop as a class of the emitted file: a cell, whose weights are its own."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from netglot.dialects.torch.helpers import HELPERS
from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Parameter, Part, Value
from netglot.pivot.op import Op, TensorType
from netglot.pivot.text import parse, to_text
from netglot.source.spell import Call, Layer, Spelling


@dataclass(frozen=True)
class Weight:
    """What of a weight the text of a cell depends on."""

    type: TensorType
    kind: Any
    trainable: bool
    initialiser: Any


@dataclass(frozen=True, eq=False)
class Cell:
    """A class that a loop calls for each step."""

    made: Call
    """What constructs it."""
    classes: str
    helpers: frozenset[str]
    weights: dict[str, Any]
    """How each of its variables comes from the weights that the body is given."""
    stand_ins: tuple[Parameter | None, ...]
    """For each weight of the body the parameter that stands for it in `weights`."""
    paths: dict[str, str]
    """The path of each variable: `cells[0].weight` of the variable `cells.0.weight`."""
    layers: dict[str, tuple[Layer, str]]
    """The layer of each variable that belongs to one, and that layer's path."""
    frozen: frozenset[str]

    def weights_of(self, held: tuple) -> dict[str, Any]:
        """How each variable comes from the loop's own operands."""
        table = {id(mine): theirs for mine, theirs in zip(self.stand_ins, held, strict=True) if mine is not None}

        def put(tree: Any) -> Any:
            if isinstance(tree, Parameter):
                return table[id(tree)]
            if isinstance(tree, Part):
                return Part(put(tree.op), tree.index)
            return tree.map_operands(put) if isinstance(tree, Op) else tree

        return {f"cell.{key}": put(tree) for key, tree in self.weights.items()}


def weight_of(operand: Any) -> Weight | None:
    """What is known of an operand that is a weight; None for one that is computed."""
    if not isinstance(operand, Parameter):
        return None
    return Weight(operand.type, operand.kind, operand.trainable, operand.initialiser)


@functools.lru_cache(maxsize=64)
def cell_of(body: str, first: int, known: tuple[Weight | None, ...]) -> Cell:
    """The class of a body; those of its inputs from `first` on are weights where `known` says so.

    Raises:
        UnsupportedOps: PyTorch cannot express it.
    """
    from netglot.dialects.torch.write import outlined, variables
    from netglot.source.module_file import class_texts, helper_names

    graph = parse(body)
    stand_ins = _with_weights(graph, first, known)
    outline, classes = outlined(graph)
    layers: dict[str, tuple[Layer, str]] = {}
    found = variables(outline, layers)
    return Cell(
        Call(classes[outline.root].name, (), {}),
        "\n\n\n".join(class_texts(outline, classes)),
        frozenset(helper_names(outline, HELPERS)),
        {variable.stored: variable.recipe for variable in found},
        stand_ins,
        {variable.stored: variable.path for variable in found},
        {variable.stored: layers[variable.path] for variable in found if variable.path in layers},
        frozenset(variable.stored for variable in found if not variable.trainable),
    )


def _with_weights(graph: Graph, first: int, known: tuple[Weight | None, ...]) -> tuple[Parameter | None, ...]:
    """Makes parameters of the inputs that are weights; which they are."""
    table: dict[Value, Value] = {}
    stand_ins: list[Parameter | None] = []
    for value, weight in zip(graph.inputs[first:], known, strict=True):
        if weight is None:
            stand_ins.append(None)
            continue
        made = Parameter(
            value.name, weight.type, _no_array, kind=weight.kind, trainable=weight.trainable,
            initialiser=weight.initialiser,
        )  # fmt: skip
        graph.parameters[made.name] = table[value] = made
        stand_ins.append(made)
    graph.inputs = [value for value in graph.inputs if value not in table]
    graph.replace_values(table)
    return tuple(stand_ins)


def _no_array() -> Any:
    raise AssertionError("a weight of a cell is read from the network that holds it")


def named_apart(graph: Graph, taken: Iterable[str]) -> None:
    """Gives the classes of different bodies different names, and none that is `taken`."""
    names, done = set(taken), {}
    for place, node in enumerate(graph.nodes):
        if isinstance(node.op, ops.Scan):
            body = node.op.body
            if body not in done:
                done[body] = _renamed(body, names)
            graph.nodes[place] = Node(node.op.replace(body=done[body]), node.results, node.scope, node.sites)


def _renamed(body: str, names: set[str]) -> str:
    graph = parse(body)
    for module in graph.modules.values():
        wanted, number = module.class_name, 1
        while module.class_name in names:
            number += 1
            module.class_name = f"{wanted}{number}"
    names.update(module.class_name for module in graph.modules.values())
    return to_text(graph)


def cells_of(forms: Iterable[Spelling]) -> Iterator[Cell]:
    """The cells of a network, each once."""
    held = (form.cell for form in forms if isinstance(form, Layer) and isinstance(form.cell, Cell))
    yield from dict.fromkeys(held)


__all__ = ["Cell", "cell_of", "cells_of", "named_apart", "weight_of"]
