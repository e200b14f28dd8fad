"""What stands for counters, arrays of tensors and conditions while one step of a loop is walked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netglot.dialects.cells import Unknown
from netglot.dialects.tensorflow.known import known
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Value
from netglot.pivot.op import TensorType


class Symbolic:
    """What stands for a tensor while one step is walked."""


@dataclass(frozen=True)
class Counter(Symbolic):
    """The number of the step, or that of the next one."""

    place: int
    more: int = 0


@dataclass(frozen=True)
class Until(Symbolic):
    """That a counter is below all of some limits, each a size or a tensor."""

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


@dataclass(frozen=True)
class Last(Symbolic):
    """An array of one tensor, which each step writes anew."""

    value: Any


class Reads(dict[Value, Value]):
    """The tensors that a step has read, by the sequences that they are of, and what it asks of lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.within: dict[Value, tuple[Value, Value]] = {}
        """Whether the step is within some lengths, and whether it is behind them, by these."""

    def asked(self, lengths: Value, behind: bool) -> Value:
        """Whether the step is behind some lengths, or within them."""
        if lengths not in self.within:
            kind = TensorType("bool", tuple(lengths.shape))
            self.within[lengths] = Value(f"{lengths.name}_within", kind), Value(f"{lengths.name}_behind", kind)
        return self.within[lengths][behind]


def symbolic(op: str, inputs: list[Any], reads: Reads | None) -> list[Any]:
    """What an op makes of stand-ins. `reads` is what a step has read.

    Raises:
        Unknown: it is no part of a loop along sequences.
    """
    first = inputs[0]
    if op in ("Add", "AddV2"):
        counter, other = (first, inputs[1]) if isinstance(first, Counter) else (inputs[1], first)
        if isinstance(counter, Counter) and known(other) and np.all(np.asarray(other) == 1):
            return [Counter(counter.place, counter.more + 1)]
    elif op == "Less" and isinstance(first, Counter) and not first.more and not _shape(inputs[1]):
        return [Until((plain(inputs[1]) if known(inputs[1]) else inputs[1],))]
    elif op in ("Less", "GreaterEqual") and isinstance(first, Counter) and not first.more and reads is not None:
        if isinstance(inputs[1], Value) and len(inputs[1].shape) == 1 and inputs[1].dtype.startswith("int"):
            return [reads.asked(inputs[1], op == "GreaterEqual")]
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
        if isinstance(array, Blank) and array.size == 1 and known(place) and plain(place) == 0:
            return [Last(inputs[2])]
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


def _shape(held: Any) -> tuple:
    return np.shape(held) if known(held) else tuple(getattr(held, "shape", (1,)))


def _is_range(places: Any, value: Value) -> bool:
    """Whether places are those of all parts of a tensor; such as are not known were made by counting to their end."""
    size = value.shape[0]
    if known(places):
        return isinstance(size, int) and np.array_equal(np.asarray(places), np.arange(size))
    return isinstance(places, Value) and places.shape == (size,)


def _read(value: Value, reads: Reads) -> Value:
    if value not in reads:
        reads[value] = Value(f"{value.name}_step", TensorType(value.dtype, tuple(value.shape[1:])))
    return reads[value]


def plain(held: Any) -> Any:
    """A size as a number or a `Dim`."""
    one = np.asarray(held, dtype=object).reshape(-1)[0]
    return one if isinstance(one, Dim) else int(one)
