"""Classes as Python source: constructors with members, calls with statements."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from typing import Any

from netglot.errors import RefusedOp, UnsupportedOps, notimpl
from netglot.source.blueprint import COUNT, EACH, Blueprint, Parameter, runs, value_expression
from netglot.source.outline import Outline
from netglot.source.parts import Instance, Member
from netglot.source.statements import BodyPrinter

_QUOTE = '"'


class ClassEmitter:
    """Prints the class of one blueprint."""

    def __init__(self, blueprint: Blueprint, outline: Outline, of: dict[Instance, Blueprint], root: bool):
        self.blueprint = blueprint
        self.outline = outline
        self.style = outline.style
        self.of = of
        self.root = root

    def emit(self) -> str:
        """The source text of the class."""
        blueprint = self.blueprint
        lines = [f"class {blueprint.name}({self.style.base(self.root)}):"]
        doc = _first_sentence(blueprint.base.module.doc)
        if doc:
            lines += [f'    """{doc}{" " if doc.endswith(_QUOTE) else ""}"""', ""]
        lines += [f"    {line}" for line in self._constructor()]
        lines.append("")
        lines += [f"    {line}" for line in self._call()]
        return "\n".join(lines)

    # -- the constructor

    def _constructor(self) -> Iterator[str]:
        arguments = ["self"]
        for parameter in self.blueprint.parameters:
            default = "" if not _has_default(parameter) else f"={ast.unparse(value_expression(parameter.default))}"
            arguments.append(f"{parameter.name}{default}")
        yield f"def __init__({', '.join([*arguments, *self.style.more_arguments()])}):"
        yield f"    {self.style.super_init()}"
        flags = {parameter.name for parameter in self.blueprint.flags.values()}
        told = {m.attr for m in self.blueprint.base.members} & flags  # the layer, or None, tells as much
        for parameter in self.blueprint.parameters:
            if parameter.in_call and parameter.name not in told:
                yield f"    self.{parameter.name} = {parameter.name}"
        for statement in itertools.chain(self._members(), self._built()):
            yield from (f"    {line}" for line in statement.split("\n"))
        if self.root:
            yield from (f"    {line}" for line in self.style.last)

    def _members(self) -> Iterator[str]:
        members = sorted(self.blueprint.base.members, key=Member.place)
        lists: dict[str, list[Member]] = {}
        for member in members:
            if member.index is not None:
                lists.setdefault(member.attr, []).append(member)
        done: set[str] = set()
        for member in members:
            if member.index is None:
                yield from self._member(member)
            elif member.attr not in done:
                done.add(member.attr)
                items = sorted(lists[member.attr], key=lambda m: m.index or 0)
                made = [self._made(item, (item.attr, item.index)) for item in items]
                yield f"self.{member.attr} = {self.style.list(ast.unparse(_runs(made)))}"

    def _built(self) -> Iterator[str]:
        """Makes the weights of layers that the call reads before it calls them."""
        texts = {tuple(self._building(instance)) for instance in self.blueprint.instances}
        if len(texts) > 1:
            reason = notimpl(
                "weights are read before their layer is called, and their shapes differ among its instances"
            )
            raise UnsupportedOps([RefusedOp(self.blueprint.base.path, self.blueprint.name, reason)], 1, "the target")
        yield from texts.pop()

    def _building(self, instance: Instance) -> Iterator[str]:
        for member, shape in self.outline.early.get(instance, ()):
            built = self.style.built(member, shape)
            if built is not None:
                yield f"{ast.unparse(self.outline.access.expression(member, instance))}.{built}"

    def _member(self, member: Member) -> Iterator[str]:
        flag = self.blueprint.member_flags.get(member)
        if member.kind == "weight":
            yield from self.style.weight_statements(member, self._hole_table(member), self.outline)
            return
        optional = member.kind == "sequence" and any(i in self.blueprint.member_flags for i in member.items)
        if optional and flag is None:
            yield from self._optional_items(member)
            return
        made = ast.unparse(self._made(member, (member.attr, member.index)))
        yield f"self.{member.attr} = {made}" + (f" if {flag.name} else None" if flag else "")

    def _optional_items(self, member: Member) -> Iterator[str]:
        """A sequence that is filled step by step, because some of its items are optional."""
        target = f"self.{member.attr}"
        yield f"{target} = {ast.unparse(self.style.sequence(None))}"
        opened = None
        for position, run in enumerate(runs(member, self.of)):
            key = (member.attr, member.index, position)
            flag = self.blueprint.member_flags.get(run[0])
            indent = "    " if flag else ""
            lines = [f"if {flag.name}:"] if flag and flag is not opened else []
            opened = flag
            if self._is_repeated(key):
                made, variable, source = self._repeated(run, key)
                lines.append(f"{indent}for {variable} in {ast.unparse(source)}:")
                lines.append(f"{indent}    {target}.{self.style.append}({ast.unparse(made)})")
            else:
                for k, item in enumerate(run):
                    lines.append(f"{indent}{target}.{self.style.append}({ast.unparse(self._made(item, (*key, k)))})")
            yield "\n".join(lines)

    def _is_repeated(self, key: tuple) -> bool:
        """Whether a run is written as a repetition: its count, or one of its arguments, is a hole of the run."""
        size = len(key)
        marks = [hole[size] for hole in self.blueprint.holes if hole[:size] == key and len(hole) == size + 1]
        return any(mark == COUNT or (isinstance(mark, tuple) and mark[0] == EACH) for mark in marks)

    def _repeated(self, run: list[Member], key: tuple) -> tuple[ast.expr, str, ast.expr]:
        """One item of a repetition, the loop's variable, and what it runs over."""
        table = {
            k[len(key)]: make()
            for k, make in self.blueprint.holes.items()
            if k[: len(key)] == key and len(k) == len(key) + 1
        }
        each = {k[1]: v for k, v in table.items() if isinstance(k, tuple) and k[0] == EACH}
        count = table.pop(COUNT, None)
        shared = {k: v for k, v in table.items() if not (isinstance(k, tuple) and k[0] == EACH)}
        variables = {name: name if isinstance(name, str) else name[0] for name in each}
        taken = {p.name for p in self.blueprint.parameters}
        variables = {k: f"each_{v}" if v in taken else v for k, v in variables.items()}
        shared.update({name: ast.Name(variable, ast.Load()) for name, variable in variables.items()})
        made = self._constructed(run[0], shared)
        if count is not None:
            return made, "_", ast.Call(ast.Name("range", ast.Load()), [count], [])
        if len(each) == 1:
            return made, next(iter(variables.values())), next(iter(each.values()))
        zipped = ast.Call(ast.Name("zip", ast.Load()), list(each.values()), [ast.keyword("strict", ast.Constant(True))])
        return made, ", ".join(variables.values()), zipped

    def _hole_table(self, member: Member) -> dict[Any, ast.expr]:
        start = (member.attr, member.index)
        return _closed({k[2]: make() for k, make in self.blueprint.holes.items() if k[:2] == start and len(k) == 3})

    def _made(self, member: Member, key: tuple) -> ast.expr:
        """The expression that constructs a member."""
        if member.kind == "sequence":
            return self.style.sequence(self._sequence_items(member, key))
        table = {
            k[len(key)]: make()
            for k, make in self.blueprint.holes.items()
            if k[: len(key)] == key and len(k) == len(key) + 1
        }
        return self._constructed(member, table)

    def _sequence_items(self, member: Member, key: tuple) -> ast.expr:
        elements: list[ast.expr] = []
        for position, run in enumerate(runs(member, self.of)):
            place = (*key, position)
            flag = self.blueprint.member_flags.get(run[0])
            if not self._is_repeated(place):
                made = [self._made(item, (*place, k)) for k, item in enumerate(run)]
                if flag is not None:
                    text = f"[*([{', '.join(map(ast.unparse, made))}] if {flag.name} else [])]"
                    elements += ast.parse(text, mode="eval").body.elts  # type: ignore[attr-defined]
                else:
                    elements += made
                continue
            made, variable, source = self._repeated(run, place)
            inner = f"{ast.unparse(made)} for {variable} in {ast.unparse(source)}"
            if flag is None and len(member.items) == len(run):
                return ast.parse(f"[{inner}]", mode="eval").body
            repeated = f"*({inner})" if flag is None else f"*([{inner}] if {flag.name} else [])"
            elements += ast.parse(f"[{repeated}]", mode="eval").body.elts  # type: ignore[attr-defined]
        return _runs(elements)

    def _constructed(self, member: Member, table: dict[Any, ast.expr]) -> ast.expr:
        if member.kind == "instance":
            assert member.instance is not None
            inner = self.of[member.instance]
            positional, keywords = [], []
            for parameter in inner.parameters:
                if parameter.name not in table:
                    continue
                if parameter.default is not None and not _has_default(parameter) and not keywords:
                    positional.append(table[parameter.name])
                else:
                    keywords.append(ast.keyword(parameter.name, table[parameter.name]))
            return ast.Call(ast.Name(inner.name, ast.Load()), positional, keywords)
        assert member.layer is not None
        call = self.style.construct(member.layer)
        table = _closed(table)
        names = self.style.positional(call.function)[: len(call.arguments)]
        keywords = [
            ast.keyword(k, v) for k, v in table.items() if k not in names and not self._is_default(k, v, call.function)
        ]
        order = {name: place for place, name in enumerate(self.style.order)}
        keywords.sort(key=lambda keyword: order.get(keyword.arg or "", -1))
        return ast.Call(ast.parse(call.function, mode="eval").body, [table[n] for n in names], keywords)

    def _is_default(self, name: str, value: ast.expr, layer: str) -> bool:
        """Whether an argument may be left out, because it is what the layer takes anyway."""
        if name not in self.style.omitted or not isinstance(value, ast.Constant):
            return False
        default = self.style.default(name, layer)
        return type(value.value) is type(default) and value.value == default

    # -- the call

    def _call(self) -> Iterator[str]:
        body = self.blueprint.body
        printer = BodyPrinter(self.blueprint, body, self.outline)
        names = printer.input_names(self.root)
        yield from self.style.call_header(names, [v.name for v in self.outline.graph.inputs] if self.root else None)
        for line in printer.lines(self.root):
            yield f"    {line}"


