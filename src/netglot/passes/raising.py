"""Small ops that together mean more: initial states that are zero, masks of minus infinity, last outputs.

Each raising preserves the numbers exactly, and lets the writer say what a person would have said: a recurrent layer
without its initial state, a mask of truth values, a layer that returns its last output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Builder, Graph, Node, Parameter, Value, names_of
from netglot.pivot.op import Op, is_scalar, type_of

MadeBy = Callable[[Any], Op | None]

_LARGEST = 1 << 24
"""Elements of a constant that is looked at."""


def raise_ops(graph: Graph) -> Graph:
    """The graph with every raising applied, without dead nodes."""
    producers = graph.producers()
    names = names_of(graph)
    table: dict[Value, Value] = {}
    nodes: list[Node] = []

    def made_by(value: Any) -> Op | None:
        node = producers.get(value)
        return node.op if node is not None and len(node.results) == 1 else None

    for node in graph.nodes:
        last = _last_output(node.op, producers)
        if last is not None:
            table[node.result] = last
            continue
        raised = _RAISINGS.get(type(node.op), lambda op, made_by: op)(node.op, made_by)
        builder = Builder(names, scope=node.scope, sites=node.sites)
        nodes += _flattened(raised, builder, node)
    raised = Graph(graph.name, graph.inputs, graph.parameters, nodes, graph.output, graph.modules, list(graph.notes))
    raised.replace_values(table)
    raised.prune()
    return raised


def _flattened(op: Op, builder: Builder, node: Node) -> list[Node]:
    """The nodes of an op with others nested in it; the outermost keeps the results of `node`."""

    def resolve(operand):
        return builder.one(operand) if isinstance(operand, Op) else operand

    flat = op.map_operands(resolve)
    return [*builder.nodes, Node(flat, node.results, node.scope, node.sites)]


# --- initial states that are zero


def is_zero(value: Any, made_by: MadeBy) -> bool:
    """Whether a value is known to be zero everywhere."""
    if isinstance(value, Parameter):
        known = value.kind == "constant" and all(isinstance(size, int) for size in value.shape)
        return known and product(value.shape) <= _LARGEST and not np.any(np.asarray(value.load()))
    op = made_by(value)
    if isinstance(op, ops.Full):
        return op.value == 0
    rearranged = ops.Select | ops.Slice | ops.Reshape | ops.Broadcast | ops.Permute
    return isinstance(op, rearranged) and is_zero(op.x, made_by)


def zero_states(op: Op, made_by: MadeBy) -> Op:
    """A recurrent layer whose initial states are all zero starts by itself."""
    names = [name for name in ("h0", "c0") if hasattr(op, name)]
    if all(is_zero(state, made_by) for name in names for state in getattr(op, name)):
        return op.replace(**dict.fromkeys(names, ()))
    return op


# --- the last output is the final state


def _last_output(op: Op, producers: dict[Value, Node]) -> Value | None:
    """The final hidden state of which `op` selects the equal: the output of the last step, in one direction."""
    if not isinstance(op, ops.Select):
        return None
    node = producers.get(op.x)
    if node is None or not isinstance(node.op, ops.Lstm | ops.Gru | ops.Rnn) or op.x is not node.results[0]:
        return None
    layer = node.op
    if layer.direction != "forward" or op.axis != layer.time_axis or op.index != op.x.shape[op.axis] - 1:
        return None
    if layer.mask is not None and (layer.h0 or not layer.held):  # a step that is left out has zero for its output
        return None
    return node.results[1]


# --- masks


def keeps(mask: Any, made_by: MadeBy) -> Op | Value | None:
    """What an added mask of 0 and minus infinity keeps, as truth values; None where it is another mask."""
    op = made_by(mask)
    match op:
        case ops.Where(condition=condition, x=x, y=y):
            if _is_minus_infinity(x) and _is_number_zero(y, made_by):
                inner = made_by(condition)
                return inner.x if isinstance(inner, ops.LogicalNot) else ops.LogicalNot(condition)
            if _is_minus_infinity(y) and _is_number_zero(x, made_by):
                return condition
        case ops.Add(x=x, y=y) if not is_scalar(x) and not is_scalar(y):
            left, right = keeps(x, made_by), keeps(y, made_by)
            if left is not None and right is not None:
                return ops.LogicalAnd(left, right)
        case ops.Reshape() | ops.Broadcast() | ops.Permute():
            inner = keeps(op.x, made_by)
            if inner is not None and tuple(type_of(inner).shape) == tuple(type_of(op.x).shape):
                return op.replace(x=inner)
    return None


def _is_minus_infinity(value: Any) -> bool:
    return is_scalar(value) and value == float("-inf")


def _is_number_zero(value: Any, made_by: MadeBy) -> bool:
    return value == 0 if is_scalar(value) else is_zero(value, made_by)


def boolean_mask(op: Op, made_by: MadeBy) -> Op:
    """Attention with an added mask of 0 and minus infinity has a mask of truth values."""
    if op.mask is None or type_of(op.mask).dtype == "bool":
        return op
    kept = keeps(op.mask, made_by)
    return op if kept is None else op.replace(mask=kept)


def _keeps_earlier(mask: Any, made_by: MadeBy) -> bool:
    """Whether a mask of truth values keeps exactly the keys that are no later than the query."""
    if isinstance(mask, Parameter):
        return _is_triangle(mask)
    match made_by(mask):
        case ops.Tril(x=x, diagonal=0):
            filled = made_by(x)
            return isinstance(filled, ops.Full) and filled.value is True
        case ops.LogicalNot(x=x):
            later = made_by(x)
            filled = made_by(later.x) if isinstance(later, ops.Triu) and later.diagonal == 1 else None
            return isinstance(filled, ops.Full) and filled.value is True
        case ops.GreaterEqual(x=queries, y=keys) | ops.LessEqual(x=keys, y=queries):
            return _positions(queries, -2, made_by) and _positions(keys, -1, made_by)
        case ops.Reshape(x=x) | ops.Broadcast(x=x):
            lead, inner = mask.shape[:-2], tuple(x.shape)
            only_ones = isinstance(made_by(mask), ops.Broadcast) or all(size == 1 for size in lead)
            return only_ones and inner[-2:] == tuple(mask.shape[-2:]) and _keeps_earlier(x, made_by)
    return False


def _is_triangle(mask: Parameter) -> bool:
    """Whether a constant is true below and on its diagonal and nowhere else."""
    known = mask.kind == "constant" and all(isinstance(size, int) for size in mask.shape)
    if not known or product(mask.shape) > _LARGEST or any(size != 1 for size in mask.shape[:-2]):
        return False
    array = np.asarray(mask.load())
    return array.ndim >= 2 and array.shape[-2] > 1 and bool((array == np.tril(np.ones_like(array))).all())


def _positions(value: Any, axis: int, made_by: MadeBy) -> bool:
    """Whether a tensor holds the positions 0, 1, 2, ... along one axis, counted from behind, and has no other."""
    if not isinstance(value, Value) or len(value.shape) < -axis:
        return False
    if any(size != 1 for place, size in enumerate(value.shape) if place != len(value.shape) + axis):
        return False
    match made_by(value):
        case ops.Arange(start=0, step=1):
            return True
        case ops.Reshape(x=x) | ops.Cast(x=x) if isinstance(x, Value):
            apart = [place for place, size in enumerate(x.shape) if size != 1]
            return len(apart) == 1 and _positions(x, apart[0] - len(x.shape), made_by)
    return False


def counted_triangle(op: Op, made_by: MadeBy) -> Op:
    """Where ones summed up along the rows are no fewer than those along the columns, a mask keeps what is not later."""
    rank = type_of(op).rank
    return (
        ops.Tril(ops.Full(tuple(type_of(op).shape), True, "bool"), 0)
        if (_counted(op.x, rank - 2, made_by) and _counted(op.y, rank - 1, made_by))
        else op
    )


def _counted(value: Any, axis: int, made_by: MadeBy) -> bool:
    """Whether a tensor holds 1, 2, 3, ... along one axis."""
    summed = made_by(value)
    if not isinstance(summed, ops.CumulativeSum) or summed.axis != axis:
        return False
    filled = made_by(summed.x)
    return isinstance(filled, ops.Full) and filled.value == 1


def _is_certain(value: Any, made_by: MadeBy) -> bool:
    """Whether a truth value is true everywhere, such as a position that is at least zero."""
    match made_by(value):
        case ops.Full(value=filling):
            return filling is True
        case ops.GreaterEqual(x=x, y=y) if is_scalar(y) and y <= 0:
            return _counts_from_zero(x, made_by)
        case ops.Reshape(x=x) | ops.Broadcast(x=x):
            return _is_certain(x, made_by)
    return False


def _counts_from_zero(value: Any, made_by: MadeBy) -> bool:
    match made_by(value):
        case ops.Arange(start=start, step=step):
            return is_scalar(start) and start >= 0 and is_scalar(step) and step > 0
        case ops.Reshape(x=x) | ops.Broadcast(x=x) | ops.Cast(x=x):
            return _counts_from_zero(x, made_by)
    return False


def _what_decides(mask: Value, made_by: MadeBy) -> Value:
    """A mask without the conditions that are always true; it may become smaller, for it broadcasts."""
    op = made_by(mask)
    if isinstance(op, ops.LogicalAnd):
        for one, other in ((op.x, op.y), (op.y, op.x)):
            if isinstance(other, Value) and other.type.rank == mask.type.rank and _is_certain(one, made_by):
                return _what_decides(other, made_by)
    return mask


def raised_attention(op: Op, made_by: MadeBy) -> Op:
    """A mask that keeps what is not later is the causal option; one of minus infinity is one of truth values."""
    op = boolean_mask(op, made_by)
    if isinstance(op.mask, Value):
        op = op.replace(mask=_what_decides(op.mask, made_by))
    if isinstance(op.mask, Value) and not op.causal and _keeps_earlier(op.mask, made_by):
        return op.replace(mask=None, causal=True)
    return op


_RAISINGS: dict[type[Op], Callable[[Op, MadeBy], Op]] = {
    ops.Lstm: zero_states,
    ops.Gru: zero_states,
    ops.Rnn: zero_states,
    ops.Attention: raised_attention,
    ops.MultiHeadAttention: boolean_mask,
    ops.GreaterEqual: counted_triangle,
}
