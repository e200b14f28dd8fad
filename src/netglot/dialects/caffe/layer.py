"""A layer of a Caffe network as its reader sees it: options, and weights by their role."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.assembly import Assembly
from netglot.errors import Refusal, WeightsError, never
from netglot.formats.caffe import Blob, LayerSpec
from netglot.formats.record import Record
from netglot.pivot.dims import product
from netglot.pivot.graph import Parameter
from netglot.pivot.op import TensorType


class Layer:
    """One layer at work in an assembly. `path` is where its weights are kept."""

    def __init__(self, spec: LayerSpec, assembly: Assembly, path: str, blobs: list[Blob] | None, tied: dict):
        self.spec, self.assembly, self.path = spec, assembly, path
        self.blobs, self._tied = blobs, tied

    def options(self, name: str) -> Record:
        """A record of options, such as `convolution_param`."""
        return self.spec.options(name)

    @property
    def tops(self) -> int:
        """How many results the layer has."""
        return len(self.spec.tops)

    def has(self, index: int) -> bool:
        """Whether the layer has a blob of this number; unknown without a weights file, and then True."""
        return self.blobs is None or index < len(self.blobs)

    def weight(
        self, index: int, role: str, shape: tuple[int, ...], *, kind: str = "parameter", scale=None
    ) -> Parameter:
        """A blob as a parameter. `scale` is a number by which it is divided, as a function.

        Raises:
            WeightsError: the blob is missing, or holds another number of elements.
        """
        shared = self.spec.shared[index] if index < len(self.spec.shared) else ""
        if shared and shared in self._tied:
            return self._tied[shared]
        name = f"{self.path}.{role}"
        if self.blobs is None:
            made = self.assembly.made_up(name, shape, kind=kind)
        else:
            blob = self.blob(index)
            if blob.count != product(shape):
                raise WeightsError(
                    f"layer {self.spec.name}: blob {index} is {list(blob.shape)} and must hold {list(shape)}",
                    advice="do the network and the weights belong together?",
                )

            def load() -> np.ndarray:
                array = blob.load().reshape(shape)
                return array if scale is None else array / scale()

            made = self.assembly.parameter(name, load, TensorType("float32", shape), kind=kind)
        if shared:
            self._tied[shared] = made
        return made

    def blob(self, index: int) -> Blob:
        """A blob.

        Raises:
            WeightsError: the layer has none of this number.
        """
        assert self.blobs is not None
        if index >= len(self.blobs):
            raise WeightsError(
                f"layer {self.spec.name} has {len(self.blobs)} blobs and needs {index + 1}",
                advice="do the network and the weights belong together?",
            )
        return self.blobs[index]

    def constant(self, array: np.ndarray) -> Any:
        """A constant, kept at the layer's path."""
        return self.assembly.constant(array, f"{self.path}.table")

    def refuse(self, text: str) -> None:
        """Refuses the layer for good.

        Raises:
            Refusal: always.
        """
        raise Refusal(never(text))
