"""Tensors made from nothing: what is small is known while the file is read."""

from __future__ import annotations

import numpy as np

from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.paddle.known import array_of
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.op import FLOATS, numpy_dtype, shape_of, type_of

Known = object


def filled(shape: tuple, value, dtype: str):
    """A tensor of one number: known where it is a number or a short vector, as sizes are."""
    if any(not isinstance(size, Dim) and not 0 <= size < 2**40 for size in shape):
        raise InputError(f"a tensor of shape {list(shape)}")
    value = value.item() if isinstance(value, np.generic) else value
    if dtype not in FLOATS and not isinstance(value, Dim):
        value = bool(value) if dtype == "bool" else int(value)
    small = len(shape) < 2 and all(isinstance(size, int) for size in shape) and product(shape) <= 16
    if small and not isinstance(value, Dim):
        return np.full(shape, value, numpy_dtype(dtype))
    return ops.Full(shape, value, dtype)


def _number(node, held, default: float = 0.0):
    """A number that an attribute holds, as a number or as text."""
    try:
        return float(held) if isinstance(held, str) else default if held is None else held
    except ValueError as error:
        raise InputError(f"{node.type}: {held!r} is no number") from error


@paddle.reads("full")
def full(node, shape: Known = None):
    """In version 2 the value may stand in a text, which has all its digits."""
    said = node.get("str_value") or None
    value = _number(node, said if said is not None else node.get("value"))
    wanted = node.sizes(shape, "a shape") if shape is not None else node.integers("shape")
    return filled(wanted, value, node.dtype("dtype", "float32"))


@paddle.reads("full_int_array")
def full_int_array(node):
    return np.asarray(node.get("value", []), dtype="int64")


@paddle.reads("full_with_tensor")
def full_with_tensor(node, value: Known, shape: Known = None):
    wanted = node.sizes(shape, "a shape") if shape is not None else node.integers("shape")
    held = np.ravel(node.known(value, "a value"))
    return filled(wanted, held[0], node.dtype("dtype", str(held.dtype)))


@paddle.reads("full_like")
def full_like(node, x: Known, value: Known = None):
    held = np.ravel(node.known(value, "a value"))[0] if value is not None else _number(node, node.get("value"))
    shape, own = (x.shape, str(x.dtype)) if isinstance(x, np.ndarray) else (shape_of(x), type_of(x).dtype)
    return filled(tuple(shape), held, node.dtype("dtype", own if own != "object" else "int64"))


@paddle.reads("full_batch_size_like")
def full_batch_size_like(node, like):
    shape = list(node.integers("shape"))
    there, here = node.integer("input_dim_idx"), node.integer("output_dim_idx")
    if not 0 <= there < len(shape_of(like)) or not 0 <= here < len(shape):
        raise InputError(f"{node.type}: axis {there} for axis {here} of {shape}")
    shape[here] = shape_of(like)[there]
    value = _number(node, node.get("str_value") or node.get("value"))
    return filled(tuple(shape), value, node.dtype("dtype", "float32"))


_VALUES = ("values", "fp32_values", "int32_values", "int64_values", "fp64_values", "bool_values", "int8_values")


@paddle.reads("assign_value", "assign_value_")
def assign_value(node, output=None):
    """In version 2 each dtype has an attribute of its own."""
    dtype, shape = node.dtype("dtype", "float32"), node.integers("shape")
    held = next((found for name in _VALUES if (found := node.get(name))), [])
    if len(held) != product(shape):
        raise InputError(f"{node.type}: {len(held)} numbers for a tensor of shape {list(shape)}")
    return np.asarray(held, numpy_dtype(dtype)).reshape(shape)


@paddle.reads("empty")
def empty(node, shape: Known):
    return filled(node.sizes(shape, "a shape"), 0, node.dtype("dtype", "float32"))


@paddle.reads("arange", "range_v2")
def arange(node, start: Known, end: Known, step: Known):
    held = [np.ravel(node.known(one, "ends of a range"))[0] for one in (start, end, step)]
    first, last, pace = (one.item() if isinstance(one, np.generic) else one for one in held)
    dtype = node.dtype("dtype", "int64")
    if not isinstance(pace, Dim) and pace == 0:
        raise InputError("arange: a step of 0")
    if not any(isinstance(one, Dim) for one in (first, last, pace)):
        if abs((last - first) / pace) > 2**20:
            raise Refusal(notimpl("a long range"))
        return np.arange(first, last, pace).astype(numpy_dtype(dtype))
    return ops.Arange(first, last, pace, dtype)


@paddle.reads("linspace")
def linspace(node, start: Known, stop: Known, number: Known):
    first, last, count = node.scalar(start, "an end"), node.scalar(stop, "an end"), node.whole(number)
    if not isinstance(count, int) or not 0 < count <= 2**20:
        raise Refusal(notimpl(f"{count} numbers"))
    return np.linspace(first, last, count).astype(numpy_dtype(node.dtype("dtype", "float32")))


@paddle.reads("eye")
def eye(node, rows: Known = None, columns: Known = None):
    first = node.whole(rows) if rows is not None else node.integer("num_rows")
    second = node.whole(columns) if columns is not None else node.integer("num_columns", -1)
    return ops.Eye(first, first if second == -1 else second, node.dtype("dtype", "float32"))


@paddle.reads("tril")
def tril(node, x):
    return ops.Tril(x, node.integer("diagonal"))


@paddle.reads("triu")
def triu(node, x):
    return ops.Triu(x, node.integer("diagonal"))


@paddle.reads("tril_triu")
def tril_triu(node, x):
    return (ops.Tril if node.flag("lower", True) else ops.Triu)(x, node.integer("diagonal"))


@paddle.reads("one_hot")
def one_hot(node, x, classes: Known = None):
    count = node.whole(classes) if classes is not None else node.integer("num_classes", node.integer("depth"))
    if not isinstance(count, int) or count < 1:
        raise InputError(f"one_hot: {count} classes")
    if type_of(x).rank > 1 and shape_of(x)[-1] == 1 and node.get("column"):
        x = ops.Reshape(x, shape_of(x)[:-1])
    return ops.OneHot(x, count, "float32")


@paddle.reads("shape", "shape64")
def shape(node, x: Known):
    return array_of(list(x.shape if isinstance(x, np.ndarray) else shape_of(x)))


@paddle.reads("numel")
def numel(node, x: Known):
    return array_of(product(x.shape if isinstance(x, np.ndarray) else shape_of(x)))
