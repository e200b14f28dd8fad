"""A live model on its way to a worker: pickled so that a process that never saw the user's file can open it."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from netglot.errors import InputError


def pickle_source(model: Any, path: str | Path) -> dict[str, Any]:
    """Writes a live PyTorch module to `path` and returns the arguments of the worker's `load`.

    Classes are pickled by name where a worker can import them, and by value where they came from a loose file.

    Raises:
        InputError: the module holds something that cannot leave its process: a lock, an open file, a weak reference.
    """
    from netglot.verify.pickling import Pickler

    try:
        with open(path, "wb") as file, _by_value(_loose_modules(model)):
            Pickler(file).dump(model)
    except Exception as error:  # whatever an object of the user's raises that is asked for its state
        raise InputError(
            f"the model cannot be handed to the process that runs it: {error}",
            advice="give it by its file, net.py:Net, or leave the proof out (verify=False)",
        ) from error
    return {"kind": "pickle", "path": str(path), "operators": declared_operators()}


def declared_operators() -> list[str]:
    """The schemas of operators that belong to an installed package and that somebody else declared in this process.

    A worker declares them too, so that the package, which looks for them when it is imported, imports there as it did
    here. What a package declares itself is declared when the worker imports it.
    """
    import torch

    schemas = []
    for name in torch._C._dispatch_get_all_op_names():
        package = name.partition("::")[0]
        if package not in _BUILT_IN and _declared_elsewhere(package, torch._C._dispatch_dump(name)):
            plain, _, overload = name.partition(".")
            with contextlib.suppress(RuntimeError):  # registered without a schema
                schemas.append(str(torch._C._get_schema(plain, overload)))
    return schemas


_BUILT_IN = {"aten", "prim", "prims", "quantized", "c10d", "_c10d_functional", "mkldnn", "onednn", "profiler"}
_REGISTERED = re.compile(r"^debug: registered at (.*\.py):\d+$", re.MULTILINE)


def _declared_elsewhere(package: str, registration: str) -> bool:
    """Whether a Python file outside of the operator's own package, and outside of PyTorch, declared it."""
    found = _REGISTERED.search(registration)
    spec = PathFinder.find_spec(package) if found else None
    if found is None or spec is None or "torch" not in sys.modules:
        return False
    homes = [*(spec.submodule_search_locations or []), *sys.modules["torch"].__path__]
    return not found.group(1).startswith(tuple(homes))


def _loose_modules(model: Any) -> list[ModuleType]:
    """Modules of the model's classes that no search of `sys.path` finds."""
    return _loose({base.__module__ for part in model.modules() for base in type(part).__mro__})


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


def save_keras(model: Any, folder: str | Path, specs: Sequence[Any] = ()) -> dict[str, Any]:
    """Writes a live Keras model to `folder` and returns the arguments of the worker's `load`.

    `specs` are those of its inputs: a call builds what its configuration does not build.

    The user's own classes go beside it, so that a process that never saw their file can open the model.

    Raises:
        Refusal: the model cannot be saved, so nobody else can run it.
    """
    import warnings

    import cloudpickle
    import keras

    from netglot.dialects.keras.construction import saying_how_they_are_made
    from netglot.dialects.keras.hierarchy import hierarchy
    from netglot.errors import Refusal, notyet

    folder = Path(folder)
    path, classes = folder / "source.keras", folder / "classes.pkl"
    own = {
        type(layer) for layer in [model, *model._flatten_layers()] if not type(layer).__module__.startswith("keras.")
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with saying_how_they_are_made([model, *model._flatten_layers()]):
                model.save(path)
    except Exception as error:
        said = " ".join(str(error).partition("\n\n")[0].split())
        advice = "give its classes a get_config, or convert without the proof: --no-verify"
        raise Refusal(
            notyet(f"Keras cannot save the model, so it cannot run beside the other: {said}", advice)
        ) from error
    table = {name: kind for kind in own for name in (kind.__name__, keras.saving.get_registered_name(kind))}
    seen = _seen_by_lambdas(model)
    homes = {kind.__module__ for kind in own} | {str(getattr(one, "__module__", "")) for one in seen.values()}
    with open(classes, "wb") as file, _by_value(_loose(homes - {""})):
        cloudpickle.dump((table, seen), file)
    variables = [[name, [int(size) for size in v.shape]] for name, v in hierarchy(model).variables.items()]
    sample = [[[_some(size, spec.first, axis) for axis, size in enumerate(spec.shape)], spec.dtype] for spec in specs]
    return {"path": str(path), "classes": str(classes), "variables": variables, "sample": sample}


def _some(size: Any, first: int | None, axis: int) -> int:
    """A length for an axis."""
    if axis == 0 and first is not None:
        return first
    return size if isinstance(size, int) else 2


def _seen_by_lambdas(model: Any) -> dict[str, Any]:
    """What the code of the model's Lambda layers finds in the modules that it stood in, by name."""
    seen: dict[str, Any] = {}
    for layer in model._flatten_layers():
        function = getattr(layer, "function", None)
        code = getattr(function, "__code__", None)
        if code is not None and type(layer).__name__ == "Lambda":
            known = function.__globals__
            seen.update({name: known[name] for name in _names(code) if name in known})
    return seen


def _names(code: Any) -> list[str]:
    """The names that code and the functions within it use."""
    inner = [one for one in code.co_consts if hasattr(one, "co_names")]
    return [*code.co_names, *(name for one in inner for name in _names(one))]


def _loose(names: set[str]) -> list[ModuleType]:
    """The modules of these names that no search of `sys.path` finds."""
    tops = {name.partition(".")[0] for name in names}
    loose = {top for top in tops if top not in sys.builtin_module_names and PathFinder.find_spec(top) is None}
    return [sys.modules[n] for n in sorted(names) if n.partition(".")[0] in loose and n in sys.modules]
