"""Orders of axes, and what an op's declaration says of them."""

from __future__ import annotations

from collections.abc import Callable

from netglot.pivot import ops
from netglot.pivot.graph import (
    Node,
    Value,
)
from netglot.pivot.op import Op

Permutation = tuple[int, ...]


Arrange = Callable[[Op], dict[str, Permutation] | None]


def identity(rank: int) -> Permutation:
    """The permutation that moves nothing."""
    return tuple(range(rank))


def inverse(permutation: Permutation) -> Permutation:
    """The permutation that undoes `permutation`."""
    return tuple(permutation.index(i) for i in range(len(permutation)))


def is_batched_product(op: Op) -> bool:
    """Whether an op multiplies matrices pair by pair, without broadcasting."""
    if not isinstance(op, ops.Matmul) or not isinstance(op.x, Value) or not isinstance(op.y, Value):
        return False
    x, y = op.x.shape, op.y.shape
    return len(x) == len(y) > 2 and tuple(x[:-2]) == tuple(y[:-2])


def has_letters(op: Op) -> bool:
    """Whether an op is a sum of products over values of which every axis has a letter."""
    return isinstance(op, ops.Einsum) and "." not in op.equation and all(isinstance(x, Value) for x in op.xs)


class Disordered(Exception):
    """The axes of an op would no longer stand in increasing order."""


_UNORDERED = ("Flip", "Dropout")


def renamed(op: Op, order: Permutation) -> Op:
    """`op` with its axis attributes counted in `order`; operands are left alone.

    Raises:
        Disordered: a list of axes whose order matters would change its order.
    """
    if order == identity(len(order)):
        return op
    changes = {}
    for f in op.attribute_fields():
        held = getattr(op, f.name)
        if f.axis is None or held is None:
            continue
        if f.axis.kind == "axis":
            changes[f.name] = order.index(held)
        elif f.axis.kind == "per_axis":
            changes[f.name] = tuple(held[axis] for axis in order)
        elif f.axis.kind == "axes":
            axes = tuple(order.index(axis) for axis in held)
            if list(axes) != sorted(axes):
                if op.layout != "reduce" and type(op).__name__ not in _UNORDERED:
                    raise Disordered
                axes = tuple(sorted(axes))
            changes[f.name] = axes
    return op.replace(**changes)


_ALSO_SHARING = {"SliceUpdate": ("x", "value")}


def sharing_axes(op: Op) -> list[Value] | None:
    """The operands that have the axes of the first one, or None where another operand's axes are unknown."""
    names = _ALSO_SHARING.get(type(op).__name__, (op.operand_fields()[0].name,))
    together, others = [], []
    for f in op.operand_fields():
        held = getattr(op, f.name)
        values = [v for v in (held if f.operand == "many" else (held,)) if isinstance(v, Value)]
        (together if f.name in names else others).extend(values)
    if not together or len({v.type.rank for v in together}) > 1:
        return None
    if any(v.type.rank > 1 for v in others):
        return None
    return together


def reduced_axes(op: Op) -> tuple[int, ...]:
    for f in op.attribute_fields():
        if f.axis and f.axis.kind == "axes":
            return getattr(op, f.name)
        if f.axis and f.axis.kind == "axis":
            return (getattr(op, f.name),)
    return ()


def named_results(node: Node):
    names = node.op.results
    return [(names[i] if i < len(names) else names[-1], v) for i, v in enumerate(node.results)]


def permuted(kind, permutation: Permutation):
    return type(kind)(kind.dtype, tuple(kind.shape[axis] for axis in permutation))
