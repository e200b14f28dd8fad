"""How much of the user's file stands in the result: names, comments, docstrings, parameters, control flow."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter

_FLOW = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Return, ast.Assert, ast.Raise, ast.IfExp, ast.ListComp)


def measured(before: str, after: str) -> dict[str, float]:
    """The share of each kind of thing in the original that stands in the result, from 0 to 1."""
    old, new = _things(before), _things(after)
    return {kind: _share(old[kind], new[kind]) for kind in old}


def _share(old: Counter, new: Counter) -> float:
    total = sum(old.values())
    return 1.0 if not total else round(sum(min(count, new[thing]) for thing, count in old.items()) / total, 4)


def _things(text: str) -> dict[str, Counter]:
    found = {kind: Counter() for kind in ("names", "comments", "docstrings", "parameters", "control flow")}
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            found["names"]["call" if node.name == "forward" else node.name] += 1
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and (doc := ast.get_docstring(node)):
            found["docstrings"][doc] += 1
        if isinstance(node, ast.arg):
            found["parameters"][node.arg] += 1
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found["names"][node.id] += 1
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found["names"][node.attr] += 1
        if isinstance(node, _FLOW):
            found["control flow"][type(node).__name__] += 1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            found["comments"][token.string] += 1
    return found
