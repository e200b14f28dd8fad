"""An emitted class: the instances it stands for, its constructor's arguments, and the runs of its sequences."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from netglot.source.parts import Body, Instance, Member
from netglot.source.printing import literal

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
