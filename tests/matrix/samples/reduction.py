"""Reductions over some axes, with and without keeping them, and of integers."""

from netglot.pivot.op import rand
from samples import call

X, N, MASK = rand(2, 3, 4), rand(2, 3, 4, dtype="int64"), rand(2, 3, 4, dtype="bool")

SAMPLES = (
    [
        call(f"aten.{name}", X, axes, keepdim)
        for name in ("sum.dim_IntList", "mean.dim", "logsumexp.default", "amax.default", "amin.default")
        for axes, keepdim in (([1], False), ([0, -1], True))
    ]
    + [call("aten.sum.dim_IntList", x, [-1]) for x in (N, MASK)]
    + [call("aten.sum.default", x) for x in (N, MASK)]
    + [call("aten.sum.dim_IntList", X, None, True), call("aten.mean.dim", X, None)]
    + [call("aten.sum.dim_IntList", N, [0], dtype="float64")]
    + [call("aten.prod.dim_int", x, 1, True) for x in (X, N)]
    + [call("aten.count_nonzero.dim_IntList", N, [0, 2])]
    + [call("aten.trace.default", rand(3, 4))]
    + [
        call(f"aten.{name}.dim", x, 1, keepdim)
        for name in ("any", "all")
        for x in (MASK, N)
        for keepdim in (True, False)
    ]
    + [call(f"aten.{name}.dim", X, -1, keepdim) for name in ("max", "min") for keepdim in (True, False)]
    + [call(f"aten.{name}.default", X, 1, True) for name in ("argmax", "argmin")]
    + [call(f"aten.{name}.default", X) for name in ("argmax", "argmin")]
    + [
        call(f"aten.{name}.dim", X, [1, 2], unbiased, True)
        for name in ("var", "std", "var_mean", "std_mean")
        for unbiased in (True, False)
    ]
    + [
        call(f"aten.{name}.correction", X, [1], correction=correction, keepdim=True)
        for name in ("var", "std", "var_mean", "std_mean")
        for correction in (0, 2, None)
    ]
    + [call("aten.cov.default", rand(3, 5)), call("aten.cov.default", rand(3, 5), correction=0)]
    + [call("aten.corrcoef.default", rand(3, 5))]
    + [call("aten.norm.ScalarOpt_dim", X, p, [1, 2], True) for p in (2, 1, 3, None)]
    + [call("aten.linalg_vector_norm.default", X, p, [1], True) for p in (2, 1, 0.5, float("inf"), -float("inf"), 0)]
    + [call("aten.frobenius_norm.dim", X, [1, 2], True)]
    + [call(f"aten.{name}.default", x, 1) for name in ("cumsum", "cumprod") for x in (X, N)]
    + [call(f"aten.{name}.default", X, -2) for name in ("logcumsumexp", "cummax", "cummin")]
)
