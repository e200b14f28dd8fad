"""Discrete Fourier transforms as products with the matrices of cosines and sines that define them.

No transform is in the pivot: frameworks differ in what they transform, along which axes, and in what trains. A
product with a matrix is right in all of them, in gradients too, at the price of its size squared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from netglot.dialects.torch.complex_numbers import MAKERS, Complex
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of


def _waves(rows, columns, size, dtype: str) -> tuple[Any, Any]:
    """The cosines and sines of `2 pi j k / size`, (rows, columns)."""
    down = ops.Reshape(ops.Arange(start=0, stop=rows, step=1, dtype="int64"), (rows, 1))
    across = ops.Arange(start=0, stop=columns, step=1, dtype="int64")
    turns = ops.Cast(ops.Remainder(ops.Multiply(down, across), size), dtype)  # whole turns left out: no digits lost
    angle = ops.Divide(ops.Multiply(turns, 2 * math.pi), size)
    return ops.Cos(angle), ops.Sin(angle)


def _along(x, axis: int, product: Callable) -> Any:
    """Applies `product` to the last axis of `x` with `axis` put there, and puts it back."""
    count = len(shape_of(x))
    if axis == count - 1:
        return product(x)
    order = [a for a in range(count) if a != axis] + [axis]
    back = tuple(order.index(a) for a in range(count))
    return ops.Permute(product(ops.Permute(x, tuple(order))), back)


def _scaled(x, factor, size) -> Any:
    """`x` by what the norm asks for: nothing, `1 / size` or its square root."""
    match factor:
        case "none":
            return x
        case "whole":
            return ops.Divide(x, size)
    root = math.sqrt(size) if isinstance(size, int) else None
    if root is None:
        raise Refusal(notimpl('norm="ortho" over an axis of open size', "fix the size of that axis"))
    return ops.Divide(x, root)


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
    """One axis of `x`, which may have no imaginary part; `half` leaves out the conjugate half of the result."""
    size = shape_of(x.real)[axis]
    cosines, sines = _waves(size, size // 2 + 1 if half else size, size, type_of(x.real).dtype)
    sign = ops.Add if inverse else ops.Subtract

    def times(part, waves):
        return _along(part, axis, lambda last: ops.Matmul(last, waves))

    factor = _NORMS[norm, inverse]
    if x.imaginary is None:
        imaginary = times(x.real, sines)
        parts = times(x.real, cosines), imaginary if inverse else ops.Negative(imaginary)
    else:  # (a + bi)(cos -+ i sin)
        turned = times(x.imaginary, sines)
        parts = (
            (ops.Subtract if inverse else ops.Add)(times(x.real, cosines), turned),
            sign(times(x.imaginary, cosines), times(x.real, sines)),
        )
    return Complex(*(_scaled(part, factor, size) for part in parts))


def _inverse_real(x: Complex, axis: int, norm: str | None, size: int | None) -> Any:
    """The real signal of `size` whose spectrum's first half is `x`."""
    kept = shape_of(x.real)[axis]
    size = 2 * (kept - 1) if size is None else size
    if not isinstance(size, int) or kept != size // 2 + 1:
        raise Refusal(notimpl("an inverse transform that cuts or pads its spectrum", "give n the length of the signal"))
    dtype = type_of(x.real).dtype
    cosines, sines = _waves(kept, size, size, dtype)
    place = ops.Arange(start=0, stop=kept, step=1, dtype="int64")
    own_conjugate = ops.Equal(ops.Remainder(ops.Multiply(place, 2), size), 0)
    weight = ops.Reshape(
        ops.Where(own_conjugate, ops.Full((kept,), 1.0, dtype), ops.Full((kept,), 2.0, dtype)), (kept, 1)
    )

    def times(part, waves):
        return _along(part, axis, lambda last: ops.Matmul(last, ops.Multiply(waves, weight)))

    signal = ops.Subtract(times(x.real, cosines), times(x.imaginary, sines))
    return _scaled(signal, _NORMS[norm, True], size)


def _axes(x: Complex, dim) -> list[int]:
    count = len(shape_of(x.real))
    dims = range(count) if dim is None else [dim] if isinstance(dim, int) else dim
    return [d % count for d in dims]


def _whole(x: Complex, axes: Sequence[int], sizes) -> None:
    """Refuses a transform that cuts or pads its input first."""
    sizes = [sizes] if isinstance(sizes, int) else sizes
    if sizes is not None and any(n not in (-1, shape_of(x.real)[a]) for a, n in zip(axes, sizes, strict=True)):
        raise Refusal(notimpl("a transform that cuts or pads its input", "slice or pad it first"))


def _forward(inverse: bool) -> Callable:
    def read(self, n=None, dim=None, norm=None):
        x = _pair(self)
        axes = _axes(x, dim)
        _whole(x, axes, n)
        for axis in axes:
            x = _transform(x, axis, norm, inverse)
        return x

    return read


def _of_real(self, n=None, dim=None, norm=None):
    x = _pair(self)
    axes = _axes(x, dim)
    _whole(x, axes, n)
    x = _transform(x, axes[-1], norm, inverse=False, half=True)
    for axis in axes[:-1]:
        x = _transform(x, axis, norm, inverse=False)
    return x


def _to_real(self, n=None, dim=None, norm=None):
    x = _pair(self)
    axes = _axes(x, dim)
    sizes = [n] if isinstance(n, int) else n
    _whole(x, axes[:-1], sizes[:-1] if sizes else None)
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
