"""Modules and their methods in Keras: calls of networks, `train` and `eval`, and statements that change things in place."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import early, layers, leaves, loops, modes, orders, places, starts, states, unwatched
from netglot.migrate.to_keras.asking import names_of


def called(target: Any, r: Rewriter, node: ast.Call, callees: list[str], fact: Any) -> str | None:
    """A module that is called: the user's gets its other arguments by name, and is told whether it trains."""
    if any(c.startswith("call:torchvision.transforms.") for c in callees):
        return None  # it stays PyTorch's
    users = [c for c in callees if c.startswith("call:user:")]
    parts = [
        (one, target.spell("tf.convert_to_tensor(", r) + f"{r.text(one)})") for one in node.args
        if r.fact(one).extra.get("alone") and leaves.stepped(r, one)
    ]  # fmt: skip
    if (
        not users
        and not parts
        and not (fact.extra.get("moody") and all(c.startswith("call:torch.nn.") for c in callees))
    ):
        return None
    if users and len(users) != len(callees) and fact.names and len(node.args) > 1:
        return None
    for position, argument in enumerate(node.args if users else ()):
        kinds = set(fact.extra.get(f"argument {position}", []))
        plain = kinds and not kinds & {"tensor", "none", "list", "tuple", "dict", "array"}
        if plain and not isinstance(argument, ast.Starred) and position < len(fact.names):
            parts.append((argument, f"{fact.names[position]}={r.text(argument)}"))
    extra = modes.extra(r, node, fact.modes) if not r._state.get("module") else ""
    if modes.inside(r, node) and fact.extra.get("moody"):
        extra = "training=training"
    if not parts and not extra:
        return None
    texts = {id(argument): text for argument, text in parts}
    made = r.spans.composed(node, lambda child: texts.get(id(child)) or r.text(child))
    return modes.with_option(made, extra) if extra else made


def method(target: Any, r: Rewriter, node: ast.Call, callees: list[str], receiver: ast.AST) -> str | None:
    """A method of a module, an optimiser, a scheduler, a loader."""
    name = callees[0]
    short = name.rpartition(".")[2]
    value = r.text(receiver)
    if short == "__init__":
        if name == "torch.nn.Sequential.__init__" and node.args:
            return f"{value}.__init__({layers.sequence(r, node)})"
        return None
    if name.startswith(
        ("torch.nn.ModuleList.", "torch.nn.ModuleDict.", "torch.nn.ParameterList.", "torch.nn.ParameterDict.")
    ):
        if short == "parameters":
            each = f"{value}.values()" if "Dict" in name else value
            return value if "ParameterList" in name else f"[w for layer in {each} for w in layer.trainable_variables]"
        return None if short not in ("items", "keys", "values") else f"{value}.{short}()"
    if name.startswith("torch.nn.Sequential.") and short in ("append", "add_module"):
        return f"{value}.add({r.text(node.args[-1])})"
    if short == "children" and target.sequential(r, receiver):
        return f"{r.parenthesised(receiver, value)}.layers"
    if short == "register_parameter" and len(node.args) == 2:
        return f"setattr({value}, {r.arguments(node)})"
    if short in ("add_module", "__setattr__", "register_module"):
        return f"setattr({value}, {r.arguments(node)})"
    if short == "__getattr__":
        return f"getattr({value}, {r.arguments(node)})"
    if short in PRECISIONS and name.startswith(("torch.nn.Module.", "torch.nn.Sequential.")):
        return target.spell("in_precision(", r) + f'{value}, "{PRECISIONS[short]}")'
    if short in ("to", "cuda", "cpu", "train", "eval", "requires_grad_") and not isinstance(r.parent(node), ast.Expr):
        return value
    if short == "get_last_lr":
        return f"[float({value}.optimizer.learning_rate)]"
    if name.startswith("torch.optim.lr_scheduler.") and short == "step":
        return None
    if short in ("state_dict", "load_state_dict"):
        return states.state(target, r, node, name, value)
    if name.startswith("torch.amp.GradScaler.") and short in ("scale", "update", "get_scale"):
        return f"{value}.{short}({r.arguments(node)})"
    if short in ("parameters", "named_parameters"):
        states.counted(target, r, node, value)
    if short == "parameters":
        if early.freezes(r) and not states.trained(r, node) and not states.chosen(r, node):
            return target.spell("parameters(", r) + f"{value})"
        return f"{value}.trainable_variables"
    if short == "children":
        return target.spell("children(", r) + f"{value})"
    if short == "reset_parameters" and node.args == []:
        return target.spell("start_anew(", r) + f"{value})"
    if short == "buffers":
        return target.spell("buffers(", r) + f"{value})"
    if short == "named_parameters":
        return target.spell("named_parameters(", r) + f"{value})"
    if short == "modules":
        return target.spell("modules(", r) + f"{value})"
    if short == "register_buffer" and len(node.args) >= 2:
        return (
            f"setattr({value}, {r.text(node.args[0])}, "
            + target.spell("parameter(", r)
            + (f"{r.text(node.args[1])}, trainable=False))")
        )
    if target.table.find(name):
        made = r.called(node, [name], receiver=receiver)
        if made is not None:
            return made
    r.mark(node, name, target.table.marks.get(name, "netglot does not know this method"))
    return r.composed_kept(node)


