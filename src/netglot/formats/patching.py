"""Weights exchanged in a copy of a file: each is written over the old one, in the place where its reader found it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def place_of(array: np.ndarray) -> int:
    """Where the bytes of an array that shares a file's memory stand in that file."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, memoryview), "the array is a copy"
    whole = np.frombuffer(base.obj, np.uint8)
    return array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]


def patched(path: Path, target: Path, held: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]) -> None:
    """Copies a file with other weights; `held` are those of the file, which share its memory."""
    shutil.copyfile(path, target)
    with open(target, "r+b") as file:
        for name, array in arrays.items():
            if held[name].size:
                file.seek(place_of(held[name]))
                file.write(np.ascontiguousarray(array, held[name].dtype).tobytes())
