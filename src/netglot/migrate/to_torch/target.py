"""PyTorch as what is written from TensorFlow's and Keras's source."""

from __future__ import annotations

import ast
import re
from typing import Any

from netglot.migrate.declare import MISSING, Bound, Table
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import names
from netglot.migrate.to_keras.asking import in_annotation, stands_alone
from netglot.migrate.to_keras.target import Target
from netglot.migrate.to_keras.training import dedented
from netglot.migrate.to_keras.words import GONE
from netglot.migrate.to_torch import (
    algebra,
    bases,
    compiling,
    functions,
    helpers,
    layers,
    penalties,
    plain,
    tapes,
    training,
    unseen,
)

TABLE = Table()
for _table in (layers.table, functions.table, algebra.table, training.table):
    for _name, _rows in _table.rows.items():
        TABLE.rows.setdefault(_name, []).extend(_rows)
    TABLE.marks.update(_table.marks)

DTYPES = {
    "float32": "torch.float32", "float64": "torch.float64", "float16": "torch.float16", "int32": "torch.int32",
    "int64": "torch.int64", "bool": "torch.bool", "uint8": "torch.uint8", "bfloat16": "torch.bfloat16",
    "int8": "torch.int8", "int16": "torch.int16", "double": "torch.float64", "half": "torch.float16",
}  # fmt: skip
TYPES = {
    "keras.Model": "nn.Module", "keras.layers.Layer": "Layer", "keras.Layer": "Layer", "tf.Tensor": "torch.Tensor",
    "keras.models.Model": "nn.Module", "tf.Module": "nn.Module", "keras.Sequential": "nn.Sequential",
    "keras.KerasTensor": "torch.Tensor", "keras.losses.Loss": "Loss", "keras.metrics.Metric": "Metric",
    "keras.Metric": "Metric", "keras.Loss": "Loss", "keras.Optimizer": "Optimizer",
    "keras.callbacks.Callback": "Callback", "keras.optimizers.schedules.LearningRateSchedule": "LearningRateSchedule",
    "tf.data.Dataset": "Dataset", "keras.utils.Sequence": "object", "keras.utils.PyDataset": "object",
    "tf.Variable": "nn.Parameter", "keras.optimizers.Optimizer": "Optimizer",
}  # fmt: skip
CONSTANTS = {
    "tensorflow.newaxis": "None", "tf.newaxis": "None", "tensorflow.data.AUTOTUNE": "None", "tf.data.AUTOTUNE": "None",
    "tensorflow.data.experimental.AUTOTUNE": "None", "tf.data.experimental.AUTOTUNE": "None",
    "tensorflow.__version__": "torch.__version__", "keras.__version__": "torch.__version__",
}  # fmt: skip
STANDARD = (
    "collections",
    "copy",
    "csv",
    "functools",
    "inspect",
    "itertools",
    "math",
    "operator",
    "os",
    "re",
    "types",
    "warnings",
)
"""Python's own modules that helpers use."""
BUILT = ("keras.Model.", "keras.Layer.", "keras.Sequential.")


