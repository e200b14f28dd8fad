"""Attention in pieces, over sequences of any length."""

from __future__ import annotations

import math

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.versions import opset
from netglot.dialects.onnx.write_ops.terms import node
from netglot.passes.composed import neural
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, shape_of


@onnx.lowers(ops.Attention)
def attention_in_pieces(op):
    """Runtimes do not agree on masks, nor on what is earlier among sequences of different lengths."""
    alike = shape_of(op.query)[2] == shape_of(op.key)[2]
    if opset() >= 23 and op.mask is None and (alike or not op.causal) and op.head_axis == 1:
        return None
    return _attended(op, *neural.heads_alike(op))[0]


@onnx.writes(ops.Attention)
def attention(op):
    return node("Attention", op.query, op.key, op.value, scale=op.scale, is_causal=int(op.causal) or None)


def _attended(op, key, value):
    """The result of attention in pieces, and its weights."""
    logits = ops.Matmul(ops.Multiply(op.query, op.scale), ops.Permute(key, (0, 1, 3, 2)))
    kind, empty = dtype_of(op.query), False
    if op.mask is not None and dtype_of(op.mask) == "bool":
        logits, empty = ops.Where(op.mask, logits, -math.inf), True
    elif op.mask is not None:
        logits, empty = ops.Add(logits, op.mask), True
    if getattr(op, "causal", False):
        logits = ops.Where(_earlier(shape_of(logits)[-2:]), logits, -math.inf)
    weights = ops.Softmax(logits, 3)
    if empty:  # a query that may see no key
        weights = ops.Where(ops.IsNan(weights), ops.Full((), 0.0, kind), weights)
    return ops.Matmul(weights, value), weights


def _earlier(sizes):
    queries, keys = sizes
    return ops.GreaterEqual(
        ops.Reshape(ops.Arange(0, queries, 1, "int64"), (queries, 1)), ops.Arange(0, keys, 1, "int64")
    )


@onnx.lowers(ops.MultiHeadAttention)
def multi_head_attention(op):
    return neural.multi_head_attention(op, _attended)
