"""The casts that PyTorch makes silently, written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from netglot.pivot import ops
from netglot.pivot.graph import Builder, Value
from netglot.pivot.op import Elementwise, Op, Predicate, is_scalar, type_of

if TYPE_CHECKING:
    from netglot.dialects.torch.read import Reader


def dtype_name(dtype: torch.dtype) -> str:
    """A torch dtype by its pivot name."""
    return str(dtype).removeprefix("torch.")


class Casting(Builder):
    """Writes down the casts that PyTorch makes silently when dtypes differ."""

    def __init__(self, reader: Reader, scope, sites):
        super().__init__(reader.names, scope=scope, sites=sites)
        self.nodes = reader.nodes

    def build(self, op: Op, built: dict, types, name: str) -> tuple[Value, ...]:
        """Adds `op`. `types` are the types of its results as PyTorch has them, where they are known."""
        if types is not None and len(types) != len(op.results):
            types = None
        return self._add(op, built, types, name)

    def _add(self, op: Op, built, types=None, name=None):
        op = op.map_operands(lambda operand: self._resolve(operand, built))
        wanted = common_dtype(op, types[0].dtype if types else None)
        if wanted:
            op = _cast_operands(op, wanted, lambda v: super(Casting, self)._add(ops.Cast(v, wanted), {})[0])
        return super()._add(op, built, types, name)


_CASTLESS = {"condition", "indices", "index"}


_JOINING = ("Concat", "Stack")


def common_dtype(op: Op, result: str | None) -> str | None:
    """The dtype to which the operands of `op` must be cast, or None where nothing differs."""
    if not (isinstance(op, Elementwise) or type(op).__name__ in _JOINING) or type(op).__name__ == "Cast":
        return None
    operands = [v for f, v in _castable(op)]
    dtypes = {type_of(v).dtype for v in operands}
    if isinstance(op, Predicate) or op_result_is_free(op):
        if len(dtypes) <= 1:
            return _scalar_promotes(op, operands)
        return _promoted(operands)
    wanted = result or (_promoted(operands) if len(dtypes) > 1 else None)
    return wanted if wanted and dtypes and dtypes != {wanted} else None


def op_result_is_free(op: Op) -> bool:
    """Whether the dtype of the result says nothing of the operands', as for shifts of truth values."""
    return type(op).__name__ in ("IsNan", "IsInf", "IsFinite", "Complex")


def _scalar_promotes(op: Op, operands) -> str | None:
    """A comparison of integers with a fraction happens in floating point."""
    floats = any(isinstance(o, float) and not o.is_integer() for o in op.operands())
    if operands and floats and not type_of(operands[0]).dtype.startswith(("float", "bfloat", "complex")):
        return "float32"
    return None


def _castable(op: Op):
    for f in op.operand_fields():
        held = getattr(op, f.name)
        if f.name in _CASTLESS or held is None:
            continue
        for one in held if f.operand == "many" else (held,):
            if one is not None and not is_scalar(one):
                yield f, one


def _promoted(operands) -> str:
    """PyTorch's promotion: tensors with axes outrank those without, within a kind of number."""
    examples = [torch.empty((1,) * min(type_of(o).rank, 1), dtype=getattr(torch, type_of(o).dtype)) for o in operands]
    result = examples[0]
    dtype = result.dtype
    for example in examples[1:]:
        dtype = torch.result_type(result, example)
        result = torch.empty((1,) * max(result.dim(), example.dim()), dtype=dtype)
    return dtype_name(dtype)


def _cast_operands(op: Op, wanted: str, cast) -> Op:
    changes = {}
    for f in op.operand_fields():
        held = getattr(op, f.name)
        if f.name in _CASTLESS or held is None:
            continue

        def convert(one):
            return one if one is None or is_scalar(one) or type_of(one).dtype == wanted else cast(one)

        changes[f.name] = tuple(convert(one) for one in held) if f.operand == "many" else convert(held)
    return op.replace(**changes)
