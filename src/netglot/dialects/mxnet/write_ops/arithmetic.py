"""Arithmetic as MXNet's operators. The tables of operators are those that the reader has."""

from __future__ import annotations

import math

from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.ops.arithmetic import (
    BINARY,
    COMPARISONS,
    LOGIC,
    REDUCTIONS,
    REVERSED,
    SCALARS,
    SPELLINGS,
    UNARY,
)
from netglot.dialects.steps import step
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import broadcast_shapes, dtype_of, is_scalar, shape_of, type_of

TRUTH = "float32"
"""What truth values are inside a network."""


def kind(x) -> str:
    """The dtype that an operand has inside the network."""
    held = dtype_of(x)
    return TRUTH if held == "bool" else held


def cast(x, dtype: str):
    """A tensor in another dtype."""
    return step("Cast", x, dtype=dtype)


def _plain(name: str):
    return lambda op: step(name, op.x)


_UNWRITTEN = ("rint", "relu", "sigmoid", "tanh", "softsign", "digamma", "_identity_with_attr_like_rhs")
"""Operators of one operand that are layers, that MXNet 1.9 lacks, or that round halves by another rule."""

for _name, _op in UNARY.items():
    if _op not in mxnet.writers and _name not in _UNWRITTEN:
        mxnet.writes(_op)(_plain(_name))

_SCALAR = {op: name for name, op in reversed(SCALARS.items()) if name.islower()}
_REVERSE = {op: name for name, op in reversed(REVERSED.items()) if name.islower()}
_PAIR = {BINARY[short]: names for short, names in SPELLINGS.items()}


def _number(x) -> float | int:
    """A number that the file can hold.

    Raises:
        Refusal: it is a size that is not known.
    """
    if isinstance(x, Dim):
        raise Refusal(notimpl(f"the size {x}, which is not known before the network runs, as a number"))
    return x if isinstance(x, bool | int) else float(x)


def _pair(op):
    """Two tensors of one shape, two that broadcast, or a tensor and a number."""
    form = type(op)
    x, y = _as_number(op.x), _as_number(op.y)
    if is_scalar(y) and form in _SCALAR:
        return step(_SCALAR[form], x, scalar=_number(y))
    if is_scalar(x) and form in (_REVERSE | _SCALAR):
        name = _REVERSE.get(form) or (_SCALAR[form] if form in _COMMUTES else None)
        if name is not None:
            return step(name, y, scalar=_number(x))
    x, y = _as_tensors(x, y)
    names = _PAIR[form]
    same = shape_of(x) == shape_of(y) and names[0].startswith("elemwise")
    return step(names[0] if same else next(n for n in names if n.startswith("broadcast")), x, y)


_COMMUTES = (ops.Add, ops.Multiply, ops.Maximum, ops.Minimum)


def _as_number(x):
    """A tensor of one element that is known, as the number that it holds."""
    import numpy as np

    if isinstance(x, np.ndarray | np.generic) and np.ndim(x) == 0:
        return np.asarray(x).item()
    return x


def _as_tensors(*xs):
    """Operands of which the numbers are made tensors like the others."""
    like = next(x for x in xs if not is_scalar(x))
    return tuple(full_like(like, x) if is_scalar(x) else x for x in xs)


def full_like(like, value):
    """A tensor of one value with the shape of another."""
    ones = step("ones_like", like)
    return ones if value == 1 else step("_mul_scalar", ones, scalar=_number(value))


mxnet.writes(*_PAIR)(_pair)


@mxnet.lowers(ops.Divide, ops.Power, ops.Remainder)
def of_whole_numbers(op):
    """MXNet divides whole numbers as it rounds them: done in floats."""
    if "int" not in dtype_of(op.x, op.y) or isinstance(op, ops.Remainder):
        return None
    wide = [one if is_scalar(one) else ops.Cast(one, "float64") for one in (op.x, op.y)]
    return ops.Cast(ops.Trunc(op.replace(x=wide[0], y=wide[1])), dtype_of(op.x, op.y))


_COMPARED = {op: name for name, op in COMPARISONS.items()}
_TURNED = {ops.Greater: ops.Less, ops.Less: ops.Greater, ops.GreaterEqual: ops.LessEqual,
           ops.LessEqual: ops.GreaterEqual}  # fmt: skip


def _compared(op):
    x, y, form = op.x, op.y, type(op)
    if is_scalar(x):
        x, y, form = y, x, _TURNED.get(form, form)
    if is_scalar(y):
        made = step(f"_{_COMPARED[form]}_scalar", x, scalar=_number(y))
    else:
        made = step(f"broadcast_{_COMPARED[form]}", x, y)
    return made if kind(x) == TRUTH else cast(made, TRUTH)


mxnet.writes(*_COMPARED)(_compared)


@mxnet.writes(ops.LogicalNot)
def logical_not(op):
    return step("logical_not", op.x)


_LOGIC = {op: name for name, op in LOGIC.items()}
mxnet.writes(*_LOGIC)(lambda op: step(_LOGIC[type(op)], op.x, op.y))


