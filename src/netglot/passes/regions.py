"""A flat network as a chain of what a person would draw: single ops, and regions that part and join again.

A node at which everything before it has been used up cuts the network. What stands between two cuts is one op or a
region: a residual branch, parallel branches, the steps of an attention. Regions are taken apart in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import is_scalar

_DEEPEST = 40
"""Regions within regions beyond which nothing is taken apart."""

_SILENT = (ops.Dropout, ops.Cast, ops.Identity, ops.Concat)
"""Ops that say nothing of what a chain is."""

ACTIVATIONS = tuple(
    getattr(ops, name)
    for name in "Relu Sigmoid Silu Gelu LeakyRelu Elu Selu Celu Softplus Softsign Mish Hardswish Hardsigmoid Clip "
    "Prelu Tanh".split()
)
NORMS = (ops.BatchNorm, ops.LayerNorm, ops.RmsNorm, ops.GroupNorm, ops.InstanceNorm, ops.LocalResponseNorm)
POOLS = (ops.MaxPool, ops.AvgPool)
LAYERS = (ops.Conv, ops.ConvTranspose, ops.Linear, ops.Lstm, ops.Gru, ops.Rnn, ops.MultiHeadAttention)
"""The ops that hold most of a network's weights."""


@dataclass(eq=False)
class Item:
    """One op (`nodes` has one), or a region: its branches, and the node that joins them.

    `token` is equal for items that are the same but for sizes and options.
    """

    nodes: tuple[Node, ...]
    token: object
    branches: tuple[tuple[Item, ...], ...] = ()
    join: Node | None = None
    tangled: bool = False
    """Whether the one branch is no chain, but parts that use each other in every way."""

    @property
    def residual(self) -> bool:
        """Whether something is added to what it was computed from."""
        return self.join is not None and isinstance(self.join.op, ops.Add)

    @property
    def main(self) -> tuple[Item, ...]:
        """The branch with the most nodes."""
        return max(self.branches, key=lambda branch: sum(len(item.nodes) for item in branch), default=())

    @property
    def weighted(self) -> int:
        """How many of its ops hold weights."""
        return sum(isinstance(node.op, LAYERS) for node in self.nodes)


def main_nodes(graph: Graph) -> list[Node]:
    """The nodes that compute with weights on what depends on the inputs; each after what it needs, deep before shallow.

    Masks, positions and what is done to weights alone are left out.
    """
    fed, trained = set(graph.inputs), {p for p in graph.parameters.values() if p.trainable or p.kind == "buffer"}
    held = set(trained)
    depth: dict[Value, int] = {}
    for node in graph.nodes:
        values = list(node.operand_values())
        if any(v in held for v in values):
            held.update(node.results)
        if any(v in fed for v in values):
            fed.update(node.results)
        own = 1 + max((depth.get(v, 0) for v in values), default=0)
        depth.update(dict.fromkeys(node.results, own))
    producers = graph.producers()
    wanted = {node for node in graph.nodes if any(v in fed and v in held for v in node.results)}
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(producers[v], False) for _, v in reversed(graph.outputs) if v in producers]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
            continue
        if node in seen:
            continue
        seen.add(node)
        stack.append((node, True))
        before = [v for v in dict.fromkeys(node.operand_values()) if v in producers]
        stack += [(producers[v], False) for v in sorted(before, key=lambda v: depth[v])]
    return [node for node in order if node in wanted]


