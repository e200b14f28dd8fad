"""What rules ask of PyTorch's code: its form, and what its tensors were."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.rewrite import Rewriter


def asks_parameters(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "parameters"


def read_after(r: Rewriter, node: ast.AST, name: ast.Name) -> bool:
    """Whether a name is read again behind a call, in its function or file."""
    parent = r.parent(node)
    if isinstance(parent, ast.Return) or (
        isinstance(parent, ast.Assign) and [one.id for one in parent.targets if isinstance(one, ast.Name)] == [name.id]
    ):
        return False
    place = r.around(node, ast.FunctionDef, ast.Lambda) or r.file.tree
    return any(
        isinstance(one, ast.Name) and one.id == name.id and one is not name and isinstance(one.ctx, ast.Load)
        and (one.lineno, one.col_offset) > (name.lineno, name.col_offset) for one in ast.walk(place)
    )  # fmt: skip


def calls_parent(node: ast.AST) -> bool:
    """Whether a call is `super().forward(...)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="forward")):
            return True
    return False


def rate_of(r: Rewriter, node: ast.Subscript) -> ast.AST | None:
    """The optimiser in `optimizer.param_groups[0]["lr"]`."""
    match node:
        case ast.Subscript(
            value=ast.Subscript(value=ast.Attribute(value=owner, attr="param_groups"), slice=ast.Constant(value=0)),
            slice=ast.Constant(value="lr"),
        ):
            return owner
    return None


def layer_of(r: Rewriter, node: ast.AST) -> ast.AST | None:
    """The module in `m.__class__` and `type(m)`, where modules of PyTorch were asked."""
    inner = None
    if isinstance(node, ast.Attribute) and node.attr == "__class__":
        inner = node.value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "type"
        and len(node.args) == 1
    ):
        inner = node.args[0]
    return inner if inner is not None and any(k.startswith("module:torch.") for k in r.fact(inner).kinds) else None


BLIND = ("torch.no_grad", "torch.inference_mode")
"""What keeps PyTorch from watching."""


def names_of(r: Rewriter, node: ast.With) -> list[str]:
    """The public names of what a `with` enters."""
    made = [item.context_expr for item in node.items]
    return [(r.fact(one).callees or [r.dotted(getattr(one, "func", one)) or ""])[0] for one in made]


def is_blind(r: Rewriter, node: ast.AST) -> bool:
    """Whether a statement is a block of `torch.no_grad()`."""
    return isinstance(node, ast.With) and all(name in BLIND for name in names_of(r, node))


def is_whole(fact: Any) -> bool:
    return fact.kinds == ["tensor"] and bool(fact.dtypes) and all("int" in d or d == "bool" for d in fact.dtypes)


DTYPE_ORDER = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


def is_below(mine: Any, his: Any) -> bool:
    """Whether PyTorch makes a tensor's dtype like another's: both are known, and it comes before."""
    if mine.kinds != ["tensor"] or his.kinds != ["tensor"] or len(mine.dtypes) != 1 or len(his.dtypes) != 1:
        return False
    dtypes = (mine.dtypes[0], his.dtypes[0])
    return all(one in DTYPE_ORDER for one in dtypes) and DTYPE_ORDER.index(dtypes[0]) < DTYPE_ORDER.index(dtypes[1])


def is_floating(fact: Any) -> bool:
    return fact.kinds == ["tensor"] and bool(fact.dtypes) and all("float" in d for d in fact.dtypes)


def float_literal(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def is_advanced(r: Rewriter, node: ast.AST) -> bool:
    if isinstance(node, ast.Slice):
        return False
    fact = r.fact(node)
    if isinstance(node, ast.List):
        return True
    return bool(set(fact.kinds) & {"tensor", "array", "list", "range"}) and not (
        fact.kinds == ["tensor"] and fact.ranks == [0]
    )


def in_annotation(r: Rewriter, node: ast.AST) -> bool:
    child, parent = node, r.parent(node)
    while parent is not None:
        if isinstance(parent, ast.arg) or (isinstance(parent, ast.AnnAssign) and parent.annotation is child):
            return True
        if isinstance(parent, ast.FunctionDef) and parent.returns is child:
            return True
        if isinstance(parent, ast.stmt):
            return False
        child, parent = parent, r.parent(parent)
    return False


def stands_alone(r: Rewriter, node: ast.stmt) -> bool:
    parent = r.parent(node)
    return any(getattr(parent, name, None) == [node] for name in ("body", "orelse", "finalbody"))


def keeps_import(node: ast.AST, kept: set[str]) -> bool:
    bound = {(a.asname or a.name.partition(".")[0]) for a in node.names}  # type: ignore[attr-defined]
    return bool(bound & kept)
