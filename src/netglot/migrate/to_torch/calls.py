"""Calls of Keras and TensorFlow: of functions, of layers, of methods of networks, tensors and optimisers."""

from __future__ import annotations

import ast

from netglot.migrate.declare import MISSING
from netglot.migrate.rewrite import File, Rewriter
from netglot.migrate.to_keras import names
from netglot.migrate.to_keras.target import Target
from netglot.migrate.to_torch import (
    bases,
    compiling,
    penalties,
    statements,
    tapes,
    training,
)
from netglot.migrate.to_torch.names import BUILT, DTYPES, plain_module

ASKED = compiling.ASKED
TEXTS = ("adapt", "get_vocabulary", "set_vocabulary", "vocabulary_size")
"""Methods of the layers that turn text into numbers."""
FILES = {
    "save": "torch.save({model}.state_dict(), {path})",
    "save_weights": "torch.save({model}.state_dict(), {path})",
    "load_weights": "{model}.load_state_dict(torch.load({path}))",
}
"""Methods of a network that write and read files."""


CHECKPOINT = frozenset(
    "save write restore read expect_partial assert_consumed assert_existing_objects_matched restore_or_initialize".split()
)
"""What the helpers for checkpoints do under the same names."""


class TorchCalls(Target):
    """Calls of Keras and TensorFlow: of functions, of layers, of methods of networks, tensors and optimisers."""

    def call(self, r: Rewriter, node: ast.Call) -> str | None:
        fact, function = r.fact(node), node.func
        dotted, callees = r.dotted(function), list(fact.callees)
        if _begins_module(r, node) or _begins_network(r, node):
            r.touch(node)
            return f"{r.text(function.value)}.__init__()"  # type: ignore[attr-defined]
        if dotted is not None and (not callees or not callees[0].startswith(self.prefixes)):
            callees = [dotted] if not callees or dotted.startswith(self.prefixes) else callees
        receiver = function.value if isinstance(function, ast.Attribute) else None
        if r._state.get("module") and (made := statements.appended(r, node)) is not None:
            return made
        if receiver is not None and _own_loss(r, function, callees):
            whole = ".mean()" if fact.ranks == [0] else ""  # `prepare` was given the losses of the samples
            return f"{r.text(receiver)}.plan.loss({r.arguments(node)}){whole}"
        if receiver is not None and function.attr == "decode" and "string" in _numpy_of(r, receiver):
            return f"str({r.text(receiver)})"
        if not callees:
            return self._unseen(r, node, function)
        if all(c.startswith("call:") for c in callees):
            return self._module_called(r, node, callees)
        if callees[0] == "tf.train.Checkpoint":
            r.touch(node)
            return f"{r.need('Checkpoint')}({r.arguments(node)})"
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
            return _of_numpy(r, node) if callees[0].startswith("numpy.") else None
        if dotted is None and receiver is not None and framework[0].startswith(("tf.Tensor.", "tf.TensorShape.")):
            made = r.called(node, framework, receiver=receiver)
        elif dotted is None:
            held = isinstance(function, ast.Name) or _holds(r, receiver)
            return None if held else self._unknown(r, node, framework[0])
        else:
            made = penalties.penalised(self, r, node, framework)
            if made is not None and framework[0].startswith("keras.layers.") and (name := _called_name(r, node)):
                made = f"{r.need('named')}({made}, {name})"
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
        if callee.startswith(("tf.train.Checkpoint.", "tf.train.CheckpointManager.")):
            return "" if short in CHECKPOINT else self._unknown(r, node, callee)
        if short == "interleave" and len(node.args) < 2 and "cycle_length" not in [k.arg for k in node.keywords]:
            r.mark(node, callee, "TensorFlow takes as many at once as the machine has processors: say cycle_length")
            return r.composed_kept(node)
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
            if any(_other(r, one) for one in node.args):
                return ", ".join(self._input(r, one) for one in (*node.args, *node.keywords))
            return r.arguments(node)
        value = gone[0].value
        if isinstance(value, ast.Constant) and _inherits(r, node) and r.fact(node).extra.get("moody", True):
            r.mark(node, "training", f"a part of the network is always {'' if value.value else 'not '}training here")
        parts = [self._input(r, one) for one in (*node.args, *(k for k in node.keywords if k not in gone))]
        return ", ".join(parts)

    def _input(self, r: Rewriter, node: ast.AST) -> str:
        """An argument of a network, as a tensor of the network's own precision."""
        return f"{r.need('as_input')}({r.text(node)})" if _other(r, node) else r.text(node)

    def _module_called(self, r: Rewriter, node: ast.Call, callees: list[str]) -> str | None:
        if callees[0].startswith("call:keras.initializers.") or callees[0].endswith("_initializer"):
            words = [r.constant(k.value) for k in node.keywords if k.arg == "dtype"]
            given = [r.text(one) for one in (*node.args, *(k for k in node.keywords if k.arg != "dtype"))]
            given += [self.spell(f"dtype={DTYPES[one]}", r) for one in words if one in DTYPES]
            return f"{r.need('started')}({', '.join([r.text(node.func), *given])})"
        if callees[0].startswith(("call:keras.losses.", "call:keras.metrics.")):
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
        flag = next((k.value for k in node.keywords if k.arg == "training"), None)
        if r._state.get("tells") and isinstance(flag, ast.Name) and flag.id == "training" and extra.get("moody", True):
            return f"{text}.train(training)"
        if _inherits(r, node) or extra.get("symbol") or not extra.get("moody", True):
            return text
        if any("user:" not in c and "keras." not in c for c in callees):
            return text
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
        if short == "get_layer" and name.startswith(("keras.Model.", "keras.Functional.")) and _names(r):
            return f"{value}.get_layer({r.arguments(node)})"
        if short in training.METHODS and (made := compiling.trained(self, r, node, short, value)) is not None:
            return made
        if short == "adapt" and "module:keras.layers.Normalization" in r.fact(receiver).kinds:
            return None
        if short == "get_initial_state" and len(node.args) + len(node.keywords) == 1:
            return f"{value}.get_initial_state({', '.join(r.text(one) for one in (*node.args, *(k.value for k in node.keywords)))})"
        if short == "set_weights" and name.startswith("keras.Layer.") and "weights" not in r.source(node.args[0]):
            r.mark(node, name, "the axes of a layer's weights are in another order in PyTorch")
            return r.composed_kept(node)
        if short in ("get_weights", "set_weights") and (made := compiling.as_a_whole(self, r, node, short, value)):
            return made
        if short == "count_params":
            return f"sum(p.numel() for p in {value}.parameters())"
        if (
            short in FILES
            and len(node.args) == 1
            and not _beyond(node, ("overwrite", "save_format", "include_optimizer"))
        ):
            return self.spell(FILES[short].format(model=value, path="\0"), r).replace("\0", r.text(node.args[0]))
        if short == "call" and value == "super()":
            return f"super().forward({self._without_training(r, node)})"
        if short in ASKED and (made := compiling.asked(r, node, short, value)) is not None:
            return made
        r.mark(node, name, self.table.marks.get(name, "netglot does not know this method"))
        return r.composed_kept(node)

    def _added(self, r: Rewriter, node: ast.Call, short: str, value: str) -> str:
        """`add_weight` and `add_loss` of a layer of the user."""
        quiet = ("name", "dtype", "autocast")
        unknown = _beyond(node, (*quiet, "shape", "initializer", "trainable", "regularizer"))
        if unknown:
            r.mark(node, short, f"its option {', '.join(unknown)} is not carried over")
            return r.composed_kept(node)
        kept = [r.text(k) for k in node.keywords if k.arg not in quiet]
        return f"{value}.{short}({', '.join([*(r.text(a) for a in node.args), *kept])})"


