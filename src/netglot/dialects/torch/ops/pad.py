"""Padding, repeating, rolling and flipping; diagonals and windows."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.ops.shape import rank_of, ravel, reshaped, sliced, swapped
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import dims, ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import FLOATS, normal_axes, normal_axis, shape_of, type_of

# --- padding and repeating

PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def number(value, dtype: str):
    """A Python number of the kind of `dtype`."""
    if dtype == "bool":
        return bool(value)
    return float(value) if dtype in FLOATS else int(value)


def padded(x, pad, mode: str, value):
    """`x` padded by torch's list, which has pairs from the last axis backwards. Negative amounts crop."""
    rank = rank_of(x)
    before, after = [0] * rank, [0] * rank
    for index in range(len(pad) // 2):
        before[rank - 1 - index], after[rank - 1 - index] = pad[2 * index], pad[2 * index + 1]
    negative = [isinstance(p, int) and p < 0 for p in (*before, *after)]
    if any(negative) and mode == "reflect":  # what is mirrored may be among what is cropped
        raise Refusal(notimpl("a negative amount of reflect padding", "slice the tensor instead"))
    crops = [
        (max(0, -b) if n else 0, max(0, -a) if m else 0)
        for b, a, n, m in zip(before, after, negative[:rank], negative[rank:], strict=True)
    ]
    before = tuple(0 if negative[axis] else p for axis, p in enumerate(before))
    after = tuple(0 if negative[rank + axis] else p for axis, p in enumerate(after))
    if mode != "replicate":  # which may go on where all was cropped
        x = _cropped(x, crops)
    if any(not isinstance(p, int) or p for p in (*before, *after)):
        filling = number(value or 0, type_of(x).dtype)
        x = ops.Pad(x, before=before, after=after, mode=PAD_MODES[mode], value=filling)
    return _cropped(x, crops) if mode == "replicate" else x


def _cropped(x, crops):
    """`x` without so many places at the start and the end of each axis."""
    for axis, (start, stop) in enumerate(crops):
        x = sliced(x, axis, start, shape_of(x)[axis] - stop)
    return x


@torch.reads("aten.pad.default")
def pad(self, pad, mode="constant", value=None):
    return padded(self, pad, mode, value)


@torch.reads("aten.constant_pad_nd.default")
def constant_pad_nd(self, pad, value=0):
    return padded(self, pad, "constant", value)


@torch.reads("aten.reflection_pad1d.default", "aten.reflection_pad2d.default", "aten.reflection_pad3d.default")
def reflection_pad(self, padding):
    return padded(self, padding, "reflect", 0)


@torch.reads("aten.replication_pad1d.default", "aten.replication_pad2d.default", "aten.replication_pad3d.default")
def replication_pad(self, padding):
    return padded(self, padding, "replicate", 0)


@torch.reads("aten._pad_circular.default")
def pad_circular(self, pad):
    return padded(self, pad, "circular", 0)


@torch.reads("aten.repeat.default")
def repeat(self, repeats):
    x = reshaped(self, (1,) * (len(repeats) - rank_of(self)) + tuple(shape_of(self)))
    return x if all(isinstance(n, int) and n == 1 for n in repeats) else ops.Tile(x, repeats=tuple(repeats))


@torch.reads("aten.tile.default")
def tile(self, dims):
    return repeat(self, [1] * (rank_of(self) - len(dims)) + list(dims))


@torch.reads("aten.repeat_interleave.self_int")
def repeat_interleave(self, repeats, dim=None, output_size=None):
    x, axis = (ravel(self), 0) if dim is None else (self, normal_axis(dim, rank_of(self)))
    return ops.Repeat(x, repeats=repeats, axis=axis)


_SIZE_IS_DATA = never("the size of the result depends on the numbers in a tensor", "give the repeats as an integer")
torch.refuses_reading("aten.repeat_interleave.Tensor", _SIZE_IS_DATA)
torch.refuses_reading("aten.repeat_interleave.self_Tensor", _SIZE_IS_DATA)
torch.refuses_reading("aten.tensor_split.tensor_indices_or_sections", _SIZE_IS_DATA)


# --- order of elements


@torch.reads("aten.roll.default")
def roll(self, shifts, dims=()):
    shifts, dims = ([a] if isinstance(a, int | Dim) else list(a) for a in (shifts, dims))
    if not dims:
        flat = ravel(self)
        return reshaped(ops.Roll(flat, shifts=tuple(shifts), axes=(0,)), shape_of(self))
    table: dict[int, int | Dim] = {}
    for shift, axis in zip(shifts, dims, strict=True):
        axis = normal_axis(axis, rank_of(self))
        table[axis] = table.get(axis, 0) + shift
    return ops.Roll(self, shifts=tuple(table.values()), axes=tuple(table))


def flipped(x, axes):
    """`x` reversed along `axes`."""
    return ops.Flip(x, axes=normal_axes(axes, rank_of(x))) if axes else x


@torch.reads("aten.flip.default")
def flip(self, dims):
    return flipped(self, dims)


@torch.reads("aten.fliplr.default")
def fliplr(self):
    return flipped(self, [1])


@torch.reads("aten.flipud.default")
def flipud(self):
    return flipped(self, [0])


@torch.reads("aten.rot90.default")
def rot90(self, k=1, dims=(0, 1)):
    match k % 4:
        case 0:
            return self
        case 1:
            return swapped(flipped(self, [dims[1]]), *dims)
        case 2:
            return flipped(self, list(dims))
        case _:
            return flipped(swapped(self, *dims), [dims[1]])


# --- diagonals and windows


@torch.reads("aten.diagonal.default", "aten.diagonal_copy.default")
def diagonal(self, offset=0, dim1=0, dim2=1):
    rank = rank_of(self)
    return ops.Diagonal(self, offset=offset, axis1=normal_axis(dim1, rank), axis2=normal_axis(dim2, rank))


@torch.reads("aten.linalg_diagonal.default")
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    return diagonal(A, offset, dim1, dim2)


@torch.reads("aten.diagflat.default")
def diagflat(self, offset=0):
    return diag(reshaped(self, (dims.product(shape_of(self)),)), offset)


@torch.reads("aten.sum_to_size.default")
def sum_to_size(self, size):
    extra = rank_of(self) - len(size)
    pairs = zip(shape_of(self)[extra:], size, strict=True)
    axes = (*range(extra), *(extra + axis for axis, (old, new) in enumerate(pairs) if old != new))
    summed = ops.Sum(self, axes=axes, keepdims=False) if axes else self
    return reshaped(summed, tuple(size))


@torch.reads("aten.diag_embed.default")
def diag_embed(self, offset=0, dim1=-2, dim2=-1):
    rank = rank_of(self) + 1
    first, second = normal_axis(dim1, rank), normal_axis(dim2, rank)
    return ops.DiagonalEmbed(self, offset=offset, axis1=first, axis2=second)


@torch.reads("aten.diag.default")
def diag(self, diagonal=0):
    if rank_of(self) == 1:
        return ops.DiagonalEmbed(self, offset=diagonal, axis1=0, axis2=1)
    return ops.Diagonal(self, offset=diagonal, axis1=0, axis2=1)


@torch.reads("aten.unfold.default", "aten.unfold_copy.default")
def unfold(self, dimension, size, step):
    if rank_of(self) == 0:
        return (
            reshaped(self, (1,)) if size == 1 else ops.Slice(reshaped(self, (1,)), axis=0, start=0, stop=size, step=1)
        )
    return ops.SlidingWindow(self, axis=normal_axis(dimension, rank_of(self)), size=size, step=step)


def pair(value) -> tuple[int, ...]:
    """One option for each of two spatial axes."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * 2 if len(values) == 1 else values


@torch.reads("aten.im2col.default")
def im2col(self, kernel_size, dilation, padding, stride):
    x = self if rank_of(self) == 4 else reshaped(self, (1, *shape_of(self)))
    options = {"kernel": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    columns = ops.Unfold(x, **{name: pair(value) for name, value in options.items()})
    return columns if rank_of(self) == 4 else reshaped(columns, shape_of(columns)[1:])


@torch.reads("aten.col2im.default")
def col2im(self, output_size, kernel_size, dilation, padding, stride):
    x = self if rank_of(self) == 3 else reshaped(self, (1, *shape_of(self)))
    options = {"kernel": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    image = ops.Fold(x, size=tuple(output_size), **{name: pair(value) for name, value in options.items()})
    return image if rank_of(self) == 3 else reshaped(image, shape_of(image)[1:])
