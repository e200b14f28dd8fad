"""Names of variables as the user wrote them: what the source assigned at the place that made a value."""

from __future__ import annotations

import ast
import functools
import linecache

from netglot.pivot.graph import Site


@functools.cache
def _assignments(file: str) -> dict[int, list[ast.stmt]]:
    """The simple statements of a source file by each line that they cover."""
    text = "".join(linecache.getlines(file))
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    table: dict[int, list[ast.stmt]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                table.setdefault(line, []).append(node)
    return table


def assigned_names(site: Site | None) -> list[str] | None:
    """The names to which the expression at `site` was assigned as a whole; None where it was part of another.

    An augmented assignment (`out += x`) counts as an assignment of `out`.
    """
    if site is None:
        return None
    for statement in _assignments(site.file).get(site.line, ()):
        if isinstance(statement, ast.AugAssign):
            if isinstance(statement.target, ast.Name) and _covers(site, statement):
                return [statement.target.id]
            continue
        if isinstance(statement, ast.Assign) and (name := _beside_others(site, statement)):
            return [name]
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            if not _covers(site, statement.value) and not _is_branch(site, statement.value):
                continue
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if isinstance(target, ast.Name):
                return [target.id]
            if isinstance(target, ast.Tuple) and all(isinstance(e, ast.Name) for e in target.elts):
                return [e.id for e in target.elts]  # type: ignore[attr-defined]
    return None


def _beside_others(site: Site, statement: ast.Assign) -> str:
    """The name of one of several expressions that are assigned side by side: `cos, sin = a.cos(), a.sin()`."""
    target, value = statement.targets[0], statement.value
    if not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple) or len(target.elts) != len(value.elts):
        return ""
    pairs = zip(target.elts, value.elts, strict=True)
    return next((one.id for one, made in pairs if isinstance(one, ast.Name) and _covers(site, made)), "")


_REARRANGED = frozenset(
    "unsqueeze squeeze view reshape transpose permute contiguous expand expand_as flatten unflatten to type type_as "
    "float double long int bool t".split()
)


def rearranged_name(site: Site | None) -> str:
    """The name to which the expression at `site` was assigned in another shape or dtype: `mask` of
    `mask = (ids != 0).unsqueeze(1)`; empty where there is none."""
    for statement in _assignments(site.file).get(site.line, ()) if site is not None else ():
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            continue
        value = statement.value
        while not _covers(site, value):
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _REARRANGED:
                value = value.func.value
            elif isinstance(value, ast.Subscript):
                value = value.value
            else:
                break
        else:
            return statement.targets[0].id
    return ""


def _span(node: ast.AST) -> tuple:
    return (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]


def _covers(site: Site, node: ast.AST) -> bool:
    return (site.line, site.column, site.end_line, site.end_column) == _span(node)


def _is_branch(site: Site, value: ast.expr) -> bool:
    """Whether the expression at `site` is what `value`, a choice, is on one of its sides."""
    return isinstance(value, ast.IfExp) and (_covers(site, value.body) or _covers(site, value.orelse))
