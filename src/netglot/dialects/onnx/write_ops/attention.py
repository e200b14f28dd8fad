"""Attention in pieces, over sequences of any length."""

from __future__ import annotations

import math

from netglot.dialects.onnx.dialect import onnx
from netglot.passes.composed import neural
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, shape_of


@onnx.lowers(ops.Attention)
def attention(op):
    return _attended(op, *neural.heads_alike(op))[0]


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