def assign(target: Any, r: Rewriter, node: ast.Assign) -> str | None:
    """Weight tying: `self.head.weight = self.embedding.weight`; switches of PyTorch's backends say nothing here."""
    if isinstance(node.value, ast.Call) and (norm := loops.measured(target, r, node)) is not None:
        return norm
    made = r.text(node.value) if len(node.targets) == 1 else ""
    if made and ast.dump(node.targets[0]).replace("Store()", "Load()") in _tied(r) and "Dense" in r.helpers:
        tied = target.spell("TiedDense(", r) + made.removeprefix(r.helpers["Dense"] + "(")
        return f"{r.text(node.targets[0])} = {tied}"
    if made and r.source(node.value) != made and made.strip("()") == r.text(node.targets[0]).strip("()"):
        return "pass" if _only(r, node) else "\0gone\0"  # `x = x.to(device)` says nothing any more
    dotted = r.dotted(node.targets[0])
    if dotted is not None and dotted.startswith("torch.backends."):
        return "pass" if _only(r, node) else "\0gone\0"
    if len(node.targets) == 1 and isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr == "weight":
        value, to = node.value, node.targets[0].value
        if isinstance(value, ast.Attribute) and value.attr == "weight":
            mine, other = r.fact(to).kinds, r.fact(value.value).kinds
            if mine == ["module:torch.nn.Linear"] and other == ["module:torch.nn.Embedding"]:
                r.touch(node)
                return _tie(r, to, value.value)
            if mine == ["module:torch.nn.Embedding"] and other == ["module:torch.nn.Linear"]:
                r.touch(node)
                return _tie(r, value.value, to)
        if any(kind.startswith("module:torch.") for kind in r.fact(to).kinds):
            r.mark(node, "weight", "netglot does not know how these weights are shared")
    return None


def replaced(target: Any, r: Rewriter, node: ast.Assign) -> str | None:
    """`model.fc = nn.Linear(...)`, `model.features[0] = ...` where Keras would hold on to what was there; None for others."""
    to, value = node.targets[0], r.fact(node.value)
    if len(node.targets) != 1 or not value.kinds or not all(kind.startswith("module:") for kind in value.kinds):
        return None
    if isinstance(to, ast.Subscript) and target.sequential(r, to.value):
        return target.spell("replace(", r) + f"{r.text(to.value)}, {r.text(to.slice)}, {r.text(node.value)})"
    if not isinstance(to, ast.Attribute) or not all(
        k.startswith("module:") for k in r.fact(to.value).kinds or ["none"]
    ):
        return None
    function = r.around(node, ast.FunctionDef)
    begins = isinstance(to.value, ast.Name) and to.value.id == "self" and function is not None
    begins = begins and function.name == "__init__"  # type: ignore[union-attr]
    if begins or not (early.at_once(r) or r.fact(to.value).extra.get("ran")):
        return None
    name = r.project.renamed.get(to.attr, to.attr)
    return target.spell("replace(", r) + f'{r.text(to.value)}, "{name}", {r.text(node.value)})'


def _tie(r: Rewriter, dense: ast.AST, embedding: ast.AST) -> str:
    if early.at_once(r):
        return f"{r.text(dense)}.tie({r.text(embedding)})"
    return f"{r.text(dense)}.tied = {r.text(embedding)}"


def _tied(r: Rewriter) -> set[str]:
    """The dense layers of a file that share their weight with an embedding."""
    if "tied" not in r._state:
        pairs = [
            side for node in ast.walk(r.file.tree) if isinstance(node, ast.Assign) and len(node.targets) == 1
            and all(isinstance(one, ast.Attribute) and one.attr == "weight" for one in (node.targets[0], node.value))
            for side in (node.targets[0].value, node.value.value)  # type: ignore[attr-defined]
        ]  # fmt: skip
        r._state["tied"] = {ast.dump(one) for one in pairs if r.fact(one).kinds == ["module:torch.nn.Linear"]}
    return r._state["tied"]


