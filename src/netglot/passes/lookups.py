"""Masks that exporters look up element by element, at places that count through rows and columns.

Rules as in `patterns`: each looks at one node and what leads to it.
"""

from __future__ import annotations

from typing import Any

from netglot.pivot import ops
from netglot.pivot.graph import Value
from netglot.pivot.op import Op, shape_of


def _sides(op: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (op.x, op.y), (op.y, op.x)


def counted(value: Any, find: Any) -> tuple[int, Any, Any] | None:
    """Where a tensor counts along one axis: the axis counted from the end, and the first number and the one behind the
    last."""
    made = find.anywhere(value, ops.Arange, ops.Reshape, ops.Broadcast)
    if isinstance(made, ops.Arange):
        return (-1, made.start, made.stop) if made.step == 1 else None
    inner = counted(made.x, find) if made is not None else None
    if inner is None or isinstance(made, ops.Broadcast):
        return inner
    axis, start, stop = inner
    before, after = ([i - len(shape) for i, n in enumerate(shape) if n != 1] for shape in (made.x.shape, made.shape))
    alike = [made.x.shape[i] for i in before] == [made.shape[i] for i in after]
    return (after[before.index(axis)], start, stop) if alike and axis in before else None


def _through(value: Any, size: Any, find: Any) -> int | None:
    """The axis, counted from the end, along which a tensor counts from 0 to a size."""
    found = counted(value, find)
    return found[0] if found is not None and found[1:] == (0, size) else None


def _is_size(value: Any, size: Any, find: Any) -> bool:
    """Whether something is a size: as a number, or as the one element of a tensor."""
    if not isinstance(value, Value):
        return value == size
    made = find.anywhere(value, ops.Reshape)
    counts = find.anywhere(value if made is None else made.x, ops.Arange)
    return counts is not None and (counts.start, counts.stop, counts.step) == (size, size + 1, 1)


def _laid_out(table: Any, row: int, column: int, result: tuple, places: int) -> Op | None:
    """The table with its rows and columns along two axes, counted from the end, of `places`."""
    rows, columns, *rest = shape_of(table)
    shape = [1] * places
    shape[row], shape[column] = rows, columns
    wanted = (*result[:places], *rest)
    if wanted == (*shape, *rest):
        return ops.Reshape(table, tuple(result))
    whole = ops.Broadcast(ops.Reshape(table, (*shape, *rest)), wanted)
    return whole if wanted == tuple(result) else ops.Reshape(whole, tuple(result))


def table_of_rows(op: ops.Take, find: Any) -> Op | None:
    """What is taken from a flat table at row * columns + column, for all rows and columns = the table"""
    flat = find.anywhere(op.x, ops.Reshape)
    if flat is None or op.axis != 0 or not isinstance(flat.x, Value) or flat.x.type.rank < 2:
        return None
    (rows, columns, *rest), found = flat.x.shape, find.anywhere(op.indices, ops.Add)
    if tuple(flat.shape) not in ((rows * columns, *rest), (rows * columns, 1, *rest)):
        return None
    for column, scaled in _sides(found) if found is not None else ():
        times = find.anywhere(scaled, ops.Multiply)
        across = _through(column, columns, find)
        for row, count in _sides(times) if times is not None else ():
            down = _through(row, rows, find)
            if across is not None and down is not None and down < across and _is_size(count, columns, find):
                return _laid_out(flat.x, down, across, op.result_types()[0].shape, op.indices.type.rank)
    return None


def pairs_of_places(op: ops.AdvancedIndex, find: Any) -> Op | None:
    """x[i, j] where i and j count through the first rows and columns = these of x"""
    x, places = op.x, op.indices
    if len(places) != 2 or not all(isinstance(one, Value) for one in (x, *places)) or x.type.rank < 2:
        return None
    found = [counted(one, find) for one in places]
    if any(one is None or one[1] != 0 for one in found) or found[0][0] >= found[1][0]:
        return None
    for axis, (_, _, stop) in enumerate(found):
        if stop != shape_of(x)[axis]:
            x = ops.Slice(x, axis, 0, stop, 1)
    down, across = (one[0] for one in found)
    return _laid_out(x, down, across, op.result_types()[0].shape, max(one.type.rank for one in places))


def part_of_parts(op: ops.Select, find: Any) -> Op | None:
    """One place of what was joined = that place of the part that it is of"""
    joined = find.anywhere(op.x, ops.Concat)
    if joined is None or joined.axis != op.axis or not isinstance(op.index, int):
        return None
    first = 0
    for part in joined.xs:
        size = part.shape[op.axis] if isinstance(part, Value) else None
        if not isinstance(size, int):
            return None
        if first <= op.index < first + size:
            if size > 1:
                return ops.Select(part, op.axis, op.index - first)
            return ops.Reshape(part, tuple(n for axis, n in enumerate(part.shape) if axis != op.axis))
        first += size
    return None


def never_below_zero(op: ops.LogicalAnd, find: Any) -> Op | None:
    """x and (a count from 0 >= 0) = x"""
    for rest, test in _sides(op):
        compared = find.anywhere(test, ops.GreaterEqual)
        counts = counted(compared.x, find) if compared is not None and isinstance(compared.x, Value) else None
        if counts is None or compared.y != 0 or not isinstance(counts[1], int) or counts[1] < 0:
            continue
        shape = op.result_types()[0].shape
        return ops.Identity(rest) if tuple(rest.shape) == tuple(shape) else ops.Broadcast(rest, tuple(shape))
    return None


RULES: dict[type[Op], list[Any]] = {
    ops.Take: [table_of_rows],
    ops.AdvancedIndex: [pairs_of_places],
    ops.Select: [part_of_parts],
    ops.LogicalAnd: [never_below_zero],
}
"""The rules by the kind of op that they look at."""
