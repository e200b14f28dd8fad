"""Reshaping, joining, splitting and padding."""

from __future__ import annotations

from netglot.dialects.onnx.common import (
    Known,
    axes_of,
    axis_in,
    axis_of,
    broadcast,
    cast,
    dtype,
    dtype_called,
    filled,
    filled_size,
    integer,
    number,
    numbers,
    rank,
    reshaped,
    same_dtype,
    sliced,
    with_axes,
    without_axes,
)
from netglot.dialects.onnx.dialect import onnx
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, floordiv, maximum, product
from netglot.pivot.graph import Part
from netglot.pivot.op import broadcast_shapes, shape_of


@onnx.reads("Identity-1")
def identity(input):
    return ops.Identity(input)


def _reshape(data, shape, allowzero=0):
    sizes = list(shape)
    if not allowzero:
        sizes = [shape_of(data)[i] if isinstance(s, int) and s == 0 else s for i, s in enumerate(sizes)]
    return reshaped(data, filled_size(sizes, data))


@onnx.reads("Reshape-1")
def reshape_1(data, *, shape=(), consumed_inputs=None):
    return _reshape(data, shape)


@onnx.reads("Reshape-5")
def reshape_5(data, shape: Known):
    return _reshape(data, numbers(shape))


@onnx.reads("Reshape-14")
def reshape(data, shape: Known, *, allowzero=0):
    return _reshape(data, numbers(shape), allowzero)


@onnx.reads("Flatten-1")
def flatten(input, *, axis=1):
    place = axis + rank(input) if axis < 0 else axis
    shape = shape_of(input)
    return reshaped(input, (product(shape[:place]), product(shape[place:])))


@onnx.reads("Transpose-1")
def transpose(data, *, perm=None):
    order = tuple(reversed(range(rank(data)))) if perm is None else tuple(perm)
    if sorted(order) != list(range(rank(data))):
        raise ValueError(f"{list(order)} is no order of {rank(data)} axes")
    return data if order == tuple(range(rank(data))) else ops.Permute(data, order)


def _squeeze(data, axes):
    if axes is None:
        if any(isinstance(size, Dim) for size in shape_of(data)):
            raise Refusal(notimpl("all axes of size 1 are dropped, and some sizes are not known"))
        axes = [i for i, size in enumerate(shape_of(data)) if size == 1]
    return without_axes(data, axes_of(data, list(axes)))


@onnx.reads("Squeeze-1")
def squeeze_1(data, *, axes=None):
    return _squeeze(data, axes)


@onnx.reads("Squeeze-13")
def squeeze(data, axes: Known = None):
    return _squeeze(data, None if axes is None else numbers(axes))


@onnx.reads("Unsqueeze-1")
def unsqueeze_1(data, *, axes):
    return with_axes(data, axes)


@onnx.reads("Unsqueeze-13")
def unsqueeze(data, axes: Known):
    return with_axes(data, numbers(axes))


@onnx.reads("Expand-8")
def expand(input, shape: Known):
    return broadcast(input, broadcast_shapes(shape_of(input), tuple(numbers(shape))))


@onnx.reads("Tile-1")
def tile_1(input, tiles: Known, axis: Known):
    times = [1] * rank(input)
    times[axis_of(input, integer(axis))] = number(tiles)
    return ops.Tile(input, tuple(times))


@onnx.reads("Tile-6")
def tile(input, repeats: Known):
    times = tuple(numbers(repeats))
    if len(times) != rank(input):
        raise ValueError(f"{len(times)} repeats for {rank(input)} axes")
    if all(isinstance(size, int) and size == 1 for size in shape_of(input)):
        return broadcast(input, times)
    return input if all(isinstance(n, int) and n == 1 for n in times) else ops.Tile(input, times)


def _concat(inputs, axis):
    same_dtype(*inputs)
    place = axis_of(inputs[0], axis)
    ranks = {rank(x) for x in inputs}
    if len(ranks) != 1:
        raise ValueError("the inputs have different ranks")
    return inputs[0] if len(inputs) == 1 else ops.Concat(tuple(inputs), place)


