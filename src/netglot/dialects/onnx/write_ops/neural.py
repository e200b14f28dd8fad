"""Layers of neural networks as ONNX operators: products, convolutions, pools, norms, attention, resizing."""

from __future__ import annotations

import math

import numpy as np

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.write_ops.masked import over_mask
from netglot.dialects.onnx.write_ops.terms import Result, cast, moved, node, number, order_for, several, vector
from netglot.errors import Refusal, notimpl, notyet
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of
from netglot.pivot.ops.pool import adaptive_spans
from netglot.pivot.ops.resize import resize_matrix
from netglot.pivot.pooling import amounts_of, mean_with_padding, power_mean
from netglot.pivot.windows import spatial_axes


def _rank(x) -> int:
    return len(shape_of(x))


# -- orders of axes


@onnx.arranges(
    ops.Conv,
    ops.ConvTranspose,
    ops.BatchNorm,
    ops.GroupNorm,
    ops.InstanceNorm,
    ops.LocalResponseNorm,
    ops.PixelShuffle,
    ops.PixelUnshuffle,
    ops.GridSample,
)
def channels_second(op):
    rank = _rank(op.x)
    if op.axis == 0:
        return None
    return moved(order_for(rank, (0, op.axis), spatial_axes(rank, op.axis)), "x", "out")


@onnx.arranges(
    ops.MaxPool, ops.AvgPool, ops.LpPool, ops.MaxPoolIndices, ops.AdaptiveAvgPool, ops.AdaptiveMaxPool, ops.Resize
)
def space_last(op):
    rank = _rank(op.x)
    return moved(order_for(rank, [axis for axis in range(rank) if axis not in op.axes], op.axes), "x", "out")


@onnx.arranges(ops.LayerNorm)
def features_last(op):
    rank = _rank(op.x)
    return moved(order_for(rank, [axis for axis in range(rank) if axis not in op.axes], op.axes), "x", "out")


@onnx.arranges(ops.Attention)
def heads_before_time(op):
    return moved((0, 2, 1, 3) if op.head_axis == 2 else (0, 1, 2, 3), "query", "key", "value", "out")


# -- products


@onnx.writes(ops.Matmul)
def matmul(op):
    return node("MatMul", op.x, op.y)


@onnx.writes(ops.Linear)
def linear(op):
    if _rank(op.x) == 2:
        return node("Gemm", op.x, op.weight, op.bias, transB=1)
    made = node("MatMul", op.x, ops.Permute(op.weight, (1, 0)))
    return made if op.bias is None else node("Add", made, op.bias)


@onnx.lowers(ops.Einsum)
def product_of_matrices(op):
    """A sum over one letter of two operands is a product of matrices, with axes in other orders."""
    kind = dtype_of(*op.xs)
    if kind == "bfloat16":  # which ONNX's own Einsum does not take
        wide = ops.Einsum(tuple(ops.Cast(x, "float32") for x in op.xs), op.equation)
        return ops.Cast(wide, kind)
    left, arrow, out = op.equation.partition("->")
    terms = left.split(",")
    if len(terms) != 2 or "." in op.equation or not arrow or any(len(set(t)) != len(t) for t in (*terms, out)):
        return None
    first, second = terms
    batch = [c for c in out if c in first and c in second]
    inner = [c for c in first if c in second and c not in out]
    rows, columns = (
        [c for c in out if c in one and c not in other] for one, other in ((first, second), (second, first))
    )
    if len(inner) != 1 or len(rows) != 1 or len(columns) != 1:
        return None
    if len(batch) + 2 != len(first) or len(first) != len(second) or len(out) != len(first):
        return None
    x = _in_order(op.xs[0], first, [*batch, *rows, *inner])
    y = _in_order(op.xs[1], second, [*batch, *inner, *columns])
    return _in_order(ops.Matmul(x, y), "".join([*batch, *rows, *columns]), list(out))


