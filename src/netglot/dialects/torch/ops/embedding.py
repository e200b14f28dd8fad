"""ATen's embeddings. A negative padding index counts from the end, and -1 as the default means none."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.errors import Refusal, never
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of

_BY_FREQUENCY = never(
    "gradients of an embedding divided by how often each row occurs in the batch", "leave scale_grad_by_freq out"
)


@torch.reads("aten.embedding.default")
def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    # `sparse` is the storage of the gradient, not its value.
    if scale_grad_by_freq:
        raise Refusal(_BY_FREQUENCY)
    return ops.Embedding(indices, weight, padding_idx=padding_idx if padding_idx >= 0 else None)


@torch.reads("aten.embedding_bag.default")
def embedding_bag(
    weight,
    indices,
    offsets,
    scale_grad_by_freq=False,
    mode=0,
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
):
    return bags(weight, indices, offsets, scale_grad_by_freq, mode, per_sample_weights, include_last_offset, None)


@torch.reads("aten.embedding_bag.padding_idx")
def embedding_bag_padded(
    weight,
    indices,
    offsets,
    scale_grad_by_freq,
    mode,
    sparse,
    per_sample_weights,
    include_last_offset,
    padding_idx,
):
    return bags(
        weight, indices, offsets, scale_grad_by_freq, mode, per_sample_weights, include_last_offset, padding_idx
    )


def bags(weight, indices, offsets, by_frequency, mode, per_sample, include_last, padding_idx):
    """Rows folded in bags: the sum (mode 0), the mean (1) or the maximum (2). Only the first of four results is made.

    `indices` is a vector; each bag begins at its offset and ends where the next begins. Padding counts nowhere, and
    an empty bag is 0.
    """
    if by_frequency:
        raise Refusal(_BY_FREQUENCY)
    if padding_idx is not None and padding_idx < 0:
        padding_idx += shape_of(weight)[0]
    number = shape_of(indices)[0]
    count = shape_of(offsets)[0] - int(include_last)
    dtype = type_of(weight).dtype
    starts = ops.Slice(offsets, axis=0, start=0, stop=count, step=1) if include_last else offsets
    places = ops.Arange(0, number, 1, dtype=type_of(offsets).dtype)
    bag = ops.Subtract(ops.Searchsorted(starts, places, right=True, dtype="int64"), 1)
    rows = ops.Embedding(indices, weight, padding_idx=padding_idx)
    there = ops.Full((number,), value=True, dtype="bool")
    if padding_idx is not None:
        there = ops.NotEqual(indices, padding_idx)
    present = ops.Reshape(there, shape=(number, 1))
    if per_sample is not None:
        rows = ops.Multiply(rows, ops.Reshape(per_sample, shape=(number, 1)))
    if mode == 2:
        highest = ops.SegmentFold(ops.Where(present, rows, float("-inf")), bag, count=count, mode="max")
        full = ops.Greater(_counts(present, bag, count, dtype), 0.0)
        return ops.Where(full, highest, 0.0), None, None, None
    if padding_idx is not None:
        rows = ops.Where(present, rows, 0.0)
    total = ops.SegmentFold(rows, bag, count=count, mode="sum")
    if mode == 1:
        total = ops.Divide(total, ops.Clip(_counts(present, bag, count, dtype), low=1.0, high=None))
    return total, None, None, None


def _counts(present, bag, count, dtype):
    return ops.SegmentFold(ops.Cast(present, dtype=dtype), bag, count=count, mode="sum")


_RENORMALISED = never(
    "max_norm rewrites rows of the table during the forward pass", "renormalise the table before it is used"
)
torch.refuses_reading("aten.embedding_renorm.default", _RENORMALISED)
torch.refuses_reading("aten.embedding_renorm_.default", _RENORMALISED)
