"""Arithmetic, reductions and products. Comparisons give numbers, 0 or 1."""

from __future__ import annotations

import operator

from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.sample import Sample, spread
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.cntk import CONSTANT, Axis
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Parameter
from netglot.pivot.op import dtype_of, shape_of

UNARY = {
    "Negate": ops.Negative, "Sigmoid": ops.Sigmoid, "StableSigmoid": ops.Sigmoid, "Tanh": ops.Tanh, "ReLU": ops.Relu,
    "Exp": ops.Exp, "Log": ops.Log, "Sqrt": ops.Sqrt, "Floor": ops.Floor, "Abs": ops.Abs, "Asin": ops.Asin,
    "Reciprocal": ops.Reciprocal, "Sin": ops.Sin, "Cos": ops.Cos, "Tan": ops.Tan, "Acos": ops.Acos, "Atan": ops.Atan,
    "Sinh": ops.Sinh, "Cosh": ops.Cosh, "Asinh": ops.Asinh, "Atanh": ops.Atanh, "StopGradient": ops.StopGradient,
}  # fmt: skip
BINARY = {
    "Plus": ops.Add, "Minus": ops.Subtract, "ElementTimes": ops.Multiply, "ElementDivide": ops.Divide, "Pow": ops.Power,
    "ElementMax": ops.Maximum, "ElementMin": ops.Minimum, "LogPlus": ops.LogAddExp,
}  # fmt: skip
COMPARED = {
    "Equal": ops.Equal, "NotEqual": ops.NotEqual, "Less": ops.Less, "LessEqual": ops.LessEqual,
    "Greater": ops.Greater, "GreaterEqual": ops.GreaterEqual,
}  # fmt: skip
_ON_FLAGS = {"Plus": operator.add, "Minus": operator.sub, "ElementTimes": operator.mul}
REDUCED = {"Sum": ops.Sum, "Mean": ops.Mean, "Max": ops.Max, "Min": ops.Min, "Prod": ops.Prod, "LogSum": ops.LogSumExp}


def scalar(one: Sample, rank: int):
    """A constant that is one number and adds no axis, else None."""
    constant = one.variable is not None and one.variable.kind == CONSTANT
    return one.number() if constant and one.rank <= rank else None


def pair(work, kind, x: Sample, y: Sample) -> Sample:
    """An op of two operands that broadcast; constants of one number are written as such."""
    left, right = scalar(x, y.rank), scalar(y, x.rank)
    if left is not None and right is None:
        return y.like(kind(left, y.value))
    if right is not None and left is None:
        return x.like(kind(x.value, right))
    values, dynamic = spread([x, y])
    return Sample(kind(*values), dynamic)


@cntk.reads(*UNARY)
def unary(work, x):
    return x.like(UNARY[work.function.op](x.value))


@cntk.reads("NoOp", "Pass")
def same(work, x):
    return x


@cntk.reads("Cast")
def cast(work, x):
    dtype = {1: "float32", 2: "float64"}.get(work.options.integer("newDataType", 1))
    if dtype is None:
        raise Refusal(notimpl("a conversion to half precision or integers"))
    return x if dtype_of(x.value) == dtype else x.like(ops.Cast(x.value, dtype))


@cntk.reads(*BINARY)
def binary(work, x, y):
    name = work.function.op
    if x.flags or y.flags:
        return _on_flags(name, x, y)
    if name == "Plus":
        for one, bias in ((x, y), (y, x)):
            made = _with_bias(work, one, bias)
            if made is not None:
                return made
    if name == "ElementTimes" and x.value is y.value:
        return x.like(ops.Square(x.value))
    return pair(work, BINARY[name], x, y)


def _on_flags(name: str, x: Sample, y: Sample) -> Sample:
    """Arithmetic on what is known along a sequence."""
    from netglot.dialects.cntk.sample import Flags

    known = [one.flags or (Flags((), one.number(), ()) if one.number() is not None else None) for one in (x, y)]
    (left, right), dynamic = spread([x, y])
    flags = known[0].combined(known[1], _ON_FLAGS[name]) if None not in known and name in _ON_FLAGS else None
    return Sample(BINARY[name](left, right), dynamic, flags=flags)


def _with_bias(work, x: Sample, bias: Sample):
    """A product or convolution with the bias that is added to it, or None."""
    node = work.maker(x)
    if node is None or bias.dynamic or bias.variable is None or getattr(node.op, "bias", 0) is not None:
        return None
    if isinstance(node.op, ops.Linear) and bias.rank == 1 and x.rank and bias.shape == x.shape[-1:]:
        held = work.weight(bias, "bias")
        return x.like(ops.Linear(node.op.x, node.op.weight, held))
    wide = (*x.shape[:1], *(1,) * (x.rank - 1))
    if isinstance(node.op, ops.Conv | ops.ConvTranspose) and x.rank > 1 and bias.shape == wide and node.op.axis == 1:
        held = {field.name: getattr(node.op, field.name) for field in node.op.fields()}
        return x.like(type(node.op)(**held | {"bias": work.weight(bias, "bias", shape=wide[:1])}))
    return None


@cntk.reads(*COMPARED)
def compared(work, x, y):
    made = pair(work, COMPARED[work.function.op], x, y)
    return Sample(ops.Cast(made.value, dtype_of(x.value)), made.dynamic, truth=made.value)


@cntk.reads("Select")
def select(work, condition, x, y):
    truth = condition.truth if condition.truth is not None else ops.NotEqual(condition.value, 0.0)
    values, dynamic = spread([condition, x, y], values=[truth, x.value, y.value])
    return Sample(ops.Where(*values), dynamic)


