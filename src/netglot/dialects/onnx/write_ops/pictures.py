"""Resizing and sampling as ONNX operators."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.versions import opset
from netglot.dialects.onnx.write_ops.terms import node
from netglot.errors import Refusal, never, notimpl
from netglot.passes.composed import neural
from netglot.pivot import ops
from netglot.pivot.op import shape_of
from netglot.pivot.ops.resize import nearest_indices


def _rank(x) -> int:
    return len(shape_of(x))


@onnx.lowers(ops.Resize)
def resize_in_pieces(op):
    if op.mode == "area":
        return ops.AdaptiveAvgPool(op.x, op.size, op.axes)
    if op.mode.startswith("nearest") and _may_round_otherwise(op):
        return _taken(op)
    plain = op.mode.startswith("nearest") or (len(op.axes) <= 2 and not op.antialias and op.mode == "linear")
    cubic = op.mode == "cubic" and len(op.axes) == 2 and not op.antialias and _rank(op.x) == 4
    if (plain and _rank(op.x) == len(op.axes) + 2) or cubic:
        return None
    if op.mode.startswith("nearest"):
        return None
    return neural.resize(op)


def _may_round_otherwise(op) -> bool:
    """Whether an element stands between two others, and which of both runtimes take depends on rounding.

    They divide by a factor in single precision, and seven times a seventh is less than one.
    """
    exact = Fraction(op.mode == "nearest-exact", 2)
    for number, (axis, new) in enumerate(zip(op.axes, op.size, strict=True)):
        old = shape_of(op.x)[axis]
        if not isinstance(old, int) or not isinstance(new, int):
            continue
        factor = Fraction(str(op.scale[number])) if op.scale else Fraction(new, old)
        if Fraction(float(np.float32(float(factor)))) == factor:
            continue
        places = [(place + exact) / factor for place in range(new)]
        if any(place.denominator == 1 and place for place in places):
            return True
    return False


def _taken(op):
    """The elements that stand at each place, one axis after the other."""
    x = op.x
    for number, (axis, new) in enumerate(zip(op.axes, op.size, strict=True)):
        old = shape_of(op.x)[axis]
        if not isinstance(old, int) or not isinstance(new, int):
            raise Refusal(notimpl("resizing by the nearest along axes of which some have open sizes", "fix the sizes"))
        scale = op.scale[number] if op.scale else None
        x = ops.Take(x, nearest_indices(old, new, scale, op.mode == "nearest-exact"), axis)
    return x


_MODES = {
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "nearest-exact": {
        "mode": "nearest",
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_ceil",
    },
    "linear": {"mode": "linear"},
    "cubic": {"mode": "cubic", "cubic_coeff_a": -0.75},
}


@onnx.writes(ops.Resize)
def resize(op):
    given = dict(_MODES[op.mode])
    if op.align_corners and not op.mode.startswith("nearest"):
        given["coordinate_transformation_mode"] = "align_corners"
    sizes = dict(zip(op.axes, op.size, strict=True))
    shape = shape_of(op.x)
    if op.scale:
        factors = dict(zip(op.axes, op.scale, strict=True))
        scales = np.asarray([factors.get(a, 1.0) for a in range(len(shape))], "float32")
        return node("Resize", op.x, None, scales, **given)
    return node("Resize", op.x, None, None, [sizes.get(a, shape[a]) for a in range(len(shape))], **given)


@onnx.writes(ops.PixelShuffle)
def pixel_shuffle(op):
    return node("DepthToSpace", op.x, blocksize=op.factor, mode="CRD")


_BEFORE_20 = {"linear": "bilinear", "cubic": "bicubic"}
"""How the modes of GridSample were called."""


@onnx.writes(ops.GridSample)
def grid_sample(op):
    if opset() < 20 and _rank(op.x) != 4:
        raise Refusal(never("sampling along three axes is of version 20 of the standard", "ask for --opset 20"))
    return node(
        "GridSample",
        op.x,
        op.grid,
        mode=op.mode if opset() >= 20 else _BEFORE_20.get(op.mode, op.mode),
        padding_mode=op.padding_mode,
        align_corners=int(op.align_corners),
    )
