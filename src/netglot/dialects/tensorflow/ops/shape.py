"""Moving elements about as raw TensorFlow ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.keras.functions.axes import with_axes
from netglot.dialects.keras.functions.image import patches
from netglot.dialects.keras.functions.index import get_item, scatter_update, sliced
from netglot.dialects.keras.functions.shape import depth_to_space, reshaped, space_to_depth
from netglot.dialects.lengths import turned
from netglot.dialects.tensorflow.dialect import tensorflow
from netglot.dialects.tensorflow.known import plain, slice_keys
from netglot.dialects.tensorflow.ops.arithmetic import axes_of
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, capped, product
from netglot.pivot.graph import Part
from netglot.pivot.op import normal_axis, shape_of, type_of

Known = np.ndarray


def listed(array: Any) -> list:
    """The elements of a known vector."""
    return [plain(one) for one in np.atleast_1d(np.asarray(array, dtype=object))]


@tensorflow.reads("Reshape")
def reshape(tensor, shape: Known):
    return reshaped(tensor, tuple(listed(shape)) if np.size(shape) else ())


@tensorflow.reads("Transpose")
def transpose(x, perm: Known):
    return ops.Permute(x, tuple(int(axis) for axis in perm))


@tensorflow.reads("ExpandDims")
def expand_dims(input, dim: Known):
    return with_axes(input, int(np.ravel(dim)[0]))


@tensorflow.reads("Squeeze")
def squeeze(input, squeeze_dims):
    shape = shape_of(input)
    drop = axes_of(input, squeeze_dims) if squeeze_dims else tuple(i for i, s in enumerate(shape) if s == 1)
    return ops.Reshape(input, tuple(size for i, size in enumerate(shape) if i not in drop))


@tensorflow.reads("ConcatV2")
def concat(values, axis: Known):
    rank = max(len(shape_of(value)) for value in values)
    return ops.Concat(tuple(values), normal_axis(int(axis), rank))


@tensorflow.reads("Concat")
def concat_v1(concat_dim: Known, values):
    return concat(values, concat_dim)


@tensorflow.reads("Pack")
def pack(values, axis=0):
    return ops.Stack(tuple(values), normal_axis(axis, max(len(shape_of(v)) for v in values) + 1))


@tensorflow.reads("Unpack")
def unpack(value, num, axis=0):
    place = normal_axis(axis, len(shape_of(value)))
    return [ops.Select(value, place, i) for i in range(num)]


@tensorflow.reads("Split")
def split(split_dim: Known, value, num_split):
    place = normal_axis(int(split_dim), len(shape_of(value)))
    each = shape_of(value)[place] // num_split
    if num_split == 1:
        return [value]
    parts = ops.Split(value, (each,) * num_split, place)
    return [Part(parts, i) for i in range(num_split)]


@tensorflow.reads("SplitV")
def split_v(value, size_splits: Known, split_dim: Known):
    place = normal_axis(int(split_dim), len(shape_of(value)))
    sizes = listed(size_splits)
    if -1 in sizes:
        rest = shape_of(value)[place] - sum(size for size in sizes if size != -1)
        sizes = [rest if size == -1 else size for size in sizes]
    parts = ops.Split(value, tuple(sizes), place)
    return [Part(parts, i) for i in range(len(sizes))] if len(sizes) > 1 else [value]


@tensorflow.reads("StridedSlice")
def strided_slice(
    input,
    begin: Known,
    end: Known,
    strides: Known,
    begin_mask=0,
    end_mask=0,
    ellipsis_mask=0,
    new_axis_mask=0,
    shrink_axis_mask=0,
):
    keys = slice_keys(begin, end, strides, begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    return get_item(input, tuple(keys))


@tensorflow.reads("Slice")
def slice_(input, begin: Known, size: Known):
    for axis, (start, count) in enumerate(zip(listed(begin), listed(size), strict=True)):
        stop = shape_of(input)[axis] if isinstance(count, int) and count == -1 else start + count
        input = sliced(input, axis, slice(start, stop, 1))
    return input


@tensorflow.reads("GatherV2")
def gather(params, indices, axis: Known, batch_dims=0):
    place = normal_axis(int(axis), len(shape_of(params)))
    if batch_dims:
        return _gathered_by_batch(params, indices, place, batch_dims % len(shape_of(indices)))
    if isinstance(indices, int):
        return ops.Select(params, place, indices if indices >= 0 else shape_of(params)[place] + indices)
    return ops.Take(params, indices, place)


def _gathered_by_batch(params, indices, axis: int, batch_dims: int):
    """Rows that each of the first axes takes by its own indices."""
    if axis != batch_dims:
        raise Refusal(notimpl("gathering by batch along an axis that does not follow those of the batch"))
    batch, (size, *rest), taken = shape_of(params)[:axis], shape_of(params)[axis:], shape_of(indices)[axis:]
    count, width = product(taken), product(rest)
    if rest:
        params = ops.Reshape(params, (*batch, size, width))
        indices = ops.Broadcast(ops.Reshape(indices, (*batch, count, 1)), (*batch, count, width))
    elif len(taken) != 1:
        indices = ops.Reshape(indices, (*batch, count))
    made = ops.TakeAlongAxis(params, indices, axis)
    return made if len(rest) + len(taken) == 1 else ops.Reshape(made, (*batch, *taken, *rest))


@tensorflow.reads("ResourceGather")
def resource_gather(resource, indices, batch_dims=0):
    return (
        _gathered_by_batch(resource, indices, batch_dims, batch_dims) if batch_dims else ops.Take(resource, indices, 0)
    )


@tensorflow.reads("GatherNd")
def gather_nd(params, indices):
    depth = shape_of(indices)[-1]
    rank = len(shape_of(indices))
    return ops.AdvancedIndex(params, tuple(ops.Select(indices, rank - 1, i) for i in range(depth)))


@tensorflow.reads("Tile")
def tile(input, multiples: Known):
    return ops.Tile(input, tuple(listed(multiples)))


@tensorflow.reads("BroadcastTo")
def broadcast_to(input, shape: Known):
    return ops.Broadcast(input, tuple(listed(shape)))


@tensorflow.reads("Fill")
def fill(dims: Known, value: Known):
    if isinstance(value, np.ndarray | np.generic):
        return ops.Full(tuple(listed(dims)), value.item(), str(value.dtype))
    return ops.Broadcast(value, tuple(listed(dims)))


@tensorflow.reads("ZerosLike")
def zeros_like(x):
    return _like(x, 0)


@tensorflow.reads("OnesLike")
def ones_like(x):
    return _like(x, 1)


def _like(x, value):
    dtype = type_of(x).dtype
    return ops.Full(shape_of(x), float(value) if "float" in dtype else value if dtype != "bool" else bool(value), dtype)


@tensorflow.reads("Range")
def range_(start: Known, limit: Known, delta: Known, Tidx="int32"):
    return ops.Arange(plain(start), plain(limit), plain(delta), Tidx)


@tensorflow.reads("Pad")
def pad(input, paddings: Known):
    return _padded(input, paddings, "constant", 0.0)


@tensorflow.reads("PadV2")
def pad_v2(input, paddings: Known, constant_values: Known):
    return _padded(input, paddings, "constant", np.asarray(constant_values).item())


@tensorflow.reads("MirrorPad")
def mirror_pad(input, paddings: Known, mode):
    return _padded(input, paddings, mode.lower(), 0.0)


def _padded(x, paddings, mode, value):
    pairs = np.asarray(paddings, dtype=object)
    return ops.Pad(x, tuple(plain(one) for one in pairs[:, 0]), tuple(plain(one) for one in pairs[:, 1]), mode, value)


@tensorflow.reads("ExtractImagePatches")
def extract_image_patches(images, ksizes, strides, rates, padding):
    return patches(images, ksizes[1:3], strides[1:3], rates[1:3], padding.lower())


@tensorflow.reads("ReverseV2")
def reverse(tensor, axis: Known):
    return ops.Flip(tensor, axes_of(tensor, axis))


@tensorflow.reads("Roll")
def roll(input, shift: Known, axis: Known):
    axes = tuple(normal_axis(int(a), len(shape_of(input))) for a in np.ravel(axis))
    return ops.Roll(input, tuple(int(s) for s in np.ravel(shift)), axes)


@tensorflow.reads("MatrixBandPart")
def matrix_band_part(input, num_lower: Known, num_upper: Known):
    below, above = (_width(one, input) for one in (num_lower, num_upper))
    held = input if below < 0 else ops.Triu(input, -below)
    return held if above < 0 else ops.Tril(held, above)


def _width(held, x) -> int:
    """How far a band reaches: `min(size, width)` is as far as `width`, where the tensor is no larger."""
    one = plain(held)
    if isinstance(one, Dim):
        widths = [width for size in shape_of(x)[-2:] if (width := capped(one, size)) is not None]
        if not widths:
            raise Refusal(notimpl(f"a band of width {one}, which is not known"))
        (one, *_) = widths
    return int(one)


@tensorflow.reads("DepthToSpace")
def depth_to_space_(input, block_size, data_format="NHWC"):
    return depth_to_space(input, block_size, _word(data_format))


@tensorflow.reads("SpaceToDepth")
def space_to_depth_(input, block_size, data_format="NHWC"):
    return space_to_depth(input, block_size, _word(data_format))


def _word(data_format: str) -> str:
    return "channels_first" if data_format.startswith("NC") else "channels_last"


@tensorflow.reads("SpaceToBatchND")
def space_to_batch(input, block_shape: Known, paddings: Known):
    """Every `block`-th element of each spatial axis becomes a batch of its own."""
    pairs = [(0, 0), *[tuple(pair) for pair in np.asarray(paddings).tolist()]]
    pairs += [(0, 0)] * (len(shape_of(input)) - len(pairs))
    x: Any = ops.Pad(input, tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), "constant", 0.0)
    blocks = listed(block_shape)
    batch, *rest = shape_of(x)
    count = len(blocks)
    apart = [batch]
    for size, block in zip(rest[:count], blocks, strict=True):
        apart += [size // block, block]
    x = ops.Reshape(x, (*apart, *rest[count:]))
    order = [*(2 + 2 * i for i in range(count)), 0, *(1 + 2 * i for i in range(count))]
    order += range(1 + 2 * count, 1 + 2 * count + len(rest) - count)
    x = ops.Permute(x, tuple(order))
    sizes = [size // block for size, block in zip(rest[:count], blocks, strict=True)]
    return ops.Reshape(x, (batch * int(np.prod(blocks)), *sizes, *rest[count:]))


@tensorflow.reads("BatchToSpaceND")
def batch_to_space(input, block_shape: Known, crops: Known):
    """The inverse of `SpaceToBatchND`."""
    blocks = listed(block_shape)
    count, whole = len(blocks), int(np.prod(blocks))
    batch, *rest = shape_of(input)
    x: Any = ops.Reshape(input, (*blocks, batch // whole, *rest))
    order = [count]
    for i in range(count):
        order += [count + 1 + i, i]
    order += range(2 * count + 1, len(shape_of(x)))
    x = ops.Permute(x, tuple(order))
    sizes = [size * block for size, block in zip(rest[:count], blocks, strict=True)]
    x = ops.Reshape(x, (batch // whole, *sizes, *rest[count:]))
    for axis, (before, after) in enumerate(np.asarray(crops).tolist(), 1):
        x = ops.Slice(x, axis, before, shape_of(x)[axis] - after, 1)
    return x


@tensorflow.reads("TensorScatterUpdate")
def tensor_scatter_update(tensor, indices, updates):
    return scatter_update(tensor, indices, updates)


@tensorflow.reads("TensorScatterAdd")
def tensor_scatter_add(tensor, indices, updates):
    return scatter_update(tensor, indices, updates, "add")


@tensorflow.reads("ScatterNd")
def scatter_nd(indices, updates, shape: Known):
    from netglot.dialects.keras.functions.index import scatter

    return scatter(indices, updates, tuple(listed(shape)))


@tensorflow.reads("ReverseSequence")
def reverse_sequence(input, seq_lengths, seq_dim, batch_dim=0):
    return turned(input, seq_lengths, seq_dim, batch_dim)
