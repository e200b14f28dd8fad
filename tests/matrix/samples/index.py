"""Slices, gathers and scatters."""

import numpy as np

from netglot.pivot.op import rand
from samples import call

X = rand(3, 4, 5)
INTEGERS = rand(3, 4, dtype="int64", low=-9, high=9)
MASK = rand(3, 4, dtype="bool")


def places(*shape, below):
    """Positions below a size."""
    return rand(*shape, dtype="int64", low=0, high=below - 1, seed=3)


SAMPLES = [
    call("aten.slice.Tensor", X, 1, 1, 3),
    call("aten.slice.Tensor", X, -1, -3, 2**63 - 1),
    call("aten.slice.Tensor", X, 2, None, -1, 2),
    call("aten.slice.Tensor", X, 1, -9, 99),
    call("aten.slice.Tensor", X, 1, 3, 1),
    call("aten.slice.Tensor", X),
    call("aten.narrow.default", X, 1, -2, 2),
    call("aten.narrow.default", X, 2, 1, 3),
    call("aten.select.int", X, 1, -1),
    call("aten.select.int", X, -1, 2),
    call("aten.slice_scatter.default", X, rand(3, 2, 5, seed=1), 1, 1, 3),
    call("aten.slice_scatter.default", X, rand(3, 2, 5, seed=1), 1, 0, -1, 2),
    call("aten.slice_scatter.default", X, rand(3, 4, 5, seed=1)),
    call("aten.select_scatter.default", X, rand(3, 5, seed=1), 1, -1),
    call("aten.diagonal_scatter.default", rand(3, 5), rand(3, seed=1), 1),
    call("aten.diagonal_scatter.default", X, rand(4, 3, seed=1), -1, 2, 0),
    call("aten.index_select.default", X, -1, places(3, below=5)),
    call("aten.index_select.default", X, 0, np.array(2)),
    call("aten.gather.default", X, 1, places(3, 6, 5, below=4)),
    call("aten.gather.default", X, -1, places(2, 3, 2, below=5)),
    call("aten.take_along_dim.default", X, places(1, 2, 5, below=4), 1),
    call("aten.take_along_dim.default", X, places(4, below=60)),
    call("aten.take.default", X, places(2, 2, below=60)),
    *(
        call("aten.index.Tensor", X, indices)
        for indices in (
            [places(2, below=3)],
            [None, places(2, 3, below=4)],
            [places(2, below=3), np.array([-1, 0])],
            [places(2, below=3), None, places(2, below=5)],
            [None, places(2, 1, below=4), places(3, below=5)],
            [np.array(1), None, places(2, below=5)],
        )
    ),
    call("aten.index.Tensor", X, [MASK]),
    call("aten.index_put.default", X, [places(2, below=3)], rand(2, 4, 5, seed=1)),
    call("aten.index_put.default", X, [np.array([0, 2]), np.array([1, -1])], rand(5, seed=1)),
    call("aten.index_put.default", X, [None, np.array([0, 0])], rand(3, 2, 5, seed=1), True),
    call("aten.index_put.default", X, [np.array([0, 0]), None, np.array([1, 1])], rand(2, 4, seed=1), True),
    call("aten.index_put.default", X, [MASK], rand(5, seed=1)),
    call("aten.index_put.default", X, [MASK], rand(1, 5, seed=1)),
    call("aten.index_put.default", X, [None, rand(4, dtype="bool", seed=2)], rand(3, 1, 5, seed=1)),
    call("aten.index_put.default", X, [X > 0], rand(seed=1)),
    call("aten.index_put.default", X, [X > 0], rand(1, seed=1), True),
    call("aten.index_put.default", X, [None, None, np.array([1])], rand(seed=1)),
    call("aten.masked_fill.Scalar", X, X > 0, float("-inf")),
    call("aten.masked_fill.Scalar", rand(4), MASK, 2),
    call("aten.masked_fill.Tensor", X, X > 0, rand()),
    call("aten.masked_fill.Scalar", INTEGERS, MASK, 2.0),
    call("aten.masked_scatter.default", rand(3, 4), MASK, rand(12, seed=1)),
    call("aten.masked_scatter.default", X, rand(5, dtype="bool"), rand(70, seed=1)),
    call("aten.index_add.default", X, 1, np.array([0, 0, 3]), rand(3, 3, 5, seed=1), alpha=2),
    call("aten.index_add.default", X, -1, np.array([1]), rand(3, 4, 1, seed=1)),
    call("aten.index_copy.default", X, 1, np.array([2, 0]), rand(3, 2, 5, seed=1)),
    call("aten.index_fill.int_Scalar", X, 1, np.array([2, 0]), 1.5),
    call("aten.index_fill.int_Tensor", X, -1, np.array([2]), rand()),
    call("aten.put.default", rand(3, 4), np.array([[0, -1]]), rand(1, 2, seed=1)),
    call("aten.put.default", rand(3, 4), np.array([1, 1]), rand(2, seed=1), True),
    call("aten.scatter.src", rand(3, 4), 1, np.array([[1, 0], [3, 2]]), rand(3, 3, seed=1)),
    call("aten.scatter.value", rand(3, 4), 0, np.array([[1, 0, 2]]), 2.5),
    call("aten.scatter.reduce", rand(3, 4), 1, places(3, 5, below=4), rand(3, 5, seed=1), reduce="add"),
    call("aten.scatter.value_reduce", rand(3, 4), 1, places(3, 5, below=4), 2, reduce="multiply"),
    call("aten.scatter_add.default", X, 1, places(3, 6, 5, below=4), rand(3, 6, 5, seed=1)),
    *(
        call("aten.scatter_reduce.two", X, 1, places(2, 6, 5, below=3), rand(3, 6, 5, seed=1), r, include_self=s)
        for r in ("sum", "prod", "amax", "amin", "mean")
        for s in (True, False)
    ),
    call("aten.scatter_reduce.two", INTEGERS, 1, places(3, 2, below=4), INTEGERS, "amax", include_self=False),
    *(
        call("aten.index_reduce.default", X, 1, np.array([0, 2, 2]), rand(3, 3, 5, seed=1), r, include_self=s)
        for r in ("prod", "amax", "amin", "mean")
        for s in (True, False)
    ),
]
