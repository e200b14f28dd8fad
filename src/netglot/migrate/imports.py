"""What the names of a file stand for: what its imports bind, and where something else is bound to such a name."""

from __future__ import annotations

import ast
import builtins
from typing import Any

from netglot.migrate import scopes
from netglot.migrate.instrument import number_of


def aliases(tree: ast.Module) -> dict[str, str]:
    """What the imports of a file bind, anywhere in it: name to dotted name."""
    found: dict[str, str] = {}
    stars: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    found[alias.asname] = alias.name
                else:
                    found[alias.name.partition(".")[0]] = alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                if alias.name == "*":
                    stars.append(node.module)
    found.pop("*", None)
    if stars:
        found = _starred(tree, stars, found) | found
    return found


def _starred(tree: ast.Module, stars: list[str], known: dict[str, str]) -> dict[str, str]:
    """What stars import: every name that nothing else binds; classes come from where layers are."""
    bound = bound_names(tree) | known.keys() | set(dir(builtins))
    loads = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - bound
    found = {}
    for name in loads:
        wanted = "models" if name in ("Model", "Sequential", "load_model") else "layers" if name[0].isupper() else ""
        found[name] = f"{next((one for one in stars if wanted and one.endswith(wanted)), stars[0])}.{name}"
    return found


def bound_names(tree: ast.Module) -> set[str]:
    """Every name that the file binds other than by importing."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def of_project(files: list[Any]) -> None:
    """Puts on each file what its imports bind, those of other files' imports included (`from .parts import *`)."""
    for file in files:
        file.aliases = aliases(file.tree)
    known = {file.module.removesuffix(".__init__"): file for file in files}
    for _ in files:  # stars of stars
        before = sum(len(file.aliases) for file in files)
        for file in files:
            file.aliases = _handed_on(file, known) | file.aliases
        if sum(len(file.aliases) for file in files) == before:
            return


def imported_from(node: ast.ImportFrom, module: str) -> str:
    """The dotted name of the module that a statement of a module imports from."""
    if not node.level:
        return node.module or ""
    package = module.removesuffix(".__init__").split(".")
    package = package[: len(package) - node.level + module.endswith("__init__")]
    return ".".join([*package, *([node.module] if node.module else [])])


def _handed_on(file: Any, known: dict[str, Any]) -> dict[str, str]:
    """The names of a file that are imports of another of the user's files."""
    found: dict[str, str] = {}
    own: set[str] | None = None
    for node in ast.walk(file.tree):
        other = known.get(imported_from(node, file.module)) if isinstance(node, ast.ImportFrom) else None
        if other is None or other is file:
            continue
        own = bound_names(file.tree) if own is None else own
        for alias in node.names:  # type: ignore[union-attr]
            if alias.name == "*":
                public = {name: to for name, to in other.aliases.items() if not name.startswith("_")}
                found |= {name: to for name, to in public.items() if name not in own}
            elif alias.name in other.aliases:
                found[alias.asname or alias.name] = other.aliases[alias.name]
    return found


def shadowed(r: Any, node: ast.Name) -> bool:
    """Whether a name that an import binds stands for something else here: a parameter, a variable."""
    if node.id not in r.bound:
        return False
    place = r.around(node, *scopes.FUNCTIONS)
    while place is not None:
        if any(isinstance(one, ast.Global) and node.id in one.names for one in scopes.own(place)):
            break
        if any(name == node.id for name, _ in scopes.definitions(place)):
            return True
        place = r.around(place, *scopes.FUNCTIONS)
    given = [how[-1] for name, how in scopes.definitions(r.file.tree) if name == node.id and isinstance(how, tuple)]
    within = any(isinstance(one, ast.Global) and node.id in one.names for one in ast.walk(r.file.tree))
    if not given and not within:
        return False
    fact = r.file.facts.get(number_of(node))
    if fact is not None and fact.kinds:
        return not set(fact.kinds) <= {"namespace", "function", "class"}
    return place is not None or within or any(one.lineno < node.lineno for one in given)
