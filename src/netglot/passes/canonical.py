"""One meaning, one form: steps that change nothing are taken out, chains of the same op become one.

Every rule preserves the numbers exactly. A rule is a function from a node to a replacement: a value, an op, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import Op, is_scalar, type_of

Rule = Callable[["Op", Callable[[Value], "Op | None"]], Any]
_RULES: dict[type[Op], list[tuple[str, Rule]]] = {}


def rule(sentence: str, *kinds: type[Op]) -> Callable[[Rule], Rule]:
    """Declares a rule on ops of some kinds; `sentence` is its name."""

    def register(function: Rule) -> Rule:
        for kind in kinds:
            _RULES.setdefault(kind, []).append((sentence, function))
        return function

    return register


def canonicalise(graph: Graph) -> Graph:
    """The graph after all rules, applied in one pass in topological order, and without dead nodes."""
    producers: dict[Value, Node] = {}
    table: dict[Value, Any] = {}
    nodes: list[Node] = []
    outputs = {value for _, value in graph.outputs}

    def made_by(value: Any) -> Op | None:
        node = producers.get(value)
        return node.op if node is not None and len(node.results) == 1 else None

    for node in graph.nodes:
        op = node.op.map_operands(lambda o: table.get(o, o))
        if op.layout == "elementwise":
            op = _with_numbers(op)
        replacement = _apply(op, made_by)
        if isinstance(replacement, Value) and not (node.result in outputs and replacement in graph.inputs):
            table[node.result] = replacement
            continue
        if isinstance(replacement, Op):
            op = replacement
        node = Node(op, node.results, node.scope, node.sites)
        nodes.append(node)
        producers.update(dict.fromkeys(node.results, node))
    tidy = Graph(graph.name, graph.inputs, graph.parameters, nodes, graph.output, graph.modules, list(graph.notes))
    tidy.replace_values(dict(table.items()))
    tidy.prune()
    return tidy


def _apply(op: Op, made_by) -> Any:
    changed = None
    for _ in range(10):
        current = changed if isinstance(changed, Op) else op
        step = next((r for _, f in _RULES.get(type(current), ()) if (r := f(current, made_by)) is not None), None)
        if step is None:
            return changed
        changed = step
        if isinstance(changed, Value):
            return changed
    return changed


def _with_numbers(op: Op) -> Op:
    """Constants of rank 0 as Python numbers, as long as a tensor stays beside them."""
    tensors = [o for o in op.operands() if isinstance(o, Value)]
    constants = [o for o in tensors if not isinstance(_number(o), Value)]
    return op.map_operands(_number) if constants and len(constants) < len(tensors) else op


def _number(operand: Any) -> Any:
    if isinstance(operand, Parameter) and operand.kind == "constant" and operand.shape == ():
        value = np.asarray(operand.load())
        if operand.dtype in ("float32", "float64", "int64", "int32", "bool"):
            return value.item()
    return operand


@rule("Reshape to the same shape = the value", ops.Reshape, ops.Broadcast)
def same_shape(op, made_by):
    return op.x if isinstance(op.x, Value) and tuple(op.x.shape) == tuple(op.shape) else None


@rule("Reshape(Reshape(x)) = Reshape(x)", ops.Reshape)
def reshape_twice(op, made_by):
    inner = made_by(op.x)
    return ops.Reshape(inner.x, op.shape) if isinstance(inner, ops.Reshape) else None


@rule("Permute in order = the value", ops.Permute)
def permute_nothing(op, made_by):
    return op.x if tuple(op.axes) == tuple(range(len(op.axes))) else None


@rule("Permute(Permute(x)) = Permute(x)", ops.Permute)
def permute_twice(op, made_by):
    inner = made_by(op.x)
    return ops.Permute(inner.x, tuple(inner.axes[a] for a in op.axes)) if isinstance(inner, ops.Permute) else None


@rule("Reshape(Permute(Reshape(x))) = Permute(x) where what is joined is not moved, and parted again", ops.Reshape)
def permute_within(op, made_by):
    turned = made_by(op.x)
    joined = made_by(turned.x) if isinstance(turned, ops.Permute) else None
    if not isinstance(joined, ops.Reshape) or not isinstance(joined.x, Value) or turned.axes[0] != 0:
        return None
    before, rest = tuple(joined.x.shape), tuple(joined.shape)[1:]
    lead = len(before) - len(rest)
    if lead < 2 or before[lead:] != rest or 0 in before:
        return None
    order = (*range(lead), *(axis + lead - 1 for axis in turned.axes[1:]))
    return ops.Permute(joined.x, order) if tuple(op.shape) == tuple(before[a] for a in order) else None


@rule("Cast to the same dtype = the value", ops.Cast)
def same_dtype(op, made_by):
    return op.x if isinstance(op.x, Value) and op.x.dtype == op.dtype else None


@rule("Slice of the whole axis = the value", ops.Slice)
def slice_all(op, made_by):
    whole = op.start == 0 and op.step == 1 and op.stop == type_of(op.x).shape[op.axis]
    return op.x if whole else None


@rule("Select(Stack(xs), i) = xs[i]", ops.Select)
def select_of_stack(op, made_by):
    inner = made_by(op.x)
    stacked = isinstance(inner, ops.Stack) and inner.axis == op.axis and isinstance(op.index, int)
    return inner.xs[op.index] if stacked else None


@rule("Select(Reshape(x)) = Reshape(x) where the axis has one element", ops.Select)
def select_of_reshape(op, made_by):
    inner, shape = made_by(op.x), type_of(op.x).shape
    alone = isinstance(inner, ops.Reshape) and shape[op.axis] == 1
    return ops.Reshape(inner.x, (*shape[: op.axis], *shape[op.axis + 1 :])) if alone else None


@rule("what is written over is not written", ops.SelectUpdate, ops.SliceUpdate)
def written_twice(op, made_by):
    inner = made_by(op.x)
    same = type(inner) is type(op) and inner.attributes() == op.attributes()
    return op.replace(x=inner.x) if same else None


@rule("Select(SelectUpdate(x, value, i), i) = value, and so for slices", ops.Select, ops.Slice)
def read_as_written(op, made_by):
    inner = made_by(op.x)
    kind = ops.SelectUpdate if isinstance(op, ops.Select) else ops.SliceUpdate
    same = isinstance(inner, kind) and inner.attributes() == op.attributes() and isinstance(inner.value, Value)
    return inner.value if same and inner.value.type == op.result_types()[0] else None


@rule("not not x = x", ops.LogicalNot)
def double_not(op, made_by):
    inner = made_by(op.x)
    return inner.x if isinstance(inner, ops.LogicalNot) and isinstance(inner.x, Value) else None


@rule("not Reshape(not x) = Reshape(x)", ops.LogicalNot)
def double_not_reshaped(op, made_by):
    reshaped = made_by(op.x)
    inner = made_by(reshaped.x) if isinstance(reshaped, ops.Reshape) else None
    return ops.Reshape(inner.x, reshaped.shape) if isinstance(inner, ops.LogicalNot) else None


@rule("x + 0 = x, x * 1 = x", ops.Add, ops.Multiply)
def neutral(op, made_by):
    unit = 0 if isinstance(op, ops.Add) else 1
    for value, other in ((op.x, op.y), (op.y, op.x)):
        if isinstance(value, Value) and is_scalar(other) and not isinstance(other, bool) and other == unit:
            return value
    return None


@rule("Dropout of nothing = the value", ops.Dropout)
def no_dropout(op, made_by):
    return op.x if op.rate == 0 else None


@rule("Identity = the value", ops.Identity)
def identity(op, made_by):
    return op.x


@rule("True and x = x", ops.LogicalAnd)
def neutral_truth(op, made_by):
    for one, other in ((op.x, op.y), (op.y, op.x)):
        full = made_by(other) if isinstance(other, Value) else None
        certain = other is True or (isinstance(full, ops.Full) and full.value is True and not full.shape)
        if certain and isinstance(one, Value):
            return one
    return None
