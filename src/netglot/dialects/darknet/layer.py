"""A section of a Darknet network at work: its options, the results before it, and its weights in the file's order."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.assembly import Assembly
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.darknet import Section, Weights
from netglot.pivot.graph import Parameter, Value

EPSILON = 1e-5
"""What is added to the variance of a batch norm."""


class Layer:
    """One section, number `index` behind `[net]`. `before` holds the results of the sections so far."""

    def __init__(self, section: Section, index: int, assembly: Assembly, weights: Weights | None, before: list[Any]):
        self.section, self.index, self.assembly = section, index, assembly
        self._weights, self.before = weights, before
        self.path = ""
        self.net: Section = section
        self.biased_norms = True
        """Whether a `[batchnorm]` stores a bias, which depends on who wrote the file."""

    @property
    def stored(self) -> bool:
        """Whether the weights come from a file."""
        return self._weights is not None

    @property
    def transposed(self) -> bool:
        """Whether matrices are stored the other way round."""
        return self._weights is not None and self._weights.transposed

    def take(self, role: str, shape: tuple[int, ...]) -> np.ndarray | None:
        """The next weights of the file; None where there is no file."""
        return None if self._weights is None else self._weights.take(shape, f"{self.path}.{role}")

    def parameter(
        self, role: str, shape: tuple[int, ...], held: np.ndarray | None, kind: str = "parameter"
    ) -> Parameter:
        """Weights as a parameter; random ones where there are none."""
        name = f"{self.path}.{role}"
        if held is None:
            return self.assembly.made_up(name, shape, kind=kind)
        return self.assembly.parameter(name, held, kind=kind)

    def weight(self, role: str, shape: tuple[int, ...], kind: str = "parameter") -> Parameter:
        """The next weights of the file as a parameter."""
        return self.parameter(role, shape, self.take(role, shape), kind)

    def norm(self, channels: int) -> dict[str, Parameter]:
        """Scale, mean and variance of a batch norm, which stand in this order in the file."""
        return {
            "scale": self.weight("bn.weight", (channels,)),
            "mean": self.weight("bn.running_mean", (channels,), "buffer"),
            "variance": self.weight("bn.running_var", (channels,), "buffer"),
        }

    def result(self, place: int) -> Value:
        """The result of another section: counted from the first, or back from here where negative.

        Raises:
            InputError: there is no such section before this one.
        """
        at = place if place >= 0 else self.index + place
        if not 0 <= at < self.index:
            raise InputError(f"[{self.section.type}] in line {self.section.line} refers to section {place}")
        held = self.before[at]
        if held is None:
            raise Refusal(notimpl(f"the result of section {at} is used again"))
        return held
