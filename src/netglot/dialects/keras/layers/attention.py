"""Attention: the projections are linear functions, and what lies between them is one op."""

from __future__ import annotations

from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.neural import additive_mask
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of


@keras.reads("layers.MultiHeadAttention")
def multi_head_attention(
    layer, query, value, key=None, query_mask=None, value_mask=None, key_mask=None, attention_mask=None,
    return_attention_scores=False, training=None, use_causal_mask=False,
):  # fmt: skip
    """Dropout and asked-for scores go through a softmax that gives zeros where no key may be seen.

    Without them Keras masks with a large number, so that a query that may see no key attends to all alike.
    """
    layer.refuse_training(training if layer._dropout else None)
    key = value if key is None else key
    causal = use_causal_mask and not any(
        mask is not None for mask in (query_mask, value_mask, key_mask, attention_mask)
    ) and layer._sliding_window is None  # fmt: skip
    masks = {
        "query_mask": query_mask,
        "value_mask": value_mask,
        "key_mask": key_mask,
        "attention_mask": attention_mask,
    }
    mask = None
    if not causal:
        mask = layer.apply(layer.live._compute_attention_mask, query, value, use_causal_mask=use_causal_mask, **masks)
    gate = layer.apply(layer._gate_dense, query) if getattr(layer.live, "_use_gate", False) else None
    projected = [
        layer.apply(dense, x)
        for dense, x in ((layer._query_dense, query), (layer._key_dense, key), (layer._value_dense, value))
    ]
    plain = len(shape_of(projected[0])) == 4 and not return_attention_scores
    if plain:
        out, scores = _attended(layer, projected, mask, causal, layer._dropout), None
    else:
        options = {"attention_mask": mask, "return_attention_scores": return_attention_scores}
        if causal:
            options["use_causal_mask"] = True
        out, scores = layer.apply(layer.live._compute_attention, *projected, **options)
    out = out if gate is None else ops.Multiply(out, gate)
    out = layer.apply(layer._output_dense, out)
    return (out, scores) if return_attention_scores else out


def _attended(layer, projected: list, mask: Any, causal: bool, dropout: float) -> Any:
    query, key, value = projected
    scale = float(getattr(layer.live, "_inverse_sqrt_key_dim", None) or layer._inverse_sqrt_head_dim)
    if mask is not None:
        extra = 4 - len(shape_of(mask))
        shape = shape_of(mask)
        mask = ops.Reshape(mask, (*shape[: len(shape) - 2], *(1,) * extra, *shape[-2:])) if extra else mask
        if dropout > 0:
            mask = mask if type_of(mask).dtype == "bool" else ops.Cast(mask, "bool")
        else:
            mask = additive_mask(mask, type_of(query).dtype)
    return ops.Attention(query, key, value, mask, scale, bool(causal), float(dropout), 2)


@keras.reads("layers.GroupQueryAttention", "layers.GroupedQueryAttention")
def group_query_attention(
    layer, query, value, key=None, query_mask=None, value_mask=None, key_mask=None, attention_mask=None,
    return_attention_scores=False, training=None, use_causal_mask=False,
):  # fmt: skip
    """Several heads of the query share one of key and value."""
    layer.refuse_training(training if layer.dropout else None)
    if return_attention_scores:
        raise Refusal(notimpl("the weights of grouped attention as a result"))
    key = value if key is None else key
    masks = {
        "query_mask": query_mask,
        "value_mask": value_mask,
        "key_mask": key_mask,
        "attention_mask": attention_mask,
    }
    causal = use_causal_mask and all(mask is None for mask in masks.values()) and layer.sliding_window is None
    mask = None
    if not causal:
        mask = layer.apply(layer.live._compute_attention_mask, query, value, use_causal_mask=use_causal_mask, **masks)
    gate = layer.apply(layer._gate_dense, query) if layer.use_gate else None
    projected = [
        layer.apply(dense, x)
        for dense, x in ((layer._query_dense, query), (layer._key_dense, key), (layer._value_dense, value))
    ]
    out = _attended(layer, projected, mask, causal, layer.dropout)
    out = out if gate is None else ops.Multiply(layer.emit(out), gate)
    return layer.apply(layer._output_dense, out)
