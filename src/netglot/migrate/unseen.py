"""Code that never ran: which it is, and what of it cannot be said without having seen it.

A *doubt* is a place in such code whose translation depends on what nobody saw: on the dtype of a tensor, on what kind
of thing is called. All around it that did not run either is one region; a region with a doubt is marked once, where it
begins.
"""

from __future__ import annotations

import ast
from typing import Any

SEEN = (
    ast.Name, ast.Attribute, ast.Call, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript,
    ast.Tuple, ast.List, ast.Dict,
)  # fmt: skip
"""The expressions that are recorded when they run."""

APART = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
OPTIONAL = (ast.IfExp, ast.BoolOp, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)
"""Expressions of which a part may not run where the rest does."""

REASON = "never ran while it was observed; written by its looks"


class Unseen:
    """The regions of one file that never ran."""

    def __init__(self, r: Any):
        self.r = r
        self._ran: dict[int, bool] = {}

    def ran(self, node: ast.AST, within: bool = False) -> bool:
        """Whether anything of a node ran; of functions and classes only what stands in them, with `within`."""
        key = id(node) * 2 + within
        if key not in self._ran:
            self._ran[key] = self._looked(node, within)
        return self._ran[key]

    def _looked(self, node: ast.AST, within: bool) -> bool:
        if isinstance(node, SEEN) and self.r.file.facts.get(getattr(node, "number", -1)) is not None:
            return True
        if isinstance(node, APART):
            return within and any(self.ran(one, True) for one in node.body)
        if isinstance(node, ast.Lambda):
            return within and self.ran(node.body, True)
        return any(self.ran(one, within) for one in ast.iter_child_nodes(node))

    def recorded(self, node: ast.AST) -> bool:
        """Whether a node holds anything that is recorded when it runs."""
        return any(isinstance(one, SEEN) for one in ast.walk(node))

    def region(self, node: ast.AST) -> ast.stmt | None:
        """The statement at which the code begins that did not run, around a node that did not; None where all ran."""
        inner, place = node, self.r.parent(node)
        while place is not None and not isinstance(inner, ast.stmt):
            if isinstance(place, OPTIONAL) and not self.ran(inner):
                optional = True
                break
            inner, place = place, self.r.parent(place)
        else:
            optional = False
        while inner is not None and not isinstance(inner, ast.stmt):
            inner = self.r.parent(inner)
        if inner is None:
            return None
        if isinstance(inner, APART):  # a default, a decorator, a base
            return None
        if self.ran(inner) and not isinstance(inner, (ast.If, ast.For, ast.While, ast.With, ast.Try)):
            return inner if optional else None
        return self._outermost(inner) or (inner if optional else None)

    def _outermost(self, statement: Any) -> ast.stmt | None:
        """The beginning of the widest code around a statement in which nothing ran."""
        found, place = None, statement
        while place is not None and not isinstance(place, ast.Module):
            holder = self.r.parent(place)
            if isinstance(place, ast.ExceptHandler):
                place = holder
                continue
            if isinstance(place, APART):
                if self.ran(place, True):
                    return found
                found, place = place, holder
                continue
            if self.ran(place, True):
                return found
            if found is not None and self._elif(place, holder):
                return found
            found, place = self._first(place, holder), holder
        return found

    def _elif(self, statement: ast.stmt, holder: ast.AST | None) -> bool:
        """Whether a statement is an `elif`, above which nothing can stand."""
        return isinstance(holder, ast.If) and [statement] == holder.orelse and self.r.source(statement)[:4] == "elif"

    def _first(self, statement: ast.stmt, holder: ast.AST) -> ast.stmt:
        """The first of the statements beside this one, one behind the other, of which none ran."""
        for name in ("body", "orelse", "finalbody"):
            body = getattr(holder, name, [])
            if not isinstance(body, list) or statement not in body:
                continue
            first = statement
            for one in reversed(body[: body.index(statement)]):
                if self.ran(one, True) or isinstance(one, APART):
                    break
                if self.recorded(one):
                    first = one
            return first
        return statement
