"""Training loops: `backward` and `step` as a `GradientTape` around what they differentiate."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.rewrite import Rewriter

BACKWARD = "torch.Tensor.backward"
STEP = "torch.optim.Optimizer.step"
GONE = "\0gone\0"


def callee(r: Rewriter, statement: ast.stmt) -> str:
    """The name of what a statement calls, where it is nothing but a call."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return ""
    call = statement.value
    fact = r.fact(call)
    if fact.callees:
        return fact.callees[0]
    if isinstance(call.func, ast.Attribute) and r.dotted(call.func) is None:
        return {"backward": BACKWARD}.get(call.func.attr, "")
    return r.dotted(call.func) or ""


def bodies(tree: ast.AST) -> Any:
    """Every list of statements below a node."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
                yield node, body


class Plan:
    """What becomes of each statement of the training loops of one file.

    `tapes` says which statements begin and end under a tape, `gradients` and `steps` what `backward` and `step` become.
    """

    def __init__(self, r: Rewriter):
        self.r = r
        self.tapes: dict[int, tuple[ast.stmt, bool]] = {}
        """The number of a first statement to the last one under the same tape, and whether it is asked twice."""
        self.backwards: dict[int, str] = {}
        self.steps: dict[int, str] = {}
        self.counted: dict[int, int] = {}
        self.places = {id(one): body for _, body in bodies(r.file.tree) for one in body}
        found = [one for _, body in bodies(r.file.tree) for one in body if callee(r, one) == BACKWARD]
        lists: dict[int, list[tuple[ast.stmt, ast.stmt]]] = {}
        for backward in found:
            holder, boundary = self._forward_list(backward)
            if holder is None:
                r.mark(backward, "backward", "netglot does not see what it differentiates")
                continue
            lists.setdefault(id(holder), []).append((backward, boundary))
        for pairs in lists.values():
            self._plan(pairs)

    def _forward_list(self, backward: ast.stmt) -> tuple[list[ast.stmt] | None, ast.stmt]:
        """The statements among which the forward pass stands, and the one of them that holds `backward`."""
        boundary: ast.stmt = backward
        while True:
            body = self.places.get(id(boundary))
            if body is None:
                return None, boundary
            if any(self._runs(one) for one in body[: body.index(boundary)]):
                return body, boundary
            parent = self.r.parent(boundary)
            if not isinstance(parent, (ast.If, ast.With)):
                return None, boundary
            boundary = parent

    def _runs(self, statement: ast.stmt) -> bool:
        """Whether a statement runs a network, or computes with weights."""
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            return False
        for node in ast.walk(statement):
            if isinstance(node, ast.Call):
                names = self.r.fact(node).callees
                if any(c.startswith("call:") and not c.startswith("call:torch.amp") for c in names):
                    return True
                if any(c.startswith("user:") for c in names) and "tensor" in [
                    *self.r.fact(node).kinds,
                    *self.r.fact(node).items,
                ]:
                    return True
        return False

    def _plan(self, pairs: list[tuple[ast.stmt, ast.stmt]]) -> None:
        body = self.places[id(pairs[0][1])]
        first = next(i for i, one in enumerate(body) if self._runs(one))
        while first and self._feeds(body[first - 1]):
            first -= 1
        last = body.index(pairs[-1][1]) - 1
        several = len({id(boundary) for _, boundary in pairs}) > 1
        self.tapes[id(body[first])] = (body[last], several)
        previous_step = None
        for backward, _boundary in pairs:
            step = self._step_after(backward)
            if step is None:
                self.r.mark(backward, "backward", "gradients that gather over several steps are not carried over")
                continue
            variables = self._variables(step, body)
            if variables is None:
                self.r.mark(step, "step", "netglot does not see which weights the optimiser changes")
                continue
            gathers = previous_step is step
            previous_step = step
            call = backward.value  # type: ignore[attr-defined]
            loss = self.r.text(call.func.value)
            if call.keywords or call.args:
                retain = [k.arg for k in call.keywords]
                if retain != ["retain_graph"]:
                    self.r.mark(backward, "backward", "it is given a gradient")
                    continue
            text = f"tape.gradient({loss}, {variables})"
            if gathers:
                text = self.r.target.spell("summed(gradients, ", self.r) + text + ")"
            self.backwards[id(backward)] = f"gradients = {text}"
            optimizer = self.r.text(step.value.func.value)  # type: ignore[attr-defined]
            self.steps[id(step)] = f"{optimizer}.apply_gradients(zip(gradients, {variables}))"

    def _feeds(self, statement: ast.stmt) -> bool:
        return False

    def _step_after(self, backward: ast.stmt) -> ast.stmt | None:
        """The optimiser's step that follows in the same list, or in one around it."""
        body = self.places[id(backward)]
        for one in body[body.index(backward) + 1 :]:
            if callee(self.r, one) == STEP:
                return one
        return None

    def _variables(self, step: ast.stmt, body: list[ast.stmt]) -> str | None:
        """The weights of an optimiser: what it was made with, else those of the network that runs here."""
        call = step.value  # type: ignore[attr-defined]
        made = self.r.fact(call).extra.get("made")
        if made is not None:
            node = next((n for n in ast.walk(self.r.file.tree) if getattr(n, "number", None) == made[1]), None)
            if made[0] == self.r.file.module and isinstance(node, ast.Call) and node.args:
                names = {n.id for n in ast.walk(node.args[0]) if isinstance(n, ast.Name)}
                if names <= self._visible(step, node):
                    return self.r.text(node.args[0])
        runs = [
            node for one in body for node in ast.walk(one)
            if isinstance(node, ast.Call) and any(c.startswith("call:user") or c == "call:torch.nn.Sequential" for c in self.r.fact(node).callees)
        ]  # fmt: skip
        texts = {self.r.text(node.func) for node in runs}
        return f"{texts.pop()}.trainable_variables" if len(texts) == 1 else None

    def _visible(self, step: ast.stmt, made: ast.AST) -> set[str]:
        """Names that mean the same at both places: those of the same function, and of the file where none shadows."""
        mine, other = self.r.around(step, ast.FunctionDef), self.r.around(made, ast.FunctionDef)
        local = _locals(mine) if mine is not None else set()
        if mine is other:
            return _locals(mine) | self.r.bound if mine is not None else self.r.bound
        if other is None:
            return self.r.bound - local
        return local & _locals(other)


