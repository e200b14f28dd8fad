"""An operator at work: its options by number, and what its readers may ask for."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

import netglot.dialects.tensorflow.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.tensorflow.dialect import tensorflow
from netglot.dialects.tensorflow.known import known
from netglot.errors import Refusal, notimpl
from netglot.formats.tflite import DTYPES, Operator
from netglot.pivot import ops

LEFT_OUT = object()
"""A result of an operator that is not handed out."""

ACTIVATIONS = {
    0: lambda x: x,
    1: lambda x: ops.Relu(x),
    2: lambda x: ops.Clip(x, -1.0, 1.0),
    3: lambda x: ops.Clip(x, 0.0, 6.0),
    4: lambda x: ops.Tanh(x),
}
"""The activations that are fused into other operators, by their number."""


class Node:
    """One operator. `interpreter` reads the graph that it stands in."""

    def __init__(self, operator: Operator, interpreter: Any):
        self.operator, self.interpreter = operator, interpreter

    def number(self, field: int, code: str = "i", default: float = 0):
        """An option."""
        return self.operator.options.number(field, code, default) if self.operator.options else default

    def decimal(self, field: int, default: float = 0.0) -> float:
        """An option in single precision, as short as it was written."""
        return float(f"{self.number(field, 'f', default):.7g}")

    def flag(self, field: int) -> bool:
        """A truth value."""
        return bool(self.number(field, "B", 0))

    def numbers(self, field: int) -> list[int]:
        """A list of whole numbers."""
        return self.operator.options.list(field) if self.operator.options else []

    def dtype(self, field: int) -> str:
        """A dtype."""
        return DTYPES.get(self.number(field, "b", 0), "")

    def activated(self, x: Any, field: int) -> Any:
        """`x` with the activation that is fused into the operator.

        Raises:
            Refusal: there is none of this number.
        """
        kind = self.number(field, "b", 0)
        if kind not in ACTIVATIONS:
            raise Refusal(notimpl(f"the fused activation {kind}"))
        return ACTIVATIONS[kind](x)

    def operand(self, held: Any, role: str = "constant") -> Any:
        """A tensor as an operand of an op: a known array becomes a number or a constant of the network."""
        return self.interpreter.operand(held, role)

    def weight(self, held: Any, role: str) -> Any:
        """A tensor as a weight: a known array becomes a parameter."""
        return self.interpreter.weight(held, role)

    def array(self, held: Any, what: str) -> np.ndarray:
        """A tensor that must be known.

        Raises:
            Refusal: it depends on the data.
        """
        if not known(held):
            raise Refusal(notimpl(f"{what} that depend on the data"))
        return np.asarray(held)

    def tensorflow(self, name: str, **given: Any) -> Any:
        """What TensorFlow's raw op of this name means.

        Raises:
            Refusal: an argument must be known and depends on the data.
        """
        reader = tensorflow.readers[name]
        parameters = inspect.signature(reader).parameters
        for key, held in given.items():
            annotation = str(parameters[key].annotation)
            if "Known" in annotation:
                given[key] = [self.array(h, key) for h in held] if isinstance(held, list) else self.array(held, key)
            elif isinstance(held, list):
                given[key] = [self.operand(one) for one in held]
            else:
                given[key] = self.operand(held)
        return reader(**given)
