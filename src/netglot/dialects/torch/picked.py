"""`x[mask] = y[mask]`: what a mask picks and puts back at its own places is a choice between whole tensors.

How many elements a mask picks is known only when the network runs, so they are no tensor of the pivot. Where all that
happens to them is that they are written to the places of the same mask, nobody needs to know.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch

from netglot.dialects.torch.ops.index import DATA, is_mask
from netglot.errors import Refusal
from netglot.pivot import ops
from netglot.pivot.graph import Value
from netglot.pivot.op import dtype_of, shape_of

_LOOKS = {operator.ge, operator.gt, operator.le, operator.lt, operator.eq}
_DEPTH = 4


@dataclass(frozen=True)
class Picked:
    """The elements of `whole` where `mask` is true; the mask's first axis is `axis` of the tensor."""

    whole: Value
    mask: Value
    axis: int


def picked(node: torch.fx.Node, arguments: list[Any]) -> Picked | None:
    """What an indexing picks, if it picks by one mask and is put back only."""
    whole, indices = arguments
    given = [axis for axis, index in enumerate(indices) if index is not None]
    if len(given) != 1 or not is_mask(indices[given[0]]) or not all(_puts_back(node, user) for user in node.users):
        return None
    return Picked(whole, indices[given[0]], given[0])


def is_pick(node: torch.fx.Node) -> bool:
    """Whether the call is an indexing."""
    return str(node.target).startswith(("aten.index.Tensor", "aten._unsafe_index.Tensor"))


def _puts_back(node: torch.fx.Node, user: torch.fx.Node) -> bool:
    """Whether a user writes what was picked, or only looks that its number is not negative."""
    name = str(user.target)
    if name.startswith(("aten.index_put.", "aten.index_put_.")):
        return len(user.args) == 3 and user.args[2] is node and user.args[0] is not node and not user.kwargs
    if name == "aten.sym_size.int":
        return all(_only_looked_at(one) for one in user.users)
    return False


def _only_looked_at(user: torch.fx.Node) -> bool:
    if user.target in _LOOKS:
        return all(str(one.target).startswith("aten._assert") for one in user.users)
    return str(user.target).startswith(("aten.sym_constrain", "aten._assert"))


def put_back(reader, x: Value, indices: list[Any], picks: Picked) -> Any:
    """`x[mask] = picks`.

    Raises:
        Refusal: the mask, or where it stands, is another one.
    """
    given = [axis for axis, index in enumerate(indices) if index is not None]
    if given != [picks.axis] or not _same(reader, indices[picks.axis], picks.mask, _DEPTH):
        raise Refusal(DATA)
    mask = indices[picks.axis]
    shape = shape_of(x)
    if shape_of(picks.whole)[picks.axis :] != shape[picks.axis :] or len(shape_of(picks.whole)) != len(shape):
        raise Refusal(DATA)
    mask = mask if dtype_of(mask) == "bool" else ops.Cast(mask, dtype="bool")
    trailing = len(shape) - picks.axis - len(shape_of(mask))
    if trailing:
        mask = ops.Reshape(mask, shape=(*shape_of(mask), *(1,) * trailing))
    whole = picks.whole if dtype_of(picks.whole) == dtype_of(x) else ops.Cast(picks.whole, dtype=dtype_of(x))
    return ops.Where(mask, whole, x)


def _same(reader, one: Any, other: Any, depth: int) -> bool:
    """Whether two operands are one value, or were computed alike from the same ones."""
    if one is other:
        return True
    if not isinstance(one, Value) or not isinstance(other, Value):
        return type(one) is type(other) and one == other
    made = [next((n for n in reversed(reader.nodes) if v in n.results), None) for v in (one, other)]
    if None in made or not depth or len({(type(n.op), len(n.results)) for n in made}) > 1 or len(made[0].results) > 1:
        return False
    first, second = (n.op for n in made)
    if first.random:
        return False
    pairs = list(zip(first.operands(), second.operands(), strict=False))
    alike = len(pairs) == len(list(first.operands())) == len(list(second.operands()))
    return alike and first.attributes() == second.attributes() and all(_same(reader, a, b, depth - 1) for a, b in pairs)