def _other(r: Rewriter, node: ast.AST) -> bool:
    """Whether Keras turns an argument of a network into another tensor: an array, or a tensor of double precision."""
    fact = r.fact(node)
    return fact.kinds == ["array"] or (fact.kinds == ["tensor"] and fact.dtypes == ["float64"])


def _own_loss(r: Rewriter, function: ast.Attribute, callees: list[str]) -> bool:
    """Whether a network's training step calls the loss that it was compiled with."""
    module = any(kind.startswith("module:") for kind in r.peek(function.value).kinds)
    return function.attr == "loss" and module and bool(callees) and not callees[0].endswith(".loss")


def _numpy_of(r: Rewriter, node: ast.AST) -> list[str]:
    """The dtypes of the tensor of which an expression is the `numpy()`."""
    match node:
        case ast.Call(func=ast.Attribute(value=tensor, attr="numpy"), args=[]):
            return r.peek(tensor).dtypes
    return []


def _holds(r: Rewriter, receiver: ast.AST | None) -> bool:
    """Whether an object of the user holds the function that is called: it is written where it is named."""
    kinds = r.fact(receiver).kinds if receiver is not None else []
    return bool(kinds) and all(kind == "other" or kind.startswith("module:user:") for kind in kinds)


def _of_numpy(r: Rewriter, node: ast.Call) -> str | None:
    """A function of NumPy that is given tensors."""
    tensors = [one for one in node.args if r.fact(one).kinds == ["tensor"] and "string" not in r.fact(one).dtypes]

    def render(one: ast.AST) -> str:
        text, fact = r.text(one), r.fact(one)
        if one in tensors and fact.ranks == [0] and all("float" in kind for kind in fact.dtypes):
            return f"float({text})"  # a rate of learning is a number, too
        return f"{r.parenthesised(one, text)}.detach().numpy()" if one in tensors else text

    return r.spans.composed(node, render) if tensors else None


