"""How PyTorch writes windows: one number for all axes or one for each, and inputs that may lack the batch axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netglot.pivot import ops
from netglot.pivot.op import Op, shape_of
from netglot.pivot.windows import Pairs


def each(value: Any, count: int) -> tuple:
    """`value` for each of `count` axes; PyTorch lets one number, or a list of one, stand for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * count if len(values) == 1 else values


def both_sides(padding: Any, count: int) -> Pairs:
    """The same padding before and after each axis."""
    return tuple((p, p) for p in each(padding, count))


def batched(x: Any, rank: int, build: Callable[[Any], Op]) -> Op:
    """`build(x)`; an `x` without batch axis is given one, which is taken from the result again."""
    shape = shape_of(x)
    if len(shape) == rank:
        return build(x)
    made = build(ops.Reshape(x, (1, *shape)))
    return ops.Reshape(made, shape_of(made)[1:])
