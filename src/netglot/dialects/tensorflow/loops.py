"""Loops of TensorFlow 1 that are recurrent layers: `dynamic_rnn` around the cells that it comes with.

A loop is a frame of nodes between `Enter` and `Exit`. A cell in it is known by what it computes from its state and
from what is read of a sequence: the formulas of `LSTMCell`, `BasicLSTMCell`, `GRUCell` and `BasicRNNCell`, one above
the other where there are several. Such a frame is replaced by one node a cell, which is then read as a layer over the
whole sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

CELL = "_RecurrentCell"
"""The op of the nodes that stand for cells."""

_ADDS, _ENTERS = ("Add", "AddV2"), ("Enter", "RefEnter")
Place = tuple[str, int]
"""A node and which of its results; states of the loop are called "@0", "@1", ..."""


class Unknown(Exception):
    """The loop is none of the known cells."""


_UNKNOWN = (Unknown, LookupError, ValueError, TypeError, StopIteration)
"""What comes up where a loop is no known cell, or is damaged."""


@dataclass
class Cell:
    """What one cell computes: `kind`, its input, its states before and after, and its weights."""

    kind: str
    x: Place
    states: list[int]
    after: list[Place]
    weights: list[str]
    forget: float = 0.0


@dataclass
class _State:
    """One variable of a loop."""

    start: str
    after: str
    exit: str | None


def raised(nodes: list[Any]) -> tuple[list[Any], dict[str, Cell]]:
    """The nodes with each loop over known cells replaced by nodes that stand for these, and the cells by name."""
    cells: dict[str, Cell] = {}
    frames = dict.fromkeys(n.attr["frame_name"].s.decode("utf-8", "replace") for n in nodes if n.op in _ENTERS)
    for frame in frames:
        try:
            nodes = _Frame(frame, nodes).replaced(cells)
        except _UNKNOWN:
            continue
    return nodes, cells


class _Frame:
    """The nodes of one loop."""

    def __init__(self, name: str, nodes: list[Any]):
        self.name, self.nodes = name, nodes
        self.table = {node.name: node for node in nodes}
        self.users: dict[str, list[Any]] = {}
        for node in nodes:
            for reference in node.input:
                self.users.setdefault(_plain(reference)[0], []).append(node)
        enters = [n for n in nodes if n.op in _ENTERS and n.attr["frame_name"].s.decode("utf-8", "replace") == name]
        self.constants = {n.name: n.input[0] for n in enters if n.attr["is_constant"].b}
        self.states: list[_State] = []
        self.switches: dict[str, int] = {}
        for enter in (n for n in enters if not n.attr["is_constant"].b):
            self._state(enter)
        self.inside = self._inside([n.name for n in enters])

    def _state(self, enter: Any) -> None:
        merge = self._user(enter.name, "Merge")
        switch = self._user(merge.name, "Switch")
        after = self.table[_plain(merge.input[1])[0]]
        if after.op != "NextIteration":
            raise Unknown
        left = [n for n in self.users.get(switch.name, []) if n.op == "Exit"]
        self.switches[switch.name] = len(self.states)
        self.states.append(_State(enter.input[0], after.input[0], left[0].name if left else None))

    def _user(self, name: str, kind: str) -> Any:
        found = [n for n in self.users.get(name, []) if n.op == kind]
        if len(found) != 1:
            raise Unknown
        return found[0]

    def _inside(self, names: list[str]) -> set[str]:
        """All nodes from the entrances up to the exits."""
        found: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name in found:
                continue
            found.add(name)
            if self.table[name].op != "Exit":
                left += [user.name for user in self.users.get(name, [])]
        return found

    # -- formulas

    def at(self, reference: str | Place) -> Place:
        """What a reference stands for, copies looked through."""
        name, index = _plain(reference) if isinstance(reference, str) else reference
        while not name.startswith("@"):
            node = self.table[name]
            if node.op == "Identity":
                name, index = _plain(node.input[0])
            elif name in self.switches:
                return f"@{self.switches[name]}", 0
            else:
                break
        return name, index

    def of(self, place: Place, *kinds: str) -> list[Place]:
        """The operands of the node at a place, which is one of these kinds."""
        if place[0].startswith("@") or self.table[place[0]].op not in kinds:
            raise Unknown
        return [self.at(one) for one in self.table[place[0]].input if not one.startswith("^")]

    def pairs(self, place: Place, *kinds: str) -> Iterator[tuple[Place, Place]]:
        """Both orders of the two operands of a node."""
        first, second = self.of(place, *kinds)
        yield first, second
        yield second, first

    def number(self, place: Place) -> float:
        """A constant number."""
        node = self.table.get(self.constants.get(place[0], place[0]))
        if node is None or node.op != "Const":
            raise Unknown
        return float(tf.make_ndarray(node.attr["value"].tensor).reshape(()))

    def weight(self, place: Place) -> str:
        """A weight, by the reference outside of the loop."""
        if place[0] in self.constants:
            return self.constants[place[0]]
        if not place[0].startswith("@") and place[0] not in self.inside:
            return place[0]
        raise Unknown

    def affine(self, place: Place) -> tuple[Place, Place, list[str]]:
        """`[x, h] K + b`: x, h and the weights."""
        product, bias = self.of(place, "BiasAdd", *_ADDS)
        joined, kernel = self.of(product, "MatMul")
        if any(self.table[product[0]].attr[name].b for name in ("transpose_a", "transpose_b")):
            raise Unknown
        x, h, axis = self.of(joined, "ConcatV2")
        if self.number(axis) not in (1, -1):
            raise Unknown
        return x, h, [self.weight(kernel), self.weight(bias)]

    def cell(self, number: int) -> Cell:
        """The cell whose output is a state.

        Raises:
            Unknown: it is none.
        """
        for find in (self._lstm, self._gru, self._rnn):
            try:
                return find(number)
            except _UNKNOWN:
                continue
        raise Unknown

    def _lstm(self, number: int) -> Cell:
        output = self.at(self.states[number].after)
        for inner, gate in self.pairs(output, "Mul"):
            try:
                (memory,), (o,) = self.of(inner, "Tanh"), self.of(gate, "Sigmoid")
                break
            except Unknown:
                continue
        else:
            raise Unknown
        other = next(k for k, one in enumerate(self.states) if self.at(one.after) == memory)
        for kept, new in self.pairs(memory, *_ADDS):
            try:
                (f,) = self.of(self._beside(kept, f"@{other}"), "Sigmoid")
                i, j = self._gates(new)
                break
            except Unknown:
                continue
        else:
            raise Unknown
        forget = 0.0
        if self.table[f[0]].op in _ADDS:
            f, added = self.of(f, *_ADDS)
            forget = self.number(added)
        if [one[1] for one in (i, j, f, o)] != [0, 1, 2, 3] or len({one[0] for one in (i, j, f, o)}) != 1:
            raise Unknown
        axis, whole = self.of(i, "Split")
        x, h, weights = self.affine(whole)
        if h != (f"@{number}", 0) or self.number(axis) not in (1, -1):
            raise Unknown
        return Cell("lstm", x, [number, other], [output, memory], weights, forget)

    def _beside(self, product: Place, state: str) -> Place:
        """What a state is multiplied by."""
        for one, gate in self.pairs(product, "Mul"):
            if one == (state, 0):
                return gate
        raise Unknown

    def _gates(self, product: Place) -> tuple[Place, Place]:
        """The places of `sigmoid(i) * tanh(j)`."""
        for left, right in self.pairs(product, "Mul"):
            try:
                return self.of(left, "Sigmoid")[0], self.of(right, "Tanh")[0]
            except Unknown:
                continue
        raise Unknown

    def _gru(self, number: int) -> Cell:
        output, state = self.at(self.states[number].after), (f"@{number}", 0)
        for kept, new in self.pairs(output, *_ADDS):
            try:
                u = self._beside(kept, state[0])
                candidate = self._candidate(new, u)
                break
            except Unknown:
                continue
        else:
            raise Unknown
        (whole,) = self.of(candidate, "Tanh")
        x, scaled, weights = self.affine(whole)
        r = self._beside(scaled, state[0])
        if (r[0], r[1], u[1]) != (u[0], 0, 1):
            raise Unknown
        axis, gates = self.of(r, "Split")
        (inner,) = self.of(gates, "Sigmoid")
        same, h, own = self.affine(inner)
        if h != state or same != x or self.number(axis) not in (1, -1):
            raise Unknown
        return Cell("gru", x, [number], [output], own + weights)

    def _candidate(self, product: Place, u: Place) -> Place:
        """What is multiplied by `1 - u`."""
        for rest, candidate in self.pairs(product, "Mul"):
            try:
                one, gate = self.of(rest, "Sub")
            except Unknown:
                continue
            if gate == u and self.number(one) == 1:
                return candidate
        raise Unknown

    def _rnn(self, number: int) -> Cell:
        output = self.at(self.states[number].after)
        (whole,) = self.of(output, "Tanh", "Relu")
        x, h, weights = self.affine(whole)
        if h != (f"@{number}", 0):
            raise Unknown
        return Cell(self.table[output[0]].op.lower(), x, [number], [output], weights)

    # -- replacing

    def replaced(self, known: dict[str, Cell]) -> list[Any]:
        """The nodes of the graph without this loop.

        Raises:
            Unknown: something in it is no cell, no counter and no sequence.
        """
        cells, written = self._cells()
        names = {id(cell): f"{self.name.strip('/')}/cell_{number}" for number, cell in enumerate(cells)}
        made = {cell.after[0]: names[id(cell)] for cell in cells}
        new: list[Any] = []
        for cell in cells:
            starts = [self.states[one].start for one in cell.states]
            inputs = [made[cell.x] if cell.x in made else self._sequence(cell.x), *starts, *cell.weights]
            new.append(tf.compat.v1.NodeDef(name=names[id(cell)], op=CELL, input=inputs))
            known[names[id(cell)]] = cell
        stand_in: dict[str, str] = {}
        for cell in cells:
            for number, state in enumerate(cell.states):
                stand_in[self.states[state].exit or ""] = f"{names[id(cell)]}:{number + 1}"
        for state, place in written.items():
            for gather in self.users.get(self.states[state].exit or "", []):
                if gather.op == "TensorArrayGatherV3":
                    stand_in[gather.name] = made[place]
        kept = []
        for node in self.nodes:
            if node.name in stand_in:
                kept.append(tf.compat.v1.NodeDef(name=node.name, op="Identity", input=[stand_in[node.name]]))
            elif node.name not in self.inside:
                kept.append(node)
        return new + kept

    def _cells(self) -> tuple[list[Cell], dict[int, Place]]:
        """The cells in order, and the sequences that are written, by their state."""
        written: dict[int, Place] = {}
        held: set[int] = set()
        for number, state in enumerate(self.states):
            place = self.at(state.after)
            node = self.table.get(place[0])
            if node is not None and node.op == "TensorArrayWriteV3":
                written[number] = self.at(node.input[2])
                held.add(number)
            elif node is not None and node.op in _ADDS and (f"@{number}", 0) in self.of(place, *_ADDS):
                one = next(p for p in self.of(place, *_ADDS) if p != (f"@{number}", 0))
                if self.number(one) == 1 and not self._is_float(state.start):
                    held.add(number)
        cells: list[Cell] = []
        for number in range(len(self.states)):
            if number in held:
                continue
            try:
                cells.append(self.cell(number))
            except Unknown:
                continue
        for cell in cells:
            held |= set(cell.states)
        outputs = {cell.after[0] for cell in cells}
        if not cells or held != set(range(len(self.states))) or not set(written.values()) <= outputs:
            raise Unknown
        return self._ordered(cells, outputs), written

    def _is_float(self, reference: str) -> bool:
        node = self.table[_plain(reference)[0]]
        return node.op == "Const" and tf.make_ndarray(node.attr["value"].tensor).dtype.kind == "f"

    def _ordered(self, cells: list[Cell], outputs: set[Place]) -> list[Cell]:
        order: list[Cell] = []
        while len(order) < len(cells):
            done = {cell.after[0] for cell in order}
            ready = [c for c in cells if c not in order and (c.x in done or c.x not in outputs)]
            if not ready:
                raise Unknown
            order += ready
        return order

    def _sequence(self, place: Place) -> str:
        """The sequence that a cell reads step by step, time first."""
        node = self.table[place[0]]
        if node.op != "TensorArrayReadV3":
            raise Unknown
        flow = self.table[_plain(self.constants[_plain(node.input[2])[0]])[0]]
        if flow.op != "TensorArrayScatterV3":
            raise Unknown
        return flow.input[2]


def _plain(reference: str) -> Place:
    name, _, index = reference.lstrip("^").partition(":")
    return name, int(index or 0)


def lstm_weights(kernel: np.ndarray, bias: np.ndarray, forget: float) -> tuple[np.ndarray, ...]:
    """TensorFlow's gates i, g, f, o in one kernel, as weights of input and state and a bias, gates i, f, g, o."""
    hidden = kernel.shape[1] // 4
    i, g, f, o = np.split(kernel, 4, 1)
    b_i, b_g, b_f, b_o = np.split(bias, 4)
    whole = np.concatenate([i, f, g, o], 1).T
    return whole[:, :-hidden], whole[:, -hidden:], np.concatenate([b_i, b_f + np.asarray(forget, bias.dtype), b_g, b_o])


def gru_weights(gates: np.ndarray, bias: np.ndarray, kernel: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, ...]:
    """TensorFlow's gates r, u and its candidate, as weights of input and state and a bias."""
    hidden = kernel.shape[1]
    whole = np.concatenate([gates, kernel], 1).T
    return whole[:, :-hidden], whole[:, -hidden:], np.concatenate([bias, own])


def plain_weights(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, ...]:
    """The kernel of a plain cell, as weights of input and state and a bias."""
    hidden = kernel.shape[1]
    return kernel.T[:, :-hidden], kernel.T[:, -hidden:], bias
