"""Files as mapped memory: bytes are read from the disk when they are looked at, and no length in a file is trusted."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from netglot.errors import InputError
from netglot.pivot.dims import product

LARGEST = 2**40
"""No tensor has as many elements; a size beyond it is damage, not a network."""


def mapped(path: Path) -> memoryview:
    """The bytes of a file.

    Raises:
        InputError: the file is missing, empty or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError as error:
        raise InputError(f"{path} is empty") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def text_of(path: Path) -> str:
    """The text of a file.

    Raises:
        InputError: the file is missing or is no text.
    """
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def array_of(data: memoryview, dtype: str | np.dtype, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Bytes as an array that shares their memory.

    Raises:
        InputError: there are too few or too many of them.
    """
    dtype = np.dtype(dtype)
    if product(shape) > LARGEST or product(shape) * dtype.itemsize != len(data):
        raise InputError(f"{what} has {len(data)} bytes, and {list(shape)} of {dtype} takes {_bytes(shape, dtype)}")
    return np.frombuffer(data, dtype).reshape(shape)


def _bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return product(shape) * dtype.itemsize


class Cursor:
    """Reads numbers one after the other, and says so where the bytes end too early."""

    def __init__(self, data: memoryview, what: str, at: int = 0):
        self.data, self.what, self.at = data, what, at

    def take(self, count: int) -> memoryview:
        """The next bytes.

        Raises:
            InputError: there are fewer.
        """
        if count < 0 or count > len(self.data) - self.at:
            raise InputError(f"{self.what} ends too early", advice="is the file complete?")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code: str) -> int | float:
        """The next little-endian number, by its code in `struct`."""
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def text(self, length: int) -> str:
        """The next bytes as text."""
        return bytes(self.take(length)).decode("utf-8", "replace")

    def array(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """The next elements as an array that shares the file's memory."""
        count = product(shape)
        if not 0 <= count <= LARGEST:
            raise InputError(f"{self.what}: a tensor of shape {list(shape)}")
        return np.frombuffer(self.take(count * np.dtype(dtype).itemsize), dtype).reshape(shape)

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.at


Load = Callable[[], np.ndarray]