IDLE = {
    "torch.cuda.empty_cache", "torch.cuda.synchronize", "torch.cuda.set_device", "torch.mps.empty_cache",
    "torch.cuda.reset_peak_memory_stats", "torch.set_num_threads", "torch.set_num_interop_threads",
    "torch.set_float32_matmul_precision", "torch.set_printoptions", "torch.mps.synchronize",
}  # fmt: skip
"""Statements that say nothing about what is computed."""


PRECISIONS = {"double": "float64", "float": "float32", "half": "float16", "bfloat16": "bfloat16"}


def expression_statement(target: Any, r: Rewriter, node: ast.Expr) -> str | None:
    """Statements that change things in place: initialisers, modes, tensors."""
    call = node.value
    if not isinstance(call, ast.Call):
        return None
    if (made := loops.statement(target, r, node)) is not None:
        return made
    fact = r.fact(call)
    dotted = r.dotted(call.func)
    name = (fact.callees or [dotted or ""])[0]
    if name in IDLE or name.endswith(".flatten_parameters"):
        return "pass" if _only(r, node) else "\0gone\0"
    if name in ("torch.save", "torch.load") or name.endswith(".load_state_dict"):
        return states.saved(target, r, call, name)
    if name.startswith(starts.INIT) and call.args:
        return starts.initialiser(target, r, node, call, name, call.args[0])
    if isinstance(call.func, ast.Attribute) and dotted is None:
        receiver = call.func.value
        if not fact.count and call.func.attr in ("train", "eval", "cuda") and not call.args:
            return "pass" if _only(r, node) else "\0gone\0"
        named = isinstance(receiver, ast.Attribute) and receiver.attr == "data" and isinstance(receiver.value, ast.Name)
        if call.func.attr in starts.DATA_METHODS and (named or starts.weight_of(receiver) is not None):
            made = ast.Call(func=call.func, args=[receiver, *call.args], keywords=call.keywords)
            ast.copy_location(made, call)
            return starts.initialiser(
                target, r, node, made, starts.INIT + starts.DATA_METHODS[call.func.attr], receiver
            )
        if name.startswith(("torch.nn.Module.", "torch.nn.Sequential.")):
            return _module_statement(target, r, node, call, name, receiver)
        if (
            name == "torch.Tensor.requires_grad_"
            and r.fact(receiver).extra.get("leaf")
            and "alone" not in r.fact(receiver).extra
        ):
            return f"{r.text(receiver)}.trainable = {r.text(call.args[0]) if call.args else True}"
        if name == "torch.Tensor.requires_grad_" and [r.constant(one) for one in call.args] != [False]:
            begun = leaves.begun(r, receiver)
            return "pass" if begun == leaves.GONE and _only(r, node) else begun
        if (changed := leaves.in_place(target, r, call)) is not None:
            return changed
        if name.startswith("torch.Tensor.") and call.func.attr.endswith("_"):
            return places.statement(target, r, call)
    return None


def _module_statement(
    target: Any, r: Rewriter, node: ast.Expr, call: ast.Call, name: str, receiver: ast.AST
) -> str | None:
    short = name.rpartition(".")[2]
    value = r.text(receiver)
    if short == "register_buffer" and len(call.args) >= 2 and isinstance(r.constant(call.args[0]), str):
        persistent = next((k.value for k in call.keywords if k.arg == "persistent"), None)
        attribute = r.constant(call.args[0])
        if isinstance(call.args[1], ast.Constant) and call.args[1].value is None:
            return f"{value}.{attribute} = None"
        if persistent is not None and r.constant(persistent) is False:
            return f"{value}.{attribute} = {r.text(call.args[1])}"
        return f"{value}.{attribute} = " + target.spell("parameter(", r) + f"{r.text(call.args[1])}, trainable=False)"
    if short == "apply" and len(call.args) == 1:
        names = "module" if "module" not in r.bound else "one"
        function = r.text(call.args[0])
        indent = r.spans.indent(node)
        every = target.spell("modules(", r) + f"{value})"
        every = f"reversed({every})" if _overrides(r, call.args[0]) else every  # what is around a layer comes after it
        return f"for {names} in {every}:\n{indent}    {function}({names})"
    if short == "requires_grad_":
        flag = r.constant(call.args[0]) if call.args else True
        held = {True: ", held=False", False: ""}.get(flag) if isinstance(flag, bool) else None
        held = f", held=not {r.parenthesised(call.args[0], r.text(call.args[0]))}" if held is None else held
        return target.spell("freeze(", r) + f"{value}{held})"
    if short in ("train", "eval") and moded(r):
        mode = r.text(call.args[0]) if call.args else str(short == "train")
        return f"{value}.training = {mode}"
    if short in PRECISIONS:
        return target.spell("in_precision(", r) + f'{value}, "{PRECISIONS[short]}")'
    if short in ("train", "eval", "to", "cuda", "cpu", "zero_grad"):
        return "pass" if _only(r, node) else "\0gone\0"
    return None


