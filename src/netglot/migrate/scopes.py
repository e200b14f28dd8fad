"""The names of a function or file, and what its statements give them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def own(place: Any) -> Iterator[ast.AST]:
    """The nodes of a function or file, without those of functions and classes in it."""
    waiting = list(ast.iter_child_nodes(place))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))


def definitions(place: Any) -> Iterator[tuple[str, Any]]:
    """The names that a function or file gives, each with what it is given: a value, how, and the statement."""
    if isinstance(place, FUNCTIONS):
        a = place.args
        for one in (*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x)):
            yield one.arg, one
    for node in own(place):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _bound(target, node.value, node)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            yield from _bound(node.target, node.value, node)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, (node.value, "more", node)
        elif isinstance(node, (ast.For, ast.comprehension)):
            yield from _looped(node.target, node.iter, node)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            yield from _bound(node.optional_vars, node.context_expr, node)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, (node, "defined", node)


def _bound(target: ast.AST, value: ast.AST, node: ast.AST) -> Iterator[tuple[str, Any]]:
    if isinstance(target, ast.Name):
        yield target.id, (value, "value", node)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for number, one in enumerate(target.elts):
            for inner in ast.walk(one):
                if isinstance(inner, ast.Name):
                    yield inner.id, (value, f"part{number}" if inner is one else "unknown", node)


def _looped(target: ast.AST, values: ast.AST, node: ast.AST) -> Iterator[tuple[str, Any]]:
    counts = isinstance(values, ast.Call) and isinstance(values.func, ast.Name) and values.func.id == "enumerate"
    if isinstance(target, ast.Name):
        yield target.id, (values, "each", node)
        return
    for number, one in enumerate(getattr(target, "elts", ())):
        for inner in ast.walk(one):
            if isinstance(inner, ast.Name):
                yield inner.id, (values, "counter" if counts and number == 0 else "unknown", node)


def default(function: Any, node: ast.arg) -> ast.AST | None:
    a = function.args
    plain = [*a.posonlyargs, *a.args]
    if node in plain:
        at = plain.index(node) - (len(plain) - len(a.defaults))
        return a.defaults[at] if at >= 0 else None
    if node in a.kwonlyargs:
        return a.kw_defaults[a.kwonlyargs.index(node)]
    return None
