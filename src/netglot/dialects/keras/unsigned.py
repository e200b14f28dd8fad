"""Unsigned integers of 64 bits, of which Keras makes 32 in some functions."""

from __future__ import annotations

from netglot.errors import RefusedOp, UnsupportedOps, notyet
from netglot.pivot import ops
from netglot.pivot.graph import Graph

_NARROWED = (
    ops.BitwiseAnd,
    ops.BitwiseOr,
    ops.BitwiseXor,
    ops.ShiftLeft,
    ops.ShiftRight,
    ops.Maximum,
    ops.Minimum,
)


def refuse_wide_unsigned(graph: Graph) -> Graph:
    """The graph, where Keras keeps the dtype of all its ops.

    Raises:
        UnsupportedOps: the ops of which it does not.
    """
    reason = notyet("Keras makes uint32 of uint64 here")
    refused = [
        RefusedOp(node.path, type(node.op).__name__, reason)
        for node in graph.nodes
        if isinstance(node.op, _NARROWED) and node.result.dtype == "uint64"
    ]
    if refused:
        raise UnsupportedOps(refused, len(graph.nodes), "Keras")
    return graph
