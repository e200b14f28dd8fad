"""PyTorch's comparisons and truth values: Python's operators."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import fitted
from netglot.pivot import ops
from netglot.source.spell import Infix, Prefix

_OPERATORS = {
    ops.Equal: "==",
    ops.NotEqual: "!=",
    ops.Less: "<",
    ops.LessEqual: "<=",
    ops.Greater: ">",
    ops.GreaterEqual: ">=",
    ops.LogicalAnd: "&",
    ops.LogicalOr: "|",
    ops.LogicalXor: "^",
}


@torch.writes(*_OPERATORS)
def operator(op):
    return Infix(_OPERATORS[type(op)], *fitted(op))


@torch.writes(ops.LogicalNot)
def logical_not(op):
    return Prefix("~", op.x)
