"""Weights of a recurrent layer as what they are of the variables of its cell.

A cell is known by what it computes, which tells the numbers of its weights and not where they come from. So it is
looked at once more with numbers that occur once, one for each element of each variable: they say which blocks of which
variables the gates are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.cells import Cell
from netglot.pivot import ops
from netglot.pivot.graph import Parameter


class Marks:
    """Numbers that occur once, for the variables of a network."""

    def __init__(self) -> None:
        self._made: dict[Parameter, np.ndarray] = {}

    def __call__(self, one: Parameter) -> np.ndarray:
        """The marks of a variable; a constant keeps its numbers."""
        if one.kind == "constant":
            return np.asarray(one.load())
        if one not in self._made:
            generator = np.random.default_rng(len(self._made))
            self._made[one] = generator.normal(size=tuple(one.shape))
        return self._made[one]

    def weights(self, cell: Cell) -> dict[str, Any] | None:
        """The ops over variables that make the weights of a cell of marks; None where they are none that are known.

        A GRU whose reset gate comes last has two biases, of which a cell knows the sum where both are added.
        """
        variables = list(dict.fromkeys(one for one in cell.weights if one.kind != "constant"))
        gates = len(cell.w_hh) // cell.w_hh.shape[1]
        found = {name: self._blocks(getattr(cell, name), gates, variables) for name in ("w_ih", "w_hh", "b_ih")}
        again = None
        if cell.b_hh is not None:
            again = self._blocks(cell.b_hh[-len(cell.b_hh) // gates :], gates, variables, count=1)
            first = found["b_ih"]
            if not first or not again or [one[1] for one in (*first, *again)] != ["sum", "sum", 0, 1]:
                return None
            found["b_ih"] = [(one[0], 0, *one[2:]) for one in first]
            again = [(one[0], 1, *one[2:]) for one in first]
        if any(one is None for one in found.values()):
            return None
        made = {name: _joined(blocks) if blocks else None for name, blocks in found.items()}
        return made | {"b_hh": _joined(again) if again else None}

    def _blocks(self, marked: np.ndarray | None, gates: int, variables: list[Parameter], count: int = 0) -> list | None:
        """Where the blocks of weights come from, one for each gate; empty for no weights, None where it is unknown."""
        if marked is None:
            return []
        found = []
        for block in np.split(marked, count or gates):
            made = next((one for v in variables if (one := self._block(block, gates, v)) is not None), None)
            if made is None:
                return None
            found.append(made)
        return found

    def _block(self, block: np.ndarray, gates: int, variable: Parameter) -> Any:
        """The rows of one gate: the variable, and which of its blocks in which of its rows, all or one of two."""
        held = self(variable)
        if block.ndim == 2:
            rows = [("all", held.T)] if held.ndim == 2 else []
        elif held.ndim == 1:
            rows = [("all", held)]
        else:
            rows = [(0, held[0]), (1, held[1]), ("sum", held[0] + held[1])] if held.shape[:1] == (2,) else []
        for which, one in rows:
            if one.shape[1:] != block.shape[1:] or len(one) != gates * len(block):
                continue
            for place, candidate in enumerate(np.split(one, gates)):
                if np.allclose(candidate, block, rtol=1e-6, atol=1e-9):
                    return variable, which, place, gates
        return None


def _joined(blocks: list[tuple]) -> Any:
    """Blocks of variables one below the other."""
    variable, which, _, gates = blocks[0]
    if all(one[:2] == (variable, which) for one in blocks):
        source = _source(variable, which)
        if [one[2] for one in blocks] == list(range(gates)):
            return source
    parts = []
    for variable, which, place, gates in blocks:
        source = _source(variable, which)
        size = variable.shape[-1] // gates
        parts.append(ops.Slice(source, 0, place * size, (place + 1) * size, 1))
    return ops.Concat(tuple(parts), 0)


def _source(variable: Parameter, which: Any) -> Any:
    """A variable with its gates one below the other."""
    if variable.type.rank == 1:
        return variable
    if which == "all":
        return ops.Permute(variable, (1, 0))
    if which == "sum":
        return ops.Add(ops.Select(variable, 0, 0), ops.Select(variable, 0, 1))
    return ops.Select(variable, 0, which)
