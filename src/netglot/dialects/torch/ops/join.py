"""Joining tensors and splitting them."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.ops.pad import padded
from netglot.dialects.torch.ops.shape import (
    atleast_1d_each,
    atleast_2d_each,
    atleast_3d_each,
    broadcast,
    rank_of,
    ravel,
    reshaped,
    sliced,
)
from netglot.errors import Refusal, notimpl
from netglot.pivot import dims, ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import normal_axis, shape_of

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
