"""MXNet's files: a network as JSON (`-symbol.json`) and its weights (`.params`), in all their versions."""

from __future__ import annotations

import ast
import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import InputError
from netglot.formats.mapped import Cursor, mapped, text_of

_LIST = 0x112
_RESULTS = 2**16
"""No operator has as many results; one that cuts a sequence into steps may have thousands."""
_SPARSE_AWARE, _WITH_SHAPE, _WITH_NUMPY = 0xF993FAC9, 0xF993FAC8, 0xF993FACA
_DTYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8", 7: "?"}


@dataclass
class Node:
    """One node: an operator, or a variable where `op` is "null". Inputs are pairs of a node's number and a result's."""

    op: str
    name: str
    attributes: dict[str, str]
    inputs: list[tuple[int, int]]
    results: int = 1
    bodies: list[Symbol] = field(default_factory=list)
    """The networks that a loop or a condition runs."""

    def text(self, name: str, default: str = "") -> str:
        """An option as text."""
        return self.attributes.get(name, default)

    def value(self, name: str, default: Any = None) -> Any:
        """An option as Python reads it.

        Raises:
            InputError: it is neither a number, a list nor a truth value.
        """
        held = self.attributes.get(name)
        if held is None or held == "None":
            return default
        if held.lstrip("-") in ("inf", "nan"):
            return float(held)
        try:
            return ast.literal_eval(re.sub(r"(?<=\d)L\b", "", held))
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise InputError(f"{self.op} {self.name}: {name} is {held[:60]!r}") from error

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number.

        Raises:
            InputError: the option is missing without a default, or is something else.
        """
        held = self.value(name, default)
        if isinstance(held, bool) or not isinstance(held, int | float) or held != held or int(held) != held:
            raise InputError(f"{self.op} {self.name}: {name} is {held!r} and must be a whole number")
        return int(held)

    def number(self, name: str, default: float | None = None) -> float:
        """A number. Errors as for `integer`."""
        held = self.value(name, default)
        if isinstance(held, bool) or not isinstance(held, int | float):
            raise InputError(f"{self.op} {self.name}: {name} is {held!r} and must be a number")
        return float(held)

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value."""
        held = self.attributes.get(name)
        return default if held in (None, "None") else held.lower() in ("true", "1")

    def integers(self, name: str, default: tuple = ()) -> tuple:
        """A list of whole numbers, or of None where one is left out. Errors as for `integer`."""
        held = self.value(name, default)
        held = (held,) if isinstance(held, int | float) else held
        if not isinstance(held, list | tuple) or not all(one is None or type(one) is int for one in held):
            raise InputError(f"{self.op} {self.name}: {name} is {held!r} and must be a list of whole numbers")
        return tuple(held)


@dataclass
class Symbol:
    """A network: nodes in order, and which of their results it gives."""

    nodes: list[Node]
    heads: list[tuple[int, int]]
    version: int = field(default=0)


def read_symbol(path: Path) -> Symbol:
    """The network in a `-symbol.json`.

    Raises:
        InputError: the file is missing, damaged or something else.
    """
    try:
        return _symbol(json.loads(text_of(path)), path)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is no network of MXNet: {type(error).__name__}", advice="is it complete?") from error


def _symbol(held: dict, path: Path) -> Symbol:
    nodes = [_node(one, path) for one in held["nodes"]]
    heads = [(int(one[0]), int(one[1])) for one in held["heads"]]
    nodes, heads = _with_statistics(nodes, heads)
    version = int(held.get("attrs", {}).get("mxnet_version", ("int", 0))[1])
    for number, node in enumerate(nodes):
        if any(not 0 <= one < number or not 0 <= result < _RESULTS for one, result in node.inputs):
            raise InputError(f"{path}: {node.name} uses a node that does not stand before it")
    if not heads or any(not 0 <= one < len(nodes) or not 0 <= result < _RESULTS for one, result in heads):
        raise InputError(f"{path} says no output that it has")
    return Symbol(nodes, heads, version)


def _node(held: dict, path: Path) -> Node:
    """A node; older files keep options in `param` and what users added in `attr`."""
    attributes = {**held.get("param", {}), **held.get("attr", {}), **held.get("attrs", {})}
    inputs = [(int(one[0]), int(one[1])) for one in held["inputs"]]
    bodies = [_symbol(one, path) for one in held.get("subgraphs", ())]
    options = {str(k): str(v) for k, v in attributes.items()}
    return Node(str(held["op"]), str(held["name"]), options, inputs, bodies=bodies)


