"""What onnxruntime's optimiser fuses of transformers and diffusion networks: operators of the domain com.microsoft."""

from __future__ import annotations

import math

from netglot.dialects.onnx.common import Known, broadcast, cast, dtype, integer, rank, reshaped
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.attention import heads_apart, heads_together
from netglot.dialects.onnx.ops.matmul import Weight
from netglot.dialects.onnx.ops.shape import pad_11, range_, trilu
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import floordiv
from netglot.pivot.op import shape_of


def rotated(x, cos, sin, interleaved: bool):
    """(batch, head, time, feature) with pairs of features turned by angles of (batch or 1, time, feature / 2)."""
    batch, heads, time, features = shape_of(x)
    half = shape_of(cos)[-1]
    turned, rest = (x, None) if features == 2 * half else (ops.Slice(x, 3, 0, 2 * half, 1), x)
    cos, sin = (reshaped(one, (shape_of(one)[0], 1, time, half)) for one in (cos, sin))
    if interleaved:
        pairs = ops.Reshape(turned, (batch, heads, time, half, 2))
        first, second = ops.Select(pairs, 4, 0), ops.Select(pairs, 4, 1)
    else:
        first, second = ops.Slice(turned, 3, 0, half, 1), ops.Slice(turned, 3, half, 2 * half, 1)
    real = ops.Subtract(ops.Multiply(first, cos), ops.Multiply(second, sin))
    imaginary = ops.Add(ops.Multiply(second, cos), ops.Multiply(first, sin))
    if interleaved:
        made = ops.Reshape(ops.Stack((real, imaginary), 4), (batch, heads, time, 2 * half))
    else:
        made = ops.Concat((real, imaginary), 3)
    return made if rest is None else ops.Concat((made, ops.Slice(rest, 3, 2 * half, features, 1)), 3)


def _angles(cache, positions, batch, time):
    """The rows of a table of angles: for each position, or for those that follow one."""
    if positions is None:
        return reshaped(ops.Slice(cache, 0, 0, time, 1), (1, time, shape_of(cache)[1]))
    if rank(positions) == 1:
        positions = ops.Add(reshaped(positions, (1, 1)), reshaped(ops.Arange(0, time, 1, dtype(positions)), (1, time)))
    return ops.Take(cache, positions, 0)


@onnx.reads("com.microsoft.RotaryEmbedding-1")
def rotary_embedding(
    input,
    position_ids,
    cos_cache,
    sin_cache,
    *,
    interleaved=0,
    is_packed_batching=0,
    num_heads=0,
    rotary_embedding_dim=0,
    scale=1.0,
):
    if is_packed_batching or scale != 1.0:
        raise Refusal(notimpl("rotary embeddings of packed batches or with a scale"))
    flat = rank(input) == 3
    size = rotary_embedding_dim or 2 * shape_of(cos_cache)[1]
    heads = num_heads or floordiv(shape_of(input)[-1], size)
    x = heads_apart(input, heads) if flat else input
    cos, sin = (_angles(one, position_ids, shape_of(x)[0], shape_of(x)[2]) for one in (cos_cache, sin_cache))
    made = rotated(x, cos, sin, bool(interleaved))
    return heads_together(made) if flat else made


