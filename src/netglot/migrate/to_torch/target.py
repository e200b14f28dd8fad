"""PyTorch as what is written from TensorFlow's and Keras's source."""

from __future__ import annotations

import ast
import re
from typing import Any

from netglot.migrate.declare import MISSING, Bound, Table
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras.target import GONE, Target, _alone, _in_annotation
from netglot.migrate.to_keras.training import dedented
from netglot.migrate.to_torch import functions, helpers, layers, plain, training

TABLE = Table()
for _table in (layers.table, functions.table, training.table):
    TABLE.rows.update(_table.rows)
    TABLE.marks.update(_table.marks)

DTYPES = {
    "float32": "torch.float32", "float64": "torch.float64", "float16": "torch.float16", "int32": "torch.int32",
    "int64": "torch.int64", "bool": "torch.bool", "uint8": "torch.uint8", "bfloat16": "torch.bfloat16",
    "int8": "torch.int8", "int16": "torch.int16",
}  # fmt: skip
TYPES = {
    "keras.Model": "nn.Module", "keras.layers.Layer": "Layer", "keras.Layer": "Layer", "tf.Tensor": "torch.Tensor",
    "keras.models.Model": "nn.Module", "tf.Module": "nn.Module", "keras.Sequential": "nn.Sequential",
    "keras.KerasTensor": "torch.Tensor",
}  # fmt: skip
BUILT = ("keras.Model.", "keras.Layer.", "keras.Sequential.")


