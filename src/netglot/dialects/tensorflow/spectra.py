"""Complex tensors of TensorFlow, as Fourier transforms make them: a pair of real ones each.

What only moves elements about, or is linear, is done to both parts alike; products and magnitudes are spelled out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from netglot.dialects.tensorflow.known import known
from netglot.errors import Refusal, notimpl
from netglot.passes.composed.spectral import real_signal, transform
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of


@dataclass(frozen=True)
class Spectrum:
    """A complex tensor: its real and its imaginary part."""

    real: Any
    imaginary: Any


def is_complex(node: Any, inputs: list[Any]) -> bool:
    """Whether a node takes complex tensors or makes some."""
    made = node.op in COMPLEX or (node.op == "Cast" and tf.dtypes.as_dtype(node.attr["DstT"].type).is_complex)
    return (made and not all(map(known, inputs))) or any(isinstance(one, Spectrum) for one in inputs)


def spectral(node: Any, inputs: list[Any], build: Callable[[Any], Any], read: Callable) -> list[Any]:
    """What a node makes that takes complex tensors or makes some.

    `build` adds an op to the graph; `read(node, inputs)` reads a node as if its tensors were real.

    Raises:
        Refusal: an operation without a form in real numbers.
    """
    if node.op in COMPLEX:
        made = COMPLEX[node.op](*inputs)
    elif node.op == "Cast" and not isinstance(inputs[0], Spectrum):
        made = _of_real(inputs[0])
    elif node.op in _PRODUCTS:
        made = _PRODUCTS[node.op](*(_as_pair(one) for one in inputs))
    elif node.op in _ALIKE:
        parts = [[getattr(_as_pair(one), part) if _is_complex(one) else one for one in inputs] for part in _PARTS]
        return [Spectrum(*both) for both in zip(*(read(node, part) for part in parts), strict=True)]
    else:
        raise Refusal(notimpl(f"tf.{node.op} of complex numbers"))
    if isinstance(made, Spectrum):
        return [Spectrum(*(one if one is None else build(one) for one in (made.real, made.imaginary)))]
    return [build(made)]


_PARTS = ("real", "imaginary")


def _is_complex(one: Any) -> bool:
    return isinstance(one, Spectrum) or (known(one) and np.iscomplexobj(one))


def _as_pair(one: Any) -> Spectrum:
    if isinstance(one, Spectrum):
        return one
    if known(one):
        array = np.asarray(one)
        return Spectrum(*(part.item() if part.ndim == 0 else part for part in (array.real, array.imag)))
    raise Refusal(notimpl("an operation on complex and real tensors"))


# -- transforms


def _fitted(x: Any, length: int) -> Any:
    """`x` cut, or with zeros at the end, so that its last axis has this length."""
    rank, size = len(shape_of(x)), shape_of(x)[-1]
    if size == length:
        return x
    if not isinstance(size, int):
        raise Refusal(notimpl("a transform that cuts or pads an axis of open size", "fix the sizes: --input 1,16000"))
    if size > length:
        return ops.Slice(x, rank - 1, 0, length, 1)
    return ops.Pad(x, (0,) * rank, (*(0,) * (rank - 1), length - size), "constant", 0.0)


def _length(fft_length: Any) -> int:
    held = np.ravel(fft_length)[0] if known(fft_length) else None
    if not isinstance(held, int | np.integer):
        raise Refusal(notimpl("a transform of a length that is not known", "fix the sizes: --input 1,16000"))
    return int(held)


def _rfft(x: Any, fft_length: Any) -> Spectrum:
    return Spectrum(*transform(_fitted(x, _length(fft_length)), None, len(shape_of(x)) - 1, "none", False, half=True))


def _irfft(x: Spectrum, fft_length: Any) -> Any:
    length = _length(fft_length)
    parts = (_fitted(part, length // 2 + 1) for part in (x.real, x.imaginary))
    return real_signal(*parts, len(shape_of(x.real)) - 1, "whole", length)


def _fft(inverse: bool) -> Callable:
    def turned(x: Spectrum) -> Spectrum:
        last = len(shape_of(x.real)) - 1
        return Spectrum(*transform(x.real, x.imaginary, last, "whole" if inverse else "none", inverse))

    return turned


# -- parts


def _of_real(x: Any) -> Spectrum:
    x = x if type_of(x).dtype in ("float32", "float64") else ops.Cast(x, "float32")
    return Spectrum(x, ops.Multiply(x, 0.0))


def _magnitude(x: Spectrum) -> Any:
    return ops.Sqrt(ops.Add(ops.Square(x.real), ops.Square(x.imaginary)))


COMPLEX: dict[str, Callable[..., Any]] = {
    "RFFT": _rfft,
    "IRFFT": _irfft,
    "FFT": _fft(inverse=False),
    "IFFT": _fft(inverse=True),
    "Complex": Spectrum,
    "ComplexAbs": _magnitude,
    "Real": lambda x: x.real,
    "Imag": lambda x: x.imaginary,
    "Angle": lambda x: ops.Atan2(ops.Where(ops.Equal(x.imaginary, 0.0), 0.0, x.imaginary), x.real),  # no negative zero
    "Conj": lambda x: Spectrum(x.real, ops.Negative(x.imaginary)),
}
"""The operations that make complex tensors, or real ones of these."""


def _product(x: Spectrum, y: Spectrum) -> Spectrum:
    return Spectrum(
        ops.Subtract(ops.Multiply(x.real, y.real), ops.Multiply(x.imaginary, y.imaginary)),
        ops.Add(ops.Multiply(x.real, y.imaginary), ops.Multiply(x.imaginary, y.real)),
    )


_PRODUCTS: dict[str, Callable[..., Any]] = {
    "Mul": _product,
    "Square": lambda x: _product(x, x),
    "Cast": lambda x: x.real,
}
_ALIKE = {
    *("AddV2", "Add", "Sub", "AddN", "Neg", "Sum", "Mean"),
    *("Reshape", "Transpose", "ExpandDims", "Squeeze", "StridedSlice", "Slice", "GatherV2", "Pad", "PadV2"),
    *("ConcatV2", "Pack", "Unpack", "Split", "SplitV", "ReverseV2", "Roll", "Tile", "ZerosLike"),
}
"""What is done to the real and the imaginary parts alike."""
