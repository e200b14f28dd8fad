"""Darknet's files: sections of options (`.cfg`), and all weights one after the other (`.weights`)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import InputError, WeightsError
from netglot.formats.mapped import Cursor, mapped, text_of
from netglot.pivot.dims import product


@dataclass
class Section:
    """One section of a `.cfg`: its type, and its options as text. `asked` are those that somebody looked at."""

    type: str
    line: int
    options: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number.

        Raises:
            InputError: the option is missing without a default, or is something else.
        """
        return int(self._number(name, default, int))

    def number(self, name: str, default: float | None = None) -> float:
        """A number. Errors as for `integer`."""
        return float(self._number(name, default, float))

    def numbers(self, name: str, kind: type = int) -> list:
        """A list of numbers; empty where the option is missing. Errors as for `integer`."""
        self.asked.add(name)
        held = self.options.get(name, "")
        return [self._parsed(name, one, kind) for one in re.split(r"[,\s]+", held) if one]

    def text(self, name: str, default: str) -> str:
        """A word."""
        self.asked.add(name)
        return self.options.get(name, default)

    def _number(self, name: str, default, kind: type):
        self.asked.add(name)
        if name not in self.options:
            if default is None:
                raise InputError(f"[{self.type}] in line {self.line} has no {name}")
            return default
        return self._parsed(name, self.options[name], kind)

    def _parsed(self, name: str, text: str, kind: type):
        for one in (kind, float):
            try:
                found = kind(one(text))
                return found
            except (ValueError, OverflowError):
                continue
        raise InputError(f"[{self.type}] in line {self.line}: {name} is {text!r} and must be a number")


def read_sections(path: Path) -> list[Section]:
    """The sections of a `.cfg`.

    Raises:
        InputError: the file is missing or is something else.
    """
    found: list[Section] = []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        line = re.sub(r"\s", "", line)
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if not line.endswith("]"):
                raise InputError(f"{path}, line {number}: a section without its end")
            found.append(Section(line[1:-1].lower(), number))
        elif not found or "=" not in line:
            raise InputError(f"{path}, line {number}: {line[:40]!r} is no option")
        else:
            name, _, value = line.partition("=")
            found[-1].options.setdefault(name, value)  # Darknet takes the first
    if len(found) < 2 or found[0].type not in ("net", "network"):
        raise InputError(f"{path} does not begin with [net] and layers", advice="is it a network of Darknet?")
    return found


class Weights:
    """The numbers of a `.weights`, taken one tensor after the other. No number is copied."""

    def __init__(self, path: Path):
        data = mapped(path)
        self._cursor = Cursor(data, str(path))
        major, minor, _ = (self._cursor.number("i") for _ in range(3))
        wide = major * 10 + minor >= 2 and 0 <= major < 1000 and 0 <= minor < 1000
        self.seen = int(self._cursor.number("Q" if wide else "I"))
        self.transposed = major > 1000 or minor > 1000
        if self._cursor.left % 4:
            raise InputError(f"{path} ends in the middle of a number", advice="is the file complete?")
        self.path, self.count = path, self._cursor.left // 4

    def take(self, shape: tuple[int, ...], what: str) -> np.ndarray:
        """The next numbers.

        Raises:
            WeightsError: there are fewer.
        """
        if product(shape) > self._cursor.left // 4:
            raise WeightsError(
                f"{self.path} ends before {what}: {product(shape)} numbers wanted, {self._cursor.left // 4} left",
                advice="do the network and the weights belong together? A backbone alone is not enough",
            )
        return self._cursor.array("<f4", shape)

    @property
    def left(self) -> int:
        """How many numbers are left."""
        return self._cursor.left // 4


def sections_text(sections: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    """The text of a `.cfg`, from what is said of each section, its type and its options."""
    told = []
    for place, kind, options in sections:
        lines = [f"# {place}"] if place else []
        told.append("\n".join([*lines, f"[{kind}]", *(f"{name}={value}" for name, value in options.items())]))
    return "\n\n".join(told) + "\n"


def write_weights(path: Path, arrays: Iterable[np.ndarray]) -> None:
    """Writes a `.weights` of version 0.2: all tensors one after the other, one of them in memory at a time."""
    with open(path, "wb") as file:
        file.write(struct.pack("<iiiQ", 0, 2, 5, 0))
        for array in arrays:
            file.write(np.ascontiguousarray(array, "<f4").data)
