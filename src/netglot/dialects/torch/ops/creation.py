"""ATen's tensors made from sizes and numbers. Where no dtype is given, numbers say it: floats are float32."""

from __future__ import annotations

import math

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import DEFAULT_FLOAT
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import INTEGERS, is_scalar, shape_of, type_of


def _number(value, dtype: str):
    """A Python number of the kind that `dtype` holds."""
    if dtype == "bool":
        return bool(value)
    return value if dtype in INTEGERS and not isinstance(value, float | bool) else _as(value, dtype)


def _as(value, dtype):
    return int(value) if dtype in INTEGERS else float(value)


def _kind(*values) -> str:
    """The dtype that PyTorch gives to numbers."""
    if any(isinstance(v, float) for v in values):
        return DEFAULT_FLOAT
    return "bool" if all(isinstance(v, bool) for v in values) else "int64"


def full_of(shape, value, dtype: str):
    """A tensor full of one number, or of a tensor of one number."""
    if not is_scalar(value):
        return ops.Broadcast(ops.Reshape(ops.Cast(value, dtype=dtype), shape=()), shape=tuple(shape))
    return ops.Full(tuple(shape), value=_number(value, dtype), dtype=dtype)


@torch.reads("aten.full.default")
def full(size, fill_value, *, dtype=None):
    return full_of(size, fill_value, dtype or _kind(fill_value))


@torch.reads("aten.zeros.default")
def zeros(size, *, dtype=None):
    return full_of(size, 0, dtype or DEFAULT_FLOAT)


@torch.reads("aten.ones.default")
def ones(size, *, dtype=None):
    return full_of(size, 1, dtype or DEFAULT_FLOAT)


@torch.reads("aten.empty.memory_format")
def empty(size, *, dtype=None):
    return full_of(size, 0, dtype or DEFAULT_FLOAT)


@torch.reads("aten.full_like.default")
def full_like(self, fill_value, *, dtype=None):
    return full_of(shape_of(self), fill_value, dtype or type_of(self).dtype)


@torch.reads("aten.zeros_like.default", "aten.empty_like.default")
def zeros_like(self, *, dtype=None):
    return full_of(shape_of(self), 0, dtype or type_of(self).dtype)


@torch.reads("aten.ones_like.default")
def ones_like(self, *, dtype=None):
    return full_of(shape_of(self), 1, dtype or type_of(self).dtype)


@torch.reads("aten.new_full.default")
def new_full(self, size, fill_value, *, dtype=None):
    return full_of(size, fill_value, dtype or type_of(self).dtype)


@torch.reads("aten.new_zeros.default", "aten.new_empty.default")
def new_zeros(self, size, *, dtype=None):
    return full_of(size, 0, dtype or type_of(self).dtype)


@torch.reads("aten.new_ones.default")
def new_ones(self, size, *, dtype=None):
    return full_of(size, 1, dtype or type_of(self).dtype)


@torch.reads("aten.fill.Scalar", "aten.fill.Tensor")
def fill(self, value):
    return full_of(shape_of(self), value, type_of(self).dtype)


@torch.reads("aten.zero.default")
def zero(self):
    return full_of(shape_of(self), 0, type_of(self).dtype)


@torch.reads("aten.scalar_tensor.default")
def scalar_tensor(s, *, dtype=None):
    return full_of((), s, dtype or DEFAULT_FLOAT)


def _arange(start, end, step, dtype):
    if not all(is_scalar(v) for v in (start, end, step)):
        raise Refusal(_RANGE_OF_DATA)
    dtype = dtype or _kind(start, end, step).replace("bool", "int64")
    if dtype in INTEGERS:
        start, end, step = (int(v) if isinstance(v, float) and v.is_integer() else v for v in (start, end, step))
    if dtype in INTEGERS and any(isinstance(v, float) for v in (start, end, step)):
        # PyTorch counts the numbers before it drops the fractions.
        count, start, step = math.ceil((end - start) / step), int(start), int(step)
        if step == 0:
            return full_of((count,), start, dtype)
        end = start + count * step
    return ops.Arange(start, end, step, dtype=dtype)


