"""Operations of ML Programs: moving elements about, sizes, pictures."""

from __future__ import annotations

import numpy as np

from netglot.dialects.coreml.dialect import coreml
from netglot.dialects.coreml.ops.program import axes_of, axis_of
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.mlprogram import Held
from netglot.pivot import ops
from netglot.pivot.dims import Dim, floordiv, product
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of


def _sizes(values):
    from netglot.dialects.coreml.program import Sizes

    return Sizes(tuple(values))


def _is_sizes(held) -> bool:
    from netglot.dialects.coreml.program import Sizes

    return isinstance(held, Sizes)


@coreml.reads("mil.shape")
def shape(work):
    return _sizes(shape_of(work.tensor()))


@coreml.reads("mil.reshape")
def reshape(work):
    x, wanted = work.tensor(), list(work.integers("shape"))
    old = shape_of(x)
    wanted = [old[i] if size == 0 and i < len(old) else size for i, size in enumerate(wanted)]
    free = [i for i, size in enumerate(wanted) if isinstance(size, int) and size == -1]
    if len(free) > 1:
        raise InputError(f"a reshape to {wanted}")
    batch = old[0] if old and isinstance(old[0], Dim) else None
    if wanted and wanted[0] == 1 and batch is not None and not free and product(wanted) != product(old):
        wanted[0] = batch  # the size that the file was traced with
    for i in free:
        rest = product([size for j, size in enumerate(wanted) if j != i])
        if batch is not None and i and wanted[0] == 1:
            wanted[0], rest = batch, rest * batch
        wanted[i] = floordiv(product(old), rest) if rest != 0 else 0
    return ops.Reshape(x, tuple(wanted))


@coreml.reads("mil.transpose")
def transpose(work):
    x = work.tensor()
    return ops.Permute(x, tuple(axis_of(one, x) for one in work.integers("perm")))


@coreml.reads("mil.expand_dims")
def expand_dims(work):
    held = work.raw("x")
    if _is_sizes(held):
        return held
    x = work.tensor()
    rank = len(shape_of(x)) + len(work.integers("axes"))
    made = list(shape_of(x))
    for axis in sorted(one % rank for one in work.integers("axes")):
        made.insert(axis, 1)
    return ops.Reshape(x, tuple(made))


@coreml.reads("mil.squeeze")
def squeeze(work):
    if _is_sizes(work.raw("x")):
        return work.raw("x")
    x = work.tensor()
    old = shape_of(x)
    given = work.raw("axes") is not None
    gone = axes_of(work, "axes", x) if given else tuple(i for i, size in enumerate(old) if size == 1)
    return ops.Reshape(x, tuple(size for i, size in enumerate(old) if i not in gone))


@coreml.reads("mil.concat")
def concat(work):
    held = work.all("values")
    if any(_is_sizes(one) for one in held):
        parts = [one.values if _is_sizes(one) else tuple(np.asarray(one.value).reshape(-1).tolist()) for one in held]
        return _sizes(size for part in parts for size in part)
    if work.flag("interleave"):
        raise Refusal(notimpl("tensors joined element by element"))
    xs = [work.assembly.constant(_plain(one)) if isinstance(one, Held) else one for one in held]
    return ops.Concat(tuple(xs), axis_of(work.integer("axis"), xs[0]))


def _plain(held: Held) -> np.ndarray:
    from netglot.dialects.coreml.program import plain

    return plain(held)


@coreml.reads("mil.stack")
def stack(work):
    xs = [work.assembly.constant(_plain(one)) if isinstance(one, Held) else one for one in work.all("values")]
    rank = len(shape_of(xs[0])) + 1
    return ops.Stack(tuple(xs), work.integer("axis") % rank)


