"""Attention, where it is one operator."""

from __future__ import annotations

import math

from netglot.dialects.onnx.common import dtype, rank, reshaped
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.matmul import Weight
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import floordiv
from netglot.pivot.op import shape_of


def heads_apart(x, heads: int):
    """The features of (batch, time, features) as heads: (batch, head, time, feature)."""
    batch, time, features = shape_of(x)
    return ops.Permute(reshaped(x, (batch, time, heads, floordiv(features, heads))), (0, 2, 1, 3))


def heads_together(x):
    """The inverse of `heads_apart`."""
    batch, heads, time, features = shape_of(x)
    return ops.Reshape(ops.Permute(x, (0, 2, 1, 3)), (batch, time, heads * features))


@onnx.reads("Attention-23")
def attention(
    Q,
    K,
    V,
    attn_mask=None,
    past_key=None,
    past_value=None,
    nonpad_kv_seqlen=None,
    *,
    is_causal=0,
    kv_num_heads=None,
    q_num_heads=None,
    qk_matmul_output_mode=0,
    scale=None,
    softcap=0.0,
    softmax_precision=None,
    left_window_size=-1,
    right_window_size=-1,
    outputs=(),
):
    """The plain form; one with a cache, a cap or a window is read as the function that the standard defines."""
    special = past_key is not None or past_value is not None or nonpad_kv_seqlen is not None or softcap
    if special or any(outputs[1:]) or left_window_size != -1 or right_window_size != -1 or attn_mask is not None:
        return NotImplemented
    if "float" not in dtype(Q) or len({dtype(x) for x in (Q, K, V)}) > 1:
        return NotImplemented
    flat = rank(Q) == 3
    if flat:
        Q, K, V = heads_apart(Q, q_num_heads), heads_apart(K, kv_num_heads), heads_apart(V, kv_num_heads)
    if shape_of(Q)[1] % shape_of(K)[1]:
        return NotImplemented
    factor = 1 / math.sqrt(shape_of(Q)[3]) if scale is None else scale
    out = ops.Attention(Q, K, V, None, factor, bool(is_causal), 0.0, 1)
    return heads_together(out) if flat else out


