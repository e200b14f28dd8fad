"""Reductions, and running sums."""

from __future__ import annotations

from netglot.dialects.paddle.dialect import paddle
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Part
from netglot.pivot.op import FLOATS, normal_axes, normal_axis, shape_of, type_of

Known = object
_FOLDS = {
    "mean": ops.Mean, "max": ops.Max, "min": ops.Min, "amax": ops.Max, "amin": ops.Min, "prod": ops.Prod,
    "any": ops.Any, "all": ops.All, "logsumexp": ops.LogSumExp,
}  # fmt: skip


def axes_of(node, x, axis) -> tuple[int, ...]:
    """The axes that are folded; all where none is said."""
    rank = len(shape_of(x))
    given = node.sizes(axis, "axes") if axis is not None else node.integers("axis", ())
    if any(not -rank <= one < rank for one in given):
        raise InputError(f"{node.type}: the axes {list(given)} of {rank}")
    return normal_axes([] if node.flag("reduce_all") else list(given), rank)


def _keep(node) -> bool:
    return node.flag("keepdim") or node.flag("keep_dim")


def _fold(kind):
    def read(node, x, axis: Known = None):
        return kind(x, axes_of(node, x, axis), _keep(node))

    return read


for _name, _op in _FOLDS.items():
    paddle.reads(_name)(_fold(_op))


@paddle.reads("sum")
def sum_(node, x, axis: Known = None):
    own = type_of(x).dtype
    wanted = node.dtype("dtype", "int64" if own not in FLOATS else own)
    return ops.Sum(x if wanted == own else ops.Cast(x, wanted), axes_of(node, x, axis), _keep(node))


@paddle.reads("mean_all")
def mean_all(node, x):
    return ops.Mean(x, tuple(range(len(shape_of(x)))), False)


@paddle.reads("variance")
def variance(node, x, axis: Known = None):
    axes = axes_of(node, x, axis)
    if product(shape_of(x)[a] for a in axes) == 1:
        raise Refusal(notimpl("a variance of one number"))
    return ops.Variance(x, axes, _keep(node), 1.0)


@paddle.reads("squared_l2_norm")
def squared_l2_norm(node, x):
    return ops.Reshape(ops.Sum(ops.Square(x), tuple(range(len(shape_of(x)))), False), (1,))


def _extreme(kind):
    def read(node, x, axis: Known = None):
        if node.flag("flatten"):
            x, place = ops.Reshape(x, (product(shape_of(x)),)), 0
        else:
            held = node.whole(axis) if axis is not None else node.integer("axis", -1)
            place = normal_axis(held, len(shape_of(x)))
        made = kind(x, place, node.flag("keepdims") or _keep(node))
        wanted = node.dtype("dtype", "int64")
        return made if wanted == "int64" else ops.Cast(made, wanted)

    return read


paddle.reads("argmax")(_extreme(ops.Argmax))
paddle.reads("argmin")(_extreme(ops.Argmin))


def _indexed(fold, find):
    def read(node, x, axis: Known = None):
        place = normal_axis(node.integer("axis", -1), len(shape_of(x)))
        return [fold(x, (place,), _keep(node)), find(x, place, _keep(node))]

    return read


paddle.reads("max_with_index")(_indexed(ops.Max, ops.Argmax))
paddle.reads("min_with_index")(_indexed(ops.Min, ops.Argmin))


@paddle.reads("cumsum")
def cumsum(node, x, axis: Known = None):
    if node.flag("exclusive"):
        raise Refusal(notimpl("a running sum without its own element"))
    if node.flag("flatten"):
        x, place = ops.Reshape(x, (product(shape_of(x)),)), 0
    else:
        place = normal_axis(node.whole(axis) if axis is not None else node.integer("axis", -1), len(shape_of(x)))
    if node.flag("reverse"):
        return ops.Flip(ops.CumulativeSum(ops.Flip(x, (place,)), place), (place,))
    return ops.CumulativeSum(x, place)


@paddle.reads("cumprod")
def cumprod(node, x):
    return ops.CumulativeProd(x, normal_axis(node.integer("dim", node.integer("axis", -1)), len(shape_of(x))))


@paddle.reads("logcumsumexp")
def logcumsumexp(node, x):
    return ops.CumulativeLogSumExp(x, normal_axis(node.integer("axis", -1), len(shape_of(x))))


@paddle.reads("cummax")
def cummax(node, x):
    return [ops.CumulativeMax(x, normal_axis(node.integer("axis", -1), len(shape_of(x)))), None]


@paddle.reads("cummin")
def cummin(node, x):
    return [ops.CumulativeMin(x, normal_axis(node.integer("axis", -1), len(shape_of(x)))), None]


@paddle.reads("topk")
def topk(node, x, k: Known = None):
    count = node.whole(k) if k is not None else node.integer("k", 1)
    place = normal_axis(node.integer("axis", -1), len(shape_of(x)))
    if not isinstance(count, int) or count < 1:
        raise InputError(f"topk: the {count} largest")
    op = ops.TopK(x, count, place, node.flag("largest", True), "int64")
    return [Part(op, 0), Part(op, 1)]


@paddle.reads("argsort")
def argsort(node, x):
    place, down = normal_axis(node.integer("axis", -1), len(shape_of(x))), node.flag("descending")
    return [ops.Sort(x, place, down), ops.Argsort(x, place, down)]
