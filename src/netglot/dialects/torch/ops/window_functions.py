"""Window functions for spectra: sums of cosines, a triangle, and Kaiser's."""

from __future__ import annotations

import math

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import DEFAULT_FLOAT
from netglot.pivot import ops

COSINES = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08)}
"""The weights of the cosines of 0, 1, 2 periods, whose signs alternate."""


def _places(length, periodic: bool, dtype: str | None):
    """The places of the window's numbers in its period, from 0 up to 1; a window of one number is all top."""
    period = length if periodic else length - 1
    return ops.Divide(ops.Arange(0, length, 1, dtype=dtype or DEFAULT_FLOAT), float(period))


def _cosines(weights: tuple[float, ...], length, periodic: bool, dtype: str | None):
    if length == 1:
        return ops.Full((1,), 1.0, dtype=dtype or DEFAULT_FLOAT)
    total, places = None, _places(length, periodic, dtype)
    for periods, weight in enumerate(weights[1:], 1):
        term = ops.Multiply(ops.Cos(ops.Multiply(places, 2 * math.pi * periods)), weight * (-1) ** periods)
        total = ops.Add(term, weights[0]) if total is None else ops.Add(total, term)
    return total


def _reads_window(name: str, weights: tuple[float, ...]) -> None:
    @torch.reads(f"aten.{name}_window.default")
    def whole(window_length, *, dtype=None):
        return _cosines(weights, window_length, True, dtype)

    @torch.reads(f"aten.{name}_window.periodic")
    def periodic(window_length, periodic, *, dtype=None):
        return _cosines(weights, window_length, periodic, dtype)


for _name, _weights in COSINES.items():
    _reads_window(_name, _weights)


@torch.reads("aten.hamming_window.periodic_alpha")
def hamming_alpha(window_length, periodic, alpha, *, dtype=None):
    return _cosines((alpha, 0.46), window_length, periodic, dtype)


@torch.reads("aten.hamming_window.periodic_alpha_beta")
def hamming_alpha_beta(window_length, periodic, alpha, beta, *, dtype=None):
    return _cosines((alpha, beta), window_length, periodic, dtype)


@torch.reads("aten.bartlett_window.default")
def bartlett_window(window_length, *, dtype=None):
    return bartlett_periodic(window_length, True, dtype=dtype)


@torch.reads("aten.bartlett_window.periodic")
def bartlett_periodic(window_length, periodic, *, dtype=None):
    if window_length == 1:
        return ops.Full((1,), 1.0, dtype=dtype or DEFAULT_FLOAT)
    centred = ops.Subtract(ops.Multiply(_places(window_length, periodic, dtype), 2.0), 1.0)
    return ops.Subtract(1.0, ops.Abs(centred))


@torch.reads("aten.kaiser_window.default")
def kaiser_window(window_length, *, dtype=None):
    return kaiser_beta(window_length, True, 12.0, dtype=dtype)


@torch.reads("aten.kaiser_window.periodic")
def kaiser_periodic(window_length, periodic, *, dtype=None):
    return kaiser_beta(window_length, periodic, 12.0, dtype=dtype)


@torch.reads("aten.kaiser_window.beta")
def kaiser_beta(window_length, periodic, beta, *, dtype=None):
    if window_length == 1:
        return ops.Full((1,), 1.0, dtype=dtype or DEFAULT_FLOAT)
    centred = ops.Subtract(ops.Multiply(_places(window_length, periodic, dtype), 2.0), 1.0)
    height = ops.Sqrt(ops.Maximum(ops.Subtract(1.0, ops.Square(centred)), 0.0))
    top = ops.BesselI0(ops.Full((), float(beta), dtype=dtype or DEFAULT_FLOAT))
    return ops.Divide(ops.BesselI0(ops.Multiply(height, float(beta))), top)