class TorchTarget(Target):
    """What is written: PyTorch, with Keras's order of axes kept."""

    table = TABLE
    helpers = helpers.HELPERS
    prefixes = ("tf.", "keras.", "tensorflow.")
    packages = ("tensorflow", "keras", "tf_keras")
    bases = frozenset({"torch", "nn", "F", "np", "torchvision", "Path", "Image", *STANDARD})

    words = unseen.WORDS

    def __init__(self, name: str = "torch"):
        super().__init__(name)
        self.conversions |= {
            "dtype": self._dtype,
            "sizes": functions.sizes,
            "many": functions.sizes,
            "t": functions.as_tensor,
        }

    def helper_needs(self, helper: str) -> list[str]:
        return list(helpers.needs(helper))

    def defined(self, r: Rewriter, name: str, alias: str) -> str:
        return helpers.renamed(self.helpers[name], r.helpers)

    def spell(self, text: str, r: Rewriter) -> str:
        for word in re.findall(r"(?<![\w.])(torch|nn|F|functools|copy|operator|warnings|math|np|torchvision)\.", text):
            r.imports.add(word)

        def helper(match: re.Match) -> str:
            return r.need(match[1]) if match[1] in self.helpers else match[1]

        return re.sub(r"(?<![\w.\"'])([A-Za-z_]\w*)(?=\(|,|\)|\.|$)", helper, text) if text.strip() else text

    def _dtype(self, c: Bound, name: str, text: str) -> str:
        value = c.literal(name)
        if isinstance(value, str):
            c.rewriter.imports.add("torch")
            return DTYPES.get(value, text)
        return text

    def doubtful(self, r: Rewriter, node: ast.AST) -> bool:
        return unseen.doubtful_statement(r, node) if isinstance(node, ast.stmt) else unseen.doubtful(r, node)

    # -- expressions

    def call(self, r: Rewriter, node: ast.Call) -> str | None:
        fact, function = r.fact(node), node.func
        dotted, callees = r.dotted(function), list(fact.callees)
        if _begins_module(r, node):
            r.touch(node)
            return "super().__init__()"
        if dotted is not None and (not callees or not callees[0].startswith(self.prefixes)):
            callees = [dotted] if not callees or dotted.startswith(self.prefixes) else callees
        receiver = function.value if isinstance(function, ast.Attribute) else None
        if not callees:
            return self._unseen(r, node, function)
        if all(c.startswith("call:") for c in callees):
            return self._module_called(r, node, callees)
        if receiver is not None and dotted is None:
            if any(c.startswith(BUILT) for c in callees):
                return self._method(r, node, callees[0], receiver)
            if any(c.startswith("user:") and c.endswith(".call") for c in callees):
                return f"{r.text(receiver)}.forward({self._without_training(r, node)})"
        if (
            receiver is not None
            and dotted is None
            and (made := self._object(r, node, callees[0], receiver)) is not None
        ):
            return made or None
        framework = [c for c in callees if c.startswith(self.prefixes)]
        if not framework:
            return None
        if dotted is None and receiver is not None and framework[0].startswith(("tf.Tensor.", "tf.TensorShape.")):
            made = r.called(node, framework, receiver=receiver)
        elif dotted is None:
            held = isinstance(function, ast.Name) or _holds(r, receiver)
            return None if held else self._unknown(r, node, framework[0])
        else:
            made = penalties.penalised(self, r, node, framework)
        return made if made is not None else self._unknown(r, node, framework[0])

    def _unseen(self, r: Rewriter, node: ast.Call, function: ast.AST) -> str | None:
        """A call that never ran: a method that only tensors or networks have is taken for theirs, and marked."""
        if not isinstance(function, ast.Attribute) or r.fact(node).count:
            return None
        name, owner = function.attr, r.source(function.value)
        made = None
        if f"tf.Tensor.{name}" in self.table.rows and name not in names.COMMON_METHODS:
            made = r.called(node, [f"tf.Tensor.{name}"], receiver=function.value)
        elif (name in training.METHODS or name in FILES or name == "summary") and _called_network(r, owner):
            made = (
                f"print({owner})" if name == "summary" else self._method(r, node, f"keras.Model.{name}", function.value)
            )
        if made is not None:
            r.doubt(node)
        return made

    def _object(self, r: Rewriter, node: ast.Call, callee: str, receiver: ast.AST) -> str | None:
        """A method of an object of TensorFlow that is no layer; empty text where the helper has the same method."""
        short = callee.rpartition(".")[2]
        if callee.startswith("tf.data.Dataset."):
            return "" if short in training.DATASET else self._unknown(r, node, callee)
        if callee == "tf.GradientTape.gradient":
            return tapes.gradient(self, r, node)
        if callee == "tf.GradientTape.watch":
            return f"{r.text(node.args[0])}.requires_grad_()"
        if callee.startswith("keras.Optimizer."):
            value = r.text(receiver)
            if short == "apply_gradients" and len(node.args) == 1:
                return f"{r.need('apply_gradients')}({value}, {r.text(node.args[0])})"
            if short == "apply" and len(node.args) == 2:
                return f"{r.need('apply_gradients')}({value}, zip({', '.join(r.text(one) for one in node.args)}))"
            if short == "minimize":
                given = [r.text(one) for one in (*node.args, *(k.value for k in node.keywords if k.arg != "tape"))]
                return f"{r.need('minimize')}({value}, {', '.join(given)})"
            return self._unknown(r, node, callee)
        if callee.startswith("keras.Metric."):
            return (
                ""
                if short in ("update_state", "result", "reset_state", "reset_states", "add_weight", "__init__")
                else self._unknown(r, node, callee)
            )
        if callee == "tf.Tensor.assign" and getattr(receiver, "attr", "") in ("learning_rate", "lr"):
            return f"{r.text(receiver)} = {r.text(node.args[0])}"
        return None

    def _unknown(self, r: Rewriter, node: ast.Call, name: str) -> str:
        r.mark(node, name, self.table.marks.get(name, "netglot does not know this function"))
        return r.composed_kept(node)

    def _without_training(self, r: Rewriter, node: ast.Call) -> str:
        """The arguments of a call without `training=...`: a PyTorch module knows by itself whether it trains."""
        gone = [k for k in node.keywords if k.arg == "training"]
        if not gone:
            if any(r.fact(one).kinds == ["array"] for one in node.args):
                return ", ".join(self._input(r, one) for one in (*node.args, *node.keywords))
            return r.arguments(node)
        value = gone[0].value
        if isinstance(value, ast.Constant) and _inherits(r, node) and r.fact(node).extra.get("moody", True):
            r.mark(node, "training", f"a part of the network is always {'' if value.value else 'not '}training here")
        parts = [self._input(r, one) for one in (*node.args, *(k for k in node.keywords if k not in gone))]
        return ", ".join(parts)

    def _input(self, r: Rewriter, node: ast.AST) -> str:
        """An argument of a network: an array becomes a tensor."""
        return f"{r.need('as_input')}({r.text(node)})" if r.fact(node).kinds == ["array"] else r.text(node)

    def _module_called(self, r: Rewriter, node: ast.Call, callees: list[str]) -> str | None:
        if callees[0].startswith(("call:keras.losses.", "call:keras.metrics.", "call:keras.initializers.")):
            return None
        if any(k.arg == "training" for k in node.keywords) or not _inherits(r, node):
            return self._mode(r, node, callees) + f"({self._without_training(r, node)})"
        parameter = r._state.get("training")
        if parameter and any(isinstance(a, ast.Name) and a.id == "training" for a in node.args):
            kept = [a for a in node.args if not (isinstance(a, ast.Name) and a.id == "training")]
            parts = [r.text(one) for one in (*kept, *node.keywords)]
            return f"{r.text(node.func)}({', '.join(parts)})"
        return None

    def _mode(self, r: Rewriter, node: ast.Call, callees: list[str]) -> str:
        """What is called; a network that is called from outside is told whether it trains, as Keras is by the call."""
        text, extra = r.text(node.func), r.fact(node).extra
        if _inherits(r, node) or extra.get("symbol") or not extra.get("moody", True):
            return text
        if any("user:" not in c and "keras." not in c for c in callees):
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
            given = {k.arg: k.value for k in node.keywords}
            if name.startswith("keras.Model.") and {"inputs", "outputs"} <= given.keys():
                return f"{value}.__init__({r.text(given['inputs'])}, {r.text(given['outputs'])})"
            r.touch(node)
            return f"{value}.__init__()"
        if name == "keras.Sequential.add":
            return None
        if short in ("add_weight", "add_loss"):
            return self._added(r, node, short, value)
        if short == "build" and isinstance(receiver, ast.Call):
            return None
        if short == "compute_mask" and set(r.fact(receiver).kinds) <= {"module:keras.layers.Embedding"}:
            return None
        if (
            short in TEXTS
            and r.fact(receiver).kinds
            and all("Lookup" in k or "TextV" in k for k in r.fact(receiver).kinds)
        ):
            return None
        if short == "get_config":
            return "{}"
        if short in training.METHODS and (made := compiling.trained(self, r, node, short, value)) is not None:
            return made
        if short == "adapt" and "module:keras.layers.Normalization" in r.fact(receiver).kinds:
            return None
        if short == "get_initial_state" and len(node.args) + len(node.keywords) == 1:
            return f"{value}.get_initial_state({', '.join(r.text(one) for one in (*node.args, *(k.value for k in node.keywords)))})"
        if short == "count_params":
            return f"sum(p.numel() for p in {value}.parameters())"
        if (
            short in FILES
            and len(node.args) == 1
            and not _beyond(node, ("overwrite", "save_format", "include_optimizer"))
        ):
            return self.spell(FILES[short].format(model=value, path="\0"), r).replace("\0", r.text(node.args[0]))
        if short in ASKED and (made := compiling.asked(r, node, short, value)) is not None:
            return made
        r.mark(node, name, self.table.marks.get(name, "netglot does not know this method"))
        return r.composed_kept(node)

    def _added(self, r: Rewriter, node: ast.Call, short: str, value: str) -> str:
        """`add_weight` and `add_loss` of a layer of the user."""
        quiet = ("name", "dtype", "autocast")
        unknown = _beyond(node, (*quiet, "shape", "initializer", "trainable"))
        if unknown:
            r.mark(node, short, f"its option {', '.join(unknown)} is not carried over")
            return r.composed_kept(node)
        kept = [r.text(k) for k in node.keywords if k.arg not in quiet]
        return f"{value}.{short}({', '.join([*(r.text(a) for a in node.args), *kept])})"

    def attribute(self, r: Rewriter, node: ast.Attribute) -> str | None:
        if (dotted := r.dotted(node)) is not None:
            return self.reference(r, node, dotted)
        owners = r.fact(node).names or r.fact(node.value).kinds
        plainly = owners == ["other"] and node.attr.startswith("trainable_") and "list" not in owners
        if not plainly and not any(o.startswith("module:") for o in owners):
            return None
        if node.attr in ("trainable_variables", "trainable_weights"):
            if r.project.freezes:
                return f"{r.need('trainable')}({r.text(node.value)})"
            return f"list({r.text(node.value)}.parameters())"
        if node.attr in ("variables", "weights") and isinstance(node.ctx, ast.Load) and "list" in r.fact(node).kinds:
            return f"list({r.text(node.value)}.state_dict().values())"
        if node.attr == "losses" and "list" in r.fact(node).kinds:
            return f"{r.need('losses_of')}({r.text(node.value)})"
        if node.attr == "output_shape" and "input" in r.fact(node).extra:
            sizes = ", ".join(map(str, r.fact(node).extra["input"][1:]))
            return f"{r.need('output_shape')}({r.text(node.value)}, {sizes})"
        if node.attr == "metrics" and isinstance(node.ctx, ast.Load) and not r.fact(node).extra.get("user"):
            return f"{r.need('metrics_of')}({r.text(node.value)})"
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
        if dotted in CONSTANTS:
            return self.spell(CONSTANTS[dotted], r)
        if dotted in TYPES and (in_annotation(r, node) or isinstance(parent, (ast.Call, ast.Tuple))):
            return self.spell(TYPES[dotted] + ("(" if "." not in TYPES[dotted] else ""), r).removesuffix("(")
        short = dotted.rpartition(".")[2]
        if dotted.startswith("tf.") and short in DTYPES and dotted.count(".") == 1:
            r.imports.add("torch")
            return DTYPES[short]
        name = training.SHORT.get(short, short)
        if dotted.startswith(("keras.losses.", "keras.metrics.", "keras.optimizers.")) and name in self.helpers:
            return r.need(name)
        if adapter := self.adapter(r, dotted):
            return adapter
        r.mark(node, dotted, self.table.marks.get(dotted, "netglot does not know it"))
        r.composed_kept(node)
        return None

    def binary(self, r: Rewriter, node: ast.BinOp) -> str | None:
        return None

    def subscript(self, r: Rewriter, node: ast.Subscript) -> str | None:
        """PyTorch's slices go forwards only: whole axes that go backwards are flipped."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        steps = [r.constant(one.step) if isinstance(one, ast.Slice) and one.step else None for one in parts]
        back = [n for n, step in enumerate(steps) if isinstance(step, int) and step < 0]
        if not back or "tensor" not in r.fact(node.value).kinds:
            return None
        bare = all(isinstance(one, ast.Slice) and one.lower is one.upper is None for one in parts)
        if not bare or set(steps) - {None, -1}:
            r.mark(node, "indexing", "PyTorch's slices go forwards only")
            return r.composed_kept(node)
        axes = ", ".join(map(str, back)) + ("," if len(back) == 1 else "")
        return self.spell("torch.flip(", r) + f"{r.text(node.value)}, ({axes}))"

    # -- statements

    def block(self, r: Rewriter, node: ast.AST, render: Any) -> str | None:
        return None

    def class_(self, r: Rewriter, node: ast.ClassDef) -> str | None:
        module = r.file.classes.get(node.name, {}).get("kind") == "module"
        outer = dict(r._state)
        r._state["module"] = module
        decorators = [d for d in node.decorator_list if _serialised(r, d)]

        def render(child: ast.AST) -> str:
            if child in decorators:
                return r.source(child)  # it goes
            dotted = r.dotted(child) if child in node.bases else None
            if dotted is not None and dotted.startswith(self.prefixes):
                write = bases.base(r, node, dotted) or TYPES.get(dotted)
                if write is None:
                    r.mark(node, dotted, "netglot does not know how to derive from it")
                    return r.composed_kept(child)
                r.touch(child)
                return self.spell(write + "(", r)[:-1] if "." not in write else self.spell(write, r)
            return r.text(child)

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
        plain = isinstance(r.parent(node), ast.ClassDef) and _plain_module(r, r.parent(node))
        if (inside and node.name == "call") or (plain and node.name == "__call__"):
            made = re.sub(rf"(?m)^(\s*def ){node.name}\b", r"\1forward", made, count=1)
            r.rewritten.add(node.lineno)
        return made

    def assign(self, r: Rewriter, node: ast.Assign) -> str | None:
        """Layers in a list or a dictionary are the network's only in a `ModuleList` or a `ModuleDict`."""
        target = node.targets[0]
        freezes = isinstance(target, ast.Attribute) and target.attr == "trainable" and len(node.targets) == 1
        if freezes and any(kind.startswith("module:") for kind in r.fact(target.value).kinds):
            return f"{r.need('set_trainable')}({r.text(target.value)}, {r.text(node.value)})"
        if (made := plain.added(r, node)) is not None:
            r._state["added"] = {**r._state.get("added", {}), **made}
            return made[id(node)]
        inside = r._state.get("module") or _plain_module(r, r.around(node, ast.ClassDef))
        if len(node.targets) > 1 or not inside or not isinstance(target, ast.Attribute):
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
        """`x += y` makes a new tensor in TensorFlow: so it does here, unless x only gathers from a number on."""
        target = node.target
        if not isinstance(target, ast.Name) or type(node.op) not in SIGNS or _gathers(r, target):
            return None
        fact = r.fact(target)
        plain = bool(fact.kinds) or r.unseen.ran(node) or functions.PLAIN.search(target.id)
        if "tensor" not in fact.kinds and plain:
            return None
        r.touch(node)
        value = r.text(node.value)
        if isinstance(node.value, (ast.BinOp, ast.IfExp, ast.BoolOp, ast.Compare, ast.Lambda, ast.Tuple)):
            value = f"({value})"
        return f"{target.id} = {target.id} {SIGNS[type(node.op)]} {value}"

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
            return "pass" if stands_alone(r, node) else GONE
        return None

    def for_(self, r: Rewriter, node: ast.For) -> str | None:
        return None

    def delete(self, r: Rewriter, node: ast.Delete) -> str | None:
        """A tape that is let go is not there at all."""
        kept = [one for one in node.targets if not tapes.is_tape(r, one)]
        if len(kept) == len(node.targets):
            return None
        rest = "del " + ", ".join(r.text(one) for one in kept)
        return rest if kept else "pass" if stands_alone(r, node) else GONE

    def with_(self, r: Rewriter, node: ast.With) -> str | None:
        """What runs under a tape runs as it is: PyTorch remembers it anyway."""
        names = [tapes.opened(r, item) for item in node.items]
        if set(names) != {"tf.GradientTape"}:
            return None
        return dedented(_Plain(), r, node)

    # -- the file

    def _import_lines(self, r: Rewriter, text: str) -> list[str]:
        have = set(r.aliases)
        lines = [f"import {name}" for name in STANDARD if name in r.imports and name not in have]
        if "Path" in r.imports and "Path" not in have:
            lines.append("from pathlib import Path")
        if "np" in r.imports and "np" not in have:
            lines.append("import numpy as np")
        if r.imports & {"torch", "nn", "F"}:
            lines.append("import torch")
        if "F" in r.imports:
            lines.append("import torch.nn.functional as F")
        if "torchvision" in r.imports:
            lines.append("import torchvision")
        if "Image" in r.imports and "Image" not in have:
            lines.append("from PIL import Image")
        if "nn" in r.imports:
            lines.append("from torch import nn")
        return lines


