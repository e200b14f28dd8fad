"""Functions of `keras.ops` that move elements about."""

from __future__ import annotations

import itertools
import re

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axes_of, axis_of, flat, moved, rank, with_axes, without_axes
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, floordiv, product
from netglot.pivot.graph import Part
from netglot.pivot.op import normal_axis, shape_of


def reshaped(x, newshape) -> ops.Reshape:
    """`x` in a new shape, one size of which may be -1: what is left."""
    newshape = (newshape,) if isinstance(newshape, int) else tuple(newshape)
    if -1 in [size for size in newshape if isinstance(size, int)]:
        known = product(size for size in newshape if not (isinstance(size, int) and size == -1))
        rest = floordiv(product(shape_of(x)), known)
        newshape = tuple(rest if isinstance(size, int) and size == -1 else size for size in newshape)
    return ops.Reshape(x, newshape)


@keras.reads("ops.reshape")
def reshape(x, newshape):
    return reshaped(x, newshape)


@keras.reads("ops.ravel")
def ravel(x):
    return flat(x)


@keras.reads("ops.transpose")
def transpose(x, axes=None):
    if axes is None:
        return ops.Permute(x, tuple(reversed(range(rank(x)))))
    return ops.Permute(x, tuple(axis_of(x, axis) for axis in axes))


@keras.reads("ops.swapaxes")
def swapaxes(x, axis1, axis2):
    order = list(range(rank(x)))
    one, other = axis_of(x, axis1), axis_of(x, axis2)
    order[one], order[other] = other, one
    return ops.Permute(x, tuple(order))


