"""Tensors that PyTorch changes where they stand: as new values of what holds them, marked where others hold them too."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate import scopes
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import leaves, orders

REASON = "in-place change"
VIEWS = frozenset(
    "view reshape transpose t permute squeeze unsqueeze flatten narrow select expand expand_as view_as detach chunk split "
    "unbind numpy to cpu cuda contiguous swapaxes movedim unflatten diagonal float double long".split()
)
"""Methods whose result may share its memory with what they were called on."""


def changes(r: Rewriter, call: ast.Call) -> tuple[ast.AST, list[ast.Call]]:
    """What `x.mul_(2).add_(1)` changes, and the methods in the order from the last."""
    base: ast.AST = call
    methods = []
    while isinstance(base, ast.Call) and isinstance(base.func, ast.Attribute) and base.func.attr.endswith("_"):
        methods.append(base)
        base = base.func.value
    return base, methods


def statement(target: Any, r: Rewriter, call: ast.Call) -> str | None:
    """A statement of methods that change a tensor, one after the other; None for other statements."""
    base, methods = changes(r, call)
    if not methods or methods[-1].func.attr.startswith("_") or "tensor" not in r.fact(methods[-1]).kinds:  # type: ignore[attr-defined]
        return None
    outer = r._state.setdefault("replaced", {})
    if isinstance(base, ast.Attribute) and base.attr == "data" and "tensor" in r.fact(base.value).kinds:
        outer[id(base)] = r.text(base.value)
        base = base.value
    value = _value(target, r, call, methods)
    if value is None:
        return None
    return put(target, r, call, base, value)


def _value(target: Any, r: Rewriter, call: ast.Call, methods: list[ast.Call]) -> str | None:
    """What methods one after the other make of a tensor; None where one of them is not known."""
    names = [f"torch.Tensor.{one.func.attr}" for one in methods]  # type: ignore[attr-defined]
    names = [one if target.table.find(one) else one[:-1] for one in names]
    outer = r._state.setdefault("replaced", {})
    value: str | None = None
    for one, name in zip(reversed(methods), reversed(names), strict=True):
        if not target.table.find(name):
            r.mark(one, f"torch.Tensor.{one.func.attr}", "netglot does not know this method")  # type: ignore[attr-defined]
            return None
        value = r.called(one, [name], receiver=one.func.value)  # type: ignore[attr-defined]
        if value is None or any(mark.line == one.lineno for mark in r.marks):
            return None
        if one is not call:
            outer[id(one)] = r.parenthesised(ast.BinOp(), value)
    for one in methods:
        outer.pop(id(one), None)
    return value


def put(target: Any, r: Rewriter, node: ast.AST, base: ast.AST, value: str) -> str | None:
    """A new value at the place of a tensor; marked, and None, where there is no such place."""
    if isinstance(base, ast.Subscript) and "tensor" in r.fact(base.value).kinds:
        made = target._changed(r, base, value)
        return made if made is not None else _lost(r, node, base)
    if not isinstance(base, (ast.Name, ast.Attribute, ast.Subscript)):
        return _lost(r, node, base)
    if (orders.turned(r, base) and orders.matters(r, base)) or orders.looked_up(r, base):
        return target.spell("give_weight(", r) + f"{r.text(base.value)}, {value})"  # type: ignore[attr-defined]
    if leaves.is_leaf(r, base) or leaves.of_network(r, base):
        return f"{r.text(base)}.assign({value})"
    watch(r, node, base)
    return f"{r.text(base)} = {value}"


def _lost(r: Rewriter, node: ast.AST, base: ast.AST) -> None:
    r.mark(node, REASON, f"netglot does not see what holds {_short(r, base)}")


def _short(r: Rewriter, node: ast.AST) -> str:
    text = r.source(node)
    return text if len(text) < 40 and "\n" not in text else "it"


def watch(r: Rewriter, node: ast.AST, base: ast.AST) -> None:
    """Marks a change of a tensor that something else holds too, and that is looked at there."""
    if (other := shared(r, node, base)) is not None:
        r.mark(node, REASON, f"{other} is the same tensor in PyTorch and changes too")


def shared(r: Rewriter, node: ast.AST, base: ast.AST) -> str | None:
    """What else holds a tensor that is about to change, and is looked at afterwards; None where nothing does."""
    if not isinstance(base, (ast.Name, ast.Attribute, ast.Subscript)) or "tensor" not in r.fact(base).kinds:
        return None
    function = r.around(node, *scopes.FUNCTIONS)
    place = function or r.file.tree
    text = r.source(base)
    if isinstance(base, ast.Name) and (of := _given(r, node, base, function)) is not None:
        return of
    for one in scopes.own(place):
        if not isinstance(one, ast.Assign) or len(one.targets) != 1 or one.lineno >= node.lineno:
            continue
        mine, viewed = one.targets[0], _viewed(r, one.value)
        if viewed is None or text not in (r.source(mine), r.source(viewed)) or r.source(mine) == r.source(viewed):
            continue
        other = viewed if r.source(mine) == text else mine
        names = [r.source(other)] if not isinstance(other, (ast.Tuple, ast.List)) else [r.source(e) for e in other.elts]
        for name in names:
            if not _stored(r, place, {name, text}, one, node) and _looked_at(r, place, name, node, function):
                return name
    return None


def _given(r: Rewriter, node: ast.AST, base: ast.Name, function: Any) -> str | None:
    """What a name was given by its caller, or by a loop, where only they see the change."""
    loop = r.around(node, ast.For)
    while loop is not None:
        if base.id in {one.id for one in ast.walk(loop.target) if isinstance(one, ast.Name)}:
            kinds = set(r.fact(loop.iter).kinds) | {"" if isinstance(loop.iter, ast.Call) else "named"}
            held = kinds & {"list", "tuple", "dict", "tensor"} and "named" in kinds
            return f"what {_short(r, loop.iter)} holds" if held else None
        loop = r.around(loop, ast.For)
    parameters = (
        {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)} if function is not None else ()
    )
    if base.id not in parameters or isinstance(function, ast.Lambda):
        return None
    before = [
        one for one in scopes.own(function) if isinstance(one, ast.Name) and one.id == base.id
        and isinstance(one.ctx, ast.Store) and one.lineno < node.lineno
    ]  # fmt: skip
    if before or _read(r, function, base.id, node):
        return None
    return f"what the caller gave as {base.id}"


def _viewed(r: Rewriter, value: ast.AST) -> ast.AST | None:
    """The name or attribute that an expression is a view of, or another name of."""
    while True:
        if isinstance(value, (ast.Name, ast.Attribute)) and not (
            isinstance(value, ast.Attribute) and value.attr in ("T", "mT", "data", "real", "H")
        ):
            return value if "tensor" in r.fact(value).kinds else None
        if isinstance(value, ast.Attribute):
            value = value.value
        elif isinstance(value, ast.Subscript) and "tensor" not in r.fact(value.value).kinds:
            return value if "tensor" in r.fact(value).kinds else None
        elif isinstance(value, ast.Subscript):
            parts = value.slice.elts if isinstance(value.slice, ast.Tuple) else [value.slice]
            if any(set(r.fact(one).kinds) & {"tensor", "list", "array"} for one in parts):
                return None
            value = value.value
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in VIEWS:
            callees = r.fact(value).callees or ["torch.Tensor."]
            if not callees[0].startswith("torch.Tensor.") or _converts(r, value):
                return None
            value = value.func.value
        else:
            return None


def _converts(r: Rewriter, call: ast.Call) -> bool:
    """Whether a method gives another dtype than what it was called on has: a copy."""
    mine, his = r.fact(call).dtypes, r.fact(call.func.value).dtypes  # type: ignore[attr-defined]
    return bool(mine and his) and not set(mine) & set(his)


def _stored(r: Rewriter, place: ast.AST, names: set[str], after: ast.AST, before: Any) -> bool:
    """Whether one of two names was given something else between a view and a change."""
    end = (after.end_lineno, after.end_col_offset)  # type: ignore[attr-defined]
    return any(
        isinstance(getattr(one, "ctx", None), ast.Store) and r.source(one) in names
        and end < (one.lineno, one.col_offset) and one.lineno < before.lineno  # type: ignore[attr-defined]
        and not isinstance(r.parent(one), ast.AugAssign)
        for one in scopes.own(place)
    )  # fmt: skip


def _looked_at(r: Rewriter, place: ast.AST, name: str, node: ast.AST, function: Any) -> bool:
    """Whether a name is read behind a change: in its function, or by the caller who gave it."""
    parameters = (
        {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)} if function is not None else ()
    )
    return name in parameters or "self." in name or _read(r, place, name, node)


def _read(r: Rewriter, place: ast.AST, name: str, node: Any) -> bool:
    """Whether a name is read behind a statement, or anywhere in a loop around it."""
    statement = node if isinstance(node, ast.stmt) else r.around(node, ast.stmt)
    loop = r.around(node, ast.For, ast.While)
    within = {id(one) for one in ast.walk(statement)}
    return any(
        isinstance(one, (ast.Name, ast.Attribute, ast.Subscript)) and isinstance(one.ctx, ast.Load) and id(one) not in within
        and r.source(one) == name
        and (one.lineno > node.lineno or (loop is not None and loop.lineno <= one.lineno <= loop.end_lineno))
        for one in ast.walk(place)
    )  # fmt: skip
