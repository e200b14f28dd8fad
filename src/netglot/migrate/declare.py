"""How one framework's call is said in another: a signature, and a template for it.

    declare("torch.nn.Linear(in_features, out_features, bias=True)", "Dense({out_features}<, use_bias={bias}>)",
            infers="in_features")

`{name}` is the text of an argument, or of its default where none was given; what stands between `<` and `>` is left
out where none of its arguments was given. An argument that the template does not speak of, and that is not declared
as inferred or idle, makes the call one that is marked: nothing is dropped silently. Several names separated by `|`
share a signature.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

IDLE = {"device", "inplace", "layout", "memory_format", "pin_memory", "non_blocking", "name", "requires_grad"}
"""Arguments that say nothing about what is computed."""

MISSING = object()

_PIECES = re.compile(r"<([^<>]*\{[^<>]*)>")
_HOLES = re.compile(r"\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a signature; `default` is its text, or None."""

    name: str
    default: str | None
    keyword_only: bool = False
    star: bool = False


@dataclass(frozen=True)
class Declaration:
    """One call, and what is written for it."""

    names: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    write: str | Callable[..., str | None]
    infers: frozenset[str] = frozenset()
    when: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    """What differs all the same, for the report."""

    @property
    def spoken(self) -> set[str]:
        """The parameters that the template speaks of."""
        return {name for name, _ in _HOLES.findall(self.write)} if isinstance(self.write, str) else set()

    @property
    def signature(self) -> str:
        """The parameters as Python writes them."""
        parts, starred = [], False
        for p in self.parameters:
            if p.keyword_only and not starred:
                starred = True
                parts.append("*")
            parts.append(("*" if p.star else "") + p.name + (f"={p.default}" if p.default is not None else ""))
        return ", ".join(parts)


class Table:
    """The declarations for one pair of families, by the name of the call."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Declaration]] = {}
        self.marks: dict[str, str] = {}
        """What cannot be carried over, and why."""
        self.spellings: Mapping[str, tuple[str, ...]] = {}
        """What a call names its first parameters, where its declaration is shared and names them otherwise."""

    def declare(self, signature: str, write: str, *, infers: str = "", when: Mapping | None = None, note="") -> None:
        """One row; several rows of one name are tried in order, by their `when`."""
        self._add(signature, write, infers, when, note)

    def rule(self, signature: str, *, infers: str = "", when: Mapping | None = None) -> Callable:
        """A row that takes code: a function of the bound call that returns text, or None where it does not apply."""

        def decorate(function: Callable) -> Callable:
            self._add(signature, function, infers, when, "")
            return function

        return decorate

    def mark(self, names: str, reason: str) -> None:
        """Calls that stay as they were, with a comment that says why."""
        for name in names.split():
            self.marks[name] = reason

    def _add(self, signature: str, write: Any, infers: str, when: Mapping | None, note: str) -> None:
        names, parameters = parsed(signature)
        row = Declaration(names, parameters, write, frozenset(infers.split()), when or {}, note)
        for name in names:
            self.rows.setdefault(name, []).append(row)

    def find(self, name: str) -> list[Declaration]:
        """The rows of one call."""
        return self.rows.get(name, [])


def parsed(signature: str) -> tuple[tuple[str, ...], tuple[Parameter, ...]]:
    """The names and the parameters of a signature."""
    head, _, rest = signature.partition("(")
    function = ast.parse(f"def f({rest}: pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    a = function.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(plain) - len(a.defaults)) + [ast.unparse(d) for d in a.defaults]
    found = [Parameter(p.arg, d) for p, d in zip(plain, defaults, strict=True)]
    if a.vararg:
        found.append(Parameter(a.vararg.arg, None, star=True))
    for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True):
        found.append(Parameter(p.arg, ast.unparse(d) if d is not None else None, keyword_only=True))
    return tuple(name.strip() for name in head.split("|")), tuple(found)


class Unbound(Exception):
    """A call does not fit a signature."""


@dataclass
class Bound:
    """The arguments of one call, by the parameters of a declaration. `rewriter` renders and knows the facts."""

    rewriter: Any
    node: ast.Call
    row: Declaration
    given: dict[str, Any]
    callee: str = ""

    def has(self, name: str) -> bool:
        """Whether the call gives this argument."""
        return name in self.given

    def text(self, name: str) -> str:
        """The rendered argument, or the text of its default."""
        if name in self.given:
            given = self.given[name]
            if isinstance(given, list):
                return ", ".join(self.rewriter.text(one) for one in given)
            return self.rewriter.text(given)
        default = next(p.default for p in self.row.parameters if p.name == name)
        return default if default is not None else "None"

    def literal(self, name: str) -> Any:
        """The value of an argument that is a literal, or of its default; `MISSING` where it is an expression."""
        if name in self.given:
            given = self.given[name]
            try:
                return [ast.literal_eval(one) for one in given] if isinstance(given, list) else ast.literal_eval(given)
            except (ValueError, TypeError):
                return MISSING
        default = next((p.default for p in self.row.parameters if p.name == name), None)
        if default is None:
            return MISSING
        try:
            return ast.literal_eval(default)
        except (ValueError, SyntaxError):
            return MISSING

    def fact(self, name: str) -> Any:
        """What an argument was."""
        given = self.given.get(name)
        return self.rewriter.fact(given) if isinstance(given, ast.AST) else None

    def fits(self) -> bool:
        """Whether the row's conditions hold."""
        for name, wanted in self.row.when.items():
            value = self.literal(name)
            if callable(wanted):
                if value is MISSING or not wanted(value):
                    return False
            elif value is MISSING or value != wanted:
                return False
        return True

    def unspoken(self) -> list[str]:
        """Arguments that are given and that nothing speaks of, and that differ from the default."""
        if not isinstance(self.row.write, str):
            return []
        spoken = self.row.spoken | self.row.infers | IDLE | set(self.row.when)
        found = []
        for name in self.given:
            if name in spoken:
                continue
            default = next((p.default for p in self.row.parameters if p.name == name), None)
            if default is not None and self.literal(name) is not MISSING:
                try:
                    if self.literal(name) == ast.literal_eval(default):
                        continue
                except (ValueError, SyntaxError):
                    pass
            found.append(name)
        return found

    def filled(self, template: str | None = None) -> str:
        """The template with the arguments in their places."""
        wanted = self.row.write if template is None else template
        assert isinstance(wanted, str)

        def optional(match: re.Match) -> str:
            names = [name for name, _ in _HOLES.findall(match[1])]
            return match[1] if any(name in self.given for name in names) else ""

        wanted = _PIECES.sub(optional, wanted).replace("(, ", "(")
        out, end = [], 0
        for match in _HOLES.finditer(wanted):
            out.append(self.rewriter.target.spell(wanted[end : match.start()], self.rewriter))
            out.append(self._hole(match[1], match[2], wanted[: match.start()]))
            end = match.end()
        out.append(self.rewriter.target.spell(wanted[end:], self.rewriter))
        return "".join(out)

    def _hole(self, name: str, how: str | None, before: str) -> str:
        text = self.text(name)
        if (made := self.rewriter.target.argument(self, name, text, before)) is not None:
            return made
        if how:
            return self.rewriter.target.conversions[how](self, name, text)
        return text


