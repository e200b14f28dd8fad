"""The order of axes that most frameworks of images want: batch, channels, then space; features last."""

from __future__ import annotations

from collections.abc import Sequence

from netglot.dialects.dialect import Dialect
from netglot.pivot import ops
from netglot.pivot.op import shape_of
from netglot.pivot.windows import spatial_axes


def _rank(x) -> int:
    return len(shape_of(x))


def order_for(rank: int, *groups: Sequence[int]) -> tuple[int, ...]:
    """The permutation that puts the axes in the order of `groups`."""
    order = tuple(axis for group in groups for axis in group)
    assert sorted(order) == list(range(rank))
    return order


def _moved(order: tuple[int, ...], *names: str) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(names, order)


def channels_second(op):
    """Batch, channels, space."""
    rank = _rank(op.x)
    return None if op.axis == 0 else _moved(order_for(rank, (0, op.axis), spatial_axes(rank, op.axis)), "x", "out")


def channels_of_steps(op):
    """Batch, time, channels, space; states have no time."""
    rank = _rank(op.x)
    order = (0, 1, op.axis, *(axis for axis in range(2, rank) if axis != op.axis))
    state = tuple(axis - 1 if axis else 0 for axis in order if axis != 1)
    return _moved(order, "x", "out") | _moved(state, "h0", "c0", "h", "c")


def space_last(op):
    """Whatever there is, then the axes of a window."""
    rank = _rank(op.x)
    return _moved(order_for(rank, [axis for axis in range(rank) if axis not in op.axes], op.axes), "x", "out")


def heads_before_time(op):
    """Batch, heads, time, features."""
    return _moved((0, 2, 1, 3) if op.head_axis == 2 else (0, 1, 2, 3), "query", "key", "value", "out")


CHANNELS = (
    ops.Conv, ops.ConvTranspose, ops.BatchNorm, ops.GroupNorm, ops.InstanceNorm, ops.LocalResponseNorm,
    ops.PixelShuffle, ops.PixelUnshuffle, ops.GridSample,
)  # fmt: skip
SPACE = (ops.MaxPool, ops.AvgPool, ops.LpPool, ops.MaxPoolIndices, ops.AdaptiveAvgPool, ops.AdaptiveMaxPool, ops.Resize)


def channels_first(dialect: Dialect) -> None:
    """Declares that a dialect wants its channels second, its windows and its features last."""
    dialect.arranges(*CHANNELS)(channels_second)
    dialect.arranges(*SPACE, ops.LayerNorm)(space_last)
    dialect.arranges(ops.Attention)(heads_before_time)
    dialect.arranges(ops.ConvLstm)(channels_of_steps)
