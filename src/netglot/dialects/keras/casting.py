"""Adding ops to a graph with the casts written down that Keras makes silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netglot.pivot import ops
from netglot.pivot.graph import Builder, Value
from netglot.pivot.op import FLOATS, Elementwise, Op, Predicate, TensorType, is_scalar, type_of

_MIXED = (ops.Concat, ops.Stack, ops.Matmul, ops.Einsum, ops.Linear, ops.Conv, ops.ConvTranspose, ops.Where)
"""Ops whose tensors must agree, besides those that work element by element."""

_FREE = {"condition", "indices", "index", "mask"}
"""Operands whose dtype is their own."""

_FLOATING = (
    "Exp Exp2 Expm1 Log Log1p Log2 Log10 Sqrt Rsqrt Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh "
    "Erf Erfc Erfinv Sigmoid Silu Gelu Elu Selu Softplus Softsign Mish Softmax LogSoftmax Mean Variance "
    "StandardDeviation LogSumExp Divide Reciprocal Atan2"
).split()
"""Ops that have no integer form."""


class Casting(Builder):
    """A builder that makes the tensors of an op agree by Keras's rules of promotion."""

    def __init__(self, names, nodes: list, promote: Callable[[list[Any]], str], floatx: str, *, scope=(), sites=()):
        super().__init__(names, scope=scope, sites=sites)
        self.nodes = nodes
        self.promote = promote
        self.floatx = floatx

    def _add(self, op: Op, built, types: tuple[TensorType, ...] | None = None, name: str | None = None):
        op = op.map_operands(lambda operand: self._resolve(operand, built))
        wanted = self._wanted(op)
        if wanted:
            op = _cast(op, wanted, self._cast_one)
        return super()._add(op, built, types, name)

    def _cast_one(self, value: Value, dtype: str) -> Value:
        return super()._add(ops.Cast(value, dtype), {})[0]

    def _wanted(self, op: Op) -> str | None:
        """The dtype that the tensors of `op` must have, or None where they agree."""
        if isinstance(op, ops.Cast) or not (isinstance(op, (Elementwise, *_MIXED)) or type(op).__name__ in _FLOATING):
            return None
        operands = [one for _, one in _castable(op)]
        tensors = [one for one in operands if not is_scalar(one)]
        if not tensors:
            return None
        dtypes = {type_of(one).dtype for one in tensors}
        wanted = self.promote(operands) if len(dtypes) > 1 or _meets_fractions(dtypes, operands) else dtypes.pop()
        if type(op).__name__ in _FLOATING and wanted not in FLOATS and not wanted.startswith("complex"):
            wanted = self.floatx
        if isinstance(op, Elementwise) and not isinstance(op, Predicate) and wanted == "bool" and _counts(op):
            wanted = "int32"
        return wanted if {type_of(one).dtype for one in tensors} != {wanted} else None


def _counts(op: Op) -> bool:
    return type(op).__name__ in ("Subtract", "Power", "FloorDivide", "Remainder", "Negative")


def _meets_fractions(dtypes: set[str], operands: list[Any]) -> bool:
    """Whether integers meet a fraction, or truth values a number."""
    (dtype,) = dtypes
    if dtype in FLOATS or dtype.startswith("complex"):
        return False
    numbers = [one for one in operands if is_scalar(one) and not isinstance(one, bool)]
    return any(isinstance(one, float) for one in numbers) or (dtype == "bool" and bool(numbers))


def _castable(op: Op):
    for field in op.operand_fields():
        held = getattr(op, field.name)
        if field.name in _FREE or held is None:
            continue
        for one in held if field.operand == "many" else (held,):
            if one is not None:
                yield field, one


def _cast(op: Op, wanted: str, cast: Callable[[Value, str], Value]) -> Op:
    def convert(one):
        return one if one is None or is_scalar(one) or type_of(one).dtype == wanted else cast(one, wanted)

    changes: dict[str, Any] = {}
    for field in op.operand_fields():
        held = getattr(op, field.name)
        if field.name not in _FREE and held is not None:
            changes[field.name] = tuple(convert(one) for one in held) if field.operand == "many" else convert(held)
    return op.replace(**changes)
