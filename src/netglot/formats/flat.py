"""Flatbuffers without generated code: tables whose fields are found by their number, every offset checked."""

from __future__ import annotations

import struct

import numpy as np

from netglot.errors import InputError


class Table:
    """One table. A field that is absent has its default."""

    __slots__ = ("_data", "_fields", "_size", "at")

    def __init__(self, data: memoryview, at: int):
        self._data, self.at = data, at
        self._fields = at - _number(data, at, "i")
        self._size = _number(data, self._fields, "H")

    @staticmethod
    def root(data: memoryview, identifier: bytes) -> Table:
        """The outermost table.

        Raises:
            InputError: the file is of another kind.
        """
        if len(data) < 8 or bytes(data[4:8]) != identifier:
            raise InputError(f"it does not say that it is {identifier.decode()}", advice="is the file complete?")
        return Table(data, _number(data, 0, "I"))

    def _slot(self, field: int) -> int:
        place = 4 + 2 * field
        if place + 2 > self._size:
            return 0
        offset = _number(self._data, self._fields + place, "H")
        return self.at + offset if offset else 0

    def number(self, field: int, code: str, default: float = 0):
        """A number by its code in `struct`."""
        slot = self._slot(field)
        return _number(self._data, slot, code) if slot else default

    def flag(self, field: int, default: bool = False) -> bool:
        """A truth value."""
        return bool(self.number(field, "B", default))

    def table(self, field: int) -> Table | None:
        """A table, or None."""
        slot = self._slot(field)
        return Table(self._data, slot + _number(self._data, slot, "I")) if slot else None

    def vector(self, field: int, dtype: str) -> np.ndarray:
        """Numbers, as an array that shares the file's memory; empty where absent."""
        start, length = self._vector(field, np.dtype(dtype).itemsize)
        return np.frombuffer(self._data, dtype, length, start) if length else np.zeros(0, dtype)

    def list(self, field: int) -> list[int]:
        """Small whole numbers as a list."""
        return self.vector(field, "<i4").tolist()

    def bytes(self, field: int) -> memoryview | None:
        """Bytes, or None where absent."""
        if not self._slot(field):
            return None
        start, length = self._vector(field, 1)
        return self._data[start : start + length]

    def text(self, field: int) -> str:
        """A text."""
        held = self.bytes(field)
        return bytes(held).decode("utf-8", "replace") if held is not None else ""

    def tables(self, field: int) -> list[Table]:
        """A list of tables."""
        start, length = self._vector(field, 4)
        places = range(start, start + 4 * length, 4)
        return [Table(self._data, at + _number(self._data, at, "I")) for at in places]

    def _vector(self, field: int, width: int) -> tuple[int, int]:
        slot = self._slot(field)
        if not slot:
            return 0, 0
        start = slot + _number(self._data, slot, "I")
        length = _number(self._data, start, "I")
        if start + 4 + length * width > len(self._data):
            raise InputError(f"a list of {length} elements reaches beyond the end of the file")
        return start + 4, length


def _number(data: memoryview, at: int, code: str):
    size = struct.calcsize("<" + code)
    if not 0 <= at <= len(data) - size:
        raise InputError("an offset points outside of the file", advice="is the file complete?")
    return struct.unpack_from("<" + code, data, at)[0]
