"""Short-time Fourier transforms, as PyTorch calls them: windowed frames, and their spectra."""

from __future__ import annotations

from typing import Any

from netglot.dialects.torch.complex_numbers import MAKERS, Complex
from netglot.errors import Refusal, notimpl
from netglot.passes.composed.spectral import real_signal, transform
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import shape_of, type_of


def _stft(self, n_fft, hop_length=None, win_length=None, window=None, *rest, **options):
    """`stft` of either overload: with `center` and `pad_mode`, or of a signal that is padded already."""
    names = ["normalized", "onesided", "return_complex", "align_to_window"]
    if "center" in options or (len(rest) > 1 and isinstance(rest[1], str)):
        names = ["center", "pad_mode", *names]
    given = dict(zip(names, rest, strict=False)) | options
    if given.get("align_to_window") or isinstance(self, Complex) or isinstance(window, Complex):
        raise Refusal(notimpl("stft of complex numbers or aligned to its window"))
    x = self if len(shape_of(self)) == 2 else ops.Reshape(self, (1, *shape_of(self)))
    if given.get("center", False):
        x = _centred(x, n_fft // 2, given.get("pad_mode", "reflect"))
    dtype = type_of(x).dtype
    frames = ops.SlidingWindow(x, axis=1, size=n_fft, step=hop_length or n_fft // 4)
    frames = ops.Multiply(frames, _window(window, win_length or n_fft, n_fft, dtype))
    half = given.get("onesided") is not False
    factor = "root" if given.get("normalized") else "none"
    parts = [ops.Permute(part, (0, 2, 1)) for part in transform(frames, None, 2, factor, False, half)]
    if len(shape_of(self)) == 1:
        parts = [ops.Reshape(part, shape_of(part)[1:]) for part in parts]
    if given.get("return_complex") is False:
        return ops.Stack(tuple(parts), axis=len(shape_of(parts[0])))
    return Complex(*parts)


def _centred(x, pad: int, mode: str):
    modes = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    return ops.Pad(x, before=(0, pad), after=(0, pad), mode=modes[mode], value=0.0)


def _window(window, length: int, n_fft: int, dtype: str) -> Any:
    """The window in the middle of a frame, with zeros around; all ones where none is given."""
    if window is None:
        window = ops.Full((length,), 1.0, dtype)
    before = (n_fft - length) // 2
    if length == n_fft:
        return window
    return ops.Pad(window, before=(before,), after=(n_fft - length - before,), mode="constant", value=0.0)


def _istft(
    self, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None,
    length=None, return_complex=False,
):  # fmt: skip
    """The signal whose frames overlap to what the spectra tell, divided by what the windows sum up to."""
    if return_complex or onesided is False:
        raise Refusal(notimpl("istft of spectra with both sides", "give onesided=True and return_complex=False"))
    parts = [self.real, self.imaginary]
    if len(shape_of(self.real)) == 2:
        parts = [ops.Reshape(part, (1, *shape_of(part))) for part in parts]
    real, imaginary = (ops.Permute(part, (0, 2, 1)) for part in parts)
    frames = shape_of(real)[1]
    if isinstance(frames, Dim):
        raise Refusal(notimpl("istft of any number of frames", "fix the length of the signal"))
    hop, dtype = hop_length or n_fft // 4, type_of(real).dtype
    taper = _window(window, win_length or n_fft, n_fft, dtype)
    signal = ops.Multiply(real_signal(real, imaginary, 2, "root" if normalized else "whole", n_fft), taper)
    weights = ops.Broadcast(ops.Reshape(ops.Square(taper), (1, 1, n_fft)), (1, frames, n_fft))
    whole = n_fft + hop * (frames - 1)
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else whole - start
    y, sums = (_laid(one, whole, n_fft, hop, start, min(stop, whole)) for one in (signal, weights))
    y = ops.Divide(y, sums)
    if stop > whole:
        y = ops.Pad(y, before=(0, 0), after=(0, stop - whole), mode="constant", value=0.0)
    return ops.Reshape(y, shape_of(y)[1:]) if len(shape_of(self.real)) == 2 else y


def _laid(frames, whole: int, size: int, hop: int, start: int, stop: int) -> Any:
    """The frames laid over each other and summed, from `start` to `stop`."""
    one = {"kernel": (1, size), "stride": (1, hop), "padding": (0, 0), "dilation": (1, 1)}
    image = ops.Fold(ops.Permute(frames, (0, 2, 1)), size=(1, whole), **one)
    flat = ops.Reshape(image, (shape_of(frames)[0], whole))
    return ops.Slice(flat, axis=1, start=start, stop=stop, step=1)


MAKERS["stft"] = _stft
MAKERS["istft"] = _istft
