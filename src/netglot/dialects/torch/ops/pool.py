"""Pooling as PyTorch spells it: along the last axes, and a stride that is the kernel's size where it is left out."""

from __future__ import annotations

import math

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.windows import batched, both_sides, each
from netglot.errors import never
from netglot.pivot import ops
from netglot.pivot.op import Op, shape_of


def _names(name: str, *ranks: int) -> list[str]:
    return [f"aten.{name}{rank}d.default" for rank in ranks]


def _pool(kind: type[Op], rank: int, x, kernel, stride, padding, **options) -> Op:
    """A pool along the last `rank` axes; PyTorch takes `x` with and without a batch axis."""
    kernel = each(kernel, rank)
    stride = each(stride, rank) if stride else kernel
    axes = tuple(range(2, 2 + rank))
    return batched(
        x, rank + 2, lambda x: kind(x, kernel, stride, both_sides(padding, rank), **_spread(options, rank), axes=axes)
    )


def _spread(options: dict, rank: int) -> dict:
    return options | ({"dilation": each(options["dilation"], rank)} if "dilation" in options else {})


def _reads_max_pool(rank: int) -> None:
    @torch.reads(*_names("max_pool", rank))
    def max_pool(self, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
        return _pool(ops.MaxPool, rank, self, kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode)

    @torch.reads(f"aten.max_pool{rank}d_with_indices.default")
    def max_pool_with_indices(self, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
        arguments = self, kernel_size, stride, padding
        options = dict(dilation=dilation, ceil_mode=ceil_mode)
        return _pool(ops.MaxPool, rank, *arguments, **options), _pool(ops.MaxPoolIndices, rank, *arguments, **options)


for _rank in (1, 2, 3):
    _reads_max_pool(_rank)


def _avg_pool(rank, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    options = dict(ceil_mode=ceil_mode, count_include_pad=count_include_pad, divisor=divisor)
    return _pool(ops.AvgPool, rank, x, kernel, stride, padding, **options)


@torch.reads("aten.avg_pool1d.default")
def avg_pool1d(self, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True):
    return _avg_pool(1, self, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@torch.reads("aten.avg_pool2d.default")
def avg_pool2d(self, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    return _avg_pool(2, self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@torch.reads("aten.avg_pool3d.default")
def avg_pool3d(self, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    return _avg_pool(3, self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _adaptive(kind: type[Op], rank: int, x, output_size):
    """`None` in the sizes keeps the size that an axis has."""
    sizes = zip(each(output_size, rank), shape_of(x)[-rank:], strict=True)
    wanted = tuple(old if new is None else new for new, old in sizes)
    return batched(x, rank + 2, lambda x: kind(x, wanted, axes=tuple(range(2, 2 + rank))))


def _places_of_maxima(x, sizes, wanted):
    """Where the maxima of windows of unequal length stand, counted through the whole of the pooled axes.

    Every window is filled up to the longest by repeating its last element, which is never the first maximum.
    """
    rank, batch = len(sizes), len(shape_of(x)) - len(sizes)
    windows, numbers = x, ops.Full((), value=0, dtype="int64")
    lengths = []
    for i, (size, count) in enumerate(zip(sizes, wanted, strict=True)):
        places, length = _window_places(size, count)
        windows = ops.Take(windows, places, axis=batch + 2 * i)  # each pooled axis becomes (window, element)
        lengths.append(length)
        shape = [1] * (2 * rank)
        shape[i], shape[rank + i] = count, length
        numbers = ops.Add(ops.Multiply(numbers, size), ops.Reshape(places, shape=tuple(shape)))
    order = (*range(batch), *range(batch, batch + 2 * rank, 2), *range(batch + 1, batch + 2 * rank, 2))
    elements = math.prod(lengths)
    flat = ops.Reshape(ops.Permute(windows, axes=order), shape=(*shape_of(x)[:batch], *wanted, elements))
    first = ops.Argmax(flat, axis=batch + rank, keepdims=True)
    table = ops.Reshape(numbers, shape=(*(1,) * batch, *wanted, elements))
    table = ops.Broadcast(table, shape=shape_of(flat))
    return ops.Reshape(ops.TakeAlongAxis(table, first, axis=batch + rank), shape=(*shape_of(x)[:batch], *wanted))


def _window_places(size: int, count: int):
    """The places of each of `count` windows over an axis, as rows of one length, and that length."""
    spans = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
    length = max(stop - start for start, stop in spans)
    rows = [[min(start + k, stop - 1) for k in range(length)] for start, stop in spans]
    numbers = tuple(ops.Full((), value=n, dtype="int64") for row in rows for n in row)
    return ops.Reshape(ops.Stack(numbers, axis=0), shape=(count, length)), length


def _reads_adaptive(rank: int) -> None:
    private = _names("_adaptive_avg_pool", rank) if rank > 1 else []

    @torch.reads(*_names("adaptive_avg_pool", rank), *private)
    def adaptive_avg_pool(self, output_size):
        return _adaptive(ops.AdaptiveAvgPool, rank, self, output_size)

    @torch.reads(*_names("adaptive_max_pool", rank))
    def adaptive_max_pool(self, output_size):
        largest = _adaptive(ops.AdaptiveMaxPool, rank, self, output_size)
        sizes, wanted = shape_of(self)[-rank:], shape_of(largest)[-rank:]
        if not all(isinstance(n, int) and isinstance(o, int) for n, o in zip(sizes, wanted, strict=True)):
            return (largest,)
        if any(o and n % o for n, o in zip(sizes, wanted, strict=True)):
            return largest, _places_of_maxima(self, sizes, wanted)
        kernel = [n // max(o, 1) for n, o in zip(sizes, wanted, strict=True)]
        places = _pool(ops.MaxPoolIndices, rank, self, kernel, kernel, 0, dilation=1, ceil_mode=False)
        return largest, places


for _rank in (1, 2, 3):
    _reads_adaptive(_rank)


@torch.reads("aten.max_unpool2d.default")
def max_unpool2d(self, indices, output_size):
    return ops.MaxUnpool(self, indices, tuple(output_size))


@torch.reads("aten.max_unpool3d.default")
def max_unpool3d(self, indices, output_size, stride, padding):
    return ops.MaxUnpool(self, indices, tuple(output_size))


for _rank in (2, 3):
    torch.refuses_reading(
        f"aten.fractional_max_pool{_rank}d.default",
        never("fractional pooling draws its windows at random", "use an adaptive pool of the same output size"),
    )
