"""Keras's comparisons. Equality is spelled as a function, because `==` of symbolic tensors compares objects."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.ops.arithmetic import adapted
from netglot.pivot import ops
from netglot.pivot.op import is_scalar, type_of
from netglot.source.spell import Infix, call

_OPERATORS = {ops.Less: "<", ops.LessEqual: "<=", ops.Greater: ">", ops.GreaterEqual: ">="}

_FUNCTIONS = {
    ops.Equal: "ops.equal",
    ops.NotEqual: "ops.not_equal",
    ops.LogicalAnd: "ops.logical_and",
    ops.LogicalOr: "ops.logical_or",
    ops.LogicalXor: "ops.logical_xor",
    ops.LogicalNot: "ops.logical_not",
}


@keras.lowers(*_OPERATORS)
def lower_order(op):
    """TensorFlow does not order truth values."""
    operands = [o for o in op.operands() if not is_scalar(o)]
    if any(type_of(o).dtype == "bool" for o in operands):
        return op.map_operands(lambda o: int(o) if is_scalar(o) else ops.Cast(o, dtype="int32"))
    return None


@keras.writes(*_OPERATORS)
def order(op):
    return Infix(_OPERATORS[type(op)], *adapted(op))


@keras.writes(*_FUNCTIONS)
def function(op):
    return call(_FUNCTIONS[type(op)], *adapted(op))
