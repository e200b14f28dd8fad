"""Recurrent cells in one step of a loop, known by what they compute and not by their names.

A step is nodes between states before and states after. The formulas of LSTM, GRU and the plain cell are looked for in
it; what stands in a gate is followed as a sum of products with weights, however these are joined, cut and added.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Node, Parameter, Value
from netglot.pivot.op import Op, is_scalar, shape_of


class Unknown(Exception):
    """It is none of the known cells."""


@dataclass
class Affine:
    """A sum of products of tensors with matrices (None: the tensor itself), and a bias for each column."""

    terms: dict[Value, np.ndarray | None]
    bias: np.ndarray | float = 0.0
    weights: list[Parameter] = field(default_factory=list)


@dataclass
class Cell:
    """What a cell computes: `states` before, their `after`, its input, and its weights in the pivot's orders."""

    kind: str
    x: Value
    states: list[Value]
    after: list[Value]
    w_ih: np.ndarray
    w_hh: np.ndarray
    b_ih: np.ndarray | None
    b_hh: np.ndarray | None
    weights: list[Parameter]


class Step:
    """The nodes of one step, those `around` the loop, and each state before with the same one after.

    `opposite` has conditions of which each says that another does not hold.
    """

    def __init__(
        self,
        nodes: list[Node],
        around: list[Node],
        after: dict[Value, Any],
        opposite: dict[Value, Value] | None = None,
        load: Callable[[Parameter], np.ndarray] = lambda one: np.asarray(one.load()),
    ):
        self.opposite, self.load = opposite or {}, load
        self.made = {value: node for node in nodes for value in node.results}
        self.around = {value: node for node in around for value in node.results}
        self.kept: dict[Value, Value] = {}
        """The condition under which a state moves on, where it may stay as it is."""
        self.after = {state: self._moved(state, one) for state, one in after.items()}
        self.ends = set(self.after.values())
        self._arrays: dict[Value, np.ndarray | None] = {}
        self._sums: dict[Value, Affine] = {}

    def _moved(self, state: Value, after: Any) -> Any:
        """What a state becomes where it does not stay."""
        node = self.made.get(after) if isinstance(after, Value) else None
        if node is None or not isinstance(node.op, ops.Where):
            return after
        condition = self.spread(node.op.condition)
        if node.op.y is state:
            self.kept[state] = condition
            return node.op.x
        if node.op.x is state and condition in self.opposite:
            self.kept[state] = self.opposite[condition]
            return node.op.y
        return after

    def spread(self, value: Any) -> Any:
        """What a tensor is before it was repeated along axes."""
        node = self.made.get(value)
        while node is not None and isinstance(node.op, ops.Tile | ops.Broadcast | ops.Reshape | ops.Identity):
            value = node.op.x
            node = self.made.get(value)
        return value

    # -- looking at nodes

    def op(self, value: Any, *kinds: type[Op]) -> Any:
        """The op of the step that makes a value, which is one of these kinds.

        Raises:
            Unknown: it is not.
        """
        node = self.made.get(value) if isinstance(value, Value) else None
        if node is None or not isinstance(node.op, kinds):
            raise Unknown
        return node.op

    def pairs(self, value: Any, kind: type[Op]) -> Iterator[tuple[Any, Any]]:
        """Both orders of the two operands of an op."""
        op = self.op(value, kind)
        yield op.x, op.y
        yield op.y, op.x

    def array(self, value: Any) -> np.ndarray | None:
        """The value of a tensor that only weights are in; None where there is something else in it."""
        if is_scalar(value):
            return np.asarray(value)
        if value not in self._arrays:
            self._arrays[value] = self._computed(value)
        return self._arrays[value]

    def _computed(self, value: Value) -> np.ndarray | None:
        if isinstance(value, Parameter):
            return self.load(value)
        node = self.made.get(value) or self.around.get(value)
        if node is None or not node.operand_values():
            return None
        if any(self.array(one) is None for one in node.operand_values()):
            return None
        found = evaluate_op(node.op.map_operands(lambda one: self.array(one) if isinstance(one, Value) else one))
        return np.asarray(found[node.results.index(value)] if isinstance(found, tuple) else found)

    # -- sums of products

    def sum(self, value: Any) -> Affine:
        """A tensor as a sum of products with weights.

        Raises:
            Unknown: it is no tensor of the step.
        """
        if not isinstance(value, Value):
            raise Unknown
        if value not in self._sums:
            node = self.made.get(value) if value not in self.ends else None
            rule = _SUMS.get(type(node.op)) if node is not None else None
            made = rule(self, node.op, node.results.index(value)) if rule and node else None
            self._sums[value] = made or Affine({value: None})
        return self._sums[value]

    def _product(self, op: Any, place: int) -> Affine | None:
        linear = isinstance(op, ops.Linear)
        weight = op.weight if linear else op.y
        matrix = self.array(weight)
        if matrix is None or matrix.ndim != 2:
            return None
        matrix, x = (matrix.T if linear else matrix), self.sum(op.x)
        bias = x.bias @ matrix if np.ndim(x.bias) else x.bias * matrix.sum(0) if x.bias else x.bias
        used = x.weights + self._parameters(weight)
        made = Affine({v: matrix if m is None else m @ matrix for v, m in x.terms.items()}, bias, used)
        return self._plus(made, op.bias) if linear and op.bias is not None else made

    def _parameters(self, value: Any) -> list[Parameter]:
        """The parameters that a weight is computed from."""
        if isinstance(value, Parameter) or not isinstance(value, Value):
            return [value] if isinstance(value, Parameter) else []
        node = self.made.get(value) or self.around.get(value)
        return [one for held in (node.operand_values() if node else ()) for one in self._parameters(held)]

    def _plus(self, x: Affine, added: Any) -> Affine | None:
        vector = self.array(added)
        if vector is None or (vector.ndim and vector.size != vector.shape[-1]):
            return None
        return Affine(x.terms, x.bias + vector.reshape(vector.shape[-1:]), [*x.weights, *self._parameters(added)])

    def _add(self, op: Any, place: int) -> Affine | None:
        for x, y in ((op.x, op.y), (op.y, op.x)):
            if self.array(y) is not None:
                return self._plus(self.sum(x), y)
        left, right = self.sum(op.x), self.sum(op.y)
        terms = dict(left.terms)
        for value, matrix in right.terms.items():
            terms[value] = _whole(value, terms[value]) + _whole(value, matrix) if value in terms else matrix
        return Affine(terms, left.bias + right.bias, left.weights + right.weights)

    def _scaled(self, op: Any, place: int) -> Affine | None:
        """A product with numbers that are the same for each sample."""
        for x, y in ((op.x, op.y), (op.y, op.x)):
            factor = self.array(y)
            if factor is not None and (not factor.ndim or factor.size == factor.shape[-1]):
                factor, held = factor.reshape(factor.shape[-1:]), self.sum(x)
                if np.all(factor == 1):
                    return held
                terms: dict[Value, np.ndarray | None] = {v: _whole(v, m) * factor for v, m in held.terms.items()}
                return Affine(terms, held.bias * factor, held.weights)
        return None

    def _cut(self, op: Any, start: int, stop: int, step: int = 1) -> Affine | None:
        if op.axis != len(shape_of(op.x)) - 1:
            return None
        return _cut(self.sum(op.x), start, stop, step)

    def _slice(self, op: Any, place: int) -> Affine | None:
        return self._cut(op, op.start, op.stop, op.step)

    def _split(self, op: Any, place: int) -> Affine | None:
        start = sum(op.sizes[:place])
        return self._cut(op, start, start + op.sizes[place])

    def _joined(self, op: Any, place: int) -> Affine | None:
        widths = [shape_of(x)[-1] for x in op.xs]
        if op.axis != len(shape_of(op.xs[0])) - 1 or not all(isinstance(n, int) for n in widths):
            return None
        terms: dict[Value, np.ndarray | None] = {}
        biases, used, start = [], [], 0
        for x, width in zip(op.xs, widths, strict=True):
            one = self.sum(x)
            around = (start, sum(widths) - start - width)
            for value, matrix in one.terms.items():
                wide = np.pad(_whole(value, matrix), ((0, 0), around))
                terms[value] = _whole(value, terms[value]) + wide if value in terms else wide
            biases.append(np.broadcast_to(one.bias, (width,)))
            used += one.weights
            start += width
        return Affine(terms, np.concatenate(biases), used)

    # -- cells

    def cell(self, h: Value) -> Cell:
        """The cell whose output is a state.

        Raises:
            Unknown: it is none.
        """
        for find in (self._lstm, self._gru, self._rnn):
            try:
                return find(h)
            except (Unknown, ValueError, LookupError, TypeError):
                continue
        raise Unknown

    def _gate(self, value: Any, *curves: type[Op]) -> Affine:
        curves = curves or (ops.Sigmoid,)
        op = self.op(value, *curves, ops.Slice, ops.Split)
        if isinstance(op, curves):
            return self.sum(op.x)
        whole = self._gate(op.x, *curves)  # one curve over several gates
        start = sum(op.sizes[: self.made[value].results.index(value)]) if isinstance(op, ops.Split) else op.start
        stop = start + shape_of(value)[-1]
        if op.axis != len(shape_of(value)) - 1 or getattr(op, "step", 1) != 1:
            raise Unknown
        return _cut(whole, start, stop)

    def _lstm(self, h: Value) -> Cell:
        output = self.after[h]
        o, memory = _first(self.pairs(output, ops.Multiply), lambda gate, y: (self._gate(gate), self.op(y, ops.Tanh).x))
        c = next(state for state, after in self.after.items() if after is memory and state is not h)

        def parts(kept: Any, new: Any):
            f = _first(self.pairs(kept, ops.Multiply), lambda x, y: self._gate(y) if x is c else _no())
            i, g = _first(self.pairs(new, ops.Multiply), lambda x, y: (self._gate(x), self._gate(y, ops.Tanh)))
            return i, f, g

        i, f, g = _first(self.pairs(memory, ops.Add), parts)
        return self._made("lstm", [i, f, g, o], [h, c], [output, memory])

    def _gru(self, h: Value) -> Cell:
        output = self.after[h]

        def parts(kept: Any, new: Any):
            z = _first(self.pairs(kept, ops.Multiply), lambda x, y: y if x is h else _no())
            n = _first(self.pairs(new, ops.Multiply), lambda x, y: y if self._rest(x, z) else _no())
            return z, n

        z, n = _first(self.pairs(output, ops.Add), parts)
        fresh, gate = self._gate(n, ops.Tanh), self._gate(z)
        scaled, r, other = self._reset(fresh)
        matrix = fresh.terms.pop(scaled)
        if other is h:
            terms = {**fresh.terms, h: matrix}
            return self._made("gru", [r, gate, Affine(terms, fresh.bias, fresh.weights)], [h], [output])
        back = self.sum(other)
        if matrix is not None or set(back.terms) != {h}:
            raise Unknown
        terms = {**fresh.terms, h: back.terms[h]}
        used = [*fresh.weights, *back.weights]
        made = self._made("gru_after", [r, gate, Affine(terms, fresh.bias, used)], [h], [output])
        rows = len(made.w_ih)
        if made.b_ih is not None or np.ndim(back.bias) or back.bias:
            made.b_ih = np.zeros(rows, made.w_ih.dtype) if made.b_ih is None else made.b_ih
            made.b_hh = np.zeros_like(made.b_ih)
            made.b_hh[2 * rows // 3 :] = back.bias
        return made

    def _reset(self, fresh: Affine) -> tuple[Value, Affine, Any]:
        """What is scaled by a gate in the new state, the gate, and what it scales.

        Raises:
            Unknown: nothing is, or more than one thing.
        """
        found = []
        for value in fresh.terms:
            with contextlib.suppress(Unknown):
                found.append((value, *_first(self.pairs(value, ops.Multiply), lambda x, y: (self._gate(x), y))))
        if len(found) != 1:
            raise Unknown
        return found[0]

    def _rest(self, value: Any, z: Any) -> bool:
        """Whether a value is `1 - z`."""
        op = self.op(value, ops.Subtract)
        one = self.array(op.x)
        return op.y is z and one is not None and bool(np.all(one == 1))

    def _rnn(self, h: Value) -> Cell:
        output = self.after[h]
        curve = self.op(output, ops.Tanh, ops.Relu)
        return self._made(type(curve).__name__.lower(), [self.sum(curve.x)], [h], [output])

    def _made(self, kind: str, gates: list[Affine], states: list[Value], after: list[Any]) -> Cell:
        if len({self.kept.get(state) for state in states}) != 1:
            raise Unknown
        h, width = states[0], shape_of(states[0])[-1]
        given = {value for gate in gates for value in gate.terms} - {h}
        if len(given) != 1 or not isinstance(width, int):
            raise Unknown
        (x,) = given
        rows = [_rows(gates, value, width) for value in (x, h)]
        dtype = rows[0].dtype
        bias = None
        if any(np.ndim(gate.bias) or gate.bias for gate in gates):
            bias = np.concatenate([np.broadcast_to(gate.bias, (width,)) for gate in gates]).astype(dtype)
        used = [weight for gate in gates for weight in gate.weights]
        return Cell(kind, x, states, after, rows[0], rows[1], bias, None, used)


_SUMS: dict[type[Op], Callable[[Step, Any, int], Affine | None]] = {
    ops.Matmul: Step._product,
    ops.Linear: Step._product,
    ops.Add: Step._add,
    ops.Multiply: Step._scaled,
    ops.Slice: Step._slice,
    ops.Split: Step._split,
    ops.Concat: Step._joined,
    ops.Identity: lambda step, op, place: step.sum(op.x),
}


def _cut(x: Affine, start: int, stop: int, step: int = 1) -> Affine:
    """Some of the columns."""
    terms: dict[Value, np.ndarray | None] = {v: _whole(v, m)[:, start:stop:step] for v, m in x.terms.items()}
    bias = x.bias[start:stop:step] if isinstance(x.bias, np.ndarray) and x.bias.ndim else x.bias
    return Affine(terms, bias, x.weights)


def _rows(gates: list[Affine], value: Value, width: int) -> np.ndarray:
    """The weights of one tensor in all gates, a row for each of their numbers."""
    size = shape_of(value)[-1]
    if not isinstance(size, int):
        raise Unknown
    found = [_whole(value, gate.terms[value]) if value in gate.terms else np.zeros((size, width)) for gate in gates]
    if any(one.shape != (size, width) for one in found):
        raise Unknown
    dtype = next((m.dtype for gate in gates for m in gate.terms.values() if m is not None), np.dtype("float32"))
    return np.ascontiguousarray(np.concatenate(found, 1).T.astype(dtype))


def _whole(value: Value, matrix: np.ndarray | None) -> np.ndarray:
    return np.eye(shape_of(value)[-1], dtype=value.dtype) if matrix is None else matrix


def _first(pairs: Iterator[tuple[Any, Any]], look: Callable[[Any, Any], Any]) -> Any:
    """What is found in the first of the pairs that it is found in.

    Raises:
        Unknown: it is found in none.
    """
    for one in pairs:
        try:
            return look(*one)
        except Unknown:
            continue
    raise Unknown


def _no() -> Any:
    raise Unknown
