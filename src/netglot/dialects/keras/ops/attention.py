"""Keras's attention: `ops.dot_product_attention` on (batch, time, head, feature), and its multi-head layer."""

from __future__ import annotations

import numpy as np

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import dtype_of, shape_of, type_of
from netglot.source.spell import Call, Layer, call, unless


@keras.arranges(ops.Attention)
def heads_before_features(op):
    order = (0, 2, 1, 3) if op.head_axis == 1 else (0, 1, 2, 3)
    return {"query": order, "key": order, "value": order, "out": order}


@keras.arranges(ops.MultiHeadAttention)
def batch_first(op):
    order = (1, 0, 2) if op.batch_axis == 1 else (0, 1, 2)
    return {"query": order, "key": order, "value": order, "out": order}


# --- attention by itself


@keras.lowers(ops.Attention)
def attention_parts(op):
    """What `ops.dot_product_attention` lacks, or does in single precision, is done around it."""
    if op.causal and (op.mask is not None or op.dropout):
        return op.replace(mask=_no_later(op) if op.mask is None else _causal_mask(op), causal=False)
    heads, key_heads, value_heads = (shape_of(x)[op.head_axis] for x in (op.query, op.key, op.value))
    # Keras repeats shared heads, but not a single one; the helper that drops weights repeats none.
    if heads != key_heads and (key_heads == 1 or key_heads != value_heads or op.dropout):
        return op.replace(key=_repeated(op.key, op), value=_repeated(op.value, op))
    return None


def _repeated(x, op):
    times = shape_of(op.query)[op.head_axis] // shape_of(x)[op.head_axis]
    return x if times == 1 else ops.Repeat(x, repeats=times, axis=op.head_axis)


def _no_later(op):
    """Which keys are no later than each query: a table of truth values."""
    times = (shape_of(x)[3 - op.head_axis] for x in (op.query, op.key))
    rows, columns = (ops.Arange(start=0, stop=time, step=1, dtype="int64") for time in times)
    rows = ops.Reshape(rows, shape=(*shape_of(rows), 1))
    return ops.GreaterEqual(rows, ops.Reshape(columns, shape=(1, *shape_of(columns))))


def _causal_mask(op):
    """The mask with later keys taken out."""
    if type_of(op.mask).dtype == "bool":
        return ops.LogicalAnd(op.mask, _no_later(op))
    return ops.Where(_no_later(op), op.mask, float("-inf"))


def _in_pieces(op):
    """Attention as products and a softmax: the result, and the weights before dropout."""
    query, key, value = (_repeated(x, op) for x in (op.query, op.key, op.value))
    if op.head_axis == 2:
        query, key, value = (ops.Permute(x, axes=(0, 2, 1, 3)) for x in (query, key, value))
    logits = ops.Matmul(ops.Multiply(query, op.scale), ops.Permute(key, axes=(0, 1, 3, 2)))
    mask = op.mask
    if op.causal:
        mask = _no_later(op) if mask is None else _causal_mask(op)
    if mask is None:
        weights = ops.Softmax(logits, axis=3)
    else:
        keep = mask
        if type_of(mask).dtype != "bool":
            keep, logits = ops.Greater(mask, float("-inf")), ops.Add(logits, mask)
        lowest = -6e4 if dtype_of(op.query) == "float16" else -1e30
        masked = ops.Where(keep, logits, lowest)
        weights = ops.Where(keep, ops.Softmax(masked, axis=3), 0.0)
    dropped = ops.Dropout(weights, rate=op.dropout, noise_axes=(0, 1, 2, 3)) if op.dropout else weights
    out = ops.Matmul(dropped, value)
    return (ops.Permute(out, axes=(0, 2, 1, 3)) if op.head_axis == 2 else out), weights


def sees_something(mask) -> bool:
    """Whether it is known that no query is kept from every key."""
    if not isinstance(mask, Parameter) or mask.trainable:
        return False
    array = np.asarray(mask.load())
    return bool((array if array.dtype == bool else array > -np.inf).any(-1).all())


