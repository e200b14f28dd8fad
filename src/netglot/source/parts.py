"""What emitted source is made of: instances of modules, their members, and the statements of their bodies."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from netglot.pivot.graph import Module, Node, Value
from netglot.source import spell


class Style(Protocol):
    """What a target framework's source looks like, beyond the spelling of single ops."""

    reserved: frozenset[str]
    """Attributes that the framework's base classes have."""
    last: Sequence[str]
    """The last statements of the root's constructor."""
    order: tuple[str, ...]
    """The order in which arguments of layers are written; those that are not in it come first."""
    loose: frozenset[str]
    """Layers that a person writes as functions where they stand beside another layer of the same source module."""

    extreme: str
    """How the `max` and the `min` of two sizes are spelled: what stands around those words."""
    forward: str
    """The method by which a module is called that takes no input; empty where the module itself can be called."""

    def construct(self, layer: spell.Layer) -> spell.Call:
        """The constructor call of a layer."""
        ...

    def default(self, name: str, layer: str) -> Any:
        """The value of an argument of a layer's constructor where it is not given."""
        ...

    def role(self, layer: str) -> str:
        """A short name for what a layer class does: "conv", "norm", "dense"."""
        ...

    def size(self, value: ast.expr, axis: int) -> ast.expr:
        """The size of an axis at run time."""
        ...

    def tidy(self, spelling: spell.Spelling) -> spell.Spelling:
        """The spelling as a person would write it, such as -1 for the one unknown size of a reshape."""
        ...

    def initialised(self, layer: spell.Layer, parameters_of) -> spell.Layer:
        """The layer with the source's initialisers, where the framework's default is another."""
        ...

    def typed(self, layer: spell.Layer, dtype: str) -> spell.Layer:
        """The layer with weights of another dtype than the framework's default."""
        ...

    def item(self, index: int) -> str:
        """The text that follows a sequence to reach one of its layers."""
        ...

    def built(self, member: Member, shape: tuple) -> str | None:
        """The call that makes a layer's weights before its first call; None where the constructor makes them."""
        ...

    def variable(self, member: Member, owner: ast.expr, key: str) -> ast.expr:
        """The expression of a layer's own variable."""
        ...


@dataclass(eq=False)
class Member:
    """Something that a module holds under an attribute: a layer, a sequence, another module, or a bare variable."""

    kind: Literal["layer", "sequence", "instance", "weight"]
    attr: str
    index: int | None = None
    """The position in the list `attr`, for members of a list."""
    layer: spell.Layer | None = None
    items: list[Member] = field(default_factory=list)
    instance: Instance | None = None
    value: Value | None = None
    """The value that a bare variable stands for."""
    recipe: Any = None
    order: float = 0
    path: str = ""

    def place(self) -> tuple[float, int, str]:
        """Where it stands in the constructor; bare variables by their names, in which all instances agree."""
        return self.order, self.index or 0, self.attr if self.kind == "weight" else ""


@dataclass(eq=False)
class Statement:
    """One step of a body: the spelling of a node, or the call of a member."""

    results: tuple[Value, ...]
    operands: list[Any]
    """Values, in the order of the placeholders `_0`, `_1`, ... of `text`."""
    text: str
    """The right-hand side with placeholders for operands and holes for literals."""
    literals: list[Any]
    expression: Callable[[list[ast.expr], list[ast.expr]], ast.expr]
    """The right-hand side for given operands and literals."""
    member: Member | None = None
    node: Node | None = None


@dataclass(eq=False)
class Body:
    """The statements of one call, with what enters and what leaves."""

    inputs: list[Value]
    outputs: list[Value]
    statements: list[Statement]
    depth: int
    """How many modules enclose the call; picks the source line of a node."""
    listed: list[Value] | None = None
    """The values that one input holds as a list."""


@dataclass(eq=False)
class Instance:
    """One module of the source that becomes an object of an emitted class."""

    path: str
    module: Module
    members: list[Member] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    parent: Instance | None = None

    def member(self, attr: str, index: int | None = None) -> Member | None:
        """The member under an attribute."""
        return next((m for m in self.members if m.attr == attr and m.index == index), None)


@dataclass(frozen=True, eq=False)
class Variable:
    """One variable of the target: where it is, and how it is computed from the source's parameters."""

    path: tuple
    """Steps from the root: members, then the variable's own key."""
    recipe: Any
    trainable: bool