@onnx.reads("com.microsoft.GroupQueryAttention-1")
def group_query_attention(
    query,
    key=None,
    value=None,
    past_key=None,
    past_value=None,
    seqlens_k=None,
    total_sequence_length=None,
    cos_cache=None,
    sin_cache=None,
    position_ids=None,
    attention_bias=None,
    head_sink=None,
    *,
    num_heads,
    kv_num_heads,
    do_rotary=0,
    rotary_interleaved=0,
    local_window_size=-1,
    scale=None,
    softcap=0.0,
    smooth_softmax=0,
    qk_output=0,
    outputs=(),
):
    """Keys of a sequence end with its new ones; `seqlens_k` says, less one, how many there are."""
    if softcap or smooth_softmax == 1 or head_sink is not None or qk_output:
        raise Refusal(notimpl("attention with a cap or sinks, as onnxruntime fuses it"))
    if key is None:
        size = floordiv(shape_of(query)[2], num_heads + 2 * kv_num_heads)
        ends = [num_heads * size, (num_heads + kv_num_heads) * size, (num_heads + 2 * kv_num_heads) * size]
        parts = [ops.Slice(query, 2, a, b, 1) for a, b in zip([0, *ends], ends, strict=False)]
        query, key, value = parts
    q, k, v = heads_apart(query, num_heads), heads_apart(key, kv_num_heads), heads_apart(value, kv_num_heads)
    cached, time = past_key is not None and shape_of(past_key)[2] != 0, shape_of(q)[2]
    before = _before(seqlens_k, shape_of(q)[0], time) if cached else None
    if do_rotary:
        if cached and position_ids is None:
            position_ids = ops.Add(before, reshaped(ops.Arange(0, time, 1, "int64"), (1, time)))
        cos, sin = (_angles(one, position_ids, shape_of(q)[0], time) for one in (cos_cache, sin_cache))
        q, k = (rotated(one, cos, sin, bool(rotary_interleaved)) for one in (q, k))
    if cached:
        k, v = (_continued(past, new, before) for past, new in ((past_key, k), (past_value, v)))
    mask = attention_bias
    if cached or local_window_size != -1:
        seen = _seen(before, time, shape_of(k)[2], local_window_size)
        mask = seen if mask is None else ops.Where(seen, mask, -math.inf)
    factor = scale if scale else 1 / math.sqrt(shape_of(q)[3])
    made = heads_together(ops.Attention(q, k, v, mask, factor, mask is attention_bias, 0.0, 1))
    return [made, k, v] if any(outputs[1:3]) else made


def _before(lengths, batch, time):
    """How many keys each sequence had before the new ones: (batch, 1)."""
    return ops.Subtract(reshaped(cast(lengths, "int64"), (batch, 1)), time - 1)


def _continued(past, new, before):
    """The kept part of each sequence of a cache, and the new part behind it; what follows has no meaning."""
    batch, heads, held, size = shape_of(past)
    whole = held + shape_of(new)[2]
    places = reshaped(ops.Arange(0, whole, 1, "int64"), (1, whole))
    moved = ops.Clip(ops.Add(ops.Subtract(places, before), held), 0, whole - 1)
    index = reshaped(ops.Where(ops.Less(places, before), places, moved), (batch, 1, whole, 1))
    return ops.TakeAlongAxis(ops.Concat((past, new), 2), broadcast(index, (batch, heads, whole, size)), 2)


def _seen(before, time, keys, window: int):
    """Which keys a query sees: those no later than itself, within a window; (batch or 1, 1, query, key)."""
    places = reshaped(ops.Arange(0, keys, 1, "int64"), (1, 1, 1, keys))
    own = reshaped(ops.Arange(0, time, 1, "int64"), (1, 1, time, 1))
    own = own if before is None else ops.Add(reshaped(before, (shape_of(before)[0], 1, 1, 1)), own)
    seen = ops.LessEqual(places, own)
    return seen if window == -1 else ops.LogicalAnd(seen, ops.Greater(places, ops.Subtract(own, window)))


@onnx.reads("com.microsoft.EmbedLayerNormalization-1")
def embed_layer_norm(
    input_ids,
    segment_ids,
    word_embedding: Weight,
    position_embedding: Weight,
    segment_embedding: Weight = None,
    gamma: Weight = None,
    beta: Weight = None,
    mask=None,
    position_ids=None,
    *,
    epsilon=1e-12,
    mask_index_type=0,
    outputs=(),
):
    batch, time = shape_of(input_ids)
    total = ops.Embedding(input_ids, word_embedding, None)
    if position_ids is None:
        position_ids = reshaped(ops.Arange(0, time, 1, "int64"), (1, time))
    total = ops.Add(total, ops.Embedding(position_ids, position_embedding, None))
    if segment_embedding is not None:
        total = ops.Add(total, ops.Embedding(segment_ids, segment_embedding, None))
    made = ops.LayerNorm(total, gamma, beta, epsilon, (2,))
    lengths = None
    if len(outputs) > 1 and outputs[1]:
        lengths = ops.Full((batch,), 0, "int32") if mask is None else ops.Cast(ops.Sum(mask, (1,), False), "int32")
    return [made, lengths, total] if any(outputs[1:]) else made


