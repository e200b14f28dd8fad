"""Functions and ways to pick elements that few networks use."""

from __future__ import annotations

import math

from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.ops.arithmetic import axes_of
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of


def _cube_root(x):
    return ops.Multiply(ops.Sign(x), ops.Power(ops.Abs(x), 1 / 3))


_UNARY = {
    "cbrt": _cube_root,
    "rcbrt": lambda x: ops.Reciprocal(_cube_root(x)),
    "degrees": lambda x: ops.Multiply(x, 180 / math.pi),
    "radians": lambda x: ops.Multiply(x, math.pi / 180),
    "gamma": lambda x: ops.Exp(ops.Lgamma(x)),
    "_contrib_gradientmultiplier": ops.Identity,
    "IdentityAttachKLSparseReg": ops.Identity,
}
for _name, _op in _UNARY.items():
    mxnet.reads(_name)(lambda work, x, op=_op: op(x))
for _name in ("broadcast_hypot", "_hypot"):
    mxnet.reads(_name)(lambda work, x, y: ops.Hypot(x, y))
for _name in ("_cond", "_while_loop"):
    mxnet.refuses_reading(_name, never("what runs depends on the data", "write it with where, or with foreach"))
mxnet.refuses_reading("_contrib_boolean_mask", never("how many elements are left depends on the data"))


@mxnet.reads("nansum", "nanprod")
def without_nan(work, x):
    start, op = (0.0, ops.Sum) if work.node.op == "nansum" else (1.0, ops.Prod)
    return op(ops.Where(ops.IsNan(x), start, x), axes_of(work, x), work.node.flag("keepdims"))


@mxnet.reads("diag")
def diag(work, x):
    rank, offset = len(shape_of(x)), work.node.integer("k", 0)
    if rank == 1:
        return ops.DiagonalEmbed(x, offset, 0, 1)
    axes = [work.node.integer(name, place) % rank for name, place in (("axis1", 0), ("axis2", 1))]
    return ops.Diagonal(x, offset, *axes)


def _whole(x):
    return x if type_of(x).dtype.startswith("int") else ops.Cast(x, "int64")


@mxnet.reads("gather_nd")
def gather_nd(work, x, indices):
    """The first axis of the indices says which axis of `x` each is of."""
    count = shape_of(indices)[0]
    if not isinstance(count, int) or count > len(shape_of(x)):
        raise Refusal(notimpl(f"places of {count} axes"))
    whole = _whole(indices)
    return ops.AdvancedIndex(x, tuple(ops.Select(whole, 0, axis) for axis in range(count)))


@mxnet.reads("scatter_nd")
def scatter_nd(work, x, indices):
    shape, whole = work.node.integers("shape"), _whole(indices)
    count = shape_of(indices)[0]
    if not isinstance(count, int) or count > len(shape):
        raise Refusal(notimpl(f"places of {count} axes"))
    zeros = ops.Full(tuple(shape), 0, type_of(x).dtype)
    return ops.IndexPut(zeros, tuple(ops.Select(whole, 0, axis) for axis in range(count)), x, False)


@mxnet.reads("batch_take", "choose_element_0index")
def batch_take(work, x, places):
    rows = shape_of(x)[0]
    found = ops.TakeAlongAxis(x, ops.Reshape(_whole(places), (rows, 1)), 1)
    return ops.Reshape(found, (rows,))
