"""PyTorch's reductions: methods of a tensor."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import dims_of, dtype_name, is_float
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of
from netglot.source.spell import OMIT, Attribute, Call, Method, call, options, unless
from netglot.source.subscripts import from_end

_METHODS = {
    ops.Sum: "sum",
    ops.Mean: "mean",
    ops.Max: "amax",
    ops.Min: "amin",
    ops.Prod: "prod",
    ops.Any: "any",
    ops.All: "all",
    ops.LogSumExp: "logsumexp",
    ops.Variance: "var",
    ops.StandardDeviation: "std",
}
_NEEDS_AXES = (ops.LogSumExp,)


def _kept(op):
    """The dtype to ask for, where PyTorch sums in another one than that of `x`."""
    dtype = type_of(op.x).dtype
    return OMIT if is_float(op.x) or dtype in ("int64", "complex64", "complex128") else dtype_name(dtype)


@torch.lowers(ops.Prod)
def product_of_each(op):
    """PyTorch multiplies along one axis at a time."""
    if len(op.axes) < 2:
        return None
    x = op.x
    for axis in sorted(op.axes, reverse=True):
        x = ops.Prod(x, (axis,), op.keepdims)
    return x


@torch.writes(*_METHODS)
def reduction(op):
    rank = len(shape_of(op.x))
    whole = len(op.axes) == rank and not op.keepdims and rank > 1 and not isinstance(op, _NEEDS_AXES)
    given = options(
        correction=unless(getattr(op, "correction", 1), 1),
        keepdim=unless(op.keepdims, False),
        dtype=_kept(op) if isinstance(op, ops.Sum | ops.Prod) else OMIT,
    )
    return Method(op.x, _METHODS[type(op)], () if whole else (dims_of(op.axes, rank),), given)


@torch.writes(ops.Norm)
def norm(op):
    rank = len(shape_of(op.x))
    whole = len(op.axes) == rank and not op.keepdims
    given = options(
        ord=unless(op.p, 2.0), dim=OMIT if whole else dims_of(op.axes, rank), keepdim=unless(op.keepdims, False)
    )
    return Call("torch.linalg.vector_norm", (op.x,), given)


@torch.writes(ops.Argmax, ops.Argmin)
def place(op):
    name = type(op).__name__.lower()
    return Method(op.x, name, (from_end(op.axis, len(shape_of(op.x))),), options(keepdim=unless(op.keepdims, False)))


@torch.writes(ops.CumulativeSum, ops.CumulativeProd)
def running(op):
    name = "torch.cumsum" if isinstance(op, ops.CumulativeSum) else "torch.cumprod"
    return call(name, op.x, dim=from_end(op.axis, len(shape_of(op.x))), dtype=_kept(op))


@torch.writes(ops.CumulativeMax, ops.CumulativeMin)
def running_extreme(op):
    name = "torch.cummax" if isinstance(op, ops.CumulativeMax) else "torch.cummin"
    return Attribute(call(name, op.x, dim=from_end(op.axis, len(shape_of(op.x)))), "values")


@torch.writes(ops.CumulativeLogSumExp)
def running_log_sum_exp(op):
    return call("torch.logcumsumexp", op.x, dim=from_end(op.axis, len(shape_of(op.x))))
