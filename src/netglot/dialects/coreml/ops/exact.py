"""Layers for tensors of any rank, which coremltools writes where arrays keep their shapes.

Axes are counted from the back where negative. Comparisons give numbers, 0 or 1, and so do places.
"""

from __future__ import annotations

import math

from netglot.dialects.coreml.dialect import coreml
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Part
from netglot.pivot.op import dtype_of, normal_axis, shape_of

_UNARY = {
    "copy": ops.Identity, "ceil": ops.Ceil, "floor": ops.Floor, "sign": ops.Sign, "round": ops.Round, "sin": ops.Sin,
    "cos": ops.Cos, "tan": ops.Tan, "asin": ops.Asin, "acos": ops.Acos, "atan": ops.Atan, "sinh": ops.Sinh,
    "cosh": ops.Cosh, "tanh": ops.Tanh, "asinh": ops.Asinh, "acosh": ops.Acosh, "atanh": ops.Atanh, "erf": ops.Erf,
}  # fmt: skip
_BINARY = {
    "modBroadcastable": ops.Remainder, "minBroadcastable": ops.Minimum, "maxBroadcastable": ops.Maximum,
    "addBroadcastable": ops.Add, "powBroadcastable": ops.Power, "divideBroadcastable": ops.Divide,
    "floorDivBroadcastable": ops.FloorDivide, "multiplyBroadcastable": ops.Multiply,
    "subtractBroadcastable": ops.Subtract,
}  # fmt: skip
_COMPARED = {
    "equal": ops.Equal, "notEqual": ops.NotEqual, "lessThan": ops.Less, "lessEqual": ops.LessEqual,
    "greaterThan": ops.Greater, "greaterEqual": ops.GreaterEqual,
}  # fmt: skip
_LOGIC = {"logicalOr": ops.LogicalOr, "logicalXor": ops.LogicalXor, "logicalAnd": ops.LogicalAnd}
_REDUCED = {
    "reduceL1": lambda x, axes, keep: ops.Sum(ops.Abs(x), axes, keep),
    "reduceL2": lambda x, axes, keep: ops.Sqrt(ops.Sum(ops.Square(x), axes, keep)),
    "reduceMax": ops.Max,
    "reduceMin": ops.Min,
    "reduceSum": ops.Sum,
    "reduceProd": ops.Prod,
    "reduceMean": ops.Mean,
    "reduceLogSum": lambda x, axes, keep: ops.Log(ops.Sum(x, axes, keep)),
    "reduceSumSquare": lambda x, axes, keep: ops.Sum(ops.Square(x), axes, keep),
    "reduceLogSumExp": ops.LogSumExp,
}


def _plain(x):
    """A tensor of numbers; whole ones become others."""
    return x if dtype_of(x) == "float32" else ops.Cast(x, "float32")


def _truth(x):
    return ops.NotEqual(_plain(x), 0.0)


def _compared(op):
    def read(layer, x, y=None):
        other = layer.options.number("alpha", 0.0) if y is None else _plain(y)
        return ops.Cast(op(_plain(x), other), "float32")

    return read


def _reduced(op):
    def read(layer, x):
        options, rank = layer.options, len(shape_of(x))
        axes = tuple(sorted({normal_axis(int(one), rank) for one in options.all("axes")}))
        whole = options.flag("reduceAll") or not axes
        return op(_plain(x), tuple(range(rank)) if whole else axes, options.flag("keepDims") and not whole)

    return read


def _declare() -> None:
    for name, op in _UNARY.items():
        coreml.reads(name)(lambda layer, x, op=op: op(x if op is ops.Identity else _plain(x)))
    for name, op in _BINARY.items():
        coreml.reads(name)(lambda layer, x, y, op=op: op(_plain(x), _plain(y)))
    for name, op in _COMPARED.items():
        coreml.reads(name)(_compared(op))
    for name, op in _LOGIC.items():
        coreml.reads(name)(lambda layer, x, y, op=op: ops.Cast(op(_truth(x), _truth(y)), "float32"))
    for name, op in _REDUCED.items():
        coreml.reads(name)(_reduced(op))


_declare()


@coreml.reads("logicalNot")
def logical_not(layer, x):
    return ops.Cast(ops.LogicalNot(_truth(x)), "float32")


@coreml.reads("exp2")
def exp2(layer, x):
    return ops.Exp(ops.Multiply(x, math.log(2)))


@coreml.reads("gelu")
def gelu(layer, x):
    mode = layer.options.integer("mode", 0)
    if mode not in (0, 1, 2):
        raise Refusal(notimpl(f"a GELU of the kind {mode}"))
    return ops.Multiply(x, ops.Sigmoid(ops.Multiply(x, 1.702))) if mode == 2 else ops.Gelu(x, mode == 1)


