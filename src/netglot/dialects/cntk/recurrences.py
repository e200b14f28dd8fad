"""Recurrent layers written as functions: cells whose states come back through delays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netglot.dialects.cntk.emitter import CntkEmitter, Form
from netglot.dialects.cntk.products import Products
from netglot.formats.cntk_save import BATCH, PLACEHOLDER, Axis, Shape, Signed, Variable
from netglot.pivot.dims import Dim


@dataclass(frozen=True)
class Direction:
    """One direction of a layer: which cell, the size of its state, and what it is given beside its two weights."""

    cell: str
    backward: bool
    hidden: int
    biases: int
    started: tuple[bool, ...]
    reset_after: bool
    activation: str


class Recurrences(Products):
    """An emitter that writes recurrent layers."""

    def recurrence(self, kind: str, inputs: list[str], *, directions: list[Direction], finals: Any) -> list[str]:
        """The outputs of all steps, then the states after the last of each direction."""
        x, rest = self.batched(inputs[0]), inputs[1:]
        form = self.forms[x]
        axis = Axis(name=f"steps_{len(self.functions)}")
        told = {"sequenceAxis": "steps_", "newDynamicAxes": [axis, BATCH]}
        sequence = self.make("ToSequence", [x], Form((form.shape[0], form.shape[2]), 0), **told)
        title, outputs, found, number = self.titled(), [], [], 0
        for one in directions:
            count = 2 + one.biases + sum(one.started)
            states = _Cell(self, one, sequence, axis, title).states(rest[:count])
            rest = rest[count:]
            outputs.append(states[0])
            for state in states:
                number += 1
                found.append(self._last(state, one, form) if number in finals else "")
        joined = outputs[0]
        if len(outputs) == 2:
            size = sum(one.hidden for one in directions)
            joined = self.make("Splice", outputs, Form((form.shape[0], size), 0), axis=Axis(0))
        return [self._laid_out(joined, form), *found]

    def _laid_out(self, sequence: str, form: Form) -> str:
        """A sequence as a tensor with its steps as an axis."""
        size = self.forms[sequence].shape[-1]
        steps = form.shape[1]
        free = Form((form.shape[0], Dim.symbol("steps"), size), 0)
        told = {"sequenceUnpackPaddingValue": 0.0, "sequenceUnpackSuppressMaskOutput": True}
        made = self.make("UnpackSequence", [sequence], free, **told)
        after = Form((form.shape[0], steps, size), 0)
        if isinstance(steps, Dim):
            return self.view(made, after)
        ends = {"beginAxis": Axis(0), "endAxis": Axis(2)}
        return self.make("Reshape", [made], after, newShape=Shape((steps, size)), **ends)

    def _last(self, sequence: str, one: Direction, form: Form) -> str:
        """The state after the last step."""
        whole = self._laid_out(sequence, form)
        begin, end = (0, 1) if one.backward else (-1, 0)
        ends = {"beginIndex": Signed(begin), "endIndex": Signed(end), "sliceStrides": Signed(1)}
        after = Form((form.shape[0], 1, one.hidden), 0)
        picked = self.make("Slice", [whole], after, axis=Axis(1), **ends)
        return self.resample(picked, (one.hidden,), Form((form.shape[0], one.hidden), 0))


class _Cell:
    """The functions of one direction."""

    def __init__(self, emitter: CntkEmitter, told: Direction, sequence: str, axis: Axis, title: str):
        self.emitter, self.told, self.sequence, self.axis = emitter, told, sequence, axis
        self.title, self.batch = title, emitter.forms[sequence].shape[0]

    def states(self, operands: list[str]) -> list[str]:
        """The sequences of the states."""
        w, h, *rest = operands
        biases, starts = rest[: self.told.biases], rest[self.told.biases :]
        self.weights = (w, h, *biases)
        feeds = []
        for started in self.told.started:
            feeds.append(self._fed(starts.pop(0) if started else None))
        made = getattr(self, self.told.cell.lower())(*(state for state, _ in feeds))
        for (_, close), state in zip(feeds, made, strict=True):
            close(state)
        return made

    def _fed(self, start: str | None):
        """A state one step ago, and what closes the circle when the state is made."""
        emitter, delay = self.emitter, "FutureValue" if self.told.backward else "PastValue"
        first = emitter.value(0.0)
        form = Form((self.batch, self.told.hidden), 0)
        state = emitter.make(delay, ["", first], form, offset=1)
        function = emitter.functions[-1]

        def close(made: str) -> None:
            function.inputs[0] = made
            dynamic = (BATCH, self.axis)
            emitter.variables_.append(Variable(made, PLACEHOLDER, (self.told.hidden,), "", dynamic))

        if start is None:
            return state, close
        zeros = emitter.make("ReconcileDynamicAxis", [first, self.sequence], Form((self.batch,), 0))
        flag = emitter.make(delay, [zeros, emitter.value(1.0)], Form((self.batch,), 0), offset=1)
        given = emitter.make("ReconcileDynamicAxis", [start, self.sequence], form)
        return emitter.make("Select", [flag, given, state], form), close

    # -- formulas

    def call(self, kind: str, *inputs: str, size: int | None = None, name: str = "", **options: Any) -> str:
        """One function over the sequence."""
        form = Form((self.batch, self.told.hidden if size is None else size), 0)
        return self.emitter.make(kind, inputs, form, name, **options)

    def times(self, weight: str, x: str) -> str:
        """A product with a weight."""
        size = self.emitter.forms[weight].shape[-1]
        return self.call("Times", weight, x, size=size, outputRank=1, inferInputRankToMap=Signed(-1))

    def plus(self, x: str, y: str) -> str:
        """A sum of what has as many rows."""
        return self.call("Plus", x, y, size=self.emitter.forms[x].shape[-1])

    def gate(self, x: str, number: int, count: int = 1) -> str:
        """The rows of one gate, or of some."""
        hidden = self.told.hidden
        ends = {"beginIndex": Signed(number * hidden), "endIndex": Signed((number + count) * hidden)}
        return self.call("Slice", x, size=hidden * count, axis=Axis(0), sliceStrides=Signed(1), **ends)

    def affine(self, state: str) -> str:
        """All gates before their activations."""
        w, h, *biases = self.weights
        total = self.plus(self.times(w, self.sequence), self.times(h, state))
        return self.plus(total, biases[0]) if biases else total

    def lstm(self, h: str, c: str) -> list[str]:
        """Long short-term memory."""
        total = self.affine(h)
        i, f, g, o = (self.gate(total, number) for number in range(4))
        kept = self.call("ElementTimes", self.call("Sigmoid", f), c)
        new = self.call("ElementTimes", self.call("Sigmoid", i), self.call("Tanh", g))
        cell = self.call("Plus", kept, new)
        state = self.call("ElementTimes", self.call("Sigmoid", o), self.call("Tanh", cell), name=self.title)
        return [state, cell]

    def rnn(self, h: str) -> list[str]:
        """A plain recurrence."""
        return [self.call({"tanh": "Tanh", "relu": "ReLU"}[self.told.activation], self.affine(h), name=self.title)]

    def gru(self, h: str) -> list[str]:
        """Gated recurrent units; the reset gate comes before the product with the state, or after it."""
        w, u, *biases = self.weights
        given, hidden = self.times(w, self.sequence), self.told.hidden
        given = self.plus(given, biases[0]) if biases else given
        if self.told.reset_after:
            back = self.times(u, h)
            back = self.plus(back, biases[1]) if biases else back
            r, z = (self._gate_of(given, back, number) for number in (0, 1))
            inside = self.call("ElementTimes", r, self.gate(back, 2))
        else:
            parts = [self._columns(u, number) for number in range(3)]
            r, z = (
                self.call("Sigmoid", self.call("Plus", self.gate(given, n), self.times(parts[n], h))) for n in (0, 1)
            )
            inside = self.times(parts[2], self.call("ElementTimes", r, h))
        new = self.call("Tanh", self.call("Plus", self.gate(given, 2), inside))
        rest = self.emitter.make("Minus", [self.emitter.value(1.0), z], Form((self.batch, hidden), 0))
        fresh, kept = self.call("ElementTimes", rest, new), self.call("ElementTimes", z, h)
        return [self.call("Plus", fresh, kept, name=self.title)]

    def _gate_of(self, given: str, back: str, number: int) -> str:
        total = self.call("Plus", self.gate(given, number), self.gate(back, number))
        return self.call("Sigmoid", total)

    def _columns(self, weight: str, number: int) -> str:
        """The columns of one gate of a weight."""
        rows, _ = self.emitter.forms[weight].shape
        hidden = self.told.hidden
        ends = {"beginIndex": Signed(number * hidden), "endIndex": Signed((number + 1) * hidden)}
        form = Form((rows, hidden))
        return self.emitter.make("Slice", [weight], form, axis=Axis(0), sliceStrides=Signed(1), **ends)
