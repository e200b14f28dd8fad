"""ATen's indexing, gathering and scattering."""

from __future__ import annotations

import numpy as np

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.ops.pad import number
from netglot.dialects.torch.ops.shape import broadcast, cast, permuted, rank_of, reshaped, sliced
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import dims, ops
from netglot.pivot.op import FLOATS, broadcast_shapes, dtype_of, is_scalar, normal_axis, numpy_dtype, shape_of, type_of

DATA = never(
    "the size of the result depends on the numbers in a tensor",
    "keep the size and use torch.where(mask, x, 0), or select outside the network",
)
for _name in ("nonzero.default", "nonzero_numpy.default", "masked_select.default", "argwhere.default"):
    torch.refuses_reading(f"aten.{_name}", DATA)
torch.refuses_reading("aten.where.default", DATA)
torch.refuses_reading("aten.narrow.Tensor", notimpl("a range that starts where a tensor says"))

# --- ranges and positions


def position(index, size):
    """A position counted from the front."""
    return index + size if isinstance(index, int) and index < 0 else index


def clipped(place, size, default):
    """A bound of a slice within the axis, counted from the front."""
    if place is None:
        return default
    if isinstance(place, int) and place >= 2**62:
        return size
    place = position(place, size)
    if isinstance(place, int) and isinstance(size, int):
        return min(max(place, 0), size)
    if isinstance(place, int):
        return place if place == 0 else dims.minimum(place, size)
    distance = size - place
    if isinstance(distance, int):  # a fixed distance from the end
        return dims.maximum(place, 0) if distance > 0 else size
    return place  # the capture guards that a symbolic bound lies within the axis


def slice_bounds(x, axis: int, start, end, step: int):
    """The start and the stop of torch's slice, within the axis and in order."""
    size = shape_of(x)[axis]
    start, stop = clipped(start, size, 0), clipped(end, size, size)
    if isinstance(start, int) and isinstance(stop, int):
        stop = max(start, stop)
    return start, stop


@torch.reads("aten.slice.Tensor", "aten.slice_copy.Tensor")
def slice_(self, dim=0, start=None, end=None, step=1):
    axis = normal_axis(dim, rank_of(self))
    start, stop = slice_bounds(self, axis, start, end, step)
    return sliced(self, axis, start, stop, step)


@torch.reads("aten.narrow.default", "aten.narrow_copy.default")
def narrow(self, dim, start, length):
    axis = normal_axis(dim, rank_of(self))
    start = position(start, shape_of(self)[axis])
    return sliced(self, axis, start, start + length)


@torch.reads("aten.select.int", "aten.select_copy.int")
def select(self, dim, index):
    axis = normal_axis(dim, rank_of(self))
    return ops.Select(self, axis=axis, index=position(index, shape_of(self)[axis]))


@torch.reads("aten.slice_scatter.default")
def slice_scatter(self, src, dim=0, start=None, end=None, step=1):
    axis = normal_axis(dim, rank_of(self))
    start, stop = slice_bounds(self, axis, start, end, step)
    src = cast(src, dtype_of(self))
    if start == 0 and stop == shape_of(self)[axis] and step == 1:
        return broadcast(src, shape_of(self))
    part = ops.Slice(self, axis=axis, start=start, stop=stop, step=step)
    return ops.SliceUpdate(self, broadcast(src, shape_of(part)), axis=axis, start=start, stop=stop, step=step)


@torch.reads("aten.select_scatter.default")
def select_scatter(self, src, dim, index):
    axis, shape = normal_axis(dim, rank_of(self)), shape_of(self)
    src = broadcast(cast(src, dtype_of(self)), (*shape[:axis], *shape[axis + 1 :]))
    return ops.SelectUpdate(self, src, axis=axis, index=position(index, shape[axis]))


@torch.reads("aten.diagonal_scatter.default")
def diagonal_scatter(self, src, offset=0, dim1=0, dim2=1):
    rank = rank_of(self)
    first, second = normal_axis(dim1, rank), normal_axis(dim2, rank)
    others = [axis for axis in range(rank) if axis not in (first, second)]
    order = [first, second, *others]
    length = shape_of(src)[-1]
    steps = ops.Arange(start=0, stop=length, step=1, dtype="int64")
    rows, columns = max(-offset, 0), max(offset, 0)
    places = (ops.Add(steps, rows) if rows else steps, ops.Add(steps, columns) if columns else steps)
    value = permuted(cast(src, dtype_of(self)), [len(others), *range(len(others))])
    written = ops.IndexPut(permuted(self, order), places, value, accumulate=False)
    return permuted(written, [order.index(axis) for axis in range(rank)])


# --- positions that are data


def lined(x):
    """`x` with at least one axis."""
    return reshaped(x, (1,)) if rank_of(x) == 0 else x


