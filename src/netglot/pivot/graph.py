"""The pivot: a network as one flat graph in static single assignment, with the module hierarchy as data on it.

Values are tensors: graph inputs, parameters, or results of nodes. Nodes stand in topological order. Each node knows
the module calls that it ran in (`Scope`) and the source expression that made it (`Site`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from netglot.pivot.op import Op, TensorType, nested_types

Tree = Any
"""A nest of tuples, lists and dicts with `Value`s (or None) at the leaves."""


@dataclass(frozen=True)
class Site:
    """A place in the user's source: one call of a chain, innermost last in `Node.sites`."""

    file: str
    line: int
    function: str = ""
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Frame:
    """One module call: the module's path from the root, and which of its calls it is (0 for the first)."""

    path: str
    call: int = 0


Scope = tuple[Frame, ...]
"""The module calls around a node, outermost first; the root's own is left out."""


@dataclass
class Module:
    """What is known of one module of the source.

    `arguments` are the constructor's arguments as they were bound, where they could be observed; `attributes` the
    plain numbers, strings and booleans that the instance holds; `inputs` the names of its tensor arguments.
    """

    path: str
    class_name: str
    qualified_name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    doc: str = ""
    inputs: tuple[str, ...] = ()
    container: Literal["", "sequential", "list", "dict"] = ""
    """"sequential" calls its children in turn; "list" and "dict" only hold them."""
    first: str = ""
    """The path by which the source names its parameters, where it holds the module under several."""


class Value:
    """One tensor of a graph. Compared by identity; its name is unique within the graph."""

    __slots__ = ("hint", "name", "type")

    def __init__(self, name: str, type: TensorType, hint: str | None = None):
        self.name = name
        self.type = type
        self.hint = hint
        """The name of the variable that held it in the source, where known."""

    @property
    def shape(self):
        """The shape of the tensor."""
        return self.type.shape

    @property
    def dtype(self) -> str:
        """The dtype of the tensor."""
        return self.type.dtype

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


class Parameter(Value):
    """A tensor that belongs to the network: a trainable or frozen parameter, a buffer, or a constant.

    `load` reads the array when it is called and not before, so that a graph holds no weights in memory.
    `aliases` are the further paths under which the source knows the same tensor (tied weights).
    """

    __slots__ = ("aliases", "initialiser", "kind", "load", "trainable")

    def __init__(
        self,
        name: str,
        type: TensorType,
        load: Callable[[], np.ndarray],
        *,
        kind: Literal["parameter", "buffer", "constant"] = "parameter",
        trainable: bool = True,
        aliases: tuple[str, ...] = (),
        initialiser: Any = None,
    ):
        super().__init__(name, type)
        self.load = load
        self.kind = kind
        self.trainable = trainable and kind == "parameter"
        self.aliases = aliases
        self.initialiser = initialiser


class Rearranged(Value):
    """A parameter, or several, with the elements in another order: known before the network runs, and still trained."""

    __slots__ = ()


REARRANGING = frozenset("Permute Reshape Slice Select Split Unstack Concat Stack Flip".split())
"""The ops that only rearrange elements."""


def is_weight(operand: Any) -> bool:
    """Whether an operand is a parameter or a rearranged one, which a layer can hold."""
    return isinstance(operand, Parameter | Rearranged)


@dataclass(eq=False)
class Node:
    """One op at work: its results, the module calls around it, and the chain of source lines that led to it."""

    op: Op
    results: tuple[Value, ...]
    scope: Scope = ()
    sites: tuple[Site | None, ...] = ()
    """The source line in each module around the node, the root's first; None inside the framework's own modules."""

    @property
    def result(self) -> Value:
        """The first result."""
        return self.results[0]

    @property
    def path(self) -> str:
        """The path of the innermost module."""
        return self.scope[-1].path if self.scope else ""

    @property
    def site(self) -> Site | None:
        """The innermost place in the user's own source."""
        return next((site for site in reversed(self.sites) if site), None)

    def operand_values(self) -> Iterator[Value]:
        """The operands that are values (numbers left out)."""
        return (o for o in self.op.operands() if isinstance(o, Value))

    def __repr__(self) -> str:
        return f"{', '.join(v.name for v in self.results)} = {self.op}"


