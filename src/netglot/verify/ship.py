"""A live model on its way to a worker: pickled so that a process that never saw the user's file can open it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


def pickle_source(model: Any, path: str | Path) -> dict[str, Any]:
    """Writes a live PyTorch module to `path` and returns the arguments of the worker's `load`.

    Classes are pickled by name where a worker can import them, and by value where they came from a loose file.
    """
    import cloudpickle

    with open(path, "wb") as file, _by_value(_loose_modules(model)):
        cloudpickle.dump(model, file)
    return {"kind": "pickle", "path": str(path), "operators": declared_operators(model)}


def declared_operators(model: Any) -> list[str]:
    """The schemas of the operators that the packages of the model's classes have in this process.

    A worker declares those that it lacks, so that modules that mention them when they are imported import there as
    they did here.
    """
    import torch

    packages = {type(part).__module__.partition(".")[0] for part in model.modules()} - {"torch"}
    schemas = []
    for name in torch._C._dispatch_get_all_op_names():
        if name.partition("::")[0] in packages:
            plain, _, overload = name.partition(".")
            with contextlib.suppress(RuntimeError):  # registered without a schema
                schemas.append(str(torch._C._get_schema(plain, overload)))
    return schemas


def _loose_modules(model: Any) -> list[ModuleType]:
    """Modules of the model's classes that no search of `sys.path` finds."""
    names = {base.__module__ for part in model.modules() for base in type(part).__mro__}
    tops = {name.partition(".")[0] for name in names}
    loose = {top for top in tops if top not in sys.builtin_module_names and PathFinder.find_spec(top) is None}
    return [sys.modules[n] for n in sorted(names) if n.partition(".")[0] in loose and n in sys.modules]


@contextlib.contextmanager
def _by_value(modules: list[ModuleType]) -> Iterator[None]:
    import cloudpickle

    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
