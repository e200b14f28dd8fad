"""Parts of tensors in `keras.ops`: indexing, taking, and writing to places."""

from __future__ import annotations

from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axis_of, flat, rank
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, maximum, minimum
from netglot.pivot.graph import Value
from netglot.pivot.op import Op, broadcast_shapes, is_scalar, shape_of, type_of


@keras.reads("ops.get_item")
def get_item(x, key):
    keys = list(key) if isinstance(key, tuple) or _is_tuple_of_a_file(key) else [key]
    if any(_is_tensor(one) and type_of(one).dtype == "bool" for one in keys):
        raise Refusal(never("the number of places that are true depends on the data", "use keras.ops.where"))
    taken = sum(one is not None and one is not Ellipsis for one in keys)
    if Ellipsis not in [one for one in keys if not _is_tensor(one)]:
        keys.append(Ellipsis)
    place = next(i for i, one in enumerate(keys) if one is Ellipsis)
    keys[place : place + 1] = [slice(None)] * (rank(x) - taken)
    return _indexed(x, keys)


def _is_tuple_of_a_file(key: Any) -> bool:
    """Whether a list is a tuple of keys that went through a file, which makes lists of tuples."""
    return isinstance(key, list) and any(isinstance(one, slice) or one is None or one is Ellipsis for one in key)


def _indexed(x: Any, keys: list) -> Any:
    """`x[keys]`, with one key for each axis and None for each new one."""
    axis, tensors = 0, {}
    shape: list = []  # what the new axes do to the result: None for one, True for a kept axis
    for key in keys:
        if key is None:
            shape.append(None)
            continue
        if _is_tensor(key):
            tensors[axis] = key
            shape += [True] if len(tensors) == 1 else []
        elif isinstance(key, slice):
            x = sliced(x, axis, key)
            shape.append(True)
        else:
            x = ops.Select(x, axis, _position(key, shape_of(x)[axis]))
            continue
        axis += 1
    if tensors:
        if None in shape and len(tensors) >= 1:
            raise Refusal(notimpl("an index that is a tensor beside a new axis"))
        return _advanced(x, tensors)
    if None not in shape:
        return x
    sizes = iter(shape_of(x))
    return ops.Reshape(x, tuple(1 if one is None else next(sizes) for one in shape))


def _advanced(x: Any, tensors: dict[int, Any]) -> Any:
    if len(tensors) == 1:
        ((axis, indices),) = tensors.items()
        return ops.Take(x, indices, axis)
    last = max(tensors)
    return ops.AdvancedIndex(x, tuple(tensors.get(axis) for axis in range(last + 1)))


def _is_tensor(one: Any) -> bool:
    return isinstance(one, Value | Op)


def _position(key: int, size: Any) -> Any:
    negative = isinstance(key, int) and key < 0
    return size + key if negative else key


def sliced(x: Any, axis: int, key: slice) -> Any:
    """`x` with a Python slice of one axis, negative bounds and steps included."""
    size, step = shape_of(x)[axis], 1 if key.step is None else key.step
    if step < 0:
        return _backwards(x, axis, key, size, step)
    start = _bound(key.start, size, 0)
    stop = _bound(key.stop, size, size)
    if start == 0 and stop == size and step == 1:
        return x
    if isinstance(start, int) and isinstance(stop, int):
        stop = max(start, stop)
    return ops.Slice(x, axis, start, stop, step)


def _bound(given: Any, size: Any, otherwise: Any) -> Any:
    """A bound of a slice within the axis."""
    if given is None:
        return otherwise
    if isinstance(given, int) and given < 0:
        return maximum(size + given, 0) if isinstance(size, int) else size + given
    if isinstance(given, int) and given == 0:
        return 0
    return given if _surely_within(given, size) else minimum(given, size)


def _surely_within(given: Any, size: Any) -> bool:
    difference = size - given
    if isinstance(difference, int):
        return difference >= 0
    return isinstance(given, Dim) and all(c >= 0 for _, c in difference.terms)