def _in_order(x, letters: str, wanted: list[str]):
    """`x`, whose axes have letters, in another order of them."""
    order = tuple(letters.index(c) for c in wanted)
    return x if order == tuple(range(len(order))) else ops.Permute(x, order)


@onnx.writes(ops.Einsum)
def einsum(op):
    return node("Einsum", *op.xs, equation=op.equation)


for _kind in (ops.Solve, ops.Inverse, ops.SingularValues, ops.Cholesky):
    onnx.refuses(_kind, notyet("ONNX has no operator that decomposes or inverts matrices"))
onnx.refuses(ops.CtcLoss, notimpl("ONNX has no such loss, and a loop is not written"))


# -- convolutions and pools


def _pads(padding) -> list:
    return [before for before, _ in padding] + [after for _, after in padding]


@onnx.writes(ops.Conv)
def conv(op):
    return node(
        "Conv",
        op.x,
        op.weight,
        op.bias,
        kernel_shape=list(shape_of(op.weight)[2:]),
        strides=list(op.stride),
        pads=_pads(op.padding),
        dilations=list(op.dilation),
        group=op.groups,
    )


@onnx.lowers(ops.ConvTranspose)
def cropped(op):
    """ONNX crops no less than nothing, and its runtimes lengthen by less than a stride."""
    if all(p >= 0 for pair in op.padding for p in pair) and all(
        e < max(s, d) for e, s, d in zip(op.output_padding, op.stride, op.dilation, strict=True)
    ):
        return None
    none = ((0, 0),) * len(op.stride)
    y = op.replace(padding=none, output_padding=(0,) * len(op.stride), bias=None)
    for axis, (before, after), extra in zip(
        spatial_axes(_rank(op.x), op.axis), op.padding, op.output_padding, strict=True
    ):
        low, high = -before, extra - after
        y = _widened(y, axis, low, high)
    if op.bias is not None:
        y = ops.Add(y, ops.Reshape(op.bias, (shape_of(op.bias)[0], *(1,) * (_rank(op.x) - 2))))
    return y


def _widened(x, axis: int, low: int, high: int):
    """An axis with zeros added, or elements cut off, at both ends."""
    rank, size = _rank(x), shape_of(x)[axis]
    if low < 0 or high < 0:
        x = ops.Slice(x, axis, max(-low, 0), size - max(-high, 0), 1)
    if low > 0 or high > 0:
        before = tuple(max(low, 0) if i == axis else 0 for i in range(rank))
        after = tuple(max(high, 0) if i == axis else 0 for i in range(rank))
        x = ops.Pad(x, before, after, "constant", 0.0)
    return x


@onnx.writes(ops.ConvTranspose)
def conv_transpose(op):
    return node(
        "ConvTranspose",
        op.x,
        op.weight,
        op.bias,
        kernel_shape=list(shape_of(op.weight)[2:]),
        strides=list(op.stride),
        pads=_pads(op.padding),
        dilations=list(op.dilation),
        output_padding=list(op.output_padding) if any(op.output_padding) else None,
        group=op.groups,
    )


def _with_channels(op):
    """A pool of `x` with batch and channels in front, where it lacks them."""
    missing = len(op.axes) + 2 - _rank(op.x)
    if missing == 0:
        return None
    if missing > 0:
        x = ops.Reshape(op.x, (*(1,) * missing, *shape_of(op.x)))
        made = op.replace(x=x, axes=tuple(a + missing for a in op.axes))
        return ops.Reshape(made, shape_of(op))
    lead = -missing
    shape = shape_of(op.x)
    from netglot.pivot.dims import product

    x = ops.Reshape(op.x, (product(shape[: lead + 1]), *shape[lead + 1 :]))
    made = op.replace(x=x, axes=tuple(a - lead for a in op.axes))
    return ops.Reshape(made, shape_of(op))


