"""What becomes of the statements of training loops: where tapes begin and end, and who takes which gradients."""

from __future__ import annotations

import ast
import builtins
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import leaves
from netglot.migrate.to_keras.asking import is_blind
from netglot.migrate.to_keras.tapes import Tape, gives, words

BACKWARD = "torch.Tensor.backward"


STEP = "torch.optim.Optimizer.step"


SCALED_STEP = "torch.amp.GradScaler.step"


UNSCALE = "torch.amp.GradScaler.unscale_"


STEPS = (STEP, SCALED_STEP)


RESETS = ("torch.optim.Optimizer.zero_grad", "torch.nn.Module.zero_grad", "torch.nn.Sequential.zero_grad")


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
        self.takers: set[int] = set()
        self.givers: set[int] = set()
        """Functions that are given a tape, and the calls that give it."""
        self.alone: set[int] = set()
        """The `backward` of a loss that is computed where it stands."""
        self.handed: dict[int, ast.stmt] = {}
        """The call, elsewhere, of the function in which a `backward` stands, to which the tape is handed."""
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
            if self._runs(backward) and not self._fed(backward, holder, boundary):
                self.alone.add(id(backward))
                holder, boundary = self.places[id(backward)], backward
            if holder is None and (call := self._caller(backward)) is not None:
                self.handed[id(backward)] = call
                continue
            if holder is None:
                r.mark(backward, "backward", "netglot does not see what it differentiates")
                continue
            lists.setdefault(id(holder), []).append((backward, boundary))
        for pairs in lists.values():
            self._plan(pairs)
        for backward in found:
            if id(backward) in self.handed:
                self._hand(backward, self.handed[id(backward)])

    def _fed(self, backward: ast.stmt, holder: list[ast.stmt] | None, boundary: ast.stmt) -> bool:
        """Whether statements before a `backward` compute some of its loss."""
        wanted = words(backward, ast.Load)
        before = holder[: holder.index(boundary)] if holder is not None else []
        return any(gives(one) & wanted and (self._runs(one) or self._grows(one, backward)) for one in before)

    def _caller(self, backward: ast.stmt) -> ast.stmt | None:
        """The one statement that calls the function in which a `backward` stands, behind others that run a network."""
        function = self.functions[id(backward)]
        if function is None or "tape" in self.r.bound:
            return None
        calls = [
            one for one in ast.walk(self.r.file.tree)
            if isinstance(one, ast.Call) and function.name in (getattr(one.func, "id", ""), getattr(one.func, "attr", ""))
        ]  # fmt: skip
        statement = self.r.around(calls[0], ast.stmt) if len(calls) == 1 else None
        body = self.places.get(id(statement))
        plain = isinstance(statement, (ast.Expr, ast.Assign)) and statement.value is calls[0]
        if body is None or not plain or not any(self._leads(one) for one in body[: body.index(statement)]):
            return None
        return statement

    def _leads(self, statement: ast.stmt, deep: int = 2) -> bool:
        """Whether a statement runs a network, itself or in a function that it calls."""
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            return False
        if self._runs(statement):
            return True
        names = {
            c.removeprefix("user:").rpartition(".")[2] for one in ast.walk(statement) if isinstance(one, ast.Call)
            for c in self.r.fact(one).callees if c.startswith("user:")
        }  # fmt: skip
        return deep > 0 and any(
            self._leads(one, deep - 1) for node in ast.walk(self.r.file.tree)
            if isinstance(node, ast.FunctionDef) and node.name in names for one in node.body
        )  # fmt: skip

    def _hand(self, backward: ast.stmt, call: ast.stmt) -> None:
        """Opens a tape where the forward pass begins, and hands it to the function that asks it."""
        body, function = self.places[id(call)], self.functions[id(backward)]
        first = next(one for one in body if self._leads(one))
        before = len(self.r.marks)
        self._ask(backward, self.places[id(backward)])
        if len(self.r.marks) == before and id(backward) in self.backwards and function is not None:
            self.tapes.append(Tape(first, call))
            self.takers.add(id(function))
            self.givers.add(id(call.value))  # type: ignore[attr-defined]

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
            previous = self._ask(backward, body, previous)

    def _ask(self, backward: ast.stmt, body: list[ast.stmt], previous: list[ast.stmt] | None = None) -> list[ast.stmt]:
        """What becomes of one `backward`; the steps that take its gradients."""
        if self.kept:
            above, loss = self.differentiated(backward)
            if (text := leaves.backward(self.r, backward, loss)) is None:
                self.r.mark(backward, "backward", "netglot does not see by which names its weights are known")
            else:
                self.backwards[id(backward)] = above + text
            return []
        steps, gathers = self._steps_after(backward)
        if not steps:
            self.r.mark(backward, "backward", "netglot does not see which step takes these gradients")
            return []
        variables = [self.weights_of(one, body) for one in steps]
        if None in variables:
            self.r.mark(steps[variables.index(None)], "step", "netglot does not see which weights it changes")
            return []
        call = backward.value  # type: ignore[attr-defined]
        if not {k.arg for k in call.keywords} <= {"gradient", "retain_graph"} or len(call.args) > 1:
            self.r.mark(backward, "backward", "netglot does not know its options")
            return []
        if gathers and not self._gather(backward):
            self.r.mark(backward, "backward", "netglot does not see where the gathered gradients begin")
            return []
        self._write(backward, steps, variables, gathers or previous == steps)  # type: ignore[arg-type]
        return steps

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
            seen = leaves.watches(r, [backward]) if self.kept else ()
            lines = [*(f"tape.watch({one})" for one in seen), f"{name} = {text}"]
            return "with tf.GradientTape() as tape:" + "".join(
                f"\n{indent}    {one}" for one in lines
            ) + f"\n{indent}", name
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
        running = [i for i in running if not is_blind(self.r, body[i])] or running
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
        call = backward.value  # type: ignore[attr-defined]
        given = next((k.value for k in call.keywords if k.arg == "gradient"), call.args[0] if call.args else None)
        weighted = "" if given is None or r.constant(given) is None else f", output_gradients={r.text(given)}"
        text = f"tape.gradient({loss}, {wanted}{weighted})"
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
        key = "made 0" if callee(self.r, step) in (SCALED_STEP, UNSCALE) else "made"
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
        shared = local & _locals(other)
        return shared if self.r.around(mine, ast.ClassDef) is self.r.around(other, ast.ClassDef) else shared - {"self"}


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