def _backwards(x, axis: int, key: slice, size, step: int):
    """A slice with a negative step: the elements counted from the other end."""
    if not isinstance(size, int):
        if key.start is None and key.stop is None:
            turned = ops.Flip(x, (axis,))
            return turned if step == -1 else ops.Slice(turned, axis, 0, size, -step)
        raise Refusal(notimpl("a slice that counts down along an axis whose size is not known"))
    start, stop, _ = key.indices(size)
    turned = ops.Flip(x, (axis,))
    return ops.Slice(turned, axis, size - 1 - start, max(size - 1 - stop, size - 1 - start), -step)


@keras.reads("ops.take")
def take(x, indices, axis=None):
    x, axis = (flat(x), 0) if axis is None else (x, axis_of(x, axis))
    if is_scalar(indices):
        return ops.Select(x, axis, _position(indices, shape_of(x)[axis]))
    if type_of(indices).dtype == "bool" or type_of(indices).dtype.startswith("float"):
        indices = ops.Cast(indices, "int32")
    return ops.Take(x, indices, axis)


@keras.reads("ops.take_along_axis")
def take_along_axis(x, indices, axis=None):
    if axis is None:
        return ops.TakeAlongAxis(flat(x), flat(indices), 0)
    axis = axis_of(x, axis)
    rest = tuple(shape_of(one)[:axis] + shape_of(one)[axis + 1 :] for one in (x, indices))
    if rest[0] != rest[1]:  # the other axes broadcast against each other
        shape = broadcast_shapes(*rest)
        x, indices = (_spread(one, (*shape[:axis], shape_of(one)[axis], *shape[axis:])) for one in (x, indices))
    return ops.TakeAlongAxis(x, indices, axis)


def _spread(x, shape):
    return x if shape_of(x) == shape else ops.Broadcast(x, shape)


@keras.reads("ops.slice")
def slice_(inputs, start_indices, shape):
    starts = _known(start_indices)
    for axis, (start, size) in enumerate(zip(starts, shape, strict=True)):
        stop = shape_of(inputs)[axis] if size == -1 else start + size
        inputs = sliced(inputs, axis, slice(start, stop, 1))
    return inputs


@keras.reads("ops.slice_update")
def slice_update(inputs, start_indices, updates):
    starts, sizes = _known(start_indices), shape_of(updates)
    partial = [i for i, size in enumerate(sizes) if size != shape_of(inputs)[i]]
    if not partial:
        return updates
    (first, *rest) = partial
    start, stop = starts[first], starts[first] + sizes[first]
    if rest:
        inner = ops.Slice(inputs, first, start, stop, 1)
        moved = [0 if i == first else begin for i, begin in enumerate(starts)]
        updates = slice_update(inner, moved, updates)
    return ops.SliceUpdate(inputs, updates, first, start, stop, 1)


def _known(starts: Any) -> list:
    if _is_tensor(starts):
        if hasattr(starts, "load"):
            return [int(one) for one in starts.load()]
        raise Refusal(notimpl("a slice that starts where the data say"))
    if any(_is_tensor(one) for one in starts):
        raise Refusal(notimpl("a slice that starts where the data say"))
    return list(starts)


@keras.reads("ops.scatter")
def scatter(indices, values, shape):
    blank = ops.Full(tuple(shape), 0 if "float" not in type_of(values).dtype else 0.0, type_of(values).dtype)
    return _scattered(blank, indices, values, "add")


@keras.reads("ops.scatter_update")
def scatter_update(inputs, indices, updates, reduction=None):
    modes = {None: "set", "add": "add", "mul": "multiply", "max": "maximum", "min": "minimum"}
    return _scattered(inputs, indices, updates, modes[reduction])


def _scattered(x, indices, updates, mode):
    from netglot.pivot.dims import product

    *several, depth = shape_of(indices)
    number = product(several)
    if len(several) != 1:
        indices = ops.Reshape(indices, (number, depth))
        updates = ops.Reshape(updates, (number, *shape_of(updates)[len(several) :]))
    return ops.ScatterNd(x, indices, updates, mode)
