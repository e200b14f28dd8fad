"""The files that the user gives: read, parsed, and told apart."""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netglot.errors import InputError
from netglot.migrate import imports
from netglot.migrate.instrument import numbered
from netglot.migrate.rewrite import File

PACKAGES = {"torch": ("torch", "torchvision"), "keras": ("tensorflow", "keras", "tf_keras")}
"""The packages of each family of frameworks."""

SKIPPED = {"__pycache__", ".git", ".venv", "venv", "node_modules", ".ipynb_checkpoints"}


@dataclass
class Project:
    """All files of one migration.

    `files` are those to rewrite, `others` those that are copied as they are: relative path to bytes.
    """

    root: Path
    package: str = ""
    """The name of the root as a package, where its files import each other by it."""
    files: list[File] = field(default_factory=list)
    others: dict[str, bytes] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    """Attributes whose names the target keeps for itself."""
    inputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """What each network was called with."""
    remembered: dict[str, Any] = field(default_factory=dict)
    """What was found out about all files once."""
    learned: dict[str, bool] = field(default_factory=dict)
    """What writing one file showed that all must know; they are then written once more."""
    outermost: set[str] = field(default_factory=set)
    """The classes that are whole networks."""

    @property
    def home(self) -> Path:
        """Where Python looks for the modules of the project."""
        return self.root.parent if self.package else self.root

    @property
    def freezes(self) -> bool:
        """Whether any file sets which weights are trained."""
        return any(".trainable" in file.text.replace(".trainable_", "._") for file in self.files)

    def module(self, name: str) -> File:
        return next(file for file in self.files if file.module == name)

    @property
    def texts(self) -> dict[str, list[str]]:
        """Module name to file name and text, as the workers take them."""
        return {file.module: [str(self.root / file.path), file.text] for file in self.files}


def read_project(paths: list[Path], source: str | None, target: str) -> Project:
    """Reads files and folders.

    Raises:
        InputError: there is no such file, it is no Python, or none of them uses a framework.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("."))
                found += [Path(folder) / name for name in sorted(names)]
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"there is no file or folder {path}")
    folders = [path.absolute() if path.is_dir() else path.absolute().parent for path in paths]
    root = Path(os.path.commonpath(folders))
    project = Project(root)
    parsed: dict[str, tuple[str, ast.Module]] = {}
    for path in dict.fromkeys(found):
        relative = str(path.absolute().relative_to(root))
        if path.suffix != ".py":
            project.others[relative] = path.read_bytes() if path.stat().st_size < 2**26 else b""
            continue
        parsed[relative] = _parsed(path)
    package = PACKAGES["torch"] if target != "torch" else PACKAGES["keras"]
    project.package = _package(root, parsed)
    using = _using(parsed, package)
    if not using:
        named = ", ".join(str(path) for path in paths)
        family = "PyTorch" if target != "torch" else "TensorFlow or Keras"
        raise InputError(f"{named} does not use {family}", advice=f"--to {target} migrates from {family}")
    for relative, (text, tree) in parsed.items():
        if relative in using:
            module = _module(relative)
            module = f"{project.package}.{module}" if project.package else module
            project.files.append(File(relative, text, numbered(tree), module=module))  # type: ignore[arg-type]
        else:
            project.others[relative] = text.encode("utf-8")
    imports.of_project(project.files)
    return project


def _parsed(path: Path) -> tuple[str, ast.Module]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8: {error.reason} at byte {error.start}") from error
    text = text.replace("\r\n", "\n")
    try:
        return text, ast.parse(text, str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = f"{path}:{line}" if line else str(path)
        shown = (getattr(error, "text", None) or "").rstrip()
        raise InputError(
            f"{place}: {type(error).__name__}: {getattr(error, 'msg', error)}"
            + (f"\n    {shown.strip()}" if shown else "")
        ) from error


def _package(root: Path, parsed: dict[str, tuple[str, ast.Module]]) -> str:
    """The name of the root, where it is a package whose files say so: they import by it, or from above themselves."""
    if "__init__.py" not in parsed:
        return ""
    for relative, (_, tree) in parsed.items():
        depth = relative.count(os.sep)
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                if node.level > depth:
                    return root.name
                names = [node.module or ""] if not node.level else []
            if any(name.partition(".")[0] == root.name for name in names):
                return root.name
    return ""


def _using(parsed: dict[str, tuple[str, ast.Module]], packages: tuple[str, ...]) -> set[str]:
    """The files that use the framework, those that they import, and those that import such files.

    A file that does not name the framework may still be handed its tensors, or its names by a star.
    """
    named = {relative: _imported(tree) for relative, (_, tree) in parsed.items()}
    using = {r for r, names in named.items() if any(n.partition(".")[0] in packages for n in names)}
    modules = {_module(relative).removesuffix(".__init__"): relative for relative in parsed}
    links = {relative: _linked(tree, _module(relative), modules) for relative, (_, tree) in parsed.items()}
    while using:
        more = {one for r in using for one in links[r]} | {r for r, to in links.items() if to & using}
        more = {one for one in more if one.rpartition(os.sep)[2] not in _APART}
        if more <= using:
            break
        using |= more
    return using


_APART = {"setup.py", "conftest.py"}
"""Files that tools run, not the project."""


def _module(relative: str) -> str:
    return relative.removesuffix(".py").replace(os.sep, ".")


def _linked(tree: ast.Module, module: str, modules: dict[str, str]) -> set[str]:
    """The files of the project that a file imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = imports.imported_from(node, module)
            names |= {start} | {f"{start}.{alias.name}".lstrip(".") for alias in node.names}
    return {modules[name] for name in names if name in modules}


