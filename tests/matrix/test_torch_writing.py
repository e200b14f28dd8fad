"""What the PyTorch dialect writes computes what the pivot means, in double precision."""

import numpy as np
import pytest
from harness import all_cases, as_tuple, difference, evaluate, reference, to_graph
from harness_torch import run

from netglot.dialects.dialect import all_ops
from netglot.dialects.torch.dialect import torch as dialect
from netglot.errors import Refusal

CASES = [(name, op) for name, op in all_cases() if dialect.status(type(op))[0] != "refused"]

TOLERANCE = 1e-9
OPEN_TIES = {"TopK": "PyTorch leaves open which of equal elements comes first"}
"""Ops whose places are those of equal elements where they differ."""


@pytest.mark.filterwarnings("ignore:Since version 1.3.0, affine_grid")
@pytest.mark.parametrize("op", [op for _, op in CASES], ids=[name for name, _ in CASES])
def test_spelling_computes_the_reference(op):
    expected = reference(op)
    try:
        runs = run(op)
    except Refusal as refusal:
        assert refusal.reason.text
        pytest.skip(str(refusal.reason))
    for found in runs:
        for index, actual in found.items():
            wanted = expected[index]
            assert actual.dtype == wanted.dtype
            if type(op).__name__ in OPEN_TIES and index == 1:
                wanted, actual = (
                    np.take_along_axis(op.x, places.astype("int64"), op.axis) for places in (wanted, actual)
                )
            assert difference(actual, wanted) <= TOLERANCE, f"result {index}"


@pytest.mark.parametrize("learnt", [True, False], ids=["learnt", "computed"])
@pytest.mark.parametrize("op", [op for _, op in CASES], ids=[name for name, _ in CASES])
def test_lowering_means_the_same(op, learnt):
    lowering = dialect.lowerings.get(type(op))
    valued, arrays = to_graph(op, learnt=learnt)
    lowered = lowering(valued) if lowering else None
    if lowered is None:
        pytest.skip("written as it is")
    for tree, expected in zip(as_tuple(lowered), reference(op), strict=True):
        actual = np.asarray(evaluate(tree, arrays))
        assert actual.dtype == expected.dtype
        assert difference(actual, expected) <= TOLERANCE


@pytest.mark.parametrize("name", list(all_ops()))
def test_matrix_has_no_blank(name):
    assert dialect.status(all_ops()[name])[0] != "blank"


def test_not_every_case_of_a_mapped_op_is_refused():
    for name, kind in all_ops().items():
        if dialect.status(kind)[0] == "refused" or not kind.cases:
            continue
        refused = 0
        for case in kind.cases:
            try:
                lowering = dialect.lowerings.get(kind)
                if lowering is None or lowering(kind(**case)) is None:
                    dialect.spell(kind(**case))
            except Refusal:
                refused += 1
            except Exception:  # told by the tests above
                pass
        assert refused < len(kind.cases), f"every case of {name} is refused, so say so in the matrix"
