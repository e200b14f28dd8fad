"""Layers of `paddle.nn`, and functions that work on windows."""

from __future__ import annotations

import numpy as np

from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.steps import Result, several, step
from netglot.errors import Refusal, notimpl
from netglot.passes.composed import TABLE, neural
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of


def layer(kind: str, *operands, weights: dict, arguments: tuple = (), **options):
    """A layer of `paddle.nn`: what it is made with, what it holds, and what it is called with."""
    told = {name: value for name, value in options.items() if value is not None}
    held = {name: tree for name, tree in weights.items() if tree is not None}
    return step(f"nn.{kind}", *operands, weights=held, arguments=arguments, made_with=told)


def _same(values):
    """One number where all are equal."""
    return values[0] if len(set(values)) == 1 else list(values)


def unless(value, default):
    """None for what is said by default."""
    return None if value == default else value


@paddle.lowers(ops.Conv)
def even_conv(op):
    return neural.uneven(op)


@paddle.writes(ops.Conv)
def conv(op):
    out, inside, *kernel = shape_of(op.weight)
    return layer(
        f"Conv{len(kernel)}D",
        op.x,
        weights={"weight": op.weight, "bias": op.bias},
        arguments=(inside * op.groups, out, _same(kernel)),
        stride=unless(_same(op.stride), 1),
        padding=unless(_same([before for before, _ in op.padding]), 0),
        dilation=unless(_same(op.dilation), 1),
        groups=unless(op.groups, 1),
        bias_attr=False if op.bias is None else None,
    )


@paddle.lowers(ops.ConvTranspose)
def cropped(op):
    return neural.cropped(op)


@paddle.writes(ops.ConvTranspose)
def conv_transpose(op):
    inside, out, *kernel = shape_of(op.weight)
    return layer(
        f"Conv{len(kernel)}DTranspose",
        op.x,
        weights={"weight": op.weight, "bias": op.bias},
        arguments=(inside, out * op.groups, _same(kernel)),
        stride=unless(_same(op.stride), 1),
        padding=unless(_same([before for before, _ in op.padding]), 0),
        output_padding=unless(_same(op.output_padding), 0),
        dilation=unless(_same(op.dilation), 1),
        groups=unless(op.groups, 1),
        bias_attr=False if op.bias is None else None,
    )


@paddle.writes(ops.Linear)
def linear(op):
    out, inside = shape_of(op.weight)
    return layer(
        "Linear",
        op.x,
        weights={"weight": ops.Permute(op.weight, (1, 0)), "bias": op.bias},
        arguments=(inside, out),
        bias_attr=False if op.bias is None else None,
    )


@paddle.writes(ops.Embedding)
def embedding(op):
    return layer("Embedding", op.ids, weights={"weight": op.weight}, arguments=tuple(shape_of(op.weight)))


# -- norms


@paddle.lowers(ops.BatchNorm)
def own_statistics(op):
    plain = op.mean is not None and len(shape_of(op.x)) in (2, 3, 4, 5) and op.epsilon <= 1e-3
    return None if plain else TABLE[ops.BatchNorm](op)


@paddle.writes(ops.BatchNorm)
def batch_norm(op):
    rank = len(shape_of(op.x))
    return layer(
        f"BatchNorm{max(rank - 2, 1)}D",
        op.x,
        weights={"weight": op.scale, "bias": op.offset, "_mean": op.mean, "_variance": op.variance},
        arguments=(shape_of(op.mean)[0],),
        momentum=0.9 if op.momentum is None else round(1 - op.momentum, 9),
        epsilon=op.epsilon,
        weight_attr=False if op.scale is None else None,
        bias_attr=False if op.offset is None else None,
    )


@paddle.lowers(ops.LayerNorm)
def layer_norm_in_pieces(op):
    rank = len(shape_of(op.x))
    last = tuple(range(rank - len(op.axes), rank))
    known = all(isinstance(shape_of(op.x)[axis], int) for axis in op.axes)
    small = op.epsilon <= 1e-3  # PaddlePaddle takes no larger one
    return None if tuple(op.axes) == last and known and small else TABLE[ops.LayerNorm](op)


@paddle.writes(ops.LayerNorm)
def layer_norm(op):
    sizes = [shape_of(op.x)[axis] for axis in op.axes]
    flat = int(np.prod(sizes))
    pair = (("weight", op.scale), ("bias", op.offset))
    weights = {name: None if one is None else ops.Reshape(one, (flat,)) for name, one in pair}
    return layer(
        "LayerNorm",
        op.x,
        weights=weights,
        arguments=(sizes,),
        epsilon=op.epsilon,
        weight_attr=False if op.scale is None else None,
        bias_attr=False if op.offset is None else None,
    )


@paddle.writes(ops.GroupNorm)
def group_norm(op):
    return layer(
        "GroupNorm",
        op.x,
        weights={"weight": op.scale, "bias": op.offset},
        arguments=(op.groups, shape_of(op.x)[1]),
        epsilon=op.epsilon,
        weight_attr=False if op.scale is None else None,
        bias_attr=False if op.offset is None else None,
    )


@paddle.writes(ops.Dropout)
def dropout(op):
    shared = [axis for axis in range(len(shape_of(op.x))) if axis not in op.noise_axes]
    axis = list(op.noise_axes) if shared else None
    return step("F.dropout", op.x, op.rate, axis=axis, training=Own("training"))


