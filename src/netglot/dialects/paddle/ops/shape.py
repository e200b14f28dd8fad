"""Moving elements about: reshaping, joining, cutting and padding."""

from __future__ import annotations

from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.paddle.ops.conv import channel_axis
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.graph import Part
from netglot.pivot.op import broadcast_shapes, normal_axis, shape_of

Known = object


@paddle.reads("reshape", "view_shape")
def reshape(node, x, shape: Known = None):
    """0 keeps a size, -1 is what is left."""
    given = node.sizes(shape, "a shape") if shape is not None else node.integers("shape", node.integers("dims"))
    own, made = shape_of(x), []
    for place, one in enumerate(given):
        if isinstance(one, int) and one == 0:
            if place >= len(own):
                raise InputError(f"reshape: {list(own)} to {list(given)}")
            one = own[place]
        made.append(one)
    if sum(isinstance(one, int) and one == -1 for one in made) > 1:
        raise InputError(f"reshape: {list(own)} to {list(given)}")
    if -1 in made:
        rest = product(one for one in made if not (isinstance(one, int) and one == -1))
        if isinstance(rest, int) and rest == 0:
            raise InputError(f"reshape: {list(own)} to {list(given)}")
        made[made.index(-1)] = product(own) // rest
    return ops.Reshape(x, tuple(made))


@paddle.reads("flatten")
def flatten(node, x):
    shape, rank = shape_of(x), len(shape_of(x))
    first, last = (normal_axis(node.integer(n, d), rank) for n, d in (("start_axis", 1), ("stop_axis", -1)))
    if rank == 0:
        return ops.Reshape(x, (1,))
    if not 0 <= first <= last < rank:
        raise InputError(f"flatten: axes {first} to {last} of {rank}")
    return ops.Reshape(x, (*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :]))


@paddle.reads("flatten2")
def flatten2(node, x):
    """The axes before one, and the others: always a matrix."""
    shape, at = shape_of(x), node.integer("axis", 1)
    return ops.Reshape(x, (product(shape[:at]), product(shape[at:])))


@paddle.reads("squeeze")
def squeeze(node, x, axis: Known = None):
    shape = shape_of(x)
    given = node.sizes(axis, "axes") if axis is not None else node.integers("axis")
    drop = {normal_axis(one, len(shape)) for one in given} if given else set(range(len(shape)))
    return ops.Reshape(x, tuple(size for a, size in enumerate(shape) if a not in drop or size != 1))


@paddle.reads("unsqueeze")
def unsqueeze(node, x, axis: Known = None):
    shape = list(shape_of(x))
    for one in node.sizes(axis, "axes") if axis is not None else node.integers("axis"):
        place = one + len(shape) + 1 if one < 0 else one
        if not 0 <= place <= len(shape):
            raise InputError(f"unsqueeze: axis {one} of {len(shape)}")
        shape.insert(place, 1)
    return ops.Reshape(x, tuple(shape))


@paddle.reads("transpose")
def transpose(node, x):
    order = tuple(normal_axis(a, len(shape_of(x))) for a in node.integers("perm"))
    if sorted(order) != list(range(len(shape_of(x)))):
        raise InputError(f"transpose: {list(shape_of(x))} by {list(order)}")
    return ops.Permute(x, order)


@paddle.reads("concat")
def concat(node, xs, axis: Known = None):
    place = node.whole(axis) if axis is not None else node.integer("axis")
    xs = [node.operand(one) for one in xs]
    return ops.Concat(tuple(node.alike(*xs)), normal_axis(place, len(shape_of(xs[0])))) if len(xs) > 1 else xs[0]


@paddle.reads("stack")
def stack(node, xs):
    xs = [node.operand(one) for one in xs]
    return ops.Stack(tuple(node.alike(*xs)), normal_axis(node.integer("axis"), len(shape_of(xs[0])) + 1))


@paddle.reads("split")
def split(node, x, sections: Known = None, axis: Known = None):
    place = normal_axis(node.whole(axis) if axis is not None else node.integer("axis"), len(shape_of(x)))
    size = shape_of(x)[place]
    sizes = list(node.sizes(sections, "sizes") if sections is not None else node.integers("sections"))
    if not sizes:
        return split_with_num(node, x, axis)
    if -1 in sizes:
        sizes[sizes.index(-1)] = size - sum(one for one in sizes if one != -1)
    if len(sizes) == 1:
        return [[x]]
    op = ops.Split(x, tuple(sizes), place)
    return [[Part(op, number) for number in range(len(sizes))]]