@cntk.reads("Clip")
def clip(work, x, low, high):
    ends = [one.number() for one in (low, high)]
    if None not in ends:
        return x.like(ops.Clip(x.value, *ends))
    values, dynamic = spread([x, low, high])
    return Sample(ops.Minimum(ops.Maximum(values[0], values[1]), values[2]), dynamic)


@cntk.reads("ReduceElements")
def reduced(work, x):
    held = work.option("axisVec")
    held = [work.option("axis")] if held is None else held
    if not isinstance(held, list) or not all(isinstance(one, Axis) for one in held):
        raise InputError(f"{work.function.uid}: no axis is said")
    lead = len(x.dynamic)
    if any(one.name == "AllStaticAxes" for one in held):
        axes = tuple(range(x.rank))
    else:
        axes = tuple(sorted({work.axis(one, x.rank) for one in held}))
    name, keep = work.options.text("reductionOpName"), work.options.flag("reductionKeepDimensions", True)
    axes = tuple(axis + lead for axis in axes)
    if name in ("Argmax", "Argmin"):
        if len(axes) != 1:
            raise Refusal(notimpl(f"{name} over several axes"))
        kind = ops.Argmax if name == "Argmax" else ops.Argmin
        return x.like(ops.Cast(kind(x.value, axes[0], keep), dtype_of(x.value)))
    if name not in REDUCED:
        raise Refusal(notimpl(f"a reduction by {name}"))
    return x.like(REDUCED[name](x.value, axes, keep)) if axes else x


@cntk.reads("SumAll")
def sum_all(work, x):
    raise Refusal(notimpl("a sum over the whole batch"))


@cntk.reads("Times", "TransposeTimes")
def times(work, left, right):
    """`right @ left`, as the axes stand here: what is summed over comes first in `left` and last in `right`."""
    outer = work.options.integer("outputRank", 1)
    turned = work.function.op == "TransposeTimes"
    summed = left.rank - outer
    if turned and left.rank != 2 and not (left.rank == 1 and outer == 1):
        raise Refusal(notimpl("a product with a transposed operand of another rank than 2"))
    if turned and left.rank == 1:
        inside, out, summed = left.shape, (), 1
    elif turned:
        inside, out = left.shape[1:], left.shape[:1]
    else:
        inside, out = left.shape[:summed], left.shape[summed:]
    if not 0 <= summed <= right.rank or right.shape[right.rank - summed :] != inside:
        raise InputError(f"{work.function.uid}: {list(right.shape)} times {list(left.shape)}")
    rest, n, m = right.shape[: right.rank - summed], product(inside), product(out)
    if not left.dynamic:
        return _by_weight(work, left, right, rest, (n, m, out, summed), turned)
    if left.dynamic != right.dynamic:
        raise Refusal(notimpl("a product of what has different dynamic axes"))
    x = ops.Reshape(right.value, (*right.lead, product(rest), n))
    y = ops.Reshape(left.value, (*left.lead, m, n) if turned else (*left.lead, n, m))
    if turned:
        lead = len(left.lead)
        y = ops.Permute(y, (*range(lead), lead + 1, lead))
    return right.like(ops.Reshape(ops.Matmul(x, y), (*right.lead, *rest, *out)))


def _by_weight(work, left: Sample, right: Sample, rest: tuple, sizes: tuple, turned: bool) -> Sample:
    n, m, out, summed = sizes
    if right.ids is not None and not turned and summed == 1 and len(out) == 1 and left.variable is not None:
        return right.like(ops.Embedding(right.ids, work.weight(left, "weight"), None))
    if left.variable is None and not right.dynamic:
        x, y = ops.Reshape(right.value, (product(rest), n)), ops.Reshape(left.value, (m, n) if turned else (n, m))
        y = ops.Permute(y, (1, 0)) if turned else y
        return right.like(ops.Reshape(ops.Matmul(x, y), (*rest, *out)))
    x = right.value
    if summed != 1:
        x = ops.Reshape(x, (*right.lead, *rest, n))
    weight = (
        work.weight(left, "weight", shape=(m, n)) if turned else work.weight(left, "weight", layout="T", shape=(n, m))
    )
    made = ops.Linear(x, weight, None)
    target = (*right.lead, *rest, *out)
    return right.like(made if tuple(shape_of(made)) == target else ops.Reshape(made, target))


@cntk.reads("OneHot")
def one_hot(work, x):
    classes = work.options.integer("numClass")
    ids = ops.Cast(x.value, "int64")
    axis = work.axis(work.option("onehotAxis"), x.rank + 1)
    made = ops.OneHot(ids, classes, dtype_of(x.value))
    if axis != x.rank:
        order = list(range(len(x.dynamic) + x.rank))
        order.insert(len(x.dynamic) + axis, len(order))
        return x.like(ops.Permute(made, tuple(order)))
    return Sample(made, x.dynamic, ids=ids)


@cntk.reads("Gather")
def gather(work, indices, x):
    if x.dynamic:
        raise Refusal(notimpl("rows chosen from what the network computes"))
    if "axis" in work.options and isinstance(work.option("axis"), Axis) and work.axis(work.option("axis"), x.rank):
        raise Refusal(notimpl("a choice along an inner axis"))
    ids = ops.Cast(indices.value, "int64")
    if x.rank == 2 and isinstance(x.value, Parameter):
        return indices.like(ops.Embedding(ids, work.weight(x, "weight"), None))
    return indices.like(ops.Take(x.value, ids, 0))
