"""Modules for a network that names none: what repeats becomes blocks in lists, named by what they do.

Files lose the names of modules: exporters leave them out, optimisers rewrite them. What remains is what is computed,
and a residual block is one by what it computes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set

from netglot.passes.kept_names import KeptNames, behind, list_of, short
from netglot.passes.regions import LAYERS, Item, Regions, main_nodes
from netglot.passes.repeats import Unit, pieces
from netglot.passes.roles import LayerNames, class_of, inner_parts
from netglot.pivot import ops
from netglot.pivot.graph import Frame, Graph, Module, Node, Parameter, Value

_FLAT = 12
"""So many layers beside each other, and more, are no hierarchy."""

_LIST = "torch.nn.modules.container.ModuleList"
_CHAIN = "torch.nn.modules.container.Sequential"

NOTE = "the file has no modules: blocks are what repeats, and are named by what they compute"


def is_flat(graph: Graph) -> bool:
    """Whether most layers stand beside each other in one module."""
    beside: dict[str, int] = {}
    held: dict[Value, frozenset[Value]] = {p: frozenset([p]) for p in graph.parameters.values() if p.trainable}
    for node in graph.nodes:
        values = list(node.operand_values())
        if all(value in held for value in values):
            held |= dict.fromkeys(node.results, frozenset().union(*(held[value] for value in values)))
    layers = [n for n in graph.nodes if isinstance(n.op, LAYERS) or (isinstance(n.op, ops.Matmul) and n.op.y in held)]
    layers = _called_once(layers, held)
    alone = Counter(node.path for node in layers)
    for node in layers:
        owner = node.path.rpartition(".")[0] if alone[node.path] == 1 else node.path
        beside[owner] = beside.get(owner, 0) + 1
    most = max(beside.values(), default=0)
    return most >= _FLAT or (most >= len(layers) - 1 and (most > 3 or not any(node.scope for node in graph.nodes)))


def _called_once(layers: Sequence[Node], held: Mapping[Value, frozenset[Value]]) -> list[Node]:
    """Layers without those of later calls, of their module or with the same weights, nor the further layers of a
    recurrent module. `held` says of which weights a value is made."""
    found, recurrent, seen = [], set(), set()
    for node in layers:
        weights = frozenset().union(*(held.get(value, ()) for value in node.operand_values()))
        if any(frame.call for frame in node.scope) or (node.scope and node.path in recurrent) or weights in seen:
            continue
        seen |= {weights} if weights else set()
        if isinstance(node.op, ops.Lstm | ops.Gru | ops.Rnn):
            recurrent.add(node.path)
        found.append(node)
    return found


def structured(graph: Graph, kept: Set[Parameter] = frozenset()) -> Graph:
    """The graph with blocks, where it has no hierarchy; it is changed in place.

    The names of the weights in `kept` are those of the source: where they tell of modules, these are the blocks' names.
    """
    if not is_flat(graph):
        return graph
    found = _Structure(graph, kept)
    if found.run():
        graph.notes.append(NOTE)
    return graph


class _Structure:
    def __init__(self, graph: Graph, kept: Set[Parameter]):
        self.graph = graph
        self.kept = KeptNames(graph, kept)
        self.scopes: dict[Node, tuple[Frame, ...]] = {}
        self.modules: dict[str, Module] = {}
        self.names: dict[Node, str] = {}
        self.consumers = graph.consumers()
        self.lists: list[list[Unit]] = []
        self.made: dict[str, int] = {}
        self.units: dict[str, Unit] = {}
        self.around: dict[Unit, Item] = {}
        """The tangle in which a unit was found."""

    def run(self) -> bool:
        chain = Regions(self.graph).chain(main_nodes(self.graph))
        self.lists = list(self._lists(chain))
        named = any(node.scope for node in self.graph.nodes)
        if not self.lists and named:
            return False
        self._place_all()
        self._take_in()
        self._reorder()
        self._apply()
        return bool(self.lists)

    # -- which blocks there are

    def _lists(self, chain: Sequence[Item]) -> Iterator[list[Unit]]:
        for piece in pieces(chain):
            if isinstance(piece, list):
                yield from self._stages(piece)
            elif piece.tangled:
                yield from self._tangle(piece)
            else:
                for branch in piece.branches:
                    yield from self._lists(branch)

    def _tangle(self, item: Item) -> Iterator[list[Unit]]:
        """Straight runs within a tangle that are alike: the layers of a dense block."""
        kinds: dict[object, list[Item]] = {}
        for run in item.main:
            if run.weighted:
                kinds.setdefault(run.token, []).append(run)
        for runs in kinds.values():
            if len(runs) > 1 and sum(len(run.nodes) for run in runs[1:]) > 2:
                units = [Unit((run,)) for run in runs]
                self.around[units[0]] = item
                yield units

    def _stages(self, units: list[Unit]) -> Iterator[list[Unit]]:
        """A list of units, parted where the sizes change, unless they change at each."""
        starts = [i for i, unit in enumerate(units) if i == 0 or _out(unit) != _out(units[i - 1])]
        if len(starts) > len(units) * 2 // 3:
            starts = [0]
        for start, stop in zip(starts, [*starts[1:], len(units)], strict=True):
            yield units[start:stop]

    # -- where they go

    def _place_all(self) -> None:
        told = [self._told(units) for units in self.lists]
        stages = sum(len(units) > 1 for units, paths in zip(self.lists, told, strict=True) if not paths) > 1
        number = 0
        for units, paths in zip(self.lists, told, strict=True):
            if paths:
                self._place_told(units, paths)
                continue
            class_name, word = class_of(units[0])
            if len(units) == 1 and not (stages and self._like_a_stage(units[0])):
                self._unit(units[0], self._free(word), class_name)
                continue
            number += 1
            lone = "layers" if "Transformer" in class_name else "blocks"
            self._place_list(units, f"stage{number}" if stages else lone)

    def _place_list(self, units: list[Unit], home: str) -> None:
        outer: tuple[Frame, ...] = ()
        if units[0] in self.around:
            self.modules[home] = Module(home, "DenseBlock")
            outer = (Frame(home),)
            self.scopes |= dict.fromkeys(self.around[units[0]].nodes, outer)
            home = f"{home}.layers"
        chained = all(len(self._entering(unit)) == 1 and len(_leaving(unit, self.consumers)) == 1 for unit in units)
        self.modules[home] = _sequence(home) if chained else Module(home, "ModuleList", _LIST, container="list")
        outer = (*outer, Frame(home)) if chained else outer
        for position, unit in enumerate(units):
            self._unit(unit, f"{home}.{position}", class_of(unit)[0], outer)

    # -- names that the weights tell

    def _told(self, units: list[Unit]) -> list[str]:
        """The path of each unit, as the names of its weights tell it; none where one is not told."""
        paths = [self.kept.common(unit.nodes) for unit in units]
        return paths if all(paths) and len(set(paths)) == len(paths) else []

    def _place_told(self, units: list[Unit], paths: list[str]) -> None:
        lists: dict[str, list[Unit]] = {}
        for unit, path in zip(units, paths, strict=True):
            lists.setdefault(list_of(path), []).append(unit)
        homes = [home for home in lists if home]
        for home, word in zip(homes, short([*homes]), strict=True):
            word = word if word not in self.modules else home.replace(".", "_")
            self._place_list(lists[home], word)
        for unit in lists.get("", ()):
            path = paths[units.index(unit)]
            self._unit(unit, path.replace(".", "_"), class_of(unit)[0])

    def _like_a_stage(self, unit: Unit) -> bool:
        """Whether a single block is one of those of the stages."""
        return any(other.token == unit.token for units in self.lists if len(units) > 1 for other in units)

    def _free(self, word: str) -> str:
        self.made[word] = self.made.get(word, 0) + 1
        return f"{word}{self.made[word]}"

    def _entering(self, unit: Unit) -> set[Value]:
        made = {value for node in unit.nodes for value in node.results}
        used = {value for node in unit.nodes for value in node.operand_values()}
        return {value for value in used - made if not self._offline(value) or self._used_elsewhere(value, unit)}

    def _used_elsewhere(self, value: Value, unit: Unit) -> bool:
        inside = set(unit.nodes)
        return any(user not in inside for user in self.consumers.get(value, ()))

    def _offline(self, value: Value) -> bool:
        if not hasattr(self, "_fixed"):
            self._fixed = set(self.graph.parameters.values())
            for node in self.graph.nodes:
                if all(v in self._fixed for v in node.operand_values()):
                    self._fixed.update(node.results)
        return value in self._fixed

    def _unit(self, unit: Unit, path: str, class_name: str, outer: tuple[Frame, ...] = ()) -> None:
        parts = list(inner_parts(unit))
        whole = next((kind for _, part, kind in parts if set(part) == set(unit.nodes)), None)
        self.modules[path] = Module(path, whole or class_name)
        scope = (*outer, Frame(path))
        for node in unit.nodes:
            self.scopes[node] = scope
        for word, part, kind in parts if whole is None else ():
            inner = f"{path}.{word}"
            self.modules[inner] = Module(inner, kind)
            for node in part:
                self.scopes[node] = (*scope, Frame(inner))
        self.units[path] = unit

    def _name_layers(self) -> None:
        """The layers of each block by what they do, in the order in which they run."""
        members: dict[str, list[Node]] = {}
        for node in self.graph.nodes:
            if self.scopes.get(node):
                members.setdefault(self.scopes[node][-1].path, []).append(node)
        names = LayerNames(self.graph)
        for path, nodes in members.items():
            module = self.kept.common(self.units[path].nodes if path in self.units else nodes)
            told = {node: name for node in nodes if (name := self.kept.within(node, module))}
            found = told or names.of(nodes, self.units.get(path))
            self.names |= {node: f"{path}.{name}" for node, name in found.items()}

    # -- the rest of the graph

    def _take_in(self) -> None:
        """What only one block uses, and weights alone made, or masks, belongs to the block."""
        outputs = {value for _, value in self.graph.outputs}
        for node in reversed(self.graph.nodes):
            if node in self.scopes or any(value in outputs for value in node.results):
                continue
            users = {user for value in node.results for user in self.consumers.get(value, ())}
            scopes = {self.scopes.get(user, ()) for user in users}
            if len(scopes) == 1 and (scope := scopes.pop()) and not self._main(node):
                self.scopes[node] = scope

    def _main(self, node: Node) -> bool:
        if not hasattr(self, "_mains"):
            self._mains = set(main_nodes(self.graph))
        return node in self._mains

    def _reorder(self) -> None:
        """Blocks stand together; a block that cannot is none."""
        while True:
            order, broken = _together(self.graph, self.scopes)
            if broken is None:
                self.graph.nodes = order
                return
            for node, scope in list(self.scopes.items()):
                if broken in scope:
                    self.scopes[node] = scope[: scope.index(broken)]

    def _apply(self) -> None:
        kept = {prefix for node in self.graph.nodes if node not in self.scopes for prefix in _prefixes(node.path)}
        modules = self.graph.modules
        self.graph.modules = {path: module for path, module in modules.items() if not path or path in kept}
        used = {frame.path for scope in self.scopes.values() for frame in scope}
        for path, module in self.modules.items():
            if path in used or any(one.startswith(f"{path}.") for one in used):
                self.graph.modules[path] = module
        for node, scope in self.scopes.items():
            if scope:
                node.scope = scope
        first = {frame.path for node in self.graph.nodes for frame in node.scope if not frame.call}
        for node in self.graph.nodes:  # a later call of a module whose first call is another block now
            if any(frame.call and frame.path not in first for frame in node.scope):
                node.scope = ()
        self._name_layers()
        self._name_the_rest()
        self._rename()
        self._in_order()

    def _name_the_rest(self) -> None:
        """Layers outside of the blocks, which have no module yet, become modules by themselves."""
        left = [node for node in self.graph.nodes if not node.scope]
        taken = set(self.graph.modules)
        told = {node: path.replace(".", "_") for node, path in self.kept.paths.items() if node in set(left)}
        others = [node for node in left if node not in told and not self._is_named(node)]
        for node, name in (told | LayerNames(self.graph).of(others)).items():
            path = next(word for word in (name, *(f"{name}_{i}" for i in range(2, 1000))) if word not in taken)
            taken.add(path)
            self.graph.modules[path] = Module(path, path.title().replace("_", ""))
            node.scope = self.scopes[node] = (Frame(path),)
            self.names[node] = path

    def _is_named(self, node: Node) -> bool:
        """Whether the source has a name for a weight of a node."""
        return any(p in self.kept.kept for value in node.operand_values() for p in behind(value, self.kept.producers))

    def _in_order(self) -> None:
        """Modules stand in the order in which they are called."""
        order = {"": None}
        for node in self.graph.nodes:
            order |= dict.fromkeys(prefix for frame in node.scope for prefix in _prefixes(frame.path))
        modules = self.graph.modules
        self.graph.modules = {path: modules[path] for path in order if path in modules}

    def _rename(self) -> None:
        """Weights of the layers of blocks are called by the layer's place."""
        producers = self.graph.producers()
        taken = {value.name for value in self.graph.values() if not isinstance(value, Parameter)}
        wanted: dict[Parameter, str] = {}
        users: dict[Parameter, set] = {}
        for node in self.graph.nodes:
            if node not in self.scopes or not node.scope or all(self._offline(v) for v in node.operand_values()):
                continue
            for field in node.op.operand_fields():
                held = getattr(node.op, field.name)
                for one in held if isinstance(held, tuple) else (held,):
                    for parameter in behind(one, producers):
                        users.setdefault(parameter, set()).add(node.scope)
                        layer = self.names.get(node, node.path)
                        wanted.setdefault(parameter, f"{layer}.{_role(node, field.name)}")
        wanted = {p: name for p, name in wanted.items() if p.kind != "constant" and len(users[p]) == 1}
        masks = (getattr(node.op, "mask", None) for node in self.graph.nodes)
        wanted |= {m: "mask" for m in masks if isinstance(m, Parameter) and m.kind == "constant"}
        renamed: dict[str, Parameter] = {}
        free = {name for p, name in ((p, p.name) for p in self.graph.parameters.values()) if p not in wanted}
        for parameter in self.graph.parameters.values():
            name = base = wanted.get(parameter, parameter.name)
            number = 1
            while parameter in wanted and (name in taken or name in free or name in renamed):
                number += 1
                name = f"{base}_{number}"
            parameter.name = name
            renamed[name] = parameter
        self.graph.parameters = renamed


