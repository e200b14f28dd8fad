"""Moving elements about: reshaping, joining, cutting, padding, and making tensors."""

from __future__ import annotations

from netglot.dialects.lengths import last, turned, within
from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.ops.arithmetic import number_for
from netglot.dialects.mxnet.work import Missing
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.graph import Part
from netglot.pivot.op import normal_axis, shape_of, type_of


@mxnet.reads("Flatten", "flatten")
def flatten(work, x):
    flat = work.flat(x)
    return ops.Identity(flat) if flat is x else flat


@mxnet.reads("Reshape", "reshape")
def reshape(work, x):
    """MXNet's own words: 0 keeps a size, -1 is what is left, -2 all that follow, -3 two in one, -4 one in two."""
    node = work.node
    shape, wanted = list(shape_of(x)), list(node.integers("shape") or node.integers("target_shape"))
    if node.flag("reverse"):
        if -4 in wanted:
            raise Refusal(notimpl("a reshape that counts from the end and cuts a size in two"))
        made = _told(node, shape[::-1], wanted[::-1])[::-1]
    else:
        made = _told(node, shape, wanted)
    return ops.Reshape(x, _completed(made, product(shape)))


def _told(node, shape: list, wanted: list) -> list:
    """The sizes that the words of a reshape stand for; -1 stays."""
    made: list = []
    at = 0
    while wanted:
        one = wanted.pop(0)
        if one > 0:
            made.append(one)
            at += 1
        elif one == 0:
            made.append(shape[at])
            at += 1
        elif one == -1:
            made.append(-1)
            at += 1
        elif one == -2:
            made += shape[at:]
            at = len(shape)
        elif one == -3:
            made.append(shape[at] * shape[at + 1])
            at += 2
        elif one == -4:
            first, second = wanted.pop(0), wanted.pop(0)
            size = shape[at]
            made += [size // second if first == -1 else first, size // first if second == -1 else second]
            at += 1
        else:
            raise InputError(f"{node.name}: the size {one}")
    return made


def _completed(made: list, total) -> tuple:
    """A shape whose one size of -1 is what is left of `total`."""
    if made.count(-1) > 1:
        raise InputError(f"a reshape to {made}")
    if -1 in made:
        rest = product(size for size in made if size != -1)
        if isinstance(rest, int) and rest == 0:
            raise InputError(f"a reshape to {made}")
        made[made.index(-1)] = total // rest
    return tuple(made)


@mxnet.reads("reshape_like")
def reshape_like(work, x, like):
    """Some of the axes of one tensor get the sizes of some of another."""
    node, cuts = work.node, []
    for name, held in (("lhs", x), ("rhs", like)):
        rank = len(shape_of(held))
        begin, end = node.value(f"{name}_begin", 0), node.value(f"{name}_end", rank)
        cuts.append([one + rank if one < 0 else one for one in (int(begin), int(end))])
    (first, last), (start, stop) = cuts
    return ops.Reshape(x, (*shape_of(x)[:first], *shape_of(like)[start:stop], *shape_of(x)[last:]))


@mxnet.reads("transpose")
def transpose(work, x):
    rank = len(shape_of(x))
    return ops.Permute(x, tuple(normal_axis(a, rank) for a in work.node.integers("axes")) or tuple(range(rank))[::-1])


@mxnet.reads("SwapAxis", "swapaxes")
def swap_axis(work, x):
    order = list(range(len(shape_of(x))))
    a, b = (normal_axis(work.node.integer(name, 0), len(order)) for name in ("dim1", "dim2"))
    order[a], order[b] = order[b], order[a]
    return ops.Permute(x, tuple(order))


@mxnet.reads("expand_dims")
def expand_dims(work, x):
    shape = shape_of(x)
    axis = normal_axis(work.node.integer("axis"), len(shape) + 1)
    return ops.Reshape(x, (*shape[:axis], 1, *shape[axis:]))


@mxnet.reads("squeeze")
def squeeze(work, x):
    shape = shape_of(x)
    axes = [normal_axis(axis, len(shape)) for axis in work.node.integers("axis")]
    return ops.Reshape(x, tuple(n for i, n in enumerate(shape) if (i not in axes if axes else n != 1)))


@mxnet.reads("Concat", "concat")
def concat(work, *xs):
    axis = normal_axis(work.node.integer("dim", 1), len(shape_of(xs[0])))
    return ops.Concat(tuple(work.tensor(x) for x in xs), axis) if len(xs) > 1 else ops.Identity(xs[0])


@mxnet.reads("stack")
def stack(work, *xs):
    return ops.Stack(tuple(xs), normal_axis(work.node.integer("axis", 0), len(shape_of(xs[0])) + 1))


@mxnet.reads("SliceChannel", "split")
def slice_channel(work, x):
    node = work.node
    shape, parts = shape_of(x), node.integer("num_outputs")
    axis = normal_axis(node.integer("axis", 1), len(shape))
    if not 1 <= parts <= 65536 or isinstance(shape[axis], Dim) or shape[axis] % parts:
        raise InputError(f"{node.name}: {shape[axis]} elements in {parts} parts")
    if node.flag("squeeze_axis"):
        return [ops.Select(x, axis, i) for i in range(parts)]
    if parts == 1:
        return [x]
    cut = ops.Split(x, (shape[axis] // parts,) * parts, axis)
    return [Part(cut, i) for i in range(parts)]


def _cut(x, axis: int, begin, end, step=None):
    size = shape_of(x)[axis]
    step = step or 1
    if step < 0:
        raise Refusal(notimpl("a slice that runs backwards"))
    start = 0 if begin is None else begin + size if begin < 0 else begin
    stop = size if end is None else end + size if end < 0 else end
    if isinstance(stop, int) and isinstance(size, int):
        stop = min(stop, size)
    return x if (start, stop, step) == (0, size, 1) else ops.Slice(x, axis, start, stop, step)


@mxnet.reads("slice")
def slice_(work, x):
    node = work.node
    begin, end, step = (node.integers(name) for name in ("begin", "end", "step"))
    for axis, (first, stop) in enumerate(zip(begin, end, strict=True)):
        x = _cut(x, axis, first, stop, step[axis] if axis < len(step) else None)
    return x


@mxnet.reads("slice_axis")
def slice_axis(work, x):
    node = work.node
    axis = normal_axis(node.integer("axis"), len(shape_of(x)))
    return _cut(x, axis, node.value("begin"), node.value("end"))


@mxnet.reads("slice_like")
def slice_like(work, x, like):
    axes = work.node.integers("axes") or tuple(range(len(shape_of(like))))
    for axis in axes:
        place = normal_axis(axis, len(shape_of(x)))
        x = _cut(x, place, None, shape_of(like)[place])
    return x


@mxnet.reads("Crop")
def crop(work, x, like=None):
    node = work.node
    size = shape_of(like)[2:] if like is not None else node.integers("h_w")
    offset = node.integers("offset", (0, 0))
    for axis, (want, start) in enumerate(zip(size, offset, strict=True), 2):
        have = shape_of(x)[axis]
        start = (have - want) // 2 if node.flag("center_crop") else start
        x = _cut(x, axis, start, start + want)
    return x


@mxnet.reads("Pad", "pad")
def pad(work, x):
    node = work.node
    width, mode = node.integers("pad_width"), node.text("mode", "constant")
    if len(width) != 2 * len(shape_of(x)) or min(width) < 0 or mode not in ("constant", "edge", "reflect"):
        raise InputError(f"{node.name}: padding {list(width)} by {mode}")
    return ops.Pad(x, tuple(width[::2]), tuple(width[1::2]), mode, node.number("constant_value", 0.0))


@mxnet.reads("tile")
def tile(work, x):
    times = work.node.integers("reps")
    shape = shape_of(x)
    rank = max(len(times), len(shape))
    x = ops.Reshape(x, (*(1,) * (rank - len(shape)), *shape)) if len(shape) < rank else x
    return ops.Tile(x, (*(1,) * (rank - len(times)), *times))


@mxnet.reads("repeat")
def repeat(work, x):
    axis = work.node.value("axis")
    if axis is None:
        raise Refusal(notimpl("a repeat of all elements"))
    return ops.Repeat(x, work.node.integer("repeats"), normal_axis(int(axis), len(shape_of(x))))


@mxnet.reads("reverse", "flip")
def reverse(work, x):
    return ops.Flip(x, tuple(normal_axis(a, len(shape_of(x))) for a in work.node.integers("axis")))


@mxnet.reads("broadcast_to")
def broadcast_to(work, x):
    wanted = work.node.integers("shape")
    return ops.Broadcast(x, tuple(n or have for n, have in zip(wanted, shape_of(x), strict=True)))


@mxnet.reads("broadcast_like")
def broadcast_like(work, x, like):
    node, shape = work.node, list(shape_of(x))
    ours, theirs = node.integers("lhs_axes"), node.integers("rhs_axes")
    if not ours:
        return ops.Broadcast(x, shape_of(like))
    for axis, place in zip(ours, theirs, strict=True):
        shape[normal_axis(axis, len(shape))] = shape_of(like)[normal_axis(place, len(shape_of(like)))]
    return ops.Broadcast(x, tuple(shape))


@mxnet.reads("broadcast_axis", "broadcast_axes")
def broadcast_axis(work, x):
    shape = list(shape_of(x))
    for axis, size in zip(work.node.integers("axis"), work.node.integers("size"), strict=True):
        shape[axis] = size
    return ops.Broadcast(x, tuple(shape))


@mxnet.reads("take")
def take(work, x, indices):
    node = work.node
    axis = normal_axis(node.integer("axis", 0), len(shape_of(x)))
    if node.text("mode", "clip") == "wrap":
        return ops.Take(x, ops.Remainder(ops.Cast(indices, "int64"), shape_of(x)[axis]), axis)
    return ops.Take(x, ops.Cast(indices, "int64"), axis)


@mxnet.reads("pick")
def pick(work, x, index):
    node = work.node
    axis = normal_axis(node.integer("axis", -1), len(shape_of(x)))
    shape = shape_of(x)
    places = ops.Reshape(ops.Cast(index, "int64"), (*shape[:axis], 1, *shape[axis + 1 :]))
    if node.text("mode", "clip") == "wrap":
        places = ops.Remainder(places, shape[axis])
    found = ops.TakeAlongAxis(x, places, axis)
    return found if node.flag("keepdims") else ops.Select(found, axis, 0)


@mxnet.reads("one_hot")
def one_hot(work, ids):
    node = work.node
    hot = ops.OneHot(ops.Cast(ids, "int64"), node.integer("depth"), node.text("dtype", "float32"))
    on, off = node.number("on_value", 1.0), node.number("off_value", 0.0)
    return hot if (on, off) == (1, 0) else ops.Add(ops.Multiply(hot, on - off), off)


def _full(value):
    def read(work, *like):
        node = work.node
        if like:
            return ops.Full(shape_of(like[0]), value, type_of(like[0]).dtype)
        shape = node.integers("shape")
        if any(size == 0 for size in shape):
            return Missing(node.name, shape, value)
        dtype = node.text("dtype", "float32")
        return ops.Full(shape, value, "float32" if dtype in ("None", "") else dtype)

    return read


mxnet.reads("_zeros", "zeros", "zeros_like", "_zeros_without_dtype")(_full(0.0))
mxnet.reads("_ones", "ones", "ones_like")(_full(1.0))


@mxnet.reads("_full")
def full(work):
    return ops.Full(work.node.integers("shape"), work.node.number("value"), work.node.text("dtype", "float32"))


@mxnet.reads("_arange")
def arange(work):
    node = work.node
    stop = node.value("stop")
    start = node.number("start", 0.0)
    start, stop = (0.0, start) if stop is None else (start, float(stop))
    if node.integer("repeat", 1) != 1:
        raise Refusal(notimpl("a range with repeated elements"))
    return ops.Arange(start, stop, node.number("step", 1.0), node.text("dtype", "float32"))


@mxnet.reads("_contrib_arange_like")
def arange_like(work, x):
    node = work.node
    axis = node.value("axis")
    if axis is None or node.integer("repeat", 1) != 1:
        raise Refusal(notimpl("a range as long as all elements"))
    size = shape_of(x)[normal_axis(int(axis), len(shape_of(x)))]
    start, step = node.number("start", 0.0), node.number("step", 1.0)
    steps = ops.Arange(0, size, 1, "float32")
    return ops.Add(ops.Multiply(steps, step), start) if (start, step) != (0, 1) else steps


@mxnet.reads("depth_to_space", "space_to_depth")
def depth_to_space(work, x):
    """Blocks of channels to squares, the place in the square before the channel, and back."""
    s, (batch, channels, height, width) = work.node.integer("block_size"), shape_of(x)
    if s < 1:
        raise InputError(f"{work.node.name}: blocks of {s}")
    if work.node.op == "depth_to_space":
        apart = ops.Reshape(x, (batch, s, s, channels // s**2, height, width))
        order, shape = (0, 3, 4, 1, 5, 2), (batch, channels // s**2, height * s, width * s)
    else:
        apart = ops.Reshape(x, (batch, channels, height // s, s, width // s, s))
        order, shape = (0, 3, 5, 1, 2, 4), (batch, channels * s**2, height // s, width // s)
    return ops.Reshape(ops.Permute(apart, order), shape)


@mxnet.reads("SequenceLast", "SequenceReverse", "SequenceMask")
def sequence(work, x, length=None):
    node = work.node
    axis = node.integer("axis", 0)
    if axis not in (0, 1):
        raise InputError(f"{node.name}: the axis {axis}")
    if length is not None and node.flag("use_sequence_length"):
        if node.op == "SequenceMask":
            kept = within(x, length, axis, 1 - axis)
            return ops.Where(kept, x, number_for(x, node.number("value", 0.0)))
        return (turned if node.op == "SequenceReverse" else last)(x, length, axis, 1 - axis)
    if node.op == "SequenceMask":
        return ops.Identity(x)
    return ops.Flip(x, (axis,)) if node.op == "SequenceReverse" else ops.Select(x, axis, shape_of(x)[axis] - 1)