def _with_statistics(nodes: list[Node], heads: list[tuple[int, int]]) -> tuple[list[Node], list[tuple[int, int]]]:
    """The nodes with the statistics of batch norms as variables, which files before version 0.9 leave unsaid."""
    made: list[Node] = []
    places: dict[int, int] = {}
    for number, node in enumerate(nodes):
        node.inputs = [(places.get(one, len(nodes) * 4), result) for one, result in node.inputs]
        if node.op in ("BatchNorm", "CuDNNBatchNorm") and len(node.inputs) == 3:
            for role in ("moving_mean", "moving_var"):
                node.inputs.append((len(made), 0))
                made.append(Node("null", f"{node.name}_{role}", {}, []))
        places[number] = len(made)
        made.append(node)
    return made, [(places.get(one, -1), result) for one, result in heads]


def read_params(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `.params` by name, without copying them; `arg:` and `aux:` are left out of the names.

    Raises:
        InputError: the file is missing, damaged or something else.
    """
    cursor = Cursor(mapped(path), str(path))
    if cursor.number("Q") != _LIST:
        raise InputError(f"{path} holds no weights of MXNet", advice="is it a .params?")
    cursor.number("Q")
    arrays = [_array(cursor) for _ in _counted(cursor, 8)]
    names = [cursor.text(int(cursor.number("Q"))) for _ in _counted(cursor, 8)]
    if len(names) != len(arrays):
        raise InputError(f"{path} holds {len(arrays)} arrays and {len(names)} names")
    return {re.sub(r"^(arg|aux):", "", name): array for name, array in zip(names, arrays, strict=True)}


def _counted(cursor: Cursor, least: int) -> range:
    count = int(cursor.number("Q"))
    if count * least > cursor.left:
        raise InputError(f"{cursor.what} says that it holds {count} entries, and {cursor.left} bytes are left")
    return range(count)


def _array(cursor: Cursor) -> np.ndarray:
    magic = int(cursor.number("I"))
    if magic in (_SPARSE_AWARE, _WITH_NUMPY):
        if cursor.number("i") != 0:
            raise InputError(f"{cursor.what} holds a sparse array")
        shape = _shape(cursor, int(cursor.number("i")), "q")
        if shape is None or (magic == _SPARSE_AWARE and not shape):
            return np.zeros(0, "float32")
    elif magic == _WITH_SHAPE:
        shape = _shape(cursor, int(cursor.number("I")), "q")
    else:
        shape = _shape(cursor, magic, "I")
    if not shape and magic not in (_WITH_NUMPY,):
        return np.zeros(0, "float32")
    cursor.number("i")
    cursor.number("i")
    dtype = _DTYPES.get(int(cursor.number("i")))
    if dtype is None:
        raise InputError(f"{cursor.what} holds numbers of an unknown kind")
    return cursor.array(dtype, shape or ())


def _shape(cursor: Cursor, rank: int, code: str) -> tuple[int, ...] | None:
    if rank == -1:
        return None
    if not 0 <= rank <= 32:
        raise InputError(f"{cursor.what} holds an array of {rank} axes", advice="is the file complete?")
    shape = tuple(int(cursor.number(code)) for _ in range(rank))
    if any(size < 0 for size in shape):
        raise InputError(f"{cursor.what} holds an array of shape {list(shape)}")
    return shape


CODES = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7}
"""MXNet's numbers for the dtypes."""


def write_symbol(nodes: list[Node], heads: list[tuple[int, int]]) -> str:
    """The text of a `-symbol.json`, as MXNet 1.9.1 writes it."""
    told = [
        {"op": node.op, "name": node.name}
        | ({"attrs": node.attributes} if node.attributes else {})
        | {"inputs": [[one, result, 0] for one, result in node.inputs]}
        for node in nodes
    ]
    counts = [0]
    for node in nodes:
        counts.append(counts[-1] + max(1, node.results))
    document = {
        "nodes": told,
        "arg_nodes": [i for i, node in enumerate(nodes) if node.op == "null"],
        "node_row_ptr": counts,
        "heads": [[one, result, 0] for one, result in heads],
        "attrs": {"mxnet_version": ["int", 10901]},
    }
    return json.dumps(document, indent=2) + "\n"


def write_params(path: Path, arrays: Iterable[tuple[str, np.ndarray]], count: int) -> None:
    """Writes a `.params`; names begin with `arg:` or `aux:`. One array is in memory at a time."""
    names = []
    with open(path, "wb") as file:
        file.write(struct.pack("<QQQ", _LIST, 0, count))
        for name, array in arrays:
            names.append(name.encode())
            array = np.atleast_1d(np.ascontiguousarray(array))
            shape = array.shape
            file.write(struct.pack(f"<Iii{len(shape)}q", _SPARSE_AWARE, 0, len(shape), *shape))
            file.write(struct.pack("<iii", 1, 0, CODES[str(array.dtype)]))
            file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
        file.write(struct.pack("<Q", len(names)))
        for name in names:
            file.write(struct.pack("<Q", len(name)) + name)
