"""SOURCE: which network the user means.

A source is text (`package.module:callable`, `file.py:Name`, `file.py:Name(arguments)`, `network.pt2`, a model's own
file, see `model_files`), or a live object in Python. The callable may be a class, a function that returns a network,
or the network itself.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import functools
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from netglot.errors import InputError, RequestError, UserCodeError
from netglot.formats.registry import format_of
from netglot.formats.torchscript import is_archive
from netglot.frontend import model_files
from netglot.frontend.frameworks import missing_module, require
from netglot.frontend.model_files import Opening
from netglot.frontend.usercode import user_code

FORMS = "package.module:callable, file.py:Name, file.py:Name(arguments), network.pt2 or another model file"

_SOURCE = re.compile(
    r"^(?P<where>(?:[A-Za-z]:[\\/])?[^:]+):(?P<name>[A-Za-z_][\w.]*)\s*(?P<arguments>\(.*\))?$", re.DOTALL
)

_SCRIPTS = (".pt", ".ptl", ".pth", ".jit", ".ts", ".torchscript", ".zip", ".bin", ".model")
_WEIGHT_FILES = (".pt", ".pth", ".bin", ".safetensors", ".ckpt")


@dataclass(frozen=True)
class Source:
    """One understood source.

    `kind` says where it lies: "module" (importable), "file" (a Python file), "exported" (a `.pt2`), "script" (a
    TorchScript archive, of which `name` is a part), "graph" (a model file that is read as it lies there, without a
    framework), "keras" and "saved_model" (files that their framework opens) or "live" (an object, held in `object`).
    """

    kind: Literal["module", "file", "exported", "script", "graph", "keras", "saved_model", "live"]
    text: str
    where: str = ""
    name: str = ""
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    object: Any = None

    @property
    def title(self) -> str:
        """What to call the network in reports."""
        return self.name.rpartition(".")[2] or (Path(self.where).stem if self.where else type(self.object).__name__)


def parse_source(source: Any) -> Source:
    """Understands a source without importing or running anything.

    Raises:
        RequestError: the text has none of the known forms, or its arguments are not literals.
        InputError: the file does not exist.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, Path):
        source = str(source)
    if not isinstance(source, str):
        return Source("live", f"<{type(source).__name__}>", object=source)
    _check_name(source)
    if script := _script(source):
        return script
    if match := _SOURCE.match(source.strip()):
        return _parse_callable(source, **match.groupdict())
    return _parse_file(source)


_LONGEST = 255
"""The bytes that the name of a file may have on the usual file systems."""


def _check_name(text: str) -> None:
    """Asserts that a text could name a file at all, so that the system can be asked about it."""
    place = text.partition("(")[0]
    if "\0" in place:
        raise InputError(f"{place!r}: no such file: it holds a null character")
    parts = re.split(r"[/:\\]", place)
    if any(len(part.encode("utf-8", "replace")) > _LONGEST for part in parts):
        raise InputError(f"{place[:40]}...: no such file: a name in it has more than {_LONGEST} bytes")


def _parse_callable(text: str, where: str, name: str, arguments: str | None) -> Source:
    positional, options = _literals(name, arguments) if arguments else ((), {})
    if where.endswith(".py") or "/" in where or "\\" in where:
        if not os.path.isfile(Path(where)):
            raise InputError(f"{where}: no such file", advice=_similar_files(where))
        if not where.endswith(".py"):
            raise RequestError(f"{where} is not a Python file", advice=f"a source is {FORMS}")
        return Source("file", text, where, name, positional, options)
    if not all(part.isidentifier() for part in where.split(".")):
        raise RequestError(f"{where!r} is not the name of a module", advice=f"a source is {FORMS}")
    return Source("module", text, where, name, positional, options)


