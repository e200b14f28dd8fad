"""Networks that are stored or computed in another precision, in single: for frameworks whose source does not say it."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import FLOATS, TensorType


def stored_in(graph: Graph) -> str:
    """The precision in which all weights of a network are stored; single where there are none, or several."""
    kinds = {one.dtype for one in graph.parameters.values() if one.kind == "parameter" and one.dtype in FLOATS}
    return kinds.pop() if len(kinds) == 1 else "float32"


def halves_in(graph: Graph) -> list[str]:
    """The half precisions in which parts of a network are computed or stored."""
    found = {value.dtype for value in graph.values()}
    return [kind for kind in ("float16", "bfloat16") if kind in found]


def in_single(graph: Graph, kind: str) -> None:
    """Makes a network compute in single precision where it says `kind`, in place, without casts that change nothing."""
    for value in graph.values():
        if value.dtype == kind:
            _narrow(value)
    idle: dict[Value, Value] = {}
    for node in graph.nodes:
        _rewrite(node, kind)
        if isinstance(node.op, ops.Cast) and isinstance(node.op.x, Value) and node.op.x.type == node.result.type:
            idle[node.result] = node.op.x
    graph.replace_values(idle)
    graph.prune()


def _narrow(value: Value) -> None:
    value.type = TensorType("float32", value.shape)
    if isinstance(value, Parameter):
        load = value.load
        value.load = lambda: np.asarray(load()).astype("float32")


def _rewrite(node: Node, kind: str) -> None:
    changed: dict[str, Any] = {}
    if getattr(node.op, "dtype", None) == kind:
        changed["dtype"] = "float32"
    if f" {kind}[" in getattr(node.op, "body", ""):  # the sub-graph of a loop, as text
        changed["body"] = node.op.body.replace(f" {kind}[", " float32[")
    if changed:
        node.op = node.op.replace(**changed)
