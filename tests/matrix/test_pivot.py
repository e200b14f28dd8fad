"""Every op keeps its own promises: its inferred types are those of its reference, also with symbolic sizes."""

import numpy as np
import pytest
from harness import all_cases, reference

from netglot.dialects.dialect import all_ops
from netglot.pivot.dims import Dim, substitute
from netglot.pivot.op import TensorType, numpy_dtype, type_of

CASES = list(all_cases())


@pytest.mark.parametrize("op", [op for _, op in CASES], ids=[name for name, _ in CASES])
def test_inferred_types_are_those_of_the_reference(op):
    for inferred, result in zip(op.result_types(), reference(op), strict=True):
        assert tuple(inferred.shape) == result.shape
        assert numpy_dtype(inferred.dtype) == result.dtype


@pytest.mark.parametrize(
    "op", [op for _, op in CASES if list(op.operands())], ids=[n for n, o in CASES if list(o.operands())]
)
def test_inference_carries_a_symbolic_batch(op):
    if op.layout == "fixed" or not type_of(next(op.operands())).rank:
        pytest.skip("the first axis is no batch")
    name, first = op.operand_fields()[0].name, next(op.operands())
    size = np.shape(first)[0]

    def symbolic(operand):
        kind = type_of(operand)
        if kind.rank == len(np.shape(first)) and kind.shape[0] == size and not isinstance(operand, int | float):
            return TensorType(kind.dtype, (Dim.symbol("b"), *kind.shape[1:]))
        return operand

    held = getattr(op, name)
    changed = op.replace(**{name: tuple(map(symbolic, held)) if isinstance(held, tuple) else symbolic(held)})
    if op.layout == "elementwise":
        changed = op.map_operands(symbolic)
    for inferred, result in zip(changed.result_types(), reference(op), strict=True):
        assert tuple(substitute(s, {"b": size}) for s in inferred.shape) == result.shape


@pytest.mark.parametrize("name", list(all_ops()))
def test_every_op_has_a_docstring_and_cases(name):
    kind = all_ops()[name]
    assert kind.__doc__ and not kind.__doc__.startswith(f"{name}(")
    assert kind.cases or kind.random, f"{name} is tested on nothing"
