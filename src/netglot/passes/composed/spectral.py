"""Discrete Fourier transforms as products with the matrices of cosines and sines that define them.

No transform is in the pivot: frameworks differ in what they transform, along which axes, and in what trains. A
product with a matrix is right in all of them, in gradients too, at the price of its size squared. A spectrum is a
pair: its real and its imaginary part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of

NOTE = "Fourier transforms are written as products with matrices of cosines and sines: right, and slower"
"""What the user should know of how a transform is carried over."""


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


def _scaled(x, factor: str, size) -> Any:
    """`x` by what is asked for: nothing ("none"), `1 / size` ("whole") or its square root ("root")."""
    match factor:
        case "none":
            return x
        case "whole":
            return ops.Divide(x, size)
    root = math.sqrt(size) if isinstance(size, int) else None
    if root is None:
        raise Refusal(notimpl('norm="ortho" over an axis of open size', "fix the size of that axis"))
    return ops.Divide(x, root)


def transform(real, imaginary, axis: int, factor: str, inverse: bool, half: bool = False) -> tuple[Any, Any]:
    """The spectrum of one axis of a signal, whose imaginary part may be None; `half` leaves out its conjugate half."""
    size = shape_of(real)[axis]
    cosines, sines = _waves(size, size // 2 + 1 if half else size, size, type_of(real).dtype)
    sign = ops.Add if inverse else ops.Subtract

    def times(part, waves):
        return _along(part, axis, lambda last: ops.Matmul(last, waves))

    if imaginary is None:
        turned = times(real, sines)
        parts = times(real, cosines), turned if inverse else ops.Negative(turned)
    else:  # (a + bi)(cos -+ i sin)
        turned = times(imaginary, sines)
        parts = (
            (ops.Subtract if inverse else ops.Add)(times(real, cosines), turned),
            sign(times(imaginary, cosines), times(real, sines)),
        )
    return _scaled(parts[0], factor, size), _scaled(parts[1], factor, size)


def real_signal(real, imaginary, axis: int, factor: str, size: int | None) -> Any:
    """The real signal of `size` whose spectrum's first half is this."""
    kept = shape_of(real)[axis]
    size = 2 * (kept - 1) if size is None else size
    if not isinstance(size, int) or kept != size // 2 + 1:
        raise Refusal(notimpl("an inverse transform that cuts or pads its spectrum", "give n the length of the signal"))
    cosines, sines = _waves(kept, size, size, type_of(real).dtype)
    place = ops.Arange(start=0, stop=kept, step=1, dtype="int64")
    own_conjugate = ops.Equal(ops.Remainder(ops.Multiply(place, 2), size), 0)
    dtype = type_of(real).dtype
    weight = ops.Reshape(
        ops.Where(own_conjugate, ops.Full((kept,), 1.0, dtype), ops.Full((kept,), 2.0, dtype)), (kept, 1)
    )

    def times(part, waves):
        return _along(part, axis, lambda last: ops.Matmul(last, ops.Multiply(waves, weight)))

    return _scaled(ops.Subtract(times(real, cosines), times(imaginary, sines)), factor, size)