@onnx.reads("com.microsoft.Attention-1")
def attention_microsoft(
    input,
    weights: Weight,
    bias: Weight = None,
    mask_index=None,
    past=None,
    attention_bias=None,
    past_sequence_length=None,
    *,
    num_heads,
    unidirectional=0,
    qkv_hidden_sizes=None,
    scale=None,
    mask_filter_value=-10000.0,
    do_rotary=0,
    past_present_share_buffer=0,
    rotary_embedding_dim=0,
    outputs=(),
):
    if do_rotary or past_sequence_length is not None:
        raise Refusal(notimpl("attention with a shared cache or with rotary embeddings, as onnxruntime fuses it"))
    sizes = qkv_hidden_sizes or [shape_of(weights)[1] // 3] * 3
    columns, parts = 0, []
    for size in sizes:
        weight = ops.Permute(ops.Slice(weights, 1, columns, columns + size, 1), (1, 0))
        offset = None if bias is None else ops.Slice(bias, 0, columns, columns + size, 1)
        parts.append(heads_apart(ops.Linear(input, weight, offset), num_heads))
        columns += size
    query, *held = parts
    if past is not None:
        held = [ops.Concat((ops.Select(past, 0, i), one), 2) for i, one in enumerate(held)]
    mask = _mask(mask_index, mask_filter_value, dtype(input), shape_of(input)[0], shape_of(held[0])[2])
    made = _attended(query, *held, mask, attention_bias, scale, unidirectional)
    return [made, ops.Stack(tuple(held), 0)] if any(outputs[1:]) else made


def _attended(query, key, value, mask, bias, scale, causal):
    """Attention of heads, whose newest keys are the queries' own, with their features together again."""
    if bias is not None:
        mask = bias if mask is None else ops.Add(mask, bias)
    time, keys = shape_of(query)[2], shape_of(key)[2]
    if causal and time != keys:
        places = reshaped(ops.Arange(0, keys, 1, "int64"), (1, 1, 1, keys))
        own = reshaped(ops.Arange(keys - time, keys, 1, "int64"), (1, 1, time, 1))
        seen = ops.LessEqual(places, own)
        mask, causal = seen if mask is None else ops.Where(seen, mask, -math.inf), False
    factor = 1 / math.sqrt(shape_of(query)[3]) if scale is None else scale
    return heads_together(ops.Attention(query, key, value, mask, factor, bool(causal), 0.0, 1))


def _mask(keep, value: float, kind: str, batch, keys):
    """What is added to the logits for a mask of ones where a key is seen: (batch, key) or (batch, query, key); or for
    how many keys there are: (batch,)."""
    if keep is None:
        return None
    if rank(keep) == 1:
        if shape_of(keep)[0] != batch:
            raise Refusal(notimpl("a mask of attention that holds the beginnings and ends of sequences"))
        places = ops.Arange(0, keys, 1, dtype(keep))
        keep = ops.Less(reshaped(places, (1, keys)), reshaped(keep, (batch, 1)))
    if rank(keep) not in (2, 3):
        raise Refusal(notimpl("a mask of attention that is laid out for a whole cache"))
    shape = shape_of(keep)
    apart = reshaped(keep, (shape[0], 1, 1, shape[1]) if rank(keep) == 2 else (shape[0], 1, *shape[1:]))
    return ops.Multiply(ops.Subtract(1.0, ops.Cast(apart, kind)), value)


def _heads(query, key, value, heads: int) -> list:
    """Queries, keys and values as (batch, head, time, feature), from whatever onnxruntime packs them into."""
    if rank(query) == 5:  # (batch, time, head, 3, feature)
        return [ops.Permute(ops.Select(query, 3, i), (0, 2, 1, 3)) for i in range(3)]
    q = heads_apart(query, heads)
    if key is not None and rank(key) == 5:  # (batch, time, head, 2, feature)
        return [q, *(ops.Permute(ops.Select(key, 3, i), (0, 2, 1, 3)) for i in range(2))]
    if key is None or value is None:
        raise Refusal(notimpl("attention without keys, as onnxruntime fuses it"))
    return [q, *(one if rank(one) == 4 else heads_apart(one, heads) for one in (key, value))]


@onnx.reads("com.microsoft.MultiHeadAttention-1")
def multi_head_attention(
    query,
    key=None,
    value=None,
    bias: Weight = None,
    key_padding_mask=None,
    attention_bias=None,
    past_key=None,
    past_value=None,
    *,
    num_heads,
    scale=None,
    mask_filter_value=-10000.0,
    unidirectional=0,
    outputs=(),
):
    if bias is not None and (rank(query) != 3 or key is None):
        raise Refusal(notimpl("attention with packed projections and biases, as onnxruntime fuses it"))
    if bias is not None:
        sizes = [shape_of(query)[2]] * 2 + [shape_of(bias)[0] - 2 * shape_of(query)[2]]
        starts = (0, sizes[0], 2 * sizes[0])
        offsets = [ops.Slice(bias, 0, start, start + size, 1) for start, size in zip(starts, sizes, strict=True)]
        query = ops.Add(query, offsets[0])
        key, value = (
            ops.Add(one, offset) if rank(one) == 3 else one
            for one, offset in zip((key, value), offsets[1:], strict=True)
        )
    query, *held = _heads(query, key, value, num_heads)
    if past_key is not None:
        held = [ops.Concat((past, one), 2) for past, one in zip((past_key, past_value), held, strict=True)]
    kind, batch = dtype(query), shape_of(held[0])[0]
    mask = _mask(key_padding_mask, mask_filter_value, kind, batch, shape_of(held[0])[2])
    made = _attended(query, *held, mask, attention_bias, scale, unidirectional)
    return [made, *held] if any(outputs[1:]) else made