ASKED = compiling.ASKED
TEXTS = ("adapt", "get_vocabulary", "set_vocabulary", "vocabulary_size")
"""Methods of the layers that turn text into numbers."""
FILES = {
    "save": "torch.save({model}.state_dict(), {path})",
    "save_weights": "torch.save({model}.state_dict(), {path})",
    "load_weights": "{model}.load_state_dict(torch.load({path}))",
}
"""Methods of a network that write and read files."""


SIGNS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.FloorDiv: "//", ast.Mod: "%",
    ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|",
}  # fmt: skip


def _gathers(r: Rewriter, target: ast.Name) -> bool:
    """Whether a name begins as a plain number wherever its function gives it a value."""
    place = r.around(target, ast.FunctionDef, ast.Module)
    if isinstance(place, ast.FunctionDef) and target.id in [
        a.arg for a in ast.walk(place.args) if isinstance(a, ast.arg)
    ]:
        return False
    given = [
        one.value for one in ast.walk(place) if isinstance(one, (ast.Assign, ast.AnnAssign))
        for name in (one.targets if isinstance(one, ast.Assign) else [one.target])
        if isinstance(name, ast.Name) and name.id == target.id
    ]  # fmt: skip
    return bool(given) and all(isinstance(one, ast.Constant) for one in given)


