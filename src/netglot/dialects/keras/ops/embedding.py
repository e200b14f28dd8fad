"""Keras's embeddings. Its `mask_zero` is no padding index: it masks the layers that follow."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import shape_of
from netglot.source.spell import Layer, call


@keras.lowers(ops.Embedding)
def lower_embedding(op):
    """A table that is computed is no layer's."""
    if isinstance(op.weight, Parameter):
        return None
    rows = ops.Take(op.weight, op.ids, axis=0)
    if op.padding_idx is None:
        return rows
    padding = ops.Reshape(ops.Equal(op.ids, op.padding_idx), shape=(*shape_of(op.ids), 1))
    return ops.Where(padding, ops.StopGradient(rows), rows)


@keras.writes(ops.Embedding)
def embedding(op):
    layer, helper, options = "layers.Embedding", None, {}
    rows = call("ops.take", op.weight, op.ids, axis=0)
    if op.padding_idx is not None:
        layer = helper = "PaddedEmbedding"
        options = {"padding_idx": op.padding_idx}
        padding = call("ops.expand_dims", call("ops.equal", op.ids, op.padding_idx), axis=-1)
        rows = call("ops.where", padding, call("ops.stop_gradient", rows), rows)
    weights = {"embeddings": op.weight}
    return Layer(
        layer, (op.ids,), options=options, weights=weights, arguments=shape_of(op.weight), helper=helper, function=rows
    )


@keras.writes(ops.SegmentFold)
def segment_fold(op):
    return call(f"ops.segment_{op.mode}", op.x, op.segments, num_segments=op.count)
