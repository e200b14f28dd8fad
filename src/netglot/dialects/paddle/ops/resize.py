"""Resizing, and trading channels for space."""

from __future__ import annotations

import math

from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.paddle.ops.conv import channel_axis, spatial
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import shape_of

Known = object
_MODES = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}


@paddle.reads("linear_interp", "bilinear_interp", "trilinear_interp", "nearest_interp", "bicubic_interp")
def interpolate(node, x, size: Known = None, sizes: Known = None, scale: Known = None):
    axes = spatial(node, x)
    kind = node.type.partition("_")[0]
    old = tuple(shape_of(x)[a] for a in axes)
    corners = node.flag("align_corners")
    factors = _factors(node, scale, len(axes))
    given = sizes if sizes else size
    if given is not None:
        new, factors = node.sizes(given, "sizes"), None
    elif factors:
        new = tuple(_scaled(one, factor) for one, factor in zip(old, factors, strict=True))
    else:
        new = tuple(node.integer(f"out_{name}", -1) for name in "dhw"[3 - len(axes) :])
    if len(new) != len(axes) or any(isinstance(one, int) and one < 1 for one in new):
        raise InputError(f"{node.type}: to {list(new)}")
    exact = factors is None or all(isinstance(s, int) and n == s * f for s, n, f in zip(old, new, factors, strict=True))
    if kind == "nearest" and corners:
        raise Refusal(notimpl("a nearest resizing that rounds with corners aligned"))
    if kind in ("linear", "bilinear", "trilinear") and not corners and node.integer("align_mode", 1) == 1:
        raise Refusal(notimpl("a linear resizing with align_mode 1", "use align_mode=0"))
    return ops.Resize(x, new, None if exact or corners else tuple(factors or ()), _MODES[kind], corners, False, axes)


def _factors(node, scale, rank: int) -> tuple[float, ...] | None:
    held = node.get("scale") or []
    held = [held] if isinstance(held, int | float) else list(held)
    if scale is not None:
        held = [float(one) for one in node.known(scale, "a factor").ravel()]
    held = held * rank if len(held) == 1 else held
    found = tuple(float(f"{one:.7g}") for one in held if one > 0)
    if found and len(found) != rank:
        raise InputError(f"{node.type}: the factors {held}")
    return found or None


def _scaled(size, factor: float):
    if isinstance(size, Dim):
        if factor != int(factor):
            raise Refusal(notimpl("a size that is not known times a fraction"))
        return size * int(factor)
    return math.floor(size * factor)


@paddle.reads("pixel_shuffle")
def pixel_shuffle(node, x):
    return ops.PixelShuffle(x, node.integer("upscale_factor", 1), channel_axis(node, x))


@paddle.reads("pixel_unshuffle")
def pixel_unshuffle(node, x):
    return ops.PixelUnshuffle(x, node.integer("downscale_factor", 1), channel_axis(node, x))


@paddle.reads("grid_sample")
def grid_sample(node, x, grid):
    mode = {"bilinear": "linear", "nearest": "nearest"}.get(node.text("mode", "bilinear"))
    if mode is None or node.text("padding_mode", "zeros") not in ("zeros", "border", "reflection"):
        raise InputError(f"grid_sample: the mode {node.text('mode')} with {node.text('padding_mode')}")
    return ops.GridSample(x, grid, mode, node.text("padding_mode", "zeros"), node.flag("align_corners", True), 1)


@paddle.reads("affine_grid")
def affine_grid(node, theta, shape: Known = None):
    size = node.sizes(shape, "a shape") if shape is not None else node.integers("output_shape")
    return ops.AffineGrid(theta, tuple(size)[2:], node.flag("align_corners", True))
