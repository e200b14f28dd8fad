"""Resizing and sampling.

ONNX says where each new element lies among the old ones and how those around it are weighed: a matrix for each axis.
Where the pivot's `Resize` has the same matrices it is the reading; elsewhere rows are taken or the matrix is applied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from netglot.dialects.onnx.common import Known, axis_of, dtype, moved, numbers, rank
from netglot.dialects.onnx.dialect import onnx
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, floordiv
from netglot.pivot.op import numpy_dtype, shape_of
from netglot.pivot.ops.resize import nearest_indices, resize_matrix

_PROBES = range(2, 26)
"""Sizes on which two ways of resizing are compared where the size is not known."""


@dataclass(frozen=True)
class Options:
    """The attributes of a resize."""

    mode: str
    places: str
    rounding: str = "round_prefer_floor"
    cubic: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0


def _coordinates(old: int, new: int, scale: float, options: Options, roi) -> np.ndarray:
    """Where each new element lies among the old ones."""
    x = np.arange(new, dtype=np.float64)
    match options.places:
        case "align_corners":
            return x * 0 if new == 1 else x * (old - 1) / (new - 1)
        case "asymmetric":
            return x / scale
        case "half_pixel":
            return (x + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return np.full(1, -0.5) if new == 1 else (x + 0.5) / scale - 0.5
        case "half_pixel_symmetric":
            return old / 2 * (1 - new / (scale * old)) + (x + 0.5) / scale - 0.5
        case "tf_half_pixel_for_nn":
            return (x + 0.5) / scale
        case "tf_crop_and_resize":
            first, last = roi
            middle = (last - first) * (old - 1) / 2 if new == 1 else 0.0
            step = 0.0 if new == 1 else (last - first) * (old - 1) / (new - 1)
            return first * (old - 1) + middle + x * step
    raise Refusal(notimpl(f"resizing with the coordinates {options.places}"))


_ROUNDINGS = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _places(old: int, new: int, scale: float, options: Options, roi) -> np.ndarray:
    """Which old element stands at each new place, by the nearest."""
    where = np.round(_coordinates(old, new, scale, options, roi), 6)  # what rounding errors decide is no tie
    return np.clip(_ROUNDINGS[options.rounding](where), 0, old - 1).astype("int64")


def _kernel(distance: np.ndarray, options: Options) -> np.ndarray:
    if options.mode == "linear":
        return np.maximum(1 - distance, 0)
    a = options.cubic
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


def _matrix(old: int, new: int, scale: float, options: Options, roi) -> np.ndarray:
    """How much each old element weighs in each new one."""
    where = _coordinates(old, new, scale, options, roi)
    stretch = min(scale, 1.0) if options.antialias else 1.0
    extra = int(np.ceil(2 / stretch)) + 1 + int(max(0, *(-where.min(initial=0), where.max(initial=0) - old)))
    taps = np.arange(-extra, old + extra)
    weights = _kernel(np.abs(taps - where[:, None]) * stretch, options)
    if options.exclude_outside:
        weights = weights * ((taps >= 0) & (taps < old))
    if options.exclude_outside or options.antialias:
        weights = weights / weights.sum(1, keepdims=True)
    return weights @ np.eye(old)[np.clip(taps, 0, old - 1)]


_CANDIDATES = {
    "nearest": [("nearest", False, False), ("nearest-exact", False, False)],
    "linear": [("linear", False, False), ("linear", True, False), ("linear", False, True)],
    "cubic": [("cubic", False, False), ("cubic", True, False), ("cubic", False, True)],
}


def _alike(candidate, old: int, new: int, scale: float, given: float | None, options: Options, roi) -> bool:
    """Whether the pivot's resize does the same along an axis."""
    mode, corners, antialias = candidate
    if options.mode == "nearest":
        wanted = _places(old, new, scale, options, roi)
        return np.array_equal(wanted, nearest_indices(old, new, given, mode != "nearest"))
    wanted = _matrix(old, new, scale, options, roi)
    return np.allclose(wanted, resize_matrix(old, new, given, mode, corners, antialias), atol=1e-9, rtol=0)


