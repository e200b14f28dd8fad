"""Comparisons and logic of `keras.ops`."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.arithmetic import binary
from netglot.dialects.keras.functions.axes import truth
from netglot.pivot import ops

_COMPARE = {
    "equal": ops.Equal,
    "not_equal": ops.NotEqual,
    "less": ops.Less,
    "less_equal": ops.LessEqual,
    "greater": ops.Greater,
    "greater_equal": ops.GreaterEqual,
}
_LOGIC = {"logical_and": ops.LogicalAnd, "logical_or": ops.LogicalOr, "logical_xor": ops.LogicalXor}


def _declare() -> None:
    for name, op in _COMPARE.items():
        keras.reads(f"ops.{name}")(binary(op))
    for name, op in _LOGIC.items():
        keras.reads(f"ops.{name}")(_logic(op))


def _logic(op):
    return lambda x1, x2: op(truth(x1), truth(x2))


@keras.reads("ops.logical_not")
def logical_not(x):
    return ops.LogicalNot(truth(x))


@keras.reads("ops.isclose")
def isclose(x1, x2, rtol=1e-5, atol=1e-8, equal_nan=False):
    near = ops.LessEqual(ops.Abs(ops.Subtract(x1, x2)), ops.Add(ops.Multiply(ops.Abs(x2), rtol), atol))
    near = ops.LogicalOr(near, ops.Equal(x1, x2))
    return ops.LogicalOr(near, ops.LogicalAnd(ops.IsNan(x1), ops.IsNan(x2))) if equal_nan else near


_declare()
