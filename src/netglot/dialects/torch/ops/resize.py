"""Resizing and sampling as PyTorch spells them: one ATen operator for each mode and number of axes.

An operator is told the sizes of the result, and perhaps the factors; with `.vec` it is told one or the other.
"""

from __future__ import annotations

import math
from fractions import Fraction

from netglot.dialects.torch.dialect import torch
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import floordiv
from netglot.pivot.op import shape_of


def _scaled(size, factor: float):
    """The floor of `size * factor`; for a symbolic size the factor must be a simple fraction."""
    if isinstance(size, int):
        return math.floor(size * factor)
    simple = Fraction(factor).limit_denominator(64)
    if float(simple) != factor:
        why = f"an axis of unknown length is resized by {factor}, which is no simple fraction"
        raise Refusal(notimpl(why, "give the input a fixed size along that axis"))
    return floordiv(size * simple.numerator, simple.denominator)


def _resize(x, sizes, scales, mode, align_corners=False, antialias=False):
    """`scales` that are the ratio of the sizes anyway, or that `align_corners` ignores, are left out."""
    rank = len(shape_of(x))
    axes = tuple(range(2, rank))
    before = [shape_of(x)[axis] for axis in axes]
    if sizes is None:
        sizes = [_scaled(size, factor) for size, factor in zip(before, scales, strict=True)]
    told = scales is not None and all(factor and factor > 0 for factor in scales)
    if align_corners or not told or all(map(_is_ratio, before, scales, sizes)):
        scales = None
    return ops.Resize(x, tuple(sizes), None if scales is None else tuple(scales), mode, align_corners, antialias, axes)


def _is_ratio(old, factor: float, new) -> bool:
    """Whether `factor` is `new / old` without rounding."""
    exact = Fraction(factor)
    return old * exact.numerator == new * exact.denominator


def _reads_nearest(private: str, mode: str) -> None:
    name = f"aten.{private}"

    @torch.reads(*(f"{name}{rank}d.vec" for rank in (1, 2, 3)))
    def vec(input, output_size, scale_factors):
        return _resize(input, output_size, scale_factors, mode)

    @torch.reads(f"{name}1d.default")
    def one(self, output_size, scales=None):
        return _resize(self, output_size, [scales], mode)

    @torch.reads(f"{name}2d.default")
    def two(self, output_size, scales_h=None, scales_w=None):
        return _resize(self, output_size, [scales_h, scales_w], mode)

    @torch.reads(f"{name}3d.default")
    def three(self, output_size, scales_d=None, scales_h=None, scales_w=None):
        return _resize(self, output_size, [scales_d, scales_h, scales_w], mode)


_reads_nearest("upsample_nearest", "nearest")
_reads_nearest("_upsample_nearest_exact", "nearest-exact")


def _reads_smooth(name: str, rank: int, mode: str, antialias: bool) -> None:
    @torch.reads(f"aten.{name}.vec")
    def vec(input, output_size, align_corners, scale_factors):
        return _resize(input, output_size, scale_factors, mode, align_corners, antialias)

    def one(self, output_size, align_corners, scales=None):
        return _resize(self, output_size, [scales], mode, align_corners, antialias)

    def two(self, output_size, align_corners, scales_h=None, scales_w=None):
        return _resize(self, output_size, [scales_h, scales_w], mode, align_corners, antialias)

    def three(self, output_size, align_corners, scales_d=None, scales_h=None, scales_w=None):
        return _resize(self, output_size, [scales_d, scales_h, scales_w], mode, align_corners, antialias)

    torch.reads(f"aten.{name}.default")((one, two, three)[rank - 1])


for _name, _rank, _mode, _antialias in [
    ("upsample_linear1d", 1, "linear", False),
    ("upsample_bilinear2d", 2, "linear", False),
    ("upsample_trilinear3d", 3, "linear", False),
    ("upsample_bicubic2d", 2, "cubic", False),
    ("_upsample_bilinear2d_aa", 2, "linear", True),
    ("_upsample_bicubic2d_aa", 2, "cubic", True),
]:
    _reads_smooth(_name, _rank, _mode, _antialias)


# Channels for space.


def _as_images(x, build):
    """`build` on a batch of images; PyTorch takes any number of axes before the last three."""
    shape = shape_of(x)
    if len(shape) == 4:
        return build(x)
    made = build(ops.Reshape(x, (math.prod(shape[:-3], start=1), *shape[-3:])))
    return ops.Reshape(made, (*shape[:-3], *shape_of(made)[1:]))


@torch.reads("aten.pixel_shuffle.default")
def pixel_shuffle(self, upscale_factor):
    return _as_images(self, lambda x: ops.PixelShuffle(x, upscale_factor, axis=1))


@torch.reads("aten.pixel_unshuffle.default")
def pixel_unshuffle(self, downscale_factor):
    return _as_images(self, lambda x: ops.PixelUnshuffle(x, downscale_factor, axis=1))


@torch.reads("aten.channel_shuffle.default", "aten.native_channel_shuffle.default")
def channel_shuffle(self, groups):
    batch, channels, *sizes = shape_of(self)
    apart = ops.Reshape(self, (batch, groups, channels // groups, *sizes))
    swapped = ops.Permute(apart, (0, 2, 1, *range(3, 3 + len(sizes))))
    return ops.Reshape(swapped, shape_of(self))


# Sampling at computed places.

MODES = ("linear", "nearest", "cubic")
PADDING_MODES = ("zeros", "border", "reflection")


@torch.reads("aten.grid_sampler.default", "aten.grid_sampler_2d.default", "aten.grid_sampler_3d.default")
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    return ops.GridSample(input, grid, MODES[interpolation_mode], PADDING_MODES[padding_mode], align_corners, axis=1)


@torch.reads("aten.affine_grid_generator.default")
def affine_grid_generator(theta, size, align_corners):
    return ops.AffineGrid(theta, tuple(size[2:]), align_corners)
