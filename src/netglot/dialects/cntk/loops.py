"""Recurrences: cycles of functions through delays. Those of the known cells become layers, others are written out.

A recurrence is known by what it computes, not by its name: the formulas of LSTM, GRU and the plain layer are looked for
in the functions of the cycle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netglot.dialects.cntk.sample import Sample, filled
from netglot.errors import Refusal, notimpl
from netglot.formats.cntk import CONSTANT, Function
from netglot.pivot import ops
from netglot.pivot.graph import Part

_DELAYS = ("PastValue", "FutureValue")
_SIGMOIDS = ("Sigmoid", "StableSigmoid")


class Unknown(Exception):
    """The cycle is none of the known cells."""


@dataclass
class Affine:
    """A sum: weights times the input, weights times the state, and biases, of which only some rows may be taken."""

    x: list
    h: list
    biases: list


class Cell:
    """The functions of one cycle, and what is found in them."""

    def __init__(self, network, members: set[str]):
        self.network, self.members = network, members
        self.delays = {uid: network.functions[uid] for uid in members if network.functions[uid].op in _DELAYS}

    # -- formulas

    def maker(self, variable: str) -> Function | None:
        """The function of the cycle that makes a variable."""
        uid, _ = self.network.source(variable)
        return self.network.functions[uid] if uid in self.members else None

    def operands(self, variable: str, *kinds: str) -> list[str]:
        """The operands of what makes a variable, which is one of these kinds."""
        function = self.maker(variable)
        if function is None or function.op not in kinds:
            raise Unknown
        return [self.network.resolve(one) for one in self.network.operands(function)]

    def state_of(self, variable: str) -> str | None:
        """The delay that a variable is."""
        uid, _ = self.network.source(variable)
        return uid if uid in self.delays else None

    def affine(self, variable: str, rows: slice | None = None) -> Affine:
        """A variable as a sum of products with weights."""
        function = self.maker(variable)
        uid, _ = self.network.source(variable)
        function = function or self.network.functions.get(uid)
        if function is None:
            if self.network.variable(variable) is None:
                raise Unknown
            return Affine([], [], [(variable, rows)])
        operands = [self.network.resolve(one) for one in self.network.operands(function)]
        if function.op == "Plus":
            left, right = (self.affine(one, rows) for one in operands)
            return Affine(left.x + right.x, left.h + right.h, left.biases + right.biases)
        if function.op == "Slice" and rows is None:
            begin, end = (self.network.option(function, name) for name in ("beginIndex", "endIndex"))
            step = self.network.option(function, "sliceStrides")
            if not isinstance(begin, int) or not isinstance(end, int) or step not in (None, 1):
                raise Unknown
            if not 0 <= begin < end:
                raise Unknown
            return self.affine(operands[0], slice(begin, end))
        if function.op == "Times" and self.network.matrix(operands[0]):
            held = (operands[0], operands[1], rows)
            return Affine([], [held], []) if self.maker(operands[1]) is not None else Affine([held], [], [])
        raise Unknown

    def pairs(self, variable: str) -> list[tuple[str, str]]:
        """A sum of two products."""
        products = [self.operands(one, "ElementTimes") for one in self.operands(variable, "Plus")]
        return [(first, second) for first, second in products]

    # -- cells

    def layer(self, result: str):
        """The op and the names of its weights for the cycle whose only result is `result`.

        Raises:
            Unknown: it is no known cell.
        """
        for find in (self.lstm, self.gru, self.plain):
            try:
                return find(result)
            except (Unknown, ValueError, RecursionError):
                continue
        raise Unknown

    def lstm(self, h: str):
        o, cell = self._split(self.operands(h, "ElementTimes"), lambda one: self.maker(one).op in _SIGMOIDS)
        (c,) = self.operands(cell, "Tanh")
        kept, new = self._split(self.pairs(c), lambda pair: any(self.state_of(one) for one in pair))
        memory, f = self._split(list(kept), lambda one: self.state_of(one) is not None)
        i, g = self._split(list(new), lambda one: self.maker(one).op in _SIGMOIDS)
        gates = [self.affine(*self.operands(one, *_SIGMOIDS)) for one in (i, f)]
        gates += [self.affine(*self.operands(g, "Tanh")), self.affine(*self.operands(o, *_SIGMOIDS))]
        hidden = self._states(gates)
        if set(self.delays) != {hidden, self.state_of(memory)} or hidden == self.state_of(memory):
            raise Unknown
        self._fed(hidden, h)
        self._fed(self.state_of(memory), c)
        return "lstm", gates, [hidden, self.state_of(memory)]

    def gru(self, h: str):
        kept, new = self._split(self.pairs(h), lambda pair: any(self.state_of(one) for one in pair))
        hidden, z = self._split(list(kept), lambda one: self.state_of(one) is not None)
        rest, n = self._split(list(new), lambda one: self.maker(one).op == "Minus")
        one, other = self.operands(rest, "Minus")
        if self.network.number(one) != 1 or other != z:
            raise Unknown
        inner = self.operands(n, "Tanh")[0]
        after = self._reset_after(inner)
        fresh, r = after or self._reset_before(inner, hidden)
        state = self.state_of(hidden)
        if set(self.delays) != {state}:
            raise Unknown
        gates = [self.affine(*self.operands(one, *_SIGMOIDS)) for one in (r, z)]
        if self._states([*gates, fresh] if after else gates) != state:
            raise Unknown
        self._fed(state, h)
        return "gru_after" if after else "gru", [*gates, fresh], [state]

    def _reset_before(self, n: str, hidden: str):
        """The new state of a GRU, whose reset gate scales the state before its product; and that gate."""
        fresh = self.affine(n)
        (inside,) = fresh.h
        gated, r = self._split(self.operands(inside[1], "ElementTimes"), lambda one: self.state_of(one) is not None)
        if self.state_of(gated) != self.state_of(hidden):
            raise Unknown
        return fresh, r

    def _reset_after(self, n: str):
        """The same where it scales the product, bias included; None where it does not."""
        parts = self.operands(n, "Plus")
        for scaled, given in (parts, parts[::-1]):
            function = self.maker(scaled)
            if function is None or function.op != "ElementTimes":
                continue
            r, back = self._split(self.operands(scaled, "ElementTimes"), lambda one: self.maker(one).op in _SIGMOIDS)
            held, new = self.affine(back), self.affine(given)
            if held.x or new.h:
                raise Unknown
            return Affine(new.x, held.h, [new.biases, held.biases]), r
        return None

    def plain(self, h: str):
        function = self.maker(h)
        if function is None or function.op not in ("Tanh", "ReLU"):
            raise Unknown
        gate = self.affine(*self.operands(h, "Tanh", "ReLU"))
        state = self._states([gate])
        if set(self.delays) != {state}:
            raise Unknown
        self._fed(state, h)
        return {"Tanh": "tanh", "ReLU": "relu"}[function.op], [gate], [state]

    def _split(self, held: list, which) -> tuple:
        """Two things, that for which the condition holds first."""
        if len(held) != 2 or any(isinstance(one, str) and self.maker(one) is None for one in held):
            raise Unknown
        first, second = held
        if which(first) == which(second):
            raise Unknown
        return (first, second) if which(first) else (second, first)

    def _states(self, gates: list[Affine]) -> str:
        """The delay that all gates read."""
        found = {self.state_of(one[1]) for gate in gates for one in gate.h}
        state = found.pop()
        if found or state is None:
            raise Unknown
        return state

    def _fed(self, delay: str, variable: str) -> None:
        """Asserts that a delay is one step and is fed by a variable."""
        function = self.delays[delay]
        if self.network.option(function, "offset", 1) != 1:
            raise Unknown
        if self.network.resolve(function.inputs[0]) != self.network.resolve(variable):
            raise Unknown

    @property
    def backward(self) -> bool:
        """Whether the cycle runs from the end.

        Raises:
            Refusal: it runs both ways.
        """
        kinds = {function.op for function in self.delays.values()}
        if len(kinds) != 1:
            raise Refusal(notimpl("a recurrence in both directions at once"))
        return kinds == {"FutureValue"}


def raised(cell: Cell, result: str, network) -> Sample:
    """The layer that a cycle is.

    Raises:
        Unknown: it is none.
    """
    kind, gates, states = cell.layer(result)
    sources = {network.resolve(one[1]) for gate in gates for one in gate.x}
    if len(sources) != 1:
        raise Unknown
    x = network.sample(sources.pop())
    if len(x.dynamic) != 2 or x.rank != 1:
        raise Unknown
    w_ih, w_hh = (_stacked(network, [getattr(gate, side) for gate in gates], role)
                  for side, role in (("x", "weight_ih"), ("h", "weight_hh")))  # fmt: skip
    hidden = w_hh.shape[1]
    after = kind == "gru_after"
    apart = [gates[-1].biases[side] if after else gates[-1].biases for side in (0, 1)]
    bias = _biases(network, [*(gate.biases for gate in gates[:-1]), apart[0]], hidden)
    back = _biases(network, [[], [], apart[1]], hidden) if after else None
    starts = [_start(network, cell.delays[uid], x, w_hh.shape[1]) for uid in states]
    biases, backs = ((one,) if one is not None else () for one in (bias, back))
    if after and len(biases) != len(backs):
        raise Unknown
    told = {
        "x": x.value, "w_ih": (w_ih,), "w_hh": (w_hh,), "b_ih": biases, "b_hh": backs,
        "direction": "backward" if cell.backward else "forward", "time_axis": 1, "mask": None, "held": False,
    }  # fmt: skip
    if kind == "lstm":
        op = ops.Lstm(h0=starts[0], c0=starts[1], **told)
    elif kind.startswith("gru"):
        op = ops.Gru(h0=starts[0], reset_after=after, **told)
    else:
        op = ops.Rnn(h0=starts[0], activation=kind, **told)
    return Sample(Part(op, 0), x.dynamic)


def _stacked(network, gates: list[list], role: str):
    """The rows of all gates as one weight."""
    pieces = []
    for held in gates:
        if len(held) != 1:
            raise Unknown
        matrix, _, rows = held[0]
        variable = network.variable(matrix)
        columns = variable.shape[1]
        rows = rows or slice(0, columns)
        pieces.append((variable, rows))
    shape = (sum(rows.stop - rows.start for _, rows in pieces), pieces[0][0].shape[0])
    if any(variable.shape[0] != shape[1] or rows.stop > variable.shape[1] for variable, rows in pieces):
        raise Unknown

    def join(*arrays):
        return np.concatenate([a[:, rows].T for a, (_, rows) in zip(arrays, pieces, strict=True)])

    layout = f"{role} {[(rows.start, rows.stop) for _, rows in pieces]}"
    return network.weights.derived([variable for variable, _ in pieces], join, shape, role, layout)


def _biases(network, gates: list[list], hidden: int):
    """The biases of all gates as one, or None."""
    if not any(gates):
        return None
    pieces = [(place, network.variable(one), rows) for place, gate in enumerate(gates) for one, rows in gate]
    sizes = {v.shape[-1] if rows is None else rows.stop - rows.start for _, v, rows in pieces}
    if sizes != {hidden} or any(len(v.shape) != 1 for _, v, _ in pieces):
        raise Unknown

    def join(*arrays):
        made = np.zeros((len(gates), hidden), arrays[0].dtype)
        with np.errstate(invalid="ignore", over="ignore"):  # a damaged file may hold any number
            for array, (place, _, rows) in zip(arrays, pieces, strict=True):
                made[place] += array if rows is None else array[rows]
        return made.reshape(-1)

    layout = f"bias {[(place, None if rows is None else (rows.start, rows.stop)) for place, _, rows in pieces]}"
    return network.weights.derived([v for _, v, _ in pieces], join, (len(gates) * hidden,), "bias", layout)


def _start(network, delay: Function, x: Sample, hidden: int) -> tuple:
    """The state before the first step; none where it is zeros."""
    if len(delay.inputs) < 2:
        return ()
    start = network.sample(network.resolve(delay.inputs[1]))
    if start.number() == 0 and start.variable is not None and start.variable.kind == CONSTANT:
        return ()
    if len(start.dynamic) > 1:
        raise Unknown
    return (filled(start, x.lead[:1], x.dynamic[:1], (hidden,)),)


LONGEST = 20000
"""No recurrence is written out into more functions."""


def unrolled(cell: Cell, order: list[str], wanted: list[str], network) -> dict[str, Sample]:
    """What a cycle computes, each step written out; for a number of steps that is known.

    Raises:
        Refusal: it is not.
    """
    outside = [network.sample(one) for uid in order for one in network.operands(network.functions[uid])
               if network.source(one)[0] not in cell.members]  # fmt: skip
    sequences = {one.dynamic: one for one in outside if len(one.dynamic) == 2}
    if len(sequences) != 1:
        raise Refusal(notimpl("a recurrence over no sequence, or over several"))
    dynamic, example = next(iter(sequences.items()))
    steps = example.lead[1]
    if not isinstance(steps, int):
        raise Refusal(
            notimpl(
                "a recurrence that is no LSTM, GRU or plain layer can only be written out step by step; "
                "say how many steps there are: --input NAME=1,20!,SIZE"
            )
        )
    if steps * len(order) > LONGEST:
        raise Refusal(notimpl(f"a recurrence written out into {steps * len(order)} functions"))
    history: dict[str, list[Sample]] = {}
    for time in range(steps):
        place = steps - 1 - time if cell.backward else time
        now: dict[str, Sample] = {}

        def operand(one, time=time, place=place, now=now):
            uid, _ = network.source(one)
            if uid in cell.delays:
                return past(cell.delays[uid], time)
            if uid in cell.members:
                return now[network.resolve(one)]
            held = network.sample(one)
            if held.dynamic != dynamic:
                return held
            return Sample(network.assembly.build(ops.Select(held.value, 1, place)), dynamic[:1])

        def past(delay, time):
            back = network.option(delay, "offset", 1)
            if time >= back:
                return history[network.resolve(delay.inputs[0])][time - back]
            start, shape = network.sample(delay.inputs[1]), network.declared(delay)
            if shape is None:
                raise Refusal(notimpl("a recurrence whose state has no declared shape"))
            return Sample(network.assembly.build(filled(start, example.lead[:1], dynamic[:1], shape)), dynamic[:1])

        for uid in order:
            if uid not in cell.delays:
                for name, made in network.read(network.functions[uid], operand).items():
                    now[name] = made
                    history.setdefault(name, []).append(made)
    found = {}
    for name in wanted:
        held = history[name][::-1] if cell.backward else history[name]
        lead = (example.lead[0],)
        parts = tuple(network.assembly.build(filled(one, lead, dynamic[:1], one.shape)) for one in held)
        found[name] = Sample(network.assembly.build(ops.Stack(parts, 1)), dynamic)
    return found
