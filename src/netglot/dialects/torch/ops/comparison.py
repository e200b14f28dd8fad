"""ATen's comparisons and logic."""

from __future__ import annotations

import math

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import as_bool, as_float, is_float
from netglot.pivot import ops
from netglot.pivot.op import shape_of

_COMPARISONS = {
    "eq": ops.Equal,
    "ne": ops.NotEqual,
    "not_equal": ops.NotEqual,
    "lt": ops.Less,
    "less": ops.Less,
    "le": ops.LessEqual,
    "less_equal": ops.LessEqual,
    "gt": ops.Greater,
    "greater": ops.Greater,
    "ge": ops.GreaterEqual,
    "greater_equal": ops.GreaterEqual,
}

_LOGIC = {"logical_and": ops.LogicalAnd, "logical_or": ops.LogicalOr, "logical_xor": ops.LogicalXor}


def _comparison(kind):
    return lambda self, other: kind(self, other)


def _logic(kind):
    return lambda self, other: kind(as_bool(self), as_bool(other))


for _name, _kind in _COMPARISONS.items():
    torch.reads(f"aten.{_name}.Tensor", f"aten.{_name}.Scalar")(_comparison(_kind))
for _name, _kind in _LOGIC.items():
    torch.reads(f"aten.{_name}.default")(_logic(_kind))


@torch.reads("aten.logical_not.default")
def logical_not(self):
    return ops.LogicalNot(as_bool(self))


@torch.reads("aten.isclose.default")
def isclose(self, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    x, y = as_float(self), as_float(other)
    bound = ops.Add(ops.Multiply(ops.Abs(y), rtol), atol)
    near = ops.LogicalAnd(ops.LessEqual(ops.Abs(ops.Subtract(x, y)), bound), ops.IsFinite(y))
    close = ops.LogicalOr(ops.Equal(x, y), near)
    both = ops.LogicalAnd(ops.IsNan(x), ops.IsNan(y))
    return ops.LogicalOr(close, both) if equal_nan and is_float(self) else close


@torch.reads("aten.isin.Tensor_Tensor")
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    rank, count = len(shape_of(elements)), math.prod(shape_of(test_elements))
    each = ops.Reshape(elements, shape=(*shape_of(elements), 1))
    found = ops.Any(ops.Equal(each, ops.Reshape(test_elements, shape=(count,))), axes=(rank,), keepdims=False)
    return ops.LogicalNot(found) if invert else found


@torch.reads("aten.isin.Tensor_Scalar")
def isin_scalar(elements, test_element, *, assume_unique=False, invert=False):
    return ops.NotEqual(elements, test_element) if invert else ops.Equal(elements, test_element)
