"""ATen's sorting and searching. Places are int64; of equal elements PyTorch promises no order unless asked."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import as_float, is_bool, is_float
from netglot.pivot import dims, ops
from netglot.pivot.op import is_scalar, normal_axis, shape_of, type_of


def _ordered(x):
    """`x` as something that has an order everywhere: truth values as integers."""
    return ops.Cast(x, dtype="int64") if is_bool(x) else x


def _sorted(x, dim, descending):
    if not shape_of(x):
        return ops.Identity(x), ops.Full((), value=0, dtype="int64")
    axis = normal_axis(dim, len(shape_of(x)))
    values = ops.Sort(_ordered(x), axis=axis, descending=descending)
    places = ops.Argsort(_ordered(x), axis=axis, descending=descending)
    return (ops.Cast(values, dtype="bool") if is_bool(x) else values), places


@torch.reads("aten.sort.default")
def sort(self, dim=-1, descending=False):
    return _sorted(self, dim, descending)


@torch.reads("aten.sort.stable")
def sort_stable(self, *, stable, dim=-1, descending=False):
    return _sorted(self, dim, descending)


@torch.reads("aten.argsort.default")
def argsort(self, dim=-1, descending=False):
    return _sorted(self, dim, descending)[1]


@torch.reads("aten.argsort.stable")
def argsort_stable(self, *, stable, dim=-1, descending=False):
    return _sorted(self, dim, descending)[1]


@torch.reads("aten.msort.default")
def msort(self):
    return _sorted(self, 0, False)[0]


@torch.reads("aten.topk.default")
def topk(self, k, dim=-1, largest=True, sorted=True):
    if not shape_of(self):
        return ops.Identity(self), ops.Full((), value=0, dtype="int64")
    axis = normal_axis(dim, len(shape_of(self)))
    return ops.TopK(self, k=k, axis=axis, largest=largest, index_dtype="int64")


def _ranked(x, rank, dim, keepdim):
    """The element that stands at place `rank` of the order along an axis, and where it was."""
    if not shape_of(x):
        return ops.Identity(x), ops.Full((), value=0, dtype="int64")
    axis = normal_axis(dim, len(shape_of(x)))
    picked = [ops.Select(one, axis=axis, index=rank) for one in _sorted(x, dim, False)]
    if keepdim:
        kept = tuple(1 if a == axis else size for a, size in enumerate(shape_of(x)))
        picked = [ops.Reshape(one, shape=kept) for one in picked]
    return tuple(picked)


@torch.reads("aten.kthvalue.default")
def kthvalue(self, k, dim=-1, keepdim=False):
    return _ranked(self, k - 1, dim, keepdim)


@torch.reads("aten.median.dim")
def median_dim(self, dim, keepdim=False):
    if not shape_of(self):
        return _ranked(self, 0, dim, keepdim)
    size = shape_of(self)[normal_axis(dim, len(shape_of(self)))]
    return _ranked(self, dims.floordiv(size - 1, 2), dim, keepdim)


@torch.reads("aten.median.default")
def median(self):
    count = dims.product(shape_of(self))
    return _ranked(ops.Reshape(self, shape=(count,)), dims.floordiv(count - 1, 2), 0, False)[0]


def _known_last(x, axis):
    """What of `x` is a number, in order along an axis and in front of the rest; where it stood; how many those are."""
    filled = ops.Where(ops.IsNan(x), float("inf"), x)
    known = ops.Cast(ops.LogicalNot(ops.IsNan(x)), dtype="int64")
    count = ops.Sum(known, axes=(axis,), keepdims=True)
    return ops.Sort(filled, axis=axis, descending=False), ops.Argsort(filled, axis=axis, descending=False), count


@torch.reads("aten.nanmedian.dim")
def nanmedian_dim(self, dim, keepdim=False):
    if not is_float(self) or not shape_of(self):
        return median_dim(self, dim, keepdim)
    axis = normal_axis(dim, len(shape_of(self)))
    ordered, places, count = _known_last(self, axis)
    middle = ops.FloorDivide(ops.Maximum(ops.Subtract(count, 1), 0), 2)
    value, place = (ops.TakeAlongAxis(one, middle, axis=axis) for one in (ordered, places))
    value = ops.Where(ops.Equal(count, 0), float("nan"), value)
    kept = tuple(size for a, size in enumerate(shape_of(value)) if a != axis)
    return tuple(one if keepdim else ops.Reshape(one, shape=kept) for one in (value, place))


@torch.reads("aten.nanmedian.default")
def nanmedian(self):
    return nanmedian_dim(ops.Reshape(self, shape=(dims.product(shape_of(self)),)), 0)[0]


def _interpolated(ordered, axis, place, how):
    """The element at a place between two of the order. `place` is a tensor."""
    lower, upper = ops.Floor(place), ops.Ceil(place)
    if how == "nearest":
        lower = upper = ops.Round(place)
    elif how in ("lower", "higher"):
        lower = upper = lower if how == "lower" else upper
    first, second = (_at(ordered, ops.Cast(p, dtype="int64"), axis) for p in (lower, upper))
    if lower is upper:
        return first
    share = 0.5 if how == "midpoint" else ops.Subtract(place, lower)
    return ops.Add(first, ops.Multiply(ops.Subtract(second, first), share))


def _at(ordered, places, axis):
    """The elements at places that all lines share, or at those of each line."""
    if len(shape_of(places)) < 1 or len(shape_of(places)) < len(shape_of(ordered)):
        return ops.Take(ordered, places, axis=axis)
    return ops.TakeAlongAxis(ordered, places, axis=axis)


def _quantile(x, q, dim, keepdim, how):
    """The quantiles of a vector of probabilities in a new first axis, or of one probability."""
    rank = len(shape_of(x))
    if dim is None or not rank:
        flat = ops.Reshape(x, shape=(dims.product(shape_of(x)),))
        found = _quantile(flat, q, 0, False, how)
        kept = (*shape_of(q), *(1,) * rank)
        return ops.Reshape(found, shape=kept) if keepdim else found
    axis = normal_axis(dim, rank)
    order = (*(a for a in range(rank) if a != axis), axis)
    ordered = ops.Sort(ops.Permute(x, axes=order) if rank > 1 else x, axis=rank - 1, descending=False)
    size = shape_of(x)[axis]
    found = _interpolated(ordered, rank - 1, ops.Multiply(q, size - 1), how)
    many = len(shape_of(q))
    if many and rank > 1:
        found = ops.Permute(found, axes=(rank - 1, *range(rank - 1)))
    kept = tuple(1 if a == axis else s for a, s in enumerate(shape_of(x)))
    return ops.Reshape(found, shape=(*shape_of(q), *kept)) if keepdim else found


def _nanquantile(x, q, dim, keepdim, how):
    """Quantiles of the numbers in each line, as many as there are, `q` in a new first axis where it is a vector."""
    rank, many = len(shape_of(x)), len(shape_of(q))
    if dim is None or not rank:
        flat = ops.Reshape(x, shape=(dims.product(shape_of(x)),))
        found = _nanquantile(flat, q, 0, False, how)
        return ops.Reshape(found, shape=(*shape_of(q), *(1,) * rank)) if keepdim else found
    axis = normal_axis(dim, rank)
    order = (*(a for a in range(rank) if a != axis), axis)
    ordered, _, count = _known_last(ops.Permute(x, axes=order) if rank > 1 else x, rank - 1)
    last = ops.Cast(ops.Maximum(ops.Subtract(count, 1), 0), dtype=type_of(x).dtype)
    place = ops.Multiply(ops.Reshape(q, shape=(dims.product(shape_of(q)),)), last)
    found = ops.Where(ops.Equal(count, 0), float("nan"), _interpolated(ordered, rank - 1, place, how))
    found = ops.Permute(found, axes=(rank - 1, *range(rank - 1))) if rank > 1 else found
    kept = tuple(1 if a == axis else s for a, s in enumerate(shape_of(x)) if keepdim or a != axis)
    return ops.Reshape(found, shape=(*shape_of(q)[:many], *kept))


@torch.reads("aten.nanquantile.default")
def nanquantile(self, q, dim=None, keepdim=False, *, interpolation="linear"):
    return _nanquantile(self, q, dim, keepdim, interpolation)


@torch.reads("aten.nanquantile.scalar")
def nanquantile_scalar(self, q, dim=None, keepdim=False, *, interpolation="linear"):
    one = ops.Full((), value=float(q), dtype=type_of(self).dtype)
    return _nanquantile(self, one, dim, keepdim, interpolation)


@torch.reads("aten.quantile.default")
def quantile(self, q, dim=None, keepdim=False, *, interpolation="linear"):
    return _quantile(self, q, dim, keepdim, interpolation)


@torch.reads("aten.quantile.scalar")
def quantile_scalar(self, q, dim=None, keepdim=False, *, interpolation="linear"):
    one = ops.Full((), value=float(q), dtype=type_of(self).dtype)
    return _quantile(self, one, dim, keepdim, interpolation)


def _search(boundaries, values, right, out_int32):
    if is_scalar(values):
        values = ops.Full((), value=values, dtype=type_of(boundaries).dtype)
    dtype = "int32" if out_int32 else "int64"
    if type_of(values).dtype != type_of(boundaries).dtype:
        values, boundaries = as_float(values), as_float(boundaries)
    if len(shape_of(boundaries)) == 1:
        return ops.Searchsorted(boundaries, values, right=right, dtype=dtype)
    # A row of boundaries for each row of values: count the boundaries in front of each value.
    each = ops.Reshape(values, shape=(*shape_of(values), 1))
    rows = ops.Reshape(boundaries, shape=(*shape_of(boundaries)[:-1], 1, shape_of(boundaries)[-1]))
    before = ops.LessEqual(rows, each) if right else ops.Less(rows, each)
    return ops.Sum(ops.Cast(before, dtype=dtype), axes=(len(shape_of(values)),), keepdims=False)


@torch.reads("aten.searchsorted.Tensor", "aten.searchsorted.Scalar")
def searchsorted(sorted_sequence, self, *, out_int32=False, right=False, side=None, sorter=None):
    if sorter is not None:
        sorted_sequence = ops.TakeAlongAxis(sorted_sequence, sorter, axis=len(shape_of(sorted_sequence)) - 1)
    return _search(sorted_sequence, self, right or side == "right", out_int32)


@torch.reads("aten.bucketize.Tensor", "aten.bucketize.Scalar")
def bucketize(self, boundaries, *, out_int32=False, right=False):
    return _search(boundaries, self, right, out_int32)
