"""What the writers of ONNX operators are made of: nodes nested in each other, over values and ops of the pivot.

An argument is a value, an op of the pivot (written in its turn, or computed once where it holds parameters only), an
array, a number (of the dtype of the op that is written), a list of sizes (a vector of int64), or another node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netglot.pivot.op import numpy_dtype
from netglot.source.spell import Call


def node(kind: str, *inputs: Any, **attributes: Any) -> Call:
    """A node of one operator; attributes that are None are left out."""
    return Call(kind, inputs, {name: value for name, value in attributes.items() if value is not None})


@dataclass(frozen=True, eq=False)
class Result:
    """One result of a node that has several."""

    node: Call
    index: int
    count: int


@dataclass(frozen=True, eq=False)
class Several(Call):
    """The results of an op, each a term of its own."""

    terms: tuple = ()


def several(*terms: Any) -> Several:
    """The results of an op, in order."""
    first = next((t for t in terms if isinstance(t, Call)), None)
    inner = (
        first.function if first is not None else terms[0].node.function if isinstance(terms[0], Result) else "Identity"
    )
    return Several(inner, (), {}, None, terms)


def number(value: Any, dtype: str) -> np.ndarray:
    """A number as a tensor of rank 0."""
    return np.asarray(value, numpy_dtype(dtype))


def vector(*items: int) -> np.ndarray:
    """Integers as a tensor."""
    return np.asarray(items, "int64")


def cast(x: Any, dtype: str) -> Call:
    """A tensor in another dtype."""
    from netglot.dialects.onnx.attributes import code_of

    return node("Cast", x, to=code_of(dtype), saturate=0 if dtype.startswith("float8") else None)


def order_for(rank: int, *groups: Sequence[int]) -> tuple[int, ...]:
    """The permutation that puts the axes in the order of `groups`."""
    order = tuple(axis for group in groups for axis in group)
    assert sorted(order) == list(range(rank))
    return order


def moved(order: tuple[int, ...], *names: str) -> dict[str, tuple[int, ...]]:
    """The same order for each of these operands and results."""
    return dict.fromkeys(names, order)


class ScalarSize:
    """A size as a tensor of rank 0 in some dtype."""

    def __init__(self, size: Any, dtype: str):
        self.size, self.dtype = size, dtype
