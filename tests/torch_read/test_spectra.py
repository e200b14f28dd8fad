"""Short-time Fourier transforms and window functions, held against PyTorch's own."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from netglot.dialects.torch.read import read  # noqa: E402
from netglot.errors import UnsupportedOps  # noqa: E402
from netglot.pivot.evaluate import evaluate  # noqa: E402

DOUBLE = {"dtype": torch.float64}


class Computes(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def _parts(z):
    return z.real, z.imag


def centred(x):
    return _parts(torch.stft(x, 16, 5, 12, torch.hann_window(12, **DOUBLE), normalized=True, return_complex=True))


def not_centred(x):
    return _parts(torch.stft(x, 16, 8, window=torch.hamming_window(16, **DOUBLE), center=False, return_complex=True))


def both_sides(x):
    window = torch.ones(12, **DOUBLE)
    whole = torch.stft(x, 12, onesided=False, window=window, pad_mode="constant", return_complex=True)
    return torch.view_as_real(whole)


def one_signal(x):
    return _parts(torch.stft(x[0], 16, window=torch.kaiser_window(16, **DOUBLE), return_complex=True))


def there_and_back(x):
    window = torch.hann_window(16, **DOUBLE)
    return torch.istft(torch.stft(x, 16, 4, window=window, return_complex=True) * 0.5, 16, 4, window=window)


def longer_than_known(x):
    window = torch.hann_window(12, **DOUBLE)
    spectrum = torch.stft(x, 16, 5, 12, window, normalized=True, return_complex=True)
    return torch.istft(spectrum, 16, 5, 12, window, normalized=True, length=61)


def windows(x):
    made = [
        function(length, periodic, **DOUBLE)
        for length in (1, 2, 7, 8)
        for periodic in (True, False)
        for function in (torch.hann_window, torch.hamming_window, torch.blackman_window, torch.bartlett_window,
                         torch.kaiser_window)
    ]  # fmt: skip
    return x.sum() * torch.cat([*made, torch.hamming_window(5, True, 0.6, 0.4, **DOUBLE)])


@pytest.mark.parametrize(
    "function", [centred, not_centred, both_sides, one_signal, there_and_back, longer_than_known, windows]
)
def test_spectra(function):
    model = Computes(function)
    graph = read(model, (torch.randn(2, 64, **DOUBLE),))
    for batch in (2, 3):
        x = torch.randn(batch, 64, **DOUBLE)
        wanted = model(x)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        found = evaluate(graph, {graph.inputs[0].name: x.numpy()})
        found = found if isinstance(found, list | tuple) else (found,)
        for array, tensor in zip(found, wanted, strict=True):
            np.testing.assert_allclose(array, tensor.numpy(), rtol=0, atol=1e-12)


def test_both_sides_back_are_refused():
    def back(x):
        window = torch.hann_window(16, **DOUBLE)
        spectrum = torch.stft(x, 16, window=window, onesided=False, return_complex=True)
        return torch.istft(spectrum, 16, window=window, onesided=False)

    with pytest.raises(UnsupportedOps, match="onesided=True"):
        read(Computes(back), (torch.randn(2, 64, **DOUBLE),))