@paddle.reads("split_with_num")
def split_with_num(node, x, axis: Known = None):
    count = node.integer("num")
    place = normal_axis(node.whole(axis) if axis is not None else node.integer("axis"), len(shape_of(x)))
    if not 0 < count <= 4096:
        raise InputError(f"split: {count} parts")
    if count == 1:
        return [[x]]
    op = ops.Split(x, (shape_of(x)[place] // count,) * count, place)
    return [[Part(op, number) for number in range(count)]]


@paddle.reads("unbind", "unstack")
def unbind(node, x):
    place = normal_axis(node.integer("axis"), len(shape_of(x)))
    size = shape_of(x)[place]
    if not isinstance(size, int) or size > 4096:
        raise Refusal(notimpl("an axis of unknown size that is taken apart"))
    return [[ops.Select(x, place, number) for number in range(size)]]


@paddle.reads("expand", "broadcast_to")
def expand(node, x, shape: Known = None):
    given = list(node.sizes(shape, "a shape") if shape is not None else node.integers("shape"))
    own = [1] * (len(given) - len(shape_of(x))) + list(shape_of(x))
    made = tuple(a if isinstance(w, int) and w == -1 else w for w, a in zip(given, own, strict=True))
    return ops.Broadcast(x, made)


@paddle.reads("expand_as")
def expand_as(node, x, y=None):
    wanted = shape_of(y) if y is not None else node.integers("target_shape")
    return ops.Broadcast(x, tuple(wanted))


@paddle.reads("broadcast_tensors")
def broadcast_tensors(node, xs):
    xs = [node.operand(one) for one in xs]
    shape = broadcast_shapes(*(shape_of(one) for one in xs))
    return [[ops.Broadcast(one, shape) for one in xs]]


@paddle.reads("tile")
def tile(node, x, repeats: Known = None):
    given = list(node.sizes(repeats, "repeats") if repeats is not None else node.integers("repeat_times"))
    rank = max(len(given), len(shape_of(x)))
    if len(shape_of(x)) < rank:
        x = ops.Reshape(x, (*(1,) * (rank - len(shape_of(x))), *shape_of(x)))
    return ops.Tile(x, (*(1,) * (rank - len(given)), *given))


@paddle.reads("repeat_interleave")
def repeat_interleave(node, x):
    return ops.Repeat(x, node.integer("repeats", 1), normal_axis(node.integer("axis"), len(shape_of(x))))


_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "edge": "edge", "circular": "wrap"}


@paddle.reads("pad")
def pad(node, x, value=None):
    """Before and after each axis, from the first."""
    held = node.integers("paddings")
    if len(held) != 2 * len(shape_of(x)):
        raise InputError(f"pad: {list(held)} for {list(shape_of(x))}")
    fill = value if isinstance(value, int | float) else node.number("pad_value")
    return ops.Pad(x, held[::2], held[1::2], "constant", fill)


@paddle.reads("pad3d", "pad2d")
def pad3d(node, x, paddings: Known = None):
    """Before and after each spatial axis, from the last to the first; in two dimensions from the first."""
    held = node.sizes(paddings, "paddings") if paddings is not None else node.integers("paddings")
    mode, channels, rank = node.text("mode", "constant"), channel_axis(node, x), len(shape_of(x))
    space = [a for a in range(1, rank) if a != channels]
    order = space if node.type == "pad2d" else space[::-1]
    if len(held) != 2 * len(order) or mode not in _MODES:
        raise InputError(f"{node.type}: {list(held)} in the mode {mode}")
    before, after = [0] * rank, [0] * rank
    for number, axis in enumerate(order):
        before[axis], after[axis] = held[2 * number : 2 * number + 2]
    return ops.Pad(x, tuple(before), tuple(after), _MODES[mode], node.number("pad_value", node.number("value")))


@paddle.reads("roll")
def roll(node, x, shifts: Known = None):
    given = node.sizes(shifts, "shifts") if shifts is not None else node.integers("shifts")
    axes = tuple(normal_axis(a, len(shape_of(x))) for a in node.integers("axis"))
    if not axes:
        flat = ops.Roll(ops.Reshape(x, (product(shape_of(x)),)), given, (0,))
        return ops.Reshape(flat, shape_of(x))
    return ops.Roll(x, given, axes)


@paddle.reads("flip", "reverse")
def flip(node, x, axis: Known = None):
    given = node.sizes(axis, "axes") if axis is not None else node.integers("axis")
    return ops.Flip(x, tuple(normal_axis(a, len(shape_of(x))) for a in given))


@paddle.reads("meshgrid")
def meshgrid(node, xs):
    xs = [node.operand(one) for one in xs]
    sizes = tuple(shape_of(one)[0] if shape_of(one) else 1 for one in xs)
    made = []
    for place, one in enumerate(xs):
        column = ops.Reshape(one, tuple(size if a == place else 1 for a, size in enumerate(sizes)))
        made.append(ops.Broadcast(column, sizes))
    return [made]


@paddle.reads("diagonal")
def diagonal(node, x):
    rank = len(shape_of(x))
    axes = (normal_axis(node.integer("axis1", 0), rank), normal_axis(node.integer("axis2", 1), rank))
    return ops.Diagonal(x, node.integer("offset"), *axes)


@paddle.reads("channel_shuffle", "shuffle_channel")
def channel_shuffle(node, x):
    axis, shape = channel_axis(node, x), shape_of(x)
    groups = node.integer("groups", node.integer("group", 1))
    if groups < 1 or shape[axis] % groups:
        raise InputError(f"{node.type}: {shape[axis]} channels in {groups} groups")
    opened = ops.Reshape(x, (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))
    order = list(range(len(shape) + 1))
    order[axis], order[axis + 1] = axis + 1, axis
    return ops.Reshape(ops.Permute(opened, tuple(order)), shape)


@paddle.reads("temporal_shift")
def temporal_shift(node, x):
    """A part of the channels moves to the step before, as many to the step after."""
    count, share = node.integer("seg_num", 1), node.number("shift_ratio", 0.25)
    if channel_axis(node, x) != 1 or isinstance(shape_of(x)[1], Dim):
        raise Refusal(notimpl("a shift along time with the channels last"))
    frames, channels, *space = shape_of(x)
    first, second = int(channels * share), int(channels * 2 * share)
    opened = ops.Reshape(x, (frames // count, count, channels, *space))

    def moved(start, stop, before, after):
        part = ops.Slice(opened, 2, start, stop, 1)
        none = (0,) * len(space)
        padded = ops.Pad(part, (0, before, 0, *none), (0, after, 0, *none), "constant", 0.0)
        return ops.Slice(padded, 1, after, after + count, 1)

    parts = (moved(0, first, 1, 0), moved(first, second, 0, 1), ops.Slice(opened, 2, second, channels, 1))
    return ops.Reshape(ops.Concat(parts, 2), shape_of(x))
