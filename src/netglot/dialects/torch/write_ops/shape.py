"""PyTorch's reshaping, joining, splitting and padding: methods of a tensor where a person would use them."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import dims_of, is_float
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.op import shape_of
from netglot.source.spell import Call, Layer, Method, call, compact, options, unless, unless_all
from netglot.source.subscripts import from_end

# --- shape


@torch.writes(ops.Identity)
def identity(op):
    return Layer("nn.Identity", (op.x,), function=Method(op.x, "clone"))


@torch.writes(ops.StopGradient)
def stop_gradient(op):
    return Method(op.x, "detach")


def _one_more(short, long) -> int | None:
    """The axis of `long` that is the size 1 missing from `short`; None where that is not the difference."""
    if len(long) != len(short) + 1:
        return None
    return next((a for a, size in enumerate(long) if size == 1 and (*long[:a], *long[a + 1 :]) == tuple(short)), None)


def _merged(before, after) -> tuple[int, int] | None:
    """The first and last of the axes that become one; None where something else happens."""
    start = 0
    while start < len(after) and before[start] == after[start] and len(before) - start > len(after) - start > 1:
        start += 1
    rest = len(after) - start - 1
    end = len(before) - rest
    if (
        end - start < 2
        or after[start] != product(before[start:end])
        or tuple(before[end:]) != tuple(after[start + 1 :])
    ):
        return None
    return start, end - 1


def _split_axis(before, after) -> int | None:
    """The axis that becomes several; None where something else happens."""
    merged = _merged(after, before)
    return None if merged is None else merged[0]


@torch.writes(ops.Reshape)
def reshape(op):
    before, after = tuple(shape_of(op.x)), tuple(op.shape)
    function = Method(op.x, "reshape", after if after else ((),))
    added, removed = _one_more(before, after), _one_more(after, before)
    if added is not None:
        return Method(op.x, "unsqueeze", (from_end(added, len(after)),))
    if removed is not None:
        return Method(op.x, "squeeze", (from_end(removed, len(before)),))
    merged = _merged(before, after) if after and len(after) < len(before) else None
    if merged is not None:
        start, end = merged
        last = () if end == len(before) - 1 else (end,)
        places = () if (start, end) == (0, len(before) - 1) else (start, *last)
        flatten = call("torch.flatten", op.x, *places)
        if start > 0:
            return Layer("nn.Flatten", (op.x,), arguments=() if places == (1,) else places, function=flatten)
        return flatten
    if len(after) > len(before):
        axis = _split_axis(before, after)
        if axis is not None and axis > 0 and all(isinstance(size, int) for size in after[axis:]):
            sizes = after[axis : axis + len(after) - len(before) + 1]
            return Layer("nn.Unflatten", (op.x,), arguments=(axis, sizes), function=function)
    return function


@torch.writes(ops.Permute)
def permute(op):
    swapped = [axis for axis, source in enumerate(op.axes) if axis != source]
    rank = len(op.axes)
    if len(swapped) == 2:
        first, second = swapped
        if rank > 2 and (first, second) == (rank - 2, rank - 1):
            return Method(op.x, "transpose", (-2, -1) if rank > 3 else (1, 2))
        return Method(op.x, "transpose", (first, second))
    return Method(op.x, "permute", tuple(op.axes))


@torch.writes(ops.Broadcast)
def broadcast(op):
    lead = len(op.shape) - len(shape_of(op.x))
    sizes = [-1 if axis >= lead and shape_of(op.x)[axis - lead] == size else size for axis, size in enumerate(op.shape)]
    return Method(op.x, "expand", tuple(sizes))


# --- joining and splitting


@torch.writes(ops.Concat)
def concat(op):
    axis = from_end(op.axis, len(shape_of(op.xs[0])))
    return call("torch.cat", list(op.xs), dim=unless(axis, 0))


@torch.writes(ops.Stack)
def stack(op):
    return call("torch.stack", list(op.xs), dim=unless(from_end(op.axis, len(shape_of(op.xs[0])) + 1), 0))


@torch.writes(ops.Split)
def split(op):
    dim = unless(from_end(op.axis, len(shape_of(op.x))), 0)
    if len(set(op.sizes)) == 1 and len(op.sizes) > 1:
        return call("torch.chunk", op.x, len(op.sizes), dim=dim)
    return call("torch.split", op.x, list(op.sizes), dim=dim)


@torch.writes(ops.Unstack)
def unstack(op):
    return call("torch.unbind", op.x, dim=unless(from_end(op.axis, len(shape_of(op.x))), 0))


# --- padding and repeating

_MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _padded_axes(op) -> list[int]:
    return [axis for axis, pair in enumerate(zip(op.before, op.after, strict=True)) if pair != (0, 0)]


def _window(op) -> int | None:
    """How many of the last axes PyTorch pads in this mode; None where it cannot."""
    rank, padded = len(shape_of(op.x)), _padded_axes(op)
    needed = rank - padded[0] if padded else 0
    if op.mode == "constant":
        return needed
    if op.mode not in _MODES or not is_float(op.x):
        return None
    return next((n for n in (1, 2, 3) if n >= needed and rank in (n + 1, n + 2)), None)


@torch.lowers(ops.Pad)
def pad_by_pieces(op):
    """What PyTorch does not pad is put together, one axis after the other."""
    if _window(op) is not None:
        return None
    x = op.x
    for axis in _padded_axes(op):
        x = ops.Concat(_pieces(x, axis, op.before[axis], op.after[axis], op.mode), axis=axis)
    return x


def _pieces(x, axis: int, before, after, mode: str) -> tuple:
    size = shape_of(x)[axis]

    def part(start, stop):
        return ops.Slice(x, axis=axis, start=start, stop=stop, step=1)

    if mode == "edge":
        left = ops.Repeat(part(0, 1), repeats=before, axis=axis) if before != 0 else None
        right = ops.Repeat(part(size - 1, size), repeats=after, axis=axis) if after != 0 else None
    elif mode == "wrap":
        left, right = part(size - before, size), part(0, after)
    else:
        skip = 1 if mode == "reflect" else 0
        left = ops.Flip(part(skip, before + skip), axes=(axis,))
        right = ops.Flip(part(size - after - skip, size - skip), axes=(axis,))
    return (*((left,) if before != 0 else ()), x, *((right,) if after != 0 else ()))


@torch.arranges(ops.Pad)
def padded_axes_last(op):
    """What repeats the picture is padded at its last axes only, and stands in an order that has them there."""
    order = tuple(range(len(shape_of(op.x))))
    return None if op.mode == "constant" else {"x": order, "out": order}


@torch.writes(ops.Pad)
def pad(op):
    rank, window = len(shape_of(op.x)), _window(op)
    assert window is not None, "lowered before"
    widths = [side for axis in reversed(range(rank - window, rank)) for side in (op.before[axis], op.after[axis])]
    given = options(
        mode=unless(_MODES.get(op.mode, "constant"), "constant"),
        value=unless(op.value if op.mode == "constant" else 0.0, 0.0),
    )
    if op.mode == "constant" and op.value == 0:
        given.pop("value", None)
    function = Call("F.pad", (op.x, tuple(widths)), given)
    space = rank - 2
    layer = {"constant": "ZeroPad" if op.value == 0 else "", "reflect": "ReflectionPad", "edge": "ReplicationPad"}
    name = layer.get(op.mode, "CircularPad")
    open_sizes = any(isinstance(width, Dim) for width in widths)
    if not name or space not in (1, 2, 3) or window > space or open_sizes or not is_float(op.x):
        return function
    widths = [*widths, *(0,) * (2 * space - len(widths))]
    return Layer(f"nn.{name}{space}d", (op.x,), arguments=(compact(widths),), function=function)


@torch.writes(ops.Tile)
def tile(op):
    return Method(op.x, "repeat", tuple(op.repeats))


@torch.writes(ops.Repeat)
def repeat(op):
    return call("torch.repeat_interleave", op.x, op.repeats, dim=from_end(op.axis, len(shape_of(op.x))))


# --- order of elements


@torch.writes(ops.Roll)
def roll(op):
    shifts = op.shifts[0] if len(op.shifts) == 1 else tuple(op.shifts)
    axes = op.axes[0] if len(op.axes) == 1 else tuple(op.axes)
    return call("torch.roll", op.x, shifts, axes)


@torch.writes(ops.Flip)
def flip(op):
    return Method(op.x, "flip", (dims_of(op.axes, len(shape_of(op.x))),))


# --- diagonals and windows


@torch.writes(ops.Diagonal)
def diagonal(op):
    given = options(offset=unless(op.offset, 0), dim1=unless(op.axis1, 0), dim2=unless(op.axis2, 1))
    return Call("torch.diagonal", (op.x,), given)


@torch.writes(ops.DiagonalEmbed)
def diagonal_embed(op):
    rank = len(shape_of(op.x)) + 1
    last = (op.axis1, op.axis2) == (rank - 2, rank - 1)
    given = options(offset=unless(op.offset, 0)) | ({} if last else {"dim1": op.axis1, "dim2": op.axis2})
    return Call("torch.diag_embed", (op.x,), given)


@torch.writes(ops.SlidingWindow)
def sliding_window(op):
    return Method(op.x, "unfold", (op.axis, op.size, op.step))


def _columns(op) -> dict:
    if len(op.kernel) != 2:
        raise Refusal(notimpl(f"the windows of {len(op.kernel)} axes as columns; PyTorch has those of pictures"))
    return options(
        dilation=unless_all(op.dilation, 1), padding=unless_all(op.padding, 0), stride=unless_all(op.stride, 1)
    )


@torch.writes(ops.Unfold)
def unfold(op):
    kernel, given = compact(op.kernel), _columns(op)
    return Layer("nn.Unfold", (op.x,), given, arguments=(kernel,), function=Call("F.unfold", (op.x, kernel), given))


@torch.writes(ops.Fold)
def fold(op):
    sizes, given = (compact(op.size), compact(op.kernel)), _columns(op)
    return Layer("nn.Fold", (op.x,), given, arguments=sizes, function=Call("F.fold", (op.x, *sizes), given))
