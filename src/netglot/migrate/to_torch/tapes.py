"""Gradients that a `GradientTape` gives, by `torch.autograd.grad`."""

from __future__ import annotations

import ast
from typing import Any


def gradient(target: Any, r: Any, node: ast.Call) -> str | None:
    """`tape.gradient(loss, weights)`; what differs from it is said by the options of `grad`."""
    given = dict(zip(("target", "sources"), node.args, strict=False)) | {str(k.arg): k.value for k in node.keywords}
    if set(given) - {"target", "sources", "unconnected_gradients"} or len(given) < 2:
        return target._unknown(r, node, "tf.GradientTape.gradient")
    loss, sources = given["target"], given["sources"]
    text = r.text(loss)
    if any(rank > 0 for rank in r.fact(loss).ranks):
        text = f"{r.parenthesised(loss, text)}.sum()"
    single = "tensor" in r.fact(sources).kinds
    weights = r.text(sources)
    if not single and r.fact(sources).kinds != ["list"] and not weights.startswith("list("):
        weights = f"list({weights})"
    options = ", allow_unused=True"
    under = r.fact(node).extra.get("under")
    if under or (under is None and _inside_another(r, node)):
        options += ", create_graph=True"
    elif _several(r, node):
        options += ", retain_graph=True"
    made = target.spell("torch.autograd.grad(", r) + f"{text}, {weights}{options})"
    return made + "[0]" if single else made


def opened(r: Any, item: ast.withitem) -> str:
    """The public name of what a `with` opens."""
    made = item.context_expr
    names = r.fact(made).callees
    return names[0] if names else (r.dotted(made.func) or "") if isinstance(made, ast.Call) else ""


def is_tape(r: Any, node: ast.AST) -> bool:
    """Whether a name is that of a tape."""
    holder = r.around(node, ast.FunctionDef, ast.Module)
    return isinstance(node, ast.Name) and any(
        isinstance(item.optional_vars, ast.Name) and item.optional_vars.id == node.id
        and opened(r, item) == "tf.GradientTape"
        for one in ast.walk(holder) if isinstance(one, ast.With) for item in one.items
    )  # fmt: skip


def _inside_another(r: Any, node: ast.Call) -> bool:
    """Whether a gradient is taken under another tape, so that it is itself taken the gradient of."""
    own, around = r.source(node.func.value), r.around(node, ast.With)  # type: ignore[attr-defined]
    while around is not None:
        tapes = [item for item in around.items if opened(r, item) == "tf.GradientTape"]
        if any(item.optional_vars is None or r.source(item.optional_vars) != own for item in tapes):
            return True
        around = r.around(around, ast.With)
    return False


def _several(r: Any, node: ast.Call) -> bool:
    """Whether the function around takes several gradients, so that the graph must stay for the others."""
    holder = r.around(node, ast.FunctionDef, ast.Module)
    calls = [
        one for one in ast.walk(holder)
        if isinstance(one, ast.Call) and "tf.GradientTape.gradient" in r.fact(one).callees
        and r.around(one, ast.FunctionDef, ast.Module) is holder
    ]  # fmt: skip
    return len(calls) > 1