def _overrides(r: Rewriter, function: ast.AST) -> bool:
    """Whether a function that is called with every layer looks at classes of the user, which hold others."""
    name = getattr(function, "attr", getattr(function, "id", ""))
    ours = {one for file in r.project.files for one in file.classes}
    places = [function] if isinstance(function, ast.Lambda) else orders.functions(r, name)
    return any(isinstance(one, ast.Name) and one.id in ours for place in places for one in ast.walk(place))


def _outside(file: Any) -> set[int]:
    """The numbers of the calls that stand in no network's own code."""
    inside = {
        id(node) for one in ast.walk(file.tree)
        if isinstance(one, ast.ClassDef) and file.classes.get(one.name, {}).get("kind") == "module"
        for node in ast.walk(one)
    }  # fmt: skip
    return {getattr(node, "number", -1) for node in ast.walk(file.tree) if id(node) not in inside}


def moded(r: Rewriter) -> bool:
    """Whether some call of a network was seen while it trained and while it did not: then it remembers which."""
    if "moded" not in r.project.remembered:
        r.project.remembered["moded"] = any(
            True in fact.modes and False in fact.modes and number in _outside(file)
            and (fact.extra.get("moody") or any(c.startswith("call:user") for c in fact.callees))
            for file in r.project.files for number, fact in file.facts.items()
        )  # fmt: skip
    return r.project.remembered["moded"]


def _only(r: Rewriter, node: ast.stmt) -> bool:
    parent = r.parent(node)
    return any(getattr(parent, name, None) == [node] for name in ("body", "orelse", "finalbody"))


def for_(target: Any, r: Rewriter, node: ast.For) -> str | None:
    """`for group in optimizer.param_groups: group["lr"] = rate` as the one learning rate that Keras has."""
    if (made := starts.each_weight(target, r, node)) is not None:
        return made
    groups = node.iter
    if not (isinstance(groups, ast.Attribute) and groups.attr == "param_groups" and len(node.body) == 1):
        return None
    one = node.body[0]
    if not (isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Subscript)):
        return None
    if r.constant(one.targets[0].slice) != "lr" or _mentions(one.value, node.target):
        return None
    r.touch(node)
    return f"{r.text(groups.value)}.learning_rate = {r.text(one.value)}"


def _mentions(node: ast.AST, target: ast.AST) -> bool:
    names = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
    return any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(node))


def with_(target: Any, r: Rewriter, node: ast.With) -> str | None:
    """`with torch.no_grad():` needs nothing where no tape watches: gradients are taken only there."""
    if all(name in unwatched.UNWATCHED for name in names_of(r, node)):
        made = unwatched.with_(r, node, lambda: dedented(target, r, node))
        return made if made is not None else dedented(target, r, node)
    return None


def dedented(target: Any, r: Rewriter, node: Any) -> str:
    """The body of a block without its head, one level to the left."""
    start = r.spans.of(node.body[0])[0]
    line = r.spans.data.rfind(b"\n", 0, start) + 1
    end = r.spans.of(node)[1]
    if r.spans.data[line:start].strip():
        body = r.spans.between(start, end, list(node.body), r.text)
        return body
    heads = [one for item in node.items for one in (item, item.context_expr)]

    def render(child: ast.AST) -> str:
        return r.source(child) if child in heads else r.text(child)  # the head goes

    if hasattr(target, "block") and (block := loops.taped(target, r, node, render)) is not None:
        kept = block[block.index("\n") + 1 :] if "\n" in block else block
        return _shifted(r, node, kept)
    head_end = r.spans.data.find(b"\n", r.spans.of(node.items[-1].context_expr)[1]) + 1
    body = r.spans.between(head_end, end, list(node.body), r.text)
    return _shifted(r, node, body)


def _shifted(r: Rewriter, node: Any, body: str) -> str:
    indent = r.spans.indent(node)
    deep = r.spans.indent(node.body[0])
    extra = len(deep) - len(indent)
    lines = [one[extra:] if one.startswith(" " * extra) else one for one in body.split("\n")]
    return "\n".join(lines).removeprefix(indent)
