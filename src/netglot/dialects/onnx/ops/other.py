"""Spectra, and what no network can carry over."""

from __future__ import annotations

import numpy as np

from netglot.dialects.onnx.common import Known, axis_of, dtype, dtype_called, integer, moved, number, rank, reshaped
from netglot.dialects.onnx.dialect import onnx
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import numpy_dtype, shape_of


def _spectrum(x, axis: int, length: int, inverse: bool, onesided: bool):
    """The discrete Fourier transform along an axis, as products with its matrices of cosines and sines."""
    kind, size = dtype(x), shape_of(x)[axis]
    if not isinstance(size, int):
        raise Refusal(notimpl("a Fourier transform along an axis whose size is not known"))
    used = min(size, length)
    angles = 2 * np.pi * np.outer(np.arange(length), np.arange(used)) / length
    if inverse:
        angles = -angles
    rows = length // 2 + 1 if onesided else length
    parts = [np.cos(angles)[:rows], -np.sin(angles)[:rows]]
    if inverse:
        parts = [part / length for part in parts]
    cosines, sines = (part.astype(numpy_dtype(kind)) for part in parts)
    if used < size:
        x = ops.Slice(x, axis, 0, used, 1)
    last = rank(x) - 1
    turned = moved(x, axis, last - 1)
    real = ops.Select(turned, last, 0)
    if shape_of(x)[last] == 1:
        made = (ops.Linear(real, cosines, None), ops.Linear(real, sines, None))
    else:
        imaginary = ops.Select(turned, last, 1)
        made = (
            ops.Subtract(ops.Linear(real, cosines, None), ops.Linear(imaginary, sines, None)),
            ops.Add(ops.Linear(real, sines, None), ops.Linear(imaginary, cosines, None)),
        )
    return moved(ops.Stack(made, last), last - 1, axis)


def _half_inverse(x, axis: int, length: int):
    """The real numbers whose transform begins with `x`: the rest of it is its mirror image."""
    kind, rows, last = dtype(x), length // 2 + 1, rank(x) - 1
    if not isinstance(shape_of(x)[axis], int):
        raise Refusal(notimpl("a Fourier transform along an axis whose size is not known"))
    used = min(shape_of(x)[axis], rows)
    angles = 2 * np.pi * np.outer(np.arange(length), np.arange(used)) / length
    twice = np.where((np.arange(used) == 0) | (2 * np.arange(used) == length), 1.0, 2.0) / length
    turned = moved(x, axis, last - 1)
    if used < shape_of(x)[axis]:
        turned = ops.Slice(turned, last - 1, 0, used, 1)
    made = ops.Linear(ops.Select(turned, last, 0), (np.cos(angles) * twice).astype(numpy_dtype(kind)), None)
    if shape_of(x)[last] == 2:
        sines = (np.sin(angles) * twice).astype(numpy_dtype(kind))
        made = ops.Subtract(made, ops.Linear(ops.Select(turned, last, 1), sines, None))
    return moved(reshaped(made, (*shape_of(made), 1)), last - 1, axis)


def _dft(input, dft_length, axis, inverse, onesided):
    place = axis_of(input, axis)
    if inverse and onesided:
        half = shape_of(input)[place]
        return _half_inverse(input, place, integer(2 * (half - 1) if dft_length is None else dft_length))
    length = shape_of(input)[place] if dft_length is None else integer(dft_length)
    if not isinstance(length, int):
        raise Refusal(notimpl("a Fourier transform along an axis whose size is not known"))
    return _spectrum(input, place, length, bool(inverse), bool(onesided))


@onnx.reads("DFT-17")
def dft_17(input, dft_length: Known = None, *, axis=1, inverse=0, onesided=0):
    return _dft(input, dft_length, axis, inverse, onesided)


@onnx.reads("DFT-20")
def dft(input, dft_length: Known = None, axis: Known = None, *, inverse=0, onesided=0):
    return _dft(input, dft_length, -2 if axis is None else integer(axis), inverse, onesided)


@onnx.reads("STFT-17")
def stft(signal, frame_step: Known, window=None, frame_length: Known = None, *, onesided=1):
    length = integer(frame_length) if frame_length is not None else shape_of(window)[0]
    x = signal if rank(signal) == 3 else reshaped(signal, (*shape_of(signal), 1))
    frames = ops.SlidingWindow(x, 1, int(length), integer(frame_step))  # batch, frame, part, place
    frames = ops.Permute(frames, (0, 1, 3, 2))
    if window is not None:
        frames = ops.Multiply(frames, reshaped(window, (shape_of(window)[0], 1)))
    return _spectrum(frames, 2, int(length), False, bool(onesided))


@onnx.reads("MelWeightMatrix-17")
def mel_weight_matrix(
    num_mel_bins: Known,
    dft_length: Known,
    sample_rate: Known,
    lower_edge_hertz: Known,
    upper_edge_hertz: Known,
    *,
    output_datatype=1,
):
    bins, length = integer(num_mel_bins), integer(dft_length)
    low, high = (2595 * np.log10(1 + float(number(edge)) / 700) for edge in (lower_edge_hertz, upper_edge_hertz))
    places = np.arange(bins + 2) * (high - low) / (bins + 2) + low
    edges = ((length + 1) * (700 * (10 ** (places / 2595) - 1)) // integer(sample_rate)).astype("int64")
    made = np.zeros((length // 2 + 1, bins))
    for i in range(bins):
        first, middle, last = edges[i : i + 3]
        if middle == first:
            made[middle, i] = 1
        else:
            made[first : middle + 1, i] = (np.arange(first, middle + 1) - first) / (middle - first)
        if last > middle:
            made[middle:last, i] = (last - np.arange(middle, last)) / (last - middle)
    return made.astype(numpy_dtype(dtype_called(output_datatype)))


_RANDOM = never("the network draws random numbers, and two frameworks never draw the same")
_TEXT = never("no framework's layers work on text")
_TRAINING = never("it is a step of training, and no part of a network")

for _names, _reason in (
    ("Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike", _RANDOM),
    ("RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer", _TEXT),
    ("ai.onnx.preview.training.Adam ai.onnx.preview.training.Adagrad ai.onnx.preview.training.Momentum", _TRAINING),
    ("ai.onnx.preview.training.Gradient", _TRAINING),
):
    for _name in _names.split():
        onnx.refuses_reading(_name, _reason)
