"""Pooling as PyTorch spells it: the last axes, padded alike on both sides by at most half a window."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.conv import is_even
from netglot.dialects.torch.write_ops.words import moved, order_for
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import dtype_of, shape_of
from netglot.pivot.pooling import amounts_of, lowest, mean_with_padding, padded, power_mean, unpadded
from netglot.source.spell import OMIT, Call, Layer, Subscript, compact, options, unless, unless_all

_POOLS = (ops.MaxPool, ops.AvgPool, ops.LpPool, ops.AdaptiveAvgPool, ops.AdaptiveMaxPool, ops.MaxPoolIndices)


@torch.arranges(*_POOLS)
def windows_last(op):
    rank = len(shape_of(op.x))
    rest = [axis for axis in range(rank) if axis not in op.axes]
    return moved(order_for(rank, rest, op.axes), "x", "out")


def _is_native(op) -> bool:
    """Whether PyTorch pads so by itself."""
    return is_even(op.padding) and all(2 * p <= k for (p, _), k in zip(op.padding, op.kernel, strict=True))


def _by_ceiling(op):
    """The pool with the padding before each axis on both sides and `ceil_mode`, where that places the same windows.

    What a last window overhangs counts for nothing, as padding does that is left out of a mean.
    """
    counted = isinstance(op, ops.AvgPool) and (op.count_include_pad or op.divisor is not None)
    if counted or op.ceil_mode or not all(isinstance(shape_of(op.x)[axis], int) for axis in op.axes):
        return None
    even = op.replace(padding=tuple((before, before) for before, _ in op.padding), ceil_mode=True)
    return even if shape_of(even) == shape_of(op) and _is_native(even) else None


@torch.lowers(ops.MaxPool, ops.MaxPoolIndices)
def lower_max_pool(op):
    if not is_even(op.padding) and _by_ceiling(op) is not None:
        return _by_ceiling(op)
    if _is_native(op):
        return None
    whole = padded(op.x, op, amounts_of(op), lowest(op.x))
    return _places(op, whole) if isinstance(op, ops.MaxPoolIndices) else unpadded(op, whole)


def _places(op, whole):
    """The places of maxima in a plane with padding, counted without it."""
    place, total, step = unpadded(op, whole), None, 1
    for axis, (before, _) in reversed(list(zip(op.axes, op.padding, strict=True))):
        size = shape_of(whole)[axis]
        one = place if axis == op.axes[0] else ops.Remainder(place, size)
        one = ops.Subtract(one, before) if before else one
        one = ops.Multiply(one, step) if total is not None else one
        total = one if total is None else ops.Add(total, one)
        place, step = ops.FloorDivide(place, size), step * shape_of(op.x)[axis]
    return total


@torch.lowers(ops.AvgPool)
def lower_avg_pool(op):
    if op.divisor is not None and (len(op.axes) == 1 or not _is_native(op)):
        whole = padded(op.x, op, amounts_of(op), 0.0)
        share = product(op.kernel) / op.divisor
        return ops.Multiply(unpadded(op, whole, divisor=None, count_include_pad=True), share)
    return None if _is_native(op) else _by_ceiling(op) or mean_with_padding(op)


def _window(op) -> dict:
    return options(
        stride=OMIT if op.stride == op.kernel else compact(op.stride),
        padding=unless_all([before for before, _ in op.padding], 0),
    )


@torch.writes(ops.MaxPool)
def max_pool(op):
    n, kernel = len(op.axes), compact(op.kernel)
    given = _window(op) | options(dilation=unless_all(op.dilation, 1), ceil_mode=unless(op.ceil_mode, False))
    function = Call(f"F.max_pool{n}d", (op.x, kernel), given)
    return Layer(f"nn.MaxPool{n}d", (op.x,), given, arguments=(kernel,), function=function)


@torch.writes(ops.MaxPoolIndices)
def max_pool_indices(op):
    given = _window(op) | options(dilation=unless_all(op.dilation, 1), ceil_mode=unless(op.ceil_mode, False))
    made = Call(f"F.max_pool{len(op.axes)}d", (op.x, compact(op.kernel)), given | {"return_indices": True})
    return Subscript(made, (1,))


@torch.writes(ops.AvgPool)
def avg_pool(op):
    n, kernel = len(op.axes), compact(op.kernel)
    given = _window(op) | options(
        ceil_mode=unless(op.ceil_mode, False),
        count_include_pad=unless(op.count_include_pad or not any(p for p, _ in op.padding), True),
        divisor_override=unless(op.divisor, None),
    )
    function = Call(f"F.avg_pool{n}d", (op.x, kernel), given)
    return Layer(f"nn.AvgPool{n}d", (op.x,), given, arguments=(kernel,), function=function)


@torch.lowers(ops.LpPool)
def lower_lp_pool(op):
    return power_mean(op)


_ADAPTIVE = {
    ops.AdaptiveAvgPool: ("AdaptiveAvgPool", "adaptive_avg_pool"),
    ops.AdaptiveMaxPool: ("AdaptiveMaxPool", "adaptive_max_pool"),
}


@torch.writes(*_ADAPTIVE)
def adaptive(op):
    n, size = len(op.axes), compact(op.output_size)
    layer, function = _ADAPTIVE[type(op)]
    return Layer(f"nn.{layer}{n}d", (op.x,), arguments=(size,), function=Call(f"F.{function}{n}d", (op.x, size)))


@torch.lowers(ops.MaxUnpool)
def lower_max_unpool(op):
    """One scatter along the plane laid flat, as the size of the windows is not known."""
    kept = shape_of(op.x)[: -len(op.size)]
    number = product(shape_of(op.x)[-len(op.size) :])
    flat = ops.Full((*kept, product(op.size)), 0.0, dtype_of(op.x))
    indices, updates = (ops.Reshape(one, (*kept, number)) for one in (op.indices, op.x))
    return ops.Reshape(ops.ScatterAlongAxis(flat, indices, updates, len(kept), "set"), (*kept, *op.size))
