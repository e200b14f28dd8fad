"""What flows between CNTK's functions: tensors that know which of their axes are dynamic.

In the pivot the batch is the first axis, a sequence the second, and what CNTK calls a sample's axes follow, outermost
first. All sequences of a batch are of one length there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netglot.dialects.assembly import Assembly
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.cntk import Axis, Function, Variable
from netglot.formats.record import Record
from netglot.pivot import ops
from netglot.pivot.op import TensorType, broadcast_shapes, shape_of


@dataclass(frozen=True)
class Flags:
    """Numbers along a sequence of unknown length that is constant but for its ends."""

    head: tuple[float, ...]
    middle: float
    tail: tuple[float, ...]

    def shifted(self, steps: int, start: float) -> Flags:
        """Later by `steps`, which are filled with `start`; earlier where negative."""
        if steps > 0:
            return Flags((start,) * steps + self.head, self.middle, self.tail[: max(len(self.tail) - steps, 0)])
        return Flags(self.head[-steps:], self.middle, self.tail + (start,) * -steps)

    def combined(self, other: Flags, how) -> Flags:
        """Both, place by place."""
        n, m = max(len(self.head), len(other.head)), max(len(self.tail), len(other.tail))
        pairs = [(one.head + (one.middle,) * (n - len(one.head)), (one.middle,) * (m - len(one.tail)) + one.tail)
                 for one in (self, other)]  # fmt: skip
        head = tuple(how(a, b) for a, b in zip(pairs[0][0], pairs[1][0], strict=True))
        tail = tuple(how(a, b) for a, b in zip(pairs[0][1], pairs[1][1], strict=True))
        return Flags(head, how(self.middle, other.middle), tail)

    def places(self) -> tuple[int, int, bool]:
        """The range of places that are not 0: its start and its end, and whether each counts from the end.

        Raises:
            Refusal: they are no range.
        """
        head, tail = [bool(one) for one in self.head], [bool(one) for one in self.tail]
        if self.middle:
            start, end = _leading(head, False), _leading(tail[::-1], False)
            if all(head[start:]) and all(tail[: len(tail) - end]):
                return start, -end, False
        elif any(head) and not any(tail):
            start = _leading(head, False)
            end = start + _leading(head[start:], True)
            if not any(head[end:]):
                return start, end, False
        elif any(tail) and not any(head):
            end = _leading(tail[::-1], False)
            count = _leading(tail[::-1][end:], True)
            if sum(tail) == count:
                return -end - count, -end, True
        raise Refusal(notimpl("a choice of steps that is no range of them"))


def _leading(held: list[bool], what: bool) -> int:
    return next((i for i, one in enumerate(held) if one != what), len(held))


@dataclass(frozen=True)
class Sample:
    """A tensor: its value (or the op that makes it), and the names of its dynamic axes, batch first.

    `truth` is the same as truth values, `ids` the numbers of what is 1 in it, `flags` what it holds along a sequence,
    where that is known.
    """

    value: Any
    dynamic: tuple[str, ...] = ()
    truth: Any = None
    ids: Any = None
    flags: Flags | None = None
    variable: Variable | None = field(default=None, compare=False)

    @property
    def shape(self) -> tuple:
        """The sample's own axes."""
        return tuple(shape_of(self.value)[len(self.dynamic) :])

    @property
    def rank(self) -> int:
        """How many axes the sample has."""
        return len(self.shape)

    @property
    def lead(self) -> tuple:
        """The sizes of the dynamic axes."""
        return tuple(shape_of(self.value)[: len(self.dynamic)])

    def like(self, value: Any) -> Sample:
        """Another value over the same dynamic axes."""
        return Sample(value, self.dynamic)

    def number(self) -> float | None:
        """The number that a constant is, if it is one."""
        if self.variable is None or self.variable.array is None or int(np.prod(self.shape)) != 1:
            return None
        return float(self.variable.array.load().reshape(()))


class Work:
    """One function at work."""

    def __init__(self, function: Function, assembly: Assembly, weights: dict, name: str, uses: int = 1):
        self.function, self.assembly, self.weights, self.name, self.uses = function, assembly, weights, name, uses

    @property
    def options(self) -> Record:
        """What the file says of it."""
        return self.function.options

    def option(self, name: str, default: Any = None) -> Any:
        """An option as the file holds it."""
        held = self.options.raw(name)
        return held[0] if held else default

    def axis(self, held: Any, rank: int, extra: int = 0) -> int:
        """Where an axis of a sample stands, counted from the outermost; `extra` axes may be added outside.

        Raises:
            Refusal: it is the batch, or a sequence.
        """
        if not isinstance(held, Axis):
            raise InputError(f"{self.function.uid}: an axis is missing")
        if held.name and not held.name.startswith("staticAxis"):
            raise Refusal(notimpl(f"{self.function.op} along {held.name}"))
        place = held.place if held.place >= 0 else held.place + rank
        if not 0 <= place < rank + extra:
            raise InputError(f"{self.function.uid}: the axis {held.place} of {rank}")
        return rank - 1 - place

    def many(self, name: str, count: int, default: Any) -> list:
        """An option of one number for each axis, innermost last; one number means all."""
        held = self.option(name)
        held = list(held) if isinstance(held, tuple) else list(reversed(held)) if isinstance(held, list) else []
        if len(held) == 1 and count != 1:
            return held * count
        if len(held) > count:
            outer, held = held[: len(held) - count], held[len(held) - count :]
            if any(one not in (default, 0, 1, False, True) for one in outer):
                raise InputError(f"{self.function.uid}: {name} is {held} and has more entries than axes")
        return [default] * (count - len(held)) + held

    def weight(self, held: Sample, role: str, kind: str = "parameter", layout: str = "", shape=None) -> Any:
        """A sample as a weight: in the order of axes and the shape that the op wants, if it is one of the file's."""
        return self.weights.get(held, role, kind, layout, shape)


def spread(samples: list[Sample], *, values: list[Any] | None = None) -> tuple[list[Any], tuple[str, ...]]:
    """Values of samples so that they broadcast against each other, and their dynamic axes.

    Raises:
        Refusal: they have different sequences.
    """
    longest = max((one.dynamic for one in samples), key=len)
    values = [one.value for one in samples] if values is None else values
    for one in samples:
        if one.dynamic and one.dynamic != longest[: len(one.dynamic)]:
            raise Refusal(notimpl(f"two sequences of different lengths together: {longest[-1]}, {one.dynamic[-1]}"))
    rank = max(one.rank for one in samples)
    found = []
    for one, value in zip(samples, values, strict=True):
        gap = len(longest) - len(one.dynamic)
        if one.dynamic and (gap or one.rank < rank):
            value = ops.Reshape(value, (*one.lead, *(1,) * gap, *(1,) * (rank - one.rank), *one.shape))
        found.append(value)
    return found, longest


def filled(one: Sample, lead: tuple, dynamic: tuple[str, ...], shape: tuple) -> Any:
    """A sample's value, repeated to fill these sizes."""
    (value, _), _ = spread([one, Sample(ops.Full((*lead, *shape), 0.0, "float32"), dynamic)])
    target = (*lead, *shape)
    return value if tuple(shape_of(value)) == target else ops.Broadcast(value, target)


def together(*shapes: tuple) -> tuple:
    """The shape that all of these broadcast to."""
    return broadcast_shapes(*shapes)


def kind_of(variable: Variable) -> TensorType:
    """The type of a weight."""
    return TensorType(variable.dtype, variable.shape)


def without_marks(one: Sample) -> Sample:
    """A sample as a plain tensor."""
    return replace(one, truth=None, ids=None, flags=None)
