"""Pickles of PyTorch modules that hold what PyTorch or a library put into them and no pickle takes."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import PathFinder
from types import FunctionType
from typing import Any

import cloudpickle
import torch
from torch.nn.utils import parametrize


class Pickler(cloudpickle.Pickler):
    """Takes modules with parametrizations, and functions within functions of installed packages.

    A parametrized module has a class of its own that PyTorch made and that refuses to be pickled; the same class is
    made again. A nested function, such as a hook, would bring along copies of the globals of its module: it gets those
    of the module itself, which it may share with others.
    """

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, torch.nn.Module) and parametrize.is_parametrized(obj):
            own, *_ = (base for base in type(obj).__mro__ if not _is_made(base))
            return _parametrized, (own, list(obj.parametrizations)), dict(vars(obj))  # type: ignore[arg-type]
        return super().reducer_override(obj)

    def _dynamic_function_reduce(self, func: FunctionType) -> Any:
        make, (code, known, *rest), (state, slots), *others = super()._dynamic_function_reduce(func)
        if _is_at_home(func):
            known, slots = _Globals(func.__module__), {**slots, "__globals__": {}}
        return (make, (code, known, *rest), (state, slots), *others)


def _is_made(kind: type) -> bool:
    """Whether PyTorch made the class for one module: it stands in no file."""
    return kind.__module__ == parametrize.__name__ and kind.__name__.startswith("Parametrized")


def _parametrized(kind: type, names: list[str]) -> torch.nn.Module:
    """An empty module of a class whose parameters of these `names` are computed."""
    module = kind.__new__(kind)
    parametrize._inject_new_class(module)
    for name in names:
        parametrize._inject_property(module, name)
    return module


def _is_at_home(func: FunctionType) -> bool:
    """Whether the function's globals are those of a module that another process imports as well."""
    home = sys.modules.get(func.__module__)
    if home is None or home.__name__ == "__main__" or func.__globals__ is not vars(home):
        return False
    if home.__name__ in cloudpickle.list_registry_pickle_by_value():
        return False
    return PathFinder.find_spec(home.__name__.partition(".")[0]) is not None


class _Globals:
    """The globals of a module, by its name."""

    def __init__(self, name: str):
        self.name = name

    def __reduce__(self) -> Any:
        return _globals_of, (self.name,)


def _globals_of(name: str) -> dict[str, Any]:
    return vars(importlib.import_module(name))
