"""What an operation is: its operands, its attributes, its meaning in NumPy, and how it behaves under permuted axes.

An op is a frozen record. Its fields are declared as annotations without defaults, because frameworks disagree on
every default. Operand fields hold a `Value` in a graph, a NumPy array when the op is evaluated, another op while a
composition is written down, or a plain Python number where the operand is a scalar constant.

    class LeakyRelu(Elementwise):
        '''`x` where `x >= 0`, else `slope * x`.'''
        x: Tensor
        slope: float

        def reference(self):
            return np.where(self.x >= 0, self.x, self.slope * self.x)

        cases = [dict(x=rand(2, 3), slope=s) for s in (0.01, 0.2, 0.3)]

Attribute fields that speak of axes are annotated so (`Axis`, `Axes`, `PerAxis`, `Shape`); the layout pass rewrites
exactly those. Axes are never negative in a graph.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, dataclass_transform

import numpy as np

from netglot.pivot import dims
from netglot.pivot.dims import Dim, Size

DTYPES = (
    "float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 complex64 complex128 "
    "int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool string"
).split()
FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
INTEGERS = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")


@dataclass(frozen=True)
class TensorType:
    """The dtype and the shape of a tensor. Sizes are integers or `Dim`s."""

    dtype: str
    shape: tuple[Size, ...]

    def __post_init__(self):
        assert self.dtype in DTYPES, self.dtype

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


if typing.TYPE_CHECKING:  # an operand field holds a value, an array, an op or a number, by what is done with the op
    Tensor = Any
else:

    class Tensor:
        """Marks a field as an operand. `Tensor | None` is one that may be absent, `tuple[Tensor, ...]` a list."""


@dataclass(frozen=True)
class AxisKind:
    """Marks an attribute as speaking of the axes of the operand `of` (or of the result, for `"result"`)."""

    kind: Literal["axis", "axes", "per_axis", "shape"]
    of: str | None = None


Axis = Annotated[int, AxisKind("axis")]
"""An axis of the first operand."""
Axes = Annotated[tuple[int, ...], AxisKind("axes")]
"""Axes of the first operand."""
PerAxis = Annotated[tuple, AxisKind("per_axis")]
"""One entry for each axis of the first operand."""
Shape = Annotated[tuple, AxisKind("shape", "result")]
"""The shape of the result."""


@dataclass(frozen=True)
class Field:
    """One field of an op as declared: `operand` is "one", "optional", "many" or None for an attribute."""

    name: str
    operand: Literal["one", "optional", "many"] | None
    axis: AxisKind | None
    names: str | None
    annotation: Any


def _field(name: str, annotation: Any) -> Field:
    """Reads an annotation. A string in `Annotated[Tensor, "out in kh kw"]` names the axes of a weight."""
    axis = names = None
    plain = annotation
    if typing.get_origin(annotation) is Annotated:
        plain, *extras = typing.get_args(annotation)
        axis = next((e for e in extras if isinstance(e, AxisKind)), None)
        names = next((e for e in extras if isinstance(e, str)), None)
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    if origin in (typing.Union, types.UnionType):  # `Annotated[Tensor, "out"] | None` names axes inside the union
        inner = next((a for a in arguments if typing.get_origin(a) is Annotated), None)
        names = names or next((e for e in typing.get_args(inner)[1:] if isinstance(e, str)), None)
        arguments = tuple(typing.get_args(a)[0] if typing.get_origin(a) is Annotated else a for a in arguments)
    operand = None
    if plain is Tensor:
        operand = "one"
    elif origin in (typing.Union, types.UnionType) and Tensor in arguments:
        operand = "optional"
    elif origin is tuple and arguments and Tensor in (arguments[0], *typing.get_args(arguments[0])):
        operand = "many"
    return Field(name, operand, axis, names, annotation)


REGISTRY: dict[str, type[Op]] = {}
"""Every op by its name."""


@dataclass_transform(frozen_default=True, eq_default=False)
class Op:
    """The base of all ops. A subclass that declares fields becomes a frozen record and enters `REGISTRY`.

    Class attributes that a subclass may set:
        results: the names of the results; one result called "out" unless said.
        layout: how the op behaves when the axes of its operands are permuted, see `passes.layout`:
            "elementwise" - operands broadcast, so they need one common order;
            "along"       - the result has the axes of the first operand; axis attributes are renamed;
            "reduce"      - as "along", and the axes of `reduced()` vanish (or stay with size 1);
            "fixed"       - every operand in its own order.
            Permute, Reshape and Broadcast have rules of their own.
        random: whether training draws random numbers.
        cases: keyword arguments of instances on which every dialect is tested, with arrays for operands.
    """

    results: ClassVar[tuple[str, ...]] = ("out",)
    layout: ClassVar[str] = "fixed"
    random: ClassVar[bool] = False
    cases: ClassVar[list[dict]] = []

    if typing.TYPE_CHECKING:  # a rule that looks at any op asks for fields by name

        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(cls, abstract: bool = False, **kwargs):
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, eq=False, repr=False)(cls)
        if not abstract:
            assert cls.__name__ not in REGISTRY, f"two ops are called {cls.__name__}"
            REGISTRY[cls.__name__] = cls

    @classmethod
    @functools.cache
    def fields(cls) -> tuple[Field, ...]:
        """The fields in order of declaration."""
        hints = typing.get_type_hints(cls, include_extras=True)
        return tuple(_field(f.name, hints[f.name]) for f in dataclasses.fields(cls))  # type: ignore[arg-type]

    @classmethod
    @functools.cache
    def operand_fields(cls) -> tuple[Field, ...]:
        """The fields that hold operands."""
        return tuple(f for f in cls.fields() if f.operand)

    @classmethod
    @functools.cache
    def attribute_fields(cls) -> tuple[Field, ...]:
        """The fields that hold attributes."""
        return tuple(f for f in cls.fields() if not f.operand)

    def operands(self) -> Iterator[Any]:
        """All operands in order, absent ones left out, lists flattened; scalars included."""
        for field in self.operand_fields():
            held = getattr(self, field.name)
            if field.operand == "many":
                yield from (one for one in held if one is not None)
            elif held is not None:
                yield held

    def attributes(self) -> dict[str, Any]:
        """The attributes by name."""
        return {f.name: getattr(self, f.name) for f in self.attribute_fields()}

    def replace(self, **changes) -> Op:
        """The same op with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def map_operands(self, function: Callable[[Any], Any]) -> Op:
        """The same op with `function` applied to each operand that is not None."""
        changes = {}
        for field in self.operand_fields():
            held = getattr(self, field.name)
            if field.operand == "many":
                changes[field.name] = tuple(None if one is None else function(one) for one in held)
            elif held is not None:
                changes[field.name] = function(held)
        return self.replace(**changes)

    def infer(self) -> TensorType | tuple[TensorType, ...]:
        """The types of the results, from the types of the operands (`type_of`)."""
        raise NotImplementedError(f"{type(self).__name__} states no result type")

    def result_types(self) -> tuple[TensorType, ...]:
        """The types of the results, always as a tuple."""
        inferred = self.infer()
        return inferred if isinstance(inferred, tuple) else (inferred,)

    def reference(self) -> Any:
        """The meaning in inference: operands are NumPy arrays; one array, or a tuple in the order of `results`."""
        raise NotImplementedError(f"{type(self).__name__} states no meaning")

    def training_reference(self) -> Any:
        """The meaning in training; differs only where the op depends on the mode.

        Random ops are evaluated with `NoRandomness` semantics (nothing dropped); ops with state return the results
        followed by the new state in the order of their state operands.
        """
        return self.reference()

    def __repr__(self) -> str:
        shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in self.fields())
        return f"{type(self).__name__}({shown})"


