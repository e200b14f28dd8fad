"""Instances that are alike become one class; what varies between them becomes its constructor's arguments.

A class is a `Blueprint`. Its base is the instance with the most statements; the others are aligned with it, and a
statement that some of them lack is optional: there, one of its operands passes through. Each literal is a hole with
one value per instance. Holes that are the same everywhere are written out; the others are grouped into parameters,
named after the source's own constructor arguments or attributes where their values agree.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from netglot.source.outline import Outline
from netglot.source.parts import Body, Instance, Member, Statement
from netglot.source.printing import literal, numbered

NOTHING: Any = type("Nothing", (), {"__repr__": lambda self: "NOTHING"})()
"""The value of a hole in an instance that lacks the member or statement."""

Key = tuple


@dataclass(eq=False)
class Parameter:
    """One constructor argument: its name and its value in each instance."""

    name: str
    values: list[Any]
    default: Any = NOTHING
    place: int = 10**9
    """Where in the constructor it is first used."""
    in_call: bool = False
    """Whether the call needs it, so that the constructor keeps it as an attribute."""


@dataclass(eq=False)
class Blueprint:
    """One emitted class."""

    name: str
    instances: list[Instance]
    alignments: dict[Instance, list[int | None]]
    """For each instance, the index of its statement behind each statement of the base, or None."""
    parameters: list[Parameter] = field(default_factory=list)
    holes: dict[Key, Callable[[], ast.expr]] = field(default_factory=dict)
    flags: dict[int, Parameter] = field(default_factory=dict)
    """The parameter that switches an optional statement of the base on."""
    passing: dict[int, int] = field(default_factory=dict)
    """The operand that passes through an optional statement."""
    calls: set[int] = field(default_factory=set)
    """The statements among these that are switched though their member is there."""
    member_flags: dict[Member, Parameter] = field(default_factory=dict)

    @property
    def base(self) -> Instance:
        """The instance that has every statement."""
        return self.instances[0]

    @property
    def body(self) -> Body:
        """The body of the base."""
        return self.base.bodies[0]

    def arguments(self, instance: Instance) -> dict[str, Any]:
        """The constructor arguments of one instance; those that equal the default are left out."""
        at = self.instances.index(instance)
        given = {p.name: p.values[at] for p in self.parameters}
        return {p.name: given[p.name] for p in self.parameters if p.default is NOTHING or given[p.name] != p.default}


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
                if alignment is not None and self._same_weights(blueprint.base, instance):
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
            _Parameters(blueprint, self).find()
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


def runs(member: Member, of: dict[Instance, Blueprint]) -> list[list[Member]]:
    """The items of a sequence, neighbours of one class together."""
    grouped: list[list[Member]] = []
    for item in member.items:
        last = grouped[-1][-1].instance if grouped else None
        if item.instance is not None and last is not None and of[item.instance] is of[last]:
            grouped[-1].append(item)
        else:
            grouped.append([item])
    return [part for group in grouped for part in _parts(group, of)]


def _parts(group: list[Member], of: dict[Instance, Blueprint]) -> list[list[Member]]:
    """A first block that differs and its equal followers are two runs; blocks that all differ are one."""
    parts: list[list[Member]] = []
    before = None
    for item in group:
        now = repr(of[item.instance].arguments(item.instance)) if item.instance is not None else None
        if parts and now is not None and now == before:
            parts[-1].append(item)
        else:
            parts.append([item])
        before = now
    return parts if len(parts) <= _MOST_PARTS else [group]


_MOST_PARTS = 2


EACH, COUNT = "each", "count"
"""Marks of holes of a run: an argument that differs between its items, and the number of items."""
_FEW = 3


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


class _Parameters:
    """Finds the constructor arguments of one class."""

    def __init__(self, blueprint: Blueprint, designer: _Designer):
        self.blueprint = blueprint
        self.designer = designer
        self.style = designer.outline.style
        self.taken: set[str] = {"self", "kwargs", "x"}
        self.places: dict[Key, int] = {}

    def find(self) -> None:
        self._flags()
        holes = list(self._holes())
        pending = []
        self.places = {key: place for place, (key, _, _) in enumerate(holes)}
        for key, values, wanted in holes:
            if key in self.blueprint.holes:
                continue
            present = [v for v in values if v is not NOTHING]
            if _all_same(values):
                self.blueprint.holes[key] = _constant(present[0])
            else:
                pending.append((key, values, wanted))
        named = []
        for key, values, wanted in pending:
            parameter = self._existing(values) or self._from_source(values)
            if parameter is not None:
                self._use(key, parameter)
            else:
                named.append((key, values, wanted))
        for key, values, wanted in sorted(named, key=lambda hole: _magnitude(hole[1])):
            parameter = self._existing(values)
            multiple = None if parameter else self._multiple(values)
            if multiple is not None:
                self._use(key, *multiple)
            else:
                self._use(key, parameter or self._new(wanted, values))
        self._defaults()

    # -- holes

    def _flags(self) -> None:
        """Optional statements that come and go together are switched by one parameter.

        Where an optional layer has one argument, that argument switches it: `padding=0` means no padding layer.
        """
        blueprint = self.blueprint
        statements = blueprint.body.statements
        presence = [
            [blueprint.alignments[i][index] is not None for i in blueprint.instances]
            for index in range(len(statements))
        ]
        for index, (statement, present) in enumerate(zip(statements, presence, strict=True)):
            if all(present):
                continue
            if statement.member is not None and self._has_other_calls(statement, presence):
                self._call_flag(index, statement.member, presence)
                continue
            parameter = self._switching_argument(statement.member)
            parameter = parameter or self._existing(present) or self._from_source(present, flags=True)
            if parameter is None:
                wanted = statement.member.attr if statement.member else f"has_{_operation(statement)}"
                parameter = self._new(wanted, present)
            blueprint.flags[index] = parameter
            if statement.member is not None:
                blueprint.member_flags[statement.member] = parameter
            else:
                parameter.in_call = True

    def _has_other_calls(self, statement: Statement, presence: list[list[bool]]) -> bool:
        """Whether the member of an optional call is called elsewhere too, in other instances than here."""
        found = self._calls_of(statement.member, presence)
        return any(there != found[0] for there in found)

    def _calls_of(self, member: Member | None, presence: list[list[bool]]) -> list[list[bool]]:
        """In which instances each call of a member stands."""
        calls = zip(self.blueprint.body.statements, presence, strict=True)
        return [there for other, there in calls if member is not None and other.member is member]

    def _call_flag(self, index: int, member: Member, presence: list[list[bool]]) -> None:
        """One of several calls of a member is switched by a parameter of its own."""
        held = [any(there) for there in zip(*self._calls_of(member, presence), strict=True)]
        if not all(held) and member not in self.blueprint.member_flags:
            switch = self._existing(held) or self._from_source(held, flags=True) or self._new(member.attr, held)
            self.blueprint.member_flags[member] = switch
        present = presence[index]
        parameter = self._existing(present) or self._from_source(present, flags=True)
        parameter = parameter or self._new(f"has_{member.attr.strip('_')}", present)
        parameter.in_call = True
        self.blueprint.flags[index] = parameter
        self.blueprint.calls.add(index)

    def _switching_argument(self, member: Member | None) -> Parameter | None:
        """The one argument of an optional layer as a parameter, None where the layer is absent."""
        if member is None or member.kind != "layer":
            return None
        others = [self._counterpart(i, member) for i in self.blueprint.instances]
        holes = list(self._member_holes((member.attr, member.index), others, member.attr))
        varying = [h for h in holes if not _all_same(h[1])]
        if len(varying) != 1 and len(holes) != 1:
            return None
        key, values, wanted = varying[0] if varying else holes[0]
        if any(v is not NOTHING and not v for v in values):
            return None
        values = [None if v is NOTHING else v for v in values]
        parameter = self._existing(values) or self._new(wanted, values)
        self._use(key, parameter)
        return parameter

    def _counterpart(self, instance: Instance, member: Member) -> Member | None:
        """The member of `instance` behind a member of the base."""
        if instance is self.blueprint.base:
            return member
        if member.kind == "weight":
            return next(m for m in instance.members if m.kind == "weight" and m.attr == member.attr)
        for index, statement in enumerate(self.blueprint.body.statements):
            if statement.member is member:
                other = self.blueprint.alignments[instance][index]
                if other is not None:
                    return instance.bodies[0].statements[other].member
        return None

    def _holes(self) -> Iterator[tuple[Key, list[Any], str]]:
        blueprint = self.blueprint
        for member in sorted(blueprint.base.members, key=Member.place):
            others = [self._counterpart(i, member) for i in blueprint.instances]
            yield from self._member_holes((member.attr, member.index), others, member.attr)
        for index, statement in enumerate(blueprint.body.statements):
            for position in range(len(statement.literals)):
                values = []
                for instance in blueprint.instances:
                    other = blueprint.alignments[instance][index]
                    values.append(NOTHING if other is None else instance.bodies[0].statements[other].literals[position])
                yield ("statement", index, position), values, f"{_operation(statement)}_size"

    def _member_holes(self, key: Key, members: list[Member | None], label: str):
        first = next(m for m in members if m is not None)
        if first.kind == "sequence":
            of = self.designer.of
            base = max((m for m in members if m is not None), key=lambda m: len(runs(m, of)))
            slots = [None if m is None else self.designer.slots(base, m) for m in members]
            for position, run in enumerate(runs(base, of)):
                inner = [
                    None if m is None or places is None or places[position] is None else runs(m, of)[places[position]]
                    for m, places in zip(members, slots, strict=True)
                ]
                self._item_flag(run[0], [m is not None for m in members], inner)
                yield from self._run_holes((*key, position), inner, label)
            return
        tables = [None if m is None else self._arguments(m) for m in members]
        _open_alike([table for table in tables if table])
        names = dict.fromkeys(name for table in tables if table for name in table)
        for name in self._in_order(names, first):
            values = [
                NOTHING if t is None else t[name] if name in t else self._missing(m, name)
                for t, m in zip(tables, members, strict=True)
            ]
            yield (*key, name), values, name if isinstance(name, str) else _word(name)

    def _in_order(self, names: Iterable[Any], member: Member) -> list[Any]:
        """The arguments of a member in the order of its constructor, whichever instances give them."""
        if member.instance is not None:
            order = [p.name for p in self.designer.of[member.instance].parameters]
        else:
            order = list(self.style.order)
        places = {name: place for place, name in enumerate(order)}
        return sorted(names, key=lambda name: places.get(name if isinstance(name, str) else name[0], -1))

    def _run_holes(self, key: Key, inner: list[list[Member] | None], label: str):
        """The holes of neighbours of one class: shared arguments, arguments of each, and how many there are."""
        lengths = {len(run) for run in inner if run is not None}
        if lengths in ({1}, {2}):
            for position in range(max(lengths)):
                members = [None if run is None else run[position] for run in inner]
                yield from self._member_holes((*key, position), members, label)
            return
        names: dict[Any, None] = {}
        tables = [None if run is None else [self._arguments(m) for m in run] for run in inner]
        _open_alike([row for rows in tables for row in rows or ()])
        for rows in tables:
            names.update({name: None for row in rows or () for name in row})
        if len(lengths) == 1 and len(self._varying(tables, inner, names)) > 1 + (max(lengths) > _FEW):
            for position in range(max(lengths)):
                members = [None if run is None else run[position] for run in inner]
                yield from self._member_holes((*key, position), members, label)
            return
        each = self._varying(tables, inner, names)
        for name in names:
            rows = [
                NOTHING
                if run is None
                else tuple(self._argument(m, row, name) for m, row in zip(run, rows, strict=True))
                for run, rows in zip(inner, tables, strict=True)
            ]
            if name in each:
                yield (*key, (EACH, name)), rows, f"{name if isinstance(name, str) else _word(name)}s"
            else:
                values = [NOTHING if row is NOTHING else row[0] for row in rows]
                yield (*key, name), values, name if isinstance(name, str) else _word(name)
        if not each:
            yield (*key, COUNT), [NOTHING if run is None else len(run) for run in inner], "depth"

    def _argument(self, member: Member, row: dict, name: Any) -> Any:
        return row[name] if name in row else self._missing(member, name)

    def _varying(self, tables, inner, names) -> list[Any]:
        """The arguments that differ between the items of some run."""
        return [
            name
            for name in names
            if any(
                not _all_same([self._argument(m, row, name) for m, row in zip(run, rows, strict=True)])
                for run, rows in zip(inner, tables, strict=True)
                if run is not None
            )
        ]

    def _item_flag(self, item: Member, present: list[bool], inner: list[list[Member] | None]) -> None:
        """An item that some sequences lack is switched by a flag."""
        if item in self.blueprint.member_flags:
            return
        there = [NOTHING if not p else m is not None for p, m in zip(present, inner, strict=True)]
        if all(t is NOTHING or t for t in there):
            return
        flag = self._existing(there) or self._from_source(there, flags=True) or self._new(self._role(item), there)
        self.blueprint.member_flags[item] = flag

    def _role(self, item: Member) -> str:
        if item.instance is not None:
            return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", item.instance.module.class_name).lower()
        return self.style.role(item.layer.layer) if item.layer is not None else "block"

    def _missing(self, member: Member | None, name: str) -> Any:
        """The value of an argument that one instance leaves to its default."""
        if member is not None and member.instance is not None:
            blueprint = self.designer.of[member.instance]
            return next(p.default for p in blueprint.parameters if p.name == name)
        layer = self.style.construct(member.layer).function if member is not None and member.layer is not None else ""
        return self.style.default(name, layer) if isinstance(name, str) else NOTHING

    def _arguments(self, member: Member) -> dict[Any, Any]:
        """The constructor arguments of one member, positional ones by the name that the style gives them."""
        if member.kind == "instance":
            assert member.instance is not None
            return self.designer.of[member.instance].arguments(member.instance)
        if member.kind == "weight":
            return _opened(self.style.weight_arguments(member, self.designer.outline))
        assert member.layer is not None
        call = self.style.construct(member.layer)
        names = self.style.positional(call.function)
        return _opened(dict(zip(names, call.arguments, strict=False)) | call.options)

    # -- parameters

    def _existing(self, values: list[Any]) -> Parameter | None:
        for parameter in self.blueprint.parameters:
            if all(_same(v, p) or v is NOTHING or p is NOTHING for v, p in zip(values, parameter.values, strict=True)):
                parameter.values = [p if v is NOTHING else v for v, p in zip(values, parameter.values, strict=True)]
                return parameter
        return None

    def _from_source(self, values: list[Any], flags: bool = False) -> Parameter | None:
        """A parameter named after an argument or attribute of the source's module that has these values."""
        modules = [i.module for i in self.blueprint.instances]
        for tables in ([m.arguments for m in modules], [m.attributes for m in modules]):
            for name in tables[0]:
                theirs = [_plain(t.get(name, NOTHING)) for t in tables]
                if flags and not all(isinstance(v, bool) for v in theirs):
                    continue
                if all(_same(_plain(v), t) or v is NOTHING for v, t in zip(values, theirs, strict=True)):
                    if name in self.taken:
                        continue
                    filled = [t if v is NOTHING else v for v, t in zip(values, theirs, strict=True)]
                    return self._new(name, filled)
        return None

    def _multiple(self, values: list[Any]) -> tuple[Parameter, int] | None:
        """A parameter of which these values are a fixed multiple."""
        if not all(v is NOTHING or (isinstance(v, int) and not isinstance(v, bool)) for v in values):
            return None
        for parameter in self.blueprint.parameters:
            ratios = set()
            for v, p in zip(values, parameter.values, strict=True):
                if v is NOTHING:
                    continue
                whole = isinstance(p, int) and not isinstance(p, bool) and p > 1 and v % p == 0
                ratios.add(v // p if whole else None)
            if len(ratios) == 1 and (ratio := ratios.pop()) and ratio > 1:
                return parameter, ratio
        return None

    def _new(self, wanted: str, values: list[Any]) -> Parameter:
        wanted = re.sub(r"\W", "_", str(wanted))
        name = next(n for n in numbered(wanted) if n not in self.taken)
        self.taken.add(name)
        parameter = Parameter(name, list(values))
        self.blueprint.parameters.append(parameter)
        return parameter

    def _use(self, key: Key, parameter: Parameter, multiple: int = 1) -> None:
        in_call = key[0] == "statement"
        parameter.in_call |= in_call
        parameter.place = min(parameter.place, self.places.get(key, parameter.place))

        def expression() -> ast.expr:
            used: ast.expr = ast.Name(parameter.name, ast.Load())
            if in_call:
                used = ast.Attribute(ast.Name("self", ast.Load()), parameter.name, ast.Load())
            return used if multiple == 1 else ast.BinOp(used, ast.Mult(), ast.Constant(multiple))

        self.blueprint.holes[key] = expression

    def _defaults(self) -> None:
        """Arguments with an ordinary value (1, False, None) may be left out; they stand last."""
        for parameter in self.blueprint.parameters:
            parameter.values = [None if v is NOTHING else v for v in parameter.values]
            for neutral in (False, None, 1, "valid"):
                if any(_same(v, neutral) for v in parameter.values):
                    parameter.default = neutral
                    break
        ordered = bool(self.style.order)
        self.blueprint.parameters.sort(key=lambda p: (p.default is not NOTHING, p.place if ordered else 0))


def _word(name: tuple) -> str:
    """What to call a part of an argument that was opened up."""
    return "fan_in" if name[1] == "uniform" else "stddev" if name[1] else "size"


def _opened(options: dict[str, Any]) -> dict[Any, Any]:
    """Arguments with calls of one number and tuples opened up: `uniform(64)` varies in its 64."""
    from netglot.source import spell

    table: dict[Any, Any] = {}
    for name, value in options.items():
        plain = isinstance(value, spell.Call) and "." not in value.function and not value.options
        if plain and len(value.arguments) == 1 and isinstance(value.arguments[0], int | float):
            table[(name, value.function)] = value.arguments[0]
        elif isinstance(value, tuple) and len(value) > 1 and all(type(v) is int for v in value):
            table.update({(name, "", position): size for position, size in enumerate(value)})
        else:
            table[name] = value
    return table


def _open_alike(tables: list[dict[Any, Any]]) -> None:
    """Closes arguments that are opened in some tables, where others hold them whole, opened otherwise or not at all."""
    from netglot.source import spell

    forms: dict[str, set[tuple]] = {}
    names = {key if isinstance(key, str) else key[0] for table in tables for key in table}
    for table in tables:
        for name in names:
            forms.setdefault(name, set()).add(tuple(key[1:] for key in table if _opens(key, name)))
    for name in (name for name, seen in forms.items() if len(seen) > 1):
        for table in tables:
            parts = {key: table.pop(key) for key in [key for key in table if _opens(key, name)]}
            match list(parts):
                case [(_, function)]:
                    table[name] = spell.Call(function, (parts[name, function],))
                case [_, *_]:
                    table[name] = tuple(parts.values())


def _opens(key: Any, name: str) -> bool:
    return isinstance(key, tuple) and key[0] == name


def _operation(statement: Statement) -> str:
    """A word for what a statement does."""
    if statement.member is not None:
        return statement.member.attr
    return type(statement.node.op).__name__.lower() if statement.node is not None else "step"


def _constant(value: Any) -> Callable[[], ast.expr]:
    return lambda: value_expression(value)


def value_expression(value: Any) -> ast.expr:
    """A constructor argument as Python."""
    from netglot.source import spell
    from netglot.source.printing import Printer

    if isinstance(value, spell.Spelling | dict):
        return Printer(_never, _never, _never)(value)
    if isinstance(value, tuple | list):
        return ast.Tuple([value_expression(v) for v in value], ast.Load())
    return literal(value)


def _never(item):
    raise AssertionError(f"{item} in a constructor")


def _same(a: Any, b: Any) -> bool:
    from netglot.source import spell

    if isinstance(a, spell.Spelling) and isinstance(b, spell.Spelling):
        return ast.unparse(value_expression(a)) == ast.unparse(value_expression(b))
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and a == b


def _all_same(values: list[Any]) -> bool:
    present = [v for v in values if v is not NOTHING]
    return all(_same(v, present[0]) for v in present)


def _plain(value: Any) -> Any:
    """A pair of equal numbers as one number, as frameworks accept both."""
    if isinstance(value, list | tuple) and value and all(_same(v, value[0]) for v in value):
        return value[0]
    return value


def _magnitude(values: list[Any]) -> float:
    return sum(abs(v) for v in values if isinstance(v, int | float) and v is not NOTHING)
