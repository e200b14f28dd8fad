"""Loops along sequences, raised to recurrent layers however long the sequences are.

One step of a loop is walked with stand-ins: a counter, the arrays of tensors that are read and written at its place,
and states. Where all states are those of known cells, the loop becomes layers over whole sequences, and what else a
step computes is computed of all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from netglot.dialects.cells import Cell, Step, Unknown
from netglot.dialects.tensorflow.known import known
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Node, Parameter, Value
from netglot.pivot.op import Elementwise, TensorType, concrete, is_scalar


class Symbolic:
    """What stands for a tensor while one step is walked."""


@dataclass(frozen=True)
class Counter(Symbolic):
    """The number of the step, or that of the next one."""

    place: int
    more: int = 0


@dataclass(frozen=True)
class Until(Symbolic):
    """That a counter is below all of some limits."""

    limits: tuple


@dataclass(frozen=True)
class Whole(Symbolic):
    """An array of tensors: the parts of one along its first axis."""

    value: Value


@dataclass(frozen=True)
class Blank(Symbolic):
    """An array of tensors of which none is written."""

    size: Any


@dataclass(frozen=True)
class Written(Symbolic):
    """An array of tensors into which each step writes one."""

    value: Any


def symbolic(op: str, inputs: list[Any], reads: dict[Value, Value] | None) -> list[Any]:
    """What an op makes of stand-ins. `reads` are the tensors that a step has read, by the sequences that they are of.

    Raises:
        Unknown: it is no part of a loop along sequences.
    """
    first = inputs[0]
    if op in ("Add", "AddV2"):
        counter, other = (first, inputs[1]) if isinstance(first, Counter) else (inputs[1], first)
        if isinstance(counter, Counter) and known(other) and np.all(np.asarray(other) == 1):
            return [Counter(counter.place, counter.more + 1)]
    elif op == "Less" and isinstance(first, Counter) and not first.more and known(inputs[1]):
        return [Until((plain(inputs[1]),))]
    elif op == "LogicalAnd" and all(isinstance(one, Until) for one in inputs):
        return [Until(tuple(limit for one in inputs for limit in one.limits))]
    elif op in _READS:
        array, place = inputs[_READS[op]], inputs[1]
        if isinstance(array, Whole) and place == Counter(getattr(place, "place", -1)) and reads is not None:
            return [_read(array.value, reads)]
    elif op in _WRITES:
        array, place = inputs[_WRITES[op]], inputs[1]
        if isinstance(array, Blank) and place == Counter(getattr(place, "place", -1)):
            return [Written(inputs[2])]
    elif op == "TensorArrayScatterV3":
        if isinstance(inputs[2], Value) and _is_range(inputs[1], inputs[2]):
            return [Whole(inputs[2])]
    elif op in ("TensorArrayGatherV3", "TensorListStack"):
        array = inputs[-1] if op == "TensorArrayGatherV3" else first
        if isinstance(array, Whole) and (op == "TensorListStack" or _is_range(inputs[1], array.value)):
            return [array.value]
    elif op in ("TensorArraySizeV3", "TensorListLength"):
        size = inputs[-1].value.shape[0] if isinstance(inputs[-1], Whole) else inputs[-1].size
        return [np.asarray(size, dtype=object if isinstance(size, Dim) else "int32")]
    elif op in ("Identity", "TensorArrayCloseV3"):
        return inputs[:1]
    raise Unknown


_READS = {"TensorArrayReadV3": 2, "TensorListGetItem": 0}
_WRITES = {"TensorArrayWriteV3": 3, "TensorListSetItem": 0}
"""Where the array stands among the inputs."""


def _is_range(places: Any, value: Value) -> bool:
    """Whether places are those of all parts of a tensor; such as are not known were made by counting to their end."""
    size = value.shape[0]
    if known(places):
        return isinstance(size, int) and np.array_equal(np.asarray(places), np.arange(size))
    return isinstance(places, Value) and places.shape == (size,)


def _read(value: Value, reads: dict[Value, Value]) -> Value:
    if value not in reads:
        reads[value] = Value(f"{value.name}_step", TensorType(value.dtype, tuple(value.shape[1:])))
    return reads[value]


def plain(held: Any) -> Any:
    """A size as a number or a `Dim`."""
    one = np.asarray(held, dtype=object).reshape(-1)[0]
    return one if isinstance(one, Dim) else int(one)


def _alike(size: Any, other: Any) -> bool:
    """Whether two sizes are the same for a sequence of any length: the longer of one step and all is all."""
    names = {symbol for one in (size, other) if isinstance(one, Dim) for symbol in one.symbols}
    return all(
        concrete(size, dict.fromkeys(names, length)) == concrete(other, dict.fromkeys(names, length))
        for length in (1, 2, 3, 7, 10, 101, 4096, 10**6 + 3)
    )


class Raising:
    """One loop: its states before, and what walks it. `walker` knows the nodes, and builds."""

    def __init__(self, walker: Any, states: list[Any]):
        self.walker, self.states = walker, states
        self.reads: dict[Value, Value] = {}
        self.invariant: set[int] = set()

    def run(self, goes_on: Callable, step: Callable, scope: str) -> list[Any]:
        """The states when the loop has ended.

        Raises:
            Unknown: it is no loop of known cells along sequences.
        """
        with np.errstate(all="ignore"):  # damaged weights
            return self._run(goes_on, step, scope)

    def _run(self, goes_on: Callable, step: Callable, scope: str) -> list[Any]:
        until, fed, after, nodes = None, [], [], []
        for _ in range(2):
            fed = [self._fed(place, state) for place, state in enumerate(self.states)]
            until, after, nodes = self._walked(fed, goes_on, step)
            same = {i for i, (a, b) in enumerate(zip(fed, after, strict=True)) if a is b and isinstance(a, Value)}
            if same <= self.invariant:
                break
            self.invariant |= same
        if not isinstance(until, Until) or not self.reads:
            raise Unknown
        count = next(iter(self.reads)).shape[0]
        if not all(_alike(limit, count) for limit in (*until.limits, *(value.shape[0] for value in self.reads))):
            raise Unknown
        return self._raised(fed, after, nodes, count, scope)

    def _fed(self, place: int, state: Any) -> Any:
        """What stands for a state while a step is walked."""
        if place in self.invariant:
            return state
        if isinstance(state, tuple):  # an array of known length
            if any(one is not None for one in state):
                raise Unknown
            return Blank(len(state))
        if isinstance(state, Value) and not isinstance(state, Parameter) and state.dtype.startswith("float"):
            return Value(f"state_{place}", state.type)
        if isinstance(state, np.ndarray | np.generic | int):
            array = np.asarray(state)
            if array.dtype.kind == "f" and array.ndim:
                return Value(f"state_{place}", TensorType(array.dtype.name, array.shape))
            if array.dtype.kind in "iu" and not array.ndim:
                if int(array) != 0:
                    raise Unknown
                return Counter(place)
        return state

    def _walked(self, fed: list[Any], goes_on: Callable, step: Callable) -> tuple[Any, list[Any], list[Node]]:
        """The condition, the states after one step, and the nodes of the step, which are none of the graph."""
        reading = self.walker.reading
        before, refused = len(reading.nodes), len(reading.refused)
        self.reads, self.walker.reads = {}, self.reads
        self.walker.reads = self.reads
        try:
            until, after = goes_on(fed), step(fed)
            if len(reading.refused) > refused:
                raise Unknown
            return until, after, reading.nodes[before:]
        finally:
            self.walker.reads = None
            del reading.nodes[before:], reading.refused[refused:]

    def _raised(self, fed: list[Any], after: list[Any], nodes: list[Node], count: Any, scope: str) -> list[Any]:
        pairs = {a: b for a, b in zip(fed, after, strict=True) if isinstance(a, Value) and a is not b}
        self.places = {a: place for place, a in enumerate(fed) if isinstance(a, Value)}
        self.step = Step(nodes, self.walker.reading.nodes, pairs)
        self.scope, self.sequences = scope, {step: value for value, step in self.reads.items()}
        self.cells: dict[Value, Cell] = {}
        self.finals: dict[Value, Any] = {}
        left = set(pairs)
        for state in pairs:
            try:
                cell = self.step.cell(state)
            except Unknown:
                continue
            self.cells[cell.after[0]] = cell
            left -= set(cell.states)
        before = {state for state in left if self.step.after[state] in self.cells and state in self.step.kept}
        if left - before or not self.cells:
            raise Unknown
        self.before = before
        found: list[Any] = []
        for place, (before, one) in enumerate(zip(fed, after, strict=True)):
            if isinstance(before, Counter):
                if one != Counter(place, 1):
                    raise Unknown
                found.append(np.asarray(count, dtype=object if isinstance(count, Dim) else "int32"))
            elif isinstance(one, Written):
                found.append(Whole(self.along(one.value)))
            elif before is one:
                found.append(self.states[place])
            elif before in pairs:
                found.append(one)
            else:
                raise Unknown
        for cell in self.cells.values():
            self.along(cell.after[0])
        ends = [self.step.after.get(a) if isinstance(a, Value) else None for a in fed]
        return [
            self.finals[end] if isinstance(end, Value) and end in self.finals else one
            for end, one in zip(ends, found, strict=True)
        ]

    def along(self, value: Any) -> Any:
        """A tensor of one step as that of all steps, which are its first axis.

        Raises:
            Unknown: it cannot be computed of all steps at once.
        """
        if is_scalar(value) or value in self.sequences:
            return self.sequences.get(value, value) if isinstance(value, Value) else value
        if value in self.cells:
            self._layer(self.cells[value])
            return self.sequences[value]
        node = self.step.made.get(value)
        cell = self._held(node)
        if cell is not None:
            self._layer(cell, held=True)
            return self.sequences[cell.after[0]]
        if node is None:
            if not isinstance(value, Parameter):
                raise Unknown
            return value
        self.sequences[value] = self._of_all(node, value)
        return self.sequences[value]

    def _of_all(self, node: Node, value: Value) -> Any:
        op = node.op
        if isinstance(op, ops.Identity):
            return self.along(op.x)
        if isinstance(op, Elementwise):
            if any(isinstance(one, Parameter) and one.type.rank >= len(value.shape) for one in node.operand_values()):
                raise Unknown
            return self._built(op.map_operands(self.along))
        if isinstance(op, ops.Matmul) and isinstance(op.y, Parameter) and op.y.type.rank == 2:
            return self._built(op.replace(x=self.along(op.x)))
        if isinstance(op, ops.Concat) and not any(isinstance(x, Parameter) for x in op.xs):
            return self._built(ops.Concat(tuple(self.along(x) for x in op.xs), op.axis + 1))
        raise Unknown

    def _built(self, tree: Any) -> Any:
        return self.walker.sink.build(tree, self.scope)

    def _held(self, node: Node | None) -> Cell | None:
        """The cell whose output is held by a choice where it is not to move on; None where it is none."""
        if node is None or not isinstance(node.op, ops.Where) or node.op.x not in self.cells:
            return None
        cell = self.cells[node.op.x]
        if (
            self.step.kept.get(cell.states[0]) is not self.step.spread(node.op.condition)
            or cell.after[0] in self.sequences
        ):
            return None
        previous = node.op.y
        if previous is not cell.states[0] and previous not in self.before:
            return None
        return cell if self._is_zero(self.states[self.places[previous]]) else None

    def _is_zero(self, held: Any) -> bool:
        """Whether a tensor is zeros, of whatever size."""
        if known(held) or isinstance(held, Parameter):
            return not np.any(held.load() if isinstance(held, Parameter) else held)
        node = self.step.around.get(held)
        if node is None:
            return False
        if isinstance(node.op, ops.Full):
            return node.op.value == 0
        kinds = ops.Sum | ops.Reshape | ops.Tile | ops.Broadcast | ops.Slice | ops.Select | ops.Permute | ops.Identity
        if isinstance(node.op, ops.Multiply):
            return any(one == 0 if is_scalar(one) else self._is_zero(one) for one in (node.op.x, node.op.y))
        return isinstance(node.op, kinds) and self._is_zero(node.op.x)

    def _mask(self, cell: Cell) -> Any:
        """Which steps move a cell on: None where all do.

        Raises:
            Unknown: it is no sequence that is read.
        """
        held: Any = self.step.kept.get(cell.states[0])
        if held is None:
            return None
        if held not in self.sequences:
            raise Unknown
        sequence = self.sequences[held]
        batch = cell.states[0].shape[0]
        if sequence.dtype != "bool" or tuple(sequence.shape[1:]) not in ((batch,), (batch, 1)):
            raise Unknown
        return ops.Reshape(sequence, (sequence.shape[0], batch))

    def _layer(self, cell: Cell, held: bool = False) -> None:
        """Adds the layer that a cell is; its outputs and last states are known from then on."""
        x, mask = self.along(cell.x), self._mask(cell)
        title = self.walker.title_of(cell.weights) or self.scope.replace(".", "/")
        starts = [self.states[self.places[state]] for state in cell.states]
        results = self.walker.layer(cell, x, starts, title, mask, held)
        self.sequences[cell.after[0]] = results[0]
        for value, last in zip(cell.after, results[1:], strict=True):
            self.finals[value] = last
        for value in cell.after[1:]:
            self.sequences.pop(value, None)
