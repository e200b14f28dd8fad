"""Code that PyTorch does not watch, where a tape of TensorFlow would: `torch.no_grad()` in a forward pass."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate import scopes
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import loops
from netglot.migrate.to_keras.asking import BLIND, is_blind, is_floating
from netglot.migrate.to_keras.tapes import Tape

UNWATCHED = ("torch.no_grad", "torch.inference_mode", "torch.set_grad_enabled", "torch.enable_grad")
"""What tells PyTorch whether to watch: a tape says it in TensorFlow."""


def tape_around(r: Rewriter, node: ast.AST) -> Tape | None:
    """The tape that is put around a statement in the same function."""
    plan = loops.plan(r)
    around: ast.AST | None = node
    while plan is not None and around is not None and not isinstance(around, scopes.FUNCTIONS):
        body = plan.places.get(id(around))
        for tape in plan.tapes if body is not None else ():
            if any(one is tape.first for one in body):  # type: ignore[union-attr]
                first, last = tape.span(body)  # type: ignore[arg-type]
                if first <= body.index(around) <= last:  # type: ignore[union-attr, arg-type]
                    return tape
        around = r.parent(around)
    return None


def watched(r: Rewriter, node: ast.AST) -> bool:
    """Whether the function around a statement may run under a tape: a forward pass, or what a loss is computed by."""
    function = r.around(node, ast.FunctionDef)
    return function is not None and function.name in _run(r)


def _run(r: Rewriter) -> set[str]:
    """The names of the functions that may run under a tape."""
    held = r.project.remembered
    if "under tapes" not in held:
        functions = [
            (file, node) for file in r.project.files for node in ast.walk(file.tree) if isinstance(node, ast.FunctionDef)
        ]  # fmt: skip
        begun = [node for _, node in functions if node.name == "forward"]
        begun += [loop for file in r.project.files for loop in _trains(file.tree)]
        names, left = {"forward"}, {name for one in begun for name in _called(one)}
        while left - names:
            names |= left
            left = {name for _, node in functions if node.name in left for name in _called(node)}
        held["under tapes"] = names
    return held["under tapes"]


def _trains(tree: ast.AST) -> list[ast.AST]:
    """The innermost loops, or functions, in which gradients are taken."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("backward", "grad"):
            around: ast.AST | None = node
            while around is not None and not isinstance(around, (ast.For, ast.While, ast.FunctionDef, ast.Module)):
                around = parents.get(around)
            if around is not None:
                found.append(around)
    return found


def _called(node: ast.AST) -> set[str]:
    calls = (one.func for one in ast.walk(node) if isinstance(one, ast.Call))
    return {getattr(one, "attr", getattr(one, "id", "")) for one in calls}


# -- what leaves such code


def left(r: Rewriter, node: ast.With) -> tuple[set[int], list[ast.expr]]:
    """The assignments in a block whose values are held as they are, and the names that are held behind it."""
    function = r.around(node, *scopes.FUNCTIONS) or r.file.tree
    inside = {id(one) for one in ast.walk(node)}
    read = {
        r.source(one): one for one in ast.walk(function)
        if isinstance(one, (ast.Name, ast.Attribute)) and isinstance(one.ctx, ast.Load) and id(one) not in inside
        and _differs(r, one)
    }  # fmt: skip
    last: dict[str, ast.AST] = {}
    for one in ast.walk(node):
        if isinstance(one, (ast.Name, ast.Attribute)) and isinstance(one.ctx, ast.Store) and r.source(one) in read:
            last[r.source(one)] = one
    plain = {
        r.source(one.targets[0]): one for one in node.body
        if isinstance(one, ast.Assign) and len(one.targets) == 1 and is_floating(r.fact(one.value))
    }  # fmt: skip
    inline = {name for name, one in last.items() if name in plain and plain[name].targets[0] is one}
    return {id(plain[name]) for name in inline}, [read[name] for name in last if name not in inline]


def _differs(r: Rewriter, node: ast.AST) -> bool:
    """Whether gradients could flow through a value."""
    fact = r.fact(node)
    return is_floating(fact) or (bool(fact.kinds) and set(fact.kinds) <= {"list", "tuple"} and "tensor" in fact.items)


def held(r: Rewriter, node: ast.AST, text: str) -> str:
    """A value through which no gradient flows."""
    stop = r.target.spell("ops.stop_gradient", r)
    if text.startswith(f"{stop}(") or not isinstance(node, ast.expr):
        return text
    if isinstance(node, ast.Tuple):
        return ", ".join(held(r, one, r.text(one)) for one in node.elts)
    fact = r.fact(node)
    if is_floating(fact):
        return f"{stop}({text})"
    if _differs(r, node) or (fact.kinds == ["dict"] and "tensor" in fact.items):
        return r.target.spell("keras.tree.map_structure(", r) + f"{stop}, {text})"
    return text


def returned(r: Rewriter, node: ast.Return) -> str | None:
    """`return` in code that is not watched, where a tape may be open around its function; None for others."""
    if node.value is None or not watched(r, node):
        return None
    function = r.around(node, ast.FunctionDef)
    block = r.around(node, ast.With)
    blind = any(r.dotted(getattr(one, "func", one)) in BLIND for one in getattr(function, "decorator_list", ()))
    while not blind and block is not None and r.around(block, ast.FunctionDef) is function:
        blind, block = is_blind(r, block), r.around(block, ast.With)
    text = r.text(node.value)
    return f"return {made}" if blind and (made := held(r, node.value, text)) != text else None


def with_(r: Rewriter, node: ast.With, dedented: Any) -> str | None:
    """`with torch.no_grad():` where a tape is open: it stops recording, or what is computed is held; None where a block
    of this kind needs nothing, `dedented` gives its statements."""
    if not is_blind(r, node):
        return None
    if len(node.items) == 1 and (tape := tape_around(r, node)) is not None:
        head = (node.items[0], node.items[0].context_expr)
        return r.spans.composed(node, lambda one: f"{tape.name}.stop_recording()" if one in head else r.text(one))
    if not watched(r, node):
        return None
    inline, after = left(r, node)
    r._state.setdefault("stopped", set()).update(inline)
    lines = [dedented(), *(f"{r.text(one)} = {held(r, one, r.text(one))}" for one in after)]
    return f"\n{r.spans.indent(node)}".join(lines)
