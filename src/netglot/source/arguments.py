"""What varies between the instances of a class becomes its constructor's arguments.

Each literal is a hole with one value per instance. Holes that are the same everywhere are written out; the others are
grouped into parameters, named after the source's own constructor arguments or attributes where their values agree.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from netglot.source.blueprint import COUNT, EACH, NOTHING, Blueprint, Key, Parameter, runs, value_expression
from netglot.source.outline import Outline
from netglot.source.parts import Instance, Member, Statement
from netglot.source.printing import numbered

_FEW = 3


class Designer(Protocol):
    """What the constructor arguments of one class need to know of the others."""

    outline: Outline
    of: dict[Instance, Blueprint]

    def slots(self, base: Member, other: Member) -> list[int | None] | None:
        """For each run of a sequence, the place of its counterpart in another, or None where that lacks it."""
        ...


class Arguments:
    """Finds the constructor arguments of one class."""

    def __init__(self, blueprint: Blueprint, designer: Designer):
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
