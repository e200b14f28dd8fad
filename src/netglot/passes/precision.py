"""Networks that are stored in half or double precision, for frameworks whose source does not say so: in single."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import FLOATS, TensorType


def stored_in(graph: Graph) -> str:
    """The precision in which all weights of a network are stored; single where there are none, or several."""
    kinds = {one.dtype for one in graph.parameters.values() if one.kind == "parameter" and one.dtype in FLOATS}
    return kinds.pop() if len(kinds) == 1 else "float32"


def in_single(graph: Graph) -> str | None:
    """Makes a network whose weights are all stored in another precision compute in single, in place.

    Returns:
        The precision that it had, or None where it stays as it is.
    """
    kind = stored_in(graph)
    if kind == "float32":
        return None
    for value in graph.values():
        if value.dtype == kind:
            _narrow(value)
    for node in graph.nodes:
        _rewrite(node, kind)
    return kind


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
