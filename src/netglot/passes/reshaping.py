"""Which axes of a reshaped value come from which, and in which order a reshape may run."""

from __future__ import annotations

from netglot.passes.axes import Permutation, identity
from netglot.pivot.dims import product


def reshape_groups(source: tuple, target: tuple) -> list[tuple[list[int], list[int]]] | None:
    """Pairs of runs of axes with equal products, in order; None where symbolic sizes hide them.

    An axis of size 1 on either side joins the run before it.
    """
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(source) or j < len(target):
        left, right = [], []
        if i < len(source):
            left.append(i)
            i += 1
        if j < len(target):
            right.append(j)
            j += 1
        while True:
            a, b = product(source[k] for k in left), product(target[k] for k in right)
            if a == b:
                break
            grow = _which_side(a, b, i < len(source), j < len(target))
            if grow == "left":
                left.append(i)
                i += 1
            elif grow == "right":
                right.append(j)
                j += 1
            else:
                return None
        groups.append((left, right))
    return _with_ones_joined(groups, source, target)


def _which_side(a, b, more_left: bool, more_right: bool) -> str | None:
    """Which run must grow so that two different products can become equal."""
    if isinstance(a, int) and isinstance(b, int):
        grow = "left" if a < b else "right"
    elif not isinstance(a, int) and not isinstance(b, int):
        quotient = b // a if not isinstance(b, int) else None
        whole = isinstance(quotient, int) or (quotient is not None and "//" not in str(quotient))
        grow = "left" if whole and quotient * a == b else "right"
    else:
        grow = "right" if isinstance(b, int) else "left"
    return grow if (more_left if grow == "left" else more_right) else None


def _with_ones_joined(groups, source, target):
    joined: list[tuple[list[int], list[int]]] = []
    for left, right in groups:
        ones = all(source[k] == 1 for k in left) and all(target[k] == 1 for k in right)
        if ones and joined and (not left or not right):
            joined[-1][0].extend(left)
            joined[-1][1].extend(right)
        else:
            joined.append((left, right))
    return joined


def common_parts(source: tuple, target: tuple) -> tuple[list, list[list[int]], list[list[int]]] | None:
    """The finest sizes of which the axes of both shapes are runs, and the runs; None where there are none.

    (B, 8) and (2 B, 4) both consist of (B, 2, 4).
    """
    if 0 in source:
        return None
    sizes: list = []
    runs: tuple[list[list[int]], list[list[int]]] = ([[] for _ in source], [[] for _ in target])
    left, right = list(source), list(target)
    i, j = len(left) - 1, len(right) - 1
    while i >= 0 or j >= 0:
        if i >= 0 and left[i] == 1:
            i -= 1
            continue
        if j >= 0 and right[j] == 1:
            j -= 1
            continue
        if i < 0 or j < 0:
            return None
        part = left[i] if _divides(left[i], right[j]) else right[j] if _divides(right[j], left[i]) else None
        if part is None:
            return None
        for side, axis in ((0, i), (1, j)):
            runs[side][axis].insert(0, len(sizes))
        sizes.append(part)
        left[i], right[j] = left[i] // part, right[j] // part
    return sizes, *runs


def _divides(part, size) -> bool:
    return part == size or (size // part) * part == size


def source_order(source: tuple, target: tuple, wish: Permutation) -> Permutation | None:
    """The order of axes in which a reshape of `source` gives `target` in the order `wish`; None where none does."""
    groups = reshape_groups(source, target)
    if groups is None:
        return None
    order: list[int] = []
    for _, right in sorted(groups, key=lambda group: min((wish.index(axis) for axis in group[1]), default=-1)):
        places = [wish.index(axis) for axis in right if target[axis] != 1]
        if places and places != list(range(places[0], places[0] + len(places))):
            return None
        left = next(left for left, other in groups if other is right)
        order += left
    return tuple(order)


def reshaped_order(groups, source: tuple, target: tuple, order: Permutation) -> Permutation | None:
    """The order of the result's axes when a value in `order` is reshaped in place, or None where it cannot be."""
    if order == identity(len(order)):
        return identity(len(target))
    if groups is None:
        return None
    place = {axis: k for k, axis in enumerate(axis for axis in order if source[axis] != 1)}
    placed = []
    for left, right in groups:
        places = [place[axis] for axis in left if axis in place]
        if places != list(range(places[0], places[0] + len(places))) if places else False:
            return None
        placed.append((places[0] if places else None, right))
    filled, last = [], -1.0
    for start, right in placed:
        last = float(start) if start is not None else last + 0.001
        filled.append((last, right))
    return tuple(axis for _, right in sorted(filled, key=lambda pair: pair[0]) for axis in right)