@coreml.reads("mil.split")
def split(work):
    x = work.tensor()
    axis = axis_of(work.integer("axis"), x)
    size = shape_of(x)[axis]
    if work.raw("split_sizes") is not None:
        sizes = work.integers("split_sizes")
    else:
        count = work.integer("num_splits", 1)
        if not isinstance(size, int) or count < 1 or size % count:
            raise InputError(f"{size} elements in {count} parts")
        sizes = (size // count,) * count
    made = ops.Split(x, tuple(sizes), axis)
    return [Part(made, i) for i in range(len(sizes))]


@coreml.reads("mil.slice_by_index")
def slice_by_index(work):
    held = work.raw("x")
    shape = (len(held.values),) if _is_sizes(held) else shape_of(work.tensor())
    rank = len(shape)
    begin, end = work.integers("begin"), work.integers("end")
    stride = work.integers("stride", (1,) * rank)
    masks = [work.array(f"{name}_mask", (False,) * rank).reshape(-1) for name in ("begin", "end", "squeeze")]
    if not len(begin) == len(end) == len(stride) == rank or any(len(one) != rank for one in masks):
        raise InputError(f"a slice of {rank} axes by {len(begin)} bounds")
    if _is_sizes(held):
        if masks[2][0]:
            return _sizes([held.values[int(begin[0])]])
        low, high = None if masks[0][0] else int(begin[0]), None if masks[1][0] else int(end[0])
        return _sizes(held.values[low : high : int(stride[0])])
    y, gone = work.tensor(), []
    for axis, size in enumerate(shape):
        low, step = begin[axis], int(stride[axis])
        if masks[2][axis]:
            gone.append((axis, size + low if isinstance(low, int) and low < 0 else low))
            continue
        y = _ranged(y, axis, None if masks[0][axis] else low, None if masks[1][axis] else end[axis], step)
    for axis, index in reversed(gone):
        y = ops.Select(y, axis, index)
    return y if y is not held else ops.Identity(y)


def _ranged(x, axis: int, low, high, step: int):
    """A range of an axis, which may run backwards."""
    size = shape_of(x)[axis]
    if step < 0:
        first, last = (
            None if one is None else size + one if isinstance(one, int) and one < 0 else one for one in (low, high)
        )
        if first is not None or last is not None:  # from the first place down to behind the last one
            x = ops.Slice(x, axis, 0 if last is None else last + 1, size if first is None else first + 1, 1)
            size = (size if first is None else first + 1) - (0 if last is None else last + 1)
        flipped = ops.Flip(x, (axis,))
        return flipped if step == -1 else ops.Slice(flipped, axis, 0, size, -step)
    start = 0 if low is None else size + low if isinstance(low, int) and low < 0 else low
    stop = size if high is None else size + high if isinstance(high, int) and high < 0 else high
    if isinstance(stop, int) and isinstance(size, int):
        stop = min(stop, size)
    if start == 0 and step == 1 and (stop == size or (axis == 0 and isinstance(size, Dim) and stop == 1)):
        return x
    return ops.Slice(x, axis, start, stop, step)


@coreml.reads("mil.slice_by_size")
def slice_by_size(work):
    y = work.tensor()
    for axis, (begin, count) in enumerate(zip(work.integers("begin"), work.integers("size"), strict=True)):
        size = shape_of(y)[axis]
        stop = size if count == -1 else begin + count
        y = y if begin == 0 and stop == size else ops.Slice(y, axis, begin, stop, 1)
    return ops.Identity(y)


@coreml.reads("mil.scatter")
def scatter(work):
    """New rows in the place of others, or added to them, where a loop says which row."""
    x, rows, mode = work.tensor("data"), work.tensor("updates"), work.text("mode", "add")
    places = work.array("indices").reshape(-1)
    axis = axis_of(work.integer("axis", 0), x)
    if len(places) != 1 or mode not in ("add", "update"):
        raise Refusal(notimpl(f"{len(places)} rows scattered by {mode}"))
    size = shape_of(x)[axis]
    at = int(places[0])
    if at < 0 and not isinstance(size, int):
        raise Refusal(notimpl("a row counted from the end of an axis whose size is not known"))
    at = at + size if at < 0 else at
    row = (*shape_of(x)[:axis], 1, *shape_of(x)[axis + 1 :])
    if tuple(shape_of(rows)) != row:
        raise Refusal(notimpl(f"rows of {list(shape_of(rows))} in the place of {list(row)}"))
    if mode == "add":
        rows = ops.Add(ops.Slice(x, axis, at, at + 1, 1), rows)
    return ops.SliceUpdate(x, rows, axis, at, at + 1, 1)


@coreml.reads("mil.gather")
def gather(work):
    held = work.raw("x")
    if _is_sizes(held):
        return _sizes(held.values[int(i)] for i in work.array("indices").reshape(-1))
    if work.integer("batch_dims", 0):
        raise Refusal(notimpl("rows chosen for each of a batch"))
    axis = work.integer("axis", 0)
    indices = work.raw("indices")
    if isinstance(held, Held) and len(held.shape) == 2 and axis in (0, -2) and not isinstance(indices, Held):
        return ops.Embedding(work.operand("indices"), work.weight("x", "weight"), None)
    x = work.tensor()
    where = axis_of(axis, x)
    if isinstance(indices, Held) and not indices.shape:
        index = int(np.asarray(indices.value))
        size = shape_of(x)[where]
        return ops.Select(x, where, size + index if index < 0 else index)
    places = np.asarray(_plain(indices)) if isinstance(indices, Held) else work.operand("indices")
    return ops.Take(x, work.assembly.constant(places) if isinstance(indices, Held) else places, where)


@coreml.reads("mil.gather_along_axis")
def gather_along_axis(work):
    x = work.tensor()
    return ops.TakeAlongAxis(x, work.tensor("indices"), axis_of(work.integer("axis", 0), x))


@coreml.reads("mil.tile")
def tile(work):
    return ops.Tile(work.tensor(), work.integers("reps"))


@coreml.reads("mil.reverse")
def reverse(work):
    x = work.tensor()
    return ops.Flip(x, axes_of(work, "axes", x))


_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


@coreml.reads("mil.pad")
def pad(work):
    x, given = work.tensor(), work.integers("pad")
    rank, mode = len(shape_of(x)), _MODES.get(work.text("mode", "constant"))
    if mode is None or len(given) % 2 or len(given) // 2 > rank:
        raise InputError(f"padding of {list(given)}")
    missing = (0,) * (rank - len(given) // 2)
    return ops.Pad(x, missing + given[::2], missing + given[1::2], mode, work.number("constant_val", 0.0))


@coreml.reads("mil.fill")
def fill(work):
    held = work.raw("value")
    value = _plain(held).item() if isinstance(held, Held) else 0.0
    dtype = {bool: "bool", int: "int32"}.get(type(value), "float32")
    return ops.Full(work.integers("shape"), value, dtype)


@coreml.reads("mil.select")
def select(work):
    return ops.Where(work.tensor("cond"), work.operand("a"), work.operand("b"))


@coreml.reads("mil.one_hot")
def one_hot(work):
    classes, on, off = work.integer("one_hot_vector_size"), work.number("on_value", 1.0), work.number("off_value", 0.0)
    x = work.operand("indices")
    if work.integer("axis", -1) not in (-1, len(shape_of(x))) or (on, off) != (1.0, 0.0):
        raise Refusal(notimpl("rows of other numbers than 1 and 0, or along another axis"))
    return ops.OneHot(x, classes, "float32")


@coreml.reads("mil.cumsum")
def cumsum(work):
    if work.flag("exclusive") or work.flag("reverse"):
        raise Refusal(notimpl("a running sum from the end, or of what came before"))
    x = work.tensor()
    return ops.CumulativeSum(x, axis_of(work.integer("axis", 0), x))


@coreml.reads("mil.topk")
def topk(work):
    x = work.tensor()
    made = ops.TopK(x, work.integer("k", 1), axis_of(work.integer("axis", -1), x), not work.flag("ascending"), "int32")
    return [Part(made, 0), Part(made, 1)]


@coreml.reads("mil.range_1d")
def range_1d(work):
    start, stop, step = (work.array(name, 0).reshape(-1)[0] for name in ("start", "end", "step"))
    if any(isinstance(one, Dim) for one in (start, stop, step)):
        return ops.Arange(start, stop, step, "int32")
    if not step or not abs((stop - start) / step) < 2**24:
        raise InputError(f"a range from {start} to {stop} by {step}")
    whole = np.arange(start, stop, step)
    return work.assembly.constant(whole.astype("int32" if whole.dtype.kind == "i" else "float32"))


# -- pictures


@coreml.reads("mil.pixel_shuffle")
def pixel_shuffle(work):
    return ops.PixelShuffle(work.tensor(), work.integer("upscale_factor"), 1)


@coreml.reads("mil.pixel_unshuffle")
def pixel_unshuffle(work):
    return ops.PixelUnshuffle(work.tensor(), work.integer("downscale_factor"), 1)


def _resized(work, size, mode: str, corners: bool):
    x = work.tensor()
    axes = (len(shape_of(x)) - 2, len(shape_of(x)) - 1)
    return ops.Resize(x, tuple(size), None, mode, corners, False, axes)


def _grown(work) -> list:
    shape = shape_of(work.tensor())[-2:]
    factors = [work.number(f"scale_factor_{one}", 1.0) for one in ("height", "width")]
    made = [size * (int(f) if f == int(f) else f) for size, f in zip(shape, factors, strict=True)]
    if any(isinstance(one, float) and one != int(one) for one in made):
        raise Refusal(notimpl("pictures that grow to a fraction of an element"))
    return [int(one) if isinstance(one, float) else one for one in made]


@coreml.reads("mil.upsample_nearest_neighbor")
def upsample_nearest(work):
    return _resized(work, _grown(work), "nearest", False)


@coreml.reads("mil.upsample_bilinear")
def upsample_bilinear(work):
    if (
        work.raw("half_pixel_centers") is not None
        and not work.flag("half_pixel_centers")
        and not work.flag("align_corners", True)
    ):
        raise Refusal(notimpl("a smooth resizing from the corners of elements"))
    return _resized(work, _grown(work), "linear", work.flag("align_corners", True))


@coreml.reads("mil.resize_nearest_neighbor")
def resize_nearest(work):
    return _resized(work, _target(work), "nearest", False)


def _target(work) -> list[int]:
    return [work.integer(f"target_size_{one}") for one in ("height", "width")]


@coreml.reads("mil.resize_bilinear")
def resize_bilinear(work):
    mode = work.text("sampling_mode", "DEFAULT")
    corners = {"STRICT_ALIGN_CORNERS": True, "ALIGN_CORNERS": True, "UNALIGN_CORNERS": False, "HALF_PIXEL": False}
    if mode not in corners:
        raise Refusal(notimpl(f"a smooth resizing by {mode}"))
    return _resized(work, _target(work), "linear", corners[mode])


# -- constants that are stored small


@coreml.reads("mil.constexpr_affine_dequantize")
def affine(work):
    data = work.raw("quantized_data")
    axis = work.integer("axis", 0)
    scale, zero = (np.asarray(work.raw(name).value, "float32") for name in ("scale", "zero_point"))
    line = [1] * len(data.shape)
    line[axis] = -1
    scale, zero = (one.reshape(line) if one.size > 1 else one.reshape(()) for one in (scale, zero))
    return Held("float32", data.shape, (np.asarray(data.value, "float32") - zero) * scale)


@coreml.reads("mil.constexpr_lut_to_dense")
def from_table(work):
    shape = tuple(int(one) for one in np.asarray(work.raw("shape").value).reshape(-1))
    table, packed = np.asarray(work.raw("lut").value), np.asarray(work.raw("indices").value, np.uint8)
    bits = int(np.log2(max(table.size, 1)))
    count = product(shape)
    if bits < 1 or 2**bits != table.size or packed.size * 8 < count * bits:
        raise InputError(f"a table of {table.size} entries and {packed.size} bytes for {list(shape)}")
    held = np.unpackbits(packed, bitorder="little")[: count * bits].reshape(count, bits)
    return Held("float32", shape, table[(held << np.arange(bits)).sum(1)].reshape(shape).astype("float32"))


@coreml.reads("mil.constexpr_cast")
def constant_cast(work):
    held = work.raw("source_val")
    return Held("float32", held.shape, held.value)
