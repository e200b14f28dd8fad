"""Constants as a person writes them: one number everywhere, a range, a triangle, a few numbers.

A constant of a network, such as the places of a sequence or a mask, is no weight: a network that is trained from
scratch needs it as much as a trained one. What has a form is written in the constructor; what has none comes from the
weights file, also where the weights do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netglot.pivot.dims import product
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.op import FLOATS, INTEGERS, type_of
from netglot.source.parts import Member

if TYPE_CHECKING:
    from netglot.source.outline import Outline

UNTOLD = object()
"""Says of a variable that it is no constant."""
MOST = 1 << 20
"""Elements of a constant up to which a form is looked for."""
FEW = 12
"""So many numbers are written out."""


@dataclass(frozen=True)
class Everywhere:
    """The same number in all places."""

    value: bool | int | float


@dataclass(frozen=True)
class Range:
    """The integers from `start` up to `stop`, along the last axis."""

    start: int
    stop: int


@dataclass(frozen=True)
class Triangle:
    """Ones on one side of a diagonal of the last two axes, zeros on the other."""

    lower: bool
    rows: int
    columns: int
    diagonal: int


@dataclass(frozen=True)
class Few:
    """A few numbers, nested as the axes are."""

    values: Any


Form = Everywhere | Range | Triangle | Few


def form_of(recipe: Any) -> Form | None:
    """The form of the constant that a recipe over parameters computes; None where it has none that is short."""
    kind = type_of(recipe)
    plain = kind.dtype in ("float32", "float64", "bool", *INTEGERS)
    if not plain or not all(isinstance(size, int) for size in kind.shape) or not 0 < product(kind.shape) <= MOST:
        return None
    array = np.asarray(evaluate_op(recipe))
    return next((found for look in (_everywhere, _range, _triangle, _few) if (found := look(array)) is not None), None)


class Forms:
    """The forms of the bare variables of a network."""

    def __init__(self):
        self._own: dict[Member, Any] = {}

    def of(self, member: Member, outline: Outline) -> Any:
        """The form of a variable that is a constant; None where it has none, or another one in another instance of its
        class; `UNTOLD` where it is a weight."""
        own = self._of(member, outline)
        if not isinstance(own, Form):
            return own
        alike = (self._of(other, outline) == own for other in _peers(member, outline))
        return own if all(alike) else None

    def _of(self, member: Member, outline: Outline) -> Any:
        if member not in self._own:
            parameters = outline.base_parameters(member.recipe)
            weight = not parameters or any(p.trainable or p.kind == "parameter" for p in parameters)
            self._own[member] = UNTOLD if weight else form_of(member.recipe)
        return self._own[member]


def _peers(member: Member, outline: Outline) -> Iterator[Member]:
    """What is called as `member` is, in instances of its class."""
    owner = next((i for i in outline.instances.values() if member in i.members), None)
    for instance in outline.instances.values() if owner is not None else ():
        if instance.module.qualified_name == owner.module.qualified_name:
            yield from (m for m in instance.members if m.kind == "weight" and m.attr == member.attr)


def _everywhere(array: np.ndarray) -> Everywhere | None:
    first = array.reshape(-1)[0]
    return Everywhere(_number(first)) if np.isfinite(first) and (array == first).all() else None


def _range(array: np.ndarray) -> Range | None:
    count = array.size
    if array.ndim == 0 or array.shape[-1] != count or count < 2 or array.dtype == bool or not np.isfinite(array).all():
        return None
    line = array.reshape(-1)
    start = int(line[0])
    return Range(start, start + count) if (line == np.arange(start, start + count)).all() else None


def _triangle(array: np.ndarray) -> Triangle | None:
    if array.ndim < 2 or min(array.shape[-2:]) < 2 or array.size != array.shape[-1] * array.shape[-2]:
        return None
    plane = array.reshape(array.shape[-2:])
    if not np.isin(plane, (0, 1)).all():
        return None
    rows, columns = (int(size) for size in plane.shape)
    offsets = np.argwhere(plane) @ (-1, 1)
    for lower, diagonal in ((True, int(offsets.max())), (False, int(offsets.min()))):
        ones = (np.tril if lower else np.triu)(np.ones_like(plane), diagonal)
        if np.array_equal(ones, plane):
            return Triangle(lower, rows, columns, diagonal)
    return None


def _few(array: np.ndarray) -> Few | None:
    if array.size > FEW or array.ndim == 0 or not np.isfinite(array).all():
        return None
    return Few(_nested(array))


def _nested(array: np.ndarray) -> Any:
    return [_nested(one) for one in array] if array.ndim else _number(array[()])


def _number(value: Any) -> bool | int | float:
    """The shortest Python number that is this element."""
    if value.dtype.kind == "f":
        return float(str(value)) if str(value.dtype) in FLOATS else float(value)
    return value.item()
