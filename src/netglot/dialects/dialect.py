"""A dialect: how one framework spells the ops of the pivot.

Three verbs declare everything: `maps` (the framework has it), `lowers` (written with other pivot ops) and `refuses`
(it cannot be carried over, with a reason). The matrix of ops and dialects has no blank: `Dialect.status` answers for
every op.

`maps` is given to a function with the framework's own signature and defaults that returns the pivot op. That
function *is* the reader. Where its body only renames, the writer is its inverse, found by calling it on symbols;
where the body computes, a writer is given with `writes`.

    @keras.maps("ops.leaky_relu", layer="layers.LeakyReLU")
    def leaky_relu(x, negative_slope=0.2):
        return ops.LeakyRelu(x, slope=negative_slope)

    @keras.writes(ops.Conv)
    def conv(op): return Layer(...)

    @keras.lowers(ops.Softshrink)
    def softshrink(op): return ops.Where(...)

    keras.refuses(ops.Bernoulli, never("..."))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from netglot.errors import Reason, Refusal, never, notimpl
from netglot.pivot.op import REGISTRY, Op
from netglot.source.spell import Call, Layer, Spelling


class _Symbol:
    """Stands for a parameter while a mapping is inverted. Any computation on it shows that the body computes."""

    def __init__(self, name: str):
        self.symbol = name

    def __bool__(self):
        raise _Computes

    def __eq__(self, other):
        if isinstance(other, _Symbol):
            return self is other
        raise _Computes

    __hash__ = object.__hash__


class _Computes(Exception):
    """The body of a mapping does more than rename."""


@dataclass(frozen=True)
class Renaming:
    """The inverse of a mapping that only renames: which field feeds which parameter, and what must be constant."""

    spelling: str
    layer: str | None
    layer_defaults: dict[str, Any]
    op: type[Op]
    parameters: dict[str, str]
    """The parameter of the function by the op's field."""
    constants: dict[str, Any]
    """The value that a field must have, where the mapping writes it in."""
    signature: inspect.Signature
    always: frozenset[str]
    """Parameters written even when they equal the default: epsilon and the like, where frameworks disagree."""

    def matches(self, op: Op) -> bool:
        """Whether `op` is one that the mapping yields."""
        return all(getattr(op, name) == value for name, value in self.constants.items())

    def spell(self, op: Op) -> Spelling:
        """The call, or the layer where there is one, that means `op`."""
        given = {self.parameters[name]: getattr(op, name) for name in self.parameters}
        operands = [given[self.parameters[f.name]] for f in op.operand_fields() if f.name in self.parameters]
        function = Call(self.spelling, tuple(operands), self._options(op, given, {}))
        if self.layer:
            return Layer(self.layer, tuple(operands), self._options(op, given, self.layer_defaults), function=function)
        return function

    def _options(self, op: Op, given: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
        operands = {f.name for f in op.operand_fields()}
        options = {}
        for name, parameter in self.signature.parameters.items():
            field_name = next((f for f, p in self.parameters.items() if p == name), None)
            if field_name is None or field_name in operands:
                continue
            default = defaults.get(name, parameter.default)
            if name in self.always or default is inspect.Parameter.empty or not same(given[name], default):
                options[name] = given[name]
        return options


def same(value, default) -> bool:
    """Whether an argument equals a default, kinds included (`1` is not `True`, a tuple is a list)."""
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return list(value) == list(default)
    return type(value) is type(default) and value == default


def invert(function: Callable, spelling: str, **known) -> list[Renaming]:
    """The inverse of a mapping, or an empty list where its body computes."""
    signature = inspect.signature(function)
    symbols = {name: _Symbol(name) for name in signature.parameters}
    try:
        op = function(**symbols)
    except _Computes:
        return []
    except Exception:  # a body that measures or calculates cannot run on symbols
        return []
    if not isinstance(op, Op):
        return []
    parameters, constants = {}, {}
    for f in op.fields():
        held = getattr(op, f.name)
        if isinstance(held, _Symbol):
            parameters[f.name] = held.symbol
        elif isinstance(held, Op | Spelling) or (isinstance(held, tuple) and any(isinstance(h, _Symbol) for h in held)):
            return []
        else:
            constants[f.name] = held
    return [Renaming(spelling, op=type(op), parameters=parameters, constants=constants, signature=signature, **known)]


@dataclass
class Dialect:
    """The vocabulary of one framework. `name` is what the user types, `title` what the report prints."""

    name: str
    title: str
    readers: dict[str, Callable] = field(default_factory=dict)
    writers: dict[type[Op], list[Callable[[Op], Spelling]]] = field(default_factory=dict)
    lowerings: dict[type[Op], Callable[[Op], Any]] = field(default_factory=dict)
    refusals: dict[type[Op], Reason] = field(default_factory=dict)
    unread: dict[str, Reason] = field(default_factory=dict)
    caveats: dict[type[Op], str] = field(default_factory=dict)
    layouts: dict[type[Op], Callable[[Op], dict[str, tuple[int, ...]] | None]] = field(default_factory=dict)

    def reads(self, *spellings: str) -> Callable:
        """Declares a reader only: a function with the framework's signature that returns pivot ops."""

        def register(function):
            for spelling in spellings:
                assert spelling not in self.readers, f"{self.name} reads {spelling} twice"
                self.readers[spelling] = function
            return function

        return register

    def maps(
        self,
        spelling: str,
        *more: str,
        layer: str | None = None,
        layer_defaults: dict[str, Any] | None = None,
        always: tuple[str, ...] = (),
        writes: Callable[[Op], Spelling] | None = None,
    ) -> Callable:
        """Declares a reader and, from it, the writer. `more` are further spellings with the same signature.

        Raises:
            AssertionError: the body computes and no `writes` was given.
        """

        def register(function):
            self.reads(spelling, *more)(function)
            inverses = invert(
                function,
                spelling,
                layer=layer,
                layer_defaults=layer_defaults or {},
                always=frozenset(always),
            )
            assert inverses or writes, f"{self.name}: {spelling} computes, so it needs writes="
            for inverse in () if writes else inverses:
                self._add_writer(inverse.op, _renaming_writer(inverse))
            return function

        return register

    def writes(self, *kinds: type[Op]) -> Callable:
        """Declares a writer: a function from the op to a spelling, or None where it does not apply.

        It may raise `Refusal` for attributes that the framework cannot express. Writers are tried in order of
        declaration.
        """

        def register(function):
            for kind in kinds:
                self._add_writer(kind, function)
            return function

        return register

    def _add_writer(self, kind: type[Op], writer) -> None:
        self.writers.setdefault(kind, []).append(writer)

    def lowers(self, *kinds: type[Op]) -> Callable:
        """Declares a composition: a function from the op to other pivot ops, or None where it does not apply.

        Lowerings are tried before writers, so an op may have both.
        """

        def register(function):
            for kind in kinds:
                assert kind not in self.lowerings, f"{self.name} lowers {kind.__name__} twice"
                self.lowerings[kind] = function
            return function

        return register

    def refuses(self, kind: type[Op], reason: Reason) -> None:
        """Declares that an op has no form in this dialect."""
        self.refusals[kind] = reason

    def refuses_families(self, reasons: dict[str, str]) -> None:
        """Declares for good why what is left of whole families of ops (by their files) has no form in this dialect."""
        for kind in all_ops().values():
            family = kind.__module__.rpartition(".")[2]
            if self.status(kind)[0] == "blank" and family in reasons:
                self.refuses(kind, never(reasons[family]))

    def tells(self, sentence: str, *kinds: type[Op]) -> None:
        """Declares what every report says of a network that is written with one of these ops."""
        self.caveats.update(dict.fromkeys(kinds, sentence))

    def caveats_of(self, kinds: Iterable[type[Op]]) -> list[str]:
        """What is to be said of a network that holds ops of these kinds."""
        return list(dict.fromkeys(self.caveats[kind] for kind in kinds if kind in self.caveats))

    def refuses_reading(self, spelling: str, reason: Reason) -> None:
        """Declares that a spelling of this framework has no pivot form."""
        self.unread[spelling] = reason

    def arranges(self, *kinds: type[Op]) -> Callable:
        """Declares the order of axes that an op needs: a function from the op (in source order) to a table from
        operand name to permutation, result names included; None where any order will do.

        A permutation `p` says that the target's axis `i` is the source's axis `p[i]`.
        """

        def register(function):
            for kind in kinds:
                self.layouts[kind] = function
            return function

        return register

    def spell(self, op: Op, used: frozenset[int] | None = None) -> Spelling:
        """The framework's spelling of `op`.

        `used` holds the indices of the results that somebody uses (None: all); a writer that takes a second
        argument is given it.

        Raises:
            Refusal: the framework has none, or not with these attributes.
        """
        used = frozenset(range(len(op.result_types()))) if used is None else used
        for writer in self.writers.get(type(op), ()):
            spelling = writer(op, used) if len(inspect.signature(writer).parameters) == 2 else writer(op)
            if spelling is not None:
                return spelling
        reason = self.refusals.get(type(op), notimpl(f"{self.title} has no mapping for {type(op).__name__} yet"))
        raise Refusal(reason)

    def status(self, kind: type[Op]) -> tuple[Literal["mapped", "lowered", "refused", "blank"], Reason | None]:
        """What this dialect does with an op when writing. "blank" is a defect that a test reports."""
        if kind in self.writers:
            return "mapped", None
        if kind in self.lowerings:
            return "lowered", None
        if kind in self.refusals:
            return "refused", self.refusals[kind]
        return "blank", None


def _renaming_writer(inverse: Renaming) -> Callable[[Op], Spelling | None]:
    return lambda op: inverse.spell(op) if inverse.matches(op) else None


def all_ops() -> dict[str, type[Op]]:
    """Every op of the pivot by name, families imported."""
    import netglot.pivot.ops  # noqa: F401

    return REGISTRY
