"""Arithmetic on arrays that are known while a graph is read: sizes, axes, permutations.

Elements may be symbolic sizes; such arrays are NumPy arrays of objects.
"""

from __future__ import annotations

from itertools import product as product_of
from typing import Any

import numpy as np

from netglot.errors import Refusal, notimpl
from netglot.pivot.dims import Dim, maximum, minimum, product
from netglot.pivot.op import concrete


def known(one: Any) -> bool:
    """Whether a tensor is known while the graph is read."""
    return isinstance(one, np.ndarray | np.generic | int | float | bool | Dim)


def strided_slice(input, begin, end, strides, begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask):
    """`input[begin:end:strides]` of a vector, or one of its elements."""
    keys = slice_keys(begin, end, strides, begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    return np.asarray(np.asarray(input, dtype=object)[tuple(keys)], dtype=object)


def slice_keys(
    begin, end, strides, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0
) -> list:
    """The Python keys that TensorFlow's slice means."""
    keys: list[Any] = []
    for i, (first, last, step) in enumerate(zip(*map(np.atleast_1d, (begin, end, strides)), strict=True)):
        bit = 1 << i
        if ellipsis_mask & bit:
            keys.append(Ellipsis)
        elif new_axis_mask & bit:
            keys.append(None)
        elif shrink_axis_mask & bit:
            keys.append(plain(first))
        else:
            start = None if begin_mask & bit else plain(first)
            stop = None if end_mask & bit else plain(last)
            keys.append(slice(start, stop, plain(step)))
    return keys


def plain(one: Any) -> Any:
    """A number of an array as Python's own; a size stays one."""
    held = one.item() if isinstance(one, np.ndarray | np.generic) else one
    return held


def _objects(one: Any) -> np.ndarray:
    return np.asarray(one, dtype=object)


def _whole(function):
    return lambda x, y: np.asarray(np.frompyfunc(function, 2, 1)(_objects(x), _objects(y)), dtype=object)


_LENGTHS = (1, 2, 3, 17, 2**20, 2**31 - 1)


def _compared(function):
    """A comparison of sizes: one that is open is at least one, which is all that is known of it."""

    def compare(x, y):
        if not any(isinstance(one, Dim) for one in (x, y)):
            return function(x, y)
        names = sorted({symbol for one in (x, y) if isinstance(one, Dim) for symbol in one.symbols})
        tried = (dict(zip(names, held, strict=True)) for held in product_of(_LENGTHS, repeat=len(names)))
        found = {bool(function(*(concrete(one, held) for one in (x, y)))) for held in tried}
        if len(found) != 1:
            raise Refusal(notimpl("a comparison of sizes that are not known", "fix the sizes: --input 1,20,8"))
        return found.pop()

    return _whole(compare)


def _prod(input, reduction_indices, keep_dims=False):
    return np.asarray(product(list(np.ravel(_objects(input)))), dtype=object)


def _pack(values, axis=0):
    return np.stack([_objects(one) for one in values], axis)


def _concat(values, axis):
    return np.concatenate([_objects(one) for one in values], int(axis))


def _gather(params, indices, axis=0):
    return np.take(_objects(params), np.asarray(indices, dtype="int64"), int(axis))


def _unpack(value, axis=0):
    return [np.asarray(one, dtype=object) for one in _objects(value)]


def _split(axis, value, num_split=1):
    return [np.asarray(one, dtype=object) for one in np.split(_objects(value), num_split, int(axis))]


def _split_v(value, size_splits, axis):
    ends = np.cumsum(np.asarray(size_splits, dtype="int64"))[:-1]
    return [np.asarray(one, dtype=object) for one in np.split(_objects(value), ends, int(axis))]


FOLDED = {
    "StridedSlice": strided_slice,
    "AddV2": _whole(lambda x, y: x + y),
    "Add": _whole(lambda x, y: x + y),
    "Sub": _whole(lambda x, y: x - y),
    "Mul": _whole(lambda x, y: x * y),
    "FloorDiv": _whole(lambda x, y: x // y),
    "FloorMod": _whole(lambda x, y: x % y),
    "Maximum": _whole(maximum),
    "Minimum": _whole(minimum),
    "Prod": _prod,
    "Pack": _pack,
    "ConcatV2": _concat,
    "GatherV2": _gather,
    "Unpack": _unpack,
    "Split": _split,
    "SplitV": _split_v,
    "Cast": lambda x: x,
    "Reshape": lambda tensor, shape: np.reshape(_objects(tensor), np.asarray(shape, dtype="int64")),
    "ExpandDims": lambda input, dim: np.expand_dims(_objects(input), int(dim)),
    "Squeeze": lambda input: np.squeeze(_objects(input)),
    "Neg": lambda x: -_objects(x),
    "Range": None,
    "Sum": lambda input, reduction_indices: np.asarray(np.sum(_objects(input)), dtype=object),
    "RealDiv": _whole(lambda x, y: x / y),
    "Sqrt": lambda x: np.sqrt(x),
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Equal": _whole(lambda x, y: x == y),
    "NotEqual": _whole(lambda x, y: x != y),
    "Less": _compared(lambda x, y: x < y),
    "LessEqual": _compared(lambda x, y: x <= y),
    "Greater": _compared(lambda x, y: x > y),
    "GreaterEqual": _compared(lambda x, y: x >= y),
    "LogicalAnd": _whole(lambda x, y: x and y),
    "Pow": _whole(lambda x, y: x**y),
    "Transpose": lambda x, perm: np.transpose(_objects(x), np.asarray(perm, dtype="int64")),
    "Tile": lambda input, multiples: np.tile(_objects(input), np.asarray(multiples, dtype="int64")),
    "Fill": None,
    "MatrixBandPart": None,
    "SelectV2": None,
    "Exp": None,
    "Sin": None,
    "Cos": None,
    "Square": None,
    "Log": None,
    **dict.fromkeys(
        (
            "LogicalNot",
            "LogicalOr",
            "All",
            "Any",
            "Max",
            "Min",
            "ZerosLike",
            "OnesLike",
            "Abs",
            "Floor",
            "Ceil",
            "BroadcastArgs",
            "BroadcastTo",
            "Complex",
            "Select",
        )
    ),
}
"""How each op acts on known arrays with symbolic sizes among their elements. None: only where none is."""