@keras.reads("ops.moveaxis")
def moveaxis(x, source, destination):
    sources = [axis_of(x, a) for a in ([source] if isinstance(source, int) else source)]
    places = [axis_of(x, a) for a in ([destination] if isinstance(destination, int) else destination)]
    order = [i for i in range(rank(x)) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return ops.Permute(x, tuple(order))


@keras.reads("ops.expand_dims")
def expand_dims(x, axis):
    return with_axes(x, axis)


@keras.reads("ops.squeeze")
def squeeze(x, axis=None):
    if axis is None:
        axis = tuple(i for i, size in enumerate(shape_of(x)) if size == 1)
    return without_axes(x, axis)


@keras.reads("ops.broadcast_to")
def broadcast_to(x, shape):
    return ops.Broadcast(x, tuple(shape))


@keras.reads("ops.concatenate")
def concatenate(xs, axis=0):
    if axis is None:
        return ops.Concat(tuple(flat(x) for x in xs), 0)
    return ops.Concat(tuple(xs), axis_of(xs[0], axis))


@keras.reads("ops.append")
def append(x1, x2, axis=None):
    return concatenate([x1, x2], axis)


@keras.reads("ops.stack")
def stack(x, axis=0):
    return ops.Stack(tuple(x), normal_axis(axis, rank(x[0]) + 1))


@keras.reads("ops.hstack")
def hstack(xs):
    xs = [x if rank(x) else with_axes(x, 0) for x in xs]
    return ops.Concat(tuple(xs), 0 if rank(xs[0]) == 1 else 1)


@keras.reads("ops.vstack")
def vstack(xs):
    return ops.Concat(tuple(with_axes(x, 0) if rank(x) == 1 else x for x in xs), 0)


@keras.reads("ops.dstack")
def dstack(xs):
    return ops.Concat(tuple(with_axes(x, 2) if rank(x) == 2 else x for x in xs), 2)


def parts(x, indices_or_sections, axis: int) -> list:
    """`x` in equal parts, or cut at the places given."""
    axis = axis_of(x, axis)
    size = shape_of(x)[axis]
    if isinstance(indices_or_sections, int):
        sizes = (floordiv(size, indices_or_sections),) * indices_or_sections
    else:
        cuts = [0, *indices_or_sections, size]
        sizes = tuple(after - before for before, after in itertools.pairwise(cuts))
    if len(sizes) == 1:
        return [x]
    split = ops.Split(x, sizes, axis)
    return [Part(split, i) for i in range(len(sizes))]


@keras.reads("ops.split")
def split(x, indices_or_sections, axis=0):
    return parts(x, indices_or_sections, axis)


@keras.reads("ops.array_split")
def array_split(x, indices_or_sections, axis=0):
    if not isinstance(indices_or_sections, int):
        return parts(x, indices_or_sections, axis)
    size = shape_of(x)[axis_of(x, axis)]
    if not isinstance(size, int):
        raise Refusal(notimpl("unequal parts of an axis whose size is not known"))
    whole, rest = divmod(size, indices_or_sections)
    sizes = [whole + (i < rest) for i in range(indices_or_sections)]
    return parts(x, list(itertools.accumulate(sizes))[:-1], axis)


@keras.reads("ops.unstack")
def unstack(x, num=None, axis=0):
    axis = axis_of(x, axis)
    count = num or shape_of(x)[axis]
    if not isinstance(count, int):
        raise Refusal(notimpl("a list of tensors whose number is not known"))
    if count == shape_of(x)[axis] and count > 1:
        return ops.Unstack(x, axis)
    return [ops.Select(x, axis, i) for i in range(count)]


@keras.reads("ops.flip")
def flip(x, axis=None):
    return ops.Flip(x, axes_of(x, axis))


@keras.reads("ops.roll")
def roll(x, shift, axis=None):
    if axis is None:
        return ops.Reshape(ops.Roll(flat(x), (shift,), (0,)), shape_of(x))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    return ops.Roll(x, shifts, tuple(axis_of(x, a) for a in axes))


@keras.reads("ops.repeat")
def repeat(x, repeats, axis=None):
    if isinstance(repeats, list | tuple) and len(repeats) == 1:
        repeats = repeats[0]
    if not isinstance(repeats, int):
        if isinstance(repeats, list | tuple):
            return _repeated_unevenly(x, list(repeats), axis)
        if not isinstance(repeats, Dim):
            raise Refusal(notimpl("repeats that differ from element to element or are not known"))
        return _repeated_by_a_size(*((flat(x), 0) if axis is None else (x, axis_of(x, axis))), repeats)
    return ops.Repeat(flat(x), repeats, 0) if axis is None else ops.Repeat(x, repeats, axis_of(x, axis))


def _repeated_by_a_size(x, axis: int, times: Dim):
    before, (size, *after) = shape_of(x)[:axis], shape_of(x)[axis:]
    if size == 1:
        return ops.Broadcast(x, (*before, times, *after))
    spread = ops.Broadcast(ops.Reshape(x, (*before, size, 1, *after)), (*before, size, times, *after))
    return ops.Reshape(spread, (*before, size * times, *after))


def _repeated_unevenly(x, repeats: list[int], axis):
    x, axis = (flat(x), 0) if axis is None else (x, axis_of(x, axis))
    pieces = [ops.Repeat(ops.Slice(x, axis, i, i + 1, 1), times, axis) for i, times in enumerate(repeats) if times]
    return ops.Concat(tuple(pieces), axis)


@keras.reads("ops.tile")
def tile(x, repeats):
    repeats = (repeats,) if not isinstance(repeats, list | tuple) else tuple(repeats)
    if len(repeats) < rank(x):
        repeats = (1,) * (rank(x) - len(repeats)) + repeats
    if len(repeats) > rank(x):
        x = with_axes(x, tuple(range(len(repeats) - rank(x))))
    return ops.Tile(x, repeats)


_MODES = {"constant": "constant", "reflect": "reflect", "symmetric": "symmetric", "edge": "edge", "wrap": "wrap"}


@keras.reads("ops.pad")
def pad(x, pad_width, mode="constant", constant_values=None):
    if mode not in _MODES:
        raise Refusal(notimpl(f"padding of mode {mode!r}"))
    pairs = _pairs(pad_width, rank(x))
    before, after = zip(*pairs, strict=True) if pairs else ((), ())
    return ops.Pad(x, tuple(before), tuple(after), mode, constant_values if constant_values is not None else 0.0)


def _pairs(widths, count: int) -> list[tuple]:
    if isinstance(widths, int):
        return [(widths, widths)] * count
    if len(widths) == 2 and all(isinstance(one, int) for one in widths):
        return [tuple(widths)] * count
    if len(widths) == 1 and count != 1:
        return _pairs(widths[0], count)
    return [(one, one) if isinstance(one, int) else tuple(one) if len(one) == 2 else (one[0], one[0]) for one in widths]


@keras.reads("ops.diagonal")
def diagonal(x, offset=0, axis1=0, axis2=1):
    return ops.Diagonal(x, offset, axis_of(x, axis1), axis_of(x, axis2))


@keras.reads("ops.diag")
def diag(x, k=0):
    return ops.DiagonalEmbed(x, k, 0, 1) if rank(x) == 1 else ops.Diagonal(x, k, 0, 1)


@keras.reads("ops.rot90")
def rot90(array, k=1, axes=(0, 1)):
    one, other = (axis_of(array, axis) for axis in axes)
    order = [*range(rank(array))]
    order[one], order[other] = other, one
    turned = {0: array, 2: ops.Flip(array, tuple(sorted((one, other))))}
    if k % 4 in turned:
        return turned[k % 4]
    if k % 4 == 1:
        return ops.Permute(ops.Flip(array, (other,)), tuple(order))
    return ops.Flip(ops.Permute(array, tuple(order)), (other,))


@keras.reads("ops.diff")
def diff(a, n=1, axis=-1):
    axis = axis_of(a, axis)
    for _ in range(n):
        size = shape_of(a)[axis]
        a = ops.Subtract(ops.Slice(a, axis, 1, size, 1), ops.Slice(a, axis, 0, size - 1, 1))
    return a


@keras.reads("ops.meshgrid")
def meshgrid(*x, indexing="xy"):
    count = len(x)
    places = list(range(count))
    if indexing == "xy" and count > 1:
        places[0], places[1] = 1, 0
    sizes = [0] * count
    for one, place in zip(x, places, strict=True):
        sizes[place] = shape_of(flat(one))[0]
    made = []
    for one, place in zip(x, places, strict=True):
        line = ops.Reshape(one, tuple(sizes[i] if i == place else 1 for i in range(count)))
        made.append(ops.Broadcast(line, tuple(sizes)))
    return made


@keras.reads("ops.depth_to_space")
def depth_to_space(x, block_size, data_format="channels_last"):
    """Blocks of channels become squares; the channels of one place stand together, block by block."""
    x, back = _channels_last(x, data_format)
    batch, height, width, channels = shape_of(x)
    inner = floordiv(channels, block_size * block_size)
    apart = ops.Reshape(x, (batch, height, width, block_size, block_size, inner))
    woven = ops.Permute(apart, (0, 1, 3, 2, 4, 5))
    return back(ops.Reshape(woven, (batch, height * block_size, width * block_size, inner)))


@keras.reads("ops.space_to_depth")
def space_to_depth(x, block_size, data_format="channels_last"):
    x, back = _channels_last(x, data_format)
    batch, height, width, channels = shape_of(x)
    rows, columns = floordiv(height, block_size), floordiv(width, block_size)
    apart = ops.Reshape(x, (batch, rows, block_size, columns, block_size, channels))
    woven = ops.Permute(apart, (0, 1, 3, 2, 4, 5))
    return back(ops.Reshape(woven, (batch, rows, columns, channels * block_size * block_size)))


def _channels_last(x, data_format):
    if data_format != "channels_first":
        return x, lambda y: y
    return moved(x, 1, 3), lambda y: moved(y, 3, 1)


@keras.reads("ops.rearrange")
def rearrange(tensor, pattern, **axes_lengths):
    """Einops: axes are parted, put in order, and joined as the pattern names them."""
    before, after = (_groups(side) for side in pattern.split("->"))
    sizes = dict(axes_lengths)
    for group, size in zip(before, shape_of(tensor), strict=True):
        unknown = [name for name in group if name not in sizes]
        if len(unknown) > 1:
            raise Refusal(notimpl(f"the pattern {pattern!r} without the sizes of {', '.join(unknown)}"))
        known = product(sizes[name] for name in group if name in sizes)
        sizes.update({name: floordiv(size, known) for name in unknown})
    apart, together = ([name for group in side for name in group] for side in (before, after))
    parted = ops.Reshape(tensor, tuple(sizes[name] for name in apart))
    ordered = ops.Permute(parted, tuple(apart.index(name) for name in together))
    return ops.Reshape(ordered, tuple(product(sizes[name] for name in group) for group in after))


def _groups(side: str) -> list[list[str]]:
    """The names of one side of a pattern, those in parentheses together."""
    return [token.strip("()").split() for token in re.findall(r"\w+|\(.*?\)", side)]
