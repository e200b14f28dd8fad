"""What a file of records holds: named fields, each with one value or many, whatever bytes they were read from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from netglot.errors import InputError


class Record:
    """The fields of one message. Each holds a list; `kind` names the message in errors.

    `asked` are the names of those that somebody looked at: what nobody did changes nothing, or is not understood.
    """

    __slots__ = ("asked", "fields", "kind")

    def __init__(self, kind: str = "", fields: dict[str, list[Any]] | None = None):
        self.kind = kind
        self.fields = {} if fields is None else fields
        self.asked: set[str] = set()

    def add(self, name: str, value: Any) -> None:
        """One more value of a field."""
        self.fields.setdefault(name, []).append(value)

    def all(self, name: str) -> list[Any]:
        """All values of a field, runs of numbers laid out."""
        held: list[Any] = []
        self.asked.add(name)
        for one in self.fields.get(name, ()):
            held.extend(one.tolist() if isinstance(one, np.ndarray) else [one])
        return held

    def raw(self, name: str) -> list[Any]:
        """The values of a field as they were read: numbers, or arrays of many."""
        self.asked.add(name)
        return self.fields.get(name, [])

    def get(self, name: str, default: Any = None) -> Any:
        """The last value of a field, or the default."""
        self.asked.add(name)
        held = self.all(name) if name in self.fields else []
        return held[-1] if held else default

    def record(self, name: str) -> Record:
        """The record in a field; an empty one where there is none."""
        self.asked.add(name)
        held = self.fields.get(name)
        return held[-1] if held and isinstance(held[-1], Record) else Record(name)

    def records(self, name: str) -> list[Record]:
        """The records in a field."""
        self.asked.add(name)
        return [one for one in self.fields.get(name, ()) if isinstance(one, Record)]

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number.

        Raises:
            InputError: the field holds something else, or nothing and there is no default.
        """
        held = self.get(name, default)
        if isinstance(held, bool) or not isinstance(held, int | float) or held != held or int(held) != held:
            raise InputError(f"{self.kind or 'the file'}: {name} is {held!r} and must be a whole number")
        return int(held)

    def number(self, name: str, default: float | None = None) -> float:
        """A number, as short as single precision allows.

        Raises:
            InputError: the field holds something else.
        """
        held = self.get(name, default)
        if isinstance(held, bool) or not isinstance(held, int | float):
            raise InputError(f"{self.kind or 'the file'}: {name} is {held!r} and must be a number")
        return short(held)

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value."""
        held = self.get(name, default)
        return held in (True, 1, "true", "True", "1") if not isinstance(held, bool) else held

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        held = self.get(name, default)
        return held if isinstance(held, str) else str(held)

    def __contains__(self, name: str) -> bool:
        self.asked.add(name)
        return name in self.fields

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __repr__(self) -> str:
        return f"{self.kind or 'Record'}({', '.join(self.fields)})"


def short(number: float) -> float:
    """A number of single precision as a person would write it: 0.1 and not 0.10000000149011612."""
    if isinstance(number, int) or number != number or number in (float("inf"), float("-inf")):
        return float(number)
    single = np.float32(number)
    near = float(f"{number:.7g}")
    return near if np.float32(near) == single else float(number)
