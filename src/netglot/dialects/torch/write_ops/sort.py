"""Order as PyTorch spells it."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import INTEGERS, dtype_of, shape_of
from netglot.source.spell import Attribute, Call, call, options, unless
from netglot.source.subscripts import from_end


def _dim(op):
    return unless(from_end(op.axis, len(shape_of(op.x))), -1)


@torch.writes(ops.Sort)
def sort(op):
    return Attribute(call("torch.sort", op.x, dim=_dim(op), descending=unless(op.descending, False)), "values")


@torch.writes(ops.Argsort)
def argsort(op):
    return call("torch.argsort", op.x, dim=_dim(op), descending=unless(op.descending, False), stable=True)


@torch.lowers(ops.TopK)
def places_in_int64(op):
    """PyTorch counts in int64, and leaves the order of equal elements open, which integers often are."""
    if dtype_of(op.x) in INTEGERS:
        places = ops.Slice(ops.Argsort(op.x, op.axis, op.largest), op.axis, 0, op.k, 1)
        found = ops.Cast(places, op.index_dtype) if op.index_dtype != "int64" else places
        return ops.TakeAlongAxis(op.x, places, op.axis), found
    if op.index_dtype == "int64":
        return None
    wide = op.replace(index_dtype="int64")
    return Part(wide, 0), ops.Cast(Part(wide, 1), dtype=op.index_dtype)


@torch.writes(ops.TopK)
def top_k(op):
    return Call("torch.topk", (op.x, op.k), options(dim=_dim(op), largest=unless(op.largest, True)))


@torch.writes(ops.Searchsorted)
def searchsorted(op):
    given = options(right=unless(op.right, False), out_int32=unless(op.dtype == "int32", False))
    return Call("torch.searchsorted", (op.boundaries, op.values), given)