def _holds(r: Rewriter, receiver: ast.AST | None) -> bool:
    """Whether an object of the user holds the function that is called: it is written where it is named."""
    kinds = r.fact(receiver).kinds if receiver is not None else []
    return bool(kinds) and all(kind == "other" or kind.startswith("module:user:") for kind in kinds)


def _plain_module(r: Rewriter, node: ast.AST | None) -> bool:
    """Whether a class is a `tf.Module` of the user."""
    return isinstance(node, ast.ClassDef) and any(
        r.dotted(one) in ("tf.Module", "tensorflow.Module") for one in node.bases
    )


def _begins_module(r: Rewriter, node: ast.Call) -> bool:
    """Whether a call is the `super().__init__(...)` of a `tf.Module`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__")):
            return _plain_module(r, r.around(node, ast.ClassDef))
    return False


def _called_network(r: Rewriter, owner: str) -> bool:
    """Whether something of this name was a network elsewhere in the file, or is called one."""
    last = owner.rpartition(".")[2]
    if "model" in last.lower() or last.lower() in ("net", "network", "self"):
        return True
    return any(
        isinstance(one, (ast.Name, ast.Attribute)) and getattr(one, "id", getattr(one, "attr", "")) == last
        and any(kind.startswith("module:") for kind in r.fact(one).kinds) for one in ast.walk(r.file.tree)
    )  # fmt: skip


def _inherits(r: Rewriter, node: ast.AST) -> bool:
    """Whether a call runs inside the call of a network, which has been told whether it trains."""
    seen = r.fact(node).extra.get("inside", [])
    return seen[0] if len(seen) == 1 else bool(r._state.get("module"))


def _beyond(node: ast.Call, known: tuple[str, ...]) -> list[str]:
    """The options of a call that are not among these."""
    return [str(k.arg) for k in node.keywords if k.arg not in known]


class _Plain:
    """No tape is put around anything."""


def _serialised(r: Rewriter, node: ast.AST) -> bool:
    return "register_keras_serializable" in r.source(node)


def _without_parameter(text: str) -> str:
    """A function without its parameter `training`."""
    return re.sub(r",\s*training(\s*:\s*[\w.\[\] |]+)?(\s*=\s*\w+)?(?=\s*[,)])", "", text, count=1)


__all__ = ["MISSING", "Any", "TorchTarget"]
