"""Unsigned integers of 16, 32 and 64 bits, which PyTorch stores and hardly computes with: int64 takes their place."""

from __future__ import annotations

from netglot.errors import Refusal, RefusedOp, UnsupportedOps, notyet
from netglot.pivot import ops
from netglot.pivot.graph import Builder, Graph, Node, Value, names_of
from netglot.pivot.op import Op, Predicate

_UNSIGNED = ("uint16", "uint32", "uint64")

_LACKING = (
    ops.Add,
    ops.Subtract,
    ops.ShiftLeft,
    ops.ShiftRight,
    ops.BitwiseNot,
    ops.FloorDivide,
    ops.Remainder,
    ops.Fmod,
    ops.Maximum,
    ops.Minimum,
    ops.Greater,
    ops.GreaterEqual,
    ops.Less,
    ops.LessEqual,
    ops.Power,
    ops.Sign,
    ops.Abs,
    ops.Clip,
    ops.Max,
    ops.Min,
    ops.Argmax,
    ops.Argmin,
    ops.Sort,
    ops.Argsort,
    ops.TopK,
    ops.CumulativeSum,
    ops.MaxPool,
)
"""Ops without a kernel for these dtypes."""

_WRAPPING = (ops.Add, ops.Subtract, ops.ShiftLeft, ops.BitwiseNot, ops.CumulativeSum)
"""Ops whose low bits are the same whether the highest bit is a sign or not."""


def widened(graph: Graph) -> Graph:
    """The graph with such ops computed in int64.

    Raises:
        UnsupportedOps: ops on 64 bits, where int64 would take the highest for a sign.
    """
    names = names_of(graph)
    nodes: list[Node] = []
    refused: list[RefusedOp] = []
    for node in graph.nodes:
        try:
            nodes += _widened(node, names)
        except Refusal as refusal:
            refused.append(RefusedOp(node.path, type(node.op).__name__, refusal.reason))
    if refused:
        raise UnsupportedOps(refused, len(graph.nodes), "PyTorch")
    graph.nodes = nodes
    return graph


def _widened(node: Node, names) -> list[Node]:
    kinds = {value.dtype for value in node.operand_values() if value.dtype in _UNSIGNED}
    if not kinds or not isinstance(node.op, _LACKING):
        return [node]
    (kind,) = kinds
    if kind == "uint64" and not isinstance(node.op, _WRAPPING):
        raise Refusal(notyet(f"PyTorch does not compute {type(node.op).__name__} of uint64"))
    builder = Builder(names, scope=node.scope, sites=node.sites)
    wide: Op = node.op.map_operands(lambda one: _cast(builder, one))
    results = builder.add(wide)
    for value, made in zip(node.results, results, strict=True):
        same = value.dtype == made.dtype or isinstance(node.op, Predicate)
        builder.nodes.append(Node(ops.Identity(made) if same else ops.Cast(made, value.dtype), (value,), node.scope))
    return builder.nodes


def _cast(builder: Builder, one):
    return builder.one(ops.Cast(one, "int64")) if isinstance(one, Value) and one.dtype in _UNSIGNED else one
