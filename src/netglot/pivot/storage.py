"""Tensors in a safetensors file: written one at a time, and read by memory map when they are used.

The `safetensors` library hands NumPy no bfloat16 and wants all tensors in memory at once, so the format (eight bytes
of header length, a JSON header, the bytes) is written here. Files are those of the specification, and the library
reads them.
"""

from __future__ import annotations

import io
import json
import os
import sys
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from netglot.errors import InputError, RequestError
from netglot.pivot.dims import product
from netglot.pivot.op import TensorType, numpy_dtype

CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "complex64": "C64",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
"""The name of each dtype in a safetensors file. A complex128 is stored as two float64."""
DTYPES = {code: dtype for dtype, code in CODES.items()}

Load = Callable[[], np.ndarray]


def stored_type(type: TensorType) -> TensorType:
    """The type under which a tensor is stored.

    Raises:
        RequestError: the file format has no such dtype.
    """
    if type.dtype == "complex128":
        return TensorType("float64", (*type.shape, 2))
    if type.dtype not in CODES:
        raise RequestError(f"a tensor of dtype {type.dtype} cannot be stored in safetensors")
    return type


_AT_ONCE = 1 << 28
"""Bytes that are read at once: no system reads more than two gigabytes."""


class Opened:
    """A file of which tensors are read; open as long as one of them may be."""

    def __init__(self, path: Path):
        """Raises InputError where it cannot be read."""
        self.path = path
        try:
            self.handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        weakref.finalize(self, os.close, self.handle)

    def read_into(self, view: memoryview, begin: int) -> None:
        """Fills memory with the bytes that begin there.

        Raises:
            InputError: the file has become shorter.
        """
        done = 0
        with io.FileIO(self.handle, closefd=False) as file:
            file.seek(begin)
            while done < len(view):
                done += self.some(file.readinto(view[done : done + _AT_ONCE]))

    def some(self, count: int | None) -> int:
        """A number of bytes that is not 0.

        Raises:
            InputError: it is.
        """
        if not count:
            raise InputError(f"{self.path} has become shorter while it was read")
        return count


class Stretch:
    """A tensor that stands in a file as it is in memory: a call loads it, and it is copied without being loaded."""

    def __init__(self, file: Opened, begin: int, length: int, type: TensorType):
        self.file, self.begin, self.length, self.type = file, begin, length, type

    def __call__(self) -> np.ndarray:
        """The tensor, in memory of its own.

        Raises:
            InputError: the file has become shorter.
        """
        made = np.empty(self.length, np.uint8)
        self.file.read_into(memoryview(made), self.begin)
        return made.view(numpy_dtype(self.type.dtype)).reshape(self.type.shape)

    def copy_to(self, file: BinaryIO) -> None:
        """Appends the bytes of the tensor to a file.

        Raises:
            InputError: the file that holds it has become shorter.
        """
        file.flush()
        done = 0
        while done < self.length:
            wanted = min(self.length - done, _AT_ONCE)
            done += self.file.some(os.sendfile(file.fileno(), self.file.handle, self.begin + done, wanted))
        file.seek(0, os.SEEK_END)


def put(file: BinaryIO, type: TensorType, load: Load) -> bool:
    """Copies a tensor that stands in a file as it is wanted; False where it must be loaded."""
    if not isinstance(load, Stretch) or load.type != type or sys.platform != "linux":
        return False
    load.copy_to(file)
    return True


def write_tensors(
    path: Path, tensors: Iterable[tuple[str, TensorType, Load]], metadata: dict[str, str] | None = None
) -> None:
    """Writes tensors to a file, loading one at a time; the file appears when it is complete."""
    wide_first = sorted(tensors, key=lambda t: (-numpy_dtype(stored_type(t[1]).dtype).itemsize, t[0]))
    header: dict = {"__metadata__": metadata or {"format": "netglot"}}
    offset = 0
    for name, type, _ in wide_first:
        kept = stored_type(type)
        size = product(kept.shape) * numpy_dtype(kept.dtype).itemsize
        header[name] = {"dtype": CODES[kept.dtype], "shape": kept.shape, "data_offsets": (offset, offset + size)}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    aside = path.with_name(path.name + ".part")
    try:
        with open(aside, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name, type, load in wide_first:
                if not put(file, type, load):
                    file.write(_bytes(name, type, load()))
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _bytes(name: str, type: TensorType, array: np.ndarray):
    """The bytes of a tensor as they are stored."""
    wanted = numpy_dtype(type.dtype)
    if array.dtype == np.float64 and wanted == np.float32:  # a table that was computed in double precision
        array = array.astype(wanted)
    if array.shape != tuple(type.shape) or array.dtype != wanted:
        raise RequestError(f"the tensor {name!r} is {array.dtype}{list(array.shape)} and was said to be {type}")
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def read_tensors(path: Path) -> dict[str, tuple[TensorType, Load]]:
    """The type of each tensor in a file, and how it is read.

    Raises:
        InputError: the file is missing, truncated or no safetensors file.
    """
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= size - 8:
                raise InputError(f"{path} is no safetensors file, or it is truncated")
            header = json.loads(file.read(length))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} has no readable safetensors header") from error
    start = 8 + length
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            tensors[name] = _entry(path, name, entry, start, size)
    return tensors


def _entry(path: Path, name: str, entry: dict, start: int, size: int) -> tuple[TensorType, Load]:
    try:
        type = TensorType(DTYPES[entry["dtype"]], tuple(entry["shape"]))
        begin, end = entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: the entry of {name!r} is not understood") from error
    dtype = numpy_dtype(type.dtype)
    if not 0 <= begin <= end <= size - start or end - begin != product(type.shape) * dtype.itemsize:
        raise InputError(f"{path}: the bytes of {name!r} are not all there", advice="the file may be truncated")

    def load() -> np.ndarray:
        if begin == end:
            return np.zeros(type.shape, dtype)
        data = np.memmap(path, np.uint8, "r", start + begin, (end - begin,))
        return np.asarray(data).view(dtype).reshape(type.shape)

    return type, load
