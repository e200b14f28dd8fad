"""Protocol buffers by small tables of our own: the fields that are used, and no others.

A table is text. Each message has its name on a line and its fields below, indented: number, name, type, and `*` behind
the type of a field that repeats. What is not in the table is skipped.

    BlobProto
      5 data float*
      7 shape BlobShape

Numbers that repeat stay arrays that share the memory of the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netglot.errors import InputError
from netglot.formats.record import Record

_FIXED = {"float": "<f4", "double": "<f8", "fixed32": "<u4", "fixed64": "<u8", "sfixed32": "<i4", "sfixed64": "<i8"}
_VARINTS = ("int32", "int64", "uint32", "uint64", "bool", "enum", "sint32", "sint64")
_DEEPEST = 64


@dataclass(frozen=True)
class Field:
    """One field of a message."""

    name: str
    type: str
    repeated: bool


Schema = dict[str, dict[int, Field]]


def schema(text: str) -> Schema:
    """The messages of a table."""
    found: Schema = {}
    message: dict[int, Field] = {}
    for line in text.strip().splitlines():
        words = line.split()
        if not words:
            continue
        if not line.startswith(" "):
            message = found.setdefault(words[0], {})
            continue
        for number, name, kind in zip(words[::3], words[1::3], words[2::3], strict=True):
            message[int(number)] = Field(name, kind.rstrip("*"), kind.endswith("*"))
    return found


def parse(data: memoryview, tables: Schema, message: str) -> Record:
    """The message in some bytes.

    Raises:
        InputError: they end too early, or are no such message.
    """
    return _Parser(tables).message(data, message, 0)


class _Parser:
    def __init__(self, tables: Schema):
        self.tables = tables

    def message(self, data: memoryview, kind: str, depth: int) -> Record:
        if depth > _DEEPEST:
            raise InputError(f"{kind}: messages are nested too deeply")
        table, record, at, end = self.tables[kind], Record(kind), 0, len(data)
        while at < end:
            start = at
            key, at = varint(data, at)
            number, wire = key >> 3, key & 7
            field = table.get(number)
            if number == 0:
                raise InputError(f"{kind}: no such field as 0")
            if field is None:
                at = _skipped(data, at, wire, number)
            elif wire == 2:
                length, at = varint(data, at)
                if length > end - at:
                    raise InputError(f"{kind}.{field.name} is {length} bytes long, and {end - at} are left")
                self._delimited(record, field, data[at : at + length], depth)
                at += length
            elif wire == 0 and field.type in _VARINTS:
                value, at = varint(data, at)
                record.add(field.name, _signed(value, field.type))
            elif wire in (1, 5) and field.type in _FIXED:
                at = _fixed(record, field, data, start, at, 8 if wire == 1 else 4)
            else:
                raise InputError(f"{kind}.{field.name} is stored in an unknown way")
        return record

    def _delimited(self, record: Record, field: Field, data: memoryview, depth: int) -> None:
        if field.type == "string":
            record.add(field.name, bytes(data).decode("utf-8", "replace"))
        elif field.type == "bytes":
            record.add(field.name, data)
        elif field.type in _FIXED:
            dtype = np.dtype(_FIXED[field.type])
            if len(data) % dtype.itemsize:
                raise InputError(f"{record.kind}.{field.name} holds a broken number")
            record.add(field.name, np.frombuffer(data, dtype))
        elif field.type in _VARINTS:
            record.add(field.name, _packed(data, field))
        else:
            record.add(field.name, self.message(data, field.type, depth + 1))


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise InputError("a number ends too early", advice="is the file complete?")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
        shift += 7


def _signed(value: int, kind: str):
    if kind == "bool":
        return bool(value)
    if kind.startswith("sint"):
        return (value >> 1) ^ -(value & 1)
    return value - 2**64 if kind in ("int32", "int64", "enum") and value >= 2**63 else value


def _packed(data: memoryview, field: Field) -> np.ndarray:
    """Numbers of variable length, side by side."""
    held = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(held < 128)
    if len(held) and (not len(ends) or ends[-1] != len(held) - 1):
        raise InputError(f"{field.name} ends in the middle of a number")
    starts = np.concatenate([[0], ends[:-1] + 1]).astype("int64") if len(ends) else np.zeros(0, "int64")
    lengths = ends - starts + 1 if len(ends) else starts
    if len(lengths) and lengths.max() > 10:
        raise InputError(f"{field.name} holds a number that is too long")
    values = np.zeros(len(ends), "uint64")
    for place in range(int(lengths.max()) if len(lengths) else 0):
        has = lengths > place
        values[has] |= (held[starts[has] + place].astype("uint64") & np.uint64(127)) << np.uint64(7 * place)
    if field.type.startswith("sint"):
        return ((values >> np.uint64(1)) ^ -(values & np.uint64(1))).astype("int64")
    return values.view("int64") if field.type in ("int32", "int64", "enum") else values


def _fixed(record: Record, field: Field, data: memoryview, start: int, at: int, size: int) -> int:
    """Numbers of fixed length, each with its key; a run of them is read at once."""
    if size > len(data) - at:
        raise InputError(f"{record.kind}.{field.name} ends too early")
    dtype = np.dtype(_FIXED[field.type])
    if dtype.itemsize != size:
        raise InputError(f"{record.kind}.{field.name} is stored in an unknown way")
    if not field.repeated:
        record.add(field.name, np.frombuffer(data[at : at + size], dtype)[0].item())
        return at + size
    step = at - start + size
    rows = np.frombuffer(data, np.uint8, (len(data) - start) // step * step, start).reshape(-1, step)
    count, chunk = 0, 4096
    while count < len(rows):  # how many rows begin with the same key
        same = (rows[count : count + chunk, : at - start] == rows[0, : at - start]).all(1)
        if not same.all():
            count += int(same.argmin())
            break
        count, chunk = count + len(same), chunk * 2
    record.add(field.name, rows[:count, at - start :].copy().view(dtype).reshape(-1))
    return start + count * step


def _skipped(data: memoryview, at: int, wire: int, number: int) -> int:
    """Where a field that is not looked at ends."""
    if wire == 0:
        return varint(data, at)[1]
    if wire == 2:
        length, at = varint(data, at)
    elif wire in (1, 5):
        length = 8 if wire == 1 else 4
    else:
        raise InputError(f"field {number} is stored in an unknown way", advice="is this a file of another kind?")
    if length > len(data) - at:
        raise InputError(f"field {number} is {length} bytes long, and {len(data) - at} are left")
    return at + length