def _closed(table: dict[Any, ast.expr]) -> dict[str, ast.expr]:
    """Arguments put together again that were opened up, see `classes._opened`."""
    closed: dict[str, ast.expr] = {}
    tuples: dict[str, dict[int, ast.expr]] = {}
    for key, value in table.items():
        match key:
            case (name, "", place):
                parts = tuples.setdefault(name, {})
                parts[place] = value
                closed[name] = ast.Tuple([parts[i] for i in sorted(parts)], ast.Load())
            case (name, function):
                closed[name] = ast.Call(ast.Name(function, ast.Load()), [value], [])
            case _:
                closed[key] = value
    return closed


def _has_default(parameter: Parameter) -> bool:
    from netglot.source.blueprint import NOTHING

    return parameter.default is not NOTHING


def _first_sentence(doc: str) -> str:
    text = (doc or "").strip().split("\n\n")[0].strip()
    text = " ".join(text.split())
    return text if text and len(text) < 100 and '"""' not in text and "\\" not in text else ""


def _runs(items: list[ast.expr]) -> ast.expr:
    """A list in which runs of equal elements are written once."""
    groups: list[tuple[ast.expr, int]] = []
    for item in items:
        if groups and ast.unparse(groups[-1][0]) == ast.unparse(item):
            groups[-1] = (item, groups[-1][1] + 1)
        else:
            groups.append((item, 1))
    elements: list[ast.expr] = []
    for item, count in groups:
        text = f"[{ast.unparse(item)} for _ in range({count})]"
        if count > 1 and len(groups) == 1:
            return ast.parse(text, mode="eval").body
        if count > 2:
            elements.append(ast.Starred(ast.parse(f"({text[1:-1]})", mode="eval").body, ast.Load()))
        else:
            elements += [item] * count
    return ast.List(elements, ast.Load())


__all__ = ["ClassEmitter"]
