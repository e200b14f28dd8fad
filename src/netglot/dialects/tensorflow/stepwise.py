"""Loops along sequences, raised to recurrent layers however long the sequences are.

One step of a loop is walked with stand-ins: a counter, the arrays of tensors that are read and written at its place,
and states. Where all states are those of known cells, the loop becomes layers over whole sequences, and what else a
step computes is computed of all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netglot.dialects.cells import Cell, Step, Unknown
from netglot.dialects.tensorflow.known import known
from netglot.dialects.tensorflow.looping import scanned
from netglot.dialects.tensorflow.stand_ins import Blank, Counter, Last, Reads, Until, Whole, Written
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Node, Parameter, Value
from netglot.pivot.op import Elementwise, TensorType, concrete, dtype_of, is_scalar, shape_of


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
        self.reads = Reads()
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
        self.count, self.scope = next(iter(self.reads)).shape[0], scope
        self.around = {value: node for node in self.walker.reading.nodes for value in node.results}
        sizes = [one for one in until.limits if not isinstance(one, Value)] + [one.shape[0] for one in self.reads]
        if not all(_alike(one, self.count) for one in sizes):
            raise Unknown
        bounds = [self._longest(one) for one in until.limits if isinstance(one, Value)]
        self.places = {a: place for place, a in enumerate(fed) if isinstance(a, Value)}
        self.sequences = {step: value for value, step in self.reads.items()}
        self.opposite = {behind: within for within, behind in self.reads.within.values()}
        self.lengths = {within: self.root(one) for one, (within, _) in self.reads.within.items()}
        pairs = {a: b for a, b in zip(fed, after, strict=True) if isinstance(a, Value) and a is not b}
        self.step = Step(nodes, self.walker.reading.nodes, pairs, self.opposite)
        self.used = {value for node in nodes for value in node.operand_values()}
        marks = self.walker.marks
        self.marked = Step(nodes, self.walker.reading.nodes, pairs, self.opposite, marks) if marks else None
        if bounds and not self._stands_behind(bounds, after):
            raise Unknown
        for one, (within, behind) in self.reads.within.items():
            self._say_within(one, within, behind)
        try:
            return self._raised(fed, after, pairs)
        except Unknown:
            return scanned(self, fed, after, nodes, pairs)

    def root(self, value: Any) -> Any:
        """What a tensor was before it was cast."""
        node = self.around.get(value) if isinstance(value, Value) else None
        while node is not None and isinstance(node.op, ops.Identity | ops.Cast):
            value = node.op.x
            node = self.around.get(value)
        return value

    def _longest(self, limit: Any) -> Value:
        """The lengths of which a limit is the largest, where there is a step at all.

        Raises:
            Unknown: it is none.
        """
        node = self.around.get(self.root(limit))
        if node is not None and isinstance(node.op, ops.Minimum | ops.Maximum):
            for one, other in ((node.op.x, node.op.y), (node.op.y, node.op.x)):
                if is_scalar(one) and (one == 1 if isinstance(node.op, ops.Maximum) else _alike(one, self.count)):
                    return self._longest(other)
        if node is None or not isinstance(node.op, ops.Max) or len(shape_of(node.op.x)) != 1:
            raise Unknown
        return self.root(node.op.x)

    def _stands_behind(self, bounds: list[Value], after: list[Any]) -> bool:
        """Whether nothing changes any more behind the lengths at whose largest a loop ends, and zeros are written."""
        known_as = {within for within, one in self.lengths.items() if all(one is bound for bound in bounds)}
        kept = [self.step.kept.get(state) for state in self.step.after]
        return all(one in known_as for one in kept) and all(
            self._blank_behind(one.value, known_as) for one in after if isinstance(one, Written)
        )

    def _blank_behind(self, value: Any, known_as: set[Value]) -> bool:
        node = self.step.made.get(value)
        if node is None or not isinstance(node.op, ops.Where):
            return False
        return self.opposite.get(self.step.spread(node.op.condition)) in known_as and self._is_zero(node.op.x)

    def _say_within(self, lengths: Value, within: Value, behind: Value) -> None:
        """Adds for all steps whether they are within some lengths."""
        places = ops.Reshape(ops.Arange(0, self.count, 1, dtype_of(lengths)), (self.count, 1))
        held = self._built(ops.Less(places, ops.Reshape(lengths, (1, *shape_of(lengths)))))
        self.sequences |= {within: held, behind: self._built(ops.LogicalNot(held))}

    def _fed(self, place: int, state: Any) -> Any:
        """What stands for a state while a step is walked."""
        if place in self.invariant:
            return state
        if isinstance(state, tuple):  # an array of known length
            if any(one is not None for one in state):
                raise Unknown
            return Blank(len(state))
        if isinstance(state, Value) and not isinstance(state, Parameter):
            return Value(f"state_{place}", state.type)
        if isinstance(state, np.ndarray | np.generic | int):
            array = np.asarray(state)
            if array.dtype.kind == "f" and array.ndim:
                return Value(f"state_{place}", TensorType(array.dtype.name, array.shape))
            if array.dtype.kind in "iu" and not array.ndim:
                return Counter(place) if int(array) == 0 else state
        return state

    def _walked(self, fed: list[Any], goes_on: Callable, step: Callable) -> tuple[Any, list[Any], list[Node]]:
        """The condition, the states after one step, and the nodes of the step, which are none of the graph."""
        reading = self.walker.reading
        before, refused = len(reading.nodes), len(reading.refused)
        self.walker.reads = self.reads = Reads()
        try:
            until, after = goes_on(fed), step(fed)
            if len(reading.refused) > refused:
                raise Unknown
            return until, after, reading.nodes[before:]
        finally:
            self.walker.reads = None
            del reading.nodes[before:], reading.refused[refused:]

    def _raised(self, fed: list[Any], after: list[Any], pairs: dict[Value, Any]) -> list[Any]:
        """The states when a loop of known cells has ended.

        Raises:
            Unknown: it is none.
        """
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
        carried = left - before - self.used
        if left - before - carried or not self.cells:
            raise Unknown
        self.before = before
        found: list[Any] = []
        for place, (before, one) in enumerate(zip(fed, after, strict=True)):
            if isinstance(before, Counter) and one != before:
                if one != Counter(place, 1):
                    raise Unknown
                found.append(self.ended())
            elif isinstance(one, Written):
                found.append(Whole(self.along(one.value)))
            elif isinstance(one, Last):
                found.append((self._last(one.value),))
            elif before is one or before == one:
                found.append(self.states[place])
            elif before in pairs:
                found.append(self._last(one) if before in carried else one)
            else:
                raise Unknown
        for cell in self.cells.values():
            self.along(cell.after[0])
        ends = [self.step.after.get(a) if isinstance(a, Value) else None for a in fed]
        return [
            self.finals[end] if isinstance(end, Value) and end in self.finals else one
            for end, one in zip(ends, found, strict=True)
        ]

    def ended(self) -> np.ndarray:
        """What a counter has come to."""
        return np.asarray(self.count, dtype=object if isinstance(self.count, Dim) else "int32")

    def _last(self, value: Any) -> Any:
        """A tensor of one step as it is in the last one."""
        cell = self._held(self.step.made.get(value))
        sequence = self.along(value)
        final = self.finals.get(cell.after[0] if cell else value)
        return self._built(ops.Select(sequence, 0, self.count - 1)) if final is None else final

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
            self._layer(cell, held=node is not None and node.op.x is cell.after[0])
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
        if isinstance(op, ops.Where) and op.x in self.cells and self._is_kept(op) and self._is_zero(op.y):
            return self.along(op.x)  # a layer gives zeros where it does not move on
        if isinstance(op, Elementwise):
            outside = [one for one in node.operand_values() if isinstance(one, Parameter) or one in self.around]
            within = [one for one in node.operand_values() if one not in outside]
            if any(len(one.shape) < len(value.shape) for one in within):
                raise Unknown
            return self._built(op.map_operands(lambda one: one if one in outside else self.along(one)))
        if isinstance(op, ops.Reshape) and self.step.spread(value) in self.opposite:
            return self._built(ops.Reshape(self.along(self.step.spread(value)), (self.count, *op.shape)))
        if isinstance(op, ops.Matmul) and isinstance(op.y, Parameter) and op.y.type.rank == 2:
            return self._built(op.replace(x=self.along(op.x)))
        if isinstance(op, ops.Concat) and not any(isinstance(x, Parameter) for x in op.xs):
            return self._built(ops.Concat(tuple(self.along(x) for x in op.xs), op.axis + 1))
        raise Unknown

    def _built(self, tree: Any) -> Any:
        return self.walker.sink.build(tree, self.scope)

    def _held(self, node: Node | None) -> Cell | None:
        """The cell whose output is held by a choice where it is not to move on; None where it is none."""
        if node is None or not isinstance(node.op, ops.Where):
            return None
        if node.op.y in self.cells and self._is_zero(node.op.x):  # zeros behind the lengths
            cell = self.cells[node.op.y]
            behind = self.opposite.get(self.step.spread(node.op.condition))
            return cell if behind is not None and self.step.kept.get(cell.states[0]) is behind else None
        if node.op.x not in self.cells:
            return None
        cell = self.cells[node.op.x]
        if not self._is_kept(node.op) or cell.after[0] in self.sequences:
            return None
        previous = node.op.y
        if previous is not cell.states[0] and previous not in self.before:
            return None
        return cell if self._is_zero(self.states[self.places[previous]]) else None

    def _is_kept(self, choice: ops.Where) -> bool:
        """Whether a choice of a cell's output is made by what moves the cell on."""
        return self.step.kept.get(self.cells[choice.x].states[0]) is self.step.spread(choice.condition)

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
        if cell.after[0] in self.sequences:
            return
        x, mask = self.along(cell.x), self._mask(cell)
        title = self.walker.title_of(cell.weights) or self.scope.replace(".", "/")
        starts = [self.states[self.places[state]] for state in cell.states]
        lengths = self.lengths.get(self.step.kept.get(cell.states[0]))
        turned = self.walker.turned.source(x, lengths, 0, 1) if not held else None
        way = "forward" if turned is None else "backward"
        marked = self.marked.cell(cell.states[0]) if self.marked is not None else None
        x = x if turned is None else turned
        results = self.walker.layer((cell, marked), x, starts, (title, self.scope), mask, held, way)
        if turned is not None:
            results[0] = self.walker.turned.turn(results[0], lengths, 0, 1, self.scope)
        self.sequences[cell.after[0]] = results[0]
        for value, last in zip(cell.after, results[1:], strict=True):
            self.finals[value] = last
        for value in cell.after[1:]:
            self.sequences.pop(value, None)