def _imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def is_script(file: File, project: Project) -> str | None:
    """How a file runs: "guarded" by `if __name__ == "__main__"`, "bare" where importing it would run it, or None."""
    if any(isinstance(one, ast.If) and _is_guard(one.test) for one in file.tree.body):
        return "guarded"
    stem = file.module.rpartition(".")[2]
    imported = any(
        stem in (name.rpartition(".")[2], name.partition(".")[0])
        for other in project.files if other is not file for name in _imported(other.tree)
    )  # fmt: skip
    if imported:
        return None
    training = _training(file.tree)
    running = [
        one for one in file.tree.body
        if isinstance(one, (ast.For, ast.While, ast.With)) or _trains(one, training)
        or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Call))
        or (isinstance(one, ast.Assign) and isinstance(one.value, ast.Call) and _called(one.value) in _RUNS)
    ]  # fmt: skip
    return "bare" if running else None


_RUNS = {"fit", "evaluate", "predict", "backward", "step", "train", "main", "run", "apply_gradients", "minimize"}
_RESULTS = re.compile(r"hist|loss|result|log|metric|acc|score|report|curve|grads?$|^_$")
"""Names that people give to what training leaves behind."""


def _training(tree: ast.Module) -> set[str]:
    """The functions of a file that train, themselves or by others."""
    functions = [one for one in tree.body if isinstance(one, ast.FunctionDef)]
    called = {one.name: {_called(c) for c in ast.walk(one) if isinstance(c, ast.Call)} for one in functions}
    found = {name for name, names in called.items() if names & (_RUNS - {"train", "main", "run", "step", "predict"})}
    while more := {name for name, names in called.items() if names & found} - found:
        found |= more
    return found


def _trains(node: ast.stmt, functions: set[str]) -> bool:
    """Whether a statement does nothing but train what is there: it calls a function that does, and keeps its losses."""
    if not isinstance(node, (ast.Expr, ast.Assign)) or not isinstance(node.value, ast.Call):
        return False
    names = [one.id for to in getattr(node, "targets", ()) for one in ast.walk(to) if isinstance(one, ast.Name)]
    return _called(node.value) in functions and all(_RESULTS.search(one.lower()) for one in names)


def _called(call: ast.Call) -> str:
    function: Any = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


_GATHERING = set(dir(str) + dir(list) + dir(dict) + dir(set)) | {
    "len", "range", "enumerate", "zip", "sorted", "set", "list", "dict", "tuple", "str", "int", "float", "min", "max",
    "sum", "open", "reversed", "print", "round", "read", "readlines", "findall", "choice", "shuffle", "Counter",
}  # fmt: skip
"""What a loop calls that gathers words or numbers and trains nothing."""


def _gathers(loop: ast.stmt) -> bool:
    """Whether a loop only gathers plain things, such as the words of a vocabulary."""
    called = {_called(one) for one in ast.walk(loop) if isinstance(one, ast.Call)}
    return (
        not isinstance(loop, ast.If)
        and called <= _GATHERING
        and bool(called & {"append", "setdefault", "update", "add", "extend", "insert"})
    )


def _is_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


FAILED = "__netglot_failed__"
"""Where a module without what it runs holds what its statements raised."""
_REMEMBERED = ast.parse(f"globals().setdefault({FAILED!r}, []).append(_failed)").body


def _freezes(node: ast.stmt) -> bool:
    """Whether a loop does nothing but to say which weights are trained: that belongs to the networks."""
    if isinstance(node, (ast.For, ast.If)):
        return all(map(_freezes, [*node.body, *node.orelse]))
    if isinstance(node, ast.Assign):
        return all(
            isinstance(one, ast.Attribute) and one.attr in ("requires_grad", "trainable") for one in node.targets
        )
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _called(node.value) == "requires_grad_"


def definitions(text: str) -> str:
    """A script without what it runs: its imports, functions, classes and what it assigns, where that works."""
    tree = ast.parse(text)
    body: list[ast.stmt] = []
    training = _training(tree)
    for one in tree.body:
        if _trains(one, training):
            continue
        if isinstance(one, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            body.append(one)
            continue
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):  # what the file says of itself
            continue
        runs = isinstance(one, (ast.For, ast.While, ast.With)) or (isinstance(one, ast.If) and _is_guard(one.test))
        if runs and not _freezes(one) and not _gathers(one):
            continue
        if any(isinstance(n, ast.Call) and _called(n) in _RUNS for n in ast.walk(one)):
            continue
        handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), "_failed", _REMEMBERED)
        body.append(ast.Try([one], [handler], [], []))
    tree.body = body
    return ast.unparse(ast.fix_missing_locations(tree))
