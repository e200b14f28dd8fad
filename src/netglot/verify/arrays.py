"""Arrays on their way between processes: one `.npy` file each in a folder, and a table of them in the message.

Kept to NumPy and old syntax, because a worker may be another and older interpreter.
"""

from __future__ import annotations

import itertools
import os

import numpy as np

_number = itertools.count()
LARGE = 1 << 22
"""Files of so many bytes are mapped into memory and not read: the state of a large network is many times on its way."""
NARROW = ("bfloat16", "float8_e4m3fn", "float8_e5m2")


def write_arrays(folder, arrays):
    """Saves a dict of arrays, or pairs as they come; returns the table `[[name, file, dtype], ...]` for a message.

    Narrow floats, which `.npy` cannot name, are saved as their bits.
    """
    table = []
    for name, array in arrays.items() if hasattr(arrays, "items") else arrays:
        # not ascontiguousarray, which gives an array of rank 0 an axis
        array = np.asarray(array, order="C")
        dtype = str(array.dtype)
        if dtype in NARROW:
            array = array.view(f"u{array.dtype.itemsize}")
        path = os.path.join(str(folder), f"{os.getpid()}-{next(_number)}.npy")
        np.save(path, array, allow_pickle=False)
        table.append([name, path, dtype])
    return table


def each_array(table, consume=True):
    """Yields `(name, array)` for a table, reading one array at a time; deletes the files unless told otherwise."""
    for name, path, dtype in table:
        large = os.name == "posix" and os.path.getsize(path) > LARGE  # elsewhere a mapped file stays
        array = np.load(path, mmap_mode="c" if large else None, allow_pickle=False)
        if dtype in NARROW:
            import ml_dtypes

            array = array.view(getattr(ml_dtypes, dtype))
        if consume:
            os.unlink(path)
        yield name, array


def read_arrays(table, consume=True):
    """The arrays of a table as a dict in its order."""
    return dict(each_array(table, consume))


def build_call(tree, leaf):
    """Arguments from a JSON tree: a string names an input, null is None, a list is a list, `{"tuple": [...]}` a
    tuple, `{"dict": {...}}` a dict, `{"value": v}` a plain value."""
    if tree is None:
        return None
    if isinstance(tree, str):
        return leaf(tree)
    if isinstance(tree, list):
        return [build_call(branch, leaf) for branch in tree]
    if "value" in tree:
        return tree["value"]
    if "tuple" in tree:
        return tuple(build_call(branch, leaf) for branch in tree["tuple"])
    return {key: build_call(branch, leaf) for key, branch in tree["dict"].items()}
