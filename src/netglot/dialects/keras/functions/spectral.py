"""Fourier transforms and folds of sequences in `keras.ops`; a complex tensor is a pair of real ones there."""

from __future__ import annotations

import math
from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import rank
from netglot.errors import Refusal, never, notimpl
from netglot.passes.composed.spectral import real_signal, transform
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of


@keras.reads("ops.fft")
def fft(x):
    return transform(*x, rank(x[0]) - 1, "none", inverse=False)


@keras.reads("ops.fft2")
def fft2(x):
    return _two_axes(x, "none", inverse=False)


@keras.reads("ops.ifft2")
def ifft2(x):
    return _two_axes(x, "whole", inverse=True)


def _two_axes(x, factor: str, inverse: bool) -> tuple:
    last = rank(x[0]) - 1
    return transform(*transform(*x, last, factor, inverse), last - 1, factor, inverse)


@keras.reads("ops.rfft")
def rfft(x, fft_length=None):
    return transform(_fitted(x, fft_length), None, rank(x) - 1, "none", inverse=False, half=True)


@keras.reads("ops.irfft")
def irfft(x, fft_length=None):
    real, imaginary = x
    length = 2 * (shape_of(real)[-1] - 1) if fft_length is None else fft_length
    parts = (_fitted(part, length // 2 + 1) for part in (real, imaginary))
    return real_signal(*parts, rank(real) - 1, "whole", length)


def _fitted(x: Any, length: int | None) -> Any:
    """`x` cut, or with zeros at the end, so that its last axis has this length."""
    axis, size = rank(x) - 1, shape_of(x)[-1]
    if length is None or length == size:
        return x
    if not isinstance(size, int):
        raise Refusal(notimpl("a transform that cuts or pads an axis of open size", "slice or pad it first"))
    if size > length:
        return ops.Slice(x, axis, 0, length, 1)
    return ops.Pad(x, (0,) * rank(x), (*(0,) * axis, length - size), "constant", 0.0)


@keras.reads("ops.stft")
def stft(x, sequence_length, sequence_stride, fft_length, window="hann", center=True):
    count, dtype = rank(x), type_of(x).dtype
    if center:
        widths = (*(0,) * (count - 1), fft_length // 2)
        x = ops.Pad(x, widths, widths, "reflect", 0.0)
    x = ops.SlidingWindow(x, count - 1, fft_length, sequence_stride)
    if window is not None:
        weights = _window(window, sequence_length, dtype) if isinstance(window, str) else ops.Cast(window, dtype)
        before = (fft_length - sequence_length) // 2
        after = fft_length - sequence_length - before
        if before or after:
            weights = ops.Pad(weights, (before,), (after,), "constant", 0.0)
        x = ops.Multiply(x, weights)
    return transform(x, None, count, "none", inverse=False, half=True)


_COSINES = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}


def _window(name: str, length: int, dtype: str) -> Any:
    """A raised cosine. An odd one is symmetric, an even one periodic: so TensorFlow makes them."""
    if name not in _COSINES:
        raise Refusal(notimpl(f"the window {name!r}", "give it as a tensor"))
    mean, swing = _COSINES[name]
    if length == 1:
        return ops.Full((1,), 1.0, dtype)
    place = ops.Cast(ops.Arange(start=0, stop=length, step=1, dtype="int64"), dtype)
    turn = 2 * math.pi / (length if length % 2 == 0 else length - 1)
    return ops.Subtract(mean, ops.Multiply(ops.Cos(ops.Multiply(place, turn)), swing))


@keras.reads("ops.extract_sequences")
def extract_sequences(x, sequence_length, sequence_stride):
    return ops.SlidingWindow(x, rank(x) - 1, sequence_length, sequence_stride)


@keras.reads("ops.segment_sum")
def segment_sum(data, segment_ids, num_segments=None, sorted=False):
    if num_segments is None:
        raise Refusal(never("the number of segments depends on the data", "give num_segments"))
    return ops.SegmentFold(data, segment_ids, num_segments, "sum")


keras.refuses_reading(
    "ops.segment_max",
    notimpl("a segment without rows has the lowest number of the precision in which Keras runs", "use segment_sum"),
)
