"""Taking parts of tensors by position, and writing to positions."""

from __future__ import annotations

import numpy as np

from netglot.dialects.onnx.common import (
    Known,
    axis_of,
    cast,
    flat,
    number,
    numbers,
    rank,
    reshaped,
    sliced,
)
from netglot.dialects.onnx.dialect import onnx
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.graph import Parameter, Part
from netglot.pivot.op import shape_of


def positive(indices, size):
    """Positions counted from the front: those below 0 count from the end of an axis of `size`."""
    held = known_array(indices)
    if held is not None:
        if isinstance(size, int):
            return np.where(held < 0, held + size, held).astype(held.dtype)
        if (held >= 0).all():
            return indices
    return ops.Where(ops.Less(indices, 0), ops.Add(indices, size), indices)


def known_array(one):
    """The array behind an operand that is known while the file is read; None for others."""
    if isinstance(one, np.ndarray):
        return one
    return np.asarray(one.load()) if getattr(one, "kind", None) == "constant" else None


@onnx.reads("ai.onnx.ml.ArrayFeatureExtractor-1")
def array_feature_extractor(X, Y):
    """Columns, as converters of scikit-learn take the names of classes."""
    made = gather(X, flat(Y), axis=rank(X) - 1)
    return ops.Reshape(made, (1, *shape_of(made))) if rank(X) == 1 else made


@onnx.reads("Gather-1")
def gather(data, indices, *, axis=0):
    place = axis_of(data, axis)
    held = known_array(indices)
    if held is not None and held.size and "int" in str(held.dtype):
        size = shape_of(data)[place]
        if isinstance(size, int) and (held.max() >= size or held.min() < -size):
            raise ValueError(f"a position outside of an axis of size {size}")
        if held.ndim == 0:
            at = int(held)
            return ops.Select(data, place, at if at >= 0 else size + at)
    if isinstance(data, Parameter) and data.kind == "parameter" and rank(data) == 2 and place == 0 and rank(indices):
        return ops.Embedding(positive(indices, shape_of(data)[0]) if held is not None else indices, data, None)
    return ops.Take(data, indices, place)


@onnx.reads("GatherElements-11")
def gather_elements(data, indices, *, axis=0):
    place = axis_of(data, axis)
    for other in range(rank(data)):
        if other != place and shape_of(data)[other] != shape_of(indices)[other]:
            data = sliced(data, other, 0, shape_of(indices)[other])
    return ops.TakeAlongAxis(data, positive(indices, shape_of(data)[place]), place)


def _columns(indices):
    """The positions of each axis, from the last axis of `indices`."""
    last = rank(indices) - 1
    depth = shape_of(indices)[last]
    if not isinstance(depth, int):
        raise Refusal(notimpl("positions in a number of axes that is not known"))
    return [ops.Select(indices, last, i) for i in range(depth)]


@onnx.reads("GatherND-11")
def gather_nd_11(data, indices):
    return gather_nd(data, indices)


@onnx.reads("GatherND-12")
def gather_nd(data, indices, *, batch_dims=0):
    columns = _columns(indices)
    lead = []
    several = rank(indices) - 1
    for axis in range(batch_dims):
        size = shape_of(data)[axis]
        lead.append(reshaped(ops.Arange(0, size, 1, "int64"), tuple(size if i == axis else 1 for i in range(several))))
    if several == 0:
        data = reshaped(data, (1, *shape_of(data)))
        found = ops.AdvancedIndex(data, (np.zeros(1, "int64"), *(reshaped(c, (1,)) for c in columns)))
        return ops.Select(found, 0, 0)
    return ops.AdvancedIndex(data, (*lead, *(cast(c, "int64") for c in columns)))


_REDUCTIONS = {"none": "set", "add": "add", "mul": "multiply", "max": "maximum", "min": "minimum"}


def _scatter_elements(data, indices, updates, axis, reduction="none"):
    place = axis_of(data, axis)
    where = positive(indices, shape_of(data)[place])
    return ops.ScatterAlongAxis(data, where, updates, place, _REDUCTIONS[reduction])


@onnx.reads("Scatter-9")
def scatter(data, indices, updates, *, axis=0):
    return _scatter_elements(data, indices, updates, axis)


@onnx.reads("ScatterElements-11")
def scatter_elements(data, indices, updates, *, axis=0):
    return _scatter_elements(data, indices, updates, axis)


@onnx.reads("ScatterElements-16")
def scatter_elements_16(data, indices, updates, *, axis=0, reduction="none"):
    return _scatter_elements(data, indices, updates, axis, reduction)


