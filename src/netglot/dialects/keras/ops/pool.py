"""Pooling as Keras spells it: channels last, padding "valid" or "same", no dilation and no ceil mode.

Other padding becomes a `Pad` before. Where a mean must not count the padding, it is scaled up at the borders, by one
factor for each row and one for each column.
"""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.windows import channels_last, compact, is_none, is_same, options, per_axis
from netglot.errors import Refusal, never
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import dtype_of, is_scalar, shape_of
from netglot.pivot.ops.pool import adaptive_spans
from netglot.pivot.pooling import (
    amounts_of,
    by_slices,
    dilation_of,
    lowest,
    mean_with_padding,
    padded,
    power_mean,
    unpadded,
)
from netglot.source.spell import OMIT, Call, Layer

NAMES = {ops.MaxPool: "Max", ops.AvgPool: "Average", ops.AdaptiveMaxPool: "Max", ops.AdaptiveAvgPool: "Average"}


@keras.arranges(ops.MaxPool, ops.AvgPool, ops.AdaptiveAvgPool, ops.AdaptiveMaxPool)
def arrange(op):
    rank = len(shape_of(op.x))
    rest = [axis for axis in range(rank) if axis not in op.axes]
    order = channels_last(rank, rest[1], rest[0], op.axes) if len(rest) == 2 else None
    return {"x": order, "out": order} if order else None


