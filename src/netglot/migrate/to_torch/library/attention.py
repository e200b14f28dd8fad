"""Attention."""

import math

import torch
from torch import nn

from netglot.migrate.to_torch.library.starting import start
from netglot.migrate.to_torch.library.symbols import Layer


class MultiHeadAttention(Layer):
    """Attention with several heads, with Keras's weights."""

    def __init__(self, num_heads, key_dim, value_dim=None, dropout=0.0, use_bias=True, output_shape=None):
        super().__init__()
        self.heads, self.key_dim, self.value_dim = num_heads, key_dim, value_dim or key_dim
        self.dropout, self.outputs = nn.Dropout(dropout), output_shape
        self.drops = dropout > 0
        self.names = ("query_dense", "key_dense", "value_dense", "output_dense")
        for name in self.names:
            setattr(self, f"{name}_kernel", nn.UninitializedParameter())
            setattr(self, f"{name}_bias", nn.UninitializedParameter() if use_bias else None)

    def initialize_parameters(self, query, value, key=None, **options):
        if not self.has_uninitialized_params():
            return
        key, end = value if key is None else key, self.outputs or query.shape[-1]
        shapes = [
            (x.shape[-1], self.heads, size)
            for x, size in zip((query, key, value), (self.key_dim,) * 2 + (self.value_dim,))
        ]
        for name, shape in zip(self.names, [*shapes, (self.heads, self.value_dim, end)]):
            kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
            kernel.materialize(shape)
            cut = 2 if name == "output_dense" else 1
            start(kernel, "glorot_uniform", math.prod(shape[:cut]), math.prod(shape[cut:]))
            if bias is not None:
                bias.materialize(shape[1:] if name != "output_dense" else shape[2:])
                nn.init.zeros_(bias)

    def forward(
        self, query, value, key=None, attention_mask=None, return_attention_scores=False, use_causal_mask=False
    ):
        def dense(name, equation, x):
            bias = getattr(self, f"{name}_bias")
            y = torch.einsum(equation, x, getattr(self, f"{name}_kernel"))
            return y if bias is None else y + bias

        q = dense("query_dense", "bte,ehd->bthd", query)
        k = dense("key_dense", "bte,ehd->bthd", value if key is None else key)
        v = dense("value_dense", "bte,ehd->bthd", value)
        scores = torch.einsum("bthd,bshd->bhts", q * self.key_dim**-0.5, k)
        if use_causal_mask:
            causal = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
            attention_mask = causal if attention_mask is None else attention_mask.bool() & causal
        kept = getattr(query, "mask", None)
        for one, place in ((query, "bt->bt1"), (value, "bs->b1s"), (key, "bs->b1s")):
            mask = getattr(one, "mask", None)
            if mask is not None:  # steps of a sequence that an embedding masked
                mask = mask[:, :, None] if place.endswith("t1") else mask[:, None]
                attention_mask = mask if attention_mask is None else attention_mask.bool() & mask
        for one in (query, value, key):  # Keras takes the masks off
            if getattr(one, "mask", None) is not None:
                one.mask = None
        if attention_mask is not None:
            mask = attention_mask.bool()
            mask = mask[:, None] if mask.ndim == 3 else mask
            scores = scores.masked_fill(~mask, -1e9)
        weights = torch.softmax(scores, dim=-1)
        if attention_mask is not None and (self.drops or return_attention_scores):
            weights = weights * mask  # a step that sees none is zero then
        y = dense("output_dense", "bthd,hde->bte", torch.einsum("bhts,bshd->bthd", self.dropout(weights), v))
        if kept is not None:
            y.mask = kept
        return (y, weights) if return_attention_scores else y


class Attention(Layer):
    """Attention by the products of queries and keys."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs):
        query, value, *rest = inputs
        scores = torch.matmul(query, (rest[0] if rest else value).mT)
        return torch.matmul(self.dropout(torch.softmax(scores, dim=-1)), value)
