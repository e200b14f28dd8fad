"""What the Keras dialect writes computes what the pivot means, in double precision."""

import inspect

import numpy as np
import pytest
from harness import all_cases, as_tuple, difference, evaluate, in_floats, in_keras, reference, resolve, to_graph

from netglot.dialects.dialect import all_ops, same
from netglot.dialects.keras import ops as _families  # noqa: F401
from netglot.dialects.keras.dialect import keras as dialect
from netglot.errors import Refusal

CASES = [(name, op) for name, op in all_cases() if dialect.status(type(op))[0] != "refused"]

TOLERANCE = 1e-9
SINGLE = {
    "Gelu": "Keras's exact GELU holds 1/sqrt(2) in single precision",
    "Attention": "TensorFlow rounds the scale of attention to single precision",
    "LeakyRelu": "TensorFlow's leaky ReLU holds the slope in single precision",
}
"""Ops that Keras computes with single-precision constants inside, compared to 1e-6."""

ONLY_SINGLE = {
    ("MaxPool", 3): "TensorFlow has no MaxPool3D of doubles on a CPU",
    ("AvgPool", 3): "TensorFlow has no AvgPool3D of doubles on a CPU",
    ("AdaptiveMaxPool", 3): "TensorFlow has no MaxPool3D of doubles on a CPU",
    ("AdaptiveAvgPool", 3): "TensorFlow has no AvgPool3D of doubles on a CPU",
}
"""Ops, by the number of their axes, that Keras computes in single precision only, compared to 1e-5."""

INTEGER_WIDTHS = "iu"
"""Keras counts positions in int32 where the pivot says int64; the numbers are compared, not the width."""


@pytest.mark.parametrize("op", [op for _, op in CASES], ids=[name for name, _ in CASES])
def test_spelling_computes_the_reference(op):
    single = (type(op).__name__, len(getattr(op, "axes", None) or ())) in ONLY_SINGLE
    floatx = "float32" if single else "float64"
    expected = reference(in_floats(op, floatx))
    try:
        runs = in_keras(op, floatx=floatx)
    except Refusal as refusal:
        assert refusal.reason.text
        pytest.skip(str(refusal.reason))
    tolerance = 1e-5 if single else 1e-6 if type(op).__name__ in SINGLE else TOLERANCE
    for run in runs:
        for index, actual in run.items():
            wanted = expected[index]
            assert actual.dtype == wanted.dtype or {actual.dtype.kind, wanted.dtype.kind} <= set(INTEGER_WIDTHS)
            assert difference(actual, wanted) <= tolerance, f"result {index}"


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


@pytest.mark.parametrize("spelling", [s for s in dialect.readers if s.startswith(("ops.", "keras."))])
def test_signature_is_that_of_the_installed_keras(spelling):
    installed = inspect.signature(resolve(spelling)).parameters
    ours = inspect.signature(dialect.readers[spelling]).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in installed.values()):
        ours = {name: parameter for name, parameter in ours.items() if name in installed}
    for name, parameter in ours.items():
        assert name in installed, f"{spelling} has no parameter {name}"
        assert installed[name].default is parameter.default or same(parameter.default, installed[name].default)
    positions = [list(installed).index(name) for name in ours]
    assert positions == sorted(positions)
