"""Resizing, with the corners of all of TensorFlow's versions.

Where no resize of the pivot has a version's corners, each axis is a product with a matrix that the sizes determine.
"""

from __future__ import annotations

import numpy as np

from netglot.dialects.tensorflow.dialect import tensorflow
from netglot.dialects.tensorflow.known import plain
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, shape_of

Known = np.ndarray

_TABLE = 1024
"""TensorFlow rounds places between pixels to so many parts before it looks a cubic weight up."""


def _resized(images, size, mode, align_corners, half_pixel_centers):
    axes = (1, 2)
    new = tuple(plain(one) for one in size)
    if mode == "nearest" and not align_corners:
        return ops.Resize(images, new, None, "nearest-exact" if half_pixel_centers else "nearest", False, False, axes)
    if mode == "linear" and (align_corners or half_pixel_centers):
        return ops.Resize(images, new, None, "linear", bool(align_corners), False, axes)
    old = shape_of(images)[1:3]
    if not all(isinstance(one, int) for one in (*old, *new)):
        advice = "fix the sizes of the pictures: --input 1,224,224,3"
        raise Refusal(notimpl(f"resizing by {mode} with TensorFlow 1's corners, of sizes that are not known", advice))
    if mode == "linear" and all(want % size == 0 for size, want in zip(old, new, strict=True)):
        # the grid begins with the first pixel: one more at the end, and its corners are aligned
        longer = ops.Pad(images, (0, 0, 0, 0), (0, 1, 1, 0), "edge", 0.0)
        grown = ops.Resize(longer, tuple(want + 1 for want in new), None, "linear", True, False, axes)
        return ops.Slice(ops.Slice(grown, 1, 0, new[0], 1), 2, 0, new[1], 1)
    matrix = {"linear": _linear, "nearest": _nearest, "cubic": _cubic}[mode]
    rows, columns = (matrix(*sizes, align_corners, half_pixel_centers) for sizes in zip(old, new, strict=True))
    images = images if dtype_of(images).startswith("float") else ops.Cast(images, "float32")
    return ops.Einsum((columns, ops.Einsum((rows, images), "oh,bhwc->bowc")), "ow,bhwc->bhoc")


def _places(old: int, new: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Where each new pixel lies among the old ones, in the precision in which TensorFlow computes it."""
    one = np.float32
    scale = one(old - 1) / one(new - 1) if align_corners and new > 1 else one(old) / one(new)
    places = np.arange(new, dtype="float32")
    return (places + one(0.5)) * scale - one(0.5) if half_pixel_centers else places * scale


def _linear(old: int, new: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    places = _places(old, new, align_corners, half_pixel_centers)
    low = np.maximum(np.floor(places), 0).astype(int)
    made = np.zeros((new, old), "float32")
    part = places - np.floor(places)
    np.add.at(made, (np.arange(new), low), 1 - part)
    np.add.at(made, (np.arange(new), np.minimum(low + 1, old - 1)), part)
    return made


def _nearest(old: int, new: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    places = np.floor(_places(old, new, align_corners, False) + np.float32(0.5)).astype(int)
    made = np.zeros((new, old), "float32")
    made[np.arange(new), np.minimum(places, old - 1)] = 1
    return made


def _cubic(old: int, new: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Cubic convolution: of the sharpness -0.75 as it was first, of -0.5 where pixels have centres."""
    places = _places(old, new, align_corners, half_pixel_centers)
    first = np.floor(places).astype(int)
    parts = np.rint((places - first) * np.float32(_TABLE)).astype(int) / _TABLE
    a = -0.5 if half_pixel_centers else -0.75
    near = [((a + 2) * x - (a + 3)) * x * x + 1 for x in (parts, 1 - parts)]
    far = [((a * x - 5 * a) * x + 8 * a) * x - 4 * a for x in (parts + 1, 2 - parts)]
    made = np.zeros((new, old), "float64")
    for step, weight in zip((-1, 0, 1, 2), (far[0], *near, far[1]), strict=True):
        place = first + step
        if half_pixel_centers:
            weight = np.where((place >= 0) & (place < old), weight, 0)
        np.add.at(made, (np.arange(new), np.clip(place, 0, old - 1)), weight)
    if half_pixel_centers:
        made /= made.sum(1, keepdims=True)
    return made.astype("float32")


@tensorflow.reads("ResizeBilinear")
def resize_bilinear(images, size: Known, align_corners=False, half_pixel_centers=False):
    return _resized(images, size, "linear", align_corners, half_pixel_centers)


@tensorflow.reads("ResizeNearestNeighbor")
def resize_nearest(images, size: Known, align_corners=False, half_pixel_centers=False):
    return _resized(images, size, "nearest", align_corners, half_pixel_centers)


@tensorflow.reads("ResizeBicubic")
def resize_bicubic(images, size: Known, align_corners=False, half_pixel_centers=False):
    return _resized(images, size, "cubic", align_corners, half_pixel_centers)