class TorchTarget(Target):
    """What is written: PyTorch, with Keras's order of axes kept."""

    table = TABLE
    helpers = helpers.HELPERS
    prefixes = ("tf.", "keras.", "tensorflow.")
    packages = ("tensorflow", "keras", "tf_keras")
    bases = frozenset({"torch", "nn", "F", "math", "np", "functools", "copy", "operator", "types", "warnings"})

    def __init__(self, name: str = "torch"):
        super().__init__(name)
        self.conversions |= {
            "dtype": self._dtype,
            "sizes": functions.sizes,
            "many": functions.sizes,
            "t": functions.as_tensor,
        }

    def helper_needs(self, helper: str) -> list[str]:
        return helpers.needs(helper)

    def spell(self, text: str, r: Rewriter) -> str:
        for word in re.findall(r"(?<![\w.])(torch|nn|F|functools|copy|operator|warnings|math|np)\.", text):
            r.imports.add(word)

        def helper(match: re.Match) -> str:
            return r.need(match[1]) if match[1] in self.helpers else match[1]

        return re.sub(r"(?<![\w.\"'])([A-Za-z_]\w*)(?=\(|,|\)|$)", helper, text) if text.strip() else text

    def _dtype(self, c: Bound, name: str, text: str) -> str:
        value = c.literal(name)
        if isinstance(value, str):
            c.rewriter.imports.add("torch")
            return DTYPES.get(value, text)
        return text

    # -- expressions

    def call(self, r: Rewriter, node: ast.Call) -> str | None:
        fact, function = r.fact(node), node.func
        dotted, callees = r.dotted(function), list(fact.callees)
        if dotted is not None and (not callees or not callees[0].startswith(self.prefixes)):
            callees = [dotted] if not callees or dotted.startswith(self.prefixes) else callees
        receiver = function.value if isinstance(function, ast.Attribute) else None
        if not callees:
            return None
        if all(c.startswith("call:") for c in callees):
            return self._module_called(r, node, callees)
        if receiver is not None and dotted is None:
            if any(c.startswith(BUILT) for c in callees):
                return self._method(r, node, callees[0], receiver)
            if any(c.startswith("user:") and c.endswith(".call") for c in callees):
                return f"{r.text(receiver)}.forward({self._without_training(r, node)})"
        if receiver is not None and dotted is None:
            if callees[0].startswith("tf.data.Dataset."):
                return None if callees[0].rpartition(".")[2] in training.DATASET else self._unknown(r, node, callees[0])
            if callees[0] == "tf.GradientTape.gradient" and len(node.args) == 2:
                weights = f"list({r.text(node.args[1])})"
                return self.spell("torch.autograd.grad(", r) + f"{r.text(node.args[0])}, {weights}, allow_unused=True)"
            if callees[0].startswith("keras.Optimizer.apply_gradients") and len(node.args) == 1:
                return self.spell("apply_gradients(", r) + f"{r.text(receiver)}, {r.text(node.args[0])})"
            if callees[0].startswith("keras.Metric."):
                return None
        framework = [c for c in callees if c.startswith(self.prefixes)]
        if not framework:
            return None
        if dotted is None and receiver is not None and framework[0].startswith(("tf.Tensor.", "tf.TensorShape.")):
            made = r.called(node, framework, receiver=receiver)
        elif dotted is None:
            return None if isinstance(function, ast.Name) else self._unknown(r, node, framework[0])
        else:
            made = r.called(node, framework)
        return made if made is not None else self._unknown(r, node, framework[0])

    def _unknown(self, r: Rewriter, node: ast.Call, name: str) -> str:
        r.mark(node, name, self.table.marks.get(name, "netglot does not know this function"))
        return r.composed_kept(node)

    def _without_training(self, r: Rewriter, node: ast.Call) -> str:
        """The arguments of a call without `training=...`: a PyTorch module knows by itself whether it trains."""
        gone = [k for k in node.keywords if k.arg == "training"]
        if not gone:
            return r.arguments(node)
        value = gone[0].value
        if isinstance(value, ast.Constant) and r._state.get("module"):
            r.mark(node, "training", f"a part of the network is always {'' if value.value else 'not '}training here")
        parts = [r.text(one) for one in (*node.args, *(k for k in node.keywords if k not in gone))]
        return ", ".join(parts)

    def _module_called(self, r: Rewriter, node: ast.Call, callees: list[str]) -> str | None:
        if any(k.arg == "training" for k in node.keywords) or not r._state.get("module"):
            return self._mode(r, node, callees) + f"({self._without_training(r, node)})"
        parameter = r._state.get("training")
        if parameter and any(isinstance(a, ast.Name) and a.id == "training" for a in node.args):
            kept = [a for a in node.args if not (isinstance(a, ast.Name) and a.id == "training")]
            parts = [r.text(one) for one in (*kept, *node.keywords)]
            return f"{r.text(node.func)}({', '.join(parts)})"
        return None

    def _mode(self, r: Rewriter, node: ast.Call, callees: list[str]) -> str:
        """What is called; a network that is called from outside is told whether it trains, as Keras is by the call."""
        text = r.text(node.func)
        layers_only = all(c.removeprefix("call:").startswith("keras.layers.") for c in callees)
        symbols = r.fact(node).kinds == ["tensor"] and any(-1 in shape for shape in r.fact(node).shapes)
        if (
            r._state.get("module")
            or layers_only
            or symbols
            or any("user:" not in c and "keras." not in c for c in callees)
        ):
            return text
        if any(
            c.startswith("call:keras.") and not c.startswith(("call:keras.Sequential", "call:keras.Model"))
            for c in callees
        ):
            return text
        flag = next((k.value for k in node.keywords if k.arg == "training"), None)
        value = r.constant(flag) if flag is not None else False
        if value in (True, False) and value is not MISSING:
            return f"{text}.train()" if value else f"{text}.eval()"
        return f"{text}.train({r.text(flag)})"

    def _method(self, r: Rewriter, node: ast.Call, name: str, receiver: ast.AST) -> str | None:
        short, value = name.rpartition(".")[2], r.text(receiver)
        if short == "__init__":
            if name.startswith("keras.Model.") and len(node.args) == 2:
                return None
            r.touch(node)
            return f"{value}.__init__()"
        if name == "keras.Sequential.add":
            return None
        if short == "add_weight":
            kept = [r.text(k) for k in node.keywords if k.arg not in ("name", "dtype")]
            return f"{value}.add_weight({', '.join([*(r.text(a) for a in node.args), *kept])})"
        if short == "build" and isinstance(receiver, ast.Call):
            return None
        if short in training.METHODS and (made := self._trained(r, node, short, value)) is not None:
            return made
        if short == "count_params":
            return f"sum(p.numel() for p in {value}.parameters())"
        r.mark(node, name, self.table.marks.get(name, "netglot does not know this method"))
        return r.composed_kept(node)

    def _trained(self, r: Rewriter, node: ast.Call, short: str, value: str) -> str | None:
        """`compile`, `fit`, `evaluate` and `predict` as functions of the network; None where an option is unknown."""
        unknown = [k.arg for k in node.keywords if k.arg not in training.KNOWN[short]]
        if unknown or any(isinstance(a, ast.Starred) for a in node.args):
            r.mark(node, short, f"its option {', '.join(map(str, unknown))} is not carried over")
            return r.composed_kept(node)
        if short == "compile":
            parts = ", ".join([value, *self._prepared(r, node)])
            return self.spell("prepare(", r) + parts + ")"
        parts = ", ".join([value, *(r.text(one) for one in (*node.args, *node.keywords))])
        return self.spell(f"{training.METHODS[short]}(", r) + parts + ")"

    def _prepared(self, r: Rewriter, node: ast.Call) -> list[str]:
        """The arguments of `compile`; what is named by a string is the function of that name."""
        given = list(zip(("optimizer", "loss", "metrics"), node.args, strict=False))
        given += [(str(k.arg), k.value) for k in node.keywords]
        if "optimizer" not in dict(given):
            given.insert(0, ("optimizer", ast.Constant("rmsprop")))
        return [f"{name}={self._named(r, name, value)}" for name, value in given]

    def _named(self, r: Rewriter, name: str, node: ast.expr) -> str:
        known = training.NAMED[name]
        if name == "metrics" and isinstance(node, (ast.List, ast.Tuple)):
            names = [r.constant(one) for one in node.elts]
            if all(isinstance(one, str) and one in known for one in names):
                return "{" + ", ".join(f'"{one}": {r.need(known[one])}' for one in names) + "}"
        value = r.constant(node)
        if isinstance(value, str) and value.lower() in known:
            made = r.need(known[value.lower()])
            return self.spell("functools.partial(mean_of, ", r) + f"{made})" if name == "loss" else made
        if value is None or (name != "metrics" and isinstance(node, ast.Call)):
            return r.text(node)
        return self.spell(f"{name}_named(", r) + f"{r.text(node)})"

    def attribute(self, r: Rewriter, node: ast.Attribute) -> str | None:
        if (dotted := r.dotted(node)) is not None:
            return self.reference(r, node, dotted)
        owners = r.fact(node).names or r.fact(node.value).kinds
        if any(o.startswith("module:") for o in owners):
            known = {"trainable_variables": "parameters()", "trainable_weights": "parameters()", "units": "units"}
            if node.attr in known:
                return f"{r.text(node.value)}.{known[node.attr]}"
        return None

    def name_node(self, r: Rewriter, node: ast.Name) -> str | None:
        if isinstance(node.ctx, ast.Load) and (dotted := r.dotted(node)) is not None:
            return self.reference(r, node, dotted)
        if node.id == "training" and isinstance(node.ctx, ast.Load) and r._state.get("training"):
            return "self.training"
        return None

    def reference(self, r: Rewriter, node: ast.AST, dotted: str) -> str | None:
        if not dotted.startswith(self.prefixes):
            return None
        parent = r.parent(node)
        if isinstance(parent, ast.Attribute) and parent.value is node:
            return None
        if dotted in TYPES and (_in_annotation(r, node) or isinstance(parent, (ast.Call, ast.Tuple))):
            return self.spell(TYPES[dotted] + ("(" if "." not in TYPES[dotted] else ""), r).removesuffix("(")
        short = dotted.rpartition(".")[2]
        if dotted.startswith("tf.") and short in DTYPES and dotted.count(".") == 1:
            r.imports.add("torch")
            return DTYPES[short]
        if adapter := self.adapter(r, dotted):
            return adapter
        r.mark(node, dotted, self.table.marks.get(dotted, "netglot does not know it"))
        r.composed_kept(node)
        return None

    def binary(self, r: Rewriter, node: ast.BinOp) -> str | None:
        return None

    def subscript(self, r: Rewriter, node: ast.Subscript) -> str | None:
        return None

    # -- statements

    def block(self, r: Rewriter, node: ast.AST, render: Any) -> str | None:
        return None

    def class_(self, r: Rewriter, node: ast.ClassDef) -> str | None:
        module = r.file.classes.get(node.name, {}).get("kind") == "module"
        outer = dict(r._state)
        r._state["module"] = module

        def render(child: ast.AST) -> str:
            dotted = r.dotted(child) if child in node.bases else None
            if dotted is not None and dotted.startswith(self.prefixes):
                write = TYPES.get(dotted)
                if write is None:
                    r.mark(node, dotted, "netglot does not know how to derive from it")
                    return r.composed_kept(child)
                r.touch(child)
                return self.spell(write + "(", r)[:-1] if "." not in write else self.spell(write, r)
            return r.text(child)

        decorators = [d for d in node.decorator_list if _serialised(r, d)]
        made = r.spans.composed(node, render)
        if decorators:
            made = made[made.index("class " + node.name) :]
        r._state["module"] = outer.get("module")
        return made

    def function(self, r: Rewriter, node: ast.FunctionDef) -> str | None:
        inside = isinstance(r.parent(node), ast.ClassDef) and r._state.get("module")
        outer = r._state.get("training")
        names = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
        r._state["training"] = bool(inside and "training" in names)
        gone = [d for d in node.decorator_list if r.dotted(getattr(d, "func", d)) == "tf.function"]
        made = r.spans.composed(node, lambda child: "\0decorator" if child in gone else r.text(child))
        made = re.sub(r"@\0decorator[ \t]*(#[^\n]*)?\n[ \t]*", "", made)
        if inside and "training" in names:
            made = _without_parameter(made)
        r._state["training"] = outer
        if inside and node.name == "call":
            made = re.sub(r"(?m)^(\s*def )call\b", r"\1forward", made, count=1)
            r.rewritten.add(node.lineno)
        return made

    def assign(self, r: Rewriter, node: ast.Assign) -> str | None:
        """Layers in a list or a dictionary are the network's only in a `ModuleList` or a `ModuleDict`."""
        target = node.targets[0]
        if (made := plain.added(r, node)) is not None:
            r._state["added"] = {**r._state.get("added", {}), **made}
            return made[id(node)]
        if len(node.targets) > 1 or not r._state.get("module") or not isinstance(target, ast.Attribute):
            return None
        facts = [r.fact(node.value)] + [
            r.fact(one) for one in ast.walk(r.file.tree)
            if isinstance(one, ast.Attribute) and one.attr == target.attr and isinstance(one.ctx, ast.Load)
        ]  # fmt: skip
        items = {item for fact in facts for item in fact.items}
        if not items or not all(item.startswith("module:") for item in items):
            return None
        kind = "Dict" if isinstance(node.value, ast.Dict) or r.fact(node.value).kinds == ["dict"] else "List"
        if isinstance(node.value, ast.Call) and kind == "List" and r.fact(node.value).kinds != ["list"]:
            return None
        r.touch(node)
        return f"{r.text(target)} = " + self.spell(f"nn.Module{kind}(", r) + f"{r.text(node.value)})"

    def augmented(self, r: Rewriter, node: ast.AugAssign) -> str | None:
        return None

    def expression_statement(self, r: Rewriter, node: ast.Expr) -> str | None:
        call = node.value
        if (made := r._state.get("added", {}).get(id(node))) is not None:
            return made or GONE
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return None
        name = (r.fact(call).callees or [""])[0]
        if name.endswith(".summary") and name.startswith(BUILT):
            return f"print({r.text(call.func.value)})"
        if name.endswith(".build") and name.startswith(BUILT) and not isinstance(call.func.value, ast.Call):
            return "pass" if _alone(r, node) else GONE
        return None

    def for_(self, r: Rewriter, node: ast.For) -> str | None:
        return None

    def with_(self, r: Rewriter, node: ast.With) -> str | None:
        """What runs under a tape runs as it is: PyTorch remembers it anyway."""
        names = [(r.fact(item.context_expr).callees or [""])[0] for item in node.items]
        if names != ["tf.GradientTape"]:
            return None
        return dedented(_Plain(), r, node)

    # -- the file

    def _import_lines(self, r: Rewriter, text: str) -> list[str]:
        have = set(r.aliases)
        standard = [
            f"import {n}"
            for n in ("copy", "functools", "math", "operator", "types", "warnings")
            if n in r.imports and n not in have
        ]
        lines = standard
        if "np" in r.imports and "np" not in have:
            lines.append("import numpy as np")
        if r.imports & {"torch", "nn", "F"}:
            lines.append("import torch")
        if "F" in r.imports:
            lines.append("import torch.nn.functional as F")
        if "nn" in r.imports:
            lines.append("from torch import nn")
        return lines


class _Plain:
    """No tape is put around anything."""


def _serialised(r: Rewriter, node: ast.AST) -> bool:
    return "register_keras_serializable" in r.source(node)


def _without_parameter(text: str) -> str:
    """A function without its parameter `training`."""
    return re.sub(r",\s*training(\s*:\s*[\w.\[\] |]+)?(\s*=\s*\w+)?(?=\s*[,)])", "", text, count=1)


__all__ = ["MISSING", "Any", "TorchTarget"]