@keras.writes(ops.Attention)
def attention(op):
    usual = abs(op.scale - shape_of(op.query)[3] ** -0.5) < 1e-15  # Keras's own; a source may round it another way
    scale = {} if usual else {"scale": op.scale}
    operands = (op.query, op.key, op.value)
    if op.dropout:
        return _dropping(op, scale)
    if op.mask is None:
        return call("ops.dot_product_attention", *operands, **scale, is_causal=unless(op.causal, False))
    boolean = type_of(op.mask).dtype == "bool"
    if sees_something(op.mask):
        return Call("ops.dot_product_attention", operands, {"mask" if boolean else "bias": op.mask, **scale})
    helper = "masked_attention" if boolean else "biased_attention"
    return Call(helper, (*operands, op.mask), scale, helper=helper)


def _dropping(op, scale):
    """Attention that drops weights in training is a layer of its own, because Keras's function does not drop."""
    masked = op.mask is not None
    name = "DropoutAttention" if not masked else "MaskedDropoutAttention"
    if masked and type_of(op.mask).dtype != "bool":
        name = "BiasedDropoutAttention"
    operands = (op.query, op.key, op.value, *((op.mask,) if masked else ()))
    return Layer(name, operands, options=scale, arguments=(op.dropout,), helper=name)


# --- the layer


@keras.lowers(ops.MultiHeadAttention)
def attention_with_projections(op):
    """Projections, attention, projection, where the layer has no form for a mask of numbers or some of the biases.

    Nor is the layer right for heads of one feature: on TensorFlow, Keras adds a bias of shape (heads, 1) along the time
    axis where that is as long (`ops.add` takes what can be squeezed to a vector for a bias of the axis that fits it).
    """
    biases = {op.bq is None, op.bk is None, op.bv is None, op.bo is None}
    narrow = op.bq is not None and shape_of(op.wq)[0] == op.heads
    if len(biases) == 1 and not narrow and (op.mask is None or type_of(op.mask).dtype == "bool"):
        return None
    query, key, value = (
        _projected(x, weight, bias, op)
        for x, weight, bias in ((op.query, op.wq, op.bq), (op.key, op.wk, op.bk), (op.value, op.wv, op.bv))
    )
    scale = shape_of(query)[3] ** -0.5
    attended = ops.Attention(query, key, value, op.mask, scale=scale, causal=False, dropout=op.dropout, head_axis=2)
    batch, time, heads, size = shape_of(attended)
    out = ops.Linear(ops.Reshape(attended, shape=(batch, time, heads * size)), op.wo, op.bo)
    _, scores = _in_pieces(attended.replace(dropout=0.0))
    return (_batch_axis(out, op), scores)


def _batch_axis(x, op):
    return ops.Permute(x, axes=(1, 0, 2)) if op.batch_axis == 1 else x


def _projected(x, weight, bias, op):
    """A projection, cut into heads: (batch, time, head, feature)."""
    x = ops.Linear(_batch_axis(x, op), weight, bias)
    batch, time, features = shape_of(x)
    return ops.Reshape(x, shape=(batch, time, op.heads, features // op.heads))


@keras.writes(ops.MultiHeadAttention)
def multi_head_attention(op, used):
    size = shape_of(op.wq)[0] // op.heads
    weights = {}
    for name, weight, bias in (("query", op.wq, op.bq), ("key", op.wk, op.bk), ("value", op.wv, op.bv)):
        split = (shape_of(weight)[1], op.heads, size)
        weights[f"{name}_dense.kernel"] = ops.Reshape(ops.Permute(weight, axes=(1, 0)), shape=split)
        if bias is not None:
            weights[f"{name}_dense.bias"] = ops.Reshape(bias, shape=split[1:])
    merged = (op.heads, size, shape_of(op.wo)[0])
    weights["output_dense.kernel"] = ops.Reshape(ops.Permute(op.wo, axes=(1, 0)), shape=merged)
    if op.bo is not None:
        weights["output_dense.bias"] = op.bo
    helper = "MaskedMultiHeadAttention" if op.mask is not None and not sees_something(op.mask) else None
    options = {"dropout": op.dropout} if op.dropout else {}
    options |= {} if op.bo is not None else {"use_bias": False}
    call_options = {"key": op.key} if op.key is not op.value else {}
    call_options |= {"attention_mask": op.mask} if op.mask is not None else {}
    call_options |= {"return_attention_scores": True} if 1 in used else {}
    return Layer(
        helper or "layers.MultiHeadAttention",
        (op.query, op.value),
        arguments=(op.heads, size),
        options=options,
        weights=weights,
        call_options=call_options,
        helper=helper,
        produces=(0, 1) if 1 in used else (0,),
    )