@onnx.reads("com.microsoft.BiasAdd-1")
def bias_add(X, bias: Weight, skip):
    return ops.Add(ops.Add(X, bias), skip)


@onnx.reads("com.microsoft.BiasSplitGelu-1")
def bias_split_gelu(X, bias: Weight):
    total = ops.Add(X, bias)
    half = floordiv(shape_of(X)[2], 2)
    return ops.Multiply(ops.Slice(total, 2, 0, half, 1), ops.Gelu(ops.Slice(total, 2, half, 2 * half, 1), False))


@onnx.reads("com.microsoft.GroupNorm-1")
def group_norm(X, gamma: Weight, beta: Weight, *, activation, channels_last=1, epsilon=1e-5, groups):
    axis = rank(X) - 1 if channels_last else 1
    gamma, beta = cast(gamma, dtype(X)), cast(beta, dtype(X))
    made = ops.GroupNorm(X, gamma, beta, groups, epsilon, axis)
    return ops.Silu(made) if activation else made


@onnx.reads("com.microsoft.SkipGroupNorm-1")
def skip_group_norm(
    X, gamma: Weight, beta: Weight, skip, bias: Weight = None, *, activation, channels_last=1, epsilon=1e-5, groups,
    outputs=(),
):  # fmt: skip
    shape = shape_of(X)
    if rank(skip) == 2:
        skip = reshaped(skip, (shape[0], 1, 1, shape[3]) if channels_last else (shape[0], shape[1], 1, 1))
    total = ops.Add(X, broadcast(skip, shape))
    total = total if bias is None else ops.Add(total, bias)
    made = group_norm(
        total, gamma, beta, activation=activation, channels_last=channels_last, epsilon=epsilon, groups=groups
    )
    return [made, total] if any(outputs[1:]) else made


@onnx.reads("com.microsoft.NhwcConv-1")
def nhwc_conv(
    X, W: Weight, B: Weight = None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None,
    strides=None,
):  # fmt: skip
    from netglot.dialects.onnx.ops.conv import conv

    order = (0, rank(X) - 1, *range(1, rank(X) - 1))
    weight = ops.Permute(W, order)
    made = conv(
        ops.Permute(X, order), weight, B, auto_pad=auto_pad, dilations=dilations, group=group,
        kernel_shape=kernel_shape, pads=pads, strides=strides,
    )  # fmt: skip
    return ops.Permute(made, (0, *range(2, rank(X)), 1))


onnx.refuses_reading(
    "com.microsoft.nchwc.*",
    never(
        "its weights are laid out for the processor on which onnxruntime optimised the model",
        "convert the model as it was before, or optimise it with ORT_ENABLE_EXTENDED",
    ),
)


# -- operators that the standard gained later

onnx.reads("com.microsoft.Range-1")(range_)
onnx.reads("com.microsoft.Pad-1")(pad_11)
onnx.reads("com.microsoft.Trilu-1")(trilu)


@onnx.reads("com.microsoft.ExpandDims-1")
def expand_dims(X, axis: Known):
    place = integer(axis)
    place = place + rank(X) + 1 if place < 0 else place
    shape = shape_of(X)
    return reshaped(X, (*shape[:place], 1, *shape[place:]))


@onnx.reads("com.microsoft.Inverse-1")
def inverse(X):
    return ops.Inverse(X)


@onnx.reads("com.microsoft.BiasSoftmax-1")
def bias_softmax(data, bias, *, axis=1, is_inner_broadcast):
    """The bias repeats along the axes in the middle, or else in front as NumPy has it."""
    place = axis + rank(data) if axis < 0 else axis
    if rank(bias) != rank(data) or place != rank(data) - 1:
        raise Refusal(notimpl("a softmax with a bias over several axes"))
    return ops.Softmax(ops.Add(data, bias), place)