@coreml.reads("clampedReLU")
def clamped_relu(layer, x):
    return ops.Minimum(ops.LeakyRelu(x, layer.options.number("alpha", 0.0)), layer.options.number("beta", 0.0))


@coreml.reads("whereBroadcastable")
def where(layer, condition, x, y):
    return ops.Where(_truth(condition), _plain(x), _plain(y))


@coreml.reads("softmaxND")
def softmax(layer, x):
    return ops.Softmax(x, normal_axis(layer.options.integer("axis", 0), len(shape_of(x))))


@coreml.reads("layerNormalization")
def layer_normalization(layer, x):
    options, rank = layer.options, len(shape_of(x))
    size = tuple(int(one) for one in options.all("normalizedShape"))
    if tuple(shape_of(x)[rank - len(size) :]) != size:
        raise InputError(f"{layer.name}: {list(shape_of(x))} normalised over {list(size)}")
    scale, offset = layer.weight("gamma", "weight", size), layer.weight("beta", "bias", size)
    return ops.LayerNorm(x, scale, offset, options.number("eps", 1e-5), tuple(range(rank - len(size), rank)))


@coreml.reads("batchedMatmul")
def batched_matmul(layer, x, y=None):
    options = layer.options

    def turned(one, name: str):
        rank = len(shape_of(one))
        return ops.Permute(one, (*range(rank - 2), rank - 1, rank - 2)) if options.flag(name) else one

    if options.flag("int8DynamicQuantize"):
        raise Refusal(notimpl("a product that is quantised while it runs"))
    if y is not None:
        return ops.Matmul(turned(x, "transposeA"), turned(y, "transposeB"))
    rows, columns = (options.integer(f"weightMatrix{one}Dimension") for one in ("First", "Second"))
    bias = layer.weight("bias", "bias", (columns,)) if options.flag("hasBias") else None
    weight = layer.weight("weights", "weight", (columns, rows))  # stored column after column
    return ops.Linear(turned(x, "transposeA"), weight, bias)


@coreml.reads("embeddingND")
def embedding_nd(layer, ids):
    options, shape = layer.options, shape_of(ids)
    rows, columns = options.integer("vocabSize"), options.integer("embeddingSize")
    weight = ops.Permute(layer.weight("weights", "weight", (columns, rows)), (1, 0))
    found = ops.Embedding(ops.Cast(ops.Reshape(ids, shape[:-1]), "int64"), weight, None)
    return ops.Add(found, layer.weight("bias", "bias", (columns,))) if options.flag("hasBias") else found


# -- moving elements


@coreml.reads("tile")
def tile(layer, x):
    times = tuple(int(one) for one in layer.options.all("reps"))
    if len(times) != len(shape_of(x)):
        raise Refusal(notimpl(f"{len(times)} repeats of {len(shape_of(x))} axes"))
    return ops.Tile(x, times)


@coreml.reads("stack")
def stack(layer, *xs):
    return ops.Stack(tuple(xs), normal_axis(layer.options.integer("axis", 0), len(shape_of(xs[0])) + 1))


@coreml.reads("concatND")
def concat(layer, *xs):
    if layer.options.flag("interleave"):
        raise Refusal(notimpl("tensors joined element by element"))
    return ops.Concat(tuple(xs), normal_axis(layer.options.integer("axis", 0), len(shape_of(xs[0]))))