class Own:
    """An attribute of the network itself."""

    def __init__(self, name: str):
        self.name = name


# -- pools


def _plain(op) -> bool:
    return all(before == after for before, after in op.padding) and len(op.axes) <= 3


def _overhangs(op) -> bool:
    return any(not isinstance(extra, int) or extra > 0 for extra in op.overhangs())


@paddle.lowers(ops.MaxPool)
def max_pool_in_pieces(op):
    apart = neural.with_channels(op)
    if apart is not None:
        return apart
    return None if _plain(op) and all(d == 1 for d in op.dilation) else neural.sliced_pool(op)


@paddle.writes(ops.MaxPool)
def max_pool(op):
    return _pool(op, f"F.max_pool{len(op.axes)}d")


@paddle.lowers(ops.AvgPool)
def avg_pool_in_pieces(op):
    apart = neural.with_channels(op) or neural.average(op)
    if apart is not None:
        return apart
    return None if _plain(op) and not _overhangs(op) else neural.average_apart(op)


@paddle.writes(ops.AvgPool)
def avg_pool(op):
    return _pool(op, f"F.avg_pool{len(op.axes)}d", exclusive=not op.count_include_pad)


def _pool(op, kind: str, **more):
    return step(
        kind,
        op.x,
        _same(op.kernel),
        stride=_same(op.stride),
        padding=unless(_same([before for before, _ in op.padding]), 0),
        ceil_mode=op.ceil_mode or None,
        **more,
    )


def _adaptive(kind: str):
    def write(op):
        n = len(op.axes)
        if n > 3 or len(shape_of(op.x)) != n + 2:
            return step("paddle.assign", TABLE[type(op)](op))
        return step(f"F.adaptive_{kind}_pool{n}d", op.x, list(op.output_size) if n > 1 else op.output_size[0])

    return write


paddle.writes(ops.AdaptiveAvgPool)(_adaptive("avg"))
paddle.writes(ops.AdaptiveMaxPool)(_adaptive("max"))

_SMOOTH = {1: "linear", 2: "bilinear", 3: "trilinear"}


@paddle.writes(ops.Resize)
def resize(op):
    n = len(op.axes)
    plain = len(shape_of(op.x)) == n + 2 and not op.antialias and op.scale is None
    if plain and op.mode == "linear" and n == 2:
        size = list(op.size)
        return step("F.interpolate", op.x, size=size, mode="bilinear", align_corners=op.align_corners, align_mode=0)
    if plain and op.mode == "nearest" and n == 2:
        return step("F.interpolate", op.x, size=list(op.size), mode="nearest")
    return step("paddle.assign", TABLE[ops.Resize](op))


@paddle.writes(ops.PixelShuffle)
def pixel_shuffle(op):
    return step("F.pixel_shuffle", op.x, op.factor)


@paddle.writes(ops.GridSample)
def grid_sample(op):
    if op.mode not in ("bilinear", "nearest") or len(shape_of(op.x)) != 4:
        raise Refusal(notimpl(f"sampling by {op.mode}"))
    padding = {"zeros": "zeros", "border": "border", "reflection": "reflection"}[op.padding_mode]
    return step("F.grid_sample", op.x, op.grid, mode=op.mode, padding_mode=padding, align_corners=op.align_corners)


# -- recurrent layers


def _recurrent(op, kind: str, states: int, used, **options):
    if op.mask is not None:
        raise Refusal(notimpl("a recurrence that leaves steps out"))
    hidden, sides = shape_of(op.w_hh[0])[1], len(op.w_ih)
    back = op.direction == "backward"
    x = ops.Flip(op.x, (op.time_axis,)) if back else op.x
    rows = shape_of(op.w_hh[0])[0]
    blank = (np.zeros(rows, numpy_dtype(dtype_of(op.x))),) * sides
    weights = {}
    for side, ending in enumerate(("", "_reverse")[:sides]):
        weights[f"weight_ih_l0{ending}"] = op.w_ih[side]
        weights[f"weight_hh_l0{ending}"] = op.w_hh[side]
        weights[f"bias_ih_l0{ending}"] = (op.b_ih or blank)[side]
        weights[f"bias_hh_l0{ending}"] = (op.b_hh or blank)[side]
    starts = [ops.Stack(tuple(given), 0) for given in (op.h0, *((op.c0,) if states == 2 else ())) if given]
    made = layer(
        kind,
        x,
        *starts,
        weights=weights,
        arguments=(shape_of(op.x)[2], hidden),
        direction="bidirect" if sides == 2 else None,
        time_major=True if op.time_axis == 0 else None,
        **options,
    )
    count = 1 + states
    out = Result(made, 0, count)
    if back:
        out = step("paddle.flip", out, [op.time_axis])
    finals = [
        step("[]", Result(made, 1 + s, count), (d,)) if 1 + d * states + s in used else None
        for d in range(sides)
        for s in range(states)
    ]
    return several(out, *finals)


@paddle.writes(ops.Lstm)
def lstm(op, used):
    return _recurrent(op, "LSTM", 2, used)


@paddle.writes(ops.Gru)
def gru(op, used):
    if not op.reset_after:
        raise Refusal(notimpl("a GRU whose reset gate comes before the product with the state"))
    return _recurrent(op, "GRU", 1, used)


@paddle.writes(ops.Rnn)
def rnn(op, used):
    return _recurrent(op, "SimpleRNN", 1, used, activation=unless(op.activation, "tanh"))
