"""A layer of a Core ML network at work: its options, and its weights by their role."""

from __future__ import annotations

from typing import Any

from netglot.dialects.assembly import Assembly, checked
from netglot.formats.coreml import weights
from netglot.formats.record import Record
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import TensorType, shape_of


class Layer:
    """One layer; `options` are those of its kind, `path` is where its weights are kept."""

    kind, exact = "", False
    """What kind of layer it is, and whether tensors have shapes of their own and not those of pictures."""

    def __init__(self, name: str, options: Record, assembly: Assembly, path: str, results: int):
        self.name, self.options, self.assembly, self.path, self.results = name, options, assembly, path, results

    def weight(self, field: str, role: str, shape: tuple[int, ...], kind: str = "parameter") -> Parameter:
        """The weights in a field as a parameter."""
        checked(shape, f"the {role} of {self.name}")
        load = weights(self.options.record(field), shape, f"{self.name}, {role}")
        return self.assembly.parameter(f"{self.path}.{role}", load, TensorType("float32", shape), kind=kind)

    def picture(self, x: Any) -> Any:
        """`x` with four axes: a vector is a picture of one pixel."""
        shape = shape_of(x)
        return ops.Reshape(x, (*shape, 1, 1)) if len(shape) == 2 and not self.exact else x

    def constant(self, array: Any) -> Parameter:
        """A constant, kept at the layer's path."""
        return self.assembly.constant(array, f"{self.path}.table")

    def axis(self, place: int, rank: int) -> int:
        """The axis of the channels (0), the height (1) or the width (2) of a tensor."""
        return rank - 3 + place if self.exact else 1 + place
