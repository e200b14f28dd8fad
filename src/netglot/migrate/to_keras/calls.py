"""Calls: of the framework's functions, of modules, of tensors' methods, of the user's own."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import (
    attributes,
    early,
    leaves,
    loops,
    modes,
    names,
    places,
    states,
    training,
)
from netglot.migrate.to_keras.asking import (
    asks_parameters,
    calls_parent,
    read_after,
)
from netglot.migrate.to_keras.words import Words

_RECURRENT = ("RNN", "LSTM", "GRU")


_OBJECTS = (
    "torch.nn.Module.", "torch.nn.ModuleList.", "torch.nn.ModuleDict.", "torch.nn.ParameterList.", "torch.nn.ParameterDict.",
    "torch.nn.Sequential.", "torch.optim.",
    "torch.utils.data.", "torch.amp.", "torch.cuda.amp.",
)  # fmt: skip


POOLS = {"MaxPool": "max_pool", "AvgPool": "avg_pool", "AdaptiveAvgPool": "adaptive_pool"}
"""The functions that stand for layers of PyTorch which hold no weights."""


DISTRIBUTIONS = {f"torch.distributions.{name}" for name in ("Categorical", "Bernoulli", "Normal")}
DRAWS = ("sample", "rsample", "log_prob", "entropy")
"""What helpers of the same names do."""


class Calls(Words):
    """Calls: of the framework's functions, of modules, of tensors' methods, of the user's own."""

    def call(self, r: Rewriter, node: ast.Call) -> str | None:
        """A call; a function that takes gradients elsewhere than the forward pass is given the tape."""
        made = self.plain_call(r, node)
        plan = r._state.get("plan")
        if plan is None or id(node) not in plan.givers:
            return made
        made = made if made is not None else r.spans.composed(node, r.text)
        start = len(made) - len(made[made.index("(") :]) + 1
        return f"{made[:start]}tape{'' if made[start:].startswith(')') else ', '}{made[start:]}"

    def plain_call(self, r: Rewriter, node: ast.Call) -> str | None:
        fact = r.fact(node)
        function = node.func
        dotted = r.dotted(function)
        callees = list(fact.callees)
        if (size := attributes.weight_size(self, r, node)) is not None:
            return size
        if dotted is not None and not callees:
            callees = [dotted]
        receiver = function.value if isinstance(function, ast.Attribute) else None
        if calls_parent(node):
            passed = ", training=training" if r._state.get("training") else ""
            return f"{r.text(receiver)}.call({r.arguments(node)}{passed})"
        if not callees:
            return self._unseen(r, node, function)
        if callees[0] == leaves.TAKEN:
            return self.taken(r, node, single=False)
        if callees[0] == "torch.Tensor.requires_grad_" and receiver is not None:
            return leaves.required(r, node, receiver)
        if callees[0] == loops.BACKWARD and isinstance(r.parent(node), ast.Expr):
            if not any(one.line == node.lineno for one in r.marks):  # else the plan of the loop has said why
                r.mark(node, "backward", "netglot does not see what it differentiates")
            return r.composed_kept(node)
        tensors = [c for c in callees if c.startswith(("torch.Tensor.", "torch.Size."))]
        if tensors and len(tensors) == len(callees) and isinstance(function, ast.Attribute) and dotted is None:
            made = r.called(node, [self._made_anew(one) for one in callees], receiver=receiver)
            if made is None:
                r.mark(node, callees[0], "netglot does not know this method")
                return r.composed_kept(node)
            anew = callees[0].endswith("_") and not callees[0].endswith(("__", "requires_grad_"))
            if (
                anew
                and isinstance(receiver, ast.Name)
                and read_after(r, node, receiver)
                and not leaves.is_leaf(r, receiver)
            ):
                return f"({receiver.id} := {made})"
            changed = places.changes(r, node)[0] if anew else None
            if isinstance(changed, (ast.Attribute, ast.Subscript)) and not leaves.is_gradient(changed):
                r.mark(node, places.REASON, f"PyTorch changes {r.source(changed)} itself")
            return made
        if all(c.startswith("call:") for c in callees):
            if receiver is not None and r.fact(receiver).kinds == ["module:torch.nn.ModuleDict"]:
                return f'{r.text(receiver)}["{function.attr}"]({r.arguments(node)})'
            return training.called(self, r, node, callees, fact)
        if receiver is not None and dotted is None:
            if all(c.rpartition(".")[0] in DISTRIBUTIONS and c.rpartition(".")[2] in DRAWS for c in callees):
                return None
            if any(c.startswith(_OBJECTS) for c in callees):
                return training.method(self, r, node, callees, receiver)
            if any(c.startswith("user:") and c.endswith(".forward") for c in callees):
                return f"{r.text(receiver)}.call({r.arguments(node)})"
        framework = [c for c in callees if c.startswith(self.prefixes)]
        if not framework:
            return self._users(r, node, callees, fact)
        if dotted is None:
            if receiver is not None and not isinstance(r.parent(node), ast.Expr) and len(framework) == len(callees):
                known = all(self.table.find(c) for c in callees)
                if not known:
                    r.mark(node, callees[0], self.reason(callees[0]))
                    return r.composed_kept(node)
                return r.called(node, framework, receiver=receiver)
            return None  # what is called is a value, written where it is named
        made = r.called(node, framework)
        if made is None:
            r.mark(node, framework[0], self.reason(framework[0]))
            return r.composed_kept(node)
        return made if framework[0] == "torch.nn.Parameter" else leaves.made(r, node, made)

    def taken(self, r: Rewriter, node: ast.Call, single: bool) -> str:
        """Gradients that are asked for by hand."""
        plan = loops.plan(r)
        made = leaves.taken(r, node, plan.asked if plan is not None else {}, single)
        if made is None:
            r.mark(node, leaves.TAKEN, "netglot does not see what it differentiates")
            return r.composed_kept(node)
        return made

    def is_instance(self, r: Rewriter, value: ast.AST, kinds: ast.AST) -> str:
        """`isinstance`; whether something is a tensor is asked by Keras's own question."""
        every = kinds.elts if isinstance(kinds, (ast.Tuple, ast.List, ast.Set)) else [kinds]
        tensors = [one for one in every if r.dotted(one) == "torch.Tensor"]
        pools = {POOLS[one]: None for each in every if (one := (r.dotted(each) or "").rpartition(".")[2][:-2]) in POOLS}
        rest = [
            one for one in every if one not in tensors and (r.dotted(one) or "").rpartition(".")[2][:-2] not in POOLS
        ]
        texts = [self.spell("keras.ops.is_tensor(", r) + f"{r.text(value)})"] if tensors else []
        across = len(r.project.files) > 1  # each file has classes and functions of its own for what Keras lacks
        for one in pools:
            held = f'getattr({r.text(value)}, "function", None)'
            named = f'getattr({held}, "__name__", "") == "{one}"'
            texts.append(named if across else f"{held} is " + self.spell(f"{one}(", r)[:-1])
        if across:
            own = {one: names.class_of(r.dotted(one) or "") for one in rest}
            texts += [
                f'type({r.text(value)}).__name__ == "{name}"'
                for name in dict.fromkeys(n for n in own.values() if n in self.helpers and n not in names.DERIVED)
            ]
            rest = [one for one in rest if own[one] not in self.helpers or own[one] in names.DERIVED]
        if rest:
            asked = rest[0] if len(rest) == 1 else ast.Tuple(elts=rest, ctx=ast.Load())
            texts.append(f"isinstance({r.text(value)}, {self.class_text(r, asked, across)})")
        return texts[0] if len(texts) == 1 else f"({' or '.join(texts)})"

    def _chosen(self, r: Rewriter, node: ast.Call, fact: Any) -> str | None:
        """`getattr(nn, kind)` as a choice among what it was."""
        if len(node.args) != 2 or (r.dotted(node.args[0]) or "").partition(".")[0] not in self.packages:
            return None
        seen = [value for value in fact.values if isinstance(value, str) and value.startswith(self.prefixes)]
        if not seen or any(value.rpartition(".")[2] in _RECURRENT for value in seen):
            seen = [*seen, *(f"torch.nn.{one}" for one in _RECURRENT)]
        texts = {one.rpartition(".")[2]: self.adapter(r, one) for one in dict.fromkeys(seen)}
        if None in texts.values():
            return None
        return "{" + ", ".join(f'"{key}": {text}' for key, text in texts.items()) + "}[" + r.text(node.args[1]) + "]"

    def _made_anew(self, callee: str) -> str:
        """The method that makes a new tensor, for one that changes its own: `mul` for `mul_`."""
        plain = callee.removesuffix("_")
        return plain if self.table.find(plain) and not self.table.find(callee) else callee

    def _users(self, r: Rewriter, node: ast.Call, callees: list[str], fact: Any) -> str | None:
        """A call of the user's own functions, of Python's or of another library's."""
        name = callees[0]
        if (made := modes.method(r, node, callees, fact)) is not None:
            return made
        if (
            name == "builtins.hasattr"
            and (r.dotted(node.args[0]) or "").startswith("torch.")
            and fact.kinds == ["bool"]
        ):
            return str(fact.values[0])
        if name == "builtins.getattr" and (made := self._chosen(r, node, fact)) is not None:
            return made
        if name == "copy.deepcopy" and node.args and any(k.startswith("module:") for k in r.fact(node.args[0]).kinds):
            if fact.extra.get("fresh"):
                early.touched(r)
            return self.spell("clone(", r) + f"{r.text(node.args[0])})"
        if name == "builtins.next" and len(node.args) == 1 and asks_parameters(node.args[0]):
            return f"next(iter({r.text(node.args[0])}), " + self.spell("ops.zeros(()))", r)
        if name == "builtins.getattr" and (given := attributes.given(r, node)) is not None:
            return given
        if name == "builtins.hasattr" and (made := attributes.asked(self, r, node)) is not None:
            return made
        if name == "builtins.isinstance" and len(node.args) == 2:
            return self.is_instance(r, node.args[0], node.args[1])
        weights = [one for one in node.args if isinstance(one, ast.Attribute) and r.fact(one).kinds == ["tensor"]]
        if name in ("builtins.zip", "builtins.enumerate", "builtins.list", "builtins.iter") and weights:
            return r.spans.composed(node, lambda one: self._rows(r, one) if one in weights else r.text(one))
        if name in ("builtins.int", "builtins.float", "builtins.bool") and len(node.args) == 1:
            fact = r.fact(node.args[0])
            if fact.kinds == ["tensor"] and any(fact.ranks):
                return f"{r.text(node.func)}(" + self.spell("ops.squeeze(", r) + f"{r.text(node.args[0])}))"
        takers = ("builtins.len", "builtins.enumerate", "builtins.list", "builtins.reversed", "builtins.iter")
        if name in takers and node.args and self.sequential(r, node.args[0]):
            inner = r.parenthesised(node.args[0], r.text(node.args[0])) + ".layers"
            rest = "".join(f", {r.text(one)}" for one in node.args[1:])
            return f"{r.text(node.func)}({inner}{rest})"
        return None

    def _rows(self, r: Rewriter, node: ast.AST) -> str:
        """A weight as the list of its rows: Keras's variables are not gone through."""
        return self.spell("ops.unstack(", r) + f"{r.text(node)})"

    def _unseen(self, r: Rewriter, node: ast.Call, function: ast.AST) -> str | None:
        """A call that never ran: a method that only tensors have is taken for one, and marked."""
        if not isinstance(function, ast.Attribute) or function.attr in names.COMMON_METHODS:
            return None
        if isinstance(function.value, ast.Name) and function.value.id in r.aliases:
            return None
        if function.attr == "forward":
            return f"{r.text(function.value)}.call({r.arguments(node)})"
        if function.attr in ("cuda", "cpu"):
            return r.text(function.value)
        if function.attr in ("state_dict", "load_state_dict", "parameters", "named_parameters"):
            owner = "torch.nn.Module" if states.looks_like_network(r, function.value) else "torch.optim.Optimizer"
            made = training.method(self, r, node, [f"{owner}.{function.attr}"], function.value)
            r.doubt(node)
            return made
        name = f"torch.Tensor.{function.attr}"
        if not self.table.find(name):
            return None
        made = r.called(node, [name], receiver=function.value)
        r.doubt(node)
        return made