def _literals(name: str, arguments: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of `(1, groups=2)`; only literals, because a source is read and never evaluated."""
    advice = "write numbers, strings, lists, tuples, dicts, True, False or None: net.py:Net(10, blocks=[2, 2])"
    try:
        call = ast.parse(f"f{arguments}", mode="eval").body
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        assert all(keyword.arg for keyword in call.keywords)
        positional = tuple(ast.literal_eval(argument) for argument in call.args)
        return positional, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, AssertionError) as error:
        raise RequestError(f"{name}{arguments} is not a call", advice=advice) from error
    except ValueError as error:
        raise RequestError(f"the arguments of {name}{arguments} are not all literals", advice=advice) from error


def _parse_file(text: str) -> Source:
    path = Path(text)
    if format_of(path) is not None:
        if not os.path.exists(path):
            raise InputError(f"{text}: no such file", advice=_similar_files(text))
        return Source("graph", text, text)
    if model := model_files.kind_of(text):
        if not os.path.exists(path):
            raise InputError(f"{text}: no such file", advice=_similar_files(text))
        return Source(model, text, text)
    if path.suffix == ".pt2":
        if not os.path.isfile(path):
            raise InputError(f"{text}: no such file", advice=_similar_files(text))
        return Source("exported", text, text)
    if path.suffix == ".py":
        if not os.path.isfile(path):
            raise InputError(f"{text}: no such file", advice=_similar_files(text))
        raise RequestError(f"{text} names a file and no network in it", advice=_classes_in(path))
    if path.suffix in _WEIGHT_FILES:
        advice = f"name the code and give the weights beside it: net.py:Net --weights {text}"
        raise RequestError(f"{text} holds weights, and a source is the network's code", advice=advice)
    if os.path.isdir(path):
        raise InputError(f"{text} is a folder and no SavedModel: it has no saved_model.pb")
    raise RequestError(f"{text!r} is not a source", advice=f"a source is {FORMS}")


def _script(text: str) -> Source | None:
    """A TorchScript archive, or `archive:part`; None where it is something else."""
    where, _, part = text.rpartition(":")
    for file, name in ((text, ""), (where, part)):
        if file and Path(file).suffix.lower() in _SCRIPTS and is_archive(Path(file)):
            return Source("script", text, file, name)
    return None


def _similar_files(text: str) -> str | None:
    path = Path(text)
    siblings: list[str] = []
    with contextlib.suppress(OSError):
        siblings = [one.name for one in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, siblings, n=1)
    return f"did you mean {path.parent / near[0]}?" if near else None


def _classes_in(path: Path) -> str:
    """Advice that names the classes of a file, read and not run."""
    with contextlib.suppress(SyntaxError, UnicodeDecodeError):
        names = [n.name for n in ast.parse(path.read_text("utf-8")).body if isinstance(n, ast.ClassDef)]
        if names:
            return f"say which: {path}:{names[-1]}" + (f" (it has {', '.join(names)})" if len(names) > 1 else "")
    return f"say which: {path}:Name"


def load_source(source: Any, *, weights: Any = None, opening: Opening = Opening()) -> Any:  # noqa: B008
    """The live object that a source means: a network, or an exported program.

    Args:
        weights: a file of weights, for a model's own file that holds only its architecture.
        opening: how a model's own file is opened.

    Raises:
        RequestError: the source is not understood, or the callable needs arguments that were not given.
        InputError: a file is missing or corrupt.
        UserCodeError: the user's code raised.
        MissingFramework: a framework that it needs is not installed.
    """
    parsed = parse_source(source)
    match parsed.kind:
        case "live":
            return build(parsed.object, parsed)
        case "exported":
            return _load_exported(parsed.where)
        case "script":
            require("torch", f"reading {parsed.where}")
            from netglot.dialects.torch.script.module import open_script

            return open_script(parsed.where, parsed.name)
        case "graph":
            raise RequestError(f"{parsed.text} is a model file and not a live network")
        case "keras":
            return model_files.open_keras(parsed.where, weights, opening)
        case "saved_model":
            return model_files.open_saved_model(parsed.where, opening)
        case "file":
            module = import_file(parsed.where)
        case _:
            module = _import_module(parsed.where)
    return build(_find(module, parsed), parsed)


def without_downloads(source: Source) -> Source:
    """The source with `weights=None` where its function would fetch weights that others are given for.

    `keras.applications` fetches trained weights unless it is told not to.
    """
    if (
        source.kind != "module"
        or source.where.partition(".")[0] not in ("keras", "keras_hub")
        or "weights" in source.options
    ):
        return source
    parameters = _parameters_of(_find(_import_module(source.where), source))
    if len(source.arguments) > 1 or "weights" not in parameters:
        return source
    return replace(source, options={**source.options, "weights": None})


def _parameters_of(callable_: Any) -> list[str]:
    try:
        return list(inspect.signature(callable_).parameters)
    except (TypeError, ValueError):
        return []


def _load_exported(path: str) -> Any:
    require("torch", f"reading {path}")
    import torch

    try:
        return torch.export.load(path)
    except Exception as error:  # the reader of a damaged archive raises whatever it stumbles over
        detail = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{path} cannot be read as an exported program: {detail}", advice="is it truncated?"
        ) from error


@functools.cache
def _import_module(name: str) -> ModuleType:
    with _importing_from(Path.cwd()):
        top = name.partition(".")[0]
        if importlib.util.find_spec(top) is None:
            raise missing_module(top, "the source")
        try:
            with user_code(f"importing {name}"):
                return importlib.import_module(name)
        except Exception as error:
            cause = error.__cause__
            if isinstance(cause, ModuleNotFoundError) and cause.name and name.startswith(cause.name):
                raise RequestError(f"there is no module {cause.name}") from error
            raise


def import_module_or_file(name: str) -> ModuleType:
    """A module by its name, or by the path of its file."""
    if name.endswith(".py"):
        if not os.path.isfile(name):
            raise InputError(f"{name}: no such file", advice=_similar_files(name))
        return import_file(name)
    if not all(part.isidentifier() for part in name.split(".")):
        raise RequestError(f"--import {name!r} is no module", advice="give a Python file or the name of a module")
    return _import_module(name)


@functools.cache
def import_file(path: str) -> ModuleType:
    """The module of a Python file. Its folder is put on the import path, so that it finds its neighbours.

    The module is registered under the file's own name where that is free, so that pickles and neighbours agree on it.
    """
    resolved = Path(path).resolve()
    taken = resolved.stem in sys.modules or not resolved.stem.isidentifier()
    name = f"_netglot_source_{resolved.stem}" if taken else resolved.stem
    spec = importlib.util.spec_from_file_location(name, resolved)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(resolved.parent))
    try:
        with user_code(f"importing {resolved.name}"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextlib.contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Puts `folder` in front of the import path, as `python -m` does, and leaves it there for late imports."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    yield


def _find(module: ModuleType, source: Source) -> Any:
    found: Any = module
    for part in source.name.split("."):
        if not hasattr(found, part):
            names = [name for name in dir(found) if not name.startswith("_")]
            near = difflib.get_close_matches(part, names, n=3)
            advice = f"did you mean {' or '.join(near)}?" if near else None
            raise RequestError(f"{source.where} has no {source.name}", advice=advice)
        found = getattr(found, part)
    return found


def build(found: Any, source: Source) -> Any:
    """The network itself: `found`, or what it returns where it is a class or a function.

    Raises:
        RequestError: arguments are missing or unknown, or the result is no network.
    """
    if not is_network(found):
        if not callable(found):
            raise RequestError(f"{source.text} is a {type(found).__name__} and not a network")
        _check_arguments(found, source)
        with _told_how_to_fetch(source), user_code(f"calling {source.name or source.text}"), _watched() as seen:
            made = found(*source.arguments, **source.options)
        if seen is not None:
            seen.keep(made)
        if not is_network(made):
            raise RequestError(f"{source.text} gives a {type(made).__name__} and not a network")
        return made
    if source.arguments or source.options:
        raise RequestError(f"{source.name} is a network already and takes no constructor arguments")
    return found


@contextlib.contextmanager
def _told_how_to_fetch(source: Source) -> Iterator[None]:
    """Says what to do where the callable wanted to fetch weights and could not."""
    try:
        yield
    except UserCodeError as error:
        if "URL fetch failure" not in str(error):
            raise
        raise InputError(
            f"{source.name} fetches its weights, and they could not be fetched",
            advice=f"give weights that are here, --weights FILE, or none: '{source.where}:{source.name}(weights=None)'",
        ) from error


@contextlib.contextmanager
def _watched() -> Iterator[Any]:
    """Watches the construction of modules of PyTorch and of variables of Keras, where the user's code imported them."""
    with contextlib.ExitStack() as stack:
        if "keras" in sys.modules:
            from netglot.dialects.keras import construction

            stack.enter_context(construction.watching())
        if "torch" not in sys.modules:
            yield None
            return
        from netglot.dialects.torch.construction import watching

        yield stack.enter_context(watching())


def _check_arguments(callable_: Any, source: Source) -> None:
    try:
        signature = inspect.signature(callable_)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*source.arguments, **source.options)
    except TypeError as error:
        given = signature.bind_partial() if _too_many(signature, source) else _partial(signature, source)
        missing = [
            p.name
            for p in signature.parameters.values()
            if p.default is p.empty
            and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            and p.name not in given.arguments
        ]
        name = source.name or getattr(callable_, "__name__", source.text)
        if missing and not _too_many(signature, source):
            example = ", ".join(f"{one}=..." for one in missing)
            raise RequestError(
                f"{name} needs {', '.join(missing)}",
                advice=f"give literals: '{source.where}:{source.name}({example})'; its signature is {name}{signature}",
            ) from error
        raise RequestError(f"{name}: {error}", advice=f"its signature is {name}{signature}") from error


def _too_many(signature: inspect.Signature, source: Source) -> bool:
    try:
        _partial(signature, source)
    except TypeError:
        return True
    return False


def _partial(signature: inspect.Signature, source: Source) -> inspect.BoundArguments:
    return signature.bind_partial(*source.arguments, **source.options)


_NETWORKS = {
    ("torch", "Module"): "torch",
    ("torch", "ExportedProgram"): "exported",
    ("keras", "Layer"): "keras",
    ("keras", "KerasLayer"): "keras",
    ("netglot", "Graph"): "graph",
    ("netglot", "Served"): "saved_model",
}


def network_kind(found: Any) -> str | None:
    """What kind of network an object is, one of `_NETWORKS`, or None. Imports nothing.

    A class is no network; its instances are.
    """
    if isinstance(found, type):
        return None
    for base in type(found).__mro__:
        if kind := _NETWORKS.get((base.__module__.partition(".")[0], base.__name__)):
            return kind
    return None


def is_network(found: Any) -> bool:
    """Whether an object is a network of a framework that netglot knows."""
    return network_kind(found) is not None
