"""Products, pools, norms, attention and resizing put together from smaller ops."""

from __future__ import annotations

import math

import numpy as np

from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of
from netglot.pivot.ops.pool import adaptive_spans
from netglot.pivot.ops.resize import resize_matrix
from netglot.pivot.pooling import amounts_of, by_slices, lowest, mean_with_padding, padded, power_mean, unpadded
from netglot.pivot.windows import spatial_axes


def _rank(x) -> int:
    return len(shape_of(x))


def linear(op):
    y = ops.Matmul(op.x, ops.Permute(op.weight, (1, 0)))
    return y if op.bias is None else ops.Add(y, op.bias)


def einsum(op):
    made = product_of_matrices(op)
    if made is None:
        raise Refusal(notimpl(f"the sum of products {op.equation}"))
    return made


def product_of_matrices(op):
    """A sum over one letter of two operands, as a product of matrices with axes in other orders; None where it is
    something else."""
    left, arrow, out = op.equation.partition("->")
    terms = left.split(",")
    if len(terms) != 2 or "." in op.equation or not arrow or any(len(set(t)) != len(t) for t in (*terms, out)):
        return None
    first, second = terms
    batch = [c for c in out if c in first and c in second]
    inner = [c for c in first if c in second and c not in out]
    rows = [c for c in out if c in first and c not in second]
    columns = [c for c in out if c in second and c not in first]
    if (
        len(inner) != 1
        or len(rows) != 1
        or len(columns) != 1
        or {len(first), len(second), len(out)} != {len(batch) + 2}
    ):
        return None
    x = in_order(op.xs[0], first, [*batch, *rows, *inner])
    y = in_order(op.xs[1], second, [*batch, *inner, *columns])
    return in_order(ops.Matmul(x, y), "".join([*batch, *rows, *columns]), list(out))


def in_order(x, letters: str, wanted: list[str]):
    """`x`, whose axes have letters, in another order of them."""
    order = tuple(letters.index(c) for c in wanted)
    return x if order == tuple(range(len(order))) else ops.Permute(x, order)


# -- convolutions and pools


def uneven(op):
    """A convolution or pool whose two sides are padded differently, or by less than nothing, with its padding apart;
    None where its own padding will do."""
    if all(before == after and before >= 0 for before, after in op.padding):
        return None
    axes = spatial_axes(_rank(op.x), op.axis)
    x = op.x
    for axis, (before, after) in zip(axes, op.padding, strict=True):
        x = widened(x, axis, before, after)
    return op.replace(x=x, padding=((0, 0),) * len(op.padding))


def widened(x, axis: int, low: int, high: int):
    """An axis with zeros added, or elements cut off, at both ends."""
    rank, size = _rank(x), shape_of(x)[axis]
    if low < 0 or high < 0:
        x = ops.Slice(x, axis, max(-low, 0), size - max(-high, 0), 1)
    if low > 0 or high > 0:
        before = tuple(max(low, 0) if i == axis else 0 for i in range(rank))
        after = tuple(max(high, 0) if i == axis else 0 for i in range(rank))
        x = ops.Pad(x, before, after, "constant", 0.0)
    return x


def cropped(op):
    """A transposed convolution whose two ends are cut differently, or which is lengthened by a stride or more, with
    the cutting apart; None where its own padding will do."""
    if all(before == after and before >= 0 for before, after in op.padding) and all(
        extra < stride for extra, stride in zip(op.output_padding, op.stride, strict=True)
    ):
        return None
    return crop_apart(op)


def crop_apart(op):
    """A transposed convolution of full length, then cut or lengthened at its ends."""
    none = (0,) * len(op.stride)
    y = op.replace(padding=((0, 0),) * len(none), output_padding=none, bias=None)
    axes = spatial_axes(_rank(op.x), op.axis)
    for axis, (before, after), extra in zip(axes, op.padding, op.output_padding, strict=True):
        y = widened(y, axis, -before, extra - after)
    if op.bias is None:
        return y
    shape = tuple(shape_of(op.bias)[0] if axis == op.axis else 1 for axis in range(_rank(op.x)))
    return ops.Add(y, ops.Reshape(op.bias, shape))


