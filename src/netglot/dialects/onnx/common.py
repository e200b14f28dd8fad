"""What the readers of operators share: axes, shapes, dtypes, and arrays that are known."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, floordiv, maximum, minimum, product
from netglot.pivot.op import normal_axis, shape_of, type_of

if TYPE_CHECKING:
    Known = Any
else:
    Known = np.ndarray
    """Annotates an input that must be known while the file is read; None stands for one that is left out."""

ELEMENT_TYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3fn",
    19: "float8_e5m2",
}
"""The dtype of each code of `TensorProto.DataType` that the pivot has."""

NARROW = {
    18: "float8_e4m3fnuz",
    20: "float8_e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4_e2m1",
    24: "float8_e8m0",
    25: "uint2",
    26: "int2",
    27: "float6_e2m3",
    28: "float6_e3m2",
}
"""The dtypes that exist in ONNX alone."""


def dtype_called(code: int) -> str:
    """The pivot's dtype for a code of ONNX.

    Raises:
        Refusal: no framework computes with it.
    """
    if code in ELEMENT_TYPES:
        return ELEMENT_TYPES[code]
    raise Refusal(never(f"no framework has tensors of {NARROW.get(code, f'the element type {code}')}"))


def rank(x: Any) -> int:
    """The number of axes."""
    return len(shape_of(x))


def dtype(x: Any) -> str:
    """The dtype of an operand."""
    return type_of(x).dtype


def is_float(x: Any) -> bool:
    """Whether an operand holds floats."""
    return "float" in dtype(x)


def axis_in(axis: Any, count: int) -> int:
    """An axis counted from the front.

    Raises:
        ValueError: there is no such axis.
    """
    place = normal_axis(int(axis), count)
    if not 0 <= place < count:
        raise ValueError(f"there is no axis {axis} among {count}")
    return place


def axis_of(x: Any, axis: Any) -> int:
    """An axis of `x` counted from the front."""
    return axis_in(axis, rank(x))


def numbers(array: Any) -> list:
    """The elements of a known array as Python numbers and sizes."""
    return list(np.asarray(array, dtype=object).reshape(-1))


def axes_of(x: Any, axes: Any) -> tuple[int, ...]:
    """Axes of `x` counted from the front, sorted; None means all."""
    if axes is None:
        return tuple(range(rank(x)))
    found = tuple(sorted(axis_of(x, axis) for axis in numbers(axes)))
    if len(set(found)) != len(found):
        raise ValueError(f"the axes {found} name one twice")
    return found


def number(array: Any) -> Any:
    """The one element of a known array."""
    (one,) = numbers(array)
    return one


def integer(array: Any) -> int:
    """The one element of a known array, an integer.

    Raises:
        Refusal: it is a size that is not known.
    """
    one = number(array)
    if isinstance(one, Dim):
        raise Refusal(notimpl(f"an option that depends on the size {one}", "fix the sizes of the inputs"))
    return int(one)


def with_axes(x: Any, axes: Any) -> Any:
    """`x` with axes of size 1 at the places `axes` of the result."""
    total = rank(x) + len(numbers(axes))
    places = {axis_in(axis, total) for axis in numbers(axes)}
    if len(places) != len(numbers(axes)):
        raise ValueError("an axis is added twice")
    sizes = iter(shape_of(x))
    return reshaped(x, tuple(1 if i in places else next(sizes) for i in range(total)))


def without_axes(x: Any, axes: tuple[int, ...]) -> Any:
    """`x` without the axes `axes`, whose size is 1."""
    shape = shape_of(x)
    if any(isinstance(shape[axis], int) and shape[axis] != 1 for axis in axes):
        raise ValueError(f"the axes {axes} of the shape {shape} do not all have size 1")
    return reshaped(x, tuple(size for i, size in enumerate(shape) if i not in axes))


def reshaped(x: Any, shape: tuple) -> Any:
    """`x` in another shape of as many elements; itself where the shape is its own.

    Raises:
        ValueError: the numbers of elements differ.
    """
    if tuple(shape_of(x)) == tuple(shape):
        return x
    before, after = product(shape_of(x)), product(shape)
    if isinstance(before, int) and isinstance(after, int) and before != after:
        raise ValueError(f"{before} elements do not fit into the shape {shape}")
    return ops.Reshape(x, tuple(shape))


def flat(x: Any) -> Any:
    """`x` with one axis."""
    return reshaped(x, (product(shape_of(x)),))


def swapped(x: Any, one: int, other: int) -> Any:
    """`x` with two axes in each other's place."""
    order = list(range(rank(x)))
    order[one], order[other] = other, one
    return x if one == other else ops.Permute(x, tuple(order))


def moved(x: Any, source: int, destination: int) -> Any:
    """`x` with one axis at another place."""
    order = [i for i in range(rank(x)) if i != source]
    order.insert(destination, source)
    return x if order == list(range(rank(x))) else ops.Permute(x, tuple(order))


def broadcast(x: Any, shape: tuple) -> Any:
    """`x` enlarged to a shape; itself where it has it."""
    return x if tuple(shape_of(x)) == tuple(shape) else ops.Broadcast(x, tuple(shape))


def cast(x: Any, wanted: str) -> Any:
    """`x` in a dtype; itself where it has it."""
    return x if dtype(x) == wanted else ops.Cast(x, wanted)


