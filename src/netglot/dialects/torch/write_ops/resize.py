"""Resizing and sampling as PyTorch spells them: `F.interpolate` and its relatives, channels at axis 1."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import moved, order_for
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import shape_of
from netglot.pivot.windows import spatial_axes
from netglot.source.spell import Call, Layer, compact, options, unless

_MODES = {
    ("nearest", 1): "nearest",
    ("nearest", 2): "nearest",
    ("nearest", 3): "nearest",
    ("nearest-exact", 1): "nearest-exact",
    ("nearest-exact", 2): "nearest-exact",
    ("nearest-exact", 3): "nearest-exact",
    ("linear", 1): "linear",
    ("linear", 2): "bilinear",
    ("linear", 3): "trilinear",
    ("cubic", 2): "bicubic",
    ("area", 1): "area",
    ("area", 2): "area",
    ("area", 3): "area",
}


@torch.arranges(ops.Resize)
def space_last(op):
    rank = len(shape_of(op.x))
    rest = [axis for axis in range(rank) if axis not in op.axes]
    return moved(order_for(rank, rest, op.axes), "x", "out")


@torch.arranges(ops.PixelShuffle, ops.PixelUnshuffle, ops.GridSample)
def channels_second(op):
    rank = len(shape_of(op.x))
    return moved(order_for(rank, (0, op.axis), spatial_axes(rank, op.axis)), "x", "out")


@torch.lowers(ops.Resize)
def lower_resize(op):
    """Pictures without a batch or a channel axis are given them."""
    shape, n = shape_of(op.x), len(op.axes)
    missing = n + 2 - len(shape)
    if missing <= 0 or op.axes != tuple(range(len(shape) - n, len(shape))):
        return None
    axes = tuple(axis + missing for axis in op.axes)
    wide = op.replace(x=ops.Reshape(op.x, (*(1,) * missing, *shape)), axes=axes)
    return ops.Reshape(wide, (*shape[:-n], *op.size))


def _factors(op) -> list[float | int | None]:
    """The factor of each axis with which PyTorch computes the same places: the one given, or a whole one."""
    pairs = [(shape_of(op.x)[axis], new) for axis, new in zip(op.axes, op.size, strict=True)]
    if op.scale:
        return [int(s) if float(s).is_integer() else s for s in op.scale]
    return [_factor(old, new) for old, new in pairs]


def _factor(old, new) -> int | None:
    if isinstance(old, int) and isinstance(new, int):
        return new // old if new % old == 0 and new > old else None
    factor = new // old
    return factor if isinstance(factor, int) and factor > 1 and old * factor == new else None


@torch.writes(ops.Resize)
def resize(op):
    mode = _MODES.get((op.mode, len(op.axes)))
    if (
        mode is None
        or len(shape_of(op.x)) != len(op.axes) + 2
        or (op.antialias and mode not in ("bilinear", "bicubic"))
    ):
        kind = " with antialiasing" if op.antialias else ""
        raise Refusal(notimpl(f"resizing {len(op.axes)} axes by {op.mode} interpolation{kind}"))
    factors = _factors(op)
    by_factor = all(f is not None for f in factors) and not op.antialias
    size = {"scale_factor": compact(factors)} if by_factor else {"size": compact(op.size)}
    if not by_factor and any(isinstance(s, Dim) for s in op.size):
        size = {"size": tuple(op.size)}
    smooth = op.mode in ("linear", "cubic")
    given = size | options(
        mode=unless(mode, "nearest"),
        align_corners=unless(op.align_corners if smooth else None, None),
        antialias=unless(op.antialias, False),
    )
    function = Call("F.interpolate", (op.x,), given)
    if op.antialias or (not all(isinstance(s, int) for s in op.size) and not by_factor):
        return function
    return Layer("nn.Upsample", (op.x,), given, function=function)


@torch.writes(ops.PixelShuffle)
def pixel_shuffle(op):
    function = Call("F.pixel_shuffle", (op.x, op.factor))
    return Layer("nn.PixelShuffle", (op.x,), arguments=(op.factor,), function=function)


@torch.writes(ops.PixelUnshuffle)
def pixel_unshuffle(op):
    function = Call("F.pixel_unshuffle", (op.x, op.factor))
    return Layer("nn.PixelUnshuffle", (op.x,), arguments=(op.factor,), function=function)


_SAMPLING = {"linear": "bilinear", "nearest": "nearest", "cubic": "bicubic"}


@torch.writes(ops.GridSample)
def grid_sample(op):
    given = options(
        mode=unless(_SAMPLING[op.mode], "bilinear"),
        padding_mode=unless(op.padding_mode, "zeros"),
        align_corners=op.align_corners,
    )
    return Call("F.grid_sample", (op.x, op.grid), given)


@torch.writes(ops.AffineGrid)
def affine_grid(op):
    size = (shape_of(op.theta)[0], 1, *op.size)
    return Call("F.affine_grid", (op.theta, size), {"align_corners": op.align_corners})