def type_of(operand: Any) -> TensorType:
    """The type of an operand: a `Value`, an array, an op with one result, or a Python number (rank 0)."""
    if isinstance(operand, TensorType):
        return operand
    if isinstance(operand, Op):
        return nested_types(operand)[0]
    if isinstance(operand, np.ndarray | np.generic):
        return TensorType(str(operand.dtype), operand.shape)
    if isinstance(operand, bool):
        return TensorType("bool", ())
    if isinstance(operand, int | Dim):
        return TensorType("int64", ())
    if isinstance(operand, float):
        return TensorType("float64", ())
    return operand.type


def nested_types(op: Op) -> tuple[TensorType, ...]:
    """The types of the results of an op that stands in other ops: asked for once, however deep the nest is."""
    held = vars(op).get("_types")
    if held is None:
        held = op.result_types()
        object.__setattr__(op, "_types", held)
    return held


def is_scalar(operand: Any) -> bool:
    """Whether an operand is a Python number, which takes the dtype of the tensors beside it."""
    return isinstance(operand, bool | int | float | complex | Dim)


def is_open(op: Op) -> bool:
    """Whether a size that is open is among the attributes or the numbers of an op."""
    held = [getattr(op, field.name) for field in op.fields()]
    return any(isinstance(one, Dim) for item in held for one in (item if isinstance(item, tuple) else (item,)))


