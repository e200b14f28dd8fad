"""Sizes that remember where they come from: integers that carry a symbolic size through ordinary Python arithmetic.

While a Keras model is traced, each symbolic axis has a concrete size, so that every line of the user's code runs as
it would; `Size` is that integer, with the `Dim` that it stands for beside it.
"""

from __future__ import annotations

import operator
from typing import Any

from netglot.pivot.dims import Dim, substitute


class Size(int):
    """An integer that stands for a symbolic size. Arithmetic with integers keeps the symbol, other uses lose it."""

    dim: Dim

    def __new__(cls, value: int, dim: Dim):
        made = super().__new__(cls, value)
        made.dim = dim
        return made

    def __reduce__(self):
        return Size, (int(self), self.dim)


def _arithmetic(name: str, compute, swapped: bool = False):
    plain = getattr(int, name)

    def method(self, other):
        value = plain(self, other)
        if value is NotImplemented or not isinstance(other, int) or isinstance(other, bool):
            return value
        left, right = (other, self) if swapped else (self, other)
        return sized(value, compute(dim_of(left), dim_of(right)))

    method.__name__ = name
    return method


for _word, _compute in [
    ("add", operator.add),
    ("sub", operator.sub),
    ("mul", operator.mul),
    ("floordiv", operator.floordiv),
    ("mod", operator.mod),
]:
    setattr(Size, f"__{_word}__", _arithmetic(f"__{_word}__", _compute))
    setattr(Size, f"__r{_word}__", _arithmetic(f"__r{_word}__", _compute, swapped=True))
Size.__neg__ = lambda self: sized(int.__neg__(self), -self.dim)  # type: ignore[method-assign]
Size.__pos__ = lambda self: self  # type: ignore[method-assign]


def sized(value: int, dim: int | Dim) -> int:
    """`value`, with its symbol where it has one."""
    return Size(value, dim) if isinstance(dim, Dim) else int(dim)


def dim_of(value: int) -> int | Dim:
    """The size that an integer stands for."""
    return value.dim if isinstance(value, Size) else int(value)


def concrete_shape(shape, sizes: dict[str, int]) -> tuple[int, ...]:
    """A shape of the pivot as the traced code sees it."""
    return tuple(sized(substitute(size, sizes), size) for size in shape)  # type: ignore[arg-type]


def without_sizes(tree: Any) -> Any:
    """A nest with each `Size` replaced by its `Dim`."""
    if isinstance(tree, Size):
        return tree.dim
    if isinstance(tree, list | tuple):
        return type(tree)(without_sizes(branch) for branch in tree)
    if isinstance(tree, slice):
        return slice(without_sizes(tree.start), without_sizes(tree.stop), without_sizes(tree.step))
    if isinstance(tree, dict):
        return {key: without_sizes(branch) for key, branch in tree.items()}
    return tree