def _locals(function: ast.FunctionDef | None) -> set[str]:
    if function is None:
        return set()
    found = {a.arg for a in ast.walk(function) if isinstance(a, ast.arg)}
    return found | {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


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
    if name == STEP:
        return found.steps.get(id(node)) or _unpaired(r, node)
    if name in ("torch.optim.Optimizer.zero_grad", "torch.nn.Module.zero_grad"):
        return "pass" if _only(r, node) else GONE
    call = node.value  # type: ignore[attr-defined]
    if name in ("torch.nn.utils.clip_grad_norm_", "torch.nn.utils.clip_grad_norm") and len(call.args) >= 2:
        return "gradients = " + target.spell("clip_grad_norm(gradients, ", r) + f"{r.text(call.args[1])})"
    if name == "torch.nn.utils.clip_grad_norm_" and call.keywords:
        return "gradients = " + target.spell("clip_grad_norm(gradients, ", r) + f"{r.text(call.keywords[0].value)})"
    if name == "torch.nn.utils.clip_grad_value_" and len(call.args) >= 2:
        return "gradients = " + target.spell("clip_grad_value(gradients, ", r) + f"{r.text(call.args[1])})"
    return None


def _unpaired(r: Rewriter, node: ast.stmt) -> str | None:
    r.mark(node, "step", "netglot does not see which gradients it takes")
    return r.composed_kept(node)


def _only(r: Rewriter, node: ast.stmt) -> bool:
    parent = r.parent(node)
    return any(getattr(parent, name, None) == [node] for name in ("body", "orelse", "finalbody"))


def taped(target: Any, r: Rewriter, node: ast.AST, render: Any) -> str | None:
    """A statement with a body, with a tape put around some of its statements; None where there is none."""
    found = plan(r)
    if found is None:
        return None
    for name in ("body", "orelse"):
        body = getattr(node, name, None)
        if not isinstance(body, list):
            continue
        for first in body:
            if id(first) in found.tapes:
                return _with_tape(target, r, node, first, *found.tapes[id(first)], render)
    return None


def _with_tape(
    target: Any, r: Rewriter, node: ast.AST, first: ast.stmt, last: ast.stmt, persistent: bool, render: Any
) -> str:  # fmt: skip
    body = next(b for b in (getattr(node, "body", []), getattr(node, "orelse", [])) if first in b)
    inside = body[body.index(first) : body.index(last) + 1]
    start, end = r.spans.of(first)[0], r.spans.of(last)[1]
    end_line = r.spans.data.find(b"\n", end)
    tail = r.spans.data[end : end_line if end_line >= 0 else len(r.spans.data)]
    if tail.strip().startswith(b"#"):
        end += len(tail)
    indent = r.spans.indent(first)
    text = r.spans.between(start, end, list(inside), render)
    lines = [("    " + line if line.strip() and i else line) for i, line in enumerate(text.split("\n"))]
    lines = [line for line in lines if line.strip() != GONE]
    r.imports.add("tf")
    options = "persistent=True" if persistent else ""
    block = f"with tf.GradientTape({options}) as tape:\n{indent}    " + "\n".join(lines).lstrip()

    def one(child: ast.AST) -> str:
        return block if child is first else render(child)

    whole_start, whole_end = r.spans.of(node) if not isinstance(node, ast.Module) else (0, len(r.spans.data))
    children = sorted(r.spans.children(node), key=r.spans.of)
    children = [c for c in children if c is first or c not in inside]
    out, at = [], whole_start
    for child in children:
        a, b = r.spans.of(child)
        if a < at:
            continue
        out += [r.spans.data[at:a].decode("utf-8"), one(child)]
        at = end if child is first else b
    out.append(r.spans.data[at:whole_end].decode("utf-8"))
    return "".join(out)
