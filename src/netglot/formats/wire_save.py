"""Writing protocol buffers: fields by their numbers, messages as bytes, large arrays as they come."""

from __future__ import annotations

import struct
from collections.abc import Iterable


def varint(value: int) -> bytes:
    """A number of variable length."""
    value &= 2**64 - 1
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


def head(number: int, length: int) -> bytes:
    """What stands before `length` bytes of a field."""
    return varint(number << 3 | 2) + varint(length)


def held(number: int, data: bytes | str) -> bytes:
    """A field of bytes: a text, a message, packed numbers."""
    data = data.encode() if isinstance(data, str) else data
    return head(number, len(data)) + data


def integer(number: int, value: int) -> bytes:
    """A field of a whole number or a truth value."""
    return varint(number << 3) + varint(int(value))


def single(number: int, value: float) -> bytes:
    """A field of a number in single precision."""
    return varint(number << 3 | 5) + struct.pack("<f", value)


def double(number: int, value: float) -> bytes:
    """A field of a number in double precision."""
    return varint(number << 3 | 1) + struct.pack("<d", value)


def integers(number: int, values: Iterable[int]) -> bytes:
    """A field of whole numbers, packed."""
    return held(number, b"".join(varint(int(value)) for value in values))
