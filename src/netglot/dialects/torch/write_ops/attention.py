"""PyTorch's attention: `F.scaled_dot_product_attention` on (batch, head, time, feature), and its multi-head layer."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import TRAINING, moved
from netglot.pivot import ops
from netglot.pivot.graph import is_weight
from netglot.pivot.op import dtype_of, shape_of, type_of
from netglot.source.spell import Call, Choice, Layer, Unpacks, options, unless


@torch.arranges(ops.Attention)
def heads_before_time(op):
    return moved((0, 2, 1, 3) if op.head_axis == 2 else (0, 1, 2, 3), "query", "key", "value", "out")


# --- attention by itself


def _heads(op) -> tuple:
    return tuple(shape_of(x)[op.head_axis] for x in (op.query, op.key, op.value))


@torch.lowers(ops.Attention)
def attention_parts(op):
    """What PyTorch does not take at once: a mask beside `is_causal`, and keys and values of different heads."""
    if op.causal and op.mask is not None:
        return op.replace(mask=_causal_mask(op), causal=False)
    heads, key_heads, value_heads = _heads(op)
    if key_heads != value_heads:
        return op.replace(key=_repeated(op.key, op, heads), value=_repeated(op.value, op, heads))
    return None


def _repeated(x, op, heads):
    times = heads // shape_of(x)[op.head_axis]
    return x if times == 1 else ops.Repeat(x, repeats=times, axis=op.head_axis)


def _causal_mask(op):
    """The mask with later keys taken out."""
    times = (shape_of(x)[3 - op.head_axis] for x in (op.query, op.key))
    earlier = ops.Tril(ops.Full(tuple(times), True, "bool"), 0)
    if type_of(op.mask).dtype == "bool":
        return ops.LogicalAnd(op.mask, earlier)
    return ops.Where(earlier, op.mask, float("-inf"))


@torch.writes(ops.Attention)
def attention(op):
    usual = abs(op.scale - shape_of(op.query)[3] ** -0.5) < 1e-15  # PyTorch's own; a source may round it another way
    heads, key_heads, _ = _heads(op)
    given = options(
        attn_mask=unless(op.mask, None),
        dropout_p=unless(Choice(TRAINING, op.dropout, 0.0) if op.dropout else None, None),
        is_causal=unless(op.causal, False),
    )
    given |= {} if usual else {"scale": op.scale}
    given |= {} if heads == key_heads else {"enable_gqa": True}
    return Call("F.scaled_dot_product_attention", (op.query, op.key, op.value), given)


# --- the layer


class LayerAttention(ops.MultiHeadAttention, abstract=True):
    """`MultiHeadAttention` with a mask as PyTorch's layer takes it: truth values say what is left out.

    With `by_key` the mask is (batch, key), else (query, key).
    """

    by_key: bool


def with_layer_mask(op) -> LayerAttention | None:
    """The op with the mask that the layer takes; None where the mask fits neither form, or there is none."""
    if op.mask is None or isinstance(op, LayerAttention):
        return None
    shape = shape_of(op.mask)
    if len(shape) == 2 or shape[:-2] == (1, 1):
        by_key, flat = False, shape[-2:]
    elif len(shape) == 4 and shape[1:3] == (1, 1):
        by_key, flat = True, (shape[0], shape[3])
    else:
        return None
    mask = op.mask if flat == shape else ops.Reshape(op.mask, shape=flat)
    mask = ops.LogicalNot(mask) if type_of(op.mask).dtype == "bool" else mask
    held = {f.name: getattr(op, f.name) for f in op.fields()}
    return LayerAttention(**held | {"mask": mask, "by_key": by_key})


def _fits_layer(op) -> bool:
    width = shape_of(op.query)[2]
    biases = {one is None for one in (op.bq, op.bk, op.bv, op.bo)}
    held = [one for one in (op.wq, op.wk, op.wv, op.wo, op.bq, op.bk, op.bv, op.bo) if one is not None]
    square = all(shape_of(w)[0] == width for w in (op.wq, op.wk, op.wv, op.wo)) and shape_of(op.wo)[1] == width
    masked = op.mask is None or with_layer_mask(op) is not None
    return len(biases) == 1 and square and all(map(is_weight, held)) and masked


@torch.lowers(ops.MultiHeadAttention)
def attention_with_projections(op):
    """Projections, attention, projection, where the layer has no form for the mask, the sizes or the biases."""
    if _fits_layer(op):
        return None
    query, key, value = (
        _projected(x, weight, bias, op)
        for x, weight, bias in ((op.query, op.wq, op.bq), (op.key, op.wk, op.bk), (op.value, op.wv, op.bv))
    )
    scale = shape_of(query)[3] ** -0.5
    attended = ops.Attention(query, key, value, op.mask, scale=scale, causal=False, dropout=op.dropout, head_axis=1)
    batch, heads, time, size = shape_of(attended)
    joined = ops.Reshape(ops.Permute(attended, axes=(0, 2, 1, 3)), shape=(batch, time, heads * size))
    return (_batch_axis(ops.Linear(joined, op.wo, op.bo), op), _scores(query, key, op.mask, scale))


def _batch_axis(x, op):
    return ops.Permute(x, axes=(1, 0, 2)) if op.batch_axis == 1 else x


def _projected(x, weight, bias, op):
    """A projection, cut into heads: (batch, head, time, feature)."""
    x = ops.Linear(_batch_axis(x, op), weight, bias)
    batch, time, features = shape_of(x)
    return ops.Permute(ops.Reshape(x, shape=(batch, time, op.heads, features // op.heads)), axes=(0, 2, 1, 3))


def _scores(query, key, mask, scale):
    """The weights of attention; a query that may see no key has none."""
    logits = ops.Matmul(ops.Multiply(query, scale), ops.Permute(key, axes=(0, 1, 3, 2)))
    if mask is None:
        return ops.Softmax(logits, axis=3)
    keep = mask
    if type_of(mask).dtype != "bool":
        keep, logits = ops.Greater(mask, float("-inf")), ops.Add(logits, mask)
    lowest = -6e4 if dtype_of(query) == "float16" else -1e30
    return ops.Where(keep, ops.Softmax(ops.Where(keep, logits, lowest), axis=3), 0.0)


@torch.writes(ops.MultiHeadAttention, LayerAttention)
def multi_head_attention(op, used):
    width = shape_of(op.query)[2]
    inputs = [shape_of(weight)[1] for weight in (op.wk, op.wv)]
    packed = inputs == [width, width]
    three = (op.wq, op.wk, op.wv)
    weights = {"in_proj_weight": ops.Concat(three, axis=0)} if packed else {}
    if not packed:
        weights |= dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), three, strict=True))
    if op.bq is not None:
        weights["in_proj_bias"] = ops.Concat((op.bq, op.bk, op.bv), axis=0)
    weights["out_proj.weight"] = op.wo
    if op.bo is not None:
        weights["out_proj.bias"] = op.bo
    given = options(
        dropout=unless(op.dropout or 0.0, 0.0),
        bias=unless(op.bq is not None, True),
        kdim=unless(None if packed else inputs[0], None),
        vdim=unless(None if packed else inputs[1], None),
        batch_first=unless(op.batch_axis == 0, False),
    )
    scores = 1 in used
    call_options = {}
    if op.mask is not None:
        call_options = {"key_padding_mask" if op.by_key else "attn_mask": op.mask}
    call_options |= {"average_attn_weights": False} if scores else {"need_weights": False}
    return Layer(
        "nn.MultiheadAttention",
        (op.query, op.key, op.value),
        arguments=(width, op.heads),
        options=given,
        weights=weights,
        call_options=call_options,
        unpacks=Unpacks(("out", "scores"), (("out", None), ("scores", None))),
    )