class Regions:
    """Takes a graph apart."""

    def __init__(self, graph: Graph):
        self.consumers = graph.consumers()

    def chain(self, nodes: Sequence[Node], depth: int = 0) -> tuple[Item, ...]:
        """The items of nodes that are in order; what else they use is taken as given."""
        found: list[Item] = []
        for segment in self._segments(nodes):
            found += self._items(segment, depth)
        return tuple(found)

    def _segments(self, nodes: Sequence[Node]) -> list[Sequence[Node]]:
        place = {node: i for i, node in enumerate(nodes)}
        found, start, open_until = [], 0, -1
        for i, node in enumerate(nodes):
            if open_until <= i:
                found.append(nodes[start : i + 1])
                start = i + 1
            users = [place[user] for value in node.results for user in self.consumers.get(value, ()) if user in place]
            open_until = max([open_until, *users])
        if start < len(nodes):
            found.append(nodes[start:])
        return found

    def _items(self, nodes: Sequence[Node], depth: int) -> Iterable[Item]:
        if len(nodes) == 1:
            return [Item(tuple(nodes), node_token(nodes[0]))]
        join, rest = nodes[-1], nodes[:-1]
        if depth > _DEEPEST:
            return [Item(tuple(nodes), ("deep", len(nodes)), join=join)]
        parts = self._components(rest)
        if len(parts) == 1 and len(self._segments(rest)) == 1 and len(rest) > 1:
            return self._tangle(nodes, depth)
        branches = tuple(self.chain(part, depth + 1) for part in parts)
        made = {value for node in rest for value in node.results}
        if len(parts) == 1 and isinstance(join.op, ops.Concat) and len(made.intersection(join.operand_values())) > 1:
            return [self._tangled(nodes)]
        own = [v for v in join.operand_values() if not isinstance(v, Parameter)]
        if len(branches) == 1 and all(v in made for v in own):
            return [*branches[0], Item((join,), node_token(join))]
        if any(item.tangled for branch in branches for item in branch):
            return [self._tangled(nodes)]
        return [Item(tuple(nodes), _region_token(join, branches), branches, join)]

    def _tangle(self, nodes: Sequence[Node], depth: int) -> Iterable[Item]:
        """Parts that use each other in every way: what everything uses is set apart, or straight runs are found."""
        wide = self._widest(nodes)
        if wide is not None:
            first, rest = wide
            return [*self.chain(first, depth + 1), *self.chain(rest, depth + 1)]
        return [self._tangled(nodes)]

    def _tangled(self, nodes: Sequence[Node]) -> Item:
        runs = tuple(self._run(run) for run in self._runs(nodes))
        return Item(tuple(nodes), ("tangle", frozenset(run.token for run in runs)), (runs,), nodes[-1], tangled=True)

    def _widest(self, nodes: Sequence[Node]) -> tuple[list[Node], list[Node]] | None:
        """What comes before the value that most others use, where the others fall apart without it."""
        place = {node: i for i, node in enumerate(nodes)}
        best, widest = None, 2
        for node in nodes[:-1]:
            users = {user for value in node.results for user in self.consumers.get(value, ()) if user in place}
            span = max((place[user] for user in users), default=0) - place[node]
            if len(users) > widest and span > len(nodes) // 2:
                best, widest = node, len(users)
        if best is None:
            return None
        inside = set(nodes)
        before: set[Node] = set()
        for node in reversed(nodes[: place[best] + 1]):
            users = {user for value in node.results for user in self.consumers.get(value, ()) if user in inside}
            if node is best or (users and users <= before):
                before.add(node)
        rest = [node for node in nodes if node not in before]
        if len(self._segments(rest)) < 3:
            return None
        return [node for node in nodes if node in before], rest

    def _runs(self, nodes: Sequence[Node]) -> list[list[Node]]:
        inside = set(nodes)
        makers = {value: node for node in nodes for value in node.results}
        run_of: dict[Node, list[Node]] = {}
        found: list[list[Node]] = []
        for node in nodes:
            before = {makers[v] for v in node.operand_values() if v in makers}
            last = next(iter(before)) if len(before) == 1 else None
            users = {u for v in last.results for u in self.consumers.get(v, ()) if u in inside} if last else set()
            run = run_of[last] if last is not None and users == {node} and run_of[last][-1] is last else []
            if not run:
                found.append(run)
            run.append(node)
            run_of[node] = run
        return found

    def _run(self, nodes: list[Node]) -> Item:
        tokens = tuple(node_token(node) for node in nodes if not isinstance(node.op, _SILENT))
        inner = tuple(Item((node,), node_token(node)) for node in nodes)
        return Item(tuple(nodes), ("run", tokens), (inner,))

    def _components(self, nodes: Sequence[Node]) -> list[list[Node]]:
        """The nodes in parts that do not use each other, in order."""
        makers = {value: node for node in nodes for value in node.results}
        home = {node: node for node in nodes}

        def find(node: Node) -> Node:
            while home[node] is not node:
                home[node] = home[home[node]]
                node = home[node]
            return node

        for node in nodes:
            for value in node.operand_values():
                if value in makers:
                    home[find(makers[value])] = find(node)
        parts: dict[Node, list[Node]] = {}
        for node in nodes:
            parts.setdefault(find(node), []).append(node)
        return list(parts.values())


def node_token(node: Node) -> object:
    """What an op is, but for its sizes and options."""
    if isinstance(node.op, ACTIVATIONS):
        return "activation"
    if isinstance(node.op, NORMS):
        return "norm"
    if isinstance(node.op, ops.Conv):
        return _conv_token(node.op)
    if node.op.layout == "elementwise":
        kinds = "".join("n" if is_scalar(o) else "p" if isinstance(o, Parameter) else "v" for o in node.op.operands())
        return type(node.op).__name__, kinds
    return type(node.op).__name__


def _conv_token(conv: ops.Conv) -> object:
    """Whether a convolution looks at one place, sees each channel for itself, or neither."""
    if conv.groups > 1 and conv.groups == conv.x.shape[conv.axis]:
        return "depthwise"
    return "pointwise" if all(size == 1 for size in conv.weight.shape[2:]) else "conv"


def chain_token(items: Iterable[Item]) -> tuple:
    """What a chain is, but for sizes and options."""
    return tuple(item.token for item in items if len(item.nodes) > 1 or not isinstance(item.nodes[0].op, _SILENT))


def _region_token(join: Node, branches: tuple[tuple[Item, ...], ...]) -> object:
    if isinstance(join.op, ops.Add):
        main = max(branches, key=lambda branch: sum(len(item.nodes) for item in branch))
        return "residual", chain_token(main)
    return type(join.op).__name__, tuple(sorted((chain_token(branch) for branch in branches), key=repr))
