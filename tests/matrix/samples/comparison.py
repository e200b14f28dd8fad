"""Comparisons with numbers, of floats and of integers."""

from netglot.pivot.op import rand
from samples import call

X, N = rand(3, 4), rand(3, 4, dtype="int64")
NAMES = ["eq", "ne", "not_equal", "lt", "less", "le", "less_equal", "gt", "greater", "ge", "greater_equal"]

SAMPLES = [call(f"aten.{name}.Scalar", x, 1) for name in NAMES for x in (X, N)] + [
    call("aten.isin.Tensor_Scalar", N, 1),
    call("aten.isin.Tensor_Tensor", N, rand(2, dtype="int64")),
    call("aten.logical_not.default", N),
    call("aten.logical_and.default", N, rand(3, 4, dtype="int64", seed=1)),
]
