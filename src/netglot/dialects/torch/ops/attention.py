"""ATen's scaled dot-product attention, and multi-head attention as the capture keeps it in one piece."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.ops.shape import broadcast, cast, rank_of, reshaped
from netglot.errors import Refusal, notimpl
from netglot.pivot import dims, ops
from netglot.pivot.graph import Part
from netglot.pivot.op import broadcast_shapes, dtype_of, shape_of, type_of


@torch.reads("aten.scaled_dot_product_attention.default")
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False
):
    scale = shape_of(query)[-1] ** -0.5 if scale is None else float(scale)
    lead = broadcast_shapes(*(_lead(x, enable_gqa) for x in (query, key, value)))
    four = [_four_axes(x, lead, enable_gqa) for x in (query, key, value)]
    mask = None if attn_mask is None else _four_axes_mask(attn_mask, rank_of(query), lead, dtype_of(query))
    out = ops.Attention(*four, mask, scale=scale, causal=bool(is_causal), dropout=float(dropout_p), head_axis=1)
    return reshaped(out, (*lead, *((shape_of(query)[-3],) if enable_gqa else ()), *shape_of(out)[2:]))


def _lead(x, grouped: bool) -> tuple:
    """The axes that broadcast: all before time, but not the heads where they are grouped."""
    return tuple(shape_of(x)[: -3 if grouped else -2])


def _four_axes(x, lead: tuple, grouped: bool):
    """A tensor as (batch, head, time, feature)."""
    own = tuple(shape_of(x)[len(_lead(x, grouped)) :])
    x = broadcast(x, (*lead, *own))
    if grouped:
        return reshaped(x, (dims.product(lead), *own))
    batch, heads = (dims.product(lead[:-1]), lead[-1]) if len(lead) > 1 else (dims.product(lead), 1)
    return reshaped(x, (batch, heads, *own))


def _four_axes_mask(mask, rank: int, lead: tuple, dtype: str):
    """A mask that broadcasts to (batch, head, query, key)."""
    mask = mask if type_of(mask).dtype == "bool" else cast(mask, dtype)
    shape = tuple(shape_of(mask))
    shape = (1,) * (rank - len(shape)) + shape
    if rank == 4:
        return reshaped(mask, shape)
    if rank < 4:
        return reshaped(mask, (*shape[:-2], *(1,) * (4 - rank), *shape[-2:]))
    mask = broadcast(reshaped(mask, shape), (*lead, *shape[-2:]))
    return reshaped(mask, (dims.product(lead[:-1]), lead[-1], *shape[-2:]))


@torch.reads("netglot.multi_head_attention.default")
def multi_head_attention(
    query,
    key,
    value,
    in_proj_weight,
    q_proj_weight,
    k_proj_weight,
    v_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    out_proj_weight,
    out_proj_bias,
    attn_mask,
    num_heads,
    dropout,
    is_causal,
    need_weights,
):
    if bias_k is not None or bias_v is not None:
        raise Refusal(notimpl("attention with a learned extra key and value (add_bias_kv)"))
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if in_proj_weight is None else _thirds(in_proj_weight)
    biases = (None,) * 3 if in_proj_bias is None else _thirds(in_proj_bias)
    mask = None if attn_mask is None else _four_axes_mask(attn_mask, 4, (), dtype_of(query))
    if is_causal and mask is None:
        mask = _causal(shape_of(query)[1], shape_of(key)[1])
    operands = dict(zip(("wq", "wk", "wv", "bq", "bk", "bv"), (*weights, *biases), strict=True))
    made = ops.MultiHeadAttention(
        query,
        key,
        value,
        **operands,
        wo=out_proj_weight,
        bo=out_proj_bias,
        mask=mask,
        heads=num_heads,
        dropout=float(dropout),
        batch_axis=0,
    )
    if not need_weights:
        return (Part(made, 0),)
    return Part(made, 0), ops.Mean(Part(made, 1), axes=(1,), keepdims=False)


def _thirds(packed):
    """The parts of a packed weight for query, key and value."""
    size = shape_of(packed)[0] // 3
    return tuple(ops.Slice(packed, axis=0, start=i * size, stop=(i + 1) * size, step=1) for i in range(3))


def _causal(queries, keys):
    rows = ops.Reshape(ops.Arange(start=0, stop=queries, step=1, dtype="int64"), shape=(1, 1, queries, 1))
    columns = ops.Reshape(ops.Arange(start=0, stop=keys, step=1, dtype="int64"), shape=(1, 1, 1, keys))
    return ops.GreaterEqual(rows, columns)
