"""Flexbuffers, of which maps of plain numbers are read: how TensorFlow Lite keeps the options of custom operators."""

from __future__ import annotations

import struct

from netglot.errors import InputError

_CODES = {
    1: {1: "b", 2: "h", 4: "i", 8: "q"},  # whole numbers
    2: {1: "B", 2: "H", 4: "I", 8: "Q"},  # those that are not negative
    3: {4: "f", 8: "d"},
    26: {1: "?", 2: "H", 4: "I", 8: "Q"},  # truth values
}
_MAP = 9


def numbers(data: bytes) -> dict[str, float]:
    """The numbers of a map by name; what else it holds is passed over.

    Raises:
        InputError: the bytes are no map, or point outside of themselves.
    """
    if len(data) < 3 or data[-2] >> 2 != _MAP:
        raise InputError("the options of a custom operator are no map")
    wide, root = 1 << (data[-2] & 3), len(data) - 2 - data[-1]
    start = root - _whole(data, root, data[-1])
    count = _whole(data, start - wide, wide)
    if count > len(data):
        raise InputError(f"a map of {count} entries in {len(data)} bytes")
    keys, step = start - 3 * wide, _whole(data, start - 2 * wide, wide)
    keys -= _whole(data, keys, wide)
    found: dict[str, float] = {}
    for place in range(count):
        at = keys + place * step
        begin = at - _whole(data, at, step)
        end = data.find(b"\0", begin) if 0 <= begin < len(data) else -1
        kind = _whole(data, start + count * wide + place, 1)
        code = _CODES.get(kind >> 2, {}).get(wide)
        if end < 0:
            raise InputError("a name of an option points outside of the file")
        if code:
            found[data[begin:end].decode("utf-8", "replace")] = _read(data, start + place * wide, code)
    return found


def _whole(data: bytes, at: int, width: int) -> int:
    code = _CODES[2].get(width)
    if code is None:
        raise InputError(f"a number of {width} bytes")
    return int(_read(data, at, code))


def _read(data: bytes, at: int, code: str) -> float:
    if not 0 <= at <= len(data) - struct.calcsize("<" + code):
        raise InputError("an offset points outside of the options of a custom operator")
    return struct.unpack_from("<" + code, data, at)[0]