_ROLES = {
    "scale": "weight",
    "offset": "bias",
    "mean": "running_mean",
    "variance": "running_var",
    "slope": "weight",
    "mask": "bias",
    "w_ih": "weight_ih",
    "w_hh": "weight_hh",
    "b_ih": "bias_ih",
    "b_hh": "bias_hh",
}


def _role(node: Node, field: str) -> str:
    """What a parameter is called by its use."""
    if isinstance(node.op, ops.Multiply):
        return "scale"
    if isinstance(node.op, ops.Add):
        return "bias"
    return _ROLES.get(field, "weight" if field in ("x", "y") else field)


def _sequence(path: str) -> Module:
    return Module(path, "Sequential", _CHAIN, container="sequential")


def _out(unit: Unit) -> tuple:
    return tuple(unit.nodes[-1].result.shape)


def _leaving(unit: Unit, consumers: dict[Value, list[Node]]) -> list[Value]:
    inside = set(unit.nodes)
    return [v for n in unit.nodes for v in n.results if any(user not in inside for user in consumers.get(v, ()))] or [
        unit.nodes[-1].result
    ]


def _prefixes(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))] if path else []


def _together(graph: Graph, scopes: dict[Node, tuple[Frame, ...]]) -> tuple[list[Node], Frame | None]:
    """The nodes in an order in which blocks stand together, or the frame of a block that cannot."""
    producers = graph.producers()

    def placed(nodes: list[Node], depth: int) -> tuple[list[Node], Frame | None]:
        group_of: dict[Node, object] = {}
        groups: dict[object, list[Node]] = {}
        for node in nodes:
            scope = scopes.get(node, ())
            group = scope[depth] if len(scope) > depth else node
            group_of[node] = group
            groups.setdefault(group, []).append(node)
        needs = {
            group: dict.fromkeys(
                group_of[producers[v]]
                for node in members
                for v in node.operand_values()
                if v in producers and producers[v] in group_of and group_of[producers[v]] != group
            )
            for group, members in groups.items()
        }
        order, broken = _sorted(list(groups), needs)
        if broken is not None:
            return [], broken
        found: list[Node] = []
        for group in order:
            if isinstance(group, Frame):
                inner, broken = placed(groups[group], depth + 1)
                if broken is not None:
                    return [], broken
                found += inner
            else:
                found += groups[group]
        return found, None

    return placed(graph.nodes, 0)


def _sorted(groups: list, needs: dict) -> tuple[list, Frame | None]:
    """The groups in their order, each after what it needs; or a frame that is part of a circle."""
    order: list = []
    state: dict = {}
    for start in groups:
        stack = [(start, False)]
        while stack:
            group, done = stack.pop()
            if done:
                state[group] = 2
                order.append(group)
            elif state.get(group) is None:
                state[group] = 1
                stack.append((group, True))
                for one in reversed(list(needs[group])):
                    if state.get(one) == 1:
                        circle = [g for g, again in stack if again and isinstance(g, Frame)]
                        return [], next(iter(reversed(circle)), None)
                    if state.get(one) is None:
                        stack.append((one, False))
    return order, None
