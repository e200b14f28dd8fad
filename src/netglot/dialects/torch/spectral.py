"""Discrete Fourier transforms, as PyTorch calls them; see `passes.composed.spectral` for what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netglot.dialects.torch.complex_numbers import MAKERS, Complex
from netglot.errors import Refusal, notimpl
from netglot.passes.composed.spectral import real_signal, transform
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of

_NORMS = {
    (None, False): "none",
    (None, True): "whole",
    ("backward", False): "none",
    ("backward", True): "whole",
    ("forward", False): "whole",
    ("forward", True): "none",
    ("ortho", False): "root",
    ("ortho", True): "root",
}


def _pair(x) -> Complex:
    if isinstance(x, Complex):
        return x
    return Complex(x if type_of(x).dtype.startswith("float") else ops.Cast(x, "float32"), None)


def _transform(x: Complex, axis: int, norm: str | None, inverse: bool, half: bool = False) -> Complex:
    return Complex(*transform(x.real, x.imaginary, axis, _NORMS[norm, inverse], inverse, half))


def _inverse_real(x: Complex, axis: int, norm: str | None, size: int | None) -> Any:
    """The real signal of `size` whose spectrum's first half is `x`."""
    kept = shape_of(x.real)[axis]
    size = 2 * (kept - 1) if size is None or size == -1 else size
    if isinstance(size, int) and isinstance(kept, int):
        x = _fitted(x, [axis], [size // 2 + 1])
    return real_signal(x.real, x.imaginary, axis, _NORMS[norm, True], size)


def _axes(x: Complex, dim) -> list[int]:
    count = len(shape_of(x.real))
    dims = range(count) if dim is None else [dim] if isinstance(dim, int) else dim
    return [d % count for d in dims]


def _fitted(x: Complex, axes: Sequence[int], sizes) -> Complex:
    """`x` cut at the end, or followed by zeros, to the `sizes` of its axes; -1 leaves one as it is."""
    sizes = [sizes] if isinstance(sizes, int) else sizes or [-1] * len(axes)
    for axis, size in zip(axes, sizes, strict=True):
        if size not in (-1, shape_of(x.real)[axis]):
            x = Complex(*(None if part is None else _of_size(part, axis, size) for part in (x.real, x.imaginary)))
    return x


def _of_size(x, axis: int, size) -> Any:
    shape = shape_of(x)
    if not isinstance(size, int) or not isinstance(shape[axis], int):
        raise Refusal(notimpl("a transform to a length that depends on the input", "fix the size of that axis"))
    if size < shape[axis]:
        return ops.Slice(x, axis=axis, start=0, stop=size, step=1)
    after = tuple(size - shape[axis] if a == axis else 0 for a in range(len(shape)))
    return ops.Pad(x, before=(0,) * len(shape), after=after, mode="constant", value=0.0)


def _forward(inverse: bool) -> Callable:
    def read(self, n=None, dim=None, norm=None):
        x = _pair(self)
        axes = _axes(x, dim)
        x = _fitted(x, axes, n)
        for axis in axes:
            x = _transform(x, axis, norm, inverse)
        return x

    return read


def _of_real(self, n=None, dim=None, norm=None):
    x = _pair(self)
    axes = _axes(x, dim)
    x = _fitted(x, axes, n)
    x = _transform(x, axes[-1], norm, inverse=False, half=True)
    for axis in axes[:-1]:
        x = _transform(x, axis, norm, inverse=False)
    return x


def _to_real(self, n=None, dim=None, norm=None):
    x = _pair(self)
    axes = _axes(x, dim)
    sizes = [n] if isinstance(n, int) else n
    x = _fitted(x, axes[:-1], sizes[:-1] if sizes else None)
    for axis in axes[:-1]:
        x = _transform(x, axis, norm, inverse=True)
    return _inverse_real(x, axes[-1], norm, sizes[-1] if sizes else None)


def _one(read: Callable) -> Callable:
    return lambda self, n=None, dim=-1, norm=None: read(self, n, dim, norm)


def _two(read: Callable) -> Callable:
    return lambda self, s=None, dim=(-2, -1), norm=None: read(self, s, list(dim), norm)


def _many(read: Callable) -> Callable:
    def over(self, s=None, dim=None, norm=None):
        if dim is None and s is not None:
            dim = list(range(-len(s), 0))
        return read(self, s, dim, norm)

    return over


for _name, _read in (("fft", _forward(False)), ("ifft", _forward(True)), ("rfft", _of_real), ("irfft", _to_real)):
    MAKERS[f"fft_{_name}"] = _one(_read)
    MAKERS[f"fft_{_name}2"] = _two(_read)
    MAKERS[f"fft_{_name}n"] = _many(_read)