def _even(op) -> list:
    """The padding with what the last windows overhang."""
    amounts = amounts_of(op)
    if not all(isinstance(side, int) for pair in amounts for side in pair):
        raise Refusal(notimpl("windows that may overhang, of sizes that are not known"))
    if any(max(pair) >= d * (k - 1) + 1 for pair, k, d in zip(amounts, op.kernel, _dilation(op), strict=True)):
        raise Refusal(notimpl("padding as large as the window"))
    return _pads(amounts)


def _dilation(op):
    return getattr(op, "dilation", (1,) * len(op.axes))


@onnx.lowers(ops.MaxPool, ops.MaxPoolIndices)
def pool_with_channels(op):
    return _with_channels(op)


@onnx.writes(ops.MaxPool)
def max_pool(op):
    return _max_pool(op)


def _max_pool(op):
    return node(
        "MaxPool",
        op.x,
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=_even(op),
        dilations=list(op.dilation) if any(d != 1 for d in op.dilation) else None,
    )


@onnx.writes(ops.MaxPoolIndices)
def max_pool_indices(op):
    plane = int(np.prod([shape_of(op.x)[axis] for axis in op.axes]))
    return node("Mod", Result(_max_pool(op), 1, 2), number(plane, "int64"))


@onnx.lowers(ops.MaxUnpool)
def max_unpool(op):
    kept = shape_of(op.x)[: -len(op.size)]
    plane = int(np.prod(op.size))
    count = int(np.prod(shape_of(op.x)[-len(op.size) :]))
    blank = ops.Full((*kept, plane), 0.0, dtype_of(op.x))
    places, values = (ops.Reshape(one, (*kept, count)) for one in (op.indices, op.x))
    made = ops.ScatterAlongAxis(blank, places, values, len(kept), "set")
    return ops.Reshape(made, shape_of(op))


@onnx.lowers(ops.AvgPool)
def mean_of_windows(op):
    apart = _with_channels(op)
    if apart is not None:
        return apart
    if op.divisor is not None:
        whole = int(np.prod(op.kernel))
        mean = op.replace(divisor=None, count_include_pad=True)
        if any(extra != 0 for extra in op.overhangs()):
            raise Refusal(notimpl("windows that may overhang, over a number of the user's own"))
        return ops.Multiply(mean, whole / op.divisor)
    overhang = any(not isinstance(e, int) or e > 0 for e in op.overhangs())
    return mean_with_padding(op) if op.count_include_pad and overhang else None


@onnx.writes(ops.AvgPool)
def avg_pool(op):
    padded = any(side for pair in op.padding for side in pair)
    return node(
        "AveragePool",
        op.x,
        kernel_shape=list(op.kernel),
        strides=list(op.stride),
        pads=_even(op),
        count_include_pad=1 if op.count_include_pad and padded else None,
    )


@onnx.lowers(ops.LpPool)
def lp_pool(op):
    return power_mean(op)