def filled(shape: tuple, value: Any, kind: str) -> Any:
    """A tensor that holds one number everywhere."""
    value = bool(value) if kind == "bool" else float(value) if "float" in kind else int(value)
    return ops.Full(tuple(shape), value, kind)


def scalar(value: Any, kind: str) -> np.ndarray:
    """A number as a known array of rank 0."""
    from netglot.pivot.op import numpy_dtype

    return np.asarray(value, numpy_dtype(kind))


def decimal(value: float) -> float:
    """A number that a file holds in single precision, as it was meant: 0.1 and not 0.10000000149, the root of a half
    and not 0.70710677."""
    single = np.float32(value)
    text = str(single)
    if abs(float(text)) > _LARGEST:  # rounded up, which single precision does not hold
        return float(single)
    if sum(c.isdigit() for c in text.partition("e")[0].strip("-0.")) < 7 or not np.isfinite(single):
        return float(text)
    meant = _meant().get(abs(float(single)))
    return float(text) if meant is None else math.copysign(meant, value)


_LARGEST = float(np.finfo(np.float32).max)


@functools.cache
def _meant() -> dict[float, float]:
    """Roots, their inverses and a few constants in double precision, by how single precision holds them."""
    found = [
        math.pi,
        math.e,
        math.log(2),
        math.sqrt(2 / math.pi),
        1 / 3,
        2 / 3,
        1 / 6,
        1 / math.pi,
        2 / math.sqrt(math.pi),
    ]
    for n in range(1, 4097):
        found += [math.sqrt(n), 1 / math.sqrt(n), n**-0.25, n**0.25, 1 / n]
    return {float(np.float32(one)): one for one in reversed(found)}


def sliced(x: Any, axis: int, start: Any, stop: Any, step: int = 1) -> Any:
    """The elements of an axis from `start` to `stop` in steps, as ONNX and Python count them.

    Raises:
        Refusal: the direction or the bounds depend on sizes that are not known.
    """
    size = shape_of(x)[axis]
    if step < 0:
        return _backwards(x, axis, start, stop, step)
    start, stop = _bound(start, size), _bound(stop, size)
    if isinstance(start, int) and isinstance(stop, int):
        stop = max(start, stop)
    elif _difference(stop, start) is not None and _difference(stop, start) < 0:
        stop = start
    if _is(start, 0) and stop == size and step == 1:
        return x
    return ops.Slice(x, axis, start, stop, step)


def _difference(one: Any, other: Any) -> int | None:
    gap = one - other
    return gap if isinstance(gap, int) else None


def _is(one: Any, wanted: int) -> bool:
    return isinstance(one, int) and one == wanted


def _bound(given: Any, size: Any) -> Any:
    """A bound of a slice within the axis."""
    if isinstance(given, Dim):
        return given if _surely_within(given, size) else maximum(minimum(given, size), 0)
    given = int(given)
    if given < 0:
        return maximum(size + given, 0) if isinstance(size, int) or given < -(2**31) else size + given
    return size if given >= 2**31 - 1 else given if given == 0 else _smaller(given, size)


def _smaller(given: int, size: Any) -> Any:
    return min(given, size) if isinstance(size, int) else minimum(given, size)


def _surely_within(given: Dim, size: Any) -> bool:
    gap = size - given
    if isinstance(gap, int):
        return gap >= 0
    return all(c >= 0 for _, c in gap.terms) and all(c >= 0 for _, c in given.terms)


def _backwards(x: Any, axis: int, start: Any, stop: Any, step: int) -> Any:
    """A slice that counts down: the elements from the other end."""
    size = shape_of(x)[axis]
    turned = ops.Flip(x, (axis,))
    if not isinstance(size, int) or isinstance(start, Dim) or isinstance(stop, Dim):
        from_end = start == size - 1 or _is(start, -1) or (isinstance(start, int) and start >= 2**31 - 1)
        to_front = isinstance(stop, int) and stop < -(2**31) + 1
        if from_end and to_front:
            return turned if step == -1 else ops.Slice(turned, axis, 0, size, -step)
        raise Refusal(notimpl("a slice that counts down along an axis whose size is not known"))
    start, stop = int(start), int(stop)
    start = min(max(start + size if start < 0 else start, -1), size - 1)
    stop = min(max(stop + size if stop < 0 else stop, -1), size - 1) if stop >= -size else -1
    first, last = size - 1 - start, size - 1 - stop
    if last <= first:
        return ops.Slice(turned, axis, 0, 0, 1)
    whole = first == 0 and last == size and step == -1
    return turned if whole else ops.Slice(turned, axis, first, last, -step)


def filled_size(shape: list, x: Any) -> tuple:
    """A shape in which one size may be -1: what is left of `x`."""
    unknown = [i for i, size in enumerate(shape) if _is(size, -1)]
    if len(unknown) > 1 or any(isinstance(size, int) and size < -1 for size in shape):
        raise ValueError(f"{shape} is no shape")
    if unknown:
        known = product([size for size in shape if not _is(size, -1)])
        if _is(known, 0):
            raise ValueError(f"what is left for -1 in {shape} is not determined")
        shape[unknown[0]] = floordiv(product(shape_of(x)), known)
    return tuple(shape)


def same_dtype(*xs: Any) -> None:
    """Does nothing where all operands have one dtype.

    Raises:
        ValueError: they have not.
    """
    found = sorted({dtype(x) for x in xs if x is not None})
    if len(found) > 1:
        raise ValueError(f"the inputs have different element types: {', '.join(found)}")