def _names(r: Rewriter) -> set[str]:
    """The names by which these files ask for layers, where all of them were given names; else none."""
    held = r.project.remembered
    if "asked layers" not in held:
        calls = [(file, n) for file in r.project.files for n in ast.walk(file.tree) if isinstance(n, ast.Call)]
        asked: set[str] = set()
        for file, node in calls:
            if getattr(node.func, "attr", "") == "get_layer":
                given = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "name"), None)
                asked |= _said(r, file, given) if given else {""}
        named = {one for file, n in calls for k in n.keywords if k.arg == "name" for one in _said(r, file, k.value)}
        held["asked layers"] = asked if asked and asked <= named else set()
    return held["asked layers"]


def _said(r: Rewriter, file: File, node: ast.expr) -> set[str]:
    """The names that an expression of some file was."""
    constant = r.constant(node)
    return {constant} if constant is not MISSING else set(r.fact_of(file, node).values)


def _called_name(r: Rewriter, node: ast.Call) -> str | None:
    """The name that a layer is given, where some file asks for layers by name."""
    given = next((k.value for k in node.keywords if k.arg == "name"), None)
    return r.text(given) if given is not None and _said(r, r.file, given) & _names(r) else None


def _begins_module(r: Rewriter, node: ast.Call) -> bool:
    """Whether a call is the `super().__init__(...)` of a `tf.Module`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__")):
            return plain_module(r, r.around(node, ast.ClassDef))
    return False


def _begins_network(r: Rewriter, node: ast.Call) -> bool:
    """Whether a call is the `super().__init__(name=..., **kwargs)` of a network that becomes a plain module."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"), args=[]) if (
            node.keywords
        ):
            holder = r.around(node, ast.ClassDef)
            known = {k.arg for k in node.keywords} <= {"name", "dtype", "trainable", None}
            parents = [bases.base(r, holder, r.dotted(one) or "") for one in getattr(holder, "bases", ())]
            return known and parents == ["nn.Module"]
    return False


def _called_network(r: Rewriter, owner: str) -> bool:
    """Whether something of this name was a network elsewhere in the file, or is called one."""
    last = owner.rpartition(".")[2]
    if owner.startswith("super("):
        return True
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
