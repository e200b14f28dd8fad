"""Training loops: `backward` and `step` as a `GradientTape` around what they differentiate."""

from __future__ import annotations

import ast
import builtins
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import leaves, tapes
from netglot.migrate.to_keras.tapes import GONE, Tape, gives, words

BACKWARD = "torch.Tensor.backward"
STEP = "torch.optim.Optimizer.step"
SCALED_STEP = "torch.amp.GradScaler.step"
STEPS = (STEP, SCALED_STEP)
RESETS = ("torch.optim.Optimizer.zero_grad", "torch.nn.Module.zero_grad", "torch.nn.Sequential.zero_grad")
CLIPS = {
    "torch.nn.utils.clip_grad_norm_": ("clip_grad_norm", "max_norm"),
    "torch.nn.utils.clip_grad_norm": ("clip_grad_norm", "max_norm"),
    "torch.nn.utils.clip_grad_value_": ("clip_grad_value", "clip_value"),
}


def callee(r: Rewriter, statement: ast.stmt) -> str:
    """The name of what a statement calls, where it is nothing but a call."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return ""
    call = statement.value
    fact = r.fact(call)
    if fact.callees:
        return fact.callees[0]
    if isinstance(call.func, ast.Attribute) and r.dotted(call.func) is None:
        looks = {"backward": BACKWARD, "zero_grad": RESETS[0]}
        if call.func.attr == "step" and "opt" in r.source(call.func.value).lower():
            return STEP
        return looks.get(call.func.attr, "")
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

    `tapes` are put around statements, `asked` is the tape of each call of `torch.autograd.grad`; `backwards`, `steps` and `resets` what `backward`, `step`
    and `zero_grad` become, `begins` what is said before a loop in which gradients gather.
    """

    def __init__(self, r: Rewriter):
        self.r = r
        self.kept = leaves.kept(r)
        self.alone: set[int] = set()
        """The `backward` of a loss that is computed where it stands."""
        self.under: dict[int, Tape] = {}
        """The tape whose last line computes what a `backward` differentiates."""
        self.backwards: dict[int, str] = {}
        self.steps: dict[int, str] = {}
        self.resets: dict[int, str] = {}
        self.begins: dict[int, str] = {}
        self.parts: dict[int, list[str]] = {}
        """The weights of each of several optimisers that step after one `backward`, by the list they stand in."""
        self.whole: dict[int, str] = {}
        """The weights of a single optimiser, by the same."""
        self.places = {id(one): body for _, body in bodies(r.file.tree) for one in body}
        self.functions = {id(one): r.around(one, ast.FunctionDef) for _, body in bodies(r.file.tree) for one in body}
        self.tapes, self.asked = leaves.planned(r, self.places)
        found = [one for _, body in bodies(r.file.tree) for one in body if callee(r, one) == BACKWARD]
        lists: dict[int, list[tuple[ast.stmt, ast.stmt]]] = {}
        for backward in found:
            holder, boundary = self._forward_list(backward)
            if holder is None and self._runs(backward):
                self.alone.add(id(backward))
                holder = self.places[id(backward)]
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
            if any(self._runs(one) or self._grows(one, backward) for one in body[: body.index(boundary)]):
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

    def _grows(self, statement: ast.stmt, backward: ast.stmt) -> bool:
        """Whether a statement computes with weights that stand alone."""
        alone = self.r.fact(backward.value).extra.get("leaves") or ()  # type: ignore[attr-defined]
        if all(kind == "module" for kind, _ in alone) or isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            return False
        return any(self.r.fact(node).extra.get("grown") for node in ast.walk(statement) if hasattr(node, "number"))

    def _plan(self, pairs: list[tuple[ast.stmt, ast.stmt]]) -> None:
        body = self.places[id(pairs[0][1])]
        self._watch(body, pairs)
        previous: list[ast.stmt] = []
        for backward, _boundary in pairs:
            if self.kept:
                above, loss = self.differentiated(backward)
                if (text := leaves.backward(self.r, backward, loss)) is None:
                    self.r.mark(backward, "backward", "netglot does not see by which names its weights are known")
                else:
                    self.backwards[id(backward)] = above + text
                continue
            steps, gathers = self._steps_after(backward)
            if not steps:
                self.r.mark(backward, "backward", "netglot does not see which step takes these gradients")
                continue
            variables = [self.weights_of(one, body) for one in steps]
            if None in variables:
                self.r.mark(steps[variables.index(None)], "step", "netglot does not see which weights it changes")
                continue
            call = backward.value  # type: ignore[attr-defined]
            if (call.keywords or call.args) and [k.arg for k in call.keywords] != ["retain_graph"]:
                self.r.mark(backward, "backward", "it is given a gradient")
                continue
            if gathers and not self._gather(backward):
                self.r.mark(backward, "backward", "netglot does not see where the gathered gradients begin")
                continue
            self._write(backward, steps, variables, gathers or previous == steps)  # type: ignore[arg-type]
            previous = steps

    def _watch(self, body: list[ast.stmt], pairs: list[tuple[ast.stmt, ast.stmt]]) -> None:
        """Puts tapes around what is differentiated: one for each loss, where they share nothing of what made them."""
        groups: list[tuple[int, list[tuple[ast.stmt, ast.stmt]]]] = []
        for pair in pairs:
            if id(pair[0]) in self.alone:
                continue
            first, together = self._first(body, [pair]), [pair]
            while groups and first <= body.index(groups[-1][1][-1][1]):
                other, earlier = groups.pop()
                first, together = min(first, other), [*earlier, *together]
            groups.append((first, together))
        for first, together in groups:
            last = body[body.index(together[-1][1]) - 1]
            several = len({id(boundary) for _, boundary in together}) > 1
            tape = Tape(body[first], last, persistent=several)
            if self.kept:
                tape.watched = leaves.watches(self.r, [one for one, _ in together])
            self.tapes.append(tape)
            ended = together[-1][1]
            self.under |= {id(one): tape for one, boundary in together if boundary is ended}

    def differentiated(self, backward: ast.stmt) -> tuple[str, str]:
        """What stands above a `backward`, and the text of its loss: one that is an expression gets a name."""
        r, loss = self.r, backward.value.func.value  # type: ignore[attr-defined]
        text = r.text(loss)
        part = isinstance(loss, ast.Subscript) and r.fact(loss.value).kinds == ["tensor"]
        if isinstance(loss, (ast.Name, ast.Attribute, ast.Subscript)) and not part:
            return "", text
        name = next(one for one in ("total", "total_loss", "whole_loss", "loss_") if one not in r.bound)
        indent = r.spans.indent(backward)
        if id(backward) in self.alone:
            r.imports.add("tf")
            return f"with tf.GradientTape() as tape:\n{indent}    {name} = {text}\n{indent}", name
        if (tape := self.under.get(id(backward))) is not None:
            tape.ends += (f"{name} = {text}",)
            return "", name
        return f"{name} = {text}\n{indent}", name

    def _first(self, body: list[ast.stmt], pairs: list[tuple[ast.stmt, ast.stmt]]) -> int:
        """The first statement that runs what a loss is made of; what else runs before it is not watched."""
        wanted: set[str] = set()
        for backward, _ in pairs:
            wanted |= words(backward, ast.Load)
        last = pairs[-1][0]
        running = [i for i, one in enumerate(body) if self._runs(one) or self._grows(one, last)]
        found = []
        for place in range(body.index(pairs[-1][1]), -1, -1):
            one = body[place]
            for_itself = isinstance(one, ast.Expr) and self._runs(one) and callee(self.r, one) != BACKWARD
            if for_itself or any(one is boundary for _, boundary in pairs) or gives(one) & wanted:
                wanted |= words(one, ast.Load)
                if place in running:
                    found.append(place)
        return min(found, default=running[0])

    def _write(self, backward: ast.stmt, steps: list[ast.stmt], variables: list[str], adds: bool) -> None:
        """The texts of one `backward` and of the steps that take its gradients."""
        r = self.r
        several = len(steps) > 1
        if several and adds:
            r.mark(backward, "backward", "gradients that gather for several optimisers are not carried over")
            return
        above, loss = self.differentiated(backward)
        wanted = f"[{', '.join(variables)}]" if several else variables[0]
        text = f"tape.gradient({loss}, {wanted})"
        if adds:
            text = r.target.spell("summed(gradients, ", r) + text + ")"
        self.backwards[id(backward)] = f"{above}gradients = {text}"
        if several:
            self.parts[id(self.functions[id(backward)])] = variables
        else:
            self.whole[id(self.functions[id(backward)])] = variables[0]
        for number, (step, own) in enumerate(zip(steps, variables, strict=True)):
            held = f"gradients[{number}]" if several else "gradients"
            call = step.value  # type: ignore[attr-defined]
            owner = r.text(call.func.value)
            if callee(r, step) == SCALED_STEP:
                self.steps[id(step)] = f"{owner}.step({r.text(call.args[0])}, {held}, {own})"
                continue
            self.steps[id(step)] = f"{owner}.apply_gradients(zip({held}, {own}))"

    def _steps_after(self, backward: ast.stmt) -> tuple[list[ast.stmt], bool]:
        """The optimisers' steps that take the gradients of a `backward`, and whether these gather until then: the
        steps that follow in the same list, else those in a condition that follows, else those after the loop around."""
        place: Any = backward
        function = self.functions[id(backward)]
        while place is not None and place is not function:
            body = self.places.get(id(place))
            if body is None:
                return [], False
            found: list[ast.stmt] = []
            for one in body[body.index(place) + 1 :]:
                if callee(self.r, one) in STEPS:
                    found.append(one)
                elif found and callee(self.r, one) == BACKWARD:
                    break
            if found:
                return found, place is not backward and isinstance(place, (ast.For, ast.While))
            inner = [
                two for one in body[body.index(place) + 1 :] if isinstance(one, ast.If)
                for _, held in bodies(one) for two in held if callee(self.r, two) in STEPS
            ]  # fmt: skip
            if inner:
                return list(dict.fromkeys(inner)), True
            place = self.r.parent(place)
            if isinstance(place, ast.Module):
                return [], False
        return [], False

    def _gather(self, backward: ast.stmt) -> bool:
        """Plans gradients that gather over several rounds: nothing to begin with, and nothing after `zero_grad`."""
        function = self.functions[id(backward)]
        resets = [
            one for _, body in bodies(function or self.r.file.tree) for one in body
            if callee(self.r, one) in RESETS and self.functions[id(one)] is function
        ]  # fmt: skip
        for one in resets:
            self.resets[id(one)] = "gradients = None"
        place: Any = backward
        outermost: Any = None
        while place is not None and place is not function and not isinstance(place, ast.Module):
            body = self.places.get(id(place), [])
            before = body[: body.index(place)] if place in body else []
            if place is not backward and any(one in resets for one in before):
                return True
            if isinstance(place, (ast.For, ast.While)):
                outermost = place
            place = self.r.parent(place)
        if outermost is None:
            return False
        self.begins[id(outermost)] = "gradients = None"
        return True

    def weights_of(self, step: ast.stmt, body: list[ast.stmt]) -> str | None:
        """The weights of an optimiser: what it was made with, else those of the network that runs here."""
        call = step.value  # type: ignore[attr-defined]
        key = "made 0" if callee(self.r, step) == SCALED_STEP else "made"
        made = self.r.fact(call).extra.get(key)
        if made is not None:
            node = next((n for n in ast.walk(self.r.file.tree) if getattr(n, "number", None) == made[1]), None)
            given = _parameters(node) if made[0] == self.r.file.module else None
            listed = isinstance(given, ast.List) or given is None or "dict" not in self.r.fact(given).items
            if given is not None and listed and node is not None and _free(given) <= self._visible(step, node):
                return weights(self.r, given)
        runs = [
            node for one in body for node in ast.walk(one)
            if isinstance(node, ast.Call) and any(c.startswith(("call:user", "call:torch.nn.")) for c in self.r.fact(node).callees)
        ]  # fmt: skip
        texts = {self.r.text(node.func) for node in runs if not self._criterion(node)}
        if len(texts) == 1:
            return f"{texts.pop()}.trainable_variables"
        return leaves.listed(self.r.fact(call).extra.get("leaves"), self.r)

    def _criterion(self, node: ast.Call) -> bool:
        """Whether what is called holds no weights: a loss that the user wrote as a module."""
        return self.r.fact(node).extra.get("weights") is False

    def _visible(self, step: ast.stmt, made: ast.AST) -> set[str]:
        """Names that mean the same at both places: those of the same function, and of the file where none shadows."""
        mine, other = self.r.around(step, ast.FunctionDef), self.r.around(made, ast.FunctionDef)
        local = _locals(mine) if mine is not None else set()
        if mine is other:
            return _locals(mine) | self.r.bound if mine is not None else self.r.bound
        if other is None:
            return self.r.bound - local
        return local & _locals(other)