def _scatter_nd(data, indices, updates, reduction="none"):
    *several, depth = shape_of(indices)
    count = product(several)
    sizes = shape_of(data)[:depth]
    if known_array(indices) is not None:
        held = known_array(indices)
        if all(isinstance(size, int) for size in sizes):
            indices = np.where(held < 0, held + np.asarray(sizes, held.dtype), held).astype(held.dtype)
    elif all(isinstance(size, int) for size in sizes):
        indices = ops.Where(ops.Less(indices, 0), ops.Add(indices, np.asarray(sizes, "int64")), indices)
    else:
        raise Refusal(notimpl("writing to positions along axes whose sizes are not known"))
    indices = reshaped(indices, (count, depth))
    updates = reshaped(updates, (count, *shape_of(updates)[len(several) :]))
    return ops.ScatterNd(data, indices, updates, _REDUCTIONS[reduction])


@onnx.reads("ScatterND-11")
def scatter_nd(data, indices, updates):
    return _scatter_nd(data, indices, updates)


@onnx.reads("ScatterND-16")
def scatter_nd_16(data, indices, updates, *, reduction="none"):
    return _scatter_nd(data, indices, updates, reduction)


@onnx.reads("Compress-9")
def compress(input, condition: Known, *, axis=None):
    chosen = np.flatnonzero(np.asarray(numbers(condition), bool))
    x = flat(input) if axis is None else input
    place = 0 if axis is None else axis_of(input, axis)
    return ops.Take(x, chosen.astype("int64"), place)


@onnx.reads("ReverseSequence-10")
def reverse_sequence(input, sequence_lens, *, batch_axis=1, time_axis=0):
    shape, count = shape_of(input), rank(input)
    line = ops.Arange(0, shape[time_axis], 1, "int64")
    steps = reshaped(line, tuple(shape[time_axis] if i == time_axis else 1 for i in range(count)))
    lengths = reshaped(
        cast(sequence_lens, "int64"), tuple(shape[batch_axis] if i == batch_axis else 1 for i in range(count))
    )
    turned = ops.Where(ops.Less(steps, lengths), ops.Subtract(ops.Subtract(lengths, 1), steps), steps)
    return ops.TakeAlongAxis(input, ops.Broadcast(turned, shape), time_axis)


def _top_k(X, k, axis, largest=1):
    place = axis_of(X, axis)
    if isinstance(k, Dim):
        raise Refusal(notimpl("the number of largest elements is a size that is not known"))
    size = shape_of(X)[place]
    if isinstance(size, int) and k > size:
        raise ValueError(f"{k} elements of {size}")
    made = ops.TopK(X, int(k), place, bool(largest), "int64")
    return [Part(made, 0), Part(made, 1)]


@onnx.reads("TopK-1")
def top_k_1(X, *, k, axis=-1):
    return _top_k(X, k, axis)


@onnx.reads("TopK-10")
def top_k_10(X, K: Known, *, axis=-1):
    return _top_k(X, number(K), axis)


@onnx.reads("TopK-11")
def top_k(X, K: Known, *, axis=-1, largest=1, sorted=1):
    return _top_k(X, number(K), axis, largest)


@onnx.reads("TensorScatter-24")
def tensor_scatter(past_cache, update, write_indices=None, *, mode="linear", axis=-2):
    place = axis_of(past_cache, axis)
    count, size = shape_of(update)[place], shape_of(past_cache)[place]
    steps = ops.Arange(0, count, 1, "int64")
    total = rank(past_cache)
    line = reshaped(steps, tuple(count if i == place else 1 for i in range(total)))
    if write_indices is not None:
        starts = reshaped(write_indices, (shape_of(write_indices)[0], *(1,) * (total - 1)))
        line = ops.Add(line, starts)
    if mode == "circular":
        line = ops.Remainder(line, size)
    return ops.ScatterAlongAxis(past_cache, ops.Broadcast(line, shape_of(update)), update, place, "set")


@onnx.reads("NonZero-9")
def non_zero(X):
    held = known_array(X)
    if held is not None:
        return np.asarray(np.nonzero(held), "int64")
    raise Refusal(never("the number of elements that are not zero depends on the data"))


@onnx.reads("Unique-11")
def unique(X, *, axis=None, sorted=1):
    held = known_array(X)
    if held is None:
        raise Refusal(never("the number of distinct elements depends on the data"))
    values, first, back, counts = np.unique(held, True, True, True, axis=axis)
    if not sorted:
        order = np.argsort(first)
        values, first, counts = np.take(values, order, axis or 0), first[order], counts[order]
        back = np.argsort(order)[back]
    return [values, *(np.asarray(one, "int64").reshape(-1) for one in (first, back, counts))]
