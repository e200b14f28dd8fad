"""Loops whose steps are those of recurrent layers, read as these layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from netglot.dialects.cells import Cell
from netglot.dialects.keras.capture import Poisoned
from netglot.dialects.tensorflow.graphdef import Interpreter, Sink
from netglot.dialects.tensorflow.known import known
from netglot.dialects.tensorflow.stepwise import Raising, Unknown
from netglot.dialects.tensorflow.turned import Turned
from netglot.dialects.tensorflow.variables import Marks
from netglot.errors import Refusal
from netglot.pivot import ops
from netglot.pivot.graph import Parameter, Part
from netglot.pivot.op import TensorType

_CELL = re.compile(r"/(gates|candidate)$")
"""Scopes within a recurrent layer."""


class Raised(Interpreter):
    """Builds recurrent layers in `reading`, the graph under construction."""

    def __init__(self, library: Any, sink: Sink, reading: Any):
        super().__init__(library, sink)
        self.reading, self.turned = reading, Turned(reading, sink)
        self.marks: Marks | None = None
        """What tells of which variables weights are made, where these are to be kept."""

    def _while(self, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        """A loop whose condition and body are functions: as layers, or step by step."""
        goes_on, step = self._functions(node, prefix)
        return self._as_layers(inputs, goes_on, step, node, prefix) or super()._while(node, inputs, prefix)

    def _as_layers(
        self, states: list[Any], goes_on: Callable, step: Callable, node: Any, prefix: str
    ) -> list[Any] | None:
        """What the states are when a loop of known cells along sequences has ended; None where it is none."""
        if self.reads is not None:  # a loop within a loop
            raise Unknown
        try:
            scope = [part for part in node.name.split("/")[:-1] if not part.startswith("while")]
            return Raising(self, states).run(goes_on, step, path_of("/".join(scope)))
        except (Unknown, Poisoned, Refusal):
            return None

    def layer(
        self, cells: tuple, x: Any, starts: list[Any], titles: tuple[str, str], mask: Any, held: bool, way: str
    ) -> list[Any]:
        """A recurrent layer over the whole sequence: its outputs, and its last states.

        Args:
            cells: the cell, and the same one of marked weights or None.
            titles: the scopes of its weights and of the loop.
        """
        cell = cells[0]
        w_ih, w_hh, b_ih, b_hh = self._weights(*cells, titles[0])
        h0, (x, axis) = self._starts(starts), self._batch_first(x)
        mask = ops.Permute(mask, (1, 0)) if axis and mask is not None else mask
        if cell.kind == "lstm":
            op: Any = ops.Lstm(x, h0[:1], h0[1:], w_ih, w_hh, b_ih, b_hh, way, axis, mask, held)
        elif cell.kind.startswith("gru"):
            op = ops.Gru(x, h0, w_ih, w_hh, b_ih, b_hh, cell.kind == "gru_after", way, axis, mask, held)
        else:
            op = ops.Rnn(x, h0, w_ih, w_hh, b_ih, b_hh, cell.kind, way, axis, mask, held)
        out = ops.Permute(Part(op, 0), (1, 0, 2)) if axis else Part(op, 0)
        parts = [out, *(Part(op, i + 1) for i in range(len(starts)))]
        return list(self.sink.build(parts, titles[1] if self.marks else path_of(titles[0])))

    def _weights(self, cell: Cell, marked: Cell | None, title: str) -> list[tuple]:
        """The weights as operands: made of the variables of the file, or new ones."""
        made = self.marks.weights(marked) if self.marks is not None and marked is not None else None
        if made is not None:
            return [() if made[name] is None else (made[name],) for name in ("w_ih", "w_hh", "b_ih", "b_hh")]
        roles = (("w_ih", "weight_ih"), ("w_hh", "weight_hh"), ("b_ih", "bias_ih"), ("b_hh", "bias_hh"))
        held = [(role, getattr(cell, name)) for name, role in roles]
        return [() if one is None else (self._weight(f"{title}/{role}", one),) for role, one in held]

    def _batch_first(self, x: Any) -> tuple[Any, int]:
        """A sequence as it was before its time was put first, if it was, and the axis of its time."""
        node = next((node for node in reversed(self.reading.nodes) if x in node.results), None)
        if node is not None and isinstance(node.op, ops.Permute) and tuple(node.op.axes) == (1, 0, 2):
            return node.op.x, 1
        return x, 0

    def title_of(self, weights: list[Parameter]) -> str:
        """The scope of the weights of a cell."""
        found = [_CELL.sub("", self._title(one)) for one in weights]
        return next((one for one in found if one), "")

    def _title(self, held: Any) -> str:
        """The scope of a weight."""
        name = held.name.replace(".", "/") if isinstance(held, Parameter) else self.reading.titles.get(id(held), "")
        return name.rpartition("/")[0]

    def _weight(self, title: str, array: np.ndarray) -> Parameter:
        made = Parameter(
            self.reading.names.unique(path_of(title)), TensorType(str(array.dtype), array.shape), lambda: array,
            kind="parameter", trainable=True,
        )  # fmt: skip
        self.reading.parameters[made.name] = made
        return made

    def _starts(self, states: list[Any]) -> tuple:
        """The initial states; none where they are zeros."""
        if all(known(one) and not np.any(one) for one in states):
            return ()
        return tuple(self.reading.constant(np.asarray(one)) if known(one) else one for one in states)


class Kept(Raised):
    """Makes the weights of layers of the variables of the file."""

    def __init__(self, library: Any, sink: Sink, reading: Any):
        super().__init__(library, sink, reading)
        self.marks = Marks()


def path_of(name: str) -> str:
    """The path of a parameter or a scope from the name of a node."""
    parts = [re.sub(r"\W+", "_", part) for part in name.split("/") if part not in ("read", "ReadVariableOp")]
    return ".".join(f"_{part}" if part[:1].isdigit() else part for part in parts)
