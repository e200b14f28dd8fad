"""Tensors made from nothing, or in the likeness of another."""

import numpy as np

from netglot.pivot.op import rand
from samples import call

X, N = rand(2, 3), rand(2, 3, dtype="int64")

WINDOWS = ("hann", "hamming", "blackman", "bartlett", "kaiser")

SAMPLES = (
    [call("aten.full.default", [2, 3], value, dtype=dtype) for value, dtype in ((1.5, "float64"), (2, "int64"))]
    + [call("aten.full.default", [2], value) for value in (1.5, 2, True)]
    + [call(f"aten.{name}.default", [2, 3]) for name in ("zeros", "ones")]
    + [call(f"aten.{name}.default", [2, 3], dtype="int64") for name in ("zeros", "ones")]
    + [call(f"aten.{name}_like.default", x) for name in ("zeros", "ones") for x in (X, N)]
    + [call("aten.zeros_like.default", X, dtype="bool")]
    + [call("aten.full_like.default", x, 2) for x in (X, N)]
    + [call("aten.new_full.default", x, [4], 2) for x in (X, N)]
    + [call(f"aten.new_{name}.default", N, [4], dtype="float64") for name in ("zeros", "ones")]
    + [call("aten.fill.Scalar", X, 2), call("aten.fill.Tensor", X, np.array(2.5))]
    + [call("aten.scalar_tensor.default", value, dtype="float64") for value in (1.5, 2)]
    + [call("aten.arange.default", 5), call("aten.arange.default", 4.5), call("aten.arange.start", 2, 7)]
    + [call("aten.arange.start_step", *bounds) for bounds in ((1, 9, 3), (5, -2, -2), (0.0, 1.0, 0.3))]
    + [call("aten.arange.default", 5, dtype="float64")]
    + [call("aten.linspace.default", -1, 2, n, dtype="float64") for n in (1, 5)]
    + [call("aten.logspace.default", -1, 2, 4, 3.0, dtype="float64")]
    + [call(f"aten.{name}_window.default", n, dtype="float64") for name in WINDOWS for n in (1, 7)]
    + [
        call(f"aten.{name}_window.periodic", n, p, dtype="float64")
        for name in WINDOWS
        for n, p in ((8, True), (5, False))
    ]
    + [call("aten.hamming_window.periodic_alpha", 6, True, 0.6, dtype="float64")]
    + [call("aten.hamming_window.periodic_alpha_beta", 5, False, 0.6, 0.4, dtype="float64")]
    + [call("aten.kaiser_window.beta", 6, False, 5.0, dtype="float64")]
    + [call("aten.eye.default", 3, dtype="float64"), call("aten.eye.m", 3, 4, dtype="float64")]
    + [call(f"aten.{name}.default", rand(2, 4, 5), k) for name in ("tril", "triu") for k in (-1, 0, 2)]
    + [call("aten.one_hot.default", np.array([2, 0, 1]), 4)]
)