@torch.reads("aten.index_select.default")
def index_select(self, dim, index):
    taken = ops.Take(lined(self), lined(index), axis=normal_axis(dim, max(rank_of(self), 1)))
    return reshaped(taken, ()) if rank_of(self) == 0 else taken


@torch.reads("aten.gather.default")
def gather(self, dim, index, sparse_grad=False):
    if 0 in shape_of(index):  # it may then have any number of axes
        return ops.Full(shape_of(index), 0, dtype_of(self))
    x, indices = lined(self), lined(index)
    axis = normal_axis(dim, rank_of(x))
    for other, size in enumerate(shape_of(indices)):
        x = x if other == axis else sliced(x, other, 0, size)
    return reshaped(ops.TakeAlongAxis(x, indices, axis=axis), shape_of(index))


@torch.reads("aten.take_along_dim.default")
def take_along_dim(self, indices, dim=None):
    if dim is None:
        self, indices, dim = _flat(self), _flat(indices), 0
    axis = normal_axis(dim, rank_of(self))
    one_x, one_i = ([1 if a == axis else s for a, s in enumerate(shape_of(t))] for t in (self, indices))
    common = broadcast_shapes(tuple(one_x), tuple(one_i))
    own_x, own_i = shape_of(self)[axis], shape_of(indices)[axis]
    x = broadcast(self, (*common[:axis], own_x, *common[axis + 1 :]))
    indices = broadcast(indices, (*common[:axis], own_i, *common[axis + 1 :]))
    return ops.TakeAlongAxis(x, indices, axis=axis)


def _flat(x):
    return reshaped(x, (dims.product(shape_of(x)),))


@torch.reads("aten.take.default")
def take(self, index):
    return ops.Take(_flat(self), index, axis=0)


def is_mask(index) -> bool:
    """Whether an index says yes or no for each position."""
    return index is not None and type_of(index).dtype in ("bool", "uint8")


@torch.reads("aten.index.Tensor", "aten._unsafe_index.Tensor")
@torch.reads("aten.index.Tensor_hacked_twin", "aten._unsafe_index.Tensor_hacked_twin")
def index_tensor(self, indices):
    if any(is_mask(index) for index in indices):
        raise Refusal(DATA)
    given = [axis for axis, index in enumerate(indices) if index is not None]
    if not given:
        return self
    if len(given) == 1:
        return ops.Take(self, indices[given[0]], axis=given[0])
    return ops.AdvancedIndex(self, tuple(indices[: given[-1] + 1]))


@torch.reads("aten.index_put.default", "aten._unsafe_index_put.default")
@torch.reads("aten.index_put.hacked_twin", "aten._unsafe_index_put.hacked_twin")
def index_put(self, indices, values, accumulate=False):
    values = cast(values, dtype_of(self))
    given = [axis for axis, index in enumerate(indices) if index is not None]
    if any(is_mask(indices[axis]) for axis in given):
        return _masked_put(self, indices, given, values, accumulate)
    if not given:
        value = broadcast(values, shape_of(self))
        return ops.Add(self, value) if accumulate else value
    return ops.IndexPut(self, tuple(indices[: given[-1] + 1]), values, accumulate=accumulate)


def _masked_put(x, indices, given, values, accumulate: bool):
    """`x[:, mask] = values`, as a choice between `values` and `x`; `values` must not vary along the masked axes."""
    (axis,) = given if len(given) == 1 else (None,)
    if axis is None:
        raise Refusal(notimpl("a mask beside another index", "combine the masks into one of the tensor's own shape"))
    mask = cast(indices[axis], "bool")
    trailing = rank_of(x) - axis - rank_of(mask)
    if rank_of(values) > trailing:
        shape = shape_of(values)
        lead, masked, trail = shape[: -trailing - 1], shape[-trailing - 1], shape[len(shape) - trailing :]
        if masked != 1:
            raise Refusal(DATA)
        values = reshaped(values, (*lead, *(1,) * rank_of(mask), *trail))
    mask = reshaped(mask, (*shape_of(mask), *(1,) * trailing))
    return ops.Where(mask, ops.Add(x, values) if accumulate else values, x)


@torch.reads("aten.masked_scatter.default")
def masked_scatter(self, mask, source):
    """The next element of `source` at each True of the mask, counted by a running sum."""
    shape = broadcast_shapes(shape_of(self), shape_of(mask))
    x, mask = broadcast(self, shape), broadcast(cast(mask, "bool"), shape)
    source = _flat(cast(source, dtype_of(self)))
    rank = ops.Subtract(ops.CumulativeSum(ops.Cast(_flat(mask), dtype="int64"), axis=0), 1)
    place = ops.Clip(rank, 0, shape_of(source)[0] - 1)
    return ops.Where(mask, reshaped(ops.Take(source, place, axis=0), shape), x)


