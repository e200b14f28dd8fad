"""Convolution as PyTorch spells it: channels first, and the same padding before and after each axis."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import moved, order_for
from netglot.pivot import ops
from netglot.pivot.graph import is_weight
from netglot.pivot.op import shape_of
from netglot.pivot.windows import spatial_axes
from netglot.source.spell import Call, Layer, compact, options, unless, unless_all


@torch.arranges(ops.Conv, ops.ConvTranspose)
def channels_second(op):
    rank = len(shape_of(op.x))
    return moved(order_for(rank, (0, op.axis), spatial_axes(rank, op.axis)), "x", "out")


def per_axis(rank: int, axes, values, default=0) -> tuple:
    """`values` at `axes` and `default` elsewhere."""
    placed = dict(zip(axes, values, strict=True))
    return tuple(placed.get(axis, default) for axis in range(rank))


def is_even(padding) -> bool:
    """Whether as much is added after each axis as before it."""
    return all(before == after for before, after in padding)


@torch.lowers(ops.Conv)
def lower_conv(op):
    if is_even(op.padding):
        return None
    rank = len(shape_of(op.x))
    before, after = (per_axis(rank, spatial_axes(rank, op.axis), side) for side in zip(*op.padding, strict=True))
    padded = ops.Pad(op.x, before, after, "constant", 0.0)
    return op.replace(x=padded, padding=((0, 0),) * len(op.padding))


@torch.writes(ops.Conv)
def conv(op):
    n, (out, per_group, *kernel) = len(op.stride), shape_of(op.weight)
    window = options(
        stride=unless_all(op.stride, 1),
        padding=unless_all([before for before, _ in op.padding], 0),
        dilation=unless_all(op.dilation, 1),
        groups=unless(op.groups, 1),
    )
    return _layer(f"nn.Conv{n}d", f"F.conv{n}d", op, (per_group * op.groups, out, compact(kernel)), window)


def _layer(layer: str, function: str, op, arguments: tuple, window: dict):
    operands = (op.x, op.weight) if op.bias is None else (op.x, op.weight, op.bias)
    call = Call(function, operands, window)
    if not is_weight(op.weight) or not (op.bias is None or is_weight(op.bias)):
        return call
    weights = {"weight": op.weight} | ({} if op.bias is None else {"bias": op.bias})
    given = window | options(bias=unless(op.bias is not None, True))
    return Layer(layer, (op.x,), given, weights=weights, arguments=arguments, function=call)


# --- transposed convolution


def _crops(op) -> list[tuple[int, int]]:
    """How much is cropped at the start and at the end of each axis of the full result."""
    return [(before, after - more) for (before, after), more in zip(op.padding, op.output_padding, strict=True)]


def _is_native(op) -> bool:
    """Whether `padding` and `output_padding` say the crop: what is left at the end is less than a step."""
    steps = [max(s, d) for s, d in zip(op.stride, op.dilation, strict=True)]
    return all(0 <= start - end < step for (start, end), step in zip(_crops(op), steps, strict=True))


@torch.lowers(ops.ConvTranspose)
def lower_conv_transpose(op):
    """Crops the full result, or adds zeros to it before the bias is added."""
    if _is_native(op):
        return None
    none = (0,) * len(op.stride)
    full = op.replace(bias=None, padding=tuple((0, 0) for _ in none), output_padding=none)
    rank, size = len(shape_of(op.x)), shape_of(full)
    axes, wanted = spatial_axes(rank, op.axis), shape_of(op)
    missing = [max(-end, 0) for _, end in _crops(op)]
    y = full
    if any(missing):
        y = ops.Pad(y, (0,) * rank, per_axis(rank, axes, missing), "constant", 0.0)
    else:
        y = full = full.replace(bias=op.bias)
    for axis, (start, _) in zip(axes, _crops(op), strict=True):
        if start or shape_of(y)[axis] != wanted[axis]:
            y = ops.Slice(y, axis, start, start + wanted[axis], 1)
    if op.bias is not None and full.bias is None:
        y = ops.Add(y, ops.Reshape(op.bias, per_axis(rank, (op.axis,), (size[op.axis],), 1)))
    return y


@torch.writes(ops.ConvTranspose)
def conv_transpose(op):
    n, (inputs, per_group, *kernel) = len(op.stride), shape_of(op.weight)
    crops = _crops(op)
    window = options(
        stride=unless_all(op.stride, 1),
        padding=unless_all([start for start, _ in crops], 0),
        output_padding=unless_all([start - end for start, end in crops], 0),
        groups=unless(op.groups, 1),
        dilation=unless_all(op.dilation, 1),
    )
    arguments = (inputs, per_group * op.groups, compact(kernel))
    return _layer(f"nn.ConvTranspose{n}d", f"F.conv_transpose{n}d", op, arguments, window)