@dataclass(eq=False)
class Graph:
    """A network. `output` is the nest of values that a call returns; `modules` holds the hierarchy by path ("" is
    the root); `notes` are sentences that the report must carry, such as parameters used in training only.
    """

    name: str
    inputs: list[Value]
    parameters: dict[str, Parameter]
    nodes: list[Node]
    output: Tree
    modules: dict[str, Module] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    arguments: dict[tuple[str, str], str] = field(default_factory=dict)
    """The names of the arguments of modules, by the module's path and the name of the value that was handed in."""
    origin: Any = None
    """What the graph was read from, for running it step by step; its reader knows what that is."""
    sizes: dict[str, int] = field(default_factory=dict, repr=False)
    """Sizes of the open axes for which the source was seen to run, by symbol; empty where it never ran."""

    @property
    def outputs(self) -> list[tuple[str, Value]]:
        """The leaves of `output` with a name each: dictionary keys and positions joined by dots."""
        return list(flatten_tree(self.output))

    def values(self) -> Iterator[Value]:
        """All values: inputs, parameters, results."""
        yield from self.inputs
        yield from self.parameters.values()
        for node in self.nodes:
            yield from node.results

    def producers(self) -> dict[Value, Node]:
        """The node that makes each result."""
        return {value: node for node in self.nodes for value in node.results}

    def consumers(self) -> dict[Value, list[Node]]:
        """The nodes that use each value, in order; a node that uses it twice stands once."""
        table: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.operand_values()):
                table.setdefault(value, []).append(node)
        return table

    def symbols(self) -> list[str]:
        """The names of symbolic sizes, in order of first appearance in the inputs."""
        names: dict[str, None] = {}
        for value in self.values():
            for size in value.shape:
                if not isinstance(size, int):
                    names.update(dict.fromkeys(sorted(size.symbols)))
        return list(names)

    def replace_values(self, table: dict[Value, Value]) -> None:
        """Uses `table[v]` wherever `v` was used, in nodes and in the output."""
        if not table:
            return

        def resolve(operand):
            while isinstance(operand, Value) and operand in table:
                operand = table[operand]
            return operand

        for node in self.nodes:
            if any(v in table for v in node.operand_values()):
                node.op = node.op.map_operands(resolve)
        self.output = map_tree(resolve, self.output)

    def prune(self) -> None:
        """Drops the nodes that no output needs. Parameters stay: the source has them."""
        live = {id(value) for _, value in self.outputs}
        kept = []
        for node in reversed(self.nodes):
            if any(id(value) in live for value in node.results):
                live.update(id(value) for value in node.operand_values())
                kept.append(node)
        self.nodes = kept[::-1]


def flatten_tree(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """The values in a nest, each with its dotted name; a nest that is one value has the name "output"."""
    if isinstance(tree, Value):
        yield prefix or "output", tree
    elif isinstance(tree, dict):
        for key, branch in tree.items():
            yield from flatten_tree(branch, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(tree, list | tuple):
        for index, branch in enumerate(tree):
            yield from flatten_tree(branch, f"{prefix}.{index}" if prefix else str(index))


def map_tree(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """The nest with `function` applied to each leaf."""
    if isinstance(tree, dict):
        return {key: map_tree(function, branch) for key, branch in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(map_tree(function, branch) for branch in tree)
    return tree if tree is None else function(tree)


class Names:
    """Hands out names that are unique: `conv`, `conv_1`, `conv_2`."""

    def __init__(self, taken: Iterable[str] = ()):
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def unique(self, wanted: str) -> str:
        """`wanted`, or `wanted` with the first free number."""
        name, number = wanted, self._next.get(wanted, 0)
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._next[wanted] = number
        self._taken.add(name)
        return name


@dataclass(frozen=True, eq=False)
class Part:
    """One result of a nested op that has several. The same op object named twice is built once."""

    op: Op
    index: int

    @property
    def type(self) -> TensorType:
        """The type of that result."""
        return nested_types(self.op)[self.index]


class Builder:
    """Appends nodes to a list. Compositions are written as nested ops; each inner op becomes a node of its own."""

    def __init__(self, names: Names, *, scope: Scope = (), sites: tuple[Site, ...] = ()):
        self.nodes: list[Node] = []
        self.names = names
        self.scope = scope
        self.sites = sites

    def add(self, op: Op, *, types: tuple[TensorType, ...] | None = None, name: str | None = None) -> tuple[Value, ...]:
        """Adds `op` (and, first, the ops nested in it) and returns its results.

        `types` are the result types where the caller knows them better than inference does.
        """
        return self._add(op, {}, types, name)

    def _add(self, op: Op, built: dict[int, tuple[Value, ...]], types=None, name=None) -> tuple[Value, ...]:
        op = op.map_operands(lambda operand: self._resolve(operand, built))
        base = name or type(op).__name__.lower()
        types = types or op.result_types()
        kind_of_value = Value
        if type(op).__name__ in REARRANGING and all(is_weight(o) for o in op.operands()):
            kind_of_value = Rearranged
        results = tuple(
            kind_of_value(self.names.unique(base if len(types) == 1 else f"{base}_{part}"), kind)
            for part, kind in zip(
                op.results if len(op.results) == len(types) else range(len(types)), types, strict=True
            )
        )
        self.nodes.append(Node(op, results, self.scope, self.sites))
        return results

    def _resolve(self, operand, built: dict[int, tuple[Value, ...]]):
        """A nested op, or one part of it, as the value that it makes; anything else as it is."""
        inner, index = (operand.op, operand.index) if isinstance(operand, Part) else (operand, 0)
        if not isinstance(inner, Op):
            return operand
        if id(inner) not in built:
            built[id(inner)] = self._add(inner, built)
        return built[id(inner)][index]

    def one(self, op: Op, **known) -> Value:
        """Adds an op that has one result and returns it."""
        return self.add(op, **known)[0]


def names_of(graph: Graph) -> Names:
    """A name giver that knows the names in `graph`."""
    return Names(value.name for value in graph.values())