@dataclass(frozen=True)
class _Line:
    """One axis to resize: its sizes before and after, the factor of places, and the part of it that is shown."""

    axis: int
    old: Any
    new: Any
    scale: float | None
    """The factor that was given; None where sizes were."""
    roi: tuple[float, float]

    @property
    def same(self) -> bool:
        return self.old == self.new and self.scale in (None, 1.0) and self.roi == (0.0, 1.0)

    def examples(self) -> list[tuple[int, int, float]]:
        """Sizes before and after with the factor of places: those of the axis, or of a few like it."""
        if isinstance(self.old, int) and isinstance(self.new, int):
            return [(self.old, self.new, self.scale or self.new / self.old)]
        name = next(iter(self.old.symbols), None) if isinstance(self.old, Dim) else None
        if name is None or (isinstance(self.new, Dim) and self.new.symbols != self.old.symbols):
            return []
        found = []
        for size in _PROBES:
            old = self.old.evaluate(dict.fromkeys(self.old.symbols, size))
            new = self.new.evaluate(dict.fromkeys(self.old.symbols, size)) if isinstance(self.new, Dim) else self.new
            found.append((old, new, self.scale or new / old))
        return found

    @property
    def exact(self) -> bool:
        """Whether the factor is the ratio of the sizes."""
        if self.scale is None:
            return True
        return all(abs(old * scale - new) < 1e-6 for old, new, scale in self.examples())


def resized(x: Any, lines: list[_Line], options: Options) -> Any:
    """`x` resized along each line."""
    lines = [line for line in lines if not line.same]
    if not lines:
        return x
    if options.mode == "cubic" and len(lines) == 1 and rank(x) == 4 and lines[0].axis >= 2:
        still = 5 - lines[0].axis  # curves are drawn through both axes of a picture, also where one stays as it is
        lines = sorted([*lines, _Line(still, *(shape_of(x)[still],) * 2, None, (0.0, 1.0))], key=lambda one: one.axis)
    if options.places == "align_corners" and not all(line.exact for line in lines):
        raise Refusal(
            notimpl("aligned corners with a factor that gives no whole size, which runtimes read differently")
        )
    exact = all(line.exact for line in lines)
    for candidate in _CANDIDATES[options.mode]:
        known = [line.examples() for line in lines]
        if (
            options.places != "tf_crop_and_resize"
            and all(known)
            and all(
                _alike(candidate, old, new, scale, None if exact else scale, options, (0.0, 1.0))
                for several in known
                for old, new, scale in several
            )
        ):
            mode, corners, antialias = candidate
            scales = None if exact else tuple(float(line.scale or 1.0) for line in lines)
            axes, sizes = tuple(line.axis for line in lines), tuple(line.new for line in lines)
            return ops.Resize(x, sizes, scales, mode, corners, antialias, axes)
    return _by_line(x, lines, options)


def _by_line(x: Any, lines: list[_Line], options: Options) -> Any:
    outside = None
    source = x
    for line in lines:
        if not isinstance(line.old, int) or not isinstance(line.new, int):
            raise Refusal(
                notimpl(
                    f"resizing by {options.mode} with {options.places}, of sizes that are not known", "fix the sizes"
                )
            )
        scale = line.scale or line.new / line.old
        if options.mode == "nearest":
            x = ops.Take(x, _places(line.old, line.new, scale, options, line.roi), line.axis)
        else:
            weights = _matrix(line.old, line.new, scale, options, line.roi).astype(numpy_dtype(dtype(x)))
            x = moved(ops.Linear(moved(x, line.axis, rank(x) - 1), weights, None), rank(x) - 1, line.axis)
        if options.places == "tf_crop_and_resize":
            where = _coordinates(line.old, line.new, scale, options, line.roi)
            shape = [1] * rank(source)
            shape[line.axis] = line.new
            beyond = ((where < 0) | (where > line.old - 1)).reshape(shape)
            outside = beyond if outside is None else outside | beyond
    if outside is not None and outside.any():
        x = ops.Where(outside, np.asarray(options.extrapolation, numpy_dtype(dtype(x))), x)
    return x


def _scaled_size(old: Any, scale: float) -> Any:
    """The floor of a size times a factor."""
    if isinstance(old, int):
        return math.floor(old * scale + 1e-9)
    ratio = Fraction(scale).limit_denominator(64)
    if abs(float(ratio) - scale) > 1e-7:
        raise Refusal(notimpl(f"the size {old} times {scale}"))
    return floordiv(old * ratio.numerator, ratio.denominator)


def _lines(x, scales, sizes, roi, axes, policy: str) -> list[_Line]:
    places = list(range(rank(x))) if axes is None else [axis_of(x, axis) for axis in axes]
    shape = shape_of(x)
    parts = [(0.0, 1.0)] * len(places)
    if roi:
        parts = [(float(roi[i]), float(roi[len(places) + i])) for i in range(len(places))]
    if sizes:
        if policy != "stretch":
            return _kept_ratio(shape, places, sizes, parts, policy)
        return [_Line(a, shape[a], n, None, p) for a, n, p in zip(places, sizes, parts, strict=True)]
    scales = [_plain(scale) for scale in scales]
    return [_Line(a, shape[a], _scaled_size(shape[a], s), s, p) for a, s, p in zip(places, scales, parts, strict=True)]


