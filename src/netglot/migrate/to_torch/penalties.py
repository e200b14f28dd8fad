"""Regularisers of layers: what a layer's weights cost is said around the layer."""

from __future__ import annotations

import ast
import copy
from typing import Any

WEIGHTS = {
    "kernel_regularizer": "weight", "bias_regularizer": "bias", "gamma_regularizer": "weight", "beta_regularizer": "bias",
    "embeddings_regularizer": "weight", "activity_regularizer": "output", "recurrent_regularizer": "recurrent_kernel",
    "depthwise_regularizer": "kernel", "pointwise_regularizer": "pointwise_kernel",
}  # fmt: skip
"""The weight that each option means, in most layers."""

RECURRENT = ("LSTM", "GRU", "SimpleRNN")


def split(node: ast.Call) -> tuple[ast.Call, dict[str, ast.expr]]:
    """A layer's call without its regularisers, and those."""
    found = {str(k.arg): k.value for k in node.keywords if k.arg in WEIGHTS}
    if not found:
        return node, {}
    bare = copy.copy(node)
    bare.keywords = [k for k in node.keywords if k.arg not in WEIGHTS]
    none = [name for name, value in found.items() if isinstance(value, ast.Constant) and value.value is None]
    return bare, {name: value for name, value in found.items() if name not in none}


def said(r: Any, name: str, given: dict[str, ast.expr]) -> str:
    """The penalties as keyword arguments."""
    parts = []
    for option, value in given.items():
        weight = WEIGHTS[option]
        if option == "kernel_regularizer" and name in RECURRENT:
            weight = "kernel"
        if name == "SeparableConv2D" and option == "depthwise_regularizer":
            weight = "depthwise_kernel"
        text = f"{r.need(value.value)}()" if isinstance(value, ast.Constant) else r.text(value)
        parts.append(f"{weight}={text}")
    return ", ".join(parts)


def penalised(target: Any, r: Any, node: ast.Call, framework: list[str]) -> str | None:
    """A call by its declarations; a layer with regularisers stands in `penalised(...)`."""
    if not framework[0].startswith("keras.layers."):
        return r.called(node, framework)
    bare, given = split(node)
    marks = len(r.marks)
    made = r.called(bare, framework)
    if not given or made is None or len(r.marks) > marks:
        return made
    return f"{r.need('penalised')}({made}, {said(r, framework[0].rpartition('.')[2], given)})"