def _parameters(node: ast.AST | None) -> ast.expr | None:
    """What an optimiser is made with."""
    if not isinstance(node, ast.Call):
        return None
    if node.args:
        return node.args[0]
    return next((k.value for k in node.keywords if k.arg == "params"), None)


def weights(r: Rewriter, given: ast.expr) -> str | None:
    """The weights that an optimiser was given: those of a network, of several, or of groups of them."""
    if isinstance(given, ast.List) and given.elts and all(isinstance(one, ast.Dict) for one in given.elts):
        parts = []
        for one in given.elts:
            pairs = zip(one.keys, one.values, strict=True)  # type: ignore[attr-defined]
            parts += [value for key, value in pairs if key is not None and r.constant(key) == "params"]
        texts = [weights(r, one) for one in parts]
        return None if None in texts else " + ".join(texts)  # type: ignore[arg-type]
    if isinstance(given, ast.Call) and (r.fact(given).callees or [""])[0] in ("builtins.filter", "itertools.chain"):
        inner = given.args[-1]
        if r.source(given.func) == "filter" and "requires_grad" in r.source(given.args[0]):
            return r.text(inner)  # Keras lists the trained ones only
        return f"[*{r.text(given)}]"
    return r.text(given)


def _free(given: ast.AST) -> set[str]:
    """The names in an expression that mean something outside of it: neither Python's own nor what it binds itself."""
    nodes = list(ast.walk(given))
    bound = {one.arg for one in nodes if isinstance(one, ast.arg)}
    names = [one for one in nodes if isinstance(one, ast.Name)]
    bound |= {one.id for one in names if isinstance(one.ctx, ast.Store)}
    return {one.id for one in names if one.id not in bound and not hasattr(builtins, one.id)}


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
    if found.kept and name in (*STEPS, *RESETS):
        return _kept(r, node, name)
    if name in STEPS:
        return found.steps.get(id(node)) or _unpaired(r, node)
    if name in RESETS:
        return found.resets.get(id(node)) or ("pass" if _only(r, node) else GONE)
    call = node.value  # type: ignore[attr-defined]
    if name == "torch.amp.GradScaler.unscale_" and not found.kept:
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
