"""ATen's views, joins, splits and pads. Aliasing is gone: the exported graph has no writes through views."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import dims, ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Parameter
from netglot.pivot.op import FLOATS, broadcast_shapes, normal_axes, normal_axis, shape_of, type_of


def rank_of(x) -> int:
    """The number of axes of a tensor."""
    return len(shape_of(x))


def reshaped(x, shape):
    """`x` in `shape`, in which one size may be -1; `x` itself where nothing changes."""
    shape = list(shape)
    if -1 in [size for size in shape if isinstance(size, int)]:
        hole = next(i for i, size in enumerate(shape) if isinstance(size, int) and size == -1)
        others = dims.product(shape[:hole] + shape[hole + 1 :])
        shape[hole] = 0 if others == 0 else dims.floordiv(dims.product(shape_of(x)), others)
    return x if tuple(shape) == tuple(shape_of(x)) else ops.Reshape(x, shape=tuple(shape))


def permuted(x, axes):
    """`x` with its axes in another order; `x` itself where nothing changes."""
    axes = tuple(axes)
    return x if axes == tuple(range(len(axes))) else ops.Permute(x, axes=axes)


def broadcast(x, shape):
    """`x` filled to `shape`; `x` itself where nothing changes."""
    return x if tuple(shape) == tuple(shape_of(x)) else ops.Broadcast(x, shape=tuple(shape))


def cast(x, dtype: str | None):
    """`x` in `dtype`; `x` itself where nothing changes."""
    return x if dtype is None or type_of(x).dtype == dtype else ops.Cast(x, dtype=dtype)


def sliced(x, axis: int, start, stop, step: int = 1):
    """The range of an axis; `x` itself where that is all of it."""
    whole = start == 0 and stop == shape_of(x)[axis] and step == 1
    return x if whole else ops.Slice(x, axis=axis, start=start, stop=stop, step=step)


# --- identity and dtype


@torch.reads("aten.clone.default", "aten.contiguous.default", "aten.alias.default", "aten.lift_fresh_copy.default")
@torch.reads("aten.lift_fresh.default", "aten.resolve_conj.default", "aten.resolve_neg.default")
@torch.reads("aten.data.default", "aten.pin_memory.default")
def identity(self):
    return self


@torch.reads("aten.detach.default")
def detach(self):
    constant = isinstance(self, Parameter) and not self.trainable
    return self if constant or type_of(self).dtype not in FLOATS else ops.StopGradient(self)


@torch.reads("aten._to_copy.default")
def to_copy(self, dtype=None, non_blocking=False):
    return cast(self, dtype)


@torch.reads("aten.to.dtype")
def to_dtype(self, dtype, non_blocking=False, copy=False, memory_format=None):
    return cast(self, dtype)


@torch.reads("aten.to.dtype_layout")
def to_dtype_layout(self, dtype=None, non_blocking=False, copy=False, memory_format=None):
    return cast(self, dtype)


@torch.reads("aten.to.device")
def to_device(self, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None):
    return cast(self, dtype)


@torch.reads("aten.to.other")
def to_other(self, other, non_blocking=False, copy=False, memory_format=None):
    return cast(self, type_of(other).dtype)


@torch.reads("aten.type_as.default")
def type_as(self, other):
    return cast(self, type_of(other).dtype)


@torch.reads("aten.copy.default")
def copy(self, src, non_blocking=False):
    return broadcast(cast(src, type_of(self).dtype), shape_of(self))


# --- shape


@torch.reads("aten.view.default", "aten._unsafe_view.default", "aten.view_copy.default")
def view(self, size):
    return reshaped(self, size)


@torch.reads("aten._reshape_alias.default")
def reshape_alias(self, size, stride):
    return reshaped(self, size)


@torch.reads("aten.reshape.default")
def reshape(self, shape):
    return reshaped(self, shape)


@torch.reads("aten.view_as.default", "aten.reshape_as.default")
def view_as(self, other):
    return reshaped(self, shape_of(other))


@torch.reads("aten.view.dtype", "aten.view_copy.dtype")
def view_dtype(self, dtype):
    if dtype == type_of(self).dtype:
        return self
    raise Refusal(notimpl("the bits of a tensor are read as another dtype", "use .to(dtype) where the value is meant"))


torch.refuses_reading(
    "aten.as_strided.default",
    never(
        "as_strided reads memory in an order that a graph of tensors does not have", "use reshape, unfold or indexing"
    ),
)


@torch.reads("aten.flatten.using_ints")
def flatten(self, start_dim=0, end_dim=-1):
    shape = shape_of(self)
    if not shape:
        return reshaped(self, (1,))
    start, end = normal_axis(start_dim, len(shape)), normal_axis(end_dim, len(shape))
    return reshaped(self, (*shape[:start], dims.product(shape[start : end + 1]), *shape[end + 1 :]))


@torch.reads("aten.ravel.default")
def ravel(self):
    return reshaped(self, (dims.product(shape_of(self)),))


@torch.reads("aten.unflatten.int")
def unflatten(self, dim, sizes):
    shape, axis = shape_of(self), normal_axis(dim, rank_of(self))
    sizes = list(sizes)
    known = [size for size in sizes if not (isinstance(size, int) and size == -1)]
    sizes = [dims.floordiv(shape[axis], dims.product(known)) if isinstance(s, int) and s == -1 else s for s in sizes]
    return reshaped(self, (*shape[:axis], *sizes, *shape[axis + 1 :]))


@torch.reads("aten.squeeze.default", "aten.squeeze_copy.default")
def squeeze(self):
    return reshaped(self, [size for size in shape_of(self) if size != 1])


@torch.reads("aten.squeeze.dim", "aten.squeeze.dims", "aten.squeeze_copy.dim", "aten.squeeze_copy.dims")
def squeeze_axes(self, dim):
    asked = [dim] if isinstance(dim, int) else dim
    axes = {normal_axis(axis, rank_of(self)) for axis in asked}
    return reshaped(self, [size for axis, size in enumerate(shape_of(self)) if size != 1 or axis not in axes])


@torch.reads("aten.unsqueeze.default", "aten.unsqueeze_copy.default")
def unsqueeze(self, dim):
    shape = list(shape_of(self))
    shape.insert(normal_axis(dim, len(shape) + 1), 1)
    return reshaped(self, shape)


@torch.reads("aten.expand.default", "aten.expand_copy.default")
def expand(self, size, implicit=False):
    shape = shape_of(self)
    own = (1,) * (len(size) - len(shape)) + tuple(shape)
    return broadcast(self, [o if isinstance(s, int) and s == -1 else s for s, o in zip(size, own, strict=True)])


@torch.reads("aten.broadcast_to.default")
def broadcast_to(self, size):
    return expand(self, size)


@torch.reads("aten.expand_as.default")
def expand_as(self, other):
    return broadcast(self, shape_of(other))


@torch.reads("aten.broadcast_tensors.default")
def broadcast_tensors(tensors):
    shape = broadcast_shapes(*(shape_of(x) for x in tensors))
    return [broadcast(x, shape) for x in tensors]


@torch.reads("aten.atleast_1d.default")
def atleast_1d(self):
    return reshaped(self, (1,)) if rank_of(self) == 0 else self


@torch.reads("aten.atleast_2d.default")
def atleast_2d(self):
    return reshaped(self, (1,) * (2 - rank_of(self)) + tuple(shape_of(self))) if rank_of(self) < 2 else self


@torch.reads("aten.atleast_3d.default")
def atleast_3d(self):
    shape = tuple(shape_of(self))
    return reshaped(self, {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}.get(len(shape), shape))


@torch.reads("aten.atleast_1d.Sequence")
def atleast_1d_each(tensors):
    return [atleast_1d(x) for x in tensors]


@torch.reads("aten.atleast_2d.Sequence")
def atleast_2d_each(tensors):
    return [atleast_2d(x) for x in tensors]


@torch.reads("aten.atleast_3d.Sequence")
def atleast_3d_each(tensors):
    return [atleast_3d(x) for x in tensors]


# --- order of axes


@torch.reads("aten.permute.default", "aten.permute_copy.default")
def permute(self, dims):
    return permuted(self, (normal_axis(axis, rank_of(self)) for axis in dims))


def swapped(x, first: int, second: int):
    """`x` with two axes exchanged."""
    axes = list(range(rank_of(x)))
    if axes:
        first, second = normal_axis(first, len(axes)), normal_axis(second, len(axes))
        axes[first], axes[second] = axes[second], axes[first]
    return permuted(x, axes)


@torch.reads("aten.transpose.int", "aten.swapdims.default", "aten.transpose_copy.int")
def transpose(self, dim0, dim1):
    return swapped(self, dim0, dim1)


@torch.reads("aten.swapaxes.default")
def swapaxes(self, axis0, axis1):
    return swapped(self, axis0, axis1)


@torch.reads("aten.t.default", "aten.t_copy.default")
def t(self):
    return self if rank_of(self) < 2 else swapped(self, 0, 1)


@torch.reads("aten.numpy_T.default")
def numpy_t(self):
    return permuted(self, reversed(range(rank_of(self))))


@torch.reads("aten.mT.default")
def matrix_t(self):
    return swapped(self, -2, -1)


@torch.reads("aten.mH.default", "aten.adjoint.default", "aten.matrix_H.default")
def adjoint(self):
    if type_of(self).dtype.startswith("complex"):
        raise Refusal(notimpl("complex tensors"))
    return swapped(self, -2, -1)


@torch.reads("aten.movedim.int", "aten.movedim.intlist", "aten.moveaxis.int", "aten.moveaxis.intlist")
def movedim(self, source, destination):
    rank = rank_of(self)
    source, destination = ([axes] if isinstance(axes, int) else axes for axes in (source, destination))
    target = {normal_axis(d, rank): normal_axis(s, rank) for s, d in zip(source, destination, strict=True)}
    others = iter([axis for axis in range(rank) if axis not in target.values()])
    return permuted(self, [target[axis] if axis in target else next(others) for axis in range(rank)])


# --- joining


@torch.reads("aten.cat.default", "aten.concat.default", "aten.concatenate.default")
def cat(tensors, dim=0):
    # Torch lets a one-dimensional tensor of no elements stand beside tensors of any rank.
    kept = [x for x in tensors if shape_of(x) != (0,)] or list(tensors[:1])
    # One tensor alone is still joined: the code that joins two and three is the same code.
    return ops.Concat(tuple(kept), axis=normal_axis(dim, rank_of(kept[0])))


@torch.reads("aten.stack.default")
def stack(tensors, dim=0):
    return ops.Stack(tuple(tensors), axis=normal_axis(dim, rank_of(tensors[0]) + 1))


@torch.reads("aten.hstack.default")
def hstack(tensors):
    tensors = atleast_1d_each(tensors)
    return cat(tensors, 0 if rank_of(tensors[0]) == 1 else 1)


@torch.reads("aten.vstack.default", "aten.row_stack.default")
def vstack(tensors):
    return cat(atleast_2d_each(tensors), 0)


@torch.reads("aten.dstack.default")
def dstack(tensors):
    return cat(atleast_3d_each(tensors), 2)


@torch.reads("aten.column_stack.default")
def column_stack(tensors):
    return cat([reshaped(x, (dims.product(shape_of(x)), 1)) if rank_of(x) <= 1 else x for x in tensors], 1)


@torch.reads("aten.block_diag.default")
def block_diag(tensors):
    blocks = atleast_2d_each(tensors)
    width = sum(shape_of(block)[1] for block in blocks)
    rows, left = [], 0
    for block in blocks:
        right = width - left - shape_of(block)[1]
        rows.append(padded(block, [left, right], "constant", 0))
        left = left + shape_of(block)[1]
    return cat(rows, 0)


@torch.reads("aten.meshgrid.default")
def meshgrid(tensors):
    return meshgrid_indexing(tensors, indexing="ij")


@torch.reads("aten.meshgrid.indexing")
def meshgrid_indexing(tensors, *, indexing):
    order = list(range(len(tensors)))
    if indexing == "xy" and len(tensors) > 1:
        order[:2] = [1, 0]
    sizes = [dims.product(shape_of(x)) for x in tensors]
    shape = [sizes[i] for i in order]
    aligned = [reshaped(x, [sizes[i] if source == i else 1 for source in order]) for i, x in enumerate(tensors)]
    return [broadcast(x, shape) for x in aligned]


@torch.reads("aten.cartesian_prod.default")
def cartesian_prod(tensors):
    if len(tensors) == 1:
        return tensors[0]
    columns = [ravel(x) for x in meshgrid(tensors)]
    return ops.Stack(tuple(columns), axis=1)


# --- splitting


def split_into(x, sizes, axis: int):
    """Consecutive pieces of the given sizes."""
    sizes = tuple(sizes)
    return [x] if len(sizes) == 1 else ops.Split(x, sizes=sizes, axis=axis)


def _known(size, what: str) -> int:
    if isinstance(size, int):
        return size
    raise Refusal(notimpl(f"{what} of an axis of symbolic size {size}", "give the input a fixed size on that axis"))


@torch.reads("aten.chunk.default", "aten.unsafe_chunk.default")
def chunk(self, chunks, dim=0):
    axis = normal_axis(dim, rank_of(self))
    size = shape_of(self)[axis]
    if isinstance(size, Dim) and dims.mod(size, chunks) == 0:
        return split_into(self, [dims.floordiv(size, chunks)] * chunks, axis)
    return split(self, max(-(-_known(size, "chunk") // chunks), 1), dim)


@torch.reads("aten.split.Tensor", "aten.unsafe_split.Tensor")
def split(self, split_size, dim=0):
    axis = normal_axis(dim, rank_of(self))
    size = shape_of(self)[axis]
    if size == split_size:
        return [self]
    whole = dims.floordiv(size, split_size)
    if isinstance(size, Dim) and isinstance(whole, int) and dims.mod(size, split_size) == 0:
        return split_into(self, [split_size] * whole, axis)
    size = _known(size, "split")
    return split_into(self, [min(split_size, size - at) for at in range(0, size, split_size)], axis)


@torch.reads("aten.split_with_sizes.default", "aten.unsafe_split_with_sizes.default")
def split_with_sizes(self, split_sizes, dim=0):
    return split_into(self, split_sizes, normal_axis(dim, rank_of(self)))


@torch.reads("aten.split.sizes")
def split_sizes(self, split_size, dim=0):
    return split_with_sizes(self, split_size, dim)


@torch.reads("aten.tensor_split.sections")
def tensor_split(self, sections, dim=0):
    axis = normal_axis(dim, rank_of(self))
    size = _known(shape_of(self)[axis], "tensor_split")
    return split_into(self, [size // sections + (i < size % sections) for i in range(sections)], axis)


@torch.reads("aten.tensor_split.indices")
def tensor_split_indices(self, indices, dim=0):
    axis = normal_axis(dim, rank_of(self))
    size = _known(shape_of(self)[axis], "tensor_split")
    bounds = [slice(None, index).indices(size)[1] for index in indices]
    starts, stops = [0, *bounds], [*bounds, size]
    return [sliced(self, axis, start, max(start, stop)) for start, stop in zip(starts, stops, strict=True)]


def _sectioned(axis_of):
    def by_sections(self, sections):
        return tensor_split(self, sections, axis_of(self))

    def by_indices(self, indices):
        return tensor_split_indices(self, indices, axis_of(self))

    return by_sections, by_indices


for _name, _axis_of in (("hsplit", lambda x: min(rank_of(x) - 1, 1)), ("vsplit", lambda _: 0), ("dsplit", lambda _: 2)):
    _by_sections, _by_indices = _sectioned(_axis_of)
    torch.reads(f"aten.{_name}.int")(_by_sections)
    torch.reads(f"aten.{_name}.array")(_by_indices)


@torch.reads("aten.unbind.int", "aten.unbind_copy.int")
def unbind(self, dim=0):
    axis = normal_axis(dim, rank_of(self))
    count = _known(shape_of(self)[axis], "unbind")
    return [ops.Select(self, axis=axis, index=0)] if count == 1 else ops.Unstack(self, axis=axis)


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
