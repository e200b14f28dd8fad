"""Training loops: `backward` and `step` as a `GradientTape` around what they differentiate."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import tapes
from netglot.migrate.to_keras.plans import BACKWARD, RESETS, SCALED_STEP, STEPS, UNSCALE, Plan, callee
from netglot.migrate.to_keras.tapes import GONE

CLIPS = {
    "torch.nn.utils.clip_grad_norm_": ("clip_grad_norm", "max_norm"),
    "torch.nn.utils.clip_grad_norm": ("clip_grad_norm", "max_norm"),
    "torch.nn.utils.clip_grad_value_": ("clip_grad_value", "clip_value"),
}


def plan(r: Rewriter) -> Plan:
    """The plan of a file, made once."""
    if "plan" not in r._state:
        r._state["plan"] = None
        r._state["plan"] = Plan(r)
    return r._state["plan"]


def statement(target: Any, r: Rewriter, node: ast.stmt) -> str | None:
    """`backward`, `step` and `zero_grad`; None for other statements."""
    name = callee(r, node)
    if not name:
        return None
    found = plan(r)
    if found is None:
        return None
    if name == BACKWARD:
        return found.backwards.get(id(node))
    if found.kept and name in (*STEPS, *RESETS):
        return _kept(r, node, name)
    if name in STEPS:
        return found.steps.get(id(node)) or _unpaired(r, node)
    if name in RESETS:
        return found.resets.get(id(node)) or ("pass" if _only(r, node) else GONE)
    call = node.value  # type: ignore[attr-defined]
    if name == UNSCALE and found.kept:
        own = found.weights_of(node, found.places.get(id(node), []))
        if own is None:
            return None
        scaler = r.text(call.func.value)
        return target.spell("keep(", r) + f"{own}, {scaler}.unscale([w.grad for w in {own}]))"
    if name == UNSCALE:
        held = _held(r, node, None)
        return f"{held} = {r.text(call.func.value)}.unscale({held})"
    return _clipped(target, r, node, call, name)


def _kept(r: Rewriter, node: ast.stmt, name: str) -> str | None:
    """`step` and `zero_grad` where gradients stay with the weights."""
    call = node.value  # type: ignore[attr-defined]
    owner = r.text(call.func.value)
    body = plan(r).places.get(id(node), [])
    own = f"{owner}.trainable_variables" if name in RESETS[1:] else plan(r).weights_of(node, body)
    if own is None:
        r.mark(node, call.func.attr, "netglot does not see which weights it changes")
        return r.composed_kept(node)
    if name in RESETS:
        return r.target.spell("clear(", r) + f"{own})"
    if name == SCALED_STEP:
        return f"{owner}.step({r.text(call.args[0])}, [w.grad for w in {own}], {own})"
    return f"{owner}.apply_gradients((w.grad, w) for w in {own})"


def _clipped(target: Any, r: Rewriter, node: ast.stmt, call: ast.Call, name: str) -> str | None:
    """Gradients that are held small: `clip_grad_norm_` and `clip_grad_value_`; None for other calls."""
    if name not in CLIPS:
        return None
    how, limit = CLIPS[name]
    words = {k.arg: k.value for k in call.keywords}
    bound = call.args[1] if len(call.args) > 1 else words.pop(limit, None)
    parameters = call.args[0] if call.args else words.pop("parameters", None)
    kind = call.args[2] if len(call.args) > 2 else words.pop("norm_type", None)
    for idle in ("error_if_nonfinite", "foreach"):
        words.pop(idle, None)
    if bound is None or words or (kind is not None and r.constant(kind) != 2):
        return None
    if plan(r).kept:
        if parameters is None:
            return None
        clip = target.spell(f"{how}(", r)[:-1]
        return target.spell("clip_kept(", r) + f"{clip}, {r.text(parameters)}, {r.text(bound)})"
    held = _held(r, node, parameters)
    whole = plan(r).whole.get(id(plan(r).functions.get(id(node))))
    if held == "gradients" and parameters is not None and whole not in (None, chosen := r.text(parameters)):
        clip = target.spell(f"{how}(", r)[:-1]
        some = target.spell("clip_among(", r)
        return f"gradients = {some}{clip}, gradients, {whole}, {chosen}, {r.text(bound)})"
    return f"{held} = " + target.spell(f"{how}(", r) + f"{held}, {r.text(bound)})"


def _held(r: Rewriter, node: ast.stmt, parameters: ast.AST | None) -> str:
    """The gradients of some weights, as the loop around calls them."""
    parts = plan(r).parts.get(id(plan(r).functions.get(id(node))), [])
    text = r.text(parameters) if parameters is not None else ""
    return f"gradients[{parts.index(text)}]" if text in parts else "gradients"


def measured(target: Any, r: Rewriter, node: ast.Assign) -> str | None:
    """`norm = clip_grad_norm_(...)`: the norm is taken first; None for other assignments."""
    call = node.value
    name = (r.fact(call).callees or [""])[0]
    if not isinstance(call, ast.Call) or CLIPS.get(name, ("",))[0] != "clip_grad_norm" or plan(r) is None:
        return None
    clipped = _clipped(target, r, node, call, name)
    if clipped is None or ", gradients, " in clipped:  # the norm of some of the gradients
        return None
    held = clipped.partition(" = ")[0]
    if plan(r).kept:
        held = f"[w.grad for w in {r.text(call.args[0] if call.args else call.keywords[0].value)}]"
    taken = f"{r.text(node.targets[0])} = " + target.spell("global_norm(", r) + f"{held})"
    return f"{taken}\n{r.spans.indent(node)}{clipped}"


def begun(r: Rewriter, node: ast.stmt, text: str) -> str:
    """A loop in which gradients gather, with nothing gathered before it."""
    found = plan(r)
    begins = found.begins.get(id(node)) if found is not None else None
    return text if begins is None else f"{begins}\n{r.spans.indent(node)}{text}"


def _unpaired(r: Rewriter, node: ast.stmt) -> str | None:
    r.mark(node, "step", "netglot does not see which gradients it takes")
    return r.composed_kept(node)


def _only(r: Rewriter, node: ast.stmt) -> bool:
    parent = r.parent(node)
    return any(getattr(parent, name, None) == [node] for name in ("body", "orelse", "finalbody"))


def taped(target: Any, r: Rewriter, node: ast.AST, render: Any) -> str | None:
    """A statement with a body, with tapes put around some of its statements; None where there is none."""
    found = plan(r)
    return None if found is None else tapes.taped(r, node, found.tapes, render)
