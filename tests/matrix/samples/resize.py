"""Resizing by sizes and by factors, up and down, in every mode."""

from netglot.pivot.op import rand
from samples import call

IMAGE = rand(2, 3, 5, 7)
SIZES = {1: [8], 2: [8, 4], 3: [4, 5, 3]}
INPUTS = {1: rand(2, 3, 5), 2: IMAGE, 3: rand(2, 3, 5, 7, 4)}
FACTORS = ([2.0, 2.0], [1.7, 0.6], [0.5, 3.0])
GRID = rand(2, 3, 6, 2, low=-1.6, high=1.6)

SAMPLES = (
    [
        call(f"aten.{name}{rank}d.default", INPUTS[rank], SIZES[rank])
        for name in ("upsample_nearest", "_upsample_nearest_exact")
        for rank in (1, 2, 3)
    ]
    + [
        call(f"aten.{name}2d.vec", rand(1, 2, 7, n), None, factors)
        for name in ("upsample_nearest", "_upsample_nearest_exact")
        for n in (5, 7, 14, 22)
        for factors in FACTORS
    ]
    + [
        call("aten._upsample_nearest_exact2d.default", rand(1, 1, n, 4), [m, 9])
        for n, m in [(6, 22), (7, 3), (11, 33), (3, 41), (21, 49), (13, 26)]
    ]
    + [call("aten.upsample_nearest3d.vec", INPUTS[3], None, [2.0, 1.3, 0.5])]
    + [
        call(f"aten.{name}.default", INPUTS[rank], SIZES[rank], align_corners)
        for name, rank in [
            ("upsample_linear1d", 1),
            ("upsample_bilinear2d", 2),
            ("upsample_trilinear3d", 3),
            ("upsample_bicubic2d", 2),
            ("_upsample_bilinear2d_aa", 2),
            ("_upsample_bicubic2d_aa", 2),
        ]
        for align_corners in (False, True)
    ]
    + [
        call(f"aten.{name}.vec", IMAGE, None, align_corners, factors)
        for name in ("upsample_bilinear2d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
        for align_corners in (False, True)
        for factors in FACTORS
    ]
    + [call("aten.upsample_bilinear2d.vec", IMAGE, [1, 1], True, None)]
    + [call("aten.upsample_linear1d.vec", INPUTS[1], None, False, [1.7])]
    + [call("aten.upsample_trilinear3d.vec", INPUTS[3], None, False, [2.0, 0.5, 1.3])]
    + [call("aten.pixel_shuffle.default", x, 2) for x in (rand(2, 12, 3, 4), rand(12, 3, 4), rand(2, 2, 4, 3, 4))]
    + [call("aten.pixel_unshuffle.default", rand(2, 3, 6, 9), 3)]
    + [call("aten.channel_shuffle.default", rand(2, 6, 3, 4), 3)]
    + [
        call("aten.grid_sampler.default", IMAGE, GRID, mode, padding, align_corners)
        for mode in (0, 1, 2)
        for padding in (0, 1, 2)
        for align_corners in (False, True)
    ]
    + [
        call("aten.grid_sampler_3d.default", INPUTS[3], rand(2, 3, 2, 4, 3), mode, padding, align_corners)
        for mode, padding, align_corners in [(0, 0, False), (0, 2, True), (1, 1, False)]
    ]
    + [call("aten.affine_grid_generator.default", rand(2, 2, 3), [2, 3, 4, 5], ac) for ac in (False, True)]
    + [call("aten.affine_grid_generator.default", rand(2, 3, 4), [2, 3, 4, 1, 3], ac) for ac in (False, True)]
)
SAMPLES += [
    call("aten.upsample_nearest1d.vec", INPUTS[1], None, [1.5]),
    call("aten._upsample_nearest_exact1d.vec", INPUTS[1], [3], None),
    call("aten._upsample_nearest_exact3d.vec", INPUTS[3], None, [2.0, 1.3, 0.5]),
    call("aten.native_channel_shuffle.default", rand(2, 6, 3, 4), 2),
    call("aten.grid_sampler_2d.default", IMAGE, GRID, 0, 1, False),
]
