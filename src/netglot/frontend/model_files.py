"""Models that lie in files of their own framework: which file is one, and how it becomes a network.

model.keras, model.h5, model.json    Keras, see `formats/keras_file.py`
folder/saved_model.pb                TensorFlow 2, see `formats/saved_model.py`
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from netglot.errors import RequestError
from netglot.frontend.frameworks import require
from netglot.frontend.inputs import Inputs, InputSpec

KERAS = (".keras", ".h5", ".hdf5", ".json")
"""The endings of Keras's files."""


@dataclass(frozen=True)
class Opening:
    """How files are opened: `imports` are the user's Python files that define what a file names, `trust` lets code
    that a file carries run, `signature` chooses one of a SavedModel's."""

    imports: tuple[str, ...] = ()
    trust: bool = False
    signature: str | None = None

    def modules(self) -> list[ModuleType]:
        """The user's modules, imported."""
        from netglot.frontend.source import import_module_or_file

        return [import_module_or_file(one) for one in self.imports]


def kind_of(text: str) -> Literal["keras", "saved_model"] | None:
    """Which kind of model a file or folder holds, by its name alone where it is a file."""
    path = Path(text)
    if path.suffix.lower() in KERAS:
        return "keras"
    if any(os.path.isfile(path / name) for name in ("saved_model.pb", "saved_model.pbtxt")):
        return "saved_model"
    return None


def open_keras(path: str, weights: Any, opening: Opening) -> Any:
    """The live model of a Keras file, with the weights of another file where one is given.

    Raises:
        InputError, WeightsError, UnsupportedOps: see `keras_file.load`.
    """
    require("keras", f"reading {path}")
    from netglot.formats import keras_file

    return keras_file.load(path, weights=weights, trust=opening.trust, modules=opening.modules())


def open_saved_model(path: str, opening: Opening) -> Any:
    """A signature of a SavedModel.

    Raises:
        InputError, RequestError: see `saved_model.serve`.
    """
    require("keras", f"reading {path}")
    from netglot.formats import saved_model

    return saved_model.serve(path, opening.signature)


def check_opening(kind: str, opening: Opening) -> None:
    """Asserts that what was asked of a file is asked of one that knows it.

    Raises:
        RequestError: a signature is asked of something that has none.
    """
    if opening.signature is not None and kind != "saved_model":
        raise RequestError("only a SavedModel has signatures", advice="leave --signature out")


def served_inputs(served: Any, given: Inputs) -> Inputs:
    """The inputs of a SavedModel's signature, with the sizes and ranges that the user gives for some of them.

    Raises:
        RequestError: an input that the signature does not have, or one of another dtype or shape.
    """
    known = served.inputs
    if len(given.positional) > len(known):
        raise RequestError(f"{served.path} has {len(known)} inputs and is given {len(given.positional)}")
    asked = {**dict(zip(known, given.positional, strict=False)), **given.keyword}
    if unknown := [name for name in asked if name not in known]:
        raise RequestError(f"{served.path} has no input {unknown[0]}", advice=f"it has {', '.join(known)}")
    specs = [_closer(name, InputSpec(kind.shape, kind.dtype, name), asked.get(name)) for name, kind in known.items()]
    return Inputs(tuple(specs))


def _closer(name: str, spec: InputSpec, asked: Any) -> InputSpec:
    """The signature's spec with the user's sizes in the place of symbolic ones, and the user's range."""
    if asked is None:
        return spec
    fits = isinstance(asked, InputSpec) and len(asked.shape) == len(spec.shape)
    pairs = list(zip(spec.shape, asked.shape, strict=True)) if fits else []
    if not fits or (any(isinstance(a, int) and a != b for a, b in pairs) and not _same_rank_batch(pairs)):
        raise RequestError(f"the input {name} is {spec}, and {asked} does not fit it")
    if asked.dtype != spec.dtype and asked.low is None and asked.dtype != "float32":
        raise RequestError(f"the input {name} is {spec.dtype}, and {asked.dtype} is given")
    shape = tuple(own if isinstance(own, int) else theirs for own, theirs in pairs)
    return InputSpec(shape, spec.dtype, name, asked.low, asked.high, asked.example)


def _same_rank_batch(pairs: list) -> bool:
    """Whether only the batch differs: a fixed one of the signature stays."""
    return all(a == b or not isinstance(a, int) or axis == 0 for axis, (a, b) in enumerate(pairs))
