"""The operators into which PyTorch fuses its own attention layers in inference, in the words that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F

from netglot.errors import Refusal, notimpl


def _attention(
    query, key, value, width, heads, qkv_weight, qkv_bias, weight, bias, mask=None, need_weights=True,
    average=True, mask_type=None,
):  # fmt: skip
    """`nn.MultiheadAttention` on sequences whose batch comes first. A mask of kind 1 is one of padding."""
    if mask is not None and mask_type not in (0, 1):
        raise Refusal(notimpl("a fused attention with two masks"))
    out, scores = F.multi_head_attention_forward(
        query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), width, heads, qkv_weight, qkv_bias, None,
        None, False, 0.0, weight, bias, training=False, key_padding_mask=mask if mask_type == 1 else None,
        need_weights=need_weights, attn_mask=mask if mask_type == 0 else None, average_attn_weights=average,
    )  # fmt: skip
    return out.transpose(0, 1), scores


def _encoder_layer(
    x, width, heads, qkv_weight, qkv_bias, weight, bias, use_gelu, norm_first, epsilon, scale_1, offset_1, scale_2,
    offset_2, inner_weight, inner_bias, outer_weight, outer_bias, mask=None, mask_type=None,
):  # fmt: skip
    """`nn.TransformerEncoderLayer`."""

    def attend(held):
        return _attention(
            held, held, held, width, heads, qkv_weight, qkv_bias, weight, bias, mask, False, True, mask_type
        )[0]

    def feed(held):
        inner = F.linear(held, inner_weight, inner_bias)
        return F.linear(F.gelu(inner) if use_gelu else F.relu(inner), outer_weight, outer_bias)

    def first(held):
        return F.layer_norm(held, (width,), scale_1, offset_1, epsilon)

    def second(held):
        return F.layer_norm(held, (width,), scale_2, offset_2, epsilon)

    if norm_first:
        x = x + attend(first(x))
        return x + feed(second(x))
    x = first(x + attend(x))
    return second(x + feed(x))


FUSED: dict[str, Callable[..., Any]] = {
    "_native_multi_head_attention": _attention,
    "_transformer_encoder_layer_fwd": _encoder_layer,
}
"""What each operator gives."""
