"""Complex numbers as pairs of real tensors, as rotary position embeddings and spectral layers compute with them.

The pivot has no complex tensors, and few frameworks train with them. A complex value of the source becomes two real
ones while it is read; what has no such form is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netglot.errors import Refusal, notimpl
from netglot.passes.composed.spectral import NOTE
from netglot.pivot import ops
from netglot.pivot.op import is_scalar, shape_of, type_of

REAL = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
"""The dtype of the parts of each complex one."""
PARTS = ("real", "imaginary")
"""What the parts of a pair are called, behind the name of the pair."""


@dataclass(frozen=True)
class Complex:
    """A complex tensor: its real and its imaginary part, of one shape."""

    real: Any
    imaginary: Any


def concerns(name: str, arguments: list[Any]) -> bool:
    """Whether an op makes or takes complex numbers; `name` is that of the op without its overload."""
    return name in MAKERS or any(isinstance(a, Complex | complex) for a in _flat(arguments))


def read(target: str, arguments: list[Any], options: dict[str, Any], reader: Callable | None) -> Any:
    """What a call with complex numbers computes: op trees, and pairs of them as `Complex`.

    Args:
        reader: the reader of the op for real tensors, which stands in for each part where the op is linear.

    Raises:
        Refusal: the op has no form on pairs.
    """
    name = target.removeprefix("aten.").partition(".")[0]
    arguments = [Complex(a.real, a.imag) if isinstance(a, complex) else a for a in arguments]
    if name in MAKERS:
        return MAKERS[name](*arguments, **options)
    if name in _OPS:
        return _OPS[name](*arguments, **options)
    if name in _CASTS:
        return _cast(arguments, options)
    if reader is not None and name in _EACH:
        return _each(reader, arguments, options)
    if reader is not None and name == "einsum":
        return _einsum(reader, arguments, options)
    if reader is not None and name in _PRODUCTS:
        return _product(reader, arguments, options)
    raise Refusal(notimpl(f"{target} of complex numbers", "compute with the real and the imaginary part"))


def note(target: str) -> str:
    """What the user should know of how an op was carried over; empty where there is nothing to say."""
    if target.startswith("aten.fft_"):
        return NOTE
    return ""


def _flat(arguments: Any):
    for one in arguments:
        if isinstance(one, list | tuple):
            yield from _flat(one)
        else:
            yield one


def _parts(held: Any, part: str) -> Any:
    """`held` with each complex number replaced by one of its parts."""
    if isinstance(held, Complex):
        return getattr(held, part)
    if isinstance(held, list):
        return [_parts(one, part) for one in held]
    return held


def _each(reader, arguments, options) -> Any:
    """A linear op, on each part by itself."""
    if any(isinstance(a, list) and any(isinstance(i, Complex) for i in a) for a in arguments):
        lists = [a for a in arguments if isinstance(a, list) and any(isinstance(i, Complex) for i in a)]
        if any(not isinstance(i, Complex) for one in lists for i in one):
            raise Refusal(notimpl("joining complex numbers with real ones"))
    real, imaginary = (
        reader(*(_parts(a, part) for a in arguments), **{k: _parts(v, part) for k, v in options.items()})
        for part in PARTS
    )
    if isinstance(real, tuple | list):
        return tuple(Complex(r, i) for r, i in zip(real, imaginary, strict=True))
    return Complex(real, imaginary)


def _product(reader, arguments, options) -> Any:
    """An op that is linear in each of its first two operands."""
    a, b, *rest = arguments
    if not isinstance(a, Complex):
        return Complex(reader(a, b.real, *rest, **options), reader(a, b.imaginary, *rest, **options))
    if not isinstance(b, Complex):
        return Complex(reader(a.real, b, *rest, **options), reader(a.imaginary, b, *rest, **options))

    def product(x, y):
        return reader(x, y, *rest, **options)

    return Complex(
        ops.Subtract(product(a.real, b.real), product(a.imaginary, b.imaginary)),
        ops.Add(product(a.real, b.imaginary), product(a.imaginary, b.real)),
    )


def _einsum(reader, arguments, options) -> Any:
    """A sum of products, linear in each operand: two at a time where both are complex."""
    equation, operands, *rest = arguments
    pairs = [isinstance(one, Complex) for one in operands]
    if sum(pairs) > 2 or (sum(pairs) == 2 and len(operands) > 2):
        raise Refusal(notimpl("an einsum of more than two tensors, some complex", "write it as several einsums of two"))

    def product(*chosen):
        left = iter(chosen)
        given = [next(left) if pair else one for pair, one in zip(pairs, operands, strict=True)]
        return reader(equation, given, *rest, **options)

    both = [one for one in operands if isinstance(one, Complex)]
    return _product(product, both, {}) if len(both) == 2 else Complex(product(both[0].real), product(both[0].imaginary))


def _cast(arguments, options) -> Any:
    """Another precision; the imaginary part is not given up silently."""
    x, wanted = arguments[0], next((a for a in (*arguments[1:], *options.values()) if isinstance(a, str)), None)
    if wanted is None and isinstance(x, Complex):  # to another device
        return x
    if wanted not in REAL or not isinstance(x, Complex):
        raise Refusal(notimpl("a cast between complex and real numbers", "take .real, or torch.complex"))
    dtype = REAL[wanted]
    return Complex(ops.Cast(x.real, dtype), ops.Cast(x.imaginary, dtype))


def _view_as_complex(x) -> Complex:
    last = len(shape_of(x)) - 1
    return Complex(ops.Select(x, last, 0), ops.Select(x, last, 1))


def _polar(abs, angle) -> Complex:
    return Complex(ops.Multiply(abs, ops.Cos(angle)), ops.Multiply(abs, ops.Sin(angle)))


def _view_as_real(x: Complex):
    return ops.Stack((x.real, x.imaginary), len(shape_of(x.real)))


def _square(x: Complex):
    return ops.Add(ops.Square(x.real), ops.Square(x.imaginary))


def _magnitude(x: Complex):
    """The absolute value, whose gradient at zero is zero and not that of the root."""
    square = _square(x)
    nothing = ops.Equal(square, 0.0)
    return ops.Where(nothing, 0.0, ops.Sqrt(ops.Where(nothing, 1.0, square)))


def _conjugate(x: Complex) -> Complex:
    return Complex(x.real, ops.Negative(x.imaginary))


def _alike(real, imaginary) -> Complex:
    """A pair whose imaginary part, which an operand that has none left alone, gets the shape of the real one."""
    shape = shape_of(real)
    if is_scalar(imaginary):
        return Complex(real, ops.Full(shape, float(imaginary), type_of(real).dtype))
    return Complex(real, imaginary if shape_of(imaginary) == shape else ops.Broadcast(imaginary, shape))


def _sum(sign: type) -> Callable:
    def combine(a, b, alpha=1):
        if alpha != 1:
            raise Refusal(notimpl("a scaled sum of complex numbers", "multiply first"))
        if isinstance(a, Complex) and isinstance(b, Complex):
            return Complex(sign(a.real, b.real), sign(a.imaginary, b.imaginary))
        if isinstance(a, Complex):
            return _alike(sign(a.real, b), a.imaginary)
        return _alike(sign(a, b.real), b.imaginary if sign is ops.Add else ops.Negative(b.imaginary))

    return combine


def _divide(a, b) -> Complex:
    if not isinstance(b, Complex):
        return Complex(ops.Divide(a.real, b), ops.Divide(a.imaginary, b))
    size = _square(b)
    if not isinstance(a, Complex):
        return Complex(
            ops.Divide(ops.Multiply(a, b.real), size), ops.Negative(ops.Divide(ops.Multiply(a, b.imaginary), size))
        )
    real = ops.Add(ops.Multiply(a.real, b.real), ops.Multiply(a.imaginary, b.imaginary))
    imaginary = ops.Subtract(ops.Multiply(a.imaginary, b.real), ops.Multiply(a.real, b.imaginary))
    return Complex(ops.Divide(real, size), ops.Divide(imaginary, size))


MAKERS: dict[str, Callable] = {
    "view_as_complex": _view_as_complex,
    "complex": lambda real, imag: Complex(real, imag),
    "polar": _polar,
}
"""What makes complex numbers of real ones."""

_OPS: dict[str, Callable] = {
    "view_as_real": _view_as_real,
    "real": lambda x: x.real,
    "imag": lambda x: x.imaginary,
    "conj": _conjugate,
    "_conj": _conjugate,
    "conj_physical": _conjugate,
    "resolve_conj": lambda x: x,
    "abs": _magnitude,
    "angle": lambda x: ops.Atan2(x.imaginary, x.real),
    "exp": lambda x: _polar(ops.Exp(x.real), x.imaginary),
    "add": _sum(ops.Add),
    "sub": _sum(ops.Subtract),
    "rsub": lambda a, b, alpha=1: _sum(ops.Subtract)(b, a, alpha),
    "div": _divide,
}
"""What has a form of its own on pairs."""

_CASTS = ("to", "_to_copy", "type_as")

_PRODUCTS = ("mul", "matmul", "bmm", "mm")
"""Linear in each of the first two operands."""

_EACH = frozenset(
    "view reshape _unsafe_view permute transpose t movedim swapaxes unsqueeze squeeze expand expand_as repeat "
    "slice select narrow index index_select gather cat concat stack chunk split split_with_sizes unbind tensor_split "
    "flatten unflatten roll flip clone contiguous detach alias lift_fresh_copy sum mean neg cumsum tril triu "
    "diagonal repeat_interleave".split()
)
"""Linear, and blind to what the numbers are."""
