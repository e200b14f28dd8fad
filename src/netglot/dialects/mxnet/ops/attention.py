"""Attention as GluonNLP computes it: queries, keys and values of one head beside each other, time first."""

from __future__ import annotations

from netglot.dialects.mxnet.dialect import mxnet
from netglot.errors import InputError
from netglot.pivot import ops
from netglot.pivot.op import shape_of


def _part(work, x, place: int, parts: int):
    """One part of what is interleaved, as (batch and heads, time, features)."""
    heads, (time, batch, features) = work.node.integer("heads"), shape_of(x)
    if heads < 1 or not isinstance(features, int) or features % (heads * parts):
        raise InputError(f"{work.node.name}: {features} features for {heads} heads")
    each = features // heads // parts
    apart = ops.Reshape(x, (time, batch, heads, parts, each))
    turned = ops.Permute(ops.Select(apart, 3, place), (1, 2, 0, 3))
    return ops.Reshape(turned, (batch * heads, time, each)), each


def _scores(work, query, keys, parts: int, place: int):
    """Products of scaled queries and keys."""
    q, each = _part(work, query, 0, 3 if parts == 3 else 1)
    k, _ = _part(work, keys, place, parts)
    return ops.Matmul(ops.Multiply(q, each**-0.5), ops.Permute(k, (0, 2, 1)))


@mxnet.reads("_contrib_interleaved_matmul_selfatt_qk")
def own_scores(work, x):
    return _scores(work, x, x, 3, 1)


@mxnet.reads("_contrib_interleaved_matmul_encdec_qk")
def scores(work, query, keys):
    return _scores(work, query, keys, 2, 0)


@mxnet.reads("_contrib_interleaved_matmul_selfatt_valatt", "_contrib_interleaved_matmul_encdec_valatt")
def attended(work, values, weights):
    parts = 3 if "selfatt" in work.node.op else 2
    v, each = _part(work, values, parts - 1, parts)
    batch, time, heads = shape_of(values)[1], shape_of(weights)[1], work.node.integer("heads")
    found = ops.Reshape(ops.Matmul(weights, v), (batch, heads, time, each))
    return ops.Reshape(ops.Permute(found, (2, 0, 1, 3)), (time, batch, heads * each))