def with_channels(op):
    """A pool of `x` with batch and channels in front; None where it has them."""
    missing = len(op.axes) + 2 - _rank(op.x)
    if missing == 0:
        return None
    shape = shape_of(op.x)
    lead = -missing
    front = (*(1,) * missing, *shape) if missing > 0 else (product(shape[: lead + 1]), *shape[lead + 1 :])
    made = op.replace(x=ops.Reshape(op.x, front), axes=tuple(a + missing for a in op.axes))
    return ops.Reshape(made, shape_of(op))


def sizes_known(op, what: str) -> None:
    """Asserts that the sizes over which a pool goes are known.

    Raises:
        Refusal: they are not.
    """
    if not all(isinstance(shape_of(op.x)[axis], int) for axis in op.axes):
        raise Refusal(notimpl(f"{what} of sizes that are not known"))


def sliced_pool(op):
    """The largest element of each window, by slices."""
    sizes_known(op, "windows")
    x = padded(op.x, op, amounts_of(op), lowest(op.x))
    return by_slices(unpadded(op, x), x, ops.Maximum)


def average(op):
    """A mean of windows by a number of the user's own, or whose last windows overhang; None where it is plain."""
    if op.divisor is not None:
        mean = op.replace(divisor=None, count_include_pad=True)
        if any(extra != 0 for extra in op.overhangs()):
            raise Refusal(notimpl("windows that may overhang, over a number of the user's own"))
        return ops.Multiply(mean, int(np.prod(op.kernel)) / op.divisor)
    return None


def average_apart(op):
    """A mean of windows with its padding apart."""
    sizes_known(op, "windows")
    return mean_with_padding(op)


def lp_pool(op):
    return power_mean(op)


