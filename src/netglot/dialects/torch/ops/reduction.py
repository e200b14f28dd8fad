"""ATen's reductions. An absent or empty list of axes means all of them, and integers are summed in int64."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import as_bool, as_dtype, as_float, as_sum, is_bool, is_float
from netglot.dialects.torch.ops.shape import sliced
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import dims, ops
from netglot.pivot.op import normal_axes, normal_axis, shape_of, type_of

INFINITY = float("inf")


def _axes(x, dim) -> tuple[int, ...]:
    """The axes that `dim` names: a number, a list, or nothing for all."""
    return normal_axes(dim, len(shape_of(x)))


def _fold(kind, x, dim, keepdim=False, **attributes):
    """A reduction; a tensor without axes is its own fold of one element."""
    if shape_of(x):
        return kind(x, axes=_axes(x, dim), keepdims=keepdim, **attributes)
    return ops.Reshape(kind(ops.Reshape(x, shape=(1,)), axes=(0,), keepdims=False, **attributes), shape=())


def _summed(x, dtype):
    """`x` as PyTorch sums it: in `dtype` where one is given."""
    return as_dtype(x, dtype) if dtype else as_sum(x)


# --- sums and means


@torch.reads("aten.sum.default")
def sum_all(self, *, dtype=None):
    return _fold(ops.Sum, _summed(self, dtype), None)


@torch.reads("aten.sum.dim_IntList")
def sum_dim(self, dim, keepdim=False, *, dtype=None):
    return _fold(ops.Sum, _summed(self, dtype), dim, keepdim)


@torch.reads("aten.nansum.default")
def nansum(self, dim=None, keepdim=False, *, dtype=None):
    x = ops.Where(ops.IsNan(self), 0.0, self) if is_float(self) else self
    return _fold(ops.Sum, _summed(x, dtype), dim, keepdim)


@torch.reads("aten.mean.default")
def mean_all(self, *, dtype=None):
    return _fold(ops.Mean, as_dtype(self, dtype), None)


@torch.reads("aten.mean.dim")
def mean_dim(self, dim, keepdim=False, *, dtype=None):
    return _fold(ops.Mean, as_dtype(self, dtype), dim, keepdim)


@torch.reads("aten.nanmean.default")
def nanmean(self, dim=None, keepdim=False, *, dtype=None):
    x = as_dtype(self, dtype)
    there = ops.Cast(ops.LogicalNot(ops.IsNan(x)), dtype=type_of(x).dtype)
    total = _fold(ops.Sum, ops.Where(ops.IsNan(x), 0.0, x), dim, keepdim)
    return ops.Divide(total, _fold(ops.Sum, there, dim, keepdim))


@torch.reads("aten.prod.default")
def prod_all(self, *, dtype=None):
    return _fold(ops.Prod, _summed(self, dtype), None)


@torch.reads("aten.prod.dim_int")
def prod_dim(self, dim, keepdim=False, *, dtype=None):
    return _fold(ops.Prod, _summed(self, dtype), dim, keepdim)


@torch.reads("aten.count_nonzero.default")
def count_nonzero(self, dim=None):
    return _fold(ops.Sum, as_sum(as_bool(self)), dim)


@torch.reads("aten.count_nonzero.dim_IntList")
def count_nonzero_along(self, dim):
    return _fold(ops.Sum, as_sum(as_bool(self)), dim)


@torch.reads("aten.trace.default")
def trace(self):
    size = dims.minimum(*shape_of(self))
    square = sliced(sliced(self, 0, 0, size), 1, 0, size)
    return ops.Einsum((as_sum(square),), equation="ii->")


# --- logic


def _logic(kind, x, dim, keepdim):
    folded = _fold(kind, as_bool(x), dim, keepdim)
    return as_dtype(folded, "uint8") if type_of(x).dtype == "uint8" else folded


@torch.reads("aten.any.default")
def any_all(self):
    return _logic(ops.Any, self, None, False)


@torch.reads("aten.any.dim")
def any_dim(self, dim, keepdim=False):
    return _logic(ops.Any, self, dim, keepdim)


@torch.reads("aten.any.dims")
def any_dims(self, dim=None, keepdim=False):
    return _logic(ops.Any, self, dim, keepdim)


@torch.reads("aten.all.default")
def all_all(self):
    return _logic(ops.All, self, None, False)


@torch.reads("aten.all.dim")
def all_dim(self, dim, keepdim=False):
    return _logic(ops.All, self, dim, keepdim)


@torch.reads("aten.all.dims")
def all_dims(self, dim=None, keepdim=False):
    return _logic(ops.All, self, dim, keepdim)


# --- extremes


def _extreme(kind, x, dim, keepdim=False):
    """The largest or smallest element; of truth values, whether any or all hold."""
    if is_bool(x):
        return _fold(ops.Any if kind is ops.Max else ops.All, x, dim, keepdim)
    return _fold(kind, x, dim, keepdim)


def _place(kind, x, dim, keepdim=False):
    """The place of the extreme along one axis."""
    x = ops.Cast(x, dtype="int64") if is_bool(x) else x
    if not shape_of(x):
        return ops.Full((), value=0, dtype="int64")
    return kind(x, axis=normal_axis(dim, len(shape_of(x))), keepdims=keepdim)


@torch.reads("aten.amax.default")
def amax(self, dim=(), keepdim=False):
    return _extreme(ops.Max, self, dim, keepdim)


@torch.reads("aten.amin.default")
def amin(self, dim=(), keepdim=False):
    return _extreme(ops.Min, self, dim, keepdim)


@torch.reads("aten.max.default")
def max_all(self):
    return _extreme(ops.Max, self, None)


@torch.reads("aten.min.default")
def min_all(self):
    return _extreme(ops.Min, self, None)


@torch.reads("aten.max.dim")
def max_dim(self, dim, keepdim=False):
    return _extreme(ops.Max, self, dim, keepdim), _place(ops.Argmax, self, dim, keepdim)


@torch.reads("aten.min.dim")
def min_dim(self, dim, keepdim=False):
    return _extreme(ops.Min, self, dim, keepdim), _place(ops.Argmin, self, dim, keepdim)


@torch.reads("aten.aminmax.default")
def aminmax(self, *, dim=None, keepdim=False):
    return _extreme(ops.Min, self, dim, keepdim), _extreme(ops.Max, self, dim, keepdim)


def _flat_place(kind, x, dim, keepdim):
    """The place along an axis, or among all elements in row-major order."""
    if dim is not None:
        return _place(kind, x, dim, keepdim)
    place = _place(kind, ops.Reshape(x, shape=(dims.product(shape_of(x)),)), 0)
    return ops.Reshape(place, shape=(1,) * len(shape_of(x))) if keepdim else place


@torch.reads("aten.argmax.default")
def argmax(self, dim=None, keepdim=False):
    return _flat_place(ops.Argmax, self, dim, keepdim)


@torch.reads("aten.argmin.default")
def argmin(self, dim=None, keepdim=False):
    return _flat_place(ops.Argmin, self, dim, keepdim)


@torch.reads("aten.logsumexp.default", "aten.special_logsumexp.default")
def logsumexp(self, dim, keepdim=False):
    return _fold(ops.LogSumExp, as_float(self), dim, keepdim)


# --- spread


def _spread(kind, x, dim, correction, keepdim):
    correction = 1 if correction is None else correction
    return _fold(kind, x, dim, keepdim, correction=float(correction))


def _overloads(name, kinds):
    """Reads the three overloads of one of `var`, `std`, `var_mean` and `std_mean`."""

    def spread(x, dim, correction, keepdim):
        made = tuple(
            _fold(ops.Mean, x, dim, keepdim) if kind is ops.Mean else _spread(kind, x, dim, correction, keepdim)
            for kind in kinds
        )
        return made if len(made) > 1 else made[0]

    @torch.reads(f"aten.{name}.default")
    def whole(self, unbiased=True):
        return spread(self, None, int(unbiased), False)

    @torch.reads(f"aten.{name}.dim")
    def along(self, dim, unbiased=True, keepdim=False):
        return spread(self, dim, int(unbiased), keepdim)

    @torch.reads(f"aten.{name}.correction")
    def corrected(self, dim=None, *, correction=None, keepdim=False):
        return spread(self, dim, correction, keepdim)


_overloads("var", (ops.Variance,))
_overloads("std", (ops.StandardDeviation,))
_overloads("var_mean", (ops.Variance, ops.Mean))
_overloads("std_mean", (ops.StandardDeviation, ops.Mean))


@torch.reads("aten.cov.default")
def cov(self, *, correction=1, fweights=None, aweights=None):
    if fweights is not None or aweights is not None:
        raise Refusal(notimpl("weights of a covariance"))
    return _covariance(as_float(self), correction)


def _covariance(x, correction=1):
    if len(shape_of(x)) < 2 or shape_of(x)[0] == 1:  # one variable has a variance, without axes
        flat = ops.Reshape(x, shape=(dims.product(shape_of(x)),))
        return ops.Variance(flat, axes=(0,), keepdims=False, correction=float(correction))
    centred = ops.Subtract(x, ops.Mean(x, axes=(1,), keepdims=True))
    return ops.Divide(ops.Matmul(centred, ops.Permute(centred, axes=(1, 0))), _divisor(shape_of(x)[1], correction))


def _divisor(count, correction) -> float:
    if not isinstance(count, int):
        raise Refusal(notimpl("a covariance over a symbolic number of observations"))
    return float(max(0, count - correction))


@torch.reads("aten.corrcoef.default")
def corrcoef(self):
    if len(shape_of(self)) < 2 or shape_of(self)[0] == 1:
        return ops.Divide(_covariance(as_float(self)), _covariance(as_float(self)))
    covariance = _covariance(as_float(self))
    size = shape_of(self)[0]
    deviation = ops.Sqrt(ops.Einsum((covariance,), equation="ii->i"))
    scaled = ops.Divide(covariance, ops.Reshape(deviation, shape=(size, 1)))
    return ops.Clip(ops.Divide(scaled, ops.Reshape(deviation, shape=(1, size))), low=-1.0, high=1.0)


# --- norms


def vector_norm(x, p, dim, keepdim, dtype=None):
    """The p-norm over axes; a number p, infinite or not."""
    return _fold(ops.Norm, as_float(as_dtype(x, dtype)), dim, keepdim, p=float(p))


@torch.reads("aten.linalg_vector_norm.default")
def linalg_vector_norm(self, ord=2, dim=None, keepdim=False, *, dtype=None):
    return vector_norm(self, ord, dim, keepdim, dtype)


@torch.reads("aten.norm.Scalar")
def norm_all(self, p=2):
    return vector_norm(self, p, None, False)


@torch.reads("aten.norm.ScalarOpt_dim")
def norm_dim(self, p, dim, keepdim=False):
    return vector_norm(self, 2 if p is None else p, dim, keepdim)


@torch.reads("aten.norm.ScalarOpt_dim_dtype")
def norm_dim_dtype(self, p, dim, keepdim, *, dtype):
    return vector_norm(self, 2 if p is None else p, dim, keepdim, dtype)


@torch.reads("aten.norm.ScalarOpt_dtype")
def norm_dtype(self, p, *, dtype):
    return vector_norm(self, 2 if p is None else p, None, False, dtype)


@torch.reads("aten.frobenius_norm.dim")
def frobenius_norm(self, dim, keepdim=False):
    return vector_norm(self, 2, dim, keepdim)


def _kept(folded, x, dim, keepdim):
    """What is left of `x` after the axes `dim` are folded, with or without them."""
    axes = _axes(x, dim)
    return ops.Reshape(
        folded, shape=tuple(1 if a in axes else s for a, s in enumerate(shape_of(x)) if keepdim or a not in axes)
    )


def _singular_norm(fold, x, dim, keepdim):
    """A fold of the singular values."""
    rows, columns = (normal_axis(d, len(shape_of(x))) for d in dim)
    others = tuple(a for a in range(len(shape_of(x))) if a not in (rows, columns))
    values = ops.SingularValues(ops.Permute(x, axes=(*others, rows, columns)))
    return _kept(fold(values, axes=(len(others),), keepdims=False), x, dim, keepdim)


@torch.reads("aten.linalg_svdvals.default")
def linalg_svdvals(A, *, driver=None):
    return ops.SingularValues(A)


@torch.reads("aten.linalg_matrix_norm.default")
def linalg_matrix_norm(self, ord, dim=(-2, -1), keepdim=False, *, dtype=None):
    x = as_dtype(self, dtype)
    if 0 in [shape_of(x)[d] for d in dim]:  # a matrix without elements
        left = tuple(s for s, a in zip(shape_of(x), range(len(shape_of(x))), strict=True) if a not in _axes(x, dim))
        nothing = ops.Full(left, value=0.0, dtype=type_of(x).dtype)
        return _kept(nothing, x, dim, keepdim)
    if abs(ord) == 2:
        return _singular_norm(ops.Max if ord > 0 else ops.Min, x, dim, keepdim)
    rank = len(shape_of(x))
    rows, columns = (normal_axis(d, rank) for d in dim)
    inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = ops.Sum(ops.Abs(x), axes=(inner,), keepdims=True)
    extreme = (ops.Max if ord > 0 else ops.Min)(sums, axes=(outer,), keepdims=True)
    return extreme if keepdim else _kept(extreme, x, dim, keepdim)


@torch.reads("aten.linalg_matrix_norm.str_ord")
def linalg_matrix_norm_named(self, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    if ord == "nuc":
        return nuclear_norm_dim(as_dtype(self, dtype), dim, keepdim)
    return vector_norm(self, 2, dim, keepdim, dtype)


@torch.reads("aten.linalg_norm.default")
def linalg_norm(self, ord=None, dim=None, keepdim=False, *, dtype=None):
    pair = isinstance(dim, list | tuple) and len(dim) == 2
    if ord is None:
        return vector_norm(self, 2, dim, keepdim, dtype)
    if pair or (dim is None and len(shape_of(self)) == 2):
        return linalg_matrix_norm(self, ord, dim or (-2, -1), keepdim, dtype=dtype)
    return vector_norm(self, ord, dim, keepdim, dtype)


@torch.reads("aten.linalg_norm.ord_str")
def linalg_norm_named(self, ord, dim=None, keepdim=False, *, dtype=None):
    return linalg_matrix_norm_named(self, ord, dim or (-2, -1), keepdim, dtype=dtype)


@torch.reads("aten.nuclear_norm.default")
def nuclear_norm(self, keepdim=False):
    return _singular_norm(ops.Sum, self, (-2, -1), keepdim)


@torch.reads("aten.nuclear_norm.dim")
def nuclear_norm_dim(self, dim, keepdim=False):
    return _singular_norm(ops.Sum, self, dim, keepdim)


@torch.reads("aten.dist.default")
def dist(self, other, p=2):
    return vector_norm(ops.Subtract(self, other), p, None, False)


@torch.reads("aten.renorm.default")
def renorm(self, p, dim, maxnorm):
    axis = normal_axis(dim, len(shape_of(self)))
    others = tuple(a for a in range(len(shape_of(self))) if a != axis)
    norm = ops.Norm(self, axes=others, keepdims=True, p=float(p))
    factor = ops.Divide(float(maxnorm), ops.Add(norm, 1e-7))
    return ops.Multiply(self, ops.Where(ops.Greater(norm, float(maxnorm)), factor, 1.0))


# --- running folds


def _running(kind, x, dim):
    """A running fold; a tensor without axes is its own."""
    return kind(x, axis=normal_axis(dim, len(shape_of(x)))) if shape_of(x) else ops.Identity(x)


@torch.reads("aten.cumsum.default")
def cumsum(self, dim, *, dtype=None):
    return _running(ops.CumulativeSum, _summed(self, dtype), dim)


@torch.reads("aten.cumprod.default")
def cumprod(self, dim, *, dtype=None):
    return _running(ops.CumulativeProd, _summed(self, dtype), dim)


@torch.reads("aten.logcumsumexp.default")
def logcumsumexp(self, dim):
    return _running(ops.CumulativeLogSumExp, as_float(self), dim)


def _running_extreme(kind, x, dim):
    """The running extreme and its place: of equals the last one."""
    if not shape_of(x):
        return ops.Identity(x), ops.Full((), value=0, dtype="int64")
    if is_bool(x):
        values, places = _running_extreme(kind, ops.Cast(x, dtype="int64"), dim)
        return ops.Cast(values, dtype="bool"), places
    shape = shape_of(x)
    axis = normal_axis(dim, len(shape))
    values = kind(x, axis=axis)
    counted = tuple(size if a == axis else 1 for a, size in enumerate(shape))
    places = ops.Reshape(ops.Arange(0, shape[axis], 1, dtype="int64"), shape=counted)
    return values, ops.CumulativeMax(ops.Where(ops.Equal(x, values), places, 0), axis=axis)


@torch.reads("aten.cummax.default")
def cummax(self, dim):
    return _running_extreme(ops.CumulativeMax, self, dim)


@torch.reads("aten.cummin.default")
def cummin(self, dim):
    return _running_extreme(ops.CumulativeMin, self, dim)


@torch.reads("aten.diff.default")
def diff(self, n=1, dim=-1, prepend=None, append=None):
    axis = normal_axis(dim, len(shape_of(self)))
    if n == 0:
        return ops.Identity(self)
    joined = [t for t in (prepend, self, append) if t is not None]
    x = ops.Concat(tuple(joined), axis=axis) if len(joined) > 1 else self
    for _ in range(n):
        size = shape_of(x)[axis]
        after, before = sliced(x, axis, 1, size), sliced(x, axis, 0, size - 1)
        x = ops.LogicalXor(after, before) if is_bool(x) else ops.Subtract(after, before)
    return x


def _trapezoids(y, width, dim):
    """The areas between neighbouring points."""
    axis = normal_axis(dim, len(shape_of(y)))
    size = shape_of(y)[axis]
    pairs = ops.Add(sliced(y, axis, 1, size), sliced(y, axis, 0, size - 1))
    if not isinstance(width, int | float):
        if len(shape_of(width)) != 1:
            width = diff(width, 1, dim)
        else:
            width = ops.Reshape(diff(width), shape=tuple(size - 1 if a == axis else 1 for a in range(len(shape_of(y)))))
    return ops.Multiply(ops.Multiply(pairs, width), 0.5), axis


@torch.reads("aten.trapezoid.dx", "aten.trapz.dx")
def trapezoid_dx(y, *, dx=1, dim=-1):
    areas, axis = _trapezoids(as_float(y), dx, dim)
    return ops.Sum(areas, axes=(axis,), keepdims=False)


@torch.reads("aten.trapezoid.x", "aten.trapz.x")
def trapezoid_x(y, x, *, dim=-1):
    areas, axis = _trapezoids(as_float(y), as_float(x), dim)
    return ops.Sum(areas, axes=(axis,), keepdims=False)


@torch.reads("aten.cumulative_trapezoid.dx")
def cumulative_trapezoid_dx(y, *, dx=1, dim=-1):
    areas, axis = _trapezoids(as_float(y), dx, dim)
    return ops.CumulativeSum(areas, axis=axis)


@torch.reads("aten.cumulative_trapezoid.x")
def cumulative_trapezoid_x(y, x, *, dim=-1):
    areas, axis = _trapezoids(as_float(y), as_float(x), dim)
    return ops.CumulativeSum(areas, axis=axis)


_COUNTS = never("the size of the result depends on the numbers in the tensor")
for _name in ("bincount.default", "unique_dim.default", "unique_consecutive.default", "_unique2.default"):
    torch.refuses_reading(f"aten.{_name}", _COUNTS)