@mxnet.writes(ops.Where)
def where(op):
    """The condition and both choices have one shape in MXNet."""
    wanted = type_of(op).shape
    full = next((x for x in (op.condition, op.x, op.y) if not is_scalar(x) and shape_of(x) == wanted), None)
    dtype = dtype_of(*(x for x in (op.x, op.y) if not is_scalar(x))) if not (is_scalar(op.x) and is_scalar(op.y)) else (
        "float32" if isinstance(op.x, float) or isinstance(op.y, float) else "int64"
    )  # fmt: skip

    def whole(x):
        if is_scalar(x):
            like = next((one for one in (op.x, op.y) if not is_scalar(one) and shape_of(one) == wanted), None)
            made = full_like(like if like is not None else _spread(op.condition, wanted, full), x)
            return made if like is not None or dtype == TRUTH else cast(made, dtype)
        return _spread(x, wanted, full)

    return step("where", whole(op.condition), whole(op.x), whole(op.y))


def _spread(x, wanted, like):
    """`x` broadcast to a shape, that of `like` where one has it."""
    shape = shape_of(x)
    if shape == wanted:
        return x
    if like is None or not any(isinstance(size, Dim) for size in wanted):
        return ops.Broadcast(x, wanted)
    level = x if len(shape) == len(wanted) else ops.Reshape(x, (*(1,) * (len(wanted) - len(shape)), *shape))
    return step("broadcast_like", level, like)


@mxnet.writes(ops.Clip)
def clip(op):
    low, high = (-math.inf if op.low is None else op.low), (math.inf if op.high is None else op.high)
    if not (is_scalar(low) and is_scalar(high)):
        y = op.x if op.low is None else ops.Maximum(op.x, op.low)
        return step("identity", y if op.high is None else ops.Minimum(y, op.high))
    if low > high:  # the upper bound decides
        return step("_minimum_scalar", step("_maximum_scalar", op.x, scalar=_number(low)), scalar=_number(high))
    if math.isinf(low):
        return step("_minimum_scalar", op.x, scalar=_number(high))
    if math.isinf(high):
        return step("_maximum_scalar", op.x, scalar=_number(low))
    return step("clip", op.x, a_min=_number(low), a_max=_number(high))


_HELD = ("float64", "float32", "float16", "int64", "int32", "int8", "uint8")


@mxnet.writes(ops.Cast)
def cast_(op):
    if op.dtype == "bool":
        return _compared(ops.NotEqual(op.x, 0))
    if op.dtype not in _HELD:
        raise Refusal(never(f"MXNet has no tensors of {op.dtype}"))
    return cast(op.x, op.dtype)


_FOLDED = {op: name for name, op in reversed(REDUCTIONS.items())}


def _folded(op):
    return step(_FOLDED[type(op)], op.x, axis=tuple(op.axes), keepdims=op.keepdims)


mxnet.writes(*_FOLDED)(_folded)


@mxnet.writes(ops.Norm)
def norm(op):
    if op.p in (1.0, 2.0) and len(op.axes) <= 2:
        return step("norm", op.x, ord=int(op.p), axis=tuple(op.axes), keepdims=op.keepdims)
    from netglot.passes.composed import TABLE

    return step("identity", TABLE[ops.Norm](op))


def _place(name: str):
    return lambda op: cast(step(name, op.x, axis=op.axis, keepdims=op.keepdims), "int64")


mxnet.writes(ops.Argmax)(_place("argmax"))
mxnet.writes(ops.Argmin)(_place("argmin"))


@mxnet.writes(ops.Matmul)
def matmul(op):
    """A product of matrices, of a stack with one matrix, or of two stacks."""
    left, right = shape_of(op.x), shape_of(op.y)
    if len(right) == 1:
        made = ops.Matmul(op.x, ops.Reshape(op.y, (right[0], 1)))
        return step("identity", ops.Reshape(made, shape_of(op)))
    if len(left) == 1:
        made = ops.Matmul(ops.Reshape(op.x, (1, left[0])), op.y)
        return step("identity", ops.Reshape(made, shape_of(op)))
    if len(right) == 2:
        return step("dot", op.x, op.y)
    lead = broadcast_shapes(left[:-2], right[:-2])
    x, y = (
        _spread(one, (*lead, *shape[-2:]), None) if shape[:-2] != lead else one
        for one, shape in ((op.x, left), (op.y, right))
    )
    return step("batch_dot" if len(lead) == 1 else "_linalg_gemm2", x, y)


mxnet.refuses(ops.Digamma, never("MXNet 1.9 has no such function"))
mxnet.refuses(ops.Solve, notimpl("MXNet solves triangular systems only, and the others are not put together from them"))
mxnet.refuses(ops.SingularValues, never("MXNet's symbols have no singular values"))
mxnet.refuses(ops.CtcLoss, notimpl("MXNet's CTC loss takes its labels in another form"))
mxnet.refuses(ops.BesselI0, never("MXNet has no such function, and no other operators make it up"))
for _op in (ops.Gcd, ops.Lcm, ops.BitwiseAnd, ops.BitwiseOr, ops.BitwiseXor, ops.BitwiseNot, ops.ShiftLeft,
            ops.ShiftRight):  # fmt: skip
    mxnet.refuses(_op, never("MXNet's symbols have no arithmetic of bits"))
for _op in (ops.CumulativeProd, ops.CumulativeMax, ops.CumulativeMin, ops.CumulativeLogSumExp):
    mxnet.refuses(_op, never("MXNet has no running fold but the sum"))
