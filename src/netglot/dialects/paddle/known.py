"""Tensors that are known while a file is read: NumPy arrays, of objects where symbolic sizes are among the elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netglot.errors import Refusal, notimpl
from netglot.pivot.dims import Dim, maximum, minimum, product
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Part
from netglot.pivot.op import Op

LARGEST = 1 << 20
"""The number of elements of the largest tensor that is computed while a file is read."""

MOVING = frozenset(
    "slice strided_slice concat stack split split_with_num unbind unstack reshape squeeze unsqueeze gather flip "
    "index_select tile expand transpose flatten assign share_data view_shape gather_nd".split()
)
"""Operators that move elements and compute nothing: they act on the places of elements, and so on sizes."""


def known(held: Any) -> bool:
    """Whether a tensor is known while the file is read."""
    return isinstance(held, np.ndarray | np.generic)


def array_of(items: Any) -> np.ndarray:
    """Sizes as a known tensor."""
    flat = list(np.ravel(np.asarray(items, dtype=object)))
    if not any(isinstance(one, Dim) for one in flat):
        return np.asarray(items, dtype="int64")
    made = np.empty(np.shape(items), dtype=object)
    made[...] = items
    return made


def _pairs(function: Callable) -> Callable:
    def act(node: Any, x: Any, y: Any) -> np.ndarray:
        return array_of(np.frompyfunc(function, 2, 1)(np.asarray(x, object), np.asarray(y, object)))

    return act


def _scale(node: Any, x: Any, scale: Any) -> np.ndarray:
    factor, bias = node.whole(scale), node.whole(node.number("bias", 0.0))
    after = node.flag("bias_after_scale", True)
    return array_of(np.asarray(x, object) * factor + bias if after else (np.asarray(x, object) + bias) * factor)


def _same(node: Any, x: Any, *rest: Any) -> Any:
    return x


def _compared(decide: Callable) -> Callable:
    def act(node: Any, x: Any, y: Any) -> np.ndarray:
        def pair(a: Any, b: Any) -> bool:
            gap = a - b
            if isinstance(gap, Dim):
                raise Refusal(notimpl("a choice that depends on a size that is not known", "fix the inputs' sizes"))
            return bool(decide(gap))

        return np.asarray(np.frompyfunc(pair, 2, 1)(np.asarray(x, object), np.asarray(y, object)), dtype=bool)

    return act


SYMBOLIC: dict[str, Callable] = {
    "add": _pairs(lambda x, y: x + y),
    "subtract": _pairs(lambda x, y: x - y),
    "multiply": _pairs(lambda x, y: x * y),
    "divide": _pairs(lambda x, y: x // y),
    "floor_divide": _pairs(lambda x, y: x // y),
    "remainder": _pairs(lambda x, y: x % y),
    "maximum": _pairs(maximum),
    "minimum": _pairs(minimum),
    "scale": _scale,
    "cast": _same,
    "prod": lambda node, x, axis: array_of(product(list(np.ravel(x)))),
    "equal": _compared(lambda gap: gap == 0),
    "not_equal": _compared(lambda gap: gap != 0),
    "less_than": _compared(lambda gap: gap < 0),
    "less_equal": _compared(lambda gap: gap <= 0),
    "greater_than": _compared(lambda gap: gap > 0),
    "greater_equal": _compared(lambda gap: gap >= 0),
}
"""How operators act on tensors with symbolic sizes among their elements, element by element."""


def folded(node: Any, reader: Callable, inputs: list[Any]) -> Any:
    """What an operator makes of known tensors alone.

    Raises:
        Refusal: it is not one that is followed by hand, or the tensors are large.
    """
    arrays = [one for held in inputs for one in (held if isinstance(held, list) else [held]) if one is not None]
    if sum(one.size for one in arrays) > LARGEST:
        raise Refusal(notimpl("a computation on large constants"))
    if not any(one.dtype == object for one in arrays):
        return _computed(reader(node, *inputs))
    if node.type in SYMBOLIC:
        return SYMBOLIC[node.type](node, *inputs)
    if node.type not in MOVING:
        raise Refusal(notimpl(f"{node.type} of sizes that are not known"))
    table: list[Any] = []

    def places(held: Any, first: bool) -> Any:
        if isinstance(held, list):
            return [places(one, first) for one in held]
        if held is None or not first:
            return held
        start = len(table)
        table.extend(np.ravel(held))
        return np.arange(start, len(table)).reshape(held.shape)

    moved = _computed(reader(node, *(places(held, number == 0) for number, held in enumerate(inputs))))
    many = moved if isinstance(moved, list) else [moved]
    found = [_looked_up(table, one) for one in many]
    return found if isinstance(moved, list) else found[0]


def _looked_up(table: list, places: Any) -> Any:
    if isinstance(places, list):
        return [_looked_up(table, one) for one in places]
    if places.dtype.kind != "i":
        raise Refusal(notimpl("sizes that are computed with"))
    made = np.empty(places.shape, dtype=object)
    for at in np.ndindex(places.shape):
        made[at] = table[int(places[at])]
    return array_of(made if places.ndim else made.item())


def _computed(made: Any) -> Any:
    """The arrays of an expression of ops."""
    if isinstance(made, list | tuple):
        return [_computed(one) for one in made]
    op = made.op if isinstance(made, Part) else made
    if not isinstance(op, Op):
        return np.asarray(made)
    if any(product(kind.shape) > LARGEST for kind in op.result_types()):
        raise Refusal(notimpl("a computation of large constants"))
    wanted = op.result_types()[made.index if isinstance(made, Part) else 0].dtype
    return np.asarray(evaluate_op(made)).astype(wanted)
