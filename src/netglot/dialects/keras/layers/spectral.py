"""Spectrograms of sound."""

from __future__ import annotations

import math

import numpy as np

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.spectral import stft
from netglot.passes.composed.spectral import NOTE
from netglot.pivot import ops
from netglot.pivot.op import shape_of


@keras.reads("layers.MelSpectrogram")
def mel_spectrogram(layer, inputs):
    live = layer.live
    layer.note(NOTE)
    real, imaginary = stft(inputs, live.sequence_length, live.sequence_stride, live.fft_length, live.window)
    size = ops.Sqrt(ops.Add(ops.Square(real), ops.Square(imaginary)))
    power = ops.Square(size) if live.mag_exp == 2 else ops.Power(size, float(live.mag_exp))
    y = ops.Matmul(power, layer.array(_bands(live)))
    if live.power_to_db:
        y = _decibels(live, y)
    last = len(shape_of(inputs))
    return ops.Permute(y, (*range(last - 1), last, last - 1))


def _bands(live) -> np.ndarray:
    """How much of each frequency belongs to each band, as the layer computes it."""
    made = live.linear_to_mel_weight_matrix(
        num_mel_bins=live.num_mel_bins,
        num_spectrogram_bins=live.fft_length // 2 + 1,
        sampling_rate=live.sampling_rate,
        lower_edge_hertz=live.min_freq,
        upper_edge_hertz=live.max_freq,
    )
    return np.asarray(made)


def _decibels(live, y):
    """Decibels above the reference, those too far below the loudest of all sounds cut off."""
    reference = max(abs(live.ref_power), live.min_power)
    y = ops.Multiply(ops.Log10(ops.Maximum(y, live.min_power)), 10.0)
    if reference != 1:
        y = ops.Subtract(y, 10.0 * math.log10(reference))
    loudest = ops.Max(y, tuple(range(len(shape_of(y)))), False)
    return ops.Maximum(y, ops.Subtract(loudest, live.top_db))
