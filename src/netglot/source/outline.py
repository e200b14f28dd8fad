"""From a flat graph in the target's terms to module instances with members and bodies.

Every runtime node is spelled; parameters find the layer or the module that holds them; each module call becomes a
list of statements. What the instances of one class have in common is found afterwards, in `classes`.
"""

from __future__ import annotations

import contextlib
import keyword
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from netglot.dialects.dialect import Dialect
from netglot.pivot.graph import Frame, Graph, Module, Node, Parameter, Value
from netglot.source import spell
from netglot.source.calls import PLAIN_SEQUENCES, CallTree, call_tree, is_framework_leaf
from netglot.source.early import read_early
from netglot.source.parts import Instance, Member, Style
from netglot.source.printing import numbered
from netglot.source.spelled import Spelled

_COMPUTED = re.compile(r"weight_[gv]$|weight_orig$|parametrizations\.\w+\.original\d?$")
"""The names of what a layer's weight is computed from."""

_FEW = 2
"""How many layers a layer of the source may become and still stand among its neighbours."""


class _Unreachable(Exception):
    """A layer that is no function is held by another module: what calls it must stand in the open."""


class Outline(Spelled):
    """The instances of a graph. `root` holds everything."""

    def __init__(
        self, graph: Graph, dialect: Dialect, style: Style, arguments: dict[tuple[str, Value], str] | None = None
    ):
        super().__init__(graph, dialect, style)
        self.arguments = arguments or {}
        """The names of the arguments of modules, by the module's path and the value."""
        self.order = {path: i for i, path in enumerate(graph.modules)}
        self.called_by = self._callers_of_modules()
        self._first_holders: dict[tuple, Node] | None = None
        self.unlike: set[Frame] = set()
        """Calls that do not do what the first call of their module does: they stand in the open, not as a call."""
        known = -1
        while len(self.unlike) > known:
            known = len(self.unlike)
            with contextlib.suppress(_Unreachable):
                self._build()

    def _build(self) -> None:
        """Makes instances, members and bodies; what is found unlike then is for the next time."""
        self.forms: dict[Node, spell.Spelling] = {}
        """The form chosen for each node: its layer or its function."""
        self.member_of: dict[Node, Member] = {}
        self.access: Any = None
        self.early: dict[Instance, list[tuple[Member, tuple]]] = {}
        """Layers that are read before they are called, with the shapes of what they are called with."""
        self.variables: Any = None
        self.owned: dict[Parameter, Member] = {}
        self.layers: dict[tuple, Member] = {}
        self.owner_of: dict[Member, Instance] = {}
        """The instance in which each layer was first called."""
        self.tree = call_tree(self.graph, self.runtime, self.unlike)
        self._classify(self.tree, root=True)
        self._compare_kinds(self.tree, {})
        self.instances: dict[str, Instance] = {}
        self.weights: dict[Value, tuple[Instance, Member]] = {}
        self.class_names: dict[Instance, str] = {}
        self.root = self._instance(self.tree, None)
        self._make_members(self.tree, self.root)
        self._close_gaps()
        self._make_bodies()

    # -- kinds of calls

    def _classify(self, tree: CallTree, root: bool = False) -> None:
        for call in tree.calls:
            self._classify(call)
        module = self.module(tree.path)
        if root:
            tree.kind = "class"
        elif module.container == "sequential" and module.qualified_name in PLAIN_SEQUENCES:
            self._as_sequence(tree)
        elif self._is_leaf(tree, module) or self._is_small(tree, module):
            tree.items = list(tree.nodes())
            tree.kind = "leaf"
        else:
            tree.kind = "class"

    def _is_leaf(self, tree: CallTree, module: Module) -> bool:
        """Whether a module is a layer of its framework, and not one whose weights are computed, as weight norms do."""
        if not is_framework_leaf(module) or self._layers_in(tree) > _FEW:
            return False
        own = tuple(f"{path}." for path in (tree.path, module.first) if path)
        bare = {value for node in tree.nodes() for value in self.needs(node) if value in self.offline}
        return not any(
            p.trainable and p.name.startswith(own) and _COMPUTED.search(p.name)
            for value in bare
            for p in self.base_parameters(value)
        )

    def _layers_in(self, tree: CallTree) -> int:
        """How many layers with weights a call is written as."""
        held = [self.spelled[node] for node in tree.nodes()]
        return sum(isinstance(one, spell.Layer) and bool(one.weights) for one in held)

    def _compare_kinds(self, tree: CallTree, kinds: dict[str, str]) -> None:
        """All calls of a module become what the first becomes."""
        for call in tree.calls:
            if call.kind not in (kinds.setdefault(call.path, call.kind), "leaf"):
                self._leave_open(call)
            self._compare_kinds(call, kinds)

    def _leave_open(self, call: CallTree) -> None:
        """Marks a call as unlike the first of its module, and with it the later calls around it."""
        assert call.frame is not None
        self.unlike.add(call.frame)
        scope = next(call.nodes()).scope
        self.unlike.update(frame for frame in scope[: scope.index(call.frame)] if frame.call)

    def _first_path(self, path: str) -> str:
        return self.module(path).first or path

    def _callers_of_modules(self) -> dict[str, set[tuple[str, str]]]:
        """In which modules and under which paths each module is called, by the first path under which it is held."""
        found: dict[str, set[tuple[str, str]]] = {}
        for node in self.graph.nodes:
            around = ""
            for frame in node.scope:
                first = self._first_path(frame.path)
                found.setdefault(first, set()).add((around, frame.path))
                around = first
        return found

    def module(self, path: str) -> Module:
        """What is known of a module; a bare record where the source said nothing."""
        return self.graph.modules.get(path) or Module(path, path.rpartition(".")[2].title().replace("_", "") or "Net")

    def _is_small(self, tree: CallTree, module: Module) -> bool:
        """Whether a module does so little that it reads better as a part of the module around it."""
        if any(call.kind != "leaf" for call in tree.calls):
            return False
        nodes = list(tree.nodes())
        layers = [n for n in nodes if isinstance(self.spelled[n], spell.Layer)]
        weighted = [n for n in layers if self.spelled[n].weights]
        others = [n for n in nodes if n not in layers]
        bare = any(isinstance(v, Parameter) or v in self.offline for n in others for v in n.operand_values())
        return len(weighted) <= 1 and len(layers) + len(others) <= 2 and len(others) <= 1 and not bare

    def _as_sequence(self, tree: CallTree) -> None:
        """A plain container becomes a sequence where its children form one chain, else a class."""
        tree.kind = "class"
        flow: Value | None = None
        inside = {id(n) for n in tree.nodes()}
        held = Counter(item.path for item in tree.items if isinstance(item, CallTree))
        for item in tree.items:
            if not isinstance(item, CallTree):
                return
            twice = held[item.path] > 1 or len(self.called_by[self._first_path(item.path)]) > 1
            if twice and not self._is_stateless(item):  # one object, called in two places
                return
            entering, leaving = self._flow(item, inside)
            if self._uses_foreign(item):
                return
            if len(leaving) != 1 or len(entering) != 1 or (flow is not None and entering != [flow]):
                return
            if item is not tree.items[-1] and any(self._leaves(leaving[0], inside)):
                return
            flow = leaving[0]
        for item in tree.items:
            if item.kind == "leaf" and not self._is_chain_of_layers(item):
                item.kind = "class"
        tree.kind = "sequence"

    def _is_stateless(self, leaf: CallTree) -> bool:
        """Whether a call is of layers that may be made anew in each place, as activations are."""
        layers = [self.spelled[node] for node in leaf.nodes()]
        return leaf.kind == "leaf" and all(isinstance(one, spell.Layer) and not one.weights for one in layers)

    def _uses_foreign(self, tree: CallTree) -> bool:
        """Whether a call needs a weight that is held outside of it, which must be handed to it."""
        inside = f"{tree.path}."
        if any(not f"{self._first_with_weights(node).path}.".startswith(inside) for node in tree.nodes()):
            return True
        bare = {value for node in tree.nodes() for value in self.needs(node) if value in self.offline}
        return any(not p.name.startswith(inside) for value in bare for p in self.base_parameters(value))

    def _first_with_weights(self, node: Node) -> Node:
        """The first node whose layer has the weights of this one's; itself where it has none."""
        if self._first_holders is None:
            self._first_holders = {}
            for one in self.graph.nodes:
                layer = self.spelled.get(one)
                if isinstance(layer, spell.Layer) and layer.weights:
                    self._first_holders.setdefault(self.layer_key(layer), one)
        layer = self.spelled.get(node)
        held = isinstance(layer, spell.Layer) and layer.weights
        return self._first_holders.get(self.layer_key(layer), node) if held else node

    def _is_chain_of_layers(self, leaf: CallTree) -> bool:
        nodes = list(leaf.nodes())
        for previous, node in zip([None, *nodes], nodes, strict=False):
            layer = self.spelled[node]
            if not isinstance(layer, spell.Layer) or len(layer.inputs) != 1 or layer.call_options or layer.unpacks:
                return False
            if previous is not None and next(iter(node.operand_values())) not in previous.results:
                return False
            if layer.produces not in (None, (0,)) and len(layer.produces or ()) != 1:
                return False
        return True

    def _flow(self, tree: CallTree, scope: set[int]) -> tuple[list[Value], list[Value]]:
        nodes = list(tree.nodes())
        inside = {id(n) for n in nodes}
        made = {v for n in nodes for v in n.results}
        entering: dict[Value, None] = {}
        for node in nodes:
            for value in self.needs(node):
                if value not in made and value not in self.offline:
                    entering[value] = None
        leaving = [v for n in nodes for v in n.results if any(self._leaves(v, inside))]
        return list(entering), leaving

    def _leaves(self, value: Value, inside: set[int]) -> Iterator[bool]:
        yield value in self.graph_outputs
        for consumer in self.consumers.get(value, ()):
            yield id(consumer) not in inside

    def needs(self, node: Node) -> list[Value]:
        """The values that the spelling of a node mentions (weights of its layer left out)."""
        found: dict[Value, None] = {}

        def visit(item):
            match item:
                case Value():
                    found[item] = None
                case spell.Layer():
                    visit(item.inputs)
                    visit(item.call_options)
                case spell.Spelling():
                    for key in item.__dataclass_fields__:
                        visit(getattr(item, key))
                case dict():
                    visit(tuple(item.values()))
                case tuple() | list():
                    for one in item:
                        visit(one)
                case slice():
                    visit((item.start, item.stop, item.step))

        visit(self._form(node))
        return list(found)

    # -- instances and members

    def _instance(self, tree: CallTree, parent: Instance | None) -> Instance:
        if tree.path not in self.instances:
            self.instances[tree.path] = Instance(tree.path, self.module(tree.path), parent=parent)
        return self.instances[tree.path]

    def _make_members(self, tree: CallTree, owner: Instance) -> None:
        """Creates the members of `owner` that a call of it shows."""
        for position, item in enumerate(tree.items):
            if not isinstance(item, CallTree):
                self._layer_member(item, owner, ("body", owner.path, position), "", None)
            else:
                self._call_member(item, owner)

    def _close_gaps(self) -> None:
        """Numbers the members of each list anew, where the source holds some that it does not call, or twice."""
        for instance in self.instances.values():
            lists: dict[str, list[Member]] = {}
            for member in instance.members:
                if member.index is not None:
                    lists.setdefault(member.attr, []).append(member)
            for members in lists.values():
                for place, member in enumerate(sorted(members, key=lambda m: m.index or 0)):
                    member.index = place

    def _call_member(
        self, call: CallTree, owner: Instance, into: list[Member] | None = None, place: tuple = ()
    ) -> None:
        """Creates the members of one call; one in a sequence, `into`, has its `place` there."""
        if call.kind == "leaf":
            for position, node in enumerate(call.items):
                self._layer_member(node, owner, ("leaf", call.path, position, *place), call.path, into, call)
        elif call.kind == "class":
            known = call.path in self.instances
            instance = self._instance(call, owner)
            if not known:
                self._add(owner, Member("instance", "", instance=instance), call.path, into)
            elif instance.parent is not None and instance.parent is not owner:
                self._bring_within_reach(call, owner, instance.parent)
            self._make_members(call, instance)
        else:
            key = ("sequence", call.path)
            sequence = self.layers.get(key)
            items: list[Member] = []
            if sequence is None:
                sequence = self.layers[key] = Member("sequence", "", items=items)
                self.owner_of[sequence] = owner
                self._add(owner, sequence, call.path, into)
            else:
                self._bring_within_reach(call, owner, self.owner_of[sequence])
            for position, item in enumerate(call.items):
                self._call_member(item, owner, items, (call.path, position))
            if items is not sequence.items and items:  # layers that the first call has not
                self._leave_open(call)

    def _bring_within_reach(self, call: CallTree, owner: Instance, holder: Instance) -> None:
        """Leaves the calls around `call` in the open where the module of the callee is held outside of them."""
        if self._reaches(owner, holder):
            return
        assert call.frame is not None
        scope = next(call.nodes()).scope
        around = [frame for frame in scope[: scope.index(call.frame)] if frame not in self.unlike]
        held = {frame: self.instances.get(frame.path) for frame in around}
        self.unlike.update(frame for frame, one in held.items() if one is None or not self._reaches(one, holder))
        raise _Unreachable

    def _layer_member(self, node: Node, owner: Instance, key: tuple, path: str, into, leaf: CallTree | None = None):
        spelling = self.spelled[node]
        beside = leaf is not None and len(leaf.items) > 1 and into is None
        loose = beside and isinstance(spelling, spell.Layer) and spelling.layer in self.style.loose
        form = self._form(node, (leaf is not None or into is not None) and not loose)
        self.forms[node] = form
        if not isinstance(form, spell.Layer):
            return
        key = ("weights", *self.layer_key(form)) if form.weights else (*key, self.layer_key(form))
        if key in self.layers:
            if not self._reaches(owner, self.owner_of[self.layers[key]]):
                if form.function is None and not self.unlike.issuperset(node.scope):
                    self.unlike.update(node.scope)
                    raise _Unreachable
                self.forms[node] = self.function(form, node)  # the weights are handed in
                return
            self.member_of[node] = self.layers[key]
            return
        member = Member("layer", "", layer=form)
        self.owner_of[member] = owner
        if form.weights and not path:
            path = self._weight_path(form, owner)
        elif not path:
            path = f"{owner.path}.{self.style.role(form.layer)}" if owner.path else self.style.role(form.layer)
        if leaf is not None and len(leaf.items) > 1 and not self._is_main(node, leaf):
            role = self.style.role(form.layer)
            path = path if role == self._main_role(leaf) else f"{path}_{role}"
        if leaf is not None and form.weights and self._weighted(leaf) > 1:
            own = self._weight_path(form, owner)
            path = own if own.startswith(f"{leaf.path}.") else path
        self._add(owner, member, path, into)
        if leaf is not None:  # what belongs to one module of the source stands together, in the order of the calls
            member.order = self._registration(leaf.path) + leaf.items.index(node) / 1000
        self.layers[key] = self.member_of[node] = member
        for tree in form.weights.values():
            for parameter in self.held_parameters(tree):
                self.owned.setdefault(parameter, member)

    def _weighted(self, leaf: CallTree) -> int:
        """How many layers with weights a module of the source becomes."""
        return sum(isinstance(self.spelled[n], spell.Layer) and bool(self.spelled[n].weights) for n in leaf.items)

    def _main_role(self, leaf: CallTree) -> str:
        main = next(n for n in leaf.items if self._is_main(n, leaf))
        spelling = self.spelled[main]
        return self.style.role(spelling.layer) if isinstance(spelling, spell.Layer) else ""

    def _reaches(self, start: Instance, holder: Instance) -> bool:
        """Whether `start` encloses `holder` or is it."""
        while holder is not start:
            if holder.parent is None:
                return False
            holder = holder.parent
        return True

    def _is_main(self, node: Node, leaf: CallTree) -> bool:
        weighted = [n for n in leaf.items if isinstance(self.spelled[n], spell.Layer) and self.spelled[n].weights]
        return node is (weighted[0] if weighted else leaf.items[-1])

    def _weight_path(self, layer: spell.Layer, owner: Instance) -> str:
        """A place for a layer whose weights are used without its module: the weight's own path."""
        first = next(iter(self.base_parameters(next(iter(layer.weights.values())))))
        path = first.name
        inside = path[len(owner.path) + 1 :] if owner.path and path.startswith(owner.path + ".") else path
        inside = re.sub(r"[._]?(weight|kernel)(_\w+)?$", "", inside) or self.style.role(layer.layer)
        return f"{owner.path}.{inside}" if owner.path else inside

    def _form(self, node: Node, as_layer: bool | None = None) -> spell.Spelling:
        if node in self.forms:
            return self.forms[node]
        spelling = self.spelled[node]
        if (
            isinstance(spelling, spell.Layer)
            and not spelling.weights
            and spelling.function is not None
            and not as_layer
        ):
            if as_layer is None:
                return spelling
            return self.style.tidy(spelling.function)
        return spelling

    def _add(self, owner: Instance, member: Member, path: str, into: list[Member] | None) -> None:
        inside = _seen_from(owner.path, path)
        member.path = path
        member.order = self._registration(path)
        if into is not None:
            into.append(member)
            return
        member.attr, member.index = self._attribute(owner, inside, member)
        owner.members.append(member)

    def _registration(self, path: str) -> int:
        while path and path not in self.order:
            path = path.rpartition(".")[0] if "." in path else ""
        return self.order.get(path, 0)

    def _attribute(self, owner: Instance, inside: str, member: Member) -> tuple[str, int | None]:
        """The attribute of a member from its path within its owner: `layer.0` is the first of the list `layer`."""
        parts = inside.split(".")
        if len(parts) == 2 and parts[1].isdigit() and self._is_list(owner, parts[0]):
            return self._identifier(parts[0]), int(parts[1])
        listed = self._numbered(owner, parts)
        if listed is not None and member.kind == "instance":
            return listed
        if len(parts) == 1 and parts[0][:1].isdigit():
            parts = [self._role(member)]
        elif len(parts) == 1 and re.fullmatch(r"_\d+", parts[0]):  # a file that numbers its layers
            parts = [f"{self._role(member)}{parts[0]}"]
        wanted = self._identifier("_".join(parts))
        taken = {m.attr for m in owner.members} | self.style.reserved
        attr = next(a for a in numbered(wanted) if a not in taken)
        return attr, None

    def _numbered(self, owner: Instance, parts: list[str]) -> tuple[str, int] | None:
        """The list to which `denselayer3` belongs in a container whose children are all called so."""
        match = re.fullmatch(r"([A-Za-z_]+?)_?(\d+)", parts[0]) if len(parts) == 1 else None
        if match is None or owner.module.container not in ("dict", "list"):
            return None
        start = f"{owner.path}." if owner.path else ""
        children = [p[len(start) :] for p in self.graph.modules if p.startswith(start) and "." not in p[len(start) :]]
        children = [c for c in children if c]
        numbers = [re.fullmatch(rf"{match[1]}_?(\d+)", c) for c in children]
        if not all(numbers) or len(children) < 2:
            return None
        first = min(int(m[1]) for m in numbers if m)
        return self._identifier(match[1] + "s"), int(match[2]) - first

    def _is_list(self, owner: Instance, attr: str) -> bool:
        path = f"{owner.path}.{attr}" if owner.path else attr
        module = self.graph.modules.get(path)
        return module is not None and module.container == "list"

    def _role(self, member: Member) -> str:
        if member.layer is not None:
            return self.style.role(member.layer.layer)
        if member.instance is not None:
            return _snake(member.instance.module.class_name)
        return "block"

    def _identifier(self, text: str) -> str:
        word = re.sub(r"\W", "_", text)
        if word[:1].isdigit():
            word = f"_{word}"
        return f"{word}_" if keyword.iskeyword(word) or word in self.style.reserved else word

    # -- bare variables

    def weight(self, value: Value, user: Instance) -> Member:
        """The variable that holds an offline value that runs in the open; made where the source keeps it."""
        if value in self.weights:
            return self.weights[value][1]
        parameters = self.base_parameters(value)
        path = parameters[0].name if parameters else value.name
        if parameters and parameters[0].kind == "constant":  # numbered by the whole network: the class must not see it
            path = re.sub(r"(_\d+)+$", "", path).replace("lifted_tensor", "constant")
        owner = self._holder(path)
        member = Member("weight", "", value=value, recipe=self.recipe(value))
        within = next((p for p in (owner.path, owner.module.first) if p and path.startswith(f"{p}.")), None)
        inside = path[len(within) + 1 :] if within else path
        member.path, member.order = path, 10**6
        wanted = self._identifier(inside.replace(".", "_"))
        taken = {m.attr for m in owner.members} | self.style.reserved
        member.attr = next(a for a in numbered(wanted) if a not in taken)
        owner.members.append(member)
        self.weights[value] = (owner, member)
        return member

    def _holder(self, path: str) -> Instance:
        """The instance that encloses a parameter most closely, under whichever of its paths it is called."""
        called = {i.module.first: i for i in reversed(self.instances.values()) if i.module.first}
        while True:
            path = path.rpartition(".")[0]
            if path in self.instances or path in called:
                return self.instances.get(path) or called[path]
            if not path:
                return self.root

    # -- bodies

    def _make_bodies(self) -> None:
        from netglot.source.bodies import BodyMaker

        BodyMaker(self).make(self.tree, self.root, 0)
        self.early = read_early(self)
        for _, value in self.graph.outputs:
            if value in self.offline:  # a constant that the network returns needs its variable
                self.variables.expression(value, self.root)


def _seen_from(owner: str, path: str) -> str:
    """A path without what it shares with its owner's: `encoder.0.norm` is `norm` in `encoder.0.block` too."""
    ours, theirs = path.split("."), owner.split(".") if owner else []
    shared = 0
    while shared < min(len(ours) - 1, len(theirs)) and ours[shared] == theirs[shared]:
        shared += 1
    while shared < len(theirs) and ours[shared].isdigit():  # an item of a list is called after the list
        shared -= 1
    return ".".join(ours[shared:])


def _snake(text: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text).lower()