ALIASES = {"axis": "dim", "keepdims": "keepdim"}
"""Names of NumPy's by which PyTorch takes options too."""


def bind(rewriter: Any, node: ast.Call, row: Declaration, *, receiver: ast.AST | None = None, callee="") -> Bound:
    """Binds the arguments of a call; `receiver` is the object of a method, its first argument.

    Raises:
        Unbound: with the reason.
    """
    given: dict[str, Any] = {}
    values: list[ast.AST] = ([receiver] if receiver is not None else []) + list(node.args)
    plain = [p for p in row.parameters if not p.keyword_only and not p.star]
    star = next((p for p in row.parameters if p.star), None)
    for position, value in enumerate(values):
        if isinstance(value, ast.Starred) and not (star and position >= len(plain)):
            raise Unbound("its arguments are unpacked from a sequence")
        if position < len(plain):
            given[plain[position].name] = value
        elif star is not None:
            given.setdefault(star.name, []).append(value)
        else:
            raise Unbound(f"it is given more arguments than the {len(plain)} that are known")
    known = {p.name for p in row.parameters}
    spelled = dict(zip(rewriter.target.table.spellings.get(callee, ()), (p.name for p in plain), strict=False))
    for keyword in node.keywords:
        if keyword.arg is None:
            raise Unbound("its options are unpacked from a dictionary")
        name = spelled.get(keyword.arg, keyword.arg)
        name = name if name in known else ALIASES.get(name, name)
        if name == "input" and name not in known and plain and plain[0].name not in given:
            name = plain[0].name
        if name not in known and name not in IDLE:
            raise Unbound(f"its option {keyword.arg} has no counterpart")
        given[name] = keyword.value
    for parameter in row.parameters:
        if parameter.default is None and not parameter.star and parameter.name not in given:
            raise Unbound(f"it lacks {parameter.name}")
    return Bound(rewriter, node, row, given, callee)
