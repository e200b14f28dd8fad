"""The architecture that a Keras file holds, looked at before anything is made of it.

A config names classes. Those of Keras are made; those of the user must have been supplied; code that is stored in
the file (Lambda layers, pickled functions) is refused unless the user trusts the file.
"""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

from netglot.errors import InputError, RefusedOp, UnsupportedOps, never

_BUILT_IN = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "builtins", "keras_hub", "keras_cv")
_CODE = {"Lambda", "__lambda__", "TorchModuleWrapper", "FlaxLayer", "JaxLayer", "TFSMLayer"}
"""Classes whose config holds code, or the place of code, that loading would run."""


@dataclass(frozen=True)
class Named:
    """A class that a config names, and where."""

    class_name: str
    module: str | None
    registered: str | None
    where: str
    code: bool


def classes_in(config: Any, where: str = "") -> Iterator[Named]:
    """Every class that a config names, outermost first."""
    if isinstance(config, Mapping):
        name = config.get("class_name")
        inner = config.get("config")
        if isinstance(name, str) and ("config" in config or "module" in config):
            label = inner.get("name", "") if isinstance(inner, Mapping) else config.get("name", "")
            place = ".".join(part for part in (where, str(label or "")) if part)
            code = name in _CODE or "marshal" in str(config.get("module", ""))
            yield Named(name, config.get("module"), config.get("registered_name"), place, code)
            where = place if isinstance(label, str) else where
        for one in config.values():
            yield from classes_in(one, where)
    elif isinstance(config, list | tuple):
        if len(config) == 3 and isinstance(config[0], str) and _is_marshalled(config):
            yield Named("__lambda__", None, None, where, True)
        for one in config:
            yield from classes_in(one, where)


def _is_marshalled(config: Any) -> bool:
    """Whether this is a Python function as Keras 2 stored it: code in base 64, defaults, closure."""
    return len(config[0]) > 40 and (config[1] is None or isinstance(config[1], list)) and "4wA" in config[0][:12]


def check_config(config: Any, *, supplied: Mapping[str, Any], trust: bool, path: str) -> None:
    """Refuses what loading would run, and names classes that nobody has supplied.

    Args:
        supplied: the user's own classes and functions by name.

    Raises:
        UnsupportedOps: the file holds code, and is not trusted.
        InputError: a class is unknown.
    """
    named = list(classes_in(config))
    if not trust:
        stored = [one for one in named if one.code]
        if stored:
            raise UnsupportedOps([_refused(one) for one in stored], len(named), "pivot")
    for one in named:
        if not _is_known(one, supplied):
            raise InputError(
                f"{path}: the class {one.class_name} of the layer {one.where or '(top level)'} is not known",
                advice=_how_to_supply(one, supplied),
            )


def _refused(one: Named) -> RefusedOp:
    what = "a Lambda layer" if one.class_name in ("Lambda", "__lambda__") else f"a {one.class_name}"
    reason = never(
        f"{what} holds Python code, and reading a file runs no code that it carries",
        "give --trust if you know where the file comes from, or replace the layer by a class of your own",
    )
    return RefusedOp(one.where, one.class_name, reason)


def _is_known(one: Named, supplied: Mapping[str, Any]) -> bool:
    if one.class_name in supplied or (one.registered or "") in supplied:
        return True
    if one.module is None:
        return one.code or _is_keras_class(one.class_name)
    return one.code or one.module.split(".")[0] in {name.split(".")[0] for name in _BUILT_IN}


def _is_keras_class(name: str) -> bool:
    import keras

    places = (keras.layers, keras.initializers, keras.regularizers, keras.constraints, keras.optimizers, keras.losses)
    more = (keras.metrics, keras.dtype_policies, keras, keras.quantizers)
    return any(hasattr(place, name) for place in (*places, *more)) or name in _LEGACY


_LEGACY = {
    "Functional",
    "Model",
    "Sequential",
    "TFOpLambda",
    "SlicingOpLambda",
    "ThresholdedReLU",
    "Policy",
    "__tensor__",
    "__numpy__",
} | {
    "TensorShape",
    "CuDNNLSTM",
    "CuDNNGRU",
    "function",
    "__keras_tensor__",
    "__tuple__",
    "__ellipsis__",
    "__slice__",
    "__complex__",
    "__bytes__",
    "__typespec__",
    "__class__",
    "slice",
}


def _how_to_supply(one: Named, supplied: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(one.class_name, list(supplied), n=1)
    if near:
        return f"did you mean {near[0]}? The file asks for {one.class_name}"
    home = f" (it was defined in {one.module})" if one.module else ""
    return f"give the Python file that defines it{home}: --import my_layers.py"


def supplied_by(modules) -> dict[str, Any]:
    """The layers, models and functions that the user's modules define, by name and by registered name."""
    import keras

    found: dict[str, Any] = {}
    for module in modules:
        for name, one in vars(module).items():
            if name.startswith("__"):
                continue
            saveable = isinstance(one, type) and hasattr(one, "get_config")
            if saveable or (callable(one) and getattr(one, "__module__", None) == module.__name__):
                found[name] = one
                registered = keras.saving.get_registered_name(one)
                found[registered] = one
    return found


@contextlib.contextmanager
def seen_by_code(names: Mapping[str, Any]) -> Iterator[None]:
    """Lets the code of Lambda layers that a trusted file carries see `names`, and what such files import by habit.

    A file holds a function's code without the module that it stood in.
    """
    import keras
    import numpy as np
    import tensorflow as tf
    from keras.src.utils import python_utils

    plain = python_utils.func_load
    usual = {"keras": keras, "K": keras.backend, "ops": keras.ops, "layers": keras.layers, "math": math}
    table = {"__builtins__": __builtins__, **usual, "np": np, "numpy": np, "tf": tf, "tensorflow": tf, **names}

    def load(code, defaults=None, closure=None, globs=None):
        return plain(code, defaults, closure, globs or table)

    with mock.patch.object(python_utils, "func_load", load):
        yield
