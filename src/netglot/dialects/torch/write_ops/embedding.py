"""PyTorch's embeddings, and the folding of rows by segment."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.pivot import ops
from netglot.pivot.graph import is_weight
from netglot.pivot.op import shape_of
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


@torch.writes(ops.SegmentFold)
def segment_fold(op):
    shape = (op.count, *shape_of(op.x)[1:])
    if op.mode == "sum":
        return Method(Method(op.x, "new_zeros", (shape,)), "index_add", (0, op.segments, op.x))
    lowest = Method(op.x, "new_full", (shape, -float("inf")))
    return Method(lowest, "index_reduce", (0, op.segments, op.x, "amax"))
