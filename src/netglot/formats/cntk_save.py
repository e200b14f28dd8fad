"""Writing CNTK's files, second version: functions and variables as a dictionary in protocol buffers.

Values are told apart by their Python types: truth values, texts, floats (in double precision), sizes (`int`), signed
numbers (`Signed`), shapes and axes, lists and dictionaries of these, and weights, one of which is in memory at a time.
Shapes and axes are given outermost first and turned around here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netglot.formats import wire_save
from netglot.formats.cntk import CONSTANT, FREE, INPUT, OPS, PARAMETER, PLACEHOLDER
from netglot.pivot.dims import product

__all__ = ["BATCH", "CONSTANT", "FREE", "INPUT", "PARAMETER", "PLACEHOLDER", "Axis", "Function", "Shape", "Signed",
           "Variable", "Weight", "write_model"]  # fmt: skip

_DICTIONARY, _FUNCTION, _COMPOSITE, _VARIABLE = 2, 24, 3, 1
"""The versions of what a file holds, those of CNTK 2.7."""
_DYNAMIC = 2**31 - 1


@dataclass(frozen=True)
class Signed:
    """A number that may be negative."""

    value: int


@dataclass(frozen=True)
class Shape:
    """A shape, outermost axis first."""

    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """An axis: `place` counts from the innermost; a dynamic one has a name."""

    place: int = _DYNAMIC
    name: str = ""
    ordered: bool = True


BATCH = Axis(name="defaultBatchAxis", ordered=False)


@dataclass(frozen=True)
class Weight:
    """The value of a weight: its shape, and what makes it."""

    shape: tuple[int, ...]
    load: Callable[[], np.ndarray]


@dataclass
class Variable:
    """An input, weight, constant or placeholder; `dynamic` are its dynamic axes, batch first."""

    uid: str
    kind: int
    shape: tuple[int, ...]
    name: str = ""
    dynamic: tuple[Axis, ...] = ()
    weight: Weight | None = None


@dataclass
class Function:
    """One function: its operation, the variables that it reads, and its options."""

    uid: str
    op: str
    inputs: list[str]
    options: dict[str, Any] = field(default_factory=dict)
    name: str = ""


def write_model(path: Path, variables: Iterable[Variable], functions: Iterable[Function], root: str) -> None:
    """Writes a model whose result is that of the function `root`."""
    held = {
        "version": _COMPOSITE,
        "type": "CompositeFunction",
        "uid": f"Composite_{root}",
        "root": root,
        "inputs": [_variable(one) for one in variables],
        "primitive_functions": [_function(one) for one in functions],
    }
    with open(path, "wb") as file:
        for piece in _pieces(_dictionary(held)):
            file.write(piece)


def _variable(one: Variable) -> dict[str, Any]:
    told = {
        "version": _VARIABLE,
        "type": "Variable",
        "uid": one.uid,
        "kind": one.kind,
        "data_type": 1,
        "dynamic_axis": list(reversed(one.dynamic)),
        "is_sparse": False,
        "needs_gradient": one.kind == PARAMETER,
        "shape": Shape(one.shape),
    }
    told |= {"name": one.name} if one.name else {}
    return told if one.weight is None else {**told, "value": one.weight}


def _function(one: Function) -> dict[str, Any]:
    told = {"version": _FUNCTION, "type": "PrimitiveFunction", "uid": one.uid, "op": OPS.index(one.op)}
    told |= {"name": one.name} if one.name else {}
    return {**told, "inputs": one.inputs, "attributes": one.options}


# -- bytes: a message is a list of pieces, bytes or weights that are made when they are written

_Message = list["bytes | Weight"]


def _size(message: _Message) -> int:
    return sum(4 * product(one.shape) if isinstance(one, Weight) else len(one) for one in message)


def _pieces(message: _Message) -> Iterator[bytes]:
    for one in message:
        yield np.ascontiguousarray(one.load(), "<f4").tobytes() if isinstance(one, Weight) else one


def _within(number: int, message: _Message) -> _Message:
    """A message as a field of another."""
    return [wire_save.head(number, _size(message)), *message]


def _dictionary(held: Mapping[str, Any]) -> _Message:
    made: _Message = [wire_save.integer(1, _DICTIONARY)]
    for key, value in held.items():
        made += _within(2, [wire_save.held(1, key), *_within(2, _value(value))])
    return _joined(made)


def _value(value: Any) -> _Message:
    """A value with its kind."""
    match value:
        case bool():
            return [_kind(1) + wire_save.integer(3, value)]
        case Signed():
            return [_kind(2) + wire_save.integer(4, value.value)]
        case int():
            return [_kind(3) + wire_save.integer(5, value)]
        case float():
            return [_kind(5) + wire_save.double(7, value)]
        case str():
            return [_kind(6) + wire_save.held(8, value)]
        case Shape():
            return [_kind(7) + wire_save.held(9, _shape(value.sizes))]
        case Axis():
            return [_kind(8) + wire_save.held(10, _axis(value))]
        case list():
            inside = [piece for one in value for piece in _within(1, _value(one))]
            return _joined([_kind(9), *_within(11, _joined(inside))])
        case dict():
            return _joined([_kind(10), *_within(12, _dictionary(value))])
        case Weight():
            head = wire_save.integer(1, 1) + wire_save.integer(2, 0) + wire_save.held(3, _shape(value.shape))
            numbers: _Message = [wire_save.head(1, 4 * product(value.shape)), value]
            return [_kind(11), *_within(13, [head, *_within(4, numbers)])]
    raise TypeError(f"{value!r} is no value of a dictionary")


def _kind(number: int) -> bytes:
    return wire_save.integer(1, _DICTIONARY) + wire_save.integer(2, number)


def _shape(sizes: tuple[int, ...]) -> bytes:
    return wire_save.integers(1, reversed(sizes)) if sizes else b""


def _axis(axis: Axis) -> bytes:
    name = axis.name or f"staticAxisIdx={axis.place}"
    return wire_save.integer(1, axis.place) + wire_save.held(2, name) + wire_save.integer(3, axis.ordered)


def _joined(message: _Message) -> _Message:
    """The same message, bytes that stand side by side as one."""
    made: _Message = []
    for one in message:
        if made and isinstance(made[-1], bytes) and isinstance(one, bytes):
            made[-1] += one
        else:
            made.append(one)
    return made
