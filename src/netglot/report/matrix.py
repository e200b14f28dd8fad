"""The matrix: what each dialect does with each op, asked of the declarations and typed by nobody."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import inspect
import pkgutil
import types
from dataclasses import dataclass, field
from typing import Any, Literal

from netglot import dialects
from netglot.dialects.dialect import Dialect, all_ops
from netglot.errors import Refusal
from netglot.pivot.op import REGISTRY, Op
from netglot.source.spell import Call, Layer, Spelling

Status = Literal["read", "unread", "mapped", "lowered", "refused", "blank"]
"""`Dialect.status`, and for a dialect that is only read: whether any of its spellings reads as the op."""


@dataclass(frozen=True)
class Cell:
    """One op in one dialect: `spellings` are the framework's names for it, `reason` why it is refused."""

    status: Status
    spellings: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Row:
    """One op in all dialects."""

    op: str
    family: str
    meaning: str
    cells: dict[str, Cell] = field(default_factory=dict)


@functools.cache
def all_dialects() -> dict[str, Dialect]:
    """Every dialect by name, its families imported. No framework is imported."""
    found = {}
    for info in pkgutil.iter_modules(dialects.__path__):
        if info.ispkg:
            importlib.import_module(f"netglot.dialects.{info.name}.ops")
            if importlib.util.find_spec(f"netglot.dialects.{info.name}.write_ops"):  # what reads apart from what writes
                importlib.import_module(f"netglot.dialects.{info.name}.write_ops")
            module = importlib.import_module(f"netglot.dialects.{info.name}.dialect")
            found[info.name] = next(one for one in vars(module).values() if isinstance(one, Dialect))
    return found


def matrix() -> list[Row]:
    """All ops in all dialects, by family and then in order of declaration."""
    readers = {name: _readers(dialect) for name, dialect in all_dialects().items()}
    rows = []
    for name, kind in all_ops().items():
        cells = {title: _cell(dialect, kind, readers[title].get(name, ())) for title, dialect in all_dialects().items()}
        rows.append(Row(name, family_of(kind), meaning_of(kind), cells))
    return sorted(rows, key=lambda row: row.family)


def family_of(kind: type[Op]) -> str:
    """The file that declares an op."""
    return kind.__module__.rpartition(".")[2]


def meaning_of(kind: type[Op]) -> str:
    """The first paragraph of an op's docstring, on one line."""
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def _cell(dialect: Dialect, kind: type[Op], read: tuple[str, ...]) -> Cell:
    """A dialect that writes answers for writing; one that only reads, for reading."""
    if not (dialect.writers or dialect.lowerings or dialect.refusals):
        return Cell("read" if read else "unread", read)
    status, reason = dialect.status(kind)
    spellings = _written(dialect, kind) if status == "mapped" else ()
    return Cell(status, spellings, str(reason) if reason else None)


def _written(dialect: Dialect, kind: type[Op]) -> tuple[str, ...]:
    """The names under which a dialect writes an op, found by spelling those of its cases that are not lowered."""
    names: dict[str, None] = {}
    lower = dialect.lowerings.get(kind, lambda op: None)
    for case in kind.cases:
        op = kind(**case)
        with contextlib.suppress(Refusal):
            if lower(op) is None:
                names.update(dict.fromkeys(_names(dialect.spell(op))))
    return tuple(names)


def _names(spelling: Any) -> list[str]:
    """The outermost name of a spelling: a layer, a function."""
    match spelling:
        case Layer(layer=layer):
            return [layer]
        case Call(function=function):
            return [function]
        case Spelling(operator=operator):  # type: ignore[misc]
            return [operator]
    return []


def _readers(dialect: Dialect) -> dict[str, tuple[str, ...]]:
    """Which spellings may be read as each op: the ops that a reader's code names, helpers of its module included."""
    table: dict[str, list[str]] = {}
    for spelling, reader in dialect.readers.items():
        for op in sorted(_named_ops(reader)):
            table.setdefault(op, []).append(spelling)
    return {op: tuple(spellings) for op, spellings in table.items()}


def _named_ops(function: Any, seen: frozenset[int] = frozenset()) -> set[str]:
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None or id(code) in seen:
        return set()
    found: set[str] = set()
    names = _code_names(code)
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    for one in [function.__globals__.get(name) for name in names] + held:
        if inspect.isclass(one) and issubclass(one, Op):
            found.add(one.__name__)
        elif inspect.isfunction(one) and one.__module__ == function.__module__:
            found |= _named_ops(one, seen | {id(code)})
    return found | (names & REGISTRY.keys() if "ops" in names else set())


def _code_names(code: types.CodeType) -> set[str]:
    """The names that code uses, nested functions included."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _code_names(constant)
    return names


def counts(rows: list[Row]) -> dict[str, dict[Status, int]]:
    """How many ops have each status, by dialect."""
    table: dict[str, dict[Status, int]] = {}
    for row in rows:
        for name, cell in row.cells.items():
            line = table.setdefault(name, {})
            line[cell.status] = line.get(cell.status, 0) + 1
    return table
