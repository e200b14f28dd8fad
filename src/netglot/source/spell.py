"""How one op is spelled in a target framework: expressions and layers, before names are known.

Operands inside a spelling are `Value`s, Python literals, sizes, tuples and lists of these, or other spellings. The
writer resolves values to names, decides what is nested and what gets a statement, and prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Spelling:
    """The base of all spellings."""


@dataclass(frozen=True, eq=False)
class Call(Spelling):
    """`function(*arguments, **options)`; `function` is a dotted name as it stands in the emitted file."""

    function: str
    arguments: tuple = ()
    options: dict[str, Any] = field(default_factory=dict)
    helper: str | None = None
    """The name of a helper function that the emitted file must define."""


@dataclass(frozen=True, eq=False)
class Method(Spelling):
    """`target.name(*arguments, **options)`."""

    target: Any
    name: str
    arguments: tuple = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Attribute(Spelling):
    """`target.name`."""

    target: Any
    name: str


@dataclass(frozen=True, eq=False)
class Infix(Spelling):
    """`left operator right`, with a Python operator such as `+`, `@`, `<`, `&`."""

    operator: str
    left: Any
    right: Any


@dataclass(frozen=True, eq=False)
class Prefix(Spelling):
    """`-operand`, `~operand` or `not operand`."""

    operator: str
    operand: Any


@dataclass(frozen=True, eq=False)
class Subscript(Spelling):
    """`target[index, ...]`; an index is a size, a `slice` of sizes, None, `...`, or a value."""

    target: Any
    indices: tuple


@dataclass(frozen=True, eq=False)
class Name(Spelling):
    """A dotted name as it stands, such as `math.pi` or `"float32"`'s constant."""

    name: str


@dataclass(frozen=True, eq=False)
class Choice(Spelling):
    """`yes if condition else no`."""

    condition: Any
    yes: Any
    no: Any


@dataclass(frozen=True, eq=False)
class Device(Spelling):
    """The device of the tensors at hand, for tensors that are made while the network runs."""


@dataclass(frozen=True)
class Unpacks:
    """What a call returns as a nest of tuples, and where the results of the op are in it.

    `nest` holds names, such as `("out", ("h", "c"))`. `places` says for each result which name holds it, and at which
    index of its first axis (None: the whole).
    """

    nest: tuple
    places: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, eq=False)
class Layer(Spelling):
    """A layer object that is constructed once and called on `inputs`.

    `weights` maps each variable of the layer, in the framework's own order, to how it is computed from the graph's
    parameters: a parameter, or pivot ops over parameters, evaluated once when the weights are written. A dotted
    key (`"cell.kernel"`) is a variable of a sub-layer. `options` are the constructor's arguments and
    `call_options` the call's.
    """

    layer: str
    inputs: tuple
    options: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    call_options: dict[str, Any] = field(default_factory=dict)
    arguments: tuple = ()
    """Positional constructor arguments, such as the number of filters."""
    frozen: frozenset[str] = frozenset()
    """Variables that training does not update by gradient (running statistics)."""
    helper: str | None = None
    """The name of a helper class that the emitted file must define."""
    function: Call | None = None
    """The same as a plain function call, for layers without weights; the writer takes the form that the source had."""
    produces: tuple[int, ...] | None = None
    """Which results of the op the call returns, in order; None where it returns all of them."""
    unpacks: Unpacks | None = None
    """How the results lie in what the call returns, where that is no plain tuple of them."""
    cell: Any = None
    """What the layer runs in a loop, where that is a class of the file by itself; its writer knows what that is."""


def call(function: str, *arguments, **options) -> Call:
    """A call; options that are `OMIT` are left out."""
    return Call(function, arguments, {k: v for k, v in options.items() if v is not OMIT})


OMIT: Any = type("Omit", (), {"__repr__": lambda self: "OMIT"})()
"""An option that is not written, because it equals the framework's default."""


def unless(value, default):
    """`value`, or `OMIT` where it equals the framework's default."""
    return OMIT if type(value) is type(default) and value == default else value


def compact(values: Iterable[Any]) -> Any:
    """One number where all axes have the same, else a tuple."""
    values = tuple(values)
    return values[0] if len(set(values)) == 1 else values


def unless_all(values: Sequence[Any], default: Any) -> Any:
    """The values, or nothing where each is the default."""
    return OMIT if all(value == default for value in values) else compact(values)


def options(**given: Any) -> dict[str, Any]:
    """Keyword options without those that are `OMIT`."""
    return {name: value for name, value in given.items() if value is not OMIT}