@onnx.reads("Concat-1")
def concat_1(*inputs, axis=1):
    return _concat(inputs, axis)


@onnx.reads("Concat-4")
def concat(*inputs, axis):
    return _concat(inputs, axis)


def split_sizes(x, axis: int, sizes) -> list:
    """`x` in pieces of the given sizes along an axis."""
    whole, total = shape_of(x)[axis], sum(sizes[1:], start=sizes[0])
    if (isinstance(whole, int) and isinstance(total, int) and whole != total) or any(_negative(s) for s in sizes):
        raise ValueError(f"an axis of size {whole} does not split into {list(sizes)}")
    if len(sizes) == 1:
        return [x]
    made = ops.Split(x, tuple(sizes), axis)
    return [Part(made, i) for i in range(len(sizes))]


def _negative(size) -> bool:
    return isinstance(size, int) and size < 0


def _equal(x, axis: int, count: int) -> list:
    """Sizes of `count` pieces, the last of which may be smaller."""
    size = shape_of(x)[axis]
    if not isinstance(size, int):
        if floordiv(size, count) * count != size:
            raise Refusal(notimpl("an axis of unknown size that is split into unequal parts"))
        return [floordiv(size, count)] * count
    each = -(-size // count)
    sizes = [max(0, min(each, size - i * each)) for i in range(count)]
    return sizes


def _split(x, axis, sizes, count):
    place = axis_of(x, axis)
    return split_sizes(x, place, list(sizes) if sizes else _equal(x, place, count))


@onnx.reads("Split-1")
def split_1(input, sizes: Known = None, *, axis=0, split=None, outputs=()):
    return _split(input, axis, split if sizes is None else numbers(sizes), len(outputs))


@onnx.reads("Split-2")
def split_2(input, *, axis=0, split=None, outputs=()):
    return _split(input, axis, split, len(outputs))


@onnx.reads("Split-13")
def split_13(input, split: Known = None, *, axis=0, outputs=()):
    return _split(input, axis, None if split is None else numbers(split), len(outputs))


@onnx.reads("Split-18")
def split_18(input, split: Known = None, *, axis=0, num_outputs=None, outputs=()):
    if num_outputs is not None and num_outputs != len(outputs):
        raise ValueError(f"num_outputs is {num_outputs}, and {len(outputs)} outputs are named")
    return _split(input, axis, None if split is None else numbers(split), len(outputs))


def _slice(data, starts, ends, axes, steps):
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    for axis, start, stop, step in zip(axes, starts, ends, steps, strict=True):
        if isinstance(step, Dim) or step == 0:
            raise ValueError(f"a step of {step}")
        data = sliced(data, axis_of(data, axis), start, stop, int(step))
    return data


@onnx.reads("Slice-1")
def slice_1(data, *, starts, ends, axes=None):
    return _slice(data, starts, ends, axes, None)


@onnx.reads("Slice-10")
def slice_10(data, starts: Known, ends: Known, axes: Known = None, steps: Known = None):
    given = [None if one is None else numbers(one) for one in (axes, steps)]
    return _slice(data, numbers(starts), numbers(ends), *given)


_MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def padded(x, pads, mode="constant", value=0.0, axes=None):
    """`x` padded by amounts in ONNX's order: all before, then all after; negative ones crop."""
    places = range(rank(x)) if axes is None else [axis_of(x, axis) for axis in axes]
    count = len(places)
    if len(pads) != 2 * count:
        raise ValueError(f"{len(pads)} paddings for {count} axes")
    before, after = [0] * rank(x), [0] * rank(x)
    for i, axis in enumerate(places):
        before[axis], after[axis] = pads[i], pads[count + i]
    for axis, (low, high) in enumerate(zip(before, after, strict=True)):
        if _negative(low) or _negative(high):
            size = shape_of(x)[axis]
            x = sliced(x, axis, -low if _negative(low) else 0, size + high if _negative(high) else size)
            before[axis], after[axis] = (0 if _negative(one) else one for one in (low, high))
    if all(isinstance(one, int) and one == 0 for one in (*before, *after)):
        return x
    value = bool(value) if dtype(x) == "bool" else float(value) if "float" in dtype(x) else int(value)
    return ops.Pad(x, tuple(before), tuple(after), _MODES[mode], value)


@onnx.reads("Pad-1")
def pad_1(data, *, paddings, mode="constant", value=0.0):
    return padded(data, paddings, mode, value)


@onnx.reads("Pad-2")
def pad_2(data, *, pads, mode="constant", value=0.0):
    return padded(data, pads, mode, value)


@onnx.reads("Pad-11")
def pad_11(data, pads: Known, constant_value: Known = None, *, mode="constant"):
    return padded(data, numbers(pads), mode, 0.0 if constant_value is None else number(constant_value))


@onnx.reads("Pad-18")
def pad_18(data, pads: Known, constant_value: Known = None, axes: Known = None, *, mode="constant"):
    value = 0.0 if constant_value is None or not numbers(constant_value) else number(constant_value)
    return padded(data, numbers(pads), mode, value, None if axes is None else numbers(axes))


@onnx.reads("CenterCropPad-18")
def center_crop_pad(input_data, shape: Known, *, axes=None):
    x = input_data
    places = range(rank(x)) if axes is None else axes
    for axis, wanted in zip([axis_of(x, a) for a in places], numbers(shape), strict=True):
        size = shape_of(x)[axis]
        if isinstance(size, Dim) or isinstance(wanted, Dim):
            raise Refusal(notimpl("cropping or padding to sizes that are not known"))
        if size > wanted:
            start = (size - wanted) // 2
            x = sliced(x, axis, start, start + wanted)
        elif size < wanted:
            low = (wanted - size) // 2
            x = padded(x, [low, wanted - size - low], axes=[axis])
    return x


@onnx.reads("ConstantOfShape-9")
def constant_of_shape(input: Known, *, value=None):
    if value is None:
        return filled(tuple(numbers(input)), 0.0, "float32")
    return filled(tuple(numbers(input)), value.reshape(-1)[0].item(), str(value.dtype))


@onnx.reads("Range-11")
def range_(start: Known, limit: Known, delta: Known):
    first, last, step = number(start), number(limit), number(delta)
    kind = _range_dtype(start, limit, delta)
    if isinstance(step, Dim):
        raise Refusal(notimpl("a range whose step is a size that is not known"))
    if step == 0:
        raise ValueError("a step of 0")
    if isinstance(first, Dim) or isinstance(last, Dim):
        if isinstance(first, int) and first == 0 and step == 1:
            return ops.Arange(0, last, 1, kind)
        return ops.Arange(first, maximum(first, last) if step > 0 else last, step, kind)
    if "float" in kind:
        return ops.Arange(float(first), float(last), float(step), kind)
    return ops.Arange(int(first), int(last), int(step), kind)


@onnx.reads("Range-27")
def range_27(start: Known, limit: Known, delta: Known, *, stash_type=1):
    return range_(start, limit, delta)


def _range_dtype(*ends) -> str:
    kinds = {str(end.dtype) for end in ends if end.dtype != object}
    return kinds.pop() if len(kinds) == 1 else "int64"


@onnx.reads("EyeLike-9")
def eye_like(input, *, dtype=None, k=0):
    from netglot.dialects.onnx.common import dtype as dtype_of

    kind = dtype_of(input) if dtype is None else dtype_called(dtype)
    rows, columns = shape_of(input)
    if k == 0:
        return ops.Eye(rows, columns, kind)
    row = ops.Reshape(ops.Arange(0, rows, 1, "int64"), (rows, 1))
    return cast(ops.Equal(ops.Add(row, k), ops.Arange(0, columns, 1, "int64")), kind)


@onnx.reads("Trilu-14")
def trilu(input, k: Known = None, *, upper=1):
    diagonal = 0 if k is None else integer(k)
    return (ops.Triu if upper else ops.Tril)(input, diagonal)


def _one_hot(indices, depth, values, axis):
    classes = number(depth)
    if isinstance(classes, float):
        classes = int(classes)
    place = axis_in(axis, rank(indices) + 1)
    ids = ops.Remainder(cast(indices, "int64"), classes)
    inside = ops.LogicalAnd(
        ops.GreaterEqual(cast(indices, "int64"), -classes), ops.Less(cast(indices, "int64"), classes)
    )
    shape = (*shape_of(indices)[:place], 1, *shape_of(indices)[place:])
    line = ops.Reshape(
        ops.Arange(0, classes, 1, "int64"), tuple(classes if i == place else 1 for i in range(len(shape)))
    )
    hot = ops.LogicalAnd(ops.Equal(reshaped(ids, shape), line), reshaped(inside, shape))
    off, on = (ops.Select(values, 0, i) for i in (0, 1))
    return ops.Where(hot, on, off)


@onnx.reads("OneHot-9")
def one_hot(indices, depth: Known, values, *, axis=-1):
    return _one_hot(indices, depth, values, axis)


def depth_to_space(x, factor: int, columns_first: bool):
    """Blocks of channels become squares; `columns_first` where the channels of one place stand together."""
    batch, channels, *space = shape_of(x)
    count = len(space)
    inner = floordiv(channels, factor**count)
    blocks = (factor,) * count
    if columns_first:
        apart, first, kept = (batch, *blocks, inner, *space), 1, count + 1
    else:
        apart, first, kept = (batch, inner, *blocks, *space), 2, 1
    order = [0, kept]
    for i in range(count):
        order += [count + 2 + i, first + i]
    woven = ops.Permute(ops.Reshape(x, apart), tuple(order))
    return ops.Reshape(woven, (batch, inner, *(size * factor for size in space)))


@onnx.reads("DepthToSpace-1")
def depth_to_space_1(input, *, blocksize):
    return depth_to_space_11(input, blocksize=blocksize)


@onnx.reads("DepthToSpace-11")
def depth_to_space_11(input, *, blocksize, mode="DCR"):
    if mode == "CRD" and rank(input) == 4:
        return ops.PixelShuffle(input, blocksize, 1)
    return depth_to_space(input, blocksize, mode == "DCR")


@onnx.reads("SpaceToDepth-1")
def space_to_depth_1(input, *, blocksize):
    return space_to_depth(input, blocksize=blocksize)


@onnx.reads("SpaceToDepth-28")
def space_to_depth(input, *, blocksize, mode="DCR"):
    batch, channels, *space = shape_of(input)
    count = len(space)
    apart: list = [batch, channels]
    for size in space:
        apart += [floordiv(size, blocksize), blocksize]
    inside, outside = [3 + 2 * i for i in range(count)], [2 + 2 * i for i in range(count)]
    order = [0, *inside, 1, *outside] if mode == "DCR" else [0, 1, *inside, *outside]
    woven = ops.Permute(ops.Reshape(input, tuple(apart)), tuple(order))
    return ops.Reshape(woven, (batch, channels * blocksize**count, *(floordiv(s, blocksize) for s in space)))


@onnx.reads("Col2Im-18")
def col2im(input, image_shape: Known, block_shape: Known, *, dilations=None, pads=None, strides=None):
    image, block = tuple(numbers(image_shape)), tuple(numbers(block_shape))
    count = len(image)
    pads = [0] * (2 * count) if pads is None else pads
    even = all(pads[i] == pads[count + i] for i in range(count))
    options = (block, tuple(strides or (1,) * count))
    spread = tuple(dilations or (1,) * count)
    if even:
        return ops.Fold(input, image, *options, tuple(pads[:count]), spread)
    # more padding on one side than on the other: a larger picture is laid back and cropped
    size = tuple(s + pads[i] + pads[count + i] for i, s in enumerate(image))
    made = ops.Fold(input, size, *options, (0,) * count, spread)
    for i, s in enumerate(image):
        made = sliced(made, 2 + i, pads[i], pads[i] + s)
    return made
