"""PyTorch's embeddings, and the folding of rows by segment."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.pivot import ops
from netglot.pivot.graph import is_weight
from netglot.pivot.op import dtype_of, shape_of
from netglot.source.spell import Call, Layer, Method, options, unless


@torch.writes(ops.Embedding)
def embedding(op):
    given = options(padding_idx=unless(op.padding_idx, None))
    function = Call("F.embedding", (op.ids, op.weight), given)
    if not is_weight(op.weight):
        return function
    return Layer(
        "nn.Embedding",
        (op.ids,),
        given,
        weights={"weight": op.weight},
        arguments=shape_of(op.weight),
        function=function,
    )


@torch.lowers(ops.SegmentFold)
def segment_maximum(op):
    """The largest of each segment, over a tensor of the lowest number."""
    if op.mode == "sum":
        return None
    shape, rest = shape_of(op.x), len(shape_of(op.x)) - 1
    lowest = ops.Full((op.count, *shape[1:]), -float("inf"), dtype_of(op.x))
    lines = ops.Broadcast(ops.Reshape(op.segments, shape=(shape[0], *(1,) * rest)), shape=shape)
    return ops.ScatterAlongAxis(lowest, lines, op.x, axis=0, mode="maximum")


@torch.writes(ops.SegmentFold)
def segment_sum(op):
    shape = (op.count, *shape_of(op.x)[1:])
    return Method(Method(op.x, "new_zeros", (shape,)), "index_add", (0, op.segments, op.x))