@torch.reads("aten.index_add.default")
def index_add(self, dim, index, source, alpha=1):
    value = source if alpha == 1 else ops.Multiply(source, number(alpha, dtype_of(self)))
    return _put_along(self, dim, index, value, True)


@torch.reads("aten.index_copy.default")
def index_copy(self, dim, index, source):
    return _put_along(self, dim, index, source, False)


@torch.reads("aten.index_fill.int_Scalar", "aten.index_fill.int_Tensor")
def index_fill(self, dim, index, value):
    if is_scalar(value):
        value = ops.Full(shape=(), value=number(value, dtype_of(self)), dtype=dtype_of(self))
    return _put_along(self, dim, index, cast(value, dtype_of(self)), False)


def _put_along(x, dim, index, value, accumulate: bool):
    if rank_of(x) == 0:
        return reshaped(_put_along(lined(x), 0, lined(index), lined(value), accumulate), ())
    axis = normal_axis(dim, rank_of(x))
    indices = (*(None,) * axis, lined(index))
    return ops.IndexPut(x, indices, value, accumulate=accumulate)


@torch.reads("aten.put.default")
def put(self, index, source, accumulate=False):
    flat = ops.IndexPut(_flat(self), (_flat(index),), _flat(source), accumulate=accumulate)
    return reshaped(flat, shape_of(self))


# --- scattering along an axis


def scattered(x, dim, index, value, mode: str):
    """`x` with `value` (a tensor at least as large as `index`, or a number) written along an axis."""
    shape, dtype = shape_of(x), dtype_of(x)
    if is_scalar(value):
        value = ops.Full(shape=shape_of(index), value=number(value, dtype), dtype=dtype)
    x, index, value = lined(x), lined(index), lined(cast(value, dtype))
    axis = normal_axis(dim, rank_of(x))
    for a, size in enumerate(shape_of(index)):
        value = sliced(value, a, 0, size)
    return reshaped(ops.ScatterAlongAxis(x, index, value, axis=axis, mode=mode), shape)


@torch.reads("aten.scatter.src")
def scatter(self, dim, index, src):
    return scattered(self, dim, index, src, "set")


@torch.reads("aten.scatter.value")
def scatter_value(self, dim, index, value):
    return scattered(self, dim, index, value, "set")


@torch.reads("aten.scatter.reduce")
def scatter_with(self, dim, index, src, *, reduce):
    return scattered(self, dim, index, src, reduce)


@torch.reads("aten.scatter.value_reduce")
def scatter_value_with(self, dim, index, value, *, reduce):
    return scattered(self, dim, index, value, reduce)


@torch.reads("aten.scatter_add.default")
def scatter_add(self, dim, index, src):
    return scattered(self, dim, index, src, "add")


REDUCES = {"sum": "add", "prod": "multiply", "amax": "maximum", "amin": "minimum", "mean": "add"}


def _neutral(reduce: str, dtype: str):
    """The number that a reduction starts from where the tensor itself does not count."""
    if reduce in ("sum", "mean"):
        return number(0, dtype)
    if reduce == "prod":
        return number(1, dtype)
    if dtype in FLOATS:
        return float("-inf") if reduce == "amax" else float("inf")
    if dtype == "bool":
        return reduce == "amin"
    limits = np.iinfo(numpy_dtype(dtype))
    return int(limits.min if reduce == "amax" else limits.max)


@torch.reads("aten.scatter_reduce.two")
def scatter_reduce(self, dim, index, src, reduce, *, include_self=True):
    dtype = dtype_of(self)
    if reduce == "mean" and dtype not in FLOATS:
        raise Refusal(notimpl("the mean of integers that are scattered"))
    count = None
    if reduce == "mean" or not include_self:
        zeros = ops.Full(shape=shape_of(self), value=0, dtype="int64")
        count = scattered(zeros, dim, index, 1, "add")
    start = self
    if not include_self:
        start = ops.Where(ops.Greater(count, 0), _neutral(reduce, dtype), self)
    reduced = scattered(start, dim, index, src, REDUCES[reduce])
    if reduce != "mean":
        return reduced
    total = ops.Add(count, 1) if include_self else ops.Maximum(count, 1)
    return ops.Divide(reduced, ops.Cast(total, dtype=dtype))


@torch.reads("aten.index_reduce.default")
def index_reduce(self, dim, index, source, reduce, *, include_self=True):
    axis = normal_axis(dim, max(rank_of(self), 1))
    shape = shape_of(lined(source))
    places = reshaped(lined(index), [size if a == axis else 1 for a, size in enumerate(shape)])
    return scatter_reduce(self, dim, broadcast(places, shape), source, reduce, include_self=include_self)
