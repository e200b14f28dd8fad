"""Orders, along each axis and both ways."""

import numpy as np

from netglot.pivot.op import rand
from samples import call

X = rand(2, 5, 4)

SAMPLES = (
    [call("aten.sort.default", X, axis, descending) for axis in (1, -1) for descending in (False, True)]
    + [call("aten.sort.stable", X, stable=True, dim=1, descending=True)]
    + [call("aten.argsort.default", X, 1, True), call("aten.argsort.stable", X, stable=True, dim=1)]
    + [call("aten.topk.default", X, 3, 1, largest) for largest in (True, False)]
    + [call("aten.kthvalue.default", X, 2, 1, True), call("aten.median.dim", X, 2), call("aten.median.dim", X, 1, True)]
    + [
        call("aten.searchsorted.Tensor", np.array([1.0, 2.0, 3.0]), rand(2, 3) + 2, right=right)
        for right in (True, False)
    ]
    + [call("aten.bucketize.Tensor", rand(2, 3) + 2, np.array([1.0, 2.0, 3.0]))]
)
