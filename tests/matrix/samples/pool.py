"""Pools with every argument moved from its default, on sizes that do not divide."""

import numpy as np

from netglot.pivot.op import rand
from samples import call

IMAGE, LINE, CUBE = rand(2, 3, 8, 9) - 3, rand(2, 3, 9) - 3, rand(2, 3, 5, 6, 7) - 3

SAMPLES = (
    [
        call(f"aten.max_pool2d{suffix}.default", IMAGE, [k], *rest)
        for suffix in ("", "_with_indices")
        for k, *rest in [(2,), (3, [2], [1]), (3, [2, 3], [1, 0], [1, 2], True), (2, [2], [1], [1], True), (3, [], 1)]
    ]
    + [call("aten.max_pool2d.default", IMAGE[0], [3, 2], [2, 1], [1, 0])]
    + [call("aten.max_pool2d.default", rand(1, 1, n, n), [2], [3], [1], [1], True) for n in range(2, 8)]
    + [call("aten.max_pool1d.default", LINE, [3], [2], [1], [1], True), call("aten.max_pool1d.default", LINE[0], [3])]
    + [call("aten.max_pool3d.default", CUBE, [2, 3, 2], [2, 2, 1], [0, 1, 1], [1, 1, 2], True)]
    + [call("aten.max_pool3d_with_indices.default", CUBE, [2, 3, 2], [2, 2, 1], [0, 1, 1])]
    + [
        call("aten.avg_pool2d.default", IMAGE, *rest)
        for rest in [
            ([2],),
            ([3], [2], [1]),
            ([3], [2], [1], False, False),
            ([3, 2], [2, 2], [1, 1], True, True),
            ([3, 2], [2, 2], [1, 1], True, False),
            ([3, 2], [2, 2], [1, 0], True, False, 5),
        ]
    ]
    + [call("aten.avg_pool2d.default", rand(1, 1, n, n), [2], [3], [1], True, True) for n in range(2, 8)]
    + [call("aten.avg_pool2d.default", rand(1, 1, n, n), [3], [2], [1], True, False) for n in range(3, 8)]
    + [call("aten.avg_pool1d.default", LINE, [4], [2], [2], True, True)]
    + [call("aten.avg_pool3d.default", CUBE, [2, 3, 2], [2, 2, 2], [1, 1, 1], True, False)]
    + [
        call(f"aten.adaptive_{kind}_pool2d.default", image, size)
        for kind in ("avg", "max")
        for image in (IMAGE, IMAGE[0])
        for size in ([1, 1], [4, 3], [3, 4], [11, 5])
    ]
    + [call(f"aten.adaptive_{kind}_pool1d.default", LINE, [4]) for kind in ("avg", "max")]
    + [call(f"aten.adaptive_{kind}_pool3d.default", CUBE, [2, 6, 3]) for kind in ("avg", "max")]
    + [
        call("aten._adaptive_avg_pool2d.default", IMAGE, [4, 3]),
        call("aten._adaptive_avg_pool3d.default", CUBE, [2] * 3),
    ]
)
SAMPLES += [
    call("aten.max_pool1d_with_indices.default", LINE, [3], [2], [1]),
    call("aten.max_unpool2d.default", rand(2, 3, 1, 3), np.broadcast_to([[[4, 0, 19]]], (2, 3, 1, 3)).copy(), [4, 5]),
    call(
        "aten.max_unpool3d.default",
        rand(1, 2, 1, 1, 2),
        np.broadcast_to([[[[7, 2]]]], (1, 2, 1, 1, 2)).copy(),
        [2, 2, 2],
        [2, 2, 2],
        [0, 0, 0],
    ),
]
