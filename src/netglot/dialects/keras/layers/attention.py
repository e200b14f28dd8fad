"""Attention: the projections are linear functions, and what lies between them is one op."""

from __future__ import annotations

from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import truth
from netglot.dialects.keras.functions.neural import additive_mask, seen_from
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of, type_of


@keras.reads("layers.MultiHeadAttention")
def multi_head_attention(
    layer, query, value, key=None, query_mask=None, value_mask=None, key_mask=None, attention_mask=None,
    return_attention_scores=False, training=None, use_causal_mask=False, seeing=False,
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
    blind = None if layer._dropout else _blind(masks)
    if not causal and blind is None and _is_plain(layer, query, key, value):
        return _whole(layer, query, key, value, mask, return_attention_scores, seeing)
    gate = layer.apply(layer._gate_dense, query) if getattr(layer.live, "_use_gate", False) else None
    projected = [
        layer.apply(dense, x)
        for dense, x in ((layer._query_dense, query), (layer._key_dense, key), (layer._value_dense, value))
    ]
    plain = len(shape_of(projected[0])) == 4 and not return_attention_scores
    if plain:
        out, scores = _attended(layer, projected, mask, causal, layer._dropout, blind), None
    else:
        options = {"attention_mask": mask, "return_attention_scores": return_attention_scores}
        if causal:
            options["use_causal_mask"] = True
        out, scores = layer.apply(layer.live._compute_attention, *projected, **options)
    out = out if gate is None else ops.Multiply(out, gate)
    out = layer.apply(layer._output_dense, out)
    return (out, scores) if return_attention_scores else out


def _is_plain(layer, *operands: Any) -> bool:
    """Whether the layer is the pivot's own: three axes, heads of one size, and no gate."""
    live = layer.live
    dense = (live._query_dense, live._key_dense, live._value_dense, live._output_dense)
    return (
        all(len(shape_of(x)) == 3 for x in operands)
        and not getattr(live, "_use_gate", False)
        and live._value_dim == live._key_dim
        and len(live._output_dense.kernel.shape) == 3
        and not any(one.lora_enabled or one.quantization_mode for one in dense)
    )


def _whole(layer, query: Any, key: Any, value: Any, mask: Any, scored: bool, seeing: bool) -> Any:
    """The layer as one op. Its weights are matrices of the pivot, with the heads side by side.

    `seeing` says that a query that may see no key gets zeros.
    """
    heads, size = layer._num_heads, layer._key_dim

    def matrix(dense, rows: int, columns: int):
        held = layer.view(dense)
        bias = None if held.bias is None else ops.Reshape(held.bias, (columns,))
        return ops.Permute(ops.Reshape(held.kernel, (rows, columns)), (1, 0)), bias

    width = heads * size
    (wq, bq), (wk, bk), (wv, bv) = (
        matrix(dense, shape_of(x)[-1], width)
        for dense, x in ((layer._query_dense, query), (layer._key_dense, key), (layer._value_dense, value))
    )
    wo, bo = matrix(layer._output_dense, width, layer._output_dense.kernel.shape[-1])
    exact = layer._dropout > 0 or scored or seeing
    whole = ops.MultiHeadAttention(
        query, key, value, wq, wk, wv, bq, bk, bv, wo, bo, _mask(mask, query, exact), heads, float(layer._dropout), 0
    )
    return (Part(whole, 0), Part(whole, 1)) if scored else Part(whole, 0)


def _mask(mask: Any, query: Any, exact: bool) -> Any:
    """The mask over (batch, head, query, key); where Keras masks with a large number, as numbers to add."""
    if mask is None:
        return None
    shape = shape_of(mask)
    if len(shape) < 4:
        mask = ops.Reshape(mask, (*shape[:-2], *(1,) * (4 - len(shape)), *shape[-2:]))
    if exact:
        return mask if type_of(mask).dtype == "bool" else ops.Cast(mask, "bool")
    return additive_mask(mask, type_of(query).dtype)


def _blind(masks: dict[str, Any]) -> Any:
    """Which queries (batch, query) see anything at all, where the masks say it of whole queries; else None.

    A query of padded steps sees itself, unless another mask than that of the steps has its say too.
    """
    query_mask, attention_mask = masks["query_mask"], masks["attention_mask"]
    others = [one for one in (masks["value_mask"], masks["key_mask"]) if one is not None and one is not query_mask]
    if others or (query_mask is not None and attention_mask is not None):
        return None
    if query_mask is not None:
        return query_mask
    if attention_mask is None or len(shape_of(attention_mask)) != 3 or shape_of(attention_mask)[-1] != 1:
        return None
    return ops.Select(attention_mask, 2, 0)


def _attended(layer, projected: list, mask: Any, causal: bool, dropout: float, seeing: Any = None) -> Any:
    query, key, value = projected
    scale = float(getattr(layer.live, "_inverse_sqrt_key_dim", None) or layer._inverse_sqrt_head_dim)
    exact = dropout > 0 or seeing is not None
    mask = _mask(mask, query, exact)
    if seeing is not None and not dropout:
        batch, steps = shape_of(seeing)
        query = seen_from(query, ops.Reshape(seeing, (batch, steps, 1, 1)))
        mask = ops.LogicalOr(mask, ops.LogicalNot(ops.Reshape(truth(seeing), (batch, 1, steps, 1))))
    return ops.Attention(query, key, value, mask, scale, bool(causal), float(dropout), 2)


@keras.reads("layers.MaskedMultiHeadAttention")
def masked_multi_head_attention(layer, query, value, key=None, attention_mask=None, training=None):
    """What netglot itself writes where a query that may see no key attends to nothing."""
    if not _is_plain(layer, query, value if key is None else key, value):
        raise Refusal(notimpl("masked attention of other axes than (batch, time, features)"))
    return multi_head_attention(layer, query, value, key, attention_mask=attention_mask, training=training, seeing=True)


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
    out = _attended(layer, projected, mask, causal, layer.dropout, _blind(masks))
    out = out if gate is None else ops.Multiply(layer.emit(out), gate)
    return layer.apply(layer._output_dense, out)