@coreml.reads("splitND")
def split(layer, x):
    options = layer.options
    axis = normal_axis(options.integer("axis", 0), len(shape_of(x)))
    size, count = shape_of(x)[axis], options.integer("numSplits", 0) or layer.results
    sizes = tuple(int(one) for one in options.all("splitSizes"))
    if not sizes and (not isinstance(size, int) or not 0 < count <= 65536 or size % count):
        raise InputError(f"{layer.name}: {size} elements in {count} parts")
    sizes = sizes or (size // count,) * count
    if sum(sizes) != size or len(sizes) > layer.results:
        raise InputError(f"{layer.name}: {size} elements in parts of {list(sizes)}")
    if len(sizes) == 1:
        return [x]
    cut = ops.Split(x, sizes, axis)
    return [Part(cut, i) for i in range(len(sizes))]


@coreml.reads("transpose")
def transpose(layer, x):
    order = tuple(int(one) for one in layer.options.all("axes"))
    if sorted(order) != list(range(len(shape_of(x)))):
        raise InputError(f"{layer.name}: the order {list(order)}")
    return ops.Permute(x, order)


@coreml.reads("expandDims")
def expand_dims(layer, x):
    axes, shape = [int(one) for one in layer.options.all("axes")], list(shape_of(x))
    rank = len(shape) + len(axes)
    for axis in sorted(normal_axis(one, rank) for one in axes):
        shape.insert(axis, 1)
    return ops.Reshape(x, tuple(shape))


@coreml.reads("squeeze")
def squeeze(layer, x):
    options, shape = layer.options, shape_of(x)
    axes = {normal_axis(int(one), len(shape)) for one in options.all("axes")}
    if options.flag("squeezeAll"):
        axes = {i for i, size in enumerate(shape) if size == 1}
    return ops.Reshape(x, tuple(size for i, size in enumerate(shape) if i not in axes))


@coreml.reads("flattenTo2D")
def flatten_to_2d(layer, x):
    shape = shape_of(x)
    axis = normal_axis(layer.options.integer("axis", 1), len(shape) + 1)
    return ops.Reshape(x, (product(shape[:axis]), product(shape[axis:])))


@coreml.reads("reshapeStatic", "rankPreservingReshape")
def reshape_static(layer, x):
    """A fixed shape; a leading size that the input's batch has stays the batch."""
    shape, wanted = shape_of(x), [int(one) for one in layer.options.all("targetShape")]
    wanted = [shape[i] if one == 0 and i < len(shape) else one for i, one in enumerate(wanted)]
    total = product(shape)
    if isinstance(total, int):
        if -1 in wanted:
            wanted[wanted.index(-1)] = total // max(product(one for one in wanted if one != -1), 1)
        return ops.Reshape(x, tuple(wanted))
    if wanted and wanted[0] == 1 and -1 not in wanted and product(wanted) == product(shape[1:]):
        return ops.Reshape(x, (shape[0], *wanted[1:]))
    raise Refusal(notimpl(f"a reshape of {list(shape)} to {wanted}"))


@coreml.reads("reshapeLike")
def reshape_like(layer, x, like):
    return ops.Reshape(x, shape_of(like))


@coreml.reads("broadcastToLike")
def broadcast_like(layer, x, like):
    return ops.Broadcast(x, shape_of(like))


@coreml.reads("broadcastToStatic")
def broadcast_static(layer, x):
    return ops.Broadcast(x, tuple(int(one) for one in layer.options.all("targetShape")))


@coreml.reads("sliceStatic")
def slice_static(layer, x):
    options = layer.options
    begins, ends, steps = ([int(one) for one in options.all(name)] for name in ("beginIds", "endIds", "strides"))
    masks = [[bool(one) for one in options.all(name)] for name in ("beginMasks", "endMasks", "squeezeMasks")]
    shape, rank = shape_of(x), len(begins)
    first, last, dropped = (held + [False] * (rank - len(held)) for held in masks)
    if not len(begins) == len(ends) == len(steps) == len(shape):
        raise InputError(f"{layer.name}: a slice of {rank} axes of a tensor with {len(shape)}")
    keep = []
    for axis in range(rank):
        size = shape[axis]
        if dropped[axis]:
            at = begins[axis] + size if begins[axis] < 0 else begins[axis]
            x = ops.Slice(x, axis, at, at + 1, 1)
            continue
        keep.append(axis)
        if steps[axis] < 0:
            if steps[axis] != -1 or not first[axis] or not last[axis]:
                raise Refusal(notimpl("a slice that runs backwards"))
            x = ops.Flip(x, (axis,))
            continue
        start = 0 if first[axis] else begins[axis] + size if begins[axis] < 0 else begins[axis]
        stop = size if last[axis] else ends[axis] + size if ends[axis] < 0 else ends[axis]
        stop = min(stop, size) if isinstance(stop, int) and isinstance(size, int) else stop
        if (start, stop, steps[axis]) != (0, size, 1):
            x = ops.Slice(x, axis, start, stop, steps[axis])
    if len(keep) == rank:
        return x
    x = layer.assembly.build(x)
    return ops.Reshape(x, tuple(shape_of(x)[axis] for axis in keep))


@coreml.reads("constantPad")
def constant_pad(layer, x):
    options, rank = layer.options, len(shape_of(x))
    amounts = tuple(int(one) for one in options.all("padAmounts"))
    if options.flag("padToGivenOutputSizeMode") or len(amounts) != 2 * rank:
        raise Refusal(notimpl("padding to a size"))
    return ops.Pad(x, amounts[::2], amounts[1::2], "constant", options.number("value", 0.0))


@coreml.reads("reverse")
def reverse(layer, x):
    return ops.Flip(x, tuple(i for i, one in enumerate(layer.options.all("reverseDim")) if one))


@coreml.reads("gather")
def gather(layer, x, ids):
    return ops.Take(x, ops.Cast(ids, "int64"), normal_axis(layer.options.integer("axis", 0), len(shape_of(x))))


@coreml.reads("gatherAlongAxis")
def gather_along(layer, x, ids):
    axis = normal_axis(layer.options.integer("axis", 0), len(shape_of(x)))
    return ops.TakeAlongAxis(x, ops.Cast(ids, "int64"), axis)


@coreml.reads("topK")
def top_k(layer, x):
    options = layer.options
    axis = normal_axis(options.integer("axis", -1), len(shape_of(x)))
    best = ops.TopK(x, options.integer("K", 1), axis, not options.flag("useBottomK"), "int64")
    return [Part(best, 0), ops.Cast(Part(best, 1), "float32")]


@coreml.reads("argMax", "argMin")
def argmax(layer, x):
    axis = normal_axis(layer.options.integer("axis", -1), len(shape_of(x)))
    op = ops.Argmax if layer.kind == "argMax" else ops.Argmin
    return ops.Cast(op(x, axis, not layer.options.flag("removeDim")), "float32")


@coreml.reads("cumSum")
def cumulative_sum(layer, x):
    options = layer.options
    axis = normal_axis(options.integer("axis", 0), len(shape_of(x)))
    if options.flag("excludeFinalSum"):
        raise Refusal(notimpl("running sums that leave the element itself out"))
    if options.flag("reverse"):
        return ops.Flip(ops.CumulativeSum(ops.Flip(x, (axis,)), axis), (axis,))
    return ops.CumulativeSum(x, axis)


@coreml.reads("oneHot")
def one_hot(layer, ids):
    options = layer.options
    if options.integer("axis", -1) != -1:
        raise Refusal(notimpl("a one-hot axis that is not the last"))
    hot = ops.OneHot(ops.Cast(ids, "int64"), options.integer("oneHotVectorSize"), "float32")
    on, off = options.number("onValue", 1.0), options.number("offValue", 0.0)
    return hot if (on, off) == (1, 0) else ops.Add(ops.Multiply(hot, on - off), off)


@coreml.reads("lowerTriangular")
def lower_triangular(layer, x):
    return ops.Tril(x, layer.options.integer("k", 0))


@coreml.reads("upperTriangular")
def upper_triangular(layer, x):
    return ops.Triu(x, layer.options.integer("k", 0))


@coreml.reads("loadConstantND")
def load_constant(layer):
    shape = tuple(int(one) for one in layer.options.all("shape"))
    return layer.weight("data", "value", shape, "constant")


@coreml.reads("fillStatic")
def fill_static(layer):
    shape = tuple(int(one) for one in layer.options.all("targetShape"))
    return ops.Full(shape, layer.options.number("value", 0.0), "float32")


@coreml.reads("fillLike")
def fill_like(layer, like):
    return ops.Full(shape_of(like), layer.options.number("value", 0.0), "float32")


@coreml.reads("mvn")
def mvn(layer, x):
    """Mean and variance of each picture, or of each channel of it."""
    options, rank = layer.options, len(shape_of(x))
    axes = tuple(range(rank - (3 if options.flag("acrossChannels") else 2), rank))
    centred = ops.Subtract(x, ops.Mean(x, axes, True))
    if not options.flag("normalizeVariance"):
        return centred
    spread = ops.Add(ops.Mean(ops.Square(centred), axes, True), options.number("epsilon", 1e-5))
    return ops.Divide(centred, ops.Sqrt(spread))


@coreml.reads("reorganizeData")
def reorganize(layer, x):
    """Blocks of a picture to channels and back; the place in the block stands before the channel, or behind it."""
    options = layer.options
    mode, s = options.integer("mode", 0), options.integer("blockSize", 2)
    batch, channels, height, width = shape_of(x)
    if s < 2 or mode not in (0, 1, 2):
        raise InputError(f"{layer.name}: blocks of {s}")
    if mode == 0:
        apart = ops.Reshape(x, (batch, channels, height // s, s, width // s, s))
        shape = (batch, channels * s * s, height // s, width // s)
        return ops.Reshape(ops.Permute(apart, (0, 3, 5, 1, 2, 4)), shape)
    if mode == 2:
        return ops.PixelShuffle(x, s, 1)
    apart = ops.Reshape(x, (batch, s, s, channels // (s * s), height, width))
    shape = (batch, channels // (s * s), height * s, width * s)
    return ops.Reshape(ops.Permute(apart, (0, 3, 4, 1, 5, 2)), shape)