_RANGE_OF_DATA = never("the size of the result depends on the numbers in a tensor")


@torch.reads("aten.arange.default")
def arange(end, *, dtype=None):
    return _arange(0, end, 1, dtype)


@torch.reads("aten.arange.start")
def arange_start(start, end, *, dtype=None):
    return _arange(start, end, 1, dtype)


@torch.reads("aten.arange.start_step")
def arange_step(start, end, step=1, *, dtype=None):
    return _arange(start, end, step, dtype)


@torch.reads("aten.linspace.default")
def linspace(start, end, steps, *, dtype=None):
    if dtype in INTEGERS:
        raise Refusal(notimpl("linspace of integers"))
    return ops.Linspace(float(start), float(end), steps, dtype=dtype or DEFAULT_FLOAT)


@torch.reads("aten.linspace.Tensor_Tensor", "aten.linspace.Tensor_Scalar", "aten.linspace.Scalar_Tensor")
def linspace_between(start, end, steps, *, dtype=None):
    dtype = dtype or DEFAULT_FLOAT
    if dtype in INTEGERS:
        raise Refusal(notimpl("linspace of integers"))

    def number(x):
        return float(x) if is_scalar(x) else ops.Cast(x, dtype=dtype)

    places = ops.Linspace(0.0, 1.0, steps, dtype=dtype)
    return ops.Add(ops.Multiply(places, ops.Subtract(number(end), number(start))), number(start))


@torch.reads("aten.logspace.default")
def logspace(start, end, steps, base=10.0, *, dtype=None):
    if dtype in INTEGERS:
        raise Refusal(notimpl("logspace of integers"))
    return ops.Power(float(base), ops.Linspace(float(start), float(end), steps, dtype=dtype or DEFAULT_FLOAT))


@torch.reads("aten.logspace.Tensor_Tensor", "aten.logspace.Tensor_Scalar", "aten.logspace.Scalar_Tensor")
def logspace_between(start, end, steps, base=10.0, *, dtype=None):
    return ops.Power(float(base), linspace_between(start, end, steps, dtype=dtype))


@torch.reads("aten.eye.default")
def eye(n, *, dtype=None):
    return ops.Eye(n, n, dtype=dtype or DEFAULT_FLOAT)


@torch.reads("aten.eye.m")
def eye_rectangular(n, m, *, dtype=None):
    return ops.Eye(n, m, dtype=dtype or DEFAULT_FLOAT)


@torch.reads("aten.tril.default")
def tril(self, diagonal=0):
    return ops.Tril(self, diagonal=diagonal)


@torch.reads("aten.triu.default")
def triu(self, diagonal=0):
    return ops.Triu(self, diagonal=diagonal)


_INT64 = 4
"""The dtype's number, which is the default in the schema."""


def _corner_places(kept, row, col, dtype):
    """The rows and the columns of the places that `kept` tells apart, as two rows of numbers."""
    dtype = "int64" if dtype in (None, _INT64) else dtype
    places = [(i, j) for i in range(row) for j in range(col) if kept(i, j)]
    if not places:
        return ops.Full((2, 0), value=0, dtype=dtype)
    lines = [
        ops.Stack(tuple(ops.Full((), value=n, dtype=dtype) for n in line), axis=0) for line in zip(*places, strict=True)
    ]
    return ops.Stack(tuple(lines), axis=0)


@torch.reads("aten.tril_indices.default")
def tril_indices(row, col, offset=0, *, dtype=_INT64):
    return _corner_places(lambda i, j: j - i <= offset, row, col, dtype)


@torch.reads("aten.triu_indices.default")
def triu_indices(row, col, offset=0, *, dtype=_INT64):
    return _corner_places(lambda i, j: j - i >= offset, row, col, dtype)


@torch.reads("aten.one_hot.default")
def one_hot(self, num_classes=-1):
    if num_classes == -1:
        raise Refusal(
            never("the number of classes depends on the numbers in the tensor", "give num_classes to one_hot")
        )
    return ops.OneHot(self, classes=num_classes, dtype="int64")
