"""Small words of emitted PyTorch: dtypes, devices, numbers beside tensors."""

from __future__ import annotations

from collections.abc import Sequence

from netglot.pivot.op import FLOATS, INTEGERS, is_scalar, type_of
from netglot.source.spell import Attribute, Device, Method, Name
from netglot.source.subscripts import from_end


def dtype_name(dtype: str) -> Name:
    """A dtype as the file names it."""
    return Name(f"torch.{dtype}")


DEVICE = Device()
"""The device of the tensors at hand."""

TRAINING = Name("self.training")
"""Whether the module trains."""


def fitted(op) -> list:
    """The operands, with numbers of the kind that the tensors beside them hold: PyTorch promotes integers by floats."""
    operands = list(op.operands())
    dtypes = {type_of(o).dtype for o in operands if not is_scalar(o)}
    return [_fitting(o, dtypes) if is_scalar(o) else o for o in operands]


def _fitting(number, dtypes: set[str]):
    whole = isinstance(number, float) and number.is_integer()
    return int(number) if whole and dtypes and dtypes <= set(INTEGERS) else number


def tensors(op) -> list:
    """The operands, with numbers made tensors like those beside them."""
    operands = fitted(op)
    like = next((o for o in operands if not is_scalar(o)), None)
    return [Method(like, "new_tensor", (o,)) if is_scalar(o) and like is not None else o for o in operands]


def dims_of(axes: Sequence[int], rank: int):
    """Axes as an argument: one number for one axis."""
    return from_end(axes[0], rank) if len(axes) == 1 else tuple(axes)


def is_float(x) -> bool:
    """Whether an operand holds floats."""
    return type_of(x).dtype in FLOATS


def device_of(x) -> Attribute:
    """Where a tensor is."""
    return Attribute(x, "device")


def order_for(rank: int, *groups: Sequence[int]) -> tuple[int, ...]:
    """The permutation that puts the axes in the order of `groups`."""
    order = tuple(axis for group in groups for axis in group)
    assert sorted(order) == list(range(rank))
    return order


def moved(order: tuple[int, ...], *names: str) -> dict[str, tuple[int, ...]]:
    """The same order for each of these operands and results. The source's own order is a demand too: what flows may
    have been permuted."""
    return dict.fromkeys(names, order)