def _is_same_here(op) -> bool:
    """Whether "same" places the same windows on axes of these sizes; it depends on the size where strides do."""
    sizes = [shape_of(op.x)[axis] for axis in op.axes]
    if not all(isinstance(size, int) for size in sizes):
        return False
    found = [shape_of(op)[axis] for axis in op.axes]
    for n, k, s, count, (before, _) in zip(sizes, op.kernel, op.stride, found, op.padding, strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        if count != -(-n // s) or before != total // 2:
            return False
    return True


def padding_name(op) -> str | None:
    """Keras's name for the padding of a pool, or None where it has none. "same" leaves the padding out of a mean."""
    if max(dilation_of(op)) > 1:
        return None
    overhang = op.overhangs()
    if is_none(op.padding) and all(isinstance(extra, int) and extra <= 0 for extra in overhang):
        return "valid"
    if isinstance(op, ops.AvgPool) and op.count_include_pad and not is_none(op.padding):
        return None
    if is_same(op.kernel, op.stride, dilation_of(op), op.padding):
        return "same"
    return "same" if op.ceil_mode and _is_same_here(op) else None


@keras.lowers(ops.MaxPool)
def lower_max_pool(op):
    if padding_name(op):
        return None
    x = padded(op.x, op, amounts_of(op), lowest(op.x))
    return unpadded(op, x) if max(op.dilation) == 1 else by_slices(op, x, ops.Maximum)


@keras.lowers(ops.AvgPool)
def lower_avg_pool(op):
    if op.divisor is not None:
        share = product(op.kernel) / op.divisor
        whole = padded(op.x, op, amounts_of(op), 0.0)
        return ops.Multiply(unpadded(op, whole, divisor=None, count_include_pad=True), share)
    if padding_name(op):
        return None
    return mean_with_padding(op)


@keras.writes(ops.MaxPool, ops.AvgPool)
def pool(op):
    kernel = compact(op.kernel)
    window = options(
        strides=OMIT if op.stride == op.kernel else compact(op.stride),
        padding="same" if padding_name(op) == "same" else OMIT,
    )
    name = NAMES[type(op)]
    function = Call(f"ops.{name.lower()}_pool", (op.x, kernel), window)
    return Layer(f"layers.{name}Pooling{len(op.axes)}D", (op.x,), window, arguments=(kernel,), function=function)


@keras.lowers(ops.LpPool)
def lower_lp_pool(op):
    return power_mean(op)


# Adaptive windows.


def _is_global(op) -> bool:
    return all(size == 1 for size in op.output_size)


def _is_known(op) -> bool:
    return all(isinstance(shape_of(op.x)[axis], int) for axis in op.axes)


def _has_layer(op) -> bool:
    """Keras pools with windows of two lengths, the longer of which must fit."""
    pairs = [(shape_of(op.x)[axis], size) for axis, size in zip(op.axes, op.output_size, strict=True)]
    return all(-(-n // size) + 1 <= n for n, size in pairs)


@keras.lowers(ops.AdaptiveAvgPool, ops.AdaptiveMaxPool)
def lower_adaptive(op):
    if _is_global(op) or not _is_known(op) or _has_layer(op):
        return None
    x, fold = op.x, ops.Mean if isinstance(op, ops.AdaptiveAvgPool) else ops.Max
    for axis, size in zip(op.axes, op.output_size, strict=True):
        spans = adaptive_spans(shape_of(x)[axis], size)
        if all(stop - start == 1 for start, stop in spans):
            x = x if len(spans) == shape_of(x)[axis] else ops.Repeat(x, size // shape_of(x)[axis], axis)
            continue
        x = _joined([fold(ops.Slice(x, axis, *span, 1), (axis,), True) for span in spans], axis)
    return x


def _joined(parts, axis: int):
    return parts[0] if len(parts) == 1 else ops.Concat(tuple(parts), axis)


@keras.writes(ops.AdaptiveAvgPool, ops.AdaptiveMaxPool)
def adaptive(op):
    name, rank = NAMES[type(op)], len(op.axes)
    if _is_global(op):
        mean = Call("ops.mean" if name == "Average" else "ops.max", (op.x,), {"axis": op.axes, "keepdims": True})
        return Layer(f"layers.Global{name}Pooling{rank}D", (op.x,), {"keepdims": True}, function=mean)
    if not _is_known(op):
        why = "Keras divides an axis into windows only where its length is known"
        raise Refusal(never(why, "give the input a fixed size along that axis"))
    size = compact(op.output_size)
    function = Call(f"ops.adaptive_{name.lower()}_pool", (op.x, size))
    return Layer(f"layers.Adaptive{name}Pooling{rank}D", (op.x,), arguments=(size,), function=function)


# Where the maxima stand.


@keras.lowers(ops.MaxPoolIndices)
def lower_max_pool_indices(op):
    x = padded(op.x, op, amounts_of(op), lowest(op.x))
    counts, sizes = shape_of(op), shape_of(op.x)
    parts = [x]
    for axis, kernel, stride, dilation in zip(op.axes, op.kernel, op.stride, op.dilation, strict=True):
        starts = [i * dilation for i in range(kernel)]
        parts = [
            ops.Slice(part, axis, at, at + (counts[axis] - 1) * stride + 1, stride) for part in parts for at in starts
        ]
    rank = len(sizes)
    best = ops.Argmax(ops.Stack(tuple(parts), rank), rank, False)
    place, left, pitch = 0, best, 1
    for i, axis in reversed(list(enumerate(op.axes))):
        within = ops.Remainder(left, op.kernel[i])
        left = ops.FloorDivide(left, op.kernel[i])
        start, stride = -op.padding[i][0], op.stride[i]
        firsts = ops.Arange(start, start + counts[axis] * stride, stride, "int64")
        firsts = ops.Reshape(firsts, per_axis(rank, (axis,), (counts[axis],), 1))
        along = ops.Multiply(ops.Add(ops.Multiply(within, op.dilation[i]), firsts), pitch)
        place = along if is_scalar(place) else ops.Add(place, along)
        pitch = pitch * sizes[axis]
    return place


@keras.lowers(ops.MaxUnpool)
def lower_max_unpool(op):
    kept = shape_of(op.x)[: -len(op.size)]
    lines = product(kept)
    number = product(shape_of(op.x)[-len(op.size) :])
    flat = ops.Full((lines, product(op.size)), 0.0, dtype_of(op.x))
    indices, updates = (ops.Reshape(one, (lines, number)) for one in (op.indices, op.x))
    filled = ops.ScatterAlongAxis(flat, indices, updates, 1, "set")
    return ops.Reshape(filled, (*kept, *op.size))
