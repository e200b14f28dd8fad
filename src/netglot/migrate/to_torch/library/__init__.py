"""What an emitted file defines for itself where PyTorch has nothing that does as Keras does.

These modules are never imported: their functions and classes are read as text, and those that a file needs are written
into it. Layers keep Keras's arguments, learn the size of their input from the first one, and keep Keras's order of axes,
channels last.
"""

import ast
from functools import cache
from pathlib import Path

ORDER = (
    "starting", "plain", "penalties", "symbols", "dense", "masks", "texts", "images", "augmenting", "recurrent", "attention", "losses", "metrics",
    "optimizers", "schedules", "data", "fitting", "callbacks", "files", "functions",
)  # fmt: skip
"""The modules in the order in which their parts are written."""


def _pieces() -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """The text of each function and class, with the statements that follow it, and the names that it uses."""
    texts: dict[str, str] = {}
    used: dict[str, set[str]] = {}
    for module in ORDER:
        path = Path(__file__).with_name(f"{module}.py")
        text = path.read_text("utf-8")
        lines = text.splitlines()
        name = ""
        body = ast.parse(text).body
        for place, node in enumerate(body):
            if isinstance(node, (ast.Import, ast.ImportFrom)) or place == 0:
                continue
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                name = node.name
                if name in texts:
                    raise ValueError(f"two helpers are called {name}")
                texts[name] = ""
                used[name] = set()
            gap = "\n\n\n" if texts[name] else ""
            texts[name] += gap + "\n".join(lines[first - 1 : node.end_lineno])
            used[name] |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    texts = {name: f"{text}\n" for name, text in texts.items()}
    return texts, {name: tuple(n for n in texts if n in words and n != name) for name, words in used.items()}


@cache
def _loaded() -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    return _pieces()


def helpers() -> dict[str, str]:
    """Every helper by its name."""
    return _loaded()[0]


def needs(name: str) -> tuple[str, ...]:
    """The helpers that a helper uses."""
    return _loaded()[1][name]


def renamed(text: str, names: dict[str, str]) -> str:
    """A helper with other names for itself and for those that it uses."""
    names = {old: new for old, new in names.items() if old != new}
    if not names:
        return text
    lines = [line.encode() for line in text.splitlines()]
    places = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and node.id in names:
            places.append((node.lineno, node.col_offset, node.id))
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in names and not node.col_offset:
            column = lines[node.lineno - 1].index(node.name.encode())
            places.append((node.lineno, column, node.name))
    for line, column, old in sorted(set(places), reverse=True):
        row = lines[line - 1]
        lines[line - 1] = row[:column] + names[old].encode() + row[column + len(old.encode()) :]
    return b"\n".join(lines).decode() + "\n"
