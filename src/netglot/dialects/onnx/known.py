"""Tensors that are known while a file is read, and arithmetic on those with symbolic sizes among their elements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from netglot.errors import Reason, Refusal, notimpl
from netglot.pivot.dims import Dim, floordiv, maximum, minimum, mod, product, symbols_of
from netglot.pivot.graph import Value
from netglot.pivot.op import TensorType, numpy_dtype

LARGEST = 1 << 22
"""The number of elements of the largest tensor that is computed while a file is read."""


@dataclass(eq=False)
class Stored:
    """A tensor that the file holds, or that is computed from such tensors alone; loaded when it is needed.

    `weight` says that it belongs to the network and may be trained. `name` is the file's name for it. A `narrow` one
    has fewer bits in the file than its dtype.
    """

    name: str
    type: TensorType
    load: Callable[[], np.ndarray]
    weight: bool = False
    _array: list = field(default_factory=list)
    narrow: bool = False

    @property
    def count(self) -> int:
        """The number of its elements."""
        return int(product(self.type.shape))

    def array(self) -> np.ndarray:
        """The elements.

        Raises:
            Refusal: there are too many to compute with while a file is read.
        """
        if not self._array:
            if self.count > LARGEST:
                raise Refusal(notimpl(f"{self.name} decides about shapes, and has {self.count} elements"))
            made = np.asarray(self.load())
            self._array.append(made.astype(numpy_dtype(self.type.dtype), copy=False))
        return self._array[0]


@dataclass(frozen=True, eq=False)
class Sizes:
    """A known tensor of which some elements are symbolic sizes: an array of objects, and the dtype it has in the file.

    Elements of a tensor of floats are sizes or `Ratio`s.
    """

    array: np.ndarray
    dtype: str

    @property
    def type(self) -> TensorType:
        """The type of the tensor."""
        return TensorType(self.dtype, self.array.shape)


@dataclass(frozen=True)
class Ratio:
    """A size over a number, before it is rounded."""

    top: int | Dim
    bottom: int


def stored(array: Any, name: str = "constant") -> Stored:
    """A known tensor of an array."""
    array = np.asarray(array)
    return Stored(name, TensorType(str(array.dtype), array.shape), lambda: array, False, [array])


def sizes(items: Any, dtype: str = "int64") -> Sizes | Stored:
    """A known tensor of sizes."""
    array = np.empty(np.shape(items), dtype=object)
    array[...] = items
    if any(isinstance(one, Dim | Ratio) for one in array.reshape(-1)):
        return Sizes(array, dtype)
    return stored(array.astype(numpy_dtype(dtype)))


def objects(held: Sizes | Stored) -> np.ndarray:
    """The elements as an array of Python numbers and sizes."""
    return held.array if isinstance(held, Sizes) else held.array().astype(object)


BIND = "give fixed values to the inputs "
"""How the advice begins where inputs decide about shapes."""


def depends(one: Value, position: int, origins: list[Value], what: str = "the shape of its result") -> Reason:
    """Why a tensor must be known and is not; `origins` are the inputs that it is computed from."""
    names = [value.hint or value.name for value in origins]
    if names and all(len(value.shape) <= 1 for value in origins):
        shown = ", ".join(names)
        return notimpl(f"{what} depends on the inputs {shown}", f"{BIND}{shown}")
    return notimpl(f"{what} depends on data: input {position} is computed while the network runs")


_UNDECIDED = notimpl("a choice that depends on a size that is not known", "fix the sizes of the inputs")


def sign(gap: Any) -> int:
    """The sign of a difference of sizes, each of which is at least 2.

    Raises:
        Refusal: it depends on the sizes.
    """
    if isinstance(gap, Ratio):
        gap = gap.top
    if not isinstance(gap, Dim):
        return (gap > 0) - (gap < 0)
    signs = {c > 0 for monomial, c in gap.terms if monomial}
    if len(signs) != 1 or any(not isinstance(atom, str) for monomial, _ in gap.terms for atom, _ in monomial):
        raise Refusal(_UNDECIDED)
    least = gap.evaluate(dict.fromkeys(symbols_of(gap), 2))
    (rising,) = signs
    if (rising and least > 0) or (not rising and least < 0):
        return 1 if rising else -1
    raise Refusal(_UNDECIDED)


def _parts(one: Any) -> tuple[Any, int]:
    """A number as a size over an integer."""
    if isinstance(one, Ratio):
        return one.top, one.bottom
    if isinstance(one, float | np.floating):
        whole = Fraction(float(one)).limit_denominator(1 << 12)
        if abs(float(whole) - float(one)) > 1e-7 * abs(float(one)):
            raise Refusal(notimpl("a size that is not known times a fraction"))
        return whole.numerator, whole.denominator
    return one, 1


def _plain(top: Any, bottom: int) -> Any:
    """A size over a number, as simple as it is."""
    if bottom == 1:
        return top
    whole = floordiv(top, bottom)
    return whole if whole * bottom == top else Ratio(top, bottom)


def _add(x: Any, y: Any) -> Any:
    (a, b), (c, d) = _parts(x), _parts(y)
    return _plain(a * d + c * b, b * d)


def _subtract(x: Any, y: Any) -> Any:
    return _add(x, _multiply(y, -1))


def _multiply(x: Any, y: Any) -> Any:
    (a, b), (c, d) = _parts(x), _parts(y)
    return _plain(a * c, b * d)


def _divide(floats: bool) -> Callable:
    def whole(x: Any, y: Any) -> Any:
        if isinstance(y, int | np.integer) and y == 0:
            raise ValueError("a division by 0")
        return floordiv(x, y)

    def exact(x: Any, y: Any) -> Any:
        (a, b), (c, d) = _parts(x), _parts(y)
        if isinstance(c, Dim):
            ratio = floordiv(a * d, c)
            if isinstance(ratio, int) and ratio * c == a * d:
                return _plain(ratio, b)
            raise Refusal(notimpl("a number over a size that is not known"))
        return _plain(a * d, b * c) if c > 0 else _plain(-(a * d), -(b * c))

    return exact if floats else whole


def _floor(x: Any) -> Any:
    top, bottom = _parts(x)
    return floordiv(top, bottom)


def _ceil(x: Any) -> Any:
    top, bottom = _parts(x)
    return floordiv(top + bottom - 1, bottom)


def _lift(function: Callable, *arrays: np.ndarray) -> np.ndarray:
    made = np.frompyfunc(function, len(arrays), 1)(*arrays)
    return np.asarray(made, dtype=object)


def _reduce(function: Callable) -> Callable:
    def fold(x: Sizes, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, **attributes: Any) -> Any:
        axes = attributes.get("axes") if axes is None else objects(axes).tolist()
        if x.array.ndim != 1 or (axes is not None and list(axes) not in ([0], [-1], [])):
            raise Refusal(notimpl("sizes in a matrix that are folded"))
        made = function(list(x.array))
        return sizes([made] if keepdims else made, x.dtype)

    return fold


def _compare(decide: Callable[[int], bool], equality: bool = False) -> Callable:
    def pair(x: Any, y: Any) -> bool:
        if equality and isinstance(x, Dim) and isinstance(y, Dim) and x == y:
            return decide(0)
        return decide(sign(_subtract(x, y)))

    return lambda x, y: stored(_lift(pair, objects(x), objects(y)).astype(bool))


def _elementwise(function: Callable) -> Callable:
    def fold(*operands: Any) -> Any:
        kind = next(o.dtype for o in operands if isinstance(o, Sizes))
        made = objects(operands[0])
        if len(operands) == 1:
            return sizes(_lift(function, made), kind)
        for other in operands[1:]:
            made = _lift(function, made, objects(other))
        return sizes(made, kind)

    return fold


def _div(x: Any, y: Any) -> Any:
    kind = next(o.dtype for o in (x, y) if isinstance(o, Sizes))
    return sizes(_lift(_divide("float" in kind), objects(x), objects(y)), kind)


def _where(condition: Stored, x: Any, y: Any) -> Any:
    kind = next(o.dtype for o in (x, y) if isinstance(o, Sizes))
    return sizes(np.where(objects(condition).astype(bool), objects(x), objects(y)), kind)


def _cast(x: Sizes, *, to: int, **_: Any) -> Any:
    from netglot.dialects.onnx.common import dtype_called

    kind = dtype_called(to)
    if kind == "bool":
        return stored(_lift(lambda one: sign(one) != 0, x.array).astype(bool))
    if "float" in x.dtype and "int" in kind:
        return sizes(_lift(_floor, x.array), kind)  # sizes are not negative, so dropping a fraction is the floor
    return sizes(x.array, kind)


def _max(items: list) -> Any:
    made = items[0]
    for one in items[1:]:
        made = maximum(made, one)
    return made


def _min(items: list) -> Any:
    made = items[0]
    for one in items[1:]:
        made = minimum(made, one)
    return made


def _sum(items: list) -> Any:
    made = items[0]
    for one in items[1:]:
        made = _add(made, one)
    return made


def _unsigned_whole(function: Callable) -> Callable:
    def act(x: Any, y: Any) -> Any:
        if isinstance(x, Ratio) or isinstance(y, Ratio):
            raise Refusal(notimpl("fractions of sizes that are compared"))
        return function(x, y)

    return act


SYMBOLIC: dict[str, Callable] = {
    "Add": _elementwise(_add),
    "Sub": _elementwise(_subtract),
    "Mul": _elementwise(_multiply),
    "Div": _div,
    "Mod": lambda x, y, **_: _elementwise(mod)(x, y),
    "Neg": _elementwise(lambda x: _multiply(x, -1)),
    "Floor": _elementwise(_floor),
    "Ceil": _elementwise(_ceil),
    "Max": _elementwise(_unsigned_whole(maximum)),
    "Min": _elementwise(_unsigned_whole(minimum)),
    "Identity": lambda x: x,
    "Cast": _cast,
    "Equal": _compare(lambda s: s == 0, True),
    "Less": _compare(lambda s: s < 0),
    "LessOrEqual": _compare(lambda s: s <= 0),
    "Greater": _compare(lambda s: s > 0),
    "GreaterOrEqual": _compare(lambda s: s >= 0),
    "Where": _where,
    "ReduceProd": _reduce(product),
    "ReduceSum": _reduce(_sum),
    "ReduceMax": _reduce(_max),
    "ReduceMin": _reduce(_min),
}
"""How operators act on tensors with symbolic sizes among their elements, element by element."""

REARRANGING = frozenset(
    "Gather Concat Slice Squeeze Unsqueeze Reshape Flatten Split Transpose Expand Tile Pad GatherElements GatherND "
    "ScatterElements ScatterND ReverseSequence Compress Identity".split()
)
"""Operators that move elements and compute nothing: they act on the places of the elements, and so on sizes."""
