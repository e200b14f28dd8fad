"""Dense layers and embeddings."""

from __future__ import annotations

from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import INTEGERS, shape_of, type_of


def transposed(kernel: Any) -> Any:
    """A matrix of Keras `(in, out)` as the pivot's `(out, in)`."""
    return ops.Permute(kernel, (1, 0))


@keras.reads("layers.Dense")
def dense(layer, inputs):
    return layer.activated(layer.activation, ops.Linear(inputs, transposed(layer.kernel), layer.bias))


@keras.reads("layers.EinsumDense")
def einsum_dense(layer, inputs):
    linear = _as_linear(layer, inputs)
    if linear is not None:
        return layer.activated(layer.activation, linear)
    y: Any = ops.Einsum((inputs, layer.kernel), layer.equation)
    if layer.bias is not None:
        y = ops.Add(y, layer.bias)
    return layer.activated(layer.activation, y)


def _as_linear(layer, x) -> Any:
    """The product as a linear function of the last axes, made one and parted again; None where it is not one."""
    left, result = layer.equation.replace(" ", "").split("->")
    given, weight = (term.replace("...", "") for term in left.split(","))
    dots = layer.equation.count("...")
    result = result.replace("...", "")
    summed = [c for c in weight if c not in result]
    new = [c for c in result if c not in given]
    kept = given[: len(given) - len(summed)]
    if dots and not left.startswith("..."):
        return None
    if list(given[len(kept) :]) != summed or result != kept + "".join(new) or set(weight) != {*summed, *new}:
        return None
    if any(c in weight for c in kept):
        return None
    sizes = dict(zip(weight, shape_of(layer.kernel), strict=True))
    inner, outer = tuple(sizes[c] for c in summed), tuple(sizes[c] for c in new)
    bias = layer.bias
    if bias is not None and tuple(s for s in shape_of(bias)) != outer:
        return None
    order = tuple(weight.index(c) for c in (*new, *summed))
    kernel = layer.kernel if order == tuple(range(len(order))) else ops.Permute(layer.kernel, order)
    if len(new) != 1 or len(summed) != 1:
        kernel = ops.Reshape(kernel, (product(outer), product(inner)))
    front = shape_of(x)[: len(shape_of(x)) - len(summed)]
    x = x if len(summed) == 1 else ops.Reshape(x, (*front, product(inner)))
    if bias is not None and len(outer) != 1:
        bias = ops.Reshape(bias, (product(outer),))
    y = ops.Linear(x, kernel, bias)
    return y if len(new) == 1 else ops.Reshape(y, (*front, *outer))


@keras.reads("layers.Embedding")
def embedding(layer, inputs):
    return ops.Embedding(_whole(inputs), layer.embeddings, None)


@keras.reads("layers.ReversibleEmbedding")
def reversible_embedding(layer, inputs, reverse=False):
    if not reverse:
        return ops.Embedding(_whole(inputs), layer.embeddings, None)
    kernel = layer.embeddings if layer.tie_weights else transposed(layer.reverse_embeddings)
    logits: Any = ops.Linear(inputs, kernel, None)
    cap = layer.logit_soft_cap
    return logits if cap is None else ops.Multiply(ops.Tanh(ops.Divide(logits, cap)), cap)


def _whole(ids: Any) -> Any:
    return ids if type_of(ids).dtype in INTEGERS else ops.Cast(ids, "int32")
