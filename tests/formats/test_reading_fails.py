"""What a reader of a model file stumbles over is refused as what it is."""

import pytest

from netglot.dialects.assembly import Assembly, fitting
from netglot.dialects.dialect import Dialect
from netglot.errors import Refusal
from netglot.pivot import ops


def test_options_that_do_not_fit_are_told_from_readers_that_fail():
    with pytest.raises(Refusal, match="do not fit its input: 3 parts"), fitting():
        assert not 3, "3 parts"
    with pytest.raises(Refusal, match="its reader fails: TypeError: object of type") as refused, fitting():
        len(None)  # type: ignore[arg-type]
    assert "report it" in refused.value.reason.advice


def test_a_failed_layer_leaves_nothing_behind():
    assembly = Assembly(Dialect("mine", "Mine"), "Network")
    x = assembly.input("x", (2, 3))
    with pytest.raises(Refusal, match="a reshape of"):
        assembly.build(ops.Reshape(ops.Relu(x), (7,)))
    assert not assembly.nodes
