"""Pooling written with other ops: padding made explicit, means that leave padding out, windows taken by slices.

What the dialects share that pool without one or the other of these.
"""

from __future__ import annotations

from functools import reduce

from netglot.pivot import ops
from netglot.pivot.dims import maximum
from netglot.pivot.op import dtype_of, shape_of


def along(rank: int, axes, values, default=0) -> tuple:
    """`values` at `axes` and `default` elsewhere."""
    placed = dict(zip(axes, values, strict=True))
    return tuple(placed.get(axis, default) for axis in range(rank))


def dilation_of(op) -> tuple[int, ...]:
    """The dilation of a pool; means have none."""
    return getattr(op, "dilation", (1,) * len(op.axes))


def padded(x, op, amounts, value):
    """`x` with `value` around the axes of a pool by `amounts`."""
    rank = len(shape_of(x))
    before = along(rank, op.axes, [before for before, _ in amounts])
    after = along(rank, op.axes, [after for _, after in amounts])
    if not any(side != 0 for side in (*before, *after)):
        return x
    return ops.Pad(x, before, after, "constant", value)


def amounts_of(op) -> list[tuple]:
    """The padding of each axis with what the last window overhangs."""
    extras = [maximum(extra, 0) for extra in op.overhangs()]
    return [(before, after + extra) for (before, after), extra in zip(op.padding, extras, strict=True)]


def unpadded(op, x, **changes):
    """The pool of `x`, which has all its padding."""
    return op.replace(x=x, padding=((0, 0),) * len(op.axes), ceil_mode=False, **changes)


def lowest(x) -> float | int:
    """The lowest value that the dtype of `x` holds."""
    dtype = dtype_of(x)
    if dtype.startswith("int"):
        return -(2 ** (int(dtype[3:]) - 1))
    return 0 if dtype.startswith("uint") else -float("inf")


def by_slices(op, x, fold):
    """Windows folded axis by axis: the first elements of all windows, the second ones, ..."""
    counts = shape_of(op)
    for axis, kernel, stride, dilation in zip(op.axes, op.kernel, op.stride, dilation_of(op), strict=True):
        starts = [i * dilation for i in range(kernel)]
        parts = [ops.Slice(x, axis, at, at + (counts[axis] - 1) * stride + 1, stride) for at in starts]
        x = reduce(fold, parts)
    return x


def mean_with_padding(op):
    """A mean pool whose padding is explicit: divided by the positions of each window that count."""
    mean = unpadded(op, padded(op.x, op, amounts_of(op), 0.0), count_include_pad=True, divisor=None)
    for i, axis in enumerate(op.axes):
        counted = _counted(op, i)
        if counted is not None:
            shape = along(len(shape_of(op.x)), (axis,), shape_of(counted), 1)
            mean = ops.Divide(ops.Multiply(mean, float(op.kernel[i])), ops.Reshape(counted, shape))
    return mean


def _counted(op, i: int):
    """How many positions of each window along one axis count; None where all do."""
    (before, after), kernel, stride = op.padding[i], op.kernel[i], op.stride[i]
    size, windows = shape_of(op.x)[op.axes[i]], shape_of(op)[op.axes[i]]
    low, high = (-before, size + after) if op.count_include_pad else (0, size)
    if low == -before and isinstance(high, int) and (windows - 1) * stride - before + kernel <= high:
        return None
    first = ops.Arange(-before, windows * stride - before, stride, dtype_of(op.x))
    return ops.Subtract(ops.Minimum(ops.Add(first, kernel), high), ops.Maximum(first, low))


def power_mean(op):
    """The p-norm of windows as a mean pool of powers."""
    powers = ops.Power(ops.Abs(op.x), op.p)
    none = ((0, 0),) * len(op.axes)
    total = ops.AvgPool(powers, op.kernel, op.stride, none, op.ceil_mode, True, 1, op.axes)
    return ops.Power(total, 1 / op.p)