def shape_of(operand: Any) -> tuple[Size, ...]:
    """The shape of an operand."""
    return type_of(operand).shape


def dtype_of(*operands: Any) -> str:
    """The common dtype of operands: that of the tensors among them, which must agree; numbers adapt.

    The pivot never promotes: a reader writes the casts down. Two different tensor dtypes are a broken invariant.
    """
    tensors = {type_of(o).dtype for o in operands if o is not None and not is_scalar(o)}
    assert len(tensors) <= 1, f"operands of different dtypes {sorted(tensors)}: the reader must cast"
    return tensors.pop() if tensors else type_of(operands[0]).dtype


def broadcast_shapes(*shapes: tuple[Size, ...]) -> tuple[Size, ...]:
    """The shape to which shapes broadcast by NumPy's rules. A symbolic size is taken not to be 1.

    Raises:
        ValueError: two sizes are different integers and neither is 1.
    """
    rank = max((len(s) for s in shapes), default=0)
    result: list[Size] = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, rank - len(shape)):
            if size == 1 or size == result[axis]:
                continue
            if result[axis] == 1 or isinstance(result[axis], Dim):
                if not (isinstance(result[axis], Dim) and isinstance(size, Dim)) or result[axis] == 1:
                    result[axis] = size
            elif not isinstance(size, Dim):
                raise ValueError(f"shapes {shapes} do not broadcast")
    return tuple(result)


class Elementwise(Op, abstract=True):
    """Ops that work element by element on operands that broadcast; the result has the operands' dtype."""

    layout = "elementwise"

    def infer(self):
        operands = list(self.operands())
        return TensorType(self.result_dtype(), broadcast_shapes(*(shape_of(o) for o in operands)))

    def result_dtype(self) -> str:
        """The dtype of the result."""
        return dtype_of(*self.operands())


class Predicate(Elementwise, abstract=True):
    """Elementwise ops whose result is a truth value."""

    def result_dtype(self):
        return "bool"


class Along(Op, abstract=True):
    """Ops that keep the shape and dtype of their first operand and treat some of its axes specially."""

    layout = "along"

    def infer(self):
        return type_of(next(self.operands()))


class Reduction(Op, abstract=True):
    """Ops that fold the axes `axes` of `x` into one value each; `keepdims` leaves them with size 1."""

    layout = "reduce"
    x: Tensor
    axes: Axes
    keepdims: bool

    def infer(self):
        kept = reduced_shape(shape_of(self.x), self.axes, self.keepdims)
        return TensorType(self.result_dtype(), kept)

    def result_dtype(self) -> str:
        """The dtype of the result."""
        return dtype_of(self.x)


def reduced_shape(shape, axes, keepdims: bool) -> tuple[Size, ...]:
    """`shape` without `axes`, or with size 1 there."""
    if keepdims:
        return tuple(1 if i in axes else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in axes)


def normal_axis(axis: int, rank: int) -> int:
    """A possibly negative axis counted from the front."""
    return axis + rank if axis < 0 else axis


def normal_axes(axes, rank: int) -> tuple[int, ...]:
    """Axes counted from the front, sorted; None or an empty list means all of them."""
    if axes is None or (isinstance(axes, list | tuple) and not axes):
        return tuple(range(rank))
    axes = (axes,) if isinstance(axes, int) else axes
    return tuple(sorted(normal_axis(axis, rank) for axis in axes))


def numpy_dtype(dtype: str) -> np.dtype:
    """The NumPy dtype of a pivot dtype; narrow floats come from `ml_dtypes`."""
    try:
        return np.dtype(dtype if dtype != "string" else object)
    except TypeError:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, dtype))


def rand(*shape: int, dtype: str = "float64", low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Random numbers for `cases`: the same for the same arguments, positive and negative, never degenerate."""
    generator = np.random.default_rng([seed, *shape])
    if dtype == "bool":
        return generator.random(shape) < 0.5
    if dtype in INTEGERS:
        return generator.integers(int(low), int(high) + 1, shape).astype(dtype)
    return generator.uniform(low, high, shape).astype(numpy_dtype(dtype))


def concrete(size: Size, sizes) -> int:
    """A size as an integer, with symbols from `sizes`."""
    value = dims.substitute(size, sizes)
    assert isinstance(value, int), f"size {value} is not known"
    return value
