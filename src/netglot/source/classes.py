"""Instances that are alike become one class.

The base of a class is the instance with the most statements; the others are aligned with it, and a statement that some
of them lack is optional: there, one of its operands passes through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from netglot.source.arguments import Arguments
from netglot.source.blueprint import Blueprint, runs
from netglot.source.outline import Outline
from netglot.source.parts import Body, Instance, Member, Statement
from netglot.source.printing import numbered

_CONTAINERS = ("Sequential", "Functional", "Model", "ModuleList", "ModuleDict")
"""Classes of frameworks whose names say nothing of what a network is."""


def class_order(outline: Outline) -> Callable[[Blueprint], tuple[int, int]]:
    """The order of classes in the file: inner ones first, then as the network calls them."""
    places = {path: place for place, path in enumerate(outline.instances)}
    return lambda b: (_height(b.base), min(places[i.path] for i in b.instances))


def blueprints(outline: Outline, taken: Iterable[str] = ()) -> dict[Instance, Blueprint]:
    """The class of every instance, classes of inner modules first; none has a name that is `taken`."""
    return _Designer(outline, taken).run()


class _Designer:
    def __init__(self, outline: Outline, taken: Iterable[str]):
        self.outline = outline
        self.of: dict[Instance, Blueprint] = {}
        self.names: set[str] = {"keras", "layers", "ops", "math", "torch", "nn", "F", "load", "pathlib", "WEIGHTS"}
        self.names.update(taken)

    def run(self) -> dict[Instance, Blueprint]:
        heights = {i: _height(i) for i in self.outline.instances.values()}
        groups: dict[tuple, list[Instance]] = {}
        for instance in self.outline.instances.values():
            groups.setdefault((heights[instance], self._kind(instance)), []).append(instance)
        made: list[Blueprint] = []
        for (_, _), instances in sorted(groups.items(), key=lambda item: item[0][0]):
            made.extend(self._unify(instances))
        for blueprint in sorted(made, key=class_order(self.outline)):
            blueprint.name = self._class_name(blueprint.base)
            self.outline.class_names.update(dict.fromkeys(blueprint.instances, blueprint.name))
        return self.of

    def _kind(self, instance: Instance) -> str:
        module = instance.module
        return module.qualified_name if module.qualified_name else module.class_name

    def _class_name(self, instance: Instance) -> str:
        wanted = instance.module.class_name
        if wanted in _CONTAINERS:
            part = instance.path.rpartition(".")[2] or self.outline.graph.name
            part = "net" if part in _CONTAINERS else part
            parent = instance.path.rpartition(".")[0].rpartition(".")[2]
            wanted = re.sub(r"(?:^|_)(\w)", lambda m: m[1].upper(), part if not part.isdigit() else f"{parent}_block")
        wanted = re.sub(r"\W", "_", wanted).lstrip("_") or "Block"
        name = next(n for n in numbered(wanted, "") if n not in self.names)
        self.names.add(name)
        return name

    def _unify(self, instances: list[Instance]) -> list[Blueprint]:
        """The fewest classes that these instances of one source class need."""
        made: list[Blueprint] = []
        for instance in sorted(instances, key=lambda i: -_size(i)):
            for blueprint in made:
                alignment = _align(blueprint.body, instance.bodies[0], self._matches)
                fits = alignment is not None and _is_mostly_there(alignment[0])
                if alignment is not None and fits and self._same_weights(blueprint.base, instance):
                    blueprint.instances.append(instance)
                    blueprint.alignments[instance] = alignment[0]
                    blueprint.passing.update(alignment[1])
                    break
            else:
                count = len(instance.bodies[0].statements)
                made.append(Blueprint("", [instance], {instance: list(range(count))}))
        for blueprint in made:
            for instance in blueprint.instances:
                self.of[instance] = blueprint
            Arguments(blueprint, self).find()
        return made

    def _same_weights(self, base: Instance, other: Instance) -> bool:
        mine = {m.attr for m in base.members if m.kind == "weight"}
        return mine == {m.attr for m in other.members if m.kind == "weight"}

    def _matches(self, base: Statement, other: Statement) -> bool:
        """Whether the same line of a call, and of a constructor, can stand for both statements."""
        if base.text != other.text or len(base.results) != len(other.results):
            return False
        if base.member is None or other.member is None:
            return base.member is other.member
        return self.alike(base.member, other.member)

    def alike(self, base: Member, other: Member) -> bool:
        """Whether the same line of a constructor can make both members."""
        if (base.kind, base.attr, base.index) != (other.kind, other.attr, other.index):
            return False
        match base.kind:
            case "layer":
                assert base.layer is not None and other.layer is not None
                ours, theirs = (self.outline.style.construct(layer) for layer in (base.layer, other.layer))
                return (ours.function, len(ours.arguments)) == (theirs.function, len(theirs.arguments))
            case "sequence":
                return self.slots(base, other) is not None
            case "instance":
                assert base.instance is not None and other.instance is not None
                return self.of[base.instance] is self.of[other.instance]
        return True

    def slots(self, base: Member, other: Member) -> list[int | None] | None:
        """For each run of a sequence, the place of its counterpart in another, or None where that lacks it."""
        places: list[int | None] = []
        theirs = runs(other, self.of)
        at = 0
        for run in runs(base, self.of):
            fits = at < len(theirs) and self.alike(run[0], theirs[at][0])
            places.append(at if fits else None)
            at += fits
        return places if at == len(theirs) else None


def _is_mostly_there(alignment: list[int | None]) -> bool:
    """Whether an instance does at least half of what its class does: one that does less reads better by itself."""
    return 2 * sum(one is None for one in alignment) <= len(alignment)


def _size(instance: Instance) -> int:
    """Statements, and items of sequences: the instance with the most of them can stand for the others."""

    def items(member: Member) -> int:
        return len(member.items) + sum(items(item) for item in member.items)

    return len(instance.bodies[0].statements) + sum(items(m) for m in instance.members)


def _height(instance: Instance) -> int:
    def inner(member: Member) -> int:
        own = 1 + _height(member.instance) if member.instance is not None else 0
        return max([own, *(inner(item) for item in member.items)])

    return max((inner(m) for m in instance.members), default=0)


def _align(base: Body, other: Body, matches) -> tuple[list[int | None], dict[int, int]] | None:
    """Statements of `other` behind those of `base`, and the operands that pass where there is none."""
    if len(base.inputs) != len(other.inputs) or len(base.outputs) != len(other.outputs):
        return None
    start = dict(zip(base.inputs, other.inputs, strict=True))
    found = _search(base, other, matches, 0, 0, start, [], {}, [2000])
    return found


def _search(base, other, matches, i, j, values, matched, passing, budget):
    """Backtracking over the statements: match, or let an operand of the base's statement pass."""
    budget[0] -= 1
    if budget[0] < 0:
        return None
    if i == len(base.statements):
        ends = j == len(other.statements) and [values.get(v) for v in base.outputs] == list(other.outputs)
        return (matched, passing) if ends else None
    statement = base.statements[i]
    if j < len(other.statements):
        candidate = other.statements[j]
        operands = [values.get(v, v) for v in statement.operands]
        if operands == list(candidate.operands) and matches(statement, candidate):
            more = values | dict(zip(statement.results, candidate.results, strict=True))
            found = _search(base, other, matches, i + 1, j + 1, more, [*matched, j], passing, budget)
            if found is not None:
                return found
    if len(base.statements) - i <= len(other.statements) - j or len(statement.results) != 1:
        return None
    if statement.member is not None and statement.member.index is not None:  # a list is made as a whole
        return None
    for position, operand in enumerate(statement.operands):
        more = values | {statement.results[0]: values.get(operand, operand)}
        found = _search(base, other, matches, i + 1, j, more, [*matched, None], passing | {i: position}, budget)
        if found is not None:
            return found
    return None
