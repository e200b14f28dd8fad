"""Attention: a softmax-weighted mean of values, by itself and between the projections of a layer."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from netglot.pivot.op import Axis, Op, Tensor, TensorType, dtype_of, rand, shape_of

__all__ = ["Attention", "MultiHeadAttention"]


def attend(query, key, value, mask, *, scale: float, causal: bool = False):
    """Attention over (batch, head, time, feature): the result and the weights (batch, head, query, key).

    A mask of truth values says what is kept, one of numbers is added. A query that may see no key gives zeros.
    """
    logits = query @ np.swapaxes(key, -1, -2) * scale
    if mask is not None:
        logits = np.where(mask, logits, -np.inf) if mask.dtype == bool else logits + mask
    if causal:
        logits = np.where(np.tri(*logits.shape[-2:], dtype=bool), logits, -np.inf)
    highest = logits.max(-1, keepdims=True)
    powers = np.exp(logits - np.where(np.isfinite(highest), highest, 0))
    total = powers.sum(-1, keepdims=True)
    weights = powers / np.where(total == 0, 1, total)
    return weights @ value, weights


def _attention_cases() -> list[dict]:
    scattered = rand(2, 1, 3, 5, dtype="bool", seed=4)
    scattered[0, 0, 1] = False
    added = rand(2, 4, 3, 5)
    added[1, 2, 0] = -np.inf
    lowest = rand(2, 4, 3, 5)
    lowest[1, 2, 0] = np.finfo(np.float32).min  # says the same of all keys, which therefore count alike
    lowest[0, 1, 1, :2] = np.finfo(np.float32).min
    plain = dict(mask=None, scale=0.5, causal=False, dropout=0.0)
    options = [
        dict(),
        dict(scale=0.3),
        dict(causal=True),
        dict(causal=True, mask=scattered),
        dict(causal=True, mask=added),
        dict(mask=scattered),
        dict(mask=rand(2, 1, 1, 5, dtype="bool")),
        dict(mask=added),
        dict(mask=lowest),
        dict(mask=rand(1, 1, 3, 5)),
        dict(dropout=0.2, mask=added),
        dict(dropout=0.2, mask=scattered, scale=0.3, causal=True),
        dict(kv_heads=2),
        dict(kv_heads=1, causal=True),
    ]
    cases = []
    for number, option in enumerate(options):
        kv_heads = option.pop("kv_heads", 4)
        head_axis = 1 + number % 2
        heads = [rand(2, 4, 3, 4), rand(2, kv_heads, 5, 4, seed=1), rand(2, kv_heads, 5, 6, seed=2)]
        heads = [np.swapaxes(x, 1, head_axis) for x in heads]
        cases.append(dict(query=heads[0], key=heads[1], value=heads[2]) | plain | option | dict(head_axis=head_axis))
    return cases


class Attention(Op):
    """Scaled dot-product attention (Vaswani et al., 2017).

    Operands have four axes: batch, head and time in the order that `head_axis` says (1: batch, head, time; 2: batch,
    time, head), then features. Each head of `key` and `value` serves as many consecutive heads of `query` as fit.
    `mask` broadcasts to (batch, head, query, key): truth values say what is kept, numbers are added before the
    softmax. `causal` keeps the keys that are no later than the query, both counted from the start. A query that may
    see no key gives zeros. `dropout` is the share of weights that training drops.
    """

    random = True
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    scale: float
    causal: bool
    dropout: float
    head_axis: Axis

    def infer(self):
        shape = (*shape_of(self.query)[:3], shape_of(self.value)[3])
        return TensorType(dtype_of(self.query, self.key, self.value), shape)

    def reference(self):
        query, key, value = (np.moveaxis(x, self.head_axis, 1) for x in (self.query, self.key, self.value))
        key, value = (np.repeat(x, query.shape[1] // x.shape[1], 1) for x in (key, value))
        out, _ = attend(query, key, value, self.mask, scale=self.scale, causal=self.causal)
        return np.moveaxis(out, 1, self.head_axis)

    cases = _attention_cases()


def _layer_cases() -> list[dict]:
    keep = rand(2, 1, 3, 5, dtype="bool", seed=4)
    keep[1, 0, 2] = False
    weights = dict(zip(("wq", "wk", "wv", "wo"), (rand(8, 8, seed=i) for i in range(4)), strict=True))
    biases = dict(zip(("bq", "bk", "bv", "bo"), (rand(8, seed=i) for i in range(4)), strict=True))
    none = dict.fromkeys(biases)
    x, y = rand(2, 3, 8), rand(2, 5, 8)
    options = [
        dict(),
        dict(mask=keep),
        dict(mask=rand(2, 1, 1, 5, dtype="bool", seed=7)),
        dict(mask=rand(2, 2, 3, 5)),
        dict(key=rand(2, 5, 6, seed=3), wk=rand(8, 6, seed=9)),
        none,
        dict(bk=None),
        dict(dropout=0.1),
        dict(heads=8),
        dict(query=np.swapaxes(x, 0, 1), key=np.swapaxes(y, 0, 1), value=np.swapaxes(y, 0, 1), batch_axis=1),
    ]
    plain = dict(query=x, key=y, value=y, **weights, **biases, mask=None, heads=2, dropout=0.0, batch_axis=0)
    return [plain | option for option in options]


class MultiHeadAttention(Op):
    """Attention between linear projections: of query, key and value before it, and of its result.

    Operands have three axes: batch (`batch_axis`, 0 or 1), time and features. The features of each projection are
    `heads` runs, one for each head. `mask` is as for `Attention`. Results: the output, and the weights of attention
    (batch, head, query, key) before anything is dropped.
    """

    results = ("out", "scores")
    random = True
    query: Tensor
    key: Tensor
    value: Tensor
    wq: Annotated[Tensor, "out in"]
    wk: Annotated[Tensor, "out in"]
    wv: Annotated[Tensor, "out in"]
    bq: Annotated[Tensor | None, "out"]
    bk: Annotated[Tensor | None, "out"]
    bv: Annotated[Tensor | None, "out"]
    wo: Annotated[Tensor, "out in"]
    bo: Annotated[Tensor | None, "out"]
    mask: Tensor | None
    heads: int
    dropout: float
    batch_axis: Axis

    def infer(self):
        dtype, query = dtype_of(self.query, self.key, self.value), shape_of(self.query)
        times = query[1 - self.batch_axis], shape_of(self.key)[1 - self.batch_axis]
        out = (*query[:2], shape_of(self.wo)[0])
        return TensorType(dtype, out), TensorType(dtype, (query[self.batch_axis], self.heads, *times))

    def reference(self):
        def project(x, weight, bias):
            x = np.moveaxis(x, self.batch_axis, 0) @ weight.T
            x = x if bias is None else x + bias
            return np.swapaxes(x.reshape(*x.shape[:2], self.heads, -1), 1, 2)

        query = project(self.query, self.wq, self.bq)
        key, value = project(self.key, self.wk, self.bk), project(self.value, self.wv, self.bv)
        out, weights = attend(query, key, value, self.mask, scale=query.shape[-1] ** -0.5)
        out = np.swapaxes(out, 1, 2).reshape(*out.shape[::2], -1) @ self.wo.T
        out = out if self.bo is None else out + self.bo
        return np.moveaxis(out, 0, self.batch_axis), weights

    cases = _layer_cases()
