"""Numbers that a quantised network stores as integers, followed as the floats that they are.

A number that was rounded and kept within the range of an integer dtype is that integer already: storing it and reading
it again changes nothing, and a product of such numbers that ends in single precision is made in single precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.pivot import ops
from netglot.pivot.graph import Builder, Graph, Node, Parameter, Value, names_of
from netglot.pivot.op import FLOATS, TensorType, is_scalar, numpy_dtype

_EXACT = {"float16": 1 << 11, "bfloat16": 1 << 8, "float32": 1 << 24, "float64": 1 << 53}
"""The integers up to which a dtype holds every one."""


def follow_whole_numbers(graph: Graph) -> Graph:
    """The graph, changed in place, without the integers that only store what is whole already."""
    _in_single_precision(graph)
    producers = graph.producers()
    table: dict[Value, Value] = {}

    def made_by(value: Any) -> Any:
        value = table.get(value, value) if isinstance(value, Value) else value
        node = producers.get(value)
        return node.op if node is not None and len(node.results) == 1 else None

    for node in graph.nodes:
        found = _stored(node.op, made_by) or _moved(node.op, made_by)
        if found is not None:
            table[node.results[0]] = table.get(found, found)
    if table:
        graph.replace_values(table)
        graph.prune()
    return graph


def _stored(op: Any, made_by: Any) -> Value | None:
    """Cast(Cast(x, integer), x's dtype) = x, of an x that is whole and within the integer's range"""
    stored = made_by(op.x) if isinstance(op, ops.Cast) else None
    if not isinstance(stored, ops.Cast) or stored.dtype in FLOATS or not isinstance(stored.x, Value):
        return None
    bounds = _range(stored.x, made_by)
    if stored.x.dtype != op.dtype or bounds is None or stored.dtype == "bool" or "int" not in stored.dtype:
        return None
    limits = np.iinfo(numpy_dtype(stored.dtype))
    return stored.x if limits.min <= bounds[0] and bounds[1] <= limits.max else None


def _moved(op: Any, made_by: Any) -> Value | None:
    """(x + n) - n = x, of a whole x of which the dtype holds every integer"""
    if not isinstance(op, ops.Subtract) or not _is_whole(op.y) or not isinstance(op.x, Value):
        return None
    moved = made_by(op.x)
    if not isinstance(moved, ops.Add) or not is_scalar(moved.y) or moved.y != op.y or not isinstance(moved.x, Value):
        return None
    return moved.x if _range(moved.x, made_by) is not None else None


def _range(value: Any, made_by: Any) -> tuple[float, float] | None:
    """Between which numbers a value lies that is rounded; None where it may not be whole."""
    match made_by(value):
        case ops.Clip(x=x, low=low, high=high) if _is_whole(low) and _is_whole(high):
            exact = max(abs(low), abs(high)) < _EXACT.get(value.dtype, 0)
            return (float(low), float(high)) if exact and _is_rounded(x, made_by) else None
        case ops.Round(x=x):
            clipped = made_by(x)
            if isinstance(clipped, ops.Clip) and _is_whole(clipped.low) and _is_whole(clipped.high):
                return float(clipped.low), float(clipped.high)
        case ops.Add(x=x, y=y) if _is_whole(y):
            inner = _range(x, made_by)
            return None if inner is None else (inner[0] + y, inner[1] + y)
    return None


def _is_rounded(value: Any, made_by: Any) -> bool:
    """Whether a value is whole: rounded, or a sum of what is. Where it is too large to be, a range cuts it off."""
    match made_by(value):
        case ops.Round():
            return True
        case ops.Add(x=x, y=y):
            return all(_is_whole(one) if is_scalar(one) else _is_rounded(one, made_by) for one in (x, y))
    return False


def _is_whole(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and float(number).is_integer()


# -- products of stored numbers


def _in_single_precision(graph: Graph) -> None:
    """Products in double precision of stored numbers, whose result is rounded to single precision, are made in it."""
    producers, consumers = graph.producers(), graph.consumers()
    ends = {value for _, value in graph.outputs}
    names = names_of(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        product = _product(node.op, producers, consumers, ends)
        if product is None:
            nodes.append(node)
            continue
        fields = [name for name in ("x", "y", "weight") if hasattr(product, name)]
        builder = Builder(names, scope=node.scope, sites=node.sites)
        held = {name: _narrow(getattr(product, name), producers, consumers, builder) for name in fields}
        nodes += [*builder.nodes, Node(product.replace(**held), node.results, node.scope, node.sites)]
    graph.nodes = nodes
    graph.prune()


def _product(op: Any, producers: Any, consumers: Any, ends: set[Value]) -> Any:
    """The product that ends in single precision with `op`: Cast(Cast(product, int32), float32)."""
    if not isinstance(op, ops.Cast) or op.dtype != "float32":
        return None
    value = op.x
    for kind in ("int32", "float64"):
        node = producers.get(value)
        if node is None or value.dtype != kind or len(consumers.get(value, ())) != 1 or value in ends:
            return None
        if kind == "float64":
            plain = isinstance(node.op, ops.Matmul) or (isinstance(node.op, ops.Conv) and node.op.bias is None)
            return node.op if plain else None
        if not isinstance(node.op, ops.Cast):
            return None
        value = node.op.x
    return None


def _narrow(value: Any, producers: Any, consumers: Any, builder: Builder) -> Any:
    """A factor in single precision: its stored numbers without their zero point."""
    if isinstance(value, Parameter):
        if value.kind != "constant" and len(consumers.get(value, ())) == 1:
            load = value.load
            value.type = TensorType("float32", value.shape)
            value.load = lambda: np.asarray(load()).astype("float32")
            return value
    elif value in producers:
        op = producers[value].op
        if isinstance(op, ops.Cast):
            return op.x if op.x.dtype == "float32" else builder.one(ops.Cast(op.x, "float32"))
        if isinstance(op, ops.Subtract):
            return builder.one(ops.Subtract(*(_narrowed(one, producers, consumers, builder) for one in (op.x, op.y))))
    return builder.one(ops.Cast(value, "float32"))


def _narrowed(one: Any, producers: Any, consumers: Any, builder: Builder) -> Any:
    return one if is_scalar(one) else _narrow(one, producers, consumers, builder)
