"""The module hierarchy of a flat graph, rebuilt from the scopes of its nodes.

A `CallTree` is one call of one module: nodes that ran in it and calls of its children, in order. Each call becomes
one of four things in the emitted code (`Kind`): a class of its own, a sequence, a leaf (its layers belong to the
module around it), or it dissolves into the module around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from typing import Literal

from netglot.pivot.graph import Frame, Graph, Module, Node, Value

Kind = Literal["class", "sequence", "leaf"]


@dataclass(eq=False)
class CallTree:
    """One call of the module at `path`."""

    path: str
    frame: Frame | None
    items: list[Node | CallTree] = field(default_factory=list)
    kind: Kind = "class"

    def nodes(self) -> Iterator[Node]:
        """All nodes that ran within this call, in order."""
        for item in self.items:
            if isinstance(item, CallTree):
                yield from item.nodes()
            else:
                yield item

    @property
    def calls(self) -> list[CallTree]:
        """The calls of children."""
        return [item for item in self.items if isinstance(item, CallTree)]


def call_tree(graph: Graph, nodes: list[Node], dissolved: Set[Frame] = frozenset()) -> CallTree:
    """The tree of module calls over `nodes`, which are in topological order; the `dissolved` are left out of it."""
    root = CallTree("", None)
    children: dict[tuple[int, Frame], CallTree] = {}
    for node in nodes:
        at = root
        for frame in node.scope:
            if frame in dissolved:
                continue
            child = children.get((id(at), frame))
            if child is None:
                child = children[id(at), frame] = CallTree(frame.path, frame)
                at.items.append(child)
            at = child
        at.items.append(node)
    _untangle(root)
    return root


def _untangle(tree: CallTree) -> None:
    """Dissolves the calls whose nodes cannot stand together, because something in between needs them in pieces."""
    for call in tree.calls:
        _untangle(call)
    while True:
        broken = _first_broken(tree)
        if broken is None:
            return
        place = tree.items.index(broken)
        tree.items[place : place + 1] = broken.items
        tree.items.sort(key=_first_position(tree))


def _first_broken(tree: CallTree) -> CallTree | None:
    """The first call that uses what is made behind it, or that makes what a node before it uses."""
    makers = {id(v): item for item in tree.items for node in _nodes_of(item) for v in node.results}
    made: set[int] = set()
    for item in tree.items:
        inside = {id(v) for node in _nodes_of(item) for v in node.results}
        for node in _nodes_of(item):
            for value in node.operand_values():
                if id(value) in makers and id(value) not in made and id(value) not in inside:
                    found = item if isinstance(item, CallTree) else makers[id(value)]
                    return found if isinstance(found, CallTree) else None
        made |= inside
    return None


def _nodes_of(item: Node | CallTree) -> list[Node]:
    return list(item.nodes()) if isinstance(item, CallTree) else [item]


def _first_position(tree: CallTree) -> Callable:
    order: dict[int, int] = {}

    def depth(node: Node) -> int:
        return order.get(id(node), 0)

    remaining = list(tree.nodes())
    known: set[int] = set()
    own = {id(v) for node in remaining for v in node.results}
    rank = 0
    while remaining:
        later = []
        for node in remaining:
            if all(id(v) in known or id(v) not in own for v in node.operand_values()):
                order[id(node)] = rank
                known |= {id(v) for v in node.results}
                rank += 1
            else:
                later.append(node)
        if len(later) == len(remaining):
            break
        remaining = later
    return lambda item: max((depth(n) for n in item.nodes()), default=0) if isinstance(item, CallTree) else depth(item)


_LAYERS = ("torch.nn.", "torch.ao.nn.", "keras.src.layers.", "paddle.nn.layer.")
_COMPOSITE = ("torch.nn.modules.transformer.", "torch.nn.modules.container.", "paddle.nn.layer.container.")

PLAIN_SEQUENCES = (
    "torch.nn.modules.container.Sequential",
    "keras.src.models.sequential.Sequential",
    "paddle.nn.layer.container.Sequential",
)
"""The classes that call their children in turn and do nothing else."""


def is_framework_leaf(module: Module) -> bool:
    """Whether a module is one of the framework's own layers."""
    return module.qualified_name.startswith(_LAYERS) and not module.qualified_name.startswith(_COMPOSITE)


@dataclass
class Boundary:
    """What crosses the border of a call: values it needs, values it hands out."""

    inputs: list[Value]
    outputs: list[Value]


def boundary(
    tree: CallTree, used_outside: Callable[[Value, set[int]], bool], owned: Callable[[Value], bool]
) -> Boundary:
    """The inputs of a call in order of first use, and those of its results that are used elsewhere.

    `owned` says of a parameter whether it lives inside the call.
    """
    nodes = list(tree.nodes())
    inside = {id(node) for node in nodes}
    made = {v: None for node in nodes for v in node.results}
    inputs: dict[Value, None] = {}
    for node in nodes:
        for value in node.operand_values():
            if value not in made and not owned(value):
                inputs[value] = None
    outputs = [value for value in made if used_outside(value, inside)]
    return Boundary(list(inputs), outputs)
