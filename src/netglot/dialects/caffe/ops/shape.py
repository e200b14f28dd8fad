"""Moving elements about: joining, cutting, reshaping."""

from __future__ import annotations

import itertools

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.words import axis_of
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of


@caffe.reads("Split")
def split(layer, x):
    return [x] * layer.tops


@caffe.reads("Silence")
def silence(layer, *xs):
    return []


@caffe.reads("Concat")
def concat(layer, *xs):
    options = layer.options("concat_param")
    name = "concat_dim" if "concat_dim" in options else "axis"
    return ops.Concat(tuple(xs), axis_of(options, len(shape_of(xs[0])), name=name)) if len(xs) > 1 else xs[0]


@caffe.reads("Slice")
def cut(layer, x):
    options = layer.options("slice_param")
    shape = shape_of(x)
    axis = axis_of(options, len(shape), name="slice_dim" if "slice_dim" in options else "axis")
    size, points = shape[axis], [int(one) for one in options.all("slice_point")]
    if isinstance(size, Dim):
        raise Refusal(notimpl("cutting an axis whose size is not known"))
    if not points:
        if size % layer.tops:
            raise InputError(f"layer {layer.spec.name}: {size} elements in {layer.tops} parts")
        points = [size // layer.tops * i for i in range(1, layer.tops)]
    ends = [0, *points, size]
    sizes = tuple(b - a for a, b in itertools.pairwise(ends))
    if len(sizes) != layer.tops or min(sizes) < 1:
        raise InputError(f"layer {layer.spec.name}: {size} elements cut at {points} for {layer.tops} tops")
    if len(sizes) == 1:
        return x
    parts = ops.Split(x, sizes, axis)
    return [Part(parts, i) for i in range(len(sizes))]


@caffe.reads("Flatten")
def flatten(layer, x):
    options = layer.options("flatten_param")
    shape = shape_of(x)
    first = axis_of(options, len(shape))
    last = axis_of(options, len(shape), -1, "end_axis")
    return ops.Reshape(x, (*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :]))


@caffe.reads("Reshape")
def reshape(layer, x):
    options = layer.options("reshape_param")
    shape = shape_of(x)
    wanted = [int(one) for one in options.record("shape").all("dim")]
    axis = options.integer("axis", 0)
    first = axis + len(shape) + 1 if axis < 0 else axis
    count = options.integer("num_axes", -1)
    last = len(shape) if count == -1 else first + count
    if not 0 <= first <= last <= len(shape):
        raise InputError(f"layer {layer.spec.name}: {last - first} axes from {first} on of {len(shape)}")
    if any(one == 0 and first + i >= len(shape) for i, one in enumerate(wanted)):
        raise InputError(f"layer {layer.spec.name}: a size is kept that is not there")
    inner = [shape[first + i] if one == 0 else one for i, one in enumerate(wanted)]
    if inner.count(-1) > 1 or any(isinstance(one, int) and one < -1 for one in inner):
        raise InputError(f"layer {layer.spec.name}: the sizes {wanted}")
    if -1 in inner:
        known = product(one for one in inner if one != -1)
        inner[inner.index(-1)] = _divided(product(shape[first:last]), known, layer)
    if product(inner) != product(shape[first:last]):
        raise Refusal(notimpl(f"a reshape of {list(shape)} by {wanted}"))
    return ops.Reshape(x, (*shape[:first], *inner, *shape[last:]))


def _divided(total, part, layer):
    if part == 0 or (isinstance(total, int) and isinstance(part, int) and total % part):
        raise InputError(f"layer {layer.spec.name}: {total} elements by {part}")
    found = total // part
    if found * part != total:
        raise Refusal(notimpl(f"a reshape of {total} elements by {part}"))
    return found


@caffe.reads("Permute")
def permute(layer, x):
    rank = len(shape_of(x))
    order = [int(one) for one in layer.options("permute_param").all("order")]
    order += [axis for axis in range(rank) if axis not in order]
    if sorted(order) != list(range(rank)):
        raise InputError(f"layer {layer.spec.name}: the order {order} of {rank} axes")
    return ops.Permute(x, tuple(order))


@caffe.reads("Tile")
def tile(layer, x):
    options = layer.options("tile_param")
    rank = len(shape_of(x))
    axis, times = axis_of(options, rank), options.integer("tiles")
    if times < 1:
        raise InputError(f"layer {layer.spec.name}: {times} tiles")
    return ops.Tile(x, tuple(times if i == axis else 1 for i in range(rank)))


@caffe.reads("Crop")
def crop(layer, x, like):
    options = layer.options("crop_param")
    shape, wanted = shape_of(x), shape_of(like)
    axis, offsets = axis_of(options, len(shape), 2), [int(one) for one in options.all("offset")] or [0]
    count = len(shape) - axis
    if len(offsets) not in (1, count):
        raise InputError(f"layer {layer.spec.name}: {len(offsets)} offsets for {count} axes")
    offsets = offsets * count if len(offsets) == 1 else offsets
    for place, offset in zip(range(axis, len(shape)), offsets, strict=True):
        size, want = shape[place], wanted[place]
        if isinstance(size, int) and isinstance(want, int) and (offset < 0 or offset + want > size):
            raise InputError(f"layer {layer.spec.name}: {want} of {size} elements from {offset} on")
        if want != size:
            x = ops.Slice(x, place, offset, offset + want, 1)
    return ops.Identity(x) if x is None else x


@caffe.reads("Padding")
def padding(layer, x):
    by = layer.options("padding_param").integer("pad", 0)
    return ops.Pad(x, (0, 0, by, by), (0, 0, by, by), "constant", 0.0)