def _plain(scale: Any) -> float:
    if isinstance(scale, Dim):
        raise Refusal(notimpl("resizing by a factor that is a size"))
    return float(scale)


def _kept_ratio(shape, places, sizes, parts, policy):
    if any(not isinstance(size, int) for size in (*sizes, *(shape[a] for a in places))):
        raise Refusal(notimpl("resizing that keeps the ratio of sizes that are not known"))
    choose = min if policy == "not_larger" else max
    scale = choose(size / shape[a] for a, size in zip(places, sizes, strict=True))
    return [
        _Line(a, shape[a], math.floor(scale * shape[a] + 0.5), scale, p) for a, p in zip(places, parts, strict=True)
    ]


def _resize(x, roi, scales, sizes, options: Options, axes=None, policy="stretch"):
    roi, scales, sizes = (None if one is None else numbers(one) for one in (roi, scales, sizes))
    if not scales and not sizes:
        raise ValueError("neither scales nor sizes are given")
    if options.places != "tf_crop_and_resize":
        roi = None
    return resized(x, _lines(x, scales, sizes, roi, axes, policy), options)


@onnx.reads("Upsample-1")
def upsample_1(X, *, height_scale, width_scale, mode="nearest"):
    return upsample_7(X, scales=[1.0, 1.0, height_scale, width_scale], mode=mode)


@onnx.reads("Upsample-7")
def upsample_7(X, *, scales, mode="nearest"):
    return _resize(X, None, scales, None, Options(_mode(mode), "asymmetric", "floor"))


@onnx.reads("Upsample-9")
def upsample_9(X, scales: Known, *, mode="nearest"):
    return _resize(X, None, scales, None, Options(_mode(mode), "asymmetric", "floor"))


def _mode(mode: str) -> str:
    return {"bilinear": "linear"}.get(mode, mode)


@onnx.reads("Resize-10")
def resize_10(X, scales: Known, *, mode="nearest"):
    return _resize(X, None, scales, None, Options(mode, "asymmetric", "floor"))


@onnx.reads("Resize-11")
def resize_11(
    X,
    roi: Known = None,
    scales: Known = None,
    sizes: Known = None,
    *,
    coordinate_transformation_mode="half_pixel",
    cubic_coeff_a=-0.75,
    exclude_outside=0,
    extrapolation_value=0.0,
    mode="nearest",
    nearest_mode="round_prefer_floor",
):
    options = Options(
        mode,
        coordinate_transformation_mode,
        nearest_mode,
        cubic_coeff_a,
        bool(exclude_outside),
        False,
        extrapolation_value,
    )
    return _resize(X, roi, scales, sizes, options)


@onnx.reads("Resize-18")
def resize_18(
    X,
    roi: Known = None,
    scales: Known = None,
    sizes: Known = None,
    *,
    antialias=0,
    axes=None,
    coordinate_transformation_mode="half_pixel",
    cubic_coeff_a=-0.75,
    exclude_outside=0,
    extrapolation_value=0.0,
    keep_aspect_ratio_policy="stretch",
    mode="nearest",
    nearest_mode="round_prefer_floor",
):
    options = Options(
        mode,
        coordinate_transformation_mode,
        nearest_mode,
        cubic_coeff_a,
        bool(exclude_outside),
        bool(antialias) and mode != "nearest",
        extrapolation_value,
    )
    return _resize(X, roi, scales, sizes, options, axes, keep_aspect_ratio_policy)


_SAMPLING = {"bilinear": "linear", "linear": "linear", "nearest": "nearest", "bicubic": "cubic", "cubic": "cubic"}


@onnx.reads("GridSample-16")
def grid_sample_16(X, grid, *, align_corners=0, mode="bilinear", padding_mode="zeros"):
    return grid_sample(X, grid, align_corners=align_corners, mode=mode, padding_mode=padding_mode)


@onnx.reads("GridSample-20")
def grid_sample(X, grid, *, align_corners=0, mode="linear", padding_mode="zeros"):
    if rank(X) not in (4, 5):
        raise Refusal(notimpl("sampling along another number of axes than two or three"))
    return ops.GridSample(X, grid, _SAMPLING[mode], padding_mode, bool(align_corners), 1)


@onnx.reads("AffineGrid-20")
def affine_grid(theta, size: Known, *, align_corners=0):
    sizes = tuple(numbers(size))[2:]
    if not all(isinstance(one, int) for one in sizes):
        raise Refusal(notimpl("a grid of a size that is not known"))
    return ops.AffineGrid(theta, sizes, bool(align_corners))


onnx.refuses_reading("NonMaxSuppression", never("the number of boxes that are kept depends on the data"))
onnx.refuses_reading("ImageDecoder", never("decoding pictures is no part of a network"))
