"""Patterns of small ops that are one big op: attention, linear layers, GELU, written in pieces by the source.

Every rule looks at one node and what leads to it, and only takes pieces that nothing else uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from netglot.passes import moments, spelled_out
from netglot.passes.split_layers import RULES
from netglot.pivot import ops
from netglot.pivot.graph import Builder, Graph, Node, Value, is_weight, names_of
from netglot.pivot.op import Op, is_scalar, type_of


class Matcher:
    """Looks backwards from a node through pieces that are used once."""

    def __init__(self, graph: Graph):
        self.producers = graph.producers()
        consumers = graph.consumers()
        outputs = {v for _, v in graph.outputs}
        self.single = {v for v, users in consumers.items() if len(users) == 1 and v not in outputs}

    def op(self, value: Any, *kinds: type[Op]) -> Any:
        """The op that makes `value`, where it is of these kinds and nothing else uses the value."""
        node = self.producers.get(value) if isinstance(value, Value) else None
        if node is None or value not in self.single or not isinstance(node.op, kinds):
            return None
        return node.op

    def anywhere(self, value: Any, *kinds: type[Op]) -> Any:
        """As `op`, for a value that others may use as well."""
        node = self.producers.get(value) if isinstance(value, Value) else None
        return node.op if node is not None and isinstance(node.op, kinds) else None


_ROUNDS = 4


def raise_patterns(graph: Graph) -> Graph:
    """The graph with all patterns raised, as long as any is found."""
    for rules in (_RULES, spelled_out.LATE):
        raise_rules(graph, rules)
    return graph


def raise_rules(graph: Graph, rules: dict[type[Op], list[Any]]) -> Graph:
    """The graph, changed in place, with these patterns raised, as long as any is found."""
    for _ in range(_ROUNDS):
        if not _raise_once(graph, rules):
            break
        graph.prune()
    return graph


def _raise_once(graph: Graph, rules: dict[type[Op], list[Any]]) -> bool:
    matcher = Matcher(graph)
    names = names_of(graph)
    nodes: list[Node] = []
    changed = False
    for node in graph.nodes:
        raised = next((r for rule in rules.get(type(node.op), ()) if (r := rule(node.op, matcher)) is not None), None)
        if raised is not None:
            builder = Builder(names, scope=node.scope, sites=node.sites)
            op = raised.map_operands(lambda o, b=builder: b.one(o) if isinstance(o, Op) else o)
            nodes += builder.nodes
            node = Node(op, node.results, node.scope, node.sites)
            matcher.producers.update(dict.fromkeys(node.results, node))
            changed = True
        nodes.append(node)
    graph.nodes = nodes
    return changed


# -- attention


def _attention(op: ops.Matmul, find: Matcher) -> Op | None:
    """softmax(q k^T * scale + mask) v = Attention(q, k, v)"""
    weights, rate = op.x, 0.0
    if not isinstance(op.y, Value) or op.y.type.rank != 4 or op.x.type.rank != 4:
        return None
    guard, kept = find.op(weights, ops.Where), None
    if guard is not None and _guards(guard, find):
        weights = guard.y
    elif guard is not None:
        kept = _kept_twice(guard, find)
        weights = weights if kept is None else guard.x
    dropout = find.op(weights, ops.Dropout)
    if dropout is not None:
        if len(dropout.noise_axes) != 4:
            return None
        weights, rate = dropout.x, dropout.rate
    softmax = find.anywhere(weights, ops.Softmax) if guard is not None else find.op(weights, ops.Softmax)
    if softmax is None or softmax.axis != 3:
        return None
    logits, mask = _masked(softmax.x, find) if kept is None else kept
    logits, scale = _scaled(logits, find)
    turned_logits = find.op(logits, ops.Permute)  # key times query, turned round afterwards
    swapped = turned_logits is not None and tuple(turned_logits.axes) == (0, 1, 3, 2)
    product = find.op(turned_logits.x if swapped else logits, ops.Matmul)
    if product is None:
        return None
    query, more = _scaled(product.x, find)
    turned, again = _scaled(product.y, find)
    more *= again
    key = _turned_back(turned, find)
    if swapped:
        query, key = key, query
    if type_of(query).rank != 4 or type_of(query).shape[1] != op.y.shape[1]:
        return None
    if isinstance(mask, Value) and mask.type.rank != 4:
        mask = ops.Reshape(mask, (1,) * (4 - mask.type.rank) + tuple(mask.shape))
    return ops.Attention(query, key, op.y, mask, scale * more, False, rate, 1)


def _turned_back(value: Value, find: Matcher) -> Value | Op:
    """Keys whose last two axes were swapped for a product, as they were before."""
    keys = find.op(value, ops.Permute)
    if keys is not None:
        axes = (keys.axes[0], keys.axes[1], keys.axes[3], keys.axes[2])
        return keys.x if axes == (0, 1, 2, 3) else ops.Permute(keys.x, axes)
    apart = find.op(value, ops.Reshape)  # an axis of one element before those of a permutation
    keys = find.op(apart.x, ops.Permute) if apart is not None else None
    if keys is not None and len(keys.axes) == 3 and tuple(value.shape) == (1, *keys.result_types()[0].shape):
        batch, size, length = value.shape[1:]
        axes = (keys.axes[0], keys.axes[2], keys.axes[1])
        return ops.Reshape(ops.Permute(keys.x, axes), (1, batch, length, size))
    return ops.Permute(value, (0, 1, 3, 2))


def _guards(op: ops.Where, find: Matcher) -> bool:
    """Whether a choice only makes zeros of the NaN of rows that see nothing."""
    strange = find.op(op.condition, ops.IsNan)
    return strange is not None and strange.x is op.y and (op.x == 0 or _is_zero(op.x, find))


_FAR_BELOW = -1e9
"""A number that is as good as minus infinity for a softmax."""


def _kept_twice(op: ops.Where, find: Matcher) -> tuple[Value, Any] | None:
    """Logits and mask of a softmax that is masked before and after, so that rows that see nothing are zero."""
    softmax = find.op(op.x, ops.Softmax) if op.y == 0 else None
    inner = find.op(softmax.x, ops.Where) if softmax is not None else None
    if inner is None or inner.condition is not op.condition or not isinstance(inner.x, Value):
        return None
    return (inner.x, inner.condition) if is_scalar(inner.y) and inner.y <= _FAR_BELOW else None


def _is_zero(operand: Any, find: Matcher) -> bool:
    full = find.anywhere(operand, ops.Full)
    return full is not None and full.value == 0


def _masked(value: Value, find: Matcher) -> tuple[Value, Any]:
    """Logits without their mask, and the mask: numbers that are added, or truth values that keep."""
    added = find.op(value, ops.Add)
    if added is not None and isinstance(added.x, Value) and isinstance(added.y, Value):
        for logits, mask in ((added.x, added.y), (added.y, added.x)):
            if logits.shape == value.shape and _is_product(logits, find):
                return logits, mask
    chosen = find.op(value, ops.Where)
    if chosen is not None:
        if _is_minus_infinity(chosen.x) and isinstance(chosen.y, Value):
            return chosen.y, ops.LogicalNot(chosen.condition)
        if _is_minus_infinity(chosen.y) and isinstance(chosen.x, Value):
            return chosen.x, chosen.condition
    return value, None


def _is_product(value: Value, find: Matcher) -> bool:
    return find.op(_scaled(value, find)[0], ops.Matmul) is not None


def _is_minus_infinity(operand: Any) -> bool:
    return is_scalar(operand) and operand == -math.inf


def _scaled(value: Value, find: Matcher) -> tuple[Value, float]:
    """A value without the number that it was multiplied with."""
    op = find.op(value, ops.Multiply, ops.Divide)
    if isinstance(op, ops.Multiply):
        for inner, factor in ((op.x, op.y), (op.y, op.x)):
            if isinstance(inner, Value) and isinstance(factor, int | float):
                return inner, float(factor)
    if isinstance(op, ops.Divide) and isinstance(op.x, Value) and isinstance(op.y, int | float):
        return op.x, 1.0 / op.y
    return value, 1.0


# -- linear layers


def _linear(op: ops.Matmul, find: Matcher) -> Op | None:
    """x W = Linear(x, W^T) where W is a matrix of weights"""
    if not isinstance(op.x, Value) or is_weight(op.x) or op.x.type.rank < 2:
        return None
    turned = find.anywhere(op.y, ops.Permute)
    if turned is not None and tuple(turned.axes) == (1, 0) and is_weight(turned.x):
        return ops.Linear(op.x, turned.x, None)
    if is_weight(op.y) and op.y.type.rank == 2 and getattr(op.y, "kind", "parameter") == "parameter":
        return ops.Linear(op.x, ops.Permute(op.y, (1, 0)), None)
    return None


def _linear_bias(op: ops.Add, find: Matcher) -> Op | None:
    """Linear(x, W) + b = Linear(x, W, b)"""
    for product, bias in ((op.x, op.y), (op.y, op.x)):
        linear = find.op(product, ops.Linear)
        own = is_weight(bias) and getattr(bias, "kind", "parameter") == "parameter" and bias.type.rank == 1
        if linear is not None and linear.bias is None and own and bias.shape == linear.weight.shape[:1]:
            return linear.replace(bias=bias)
    return None


def _linear_rows(op: ops.Reshape, find: Matcher) -> Op | None:
    """Linear(x as rows) in x's shape = Linear(x)"""
    linear = find.op(op.x, ops.Linear)
    rows = find.anywhere(linear.x, ops.Reshape) if linear is not None else None
    if rows is None or len(op.shape) < 2 or op.shape[-1] != linear.weight.shape[0]:
        return None
    shape = (*op.shape[:-1], linear.weight.shape[1])
    return linear.replace(x=rows.x if tuple(rows.x.shape) == shape else ops.Reshape(rows.x, shape))


