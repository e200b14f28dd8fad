"""How Keras writes windows: channels last, one number where all axes agree, and `padding="same"`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from netglot.pivot.windows import Pairs, reach
from netglot.source.spell import compact, options, unless_all


def channels_last(rank: int, axis: int, batch: int = 0, spatial: Sequence[int] | None = None) -> tuple[int, ...]:
    """The permutation that puts batch, spatial axes and channels in this order; asked for also where they are."""
    spatial = [i for i in range(rank) if i not in (batch, axis)] if spatial is None else spatial
    return (batch, *spatial, axis)


def is_same(kernel, stride, dilation, padding: Pairs) -> bool:
    """Whether `padding` is what "same" adds whatever the size: stride 1, and the odd one after the data."""
    totals = [reach(k, d) - 1 for k, d in zip(kernel, dilation, strict=True)]
    return all(s == 1 for s in stride) and all(p == (t // 2, t - t // 2) for p, t in zip(padding, totals, strict=True))


def is_none(padding: Pairs) -> bool:
    """Whether nothing is padded."""
    return all(pair == (0, 0) for pair in padding)


def per_axis(rank: int, axes: Sequence[int], values: Iterable[Any], default: Any = 0) -> tuple:
    """`values` at `axes` and `default` elsewhere."""
    placed = dict(zip(axes, values, strict=True))
    return tuple(placed.get(i, default) for i in range(rank))


__all__ = ["channels_last", "compact", "is_none", "is_same", "options", "per_axis", "unless_all"]