def _adaptive(pool, whole):
    def lower(op):
        if all(size == 1 for size in op.output_size):
            return whole(op.x, op.axes, True)
        sizes = [shape_of(op.x)[axis] for axis in op.axes]
        if all(
            isinstance(s, int) and isinstance(o, int) and s % o == 0 for s, o in zip(sizes, op.output_size, strict=True)
        ):
            kernel = tuple(s // o for s, o in zip(sizes, op.output_size, strict=True))
            return pool(op, kernel)
        x = op.x
        for axis, size, new in zip(op.axes, sizes, op.output_size, strict=True):
            if not isinstance(size, int) or not isinstance(new, int):
                raise Refusal(notimpl("adaptive pooling of sizes that are not known"))
            parts = [whole(ops.Slice(x, axis, a, b, 1), (axis,), True) for a, b in adaptive_spans(size, new)]
            x = ops.Concat(tuple(parts), axis) if len(parts) > 1 else parts[0]
        return x

    return lower


onnx.lowers(ops.AdaptiveAvgPool)(
    _adaptive(
        lambda op, kernel: ops.AvgPool(op.x, kernel, kernel, ((0, 0),) * len(kernel), False, True, None, op.axes),
        ops.Mean,
    )
)
onnx.lowers(ops.AdaptiveMaxPool)(
    _adaptive(
        lambda op, kernel: ops.MaxPool(
            op.x, kernel, kernel, ((0, 0),) * len(kernel), (1,) * len(kernel), False, op.axes
        ),
        ops.Max,
    )
)


# -- norms


def _ones(x, count) -> np.ndarray:
    return np.ones(count, numpy_dtype(dtype_of(x)))


@onnx.lowers(ops.BatchNorm)
def batch_statistics(op):
    if op.mean is not None and op.axis == 1:
        return None
    rank = _rank(op.x)
    axes = tuple(a for a in range(rank) if a != op.axis)
    shape = tuple(shape_of(op.x)[op.axis] if a == op.axis else 1 for a in range(rank))
    if op.mean is None:
        mean, variance = ops.Mean(op.x, axes, True), ops.Variance(op.x, axes, True, 0)
    else:
        mean, variance = ops.Reshape(op.mean, shape), ops.Reshape(op.variance, shape)
    y = ops.Divide(ops.Subtract(op.x, mean), ops.Sqrt(ops.Add(variance, op.epsilon)))
    return _scaled(y, op.scale, op.offset, shape)


def _scaled(y, scale, offset, shape):
    y = y if scale is None else ops.Multiply(y, ops.Reshape(scale, shape))
    return y if offset is None else ops.Add(y, ops.Reshape(offset, shape))


@onnx.writes(ops.BatchNorm)
def batch_norm(op):
    count = shape_of(op.mean)[0]
    scale = _ones(op.x, count) if op.scale is None else op.scale
    offset = 0 * _ones(op.x, count) if op.offset is None else op.offset
    momentum = None if op.momentum is None else 1 - op.momentum
    return node("BatchNormalization", op.x, scale, offset, op.mean, op.variance, epsilon=op.epsilon, momentum=momentum)


@onnx.lowers(ops.LayerNorm)
def layer_norm_in_order(op):
    rank, n = _rank(op.x), len(op.axes)
    last = tuple(range(rank - n, rank))
    if tuple(op.axes) == last and op.scale is not None:
        return None
    if tuple(op.axes) == last:
        sizes = tuple(shape_of(op.x)[a] for a in last)
        if all(isinstance(s, int) for s in sizes):
            return op.replace(scale=np.ones(sizes, numpy_dtype(dtype_of(op.x))))
    mean = ops.Mean(op.x, tuple(sorted(op.axes)), True)
    centred = ops.Subtract(op.x, mean)
    variance = ops.Mean(ops.Multiply(centred, centred), tuple(sorted(op.axes)), True)
    y = ops.Divide(centred, ops.Sqrt(ops.Add(variance, op.epsilon)))
    return _affine(y, op.scale, op.offset, op.axes)


def _affine(y, scale, offset, axes):
    for weight, kind in ((scale, ops.Multiply), (offset, ops.Add)):
        if weight is None:
            continue
        order = tuple(int(i) for i in np.argsort(axes))
        shape = tuple(shape_of(weight)[axes.index(a)] if a in axes else 1 for a in range(_rank(y)))
        turned = weight if order == tuple(range(len(order))) else ops.Permute(weight, order)
        y = kind(y, ops.Reshape(turned, shape))
    return y


@onnx.writes(ops.LayerNorm)
def layer_norm(op):
    return node("LayerNormalization", op.x, op.scale, op.offset, axis=-len(op.axes), epsilon=op.epsilon)


@onnx.lowers(ops.RmsNorm)
def rms_norm(op):
    square = ops.Mean(ops.Multiply(op.x, op.x), tuple(sorted(op.axes)), True)
    return _affine(ops.Divide(op.x, ops.Sqrt(ops.Add(square, op.epsilon))), op.scale, None, op.axes)


@onnx.lowers(ops.GroupNorm)
def group_norm(op):
    from netglot.pivot.dims import product

    batch, channels, *space = shape_of(op.x)
    if op.axis != 1:
        raise Refusal(notimpl("groups of channels that are not at axis 1"))
    rows = ops.Reshape(op.x, (batch, op.groups, product(space) * (channels // op.groups)))
    kind = numpy_dtype(dtype_of(op.x))
    even = ops.InstanceNorm(rows, np.ones(op.groups, kind), np.zeros(op.groups, kind), op.epsilon, 1)
    return _scaled(ops.Reshape(even, shape_of(op.x)), op.scale, op.offset, (channels, *(1,) * len(space)))


@onnx.writes(ops.InstanceNorm)
def instance_norm(op):
    count = shape_of(op.x)[op.axis]
    if op.axis != 1:
        raise Refusal(notimpl("channels that are not at axis 1"))
    scale = _ones(op.x, count) if op.scale is None else op.scale
    offset = 0 * _ones(op.x, count) if op.offset is None else op.offset
    return node("InstanceNormalization", op.x, scale, offset, epsilon=op.epsilon)


@onnx.lowers(ops.LocalResponseNorm)
def neighbours_before(op):
    if op.size % 2:
        return None
    padded = ops.Pad(
        ops.Multiply(op.x, op.x),
        tuple(op.size // 2 if a == op.axis else 0 for a in range(_rank(op.x))),
        tuple((op.size - 1) // 2 if a == op.axis else 0 for a in range(_rank(op.x))),
        "constant",
        0.0,
    )
    count = shape_of(op.x)[op.axis]
    total = ops.Slice(padded, op.axis, 0, count, 1)
    for i in range(1, op.size):
        total = ops.Add(total, ops.Slice(padded, op.axis, i, i + count, 1))
    base = ops.Add(ops.Multiply(total, op.alpha / op.size), op.k)
    return ops.Divide(op.x, ops.Power(base, op.beta))


@onnx.writes(ops.LocalResponseNorm)
def lrn(op):
    return node("LRN", op.x, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)


@onnx.lowers(ops.Normalize)
def normalize(op):
    return ops.Divide(op.x, ops.Maximum(ops.Norm(op.x, (op.axis,), True, op.p), op.epsilon))


@onnx.writes(ops.Dropout)
def dropout(op):
    if len(op.noise_axes) == _rank(op.x):
        return node("Dropout", op.x, number(op.rate, "float32"))
    return node("Identity", op.x)


@onnx.writes(ops.AlphaDropout)
def alpha_dropout(op):
    return node("Identity", op.x)


# -- attention


@onnx.lowers(ops.Attention)
def attention(op):
    return _attended(op, *_heads_alike(op))[0]


def _heads_alike(op):
    if op.head_axis != 1:
        raise Refusal(notimpl("attention with time before heads"))
    heads = shape_of(op.query)[1]
    return tuple(
        x if shape_of(x)[1] == heads else ops.Repeat(x, heads // shape_of(x)[1], 1) for x in (op.key, op.value)
    )


def _attended(op, key, value):
    """The result of attention in pieces, and its weights."""
    logits = ops.Matmul(ops.Multiply(op.query, op.scale), ops.Permute(key, (0, 1, 3, 2)))
    kind, empty = dtype_of(op.query), False
    if op.mask is not None and dtype_of(op.mask) == "bool":
        logits, empty = ops.Where(op.mask, logits, -math.inf), True
    elif op.mask is not None:
        logits, empty = ops.Add(logits, op.mask), True
    if getattr(op, "causal", False):
        logits = ops.Where(_earlier(shape_of(logits)[-2:]), logits, -math.inf)
    weights = ops.Softmax(logits, 3)
    if empty:  # a query that may see no key
        weights = ops.Where(ops.IsNan(weights), ops.Full((), 0.0, kind), weights)
    return ops.Matmul(weights, value), weights


def _earlier(sizes):
    queries, keys = sizes
    return ops.GreaterEqual(
        ops.Reshape(ops.Arange(0, queries, 1, "int64"), (queries, 1)), ops.Arange(0, keys, 1, "int64")
    )


@onnx.lowers(ops.MultiHeadAttention)
def multi_head_attention(op):
    def project(x, weight, bias):
        x = x if op.batch_axis == 0 else ops.Permute(x, (1, 0, 2))
        y = ops.Linear(x, weight, bias)
        batch, time, features = shape_of(y)
        return ops.Permute(ops.Reshape(y, (batch, time, op.heads, features // op.heads)), (0, 2, 1, 3))

    query = project(op.query, op.wq, op.bq)
    key, value = project(op.key, op.wk, op.bk), project(op.value, op.wv, op.bv)
    plain = ops.Attention(query, key, value, op.mask, shape_of(query)[3] ** -0.5, False, 0.0, 1)
    out, weights = _attended(plain, key, value)
    batch, heads, time, size = shape_of(out)
    joined = ops.Reshape(ops.Permute(out, (0, 2, 1, 3)), (batch, time, heads * size))
    y = ops.Linear(joined, op.wo, op.bo)
    return (y if op.batch_axis == 0 else ops.Permute(y, (1, 0, 2))), weights


# -- recurrent layers


_DIRECTIONS = {"forward": None, "backward": "reverse", "both": "bidirectional"}


def _gates(x, order, hidden: int):
    if order == tuple(range(len(order))):
        return x
    return ops.Concat(tuple(ops.Slice(x, 0, g * hidden, (g + 1) * hidden, 1) for g in order), 0)


def _recurrent(op, kind: str, order, states: int, lengths=None, **options):
    if op.mask is not None:
        return over_mask(op, lambda plain, lengths: _recurrent(plain, kind, order, states, lengths, **options))
    hidden, directions = shape_of(op.w_hh[0])[1], len(op.w_ih)
    x = op.x if op.time_axis == 0 else ops.Permute(op.x, (1, 0, 2))
    w, r = (ops.Stack(tuple(_gates(one, order, hidden) for one in many), 0) for many in (op.w_ih, op.w_hh))
    bias = None
    if op.b_ih or op.b_hh:
        blank = np.zeros(len(order) * hidden, numpy_dtype(dtype_of(op.x)))
        halves = [
            [_gates(one, order, hidden) for one in many] if many else [blank] * directions
            for many in (op.b_ih, op.b_hh)
        ]
        bias = ops.Stack(tuple(ops.Concat(pair, 0) for pair in zip(*halves, strict=True)), 0)
    initial = [ops.Stack(tuple(held), 0) if held else None for held in (op.h0, *((op.c0,) if states == 2 else ()))]
    given = {"hidden_size": hidden, "direction": _DIRECTIONS[op.direction], **options}
    made = node(kind, x, w, r, bias, lengths, *initial, **given)
    count = 1 + states
    if directions == 1:
        out = node("Squeeze", Result(made, 0, count), vector(1))
    else:
        turned = node("Transpose", Result(made, 0, count), perm=[0, 2, 1, 3])
        out = node("Reshape", turned, vector(0, 0, -1))
    if op.time_axis == 1:
        out = node("Transpose", out, perm=[1, 0, 2])
    finals = [
        node("Gather", Result(made, 1 + state, count), number(d, "int64"), axis=0)
        for d in range(directions)
        for state in range(states)
    ]
    return several(out, *finals)


@onnx.writes(ops.Lstm)
def lstm(op):
    return _recurrent(op, "LSTM", (0, 3, 1, 2), 2)


@onnx.writes(ops.Gru)
def gru(op):
    return _recurrent(op, "GRU", (1, 0, 2), 1, linear_before_reset=int(op.reset_after))


@onnx.writes(ops.Rnn)
def rnn(op):
    names = ["Tanh" if op.activation == "tanh" else "Relu"] * len(op.w_ih)
    return _recurrent(op, "RNN", (0,), 1, activations=names)


# -- resizing and sampling


@onnx.lowers(ops.Resize)
def resize_in_pieces(op):
    if op.mode == "area":
        return ops.AdaptiveAvgPool(op.x, op.size, op.axes)
    plain = op.mode.startswith("nearest") or (len(op.axes) <= 2 and not op.antialias and op.mode == "linear")
    cubic = op.mode == "cubic" and len(op.axes) == 2 and not op.antialias and _rank(op.x) == 4
    if (plain and _rank(op.x) == len(op.axes) + 2) or cubic:
        return None
    if op.mode.startswith("nearest"):
        return None
    x = op.x
    for i, (axis, new) in enumerate(zip(op.axes, op.size, strict=True)):
        old = shape_of(x)[axis]
        if not isinstance(old, int) or not isinstance(new, int):
            raise Refusal(notimpl(f"resizing by {op.mode} of sizes that are not known"))
        scale = op.scale[i] if op.scale else None
        weights = resize_matrix(old, new, scale, op.mode, op.align_corners, op.antialias)
        order = tuple([a for a in range(_rank(x)) if a != axis] + [axis])
        back = tuple(order.index(a) for a in range(_rank(x)))
        line = ops.Matmul(ops.Permute(x, order), weights.T.astype(numpy_dtype(dtype_of(x))))
        x = ops.Permute(line, back)
    return x


_MODES = {
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "nearest-exact": {
        "mode": "nearest",
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_ceil",
    },
    "linear": {"mode": "linear"},
    "cubic": {"mode": "cubic", "cubic_coeff_a": -0.75},
}


@onnx.writes(ops.Resize)
def resize(op):
    given = dict(_MODES[op.mode])
    if op.align_corners and not op.mode.startswith("nearest"):
        given["coordinate_transformation_mode"] = "align_corners"
    sizes = dict(zip(op.axes, op.size, strict=True))
    shape = shape_of(op.x)
    if op.scale:
        factors = dict(zip(op.axes, op.scale, strict=True))
        scales = np.asarray([factors.get(a, 1.0) for a in range(len(shape))], "float32")
        return node("Resize", op.x, None, scales, **given)
    return node("Resize", op.x, None, None, [sizes.get(a, shape[a]) for a in range(len(shape))], **given)


@onnx.writes(ops.PixelShuffle)
def pixel_shuffle(op):
    return node("DepthToSpace", op.x, blocksize=op.factor, mode="CRD")


@onnx.lowers(ops.PixelUnshuffle)
def pixel_unshuffle(op):
    n, c, h, w = shape_of(op.x)
    r = op.factor
    apart = ops.Permute(ops.Reshape(op.x, (n, c, h // r, r, w // r, r)), (0, 1, 3, 5, 2, 4))
    return ops.Reshape(apart, shape_of(op))


@onnx.writes(ops.GridSample)
def grid_sample(op):
    return node(
        "GridSample",
        op.x,
        op.grid,
        mode=op.mode,
        padding_mode=op.padding_mode,
        align_corners=int(op.align_corners),
    )


@onnx.lowers(ops.AffineGrid)
def affine_grid(op):
    """The product of the places of the grid, which are known, with the maps."""
    if not all(isinstance(n, int) for n in op.size):
        raise Refusal(notimpl("a grid of a size that is not known"))
    lines = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in op.size]
    if not op.align_corners:
        lines = [line * (n - 1) / n for line, n in zip(lines, op.size, strict=True)]
    places = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(op.size)], -1)
    flat = places.reshape(-1, len(op.size) + 1).astype(numpy_dtype(dtype_of(op.theta)))
    return ops.Reshape(ops.Matmul(flat, ops.Permute(op.theta, (0, 2, 1))), shape_of(op))


# -- reductions


def _whole_picture(kind: str):
    """A fold over all places of a picture, which has an operator of its own."""

    def write(op):
        rank = _rank(op.x)
        everywhere = rank in (4, 5) and op.keepdims and tuple(sorted(op.axes)) == tuple(range(2, rank))
        return node(kind, op.x) if everywhere and dtype_of(op.x).startswith("float") else None

    return write


onnx.writes(ops.Mean)(_whole_picture("GlobalAveragePool"))
onnx.writes(ops.Max)(_whole_picture("GlobalMaxPool"))


def _reduced(kind: str):
    return lambda op: node(kind, op.x, vector(*op.axes), keepdims=int(op.keepdims))


for _kind, _name in (
    (ops.Sum, "ReduceSum"),
    (ops.Mean, "ReduceMean"),
    (ops.Max, "ReduceMax"),
    (ops.Min, "ReduceMin"),
    (ops.Prod, "ReduceProd"),
    (ops.LogSumExp, "ReduceLogSumExp"),
):
    onnx.writes(_kind)(_reduced(_name))


def _truths(kind: str):
    return lambda op: cast(node(kind, cast(op.x, "int32"), vector(*op.axes), keepdims=int(op.keepdims)), "bool")


onnx.writes(ops.Any)(_truths("ReduceMax"))
onnx.writes(ops.All)(_truths("ReduceMin"))


@onnx.lowers(ops.Variance)
def variance(op):
    count = [shape_of(op.x)[a] for a in op.axes]
    centred = ops.Subtract(op.x, ops.Mean(op.x, op.axes, True))
    squares = ops.Multiply(centred, centred)
    if op.correction == 0:
        return ops.Mean(squares, op.axes, op.keepdims)
    if not all(isinstance(n, int) for n in count):
        raise Refusal(notimpl("an unbiased variance over a number of elements that is not known"))
    rest = max(0, int(np.prod(count)) - op.correction)
    total = ops.Sum(squares, op.axes, op.keepdims)
    return ops.Divide(total, float(rest))


@onnx.lowers(ops.StandardDeviation)
def standard_deviation(op):
    return ops.Sqrt(ops.Variance(op.x, op.axes, op.keepdims, op.correction))


@onnx.lowers(ops.Norm)
def norm(op):
    how = op.axes, op.keepdims
    if op.p in (1.0, 2.0):
        return None
    if math.isinf(op.p):
        return (ops.Max if op.p > 0 else ops.Min)(ops.Abs(op.x), *how)
    if op.p == 0:
        return ops.Sum(ops.Cast(ops.NotEqual(op.x, 0.0), dtype_of(op.x)), *how)
    return ops.Power(ops.Sum(ops.Power(ops.Abs(op.x), op.p), *how), 1 / op.p)


@onnx.writes(ops.Norm)
def norm_1_or_2(op):
    return _reduced("ReduceL1" if op.p == 1.0 else "ReduceL2")(op)


def _extreme(kind: str):
    return lambda op: node(kind, op.x, axis=op.axis, keepdims=int(op.keepdims))


onnx.writes(ops.Argmax)(_extreme("ArgMax"))
onnx.writes(ops.Argmin)(_extreme("ArgMin"))


@onnx.writes(ops.CumulativeSum)
def cumulative_sum(op):
    return node("CumSum", op.x, number(op.axis, "int64"))


for _kind in (ops.CumulativeProd, ops.CumulativeMax, ops.CumulativeMin, ops.CumulativeLogSumExp):
    onnx.refuses(_kind, notyet("ONNX has no running fold but the sum, in the versions that runtimes know"))
