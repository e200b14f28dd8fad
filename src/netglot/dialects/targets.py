"""The frameworks that netglot writes: which module writes them, under which file names, and how they are run."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from netglot.errors import RequestError


@dataclass(frozen=True)
class Target:
    """One framework that can be written.

    `writer` is the module with `write`, `save_weights` and `trace`; `worker` the name of the worker that runs an
    emitted folder. `one_argument` says whether several inputs are handed over as one dictionary.
    """

    name: str
    title: str
    writer: str
    weights: str
    worker: str
    one_argument: bool

    @property
    def files(self) -> tuple[str, ...]:
        """The files of an emitted folder."""
        return ("model.py", self.weights, "report.json", "README.md")

    def module(self) -> Any:
        """The writer, imported."""
        return importlib.import_module(self.writer)


TARGETS = {
    target.name: target
    for target in (
        Target("keras", "Keras", "netglot.dialects.keras.write", "model.weights.h5", "keras", True),
        Target("torch", "PyTorch", "netglot.dialects.torch.write", "model.safetensors", "torch-target", False),
    )
}


def target_called(name: str) -> Target:
    """The target of this name.

    Raises:
        RequestError: there is none.
    """
    if name not in TARGETS:
        known = " or ".join(f"to={one!r}" for one in TARGETS)
        raise RequestError(f"netglot does not write {name!r}", advice=known)
    return TARGETS[name]
