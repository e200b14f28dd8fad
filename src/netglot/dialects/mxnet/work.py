"""A node of a symbol at work: its options, and its weights, given or made up."""

from __future__ import annotations

from typing import Any

from netglot.dialects.assembly import Assembly, checked
from netglot.errors import Refusal, WeightsError, notimpl
from netglot.formats.mxnet import Node
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import shape_of


class Missing:
    """A variable whose value is in no file: a weight that a reader makes up, or a start.

    A start is `value` everywhere; a size of its `shape` that is 0 is one that only running the network tells.
    """

    def __init__(self, name: str, shape: tuple[int, ...] = (), value: float = 0.0):
        self.name, self.shape, self.value = name, shape, value


class Work:
    """One operator at work; `path` is where it stands."""

    def __init__(self, node: Node, assembly: Assembly):
        self.node, self.assembly = node, assembly
        self.path = ""

    def weight(self, held: Any, role: str, shape: tuple[int, ...], kind: str = "parameter") -> Any:
        """An input as a weight of this shape.

        Raises:
            WeightsError: it has another shape.
        """
        checked(shape, f"the {role} of {self.node.name}")
        if isinstance(held, Missing):
            made = self.assembly.tensors.get(f"made up {held.name}")
            if made is None:
                made = self.assembly.made_up(f"{self.path}.{role}", shape, kind=kind)
                self.assembly.tensors[f"made up {held.name}"] = made
            return made
        if tuple(shape_of(held)) != tuple(shape):
            raise WeightsError(
                f"{self.node.name}: its {role} is {list(shape_of(held))} and must be {list(shape)}",
                advice="do the network and the weights belong together?",
            )
        if kind == "buffer" and isinstance(held, Parameter):
            held.kind, held.trainable = "buffer", False
        return held

    def tensor(self, held: Any) -> Any:
        """An input that must have a value.

        Raises:
            Refusal: it has none.
        """
        if isinstance(held, Missing):
            raise Refusal(notimpl(f"the variable {held.name}, of which the files say nothing"))
        return held

    def flat(self, x: Any) -> Any:
        """`x` with all axes behind the first in one."""
        shape = shape_of(x)
        if len(shape) == 2:
            return x
        features: Any = 1
        for size in shape[1:]:
            features = features * size
        return ops.Reshape(x, (shape[0], features))