def _adaptive(pool, whole):
    def lower(op):
        if all(size == 1 for size in op.output_size):
            return whole(op.x, op.axes, True)
        sizes = [shape_of(op.x)[axis] for axis in op.axes]
        if not all(isinstance(size, int) for size in (*sizes, *op.output_size)):
            raise Refusal(notimpl("adaptive pooling of sizes that are not known"))
        if all(size % new == 0 for size, new in zip(sizes, op.output_size, strict=True)):
            return pool(op, tuple(size // new for size, new in zip(sizes, op.output_size, strict=True)))
        x = op.x
        for axis, size, new in zip(op.axes, sizes, op.output_size, strict=True):
            parts = [whole(ops.Slice(x, axis, a, b, 1), (axis,), True) for a, b in adaptive_spans(size, new)]
            x = ops.Concat(tuple(parts), axis) if len(parts) > 1 else parts[0]
        return x

    return lower


def _mean_pool(op, kernel):
    return ops.AvgPool(op.x, kernel, kernel, ((0, 0),) * len(kernel), False, True, None, op.axes)


def _max_pool(op, kernel):
    n = len(kernel)
    return ops.MaxPool(op.x, kernel, kernel, ((0, 0),) * n, (1,) * n, False, op.axes)


# -- norms


def batch_norm(op):
    """A batch norm in pieces, over the batch's own statistics where it has none."""
    rank = _rank(op.x)
    axes = tuple(a for a in range(rank) if a != op.axis)
    shape = tuple(shape_of(op.x)[op.axis] if a == op.axis else 1 for a in range(rank))
    if op.mean is None:
        mean, variance = ops.Mean(op.x, axes, True), ops.Variance(op.x, axes, True, 0)
    else:
        mean, variance = ops.Reshape(op.mean, shape), ops.Reshape(op.variance, shape)
    y = ops.Divide(ops.Subtract(op.x, mean), ops.Sqrt(ops.Add(variance, op.epsilon)))
    return scaled(y, op.scale, op.offset, shape)


def scaled(y, scale, offset, shape):
    """`y` times a scale and plus an offset, both of this shape, where they are given."""
    y = y if scale is None else ops.Multiply(y, ops.Reshape(scale, shape))
    return y if offset is None else ops.Add(y, ops.Reshape(offset, shape))


def _affine(y, scale, offset, axes):
    for weight, kind in ((scale, ops.Multiply), (offset, ops.Add)):
        if weight is None:
            continue
        order = tuple(int(i) for i in np.argsort(axes))
        if tuple(axes) == tuple(range(_rank(y) - len(axes), _rank(y))):  # which broadcasts as it is
            y = kind(y, weight)
            continue
        shape = tuple(shape_of(weight)[axes.index(a)] if a in axes else 1 for a in range(_rank(y)))
        turned = weight if order == tuple(range(len(order))) else ops.Permute(weight, order)
        y = kind(y, ops.Reshape(turned, shape))
    return y


def layer_norm(op):
    axes = tuple(sorted(op.axes))
    centred = ops.Subtract(op.x, ops.Mean(op.x, axes, True))
    variance = ops.Mean(ops.Multiply(centred, centred), axes, True)
    return _affine(ops.Divide(centred, ops.Sqrt(ops.Add(variance, op.epsilon))), op.scale, op.offset, op.axes)


def rms_norm(op):
    square = ops.Mean(ops.Multiply(op.x, op.x), tuple(sorted(op.axes)), True)
    return _affine(ops.Divide(op.x, ops.Sqrt(ops.Add(square, op.epsilon))), op.scale, None, op.axes)


def group_norm(op):
    batch, channels, *space = shape_of(op.x)
    if op.axis != 1:
        raise Refusal(notimpl("groups of channels that are not at axis 1"))
    rows = ops.Reshape(op.x, (batch, op.groups, product(space) * (channels // op.groups)))
    even = ops.LayerNorm(rows, None, None, op.epsilon, (2,))
    return scaled(ops.Reshape(even, shape_of(op.x)), op.scale, op.offset, (channels, *(1,) * len(space)))


def instance_norm(op):
    if op.axis != 1:
        raise Refusal(notimpl("channels that are not at axis 1"))
    axes = tuple(range(2, _rank(op.x)))
    centred = ops.Subtract(op.x, ops.Mean(op.x, axes, True))
    variance = ops.Mean(ops.Multiply(centred, centred), axes, True)
    even = ops.Divide(centred, ops.Sqrt(ops.Add(variance, op.epsilon)))
    return scaled(even, op.scale, op.offset, (shape_of(op.x)[1], *(1,) * len(axes)))


def local_response_norm(op):
    padded_squares = ops.Pad(
        ops.Multiply(op.x, op.x),
        tuple(op.size // 2 if a == op.axis else 0 for a in range(_rank(op.x))),
        tuple((op.size - 1) // 2 if a == op.axis else 0 for a in range(_rank(op.x))),
        "constant",
        0.0,
    )
    count = shape_of(op.x)[op.axis]
    total = ops.Slice(padded_squares, op.axis, 0, count, 1)
    for i in range(1, op.size):
        total = ops.Add(total, ops.Slice(padded_squares, op.axis, i, i + count, 1))
    base = ops.Add(ops.Multiply(total, op.alpha / op.size), op.k)
    return ops.Divide(op.x, ops.Power(base, op.beta))


def normalize(op):
    return ops.Divide(op.x, ops.Maximum(ops.Norm(op.x, (op.axis,), True, op.p), op.epsilon))


# -- attention


def attention(op):
    return _attended(op, *heads_alike(op))[0]


def heads_alike(op):
    """Keys and values, repeated where several heads of queries share them."""
    if op.head_axis != 1:
        raise Refusal(notimpl("attention with time before heads"))
    heads = shape_of(op.query)[1]
    return tuple(
        x if shape_of(x)[1] == heads else ops.Repeat(x, heads // shape_of(x)[1], 1) for x in (op.key, op.value)
    )


_FAR = -1e30
"""What is added where a query may not look: so low that its exponential is nothing."""


_LOWEST = float(np.finfo(np.float32).min)
"""The lowest number that is not infinite. A row of it says the same of all keys, so that they count alike; a row of
minus infinity lets nothing be seen."""


def _attended(op, key, value):
    """The result of attention in pieces, and its weights; a row that may see nothing gives nothing."""
    logits = ops.Matmul(ops.Multiply(op.query, op.scale), ops.Permute(key, (0, 1, 3, 2)))
    seen = None
    if op.mask is not None and dtype_of(op.mask) == "bool":
        seen = op.mask
        logits = ops.Where(op.mask, logits, _FAR)
    elif op.mask is not None:
        seen = ops.GreaterEqual(op.mask, _LOWEST)
        logits = ops.Add(logits, ops.Maximum(op.mask, _FAR))
    if getattr(op, "causal", False):
        earlier = _earlier(shape_of(logits)[-2:])
        logits = ops.Where(earlier, logits, _FAR)
        seen = earlier if seen is None else ops.LogicalAnd(seen, earlier)
    weights = ops.Softmax(logits, 3)
    if seen is not None:
        weights = ops.Multiply(weights, ops.Cast(seen, dtype_of(op.query)))
    return ops.Matmul(weights, value), weights


def _earlier(sizes):
    """Where a query's place is no earlier than a key's."""
    queries, keys = sizes
    if not isinstance(queries, int) or not isinstance(keys, int):
        raise Refusal(notimpl("attention that looks back, over sequences whose length is not known"))
    return np.tril(np.ones((queries, keys), bool))


def multi_head_attention(op, attended=None):
    """Projections around attention; `attended` gives the result and the weights of the part between."""

    def project(x, weight, bias):
        x = x if op.batch_axis == 0 else ops.Permute(x, (1, 0, 2))
        y = ops.Linear(x, weight, bias)
        batch, time, features = shape_of(y)
        return ops.Permute(ops.Reshape(y, (batch, time, op.heads, features // op.heads)), (0, 2, 1, 3))

    query = project(op.query, op.wq, op.bq)
    key, value = project(op.key, op.wk, op.bk), project(op.value, op.wv, op.bv)
    plain = ops.Attention(query, key, value, op.mask, shape_of(query)[3] ** -0.5, False, 0.0, 1)
    out, weights = (attended or _attended)(plain, key, value)
    batch, heads, time, size = shape_of(out)
    joined = ops.Reshape(ops.Permute(out, (0, 2, 1, 3)), (batch, time, heads * size))
    y = ops.Linear(joined, op.wo, op.bo)
    return (y if op.batch_axis == 0 else ops.Permute(y, (1, 0, 2))), weights


# -- reductions


def variance(op):
    count = [shape_of(op.x)[a] for a in op.axes]
    centred = ops.Subtract(op.x, ops.Mean(op.x, op.axes, True))
    squares = ops.Multiply(centred, centred)
    if op.correction == 0:
        return ops.Mean(squares, op.axes, op.keepdims)
    if not all(isinstance(n, int) for n in count):
        raise Refusal(notimpl("an unbiased variance over a number of elements that is not known"))
    return ops.Divide(ops.Sum(squares, op.axes, op.keepdims), float(max(0, int(np.prod(count)) - op.correction)))


def norm(op):
    how = op.axes, op.keepdims
    if op.p == 2:
        return ops.Sqrt(ops.Sum(ops.Multiply(op.x, op.x), *how))
    if op.p == 1:
        return ops.Sum(ops.Abs(op.x), *how)
    if math.isinf(op.p):
        return (ops.Max if op.p > 0 else ops.Min)(ops.Abs(op.x), *how)
    if op.p == 0:
        return ops.Sum(ops.Cast(ops.NotEqual(op.x, 0.0), dtype_of(op.x)), *how)
    return ops.Power(ops.Sum(ops.Power(ops.Abs(op.x), op.p), *how), 1 / op.p)


def log_sum_exp(op):
    top = ops.Max(op.x, op.axes, True)
    total = ops.Add(ops.Log(ops.Sum(ops.Exp(ops.Subtract(op.x, top)), op.axes, True)), top)
    return total if op.keepdims else ops.Reshape(total, shape_of(op))


def mean(op):
    count = [shape_of(op.x)[a] for a in op.axes]
    if not all(isinstance(n, int) for n in count):
        raise Refusal(notimpl("a mean over a number of elements that is not known"))
    return ops.Multiply(ops.Sum(op.x, op.axes, op.keepdims), 1 / int(np.prod(count)))


# -- resizing


def resize(op):
    """Each axis is a product with the matrix of its weights."""
    if op.mode == "area":
        return ops.AdaptiveAvgPool(op.x, op.size, op.axes)
    x = op.x
    for i, (axis, new) in enumerate(zip(op.axes, op.size, strict=True)):
        old = shape_of(x)[axis]
        if not isinstance(old, int) or not isinstance(new, int):
            raise Refusal(notimpl(f"resizing by {op.mode} of sizes that are not known"))
        weights = resize_matrix(old, new, op.scale[i] if op.scale else None, op.mode, op.align_corners, op.antialias)
        order = tuple([a for a in range(_rank(x)) if a != axis] + [axis])
        back = tuple(order.index(a) for a in range(_rank(x)))
        line = ops.Matmul(ops.Permute(x, order), weights.T.astype(numpy_dtype(dtype_of(x))))
        x = ops.Permute(line, back)
    return x


def pixel_shuffle(op):
    batch, channels, *space = shape_of(op.x)
    r, n = op.factor, len(space)
    apart = ops.Reshape(op.x, (batch, channels // r**n, *(r,) * n, *space))
    order = (0, 1, *(axis for i in range(n) for axis in (2 + n + i, 2 + i)))
    return ops.Reshape(ops.Permute(apart, order), shape_of(op))


def pixel_unshuffle(op):
    batch, channels, *space = shape_of(op.x)
    r, n = op.factor, len(space)
    apart = ops.Reshape(op.x, (batch, channels, *(part for size in space for part in (size // r, r))))
    order = (0, 1, *(3 + 2 * i for i in range(n)), *(2 + 2 * i for i in range(n)))
    return ops.Reshape(ops.Permute(apart, order), shape_of(op))


def affine_grid(op):
    """The product of the places of the grid, which are known, with the maps."""
    if not all(isinstance(n, int) for n in op.size):
        raise Refusal(notimpl("a grid of a size that is not known"))
    lines = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in op.size]
    if not op.align_corners:
        lines = [line * (n - 1) / n for line, n in zip(lines, op.size, strict=True)]
    places = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(op.size)], -1)
    flat = places.reshape(-1, len(op.size) + 1).astype(numpy_dtype(dtype_of(op.theta)))
    turned = ops.Matmul(op.theta, np.ascontiguousarray(flat.T))
    return ops.Reshape(ops.Permute(turned, (0, 2, 1)), shape_of(op))


TABLE = {
    ops.Linear: linear,
    ops.Einsum: einsum,
    ops.LpPool: lp_pool,
    ops.AdaptiveAvgPool: _adaptive(_mean_pool, ops.Mean),
    ops.AdaptiveMaxPool: _adaptive(_max_pool, ops.Max),
    ops.BatchNorm: batch_norm,
    ops.LayerNorm: layer_norm,
    ops.RmsNorm: rms_norm,
    ops.GroupNorm: group_norm,
    ops.InstanceNorm: instance_norm,
    ops.LocalResponseNorm: local_response_norm,
    ops.Normalize: normalize,
    ops.Attention: attention,
    ops.MultiHeadAttention: multi_head_attention,
    ops.Variance: variance,
    ops.StandardDeviation: lambda op: ops.Sqrt(ops.Variance(op.x, op.axes, op.keepdims, op.correction)),
    ops.Norm: norm,
    ops.LogSumExp: log_sum_exp,
    ops.Mean: mean,
    ops.Any: lambda op: ops.Greater(ops.Max(ops.Cast(op.x, "float32"), op.axes, op.keepdims), 0.0),
    ops.All: lambda op: ops.Greater(ops.Min(ops.Cast(op.x, "float32"), op.axes, op.keepdims), 0.0),
    ops.Resize: resize,
    ops.PixelShuffle: pixel_shuffle,
    ops.PixelUnshuffle: pixel_unshuffle,
    ops.AffineGrid: affine_grid,
    ops.Dropout: lambda op: ops.Identity(op.x),
    ops.AlphaDropout: lambda op: ops.Identity(op.x),
}