# -- activations


def _near(number: Any, wanted: float, close: float = 1e-6) -> bool:
    return isinstance(number, int | float) and abs(number - wanted) <= close * abs(wanted)


_CLOSE = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""How far a number may be from what was meant, in the dtypes that hold few digits."""


def _factors(value: Any, find: Matcher) -> tuple[list[Value], float]:
    """A product taken apart: the tensors and the number."""
    if isinstance(value, int | float):
        return [], float(value)
    op = find.op(value, ops.Multiply, ops.Divide)
    if op is None:
        return [value], 1.0
    left, a = _factors(op.x, find)
    if isinstance(op, ops.Divide):
        return (left, a / op.y) if isinstance(op.y, int | float) else ([value], 1.0)
    right, b = _factors(op.y, find)
    return left + right, a * b


def _gelu(op: ops.Multiply, find: Matcher) -> Op | None:
    """x * 0.5 * (1 + erf(x / sqrt(2))) = Gelu(x), and its approximation by tanh"""
    left, a = _factors(op.x, find)
    right, b = _factors(op.y, find)
    tensors = left + right
    if len(tensors) != 2 or not _near(a * b, 0.5):
        return None
    close = _CLOSE.get(op.result_types()[0].dtype, 1e-6)
    for x, gate in (tensors, tensors[::-1]):
        plus_one = find.op(gate, ops.Add)
        if plus_one is None:
            continue
        inner = next((i for i, n in ((plus_one.x, plus_one.y), (plus_one.y, plus_one.x)) if _near(n, 1.0)), None)
        erf, tanh = find.op(inner, ops.Erf), find.op(inner, ops.Tanh)
        if erf is not None:
            held, factor = _factors(erf.x, find)
            if held == [x] and _near(factor, 0.7071067811865476, close):
                return ops.Gelu(x, False)
        if tanh is not None and _is_tanh_argument(tanh.x, x, find, close):
            return ops.Gelu(x, True)
    return None


def _is_tanh_argument(value: Value, x: Value, find: Matcher, close: float) -> bool:
    """Whether a value is sqrt(2 / pi) * (x + 0.044715 x^3)."""
    held, factor = _factors(value, find)
    if len(held) != 1 or not _near(factor, 0.7978845608028654, close):
        return False
    total = find.op(held[0], ops.Add)
    if total is None:
        return False
    for one, cube in ((total.x, total.y), (total.y, total.x)):
        parts, number = _factors(cube, find)
        if one is not x or not _near(number, 0.044715, close):
            continue
        power = find.op(parts[0], ops.Power) if len(parts) == 1 else None
        if parts == [x, x, x] or (power is not None and power.x is x and _near(power.y, 3.0)):
            return True
    return False


# -- indexing


def _whole_axes(op: ops.AdvancedIndex, find: Matcher) -> Op | None:
    """x[arange(B)[:, None], arange(T)] = x, each axis where its arange was"""
    shape = tuple(op.x.shape)
    places = []
    if len(op.indices) != len(shape) or any(i is None for i in op.indices):
        return None
    rank = max(i.type.rank for i in op.indices)
    for index, size in zip(op.indices, shape, strict=True):
        place = _arange_axis(index, size, rank, find)
        if place is None or (places and place <= places[-1]):
            return None
        places.append(place)
    target: list[Any] = [1] * rank
    for place, size in zip(places, shape, strict=True):
        target[place] = size
    return ops.Reshape(op.x, tuple(target))


def _arange_axis(index: Value, size: Any, rank: int, find: Matcher) -> int | None:
    """The axis along which an index counts from 0 to `size`, where that is all that it does."""
    if sum(s != 1 for s in index.shape) > 1:
        return None
    value: Any = index
    while (op := find.anywhere(value, ops.Reshape, ops.Cast)) is not None:
        value = op.x
    arange = find.anywhere(value, ops.Arange)
    if arange is None or arange.start != 0 or arange.step != 1 or arange.stop != size:
        return None
    axis = next((a for a, s in enumerate(index.shape) if s != 1), index.type.rank - 1)
    return axis + rank - index.type.rank


# -- repeated heads


def _repeat(op: ops.Reshape, find: Matcher) -> Op | None:
    """x with a new axis, enlarged and merged with the axis before it = Repeat(x)"""
    spread = find.op(op.x, ops.Broadcast)
    opened = find.op(spread.x, ops.Reshape) if spread is not None else None
    if opened is None or len(opened.shape) != len(spread.shape) or not isinstance(opened.x, Value):
        return None
    new = [a for a, (one, many) in enumerate(zip(opened.shape, spread.shape, strict=True)) if one != many]
    if len(new) != 1 or new[0] == 0 or not isinstance(spread.shape[new[0]], int):
        return None
    axis, times = new[0] - 1, spread.shape[new[0]]
    without = (*opened.shape[: axis + 1], *opened.shape[axis + 2 :])
    merged = (*without[:axis], without[axis] * times, *without[axis + 1 :])
    if tuple(opened.x.shape) != tuple(without) or tuple(op.shape) != tuple(merged):
        return None
    return ops.Repeat(opened.x, times, axis)


def _shared_heads(op: ops.Attention, find: Matcher) -> Op | None:
    """Attention(q, Repeat(k), Repeat(v)) = Attention(q, k, v), each head of k and v serving several of q"""
    key, value = find.op(op.key, ops.Repeat), find.op(op.value, ops.Repeat)
    if key is None or value is None or key.repeats != value.repeats:
        return None
    if not key.axis == value.axis == op.head_axis:
        return None
    return op.replace(key=key.x, value=value.x)


_RULES: dict[type[Op], list[Callable[[Any, Matcher], Op | None]]] = {
    ops.Attention: [_shared_heads],
    ops.Matmul: [_attention, _linear],
    ops.Add: [_linear_bias],
    ops.Reshape: [_repeat, _linear_rows],
    ops.Multiply: [_gelu],
    ops.AdvancedIndex: [_whole_axes],
}
for _kind, _more in [*RULES.items(), *spelled_out.RULES.items(), *moments.RULES.items()]:
    _RULES.setdefault(_kind, []).extend(_more)
