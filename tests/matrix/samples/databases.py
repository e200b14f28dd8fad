"""Calls that PyTorch's own test databases make and that no other list has."""

import numpy as np

from netglot.pivot.op import rand
from samples import call

X, GAPS = rand(2, 5, 4), np.where(rand(2, 5, 4) > 1.2, np.nan, rand(2, 5, 4, seed=1))
EMPTY_LINE = np.where(np.arange(4) == 2, np.nan, GAPS)

SAMPLES = [
    *[call("aten.nanmedian.dim", GAPS, axis, keep) for axis, keep in ((1, False), (2, True))],
    call("aten.nanmedian.default", GAPS),
    *[
        call("aten.nanquantile.default", x, np.array([0.2, 0.5]), axis, keep, interpolation=how)
        for x in (GAPS, EMPTY_LINE)
        for axis, keep in ((1, False), (2, True), (None, True))
        for how in ("linear", "nearest", "midpoint")
    ],
    call("aten.nanquantile.scalar", GAPS, 0.3, 1),
    call("aten.sum_to_size.default", X, [5, 1]),
    call("aten.diagflat.default", rand(2, 2), 1),
    call("aten.linalg_diagonal.default", X, offset=1),
    call("aten.linalg_diagonal.default", X, dim1=0, dim2=1),
    *[call(f"aten.{name}_indices.default", 3, 4, offset) for name in ("tril", "triu") for offset in (-1, 0, 2)],
    call("aten.tril_indices.default", 2, 3, -3),
    *[call("aten.pad.default", rand(2, 3, 4), [-1, 2, 2, -3], mode) for mode in ("replicate", "constant")],
    call("aten.pad.default", rand(2, 3, 4), [-4, 3], "replicate"),
    call("aten.pad.default", rand(2, 3, 4), [-1, 1], "circular"),
    call("aten.adaptive_max_pool1d.default", rand(2, 3, 7), [3]),
    call("aten.adaptive_max_pool2d.default", rand(2, 3, 7, 5), [3, 2]),
    call("aten.adaptive_max_pool3d.default", rand(1, 2, 5, 4, 3), [2, 3, 3]),
    call("aten.gather.default", X, 1, np.zeros((2, 0, 4), dtype="int64")),
]
