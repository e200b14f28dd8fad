"""Modules, their methods and their starts in Keras: calls of networks, `train` and `eval`, initialisers."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.declare import MISSING, Bound, Table, Unbound
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import layers, leaves, loops

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark

WEIGHTS = {
    "weight": {"Linear": "kernel", "Conv": "kernel", "Norm": "gamma", "Embedding": "embeddings"},
    "bias": {"Linear": "bias", "Conv": "bias", "Norm": "beta"},
}
"""What the weights of PyTorch's modules are called in Keras, by a part of the class's name."""

LOSSES = (
    "CrossEntropyLoss",
    "MSELoss",
    "L1Loss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "NLLLoss",
    "SmoothL1Loss",
    "HuberLoss",
)

UNWATCHED = ("torch.no_grad", "torch.inference_mode", "torch.set_grad_enabled", "torch.enable_grad")
"""What tells PyTorch whether to watch: a tape says it in TensorFlow."""

_INIT = "torch.nn.init."
for _names, _write in {
    "kaiming_normal_": 'keras.initializers.VarianceScaling({gain}, {mode}, "untruncated_normal")',
    "kaiming_uniform_": 'keras.initializers.VarianceScaling({gain}, {mode}, "uniform")',
}.items():

    def _kaiming(c: Bound, write: str = _write) -> str | None:
        kind = c.literal("nonlinearity")
        slope = c.literal("a")
        if kind in ("relu",):
            gain = "2.0"
        elif kind == "leaky_relu":
            gain = "2.0" if slope == 0 else f"2.0 / (1 + ({c.text('a')}) ** 2)"
        elif kind in ("linear", "conv2d", "sigmoid"):
            gain = "1.0"
        else:
            return None
        return c.filled(write.replace("{gain}", gain))

    rule(f"{_INIT}{_names}|{_INIT}{_names[:-1]}(tensor, a=0, mode='fan_in', nonlinearity='leaky_relu')")(_kaiming)
declare(
    f"{_INIT}xavier_uniform_(tensor, gain=1.0)",
    "keras.initializers.GlorotUniform()",
    when={"gain": 1.0},
    infers="tensor",
)
declare(
    f"{_INIT}xavier_uniform_(tensor, gain=1.0)",
    'keras.initializers.VarianceScaling({gain:p} ** 2, "fan_avg", "uniform")',
    infers="tensor",
)
declare(
    f"{_INIT}xavier_normal_(tensor, gain=1.0)",
    'keras.initializers.VarianceScaling({gain:p} ** 2, "fan_avg", "untruncated_normal")',
    infers="tensor",
)
declare(f"{_INIT}normal_(tensor, mean=0.0, std=1.0)", "keras.initializers.RandomNormal({mean}, {std})", infers="tensor")
declare(f"{_INIT}uniform_(tensor, a=0.0, b=1.0)", "keras.initializers.RandomUniform({a}, {b})", infers="tensor")
declare(
    f"{_INIT}trunc_normal_(tensor, mean=0.0, std=1.0)",
    "keras.initializers.TruncatedNormal({mean}, {std})",
    infers="tensor",
)
declare(f"{_INIT}constant_(tensor, val)", "keras.initializers.Constant({val})", infers="tensor")
declare(f"{_INIT}zeros_(tensor)", "keras.initializers.Zeros()", infers="tensor")
declare(f"{_INIT}ones_(tensor)", "keras.initializers.Ones()", infers="tensor")
declare(f"{_INIT}orthogonal_(tensor, gain=1.0)", "keras.initializers.Orthogonal({gain})", infers="tensor")

_DATA_METHODS = {
    "normal_": "normal_", "uniform_": "uniform_", "zero_": "zeros_", "fill_": "constant_", "trunc_normal_": "trunc_normal_",
}  # fmt: skip


def weight_name(owner: str, attribute: str) -> str | None:
    """What an attribute of a module is called in Keras."""
    kind = owner.rpartition(".")[2]
    if kind == "Bilinear":
        return None
    return next((new for part, new in WEIGHTS.get(attribute, {}).items() if part in kind), None)


# -- calls of modules


def called(target: Any, r: Rewriter, node: ast.Call, callees: list[str], fact: Any) -> str | None:
    """A module that is called: the user's gets its other arguments by name, and is told whether it trains."""
    users = [c for c in callees if c.startswith("call:user:")]
    if not users and not (fact.extra.get("moody") and all(c.startswith("call:torch.nn.") for c in callees)):
        return None
    if users and len(users) != len(callees) and fact.names and len(node.args) > 1:
        return None
    parts = []
    for position, argument in enumerate(node.args if users else ()):
        kinds = set(fact.extra.get(f"argument {position}", []))
        plain = kinds and not kinds & {"tensor", "none", "list", "tuple", "dict", "array"}
        if plain and not isinstance(argument, ast.Starred) and position < len(fact.names):
            parts.append((argument, f"{fact.names[position]}={r.text(argument)}"))
    extra = ""
    if not r._state.get("module") and fact.modes:
        if True in fact.modes and False in fact.modes:
            extra = f'training=getattr({r.text(node.func)}, "training", True)'
        elif True in fact.modes:
            extra = "training=True"
    if not parts and not extra:
        return None
    texts = {id(argument): text for argument, text in parts}
    made = r.spans.composed(node, lambda child: texts.get(id(child)) or r.text(child))
    if extra:
        head = made[:-1].rstrip()
        made = head + ("" if head.endswith(("(", ",")) else ", ") + extra + ")"
    return made


def method(target: Any, r: Rewriter, node: ast.Call, callees: list[str], receiver: ast.AST) -> str | None:
    """A method of a module, an optimiser, a scheduler, a loader."""
    name = callees[0]
    short = name.rpartition(".")[2]
    value = r.text(receiver)
    if short == "__init__":
        if name == "torch.nn.Sequential.__init__" and node.args:
            return f"{value}.__init__({layers.sequence(r, node)})"
        return None
    if name.startswith(("torch.nn.ModuleList.", "torch.nn.ModuleDict.", "torch.nn.ParameterList.")):
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
    if short == "add_module":
        return f"setattr({value}, {r.arguments(node)})"
    if short in ("to", "cuda", "cpu", "train", "eval", "requires_grad_") and not isinstance(r.parent(node), ast.Expr):
        return value
    if short == "get_last_lr":
        return f"[float({value}.optimizer.learning_rate)]"
    if name.startswith("torch.optim.lr_scheduler.") and short == "step":
        return None
    if short in ("state_dict", "load_state_dict"):
        return _state(target, r, node, name, value)
    if name.startswith("torch.amp.GradScaler.") and short in ("scale", "update", "get_scale"):
        return f"{value}.{short}({r.arguments(node)})"
    if short in ("parameters", "named_parameters"):
        _counted(target, r, node, value)
    if short == "parameters":
        return f"{value}.trainable_variables"
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
    r.mark(node, name, table.marks.get(name, "netglot does not know this method"))
    return r.composed_kept(node)


def _state(target: Any, r: Rewriter, node: ast.Call, name: str, value: str) -> str:
    """`state_dict` and its way back: a network's weights as arrays in order, an optimiser's variables."""
    loads = name.endswith(".load_state_dict")
    parent = r.parent(node)
    read = isinstance(parent, (ast.Attribute, ast.Subscript, ast.comprehension, ast.Dict, ast.For))
    if not loads and read and not (isinstance(parent, ast.Dict) and node in parent.values and None not in parent.keys):
        r.mark(node, name, "Keras holds the weights of a network as a list without names, `get_weights()`")
        return r.composed_kept(node)
    given = r.text(node.args[0]) if node.args else ""
    if loads and name.startswith("torch.nn.") and (made := _first_call(target, r, node, value)):
        r.precede(node, made)
    if name.startswith("torch.optim.Optimizer."):
        return (
            target.spell("set_state(", r) + f"{value}, {given})"
            if loads
            else target.spell("get_state(", r) + f"{value})"
        )
    if name.startswith("torch.nn."):
        return f"{value}.set_weights({given})" if loads else f"{value}.get_weights()"
    return f"{value}.{name.rpartition('.')[2]}({given})"


def copied_state(node: ast.DictComp) -> ast.AST | None:
    """The network of `{k: v.clone() for k, v in network.state_dict().items()}`; None for other dictionaries."""
    match node:
        case ast.DictComp(
            key=ast.Name(id=key),
            value=value,
            generators=[
                ast.comprehension(
                    target=ast.Tuple(elts=[ast.Name(id=first), ast.Name(id=second)]),
                    iter=ast.Call(
                        func=ast.Attribute(
                            value=ast.Call(func=ast.Attribute(value=owner, attr="state_dict")), attr="items"
                        )
                    ),
                    ifs=[],
                )
            ],
        ) if key == first:
            while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _KEPT:
                value = value.func.value
            return owner if isinstance(value, ast.Name) and value.id == second else None
    return None


_KEPT = ("clone", "detach", "cpu", "cuda", "to")
"""Methods that leave the numbers of a tensor as they are."""


def frozen(r: Rewriter, node: ast.For) -> ast.AST | None:
    """The network of `for p in network.parameters(): p.requires_grad = False`; None for other loops."""
    match node:
        case ast.For(
            target=ast.Name(id=name),
            iter=ast.Call(func=ast.Attribute(value=network, attr="parameters"), args=[], keywords=[]),
            body=[
                ast.Assign(
                    targets=[ast.Attribute(value=ast.Name(id=other), attr="requires_grad")],
                    value=ast.Constant(value=False),
                )
                | ast.Expr(
                    value=ast.Call(
                        func=ast.Attribute(value=ast.Name(id=other), attr="requires_grad_"),
                        args=[ast.Constant(value=False)],
                    )
                )
            ],
            orelse=[],
        ) if name == other and all(kind.startswith("module:") for kind in r.fact(network).kinds):
            return network
    return None


_LISTS = {"torch.nn.ModuleList": list, "torch.nn.ParameterList": list, "torch.nn.ModuleDict": dict}


def module_attribute(target: Any, r: Rewriter, node: ast.Attribute, owners: list[str]) -> str | None:
    """A weight of a layer by Keras's name; `bias` asked for before there is one is `use_bias`."""
    kinds = [o.removeprefix("module:") for o in owners if o.startswith("module:torch.")]
    if not kinds:
        return None
    value = r.text(node.value)
    if kinds == ["torch.nn.ModuleDict"] and r.fact(node).kinds != ["function"]:
        return f'{value}["{node.attr}"]'
    parent = r.parent(node)
    if node.attr == "bias" and isinstance(parent, (ast.Compare, ast.If, ast.BoolOp)):
        if isinstance(parent, ast.Compare) and isinstance(parent.ops[0], (ast.IsNot, ast.Is)):
            return f"{value}.use_bias or None"
        return f"{value}.use_bias"
    names = {weight_name(kind, node.attr) for kind in kinds}
    if names == {None}:
        simple = {"out_features": "units", "out_channels": "filters", "num_embeddings": "input_dim",
                  "embedding_dim": "output_dim", "kernel_size": "kernel_size", "stride": "strides", "groups": "groups",
                  "dilation": "dilation_rate"}  # fmt: skip
        if node.attr in simple:
            return f"{value}.{simple[node.attr]}"
        if node.attr in ("hidden_size", "num_layers", "batch_first"):
            return None
        if all(kind in _LISTS and hasattr(_LISTS[kind], node.attr) for kind in kinds):
            return None  # Python's own lists and dictionaries stand for them
        if node.attr in ("in_features", "in_channels") and isinstance(node.ctx, ast.Load):
            return target.spell("inputs_of(", r) + f"{value})"
        r.mark(node, f"{kinds[0]}.{node.attr}", "netglot does not know this attribute")
        return None
    if len(names) > 1 or None in names:
        r.mark(node, node.attr, "it has other names in different layers")
        return None
    return f"{value}.{names.pop()}"


def weight_size(target: Any, r: Rewriter, node: ast.AST) -> str | None:
    """`m.weight.size(1)` and `m.weight.shape[1]` of a layer by its options: its weight may not be made yet."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(value=layer, attr="weight"), attr="size"), args=[index]):
            pass
        case ast.Subscript(
            value=ast.Attribute(value=ast.Attribute(value=layer, attr="weight"), attr="shape"), slice=index
        ):
            pass
        case ast.Call(func=ast.Attribute(value=ast.Attribute(value=layer, attr="weight"), attr="numel"), args=[]):
            whole = r.fact(layer).kinds == ["module:torch.nn.Embedding"]
            return f"{r.text(layer)}.input_dim * {r.text(layer)}.output_dim" if whole else None
        case _:
            return None
    kinds = {kind.removeprefix("module:torch.nn.") for kind in r.fact(layer).kinds}
    number = r.constant(index)
    if number not in (0, 1) or not kinds or not kinds <= {"Linear", "Conv1d", "Conv2d", "Conv3d"}:
        return None
    if number == 0:
        names = {"units" if kind == "Linear" else "filters" for kind in kinds}
        return f"{r.text(layer)}.{names.pop()}" if len(names) == 1 else None
    inputs = target.spell("inputs_of(", r) + f"{r.text(layer)})"
    return inputs if kinds == {"Linear"} else f"{inputs} // {r.text(layer)}.groups"


def optimizer_attribute(target: Any, r: Rewriter, node: ast.Attribute) -> str | None:
    if node.attr == "param_groups":
        return target.spell("param_groups(", r) + f"{r.text(node.value)})"
    r.mark(node, f"optimizer.{node.attr}", "netglot does not know this attribute")
    return None


# -- statements


def enter_function(target: Any, r: Rewriter, node: ast.FunctionDef) -> Any:
    return None


def leave_function(target: Any, r: Rewriter, node: ast.FunctionDef, hooks: Any) -> None:
    return None


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
                return f"{r.text(to)}.tied = {r.text(value.value)}"
            if mine == ["module:torch.nn.Embedding"] and other == ["module:torch.nn.Linear"]:
                r.touch(node)
                return f"{r.text(value.value)}.tied = {r.text(to)}"
        if any(kind.startswith("module:torch.") for kind in r.fact(to).kinds):
            r.mark(node, "weight", "netglot does not know how these weights are shared")
    return None


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
    if name in ("torch.save", "torch.load") or name.endswith(".load_state_dict"):
        return _saved(target, r, call, name)
    if name.startswith(_INIT) and call.args:
        return _initialiser(target, r, node, call, name, call.args[0])
    if isinstance(call.func, ast.Attribute) and dotted is None:
        receiver = call.func.value
        if not fact.count and call.func.attr in ("train", "eval", "cuda") and not call.args:
            return "pass" if _only(r, node) else "\0gone\0"
        named = isinstance(receiver, ast.Attribute) and receiver.attr == "data" and isinstance(receiver.value, ast.Name)
        if call.func.attr in _DATA_METHODS and (named or _weight_of(receiver) is not None):
            made = ast.Call(func=call.func, args=[receiver, *call.args], keywords=call.keywords)
            ast.copy_location(made, call)
            return _initialiser(target, r, node, made, _INIT + _DATA_METHODS[call.func.attr], receiver)
        if name.startswith(("torch.nn.Module.", "torch.nn.Sequential.")):
            return _module_statement(target, r, node, call, name, receiver)
        if name == "torch.Tensor.requires_grad_" and [r.constant(one) for one in call.args] != [False]:
            begun = leaves.begun(r, receiver)
            return "pass" if begun == leaves.GONE and _only(r, node) else begun
        if (changed := leaves.in_place(target, r, call)) is not None:
            return changed
        if name.startswith("torch.Tensor.") and call.func.attr.endswith("_"):
            return _in_place(target, r, call, name, receiver)
    return None


def _in_place(target: Any, r: Rewriter, call: ast.Call, name: str, receiver: ast.AST) -> str | None:
    """`x.mul_(2)` as a new x; `p.data.clamp_(0)` gives the weight its new values."""
    plain = name.removesuffix("_")
    if not target.table.find(plain):
        return None
    if isinstance(receiver, ast.Attribute) and receiver.attr == "data":
        made = r.called(call, [plain], receiver=receiver.value)
        return f"{r.text(receiver.value)}.assign({made})" if made else None
    if not isinstance(receiver, ast.Name):
        return None
    made = r.called(call, [plain], receiver=receiver)
    return f"{receiver.id} = {made}" if made else None


def _saved(target: Any, r: Rewriter, call: ast.Call, name: str) -> str | None:
    """`torch.save(model.state_dict(), path)` and its way back, as `save_weights` and `load_weights`."""
    if _loads_apart(r):
        return None
    if name == "torch.save" and len(call.args) == 2 and isinstance(call.args[0], ast.Call):
        inner = call.args[0]
        if isinstance(inner.func, ast.Attribute) and inner.func.attr == "state_dict":
            owner = inner.func.value
            if looks_like_network(r, owner):
                return f"{r.text(owner)}.save_weights({_weights_path(target, r, call.args[1])})"
    if name.endswith(".load_state_dict") and isinstance(call.func, ast.Attribute) and call.args:
        inner = call.args[0]
        if _is_load(r, inner) and any(k.startswith("module:") for k in r.fact(call.func.value).kinds or ["module:"]):
            network = r.text(call.func.value)
            path = _weights_path(target, r, inner.args[0])  # type: ignore[attr-defined]
            return f"{_made(target, r, call, network)}{network}.load_weights({path})"
    return None


def _made(target: Any, r: Rewriter, call: ast.Call, network: str) -> str:
    """A call of a network that has not been called yet, which makes its weights, to stand before they are loaded."""
    made = _first_call(target, r, call, network)
    statement = next(one for one in ast.walk(r.file.tree) if isinstance(one, ast.Expr) and one.value is call)
    return f"{made}\n{r.spans.indent(statement)}" if made else ""


def _first_call(target: Any, r: Rewriter, call: ast.Call, network: str) -> str:
    """The call by which a network makes its weights, where it had not been called yet and its inputs are known."""
    kinds = [kind.removeprefix("module:user:") for kind in r.fact(call.func.value).kinds]  # type: ignore[attr-defined]
    seen = r.fact(call)
    fresh = seen.extra.get("fresh") or not seen.count  # one that never ran may stand before the first call
    inputs = (r.project.inputs.get(kinds[0]) or _called_with(r, network)) if fresh and len(kinds) == 1 else None
    if not inputs or any("shape" not in one or one.get("name") for one in inputs):
        return ""
    zeros = [
        target.spell("ops.zeros(", r) + f"{tuple(one['shape'])}"
        + ("" if one["dtype"] == "float32" else f', "{one["dtype"]}"') + ")"
        for one in inputs
    ]  # fmt: skip
    return f"{network}({', '.join(zeros)})  # makes its weights"


def _called_with(r: Rewriter, network: str) -> list[dict[str, Any]] | None:
    """What a layer of the framework was called with elsewhere in the file."""
    for node in ast.walk(r.file.tree):
        if isinstance(node, ast.Call) and node.args and not node.keywords and r.source(node.func) == network:
            facts = [r.fact(one) for one in node.args]
            if all(one.kinds == ["tensor"] and one.shapes and one.dtypes for one in facts):
                return [{"shape": one.shapes[0], "dtype": one.dtypes[0]} for one in facts]
    return None


def _kept(r: Rewriter, node: ast.AST) -> bool:
    """Whether the weights are listed and kept under a name."""
    place = r.parent(node)
    while isinstance(place, (ast.BinOp, ast.ListComp, ast.comprehension, ast.List, ast.Tuple, ast.Starred, ast.Call)):
        if isinstance(place, ast.Call) and r.source(place.func) not in (
            "list",
            "tuple",
            "filter",
            "itertools.chain",
            "chain",
        ):
            return False
        place = r.parent(place)
    return isinstance(place, ast.Assign)


def _counted(target: Any, r: Rewriter, node: ast.Call, value: str) -> None:
    """The weights of a network are counted: it must have made them."""
    around = r.around(node, ast.GeneratorExp, ast.ListComp, ast.DictComp, ast.For, ast.Call)
    listed = isinstance(around, (ast.DictComp, ast.For))
    counted = around is not None and (listed or "numel" in r.source(around))
    if not r.fact(node).extra.get("fresh") or not (counted or _kept(r, node)):
        return
    function = r.around(node, ast.FunctionDef)
    begins = value == "self" and function is not None and function.name == "__init__"
    made = "" if begins else _first_call(target, r, node, value)
    if made:
        r.precede(node, made)
    else:
        r.mark(node, "parameters", "Keras makes the weights of a network at its first call: none are counted before")


def looks_like_network(r: Rewriter, node: ast.AST) -> bool:
    """Whether an expression was a network; for one that never ran, whether nothing in its name says otherwise."""
    kinds = r.fact(node).kinds
    if kinds:
        return any(kind.startswith("module:") for kind in kinds)
    return not any(part in r.source(node).lower() for part in ("opt", "sched", "scaler"))


def _is_load(r: Rewriter, node: ast.AST | None) -> bool:
    return isinstance(node, ast.Call) and (r.fact(node).callees or [r.dotted(node.func)])[0] == "torch.load"


def _loads_apart(r: Rewriter) -> bool:
    """Whether a file is read by a `torch.load` of its own: weights are then kept as other things are."""
    if "loads apart" not in r._state:
        r._state["loads apart"] = any(
            _is_load(r, node) and not _into_network(r.parent(node)) for node in ast.walk(r.file.tree)
        )
    return r._state["loads apart"]


def _into_network(parent: ast.AST | None) -> bool:
    return (
        isinstance(parent, ast.Call)
        and isinstance(parent.func, ast.Attribute)
        and parent.func.attr == "load_state_dict"
    )


declare("torch.load(f, map_location=None, weights_only=None)", "load({f})", infers="map_location weights_only")


@rule("torch.save(obj, f)")
def _save(c: Bound) -> str:
    if any(kind.startswith("module:") for kind in c.rewriter.fact(c.given["obj"]).kinds):
        raise Unbound("Keras saves a whole network by model.save, for which its class must tell its configuration")
    return c.filled("save({obj}, {f})")


def _weights_path(target: Any, r: Rewriter, node: ast.AST) -> str:
    value = r.constant(node)
    if isinstance(value, str):
        return repr(value.rpartition(".")[0] + ".weights.h5") if "." in value else repr(value + ".weights.h5")
    return target.spell("weights_path(", r) + f"{r.text(node)})"


def _weight_of(node: ast.AST) -> tuple[ast.AST, str] | None:
    """The layer and the attribute in `m.weight` or `m.weight.data`."""
    if isinstance(node, ast.Attribute) and node.attr == "data":
        node = node.value
    if isinstance(node, ast.Attribute) and node.attr in ("weight", "bias"):
        return node.value, node.attr
    return None


def _initialiser(target: Any, r: Rewriter, node: ast.Expr, call: ast.Call, name: str, tensor: ast.AST) -> str | None:
    """`nn.init.normal_(m.weight, 0, 0.01)` as `m.kernel_initializer = ...`, for layers make their weights later."""
    found = _weight_of(tensor)
    holder = tensor.value if isinstance(tensor, ast.Attribute) and tensor.attr == "data" else tensor
    owned = any(one.startswith("module:user:") for one in r.fact(holder).names)
    if found is None or owned:
        if isinstance(tensor, ast.Attribute) and tensor.attr == "data":
            tensor = tensor.value
        value = r.fact(tensor)
        if isinstance(tensor, (ast.Attribute, ast.Name)) and "tensor" in value.kinds:
            made = r.called(call, [name])
            if made is not None:
                text = r.text(tensor)
                scaled = "Scaling" in made or "Glorot" in made or "Orthogonal" in made
                if owned and scaled:
                    return f"{text}.assign(" + target.spell("started(", r) + f"{made}, {text}.shape))"
                return f"{text}.assign({made}({text}.shape))"
        r.mark(node, name, "it is not known which layer starts so")
        return r.composed_kept(node)
    layer, attribute = found
    holder = tensor.value if isinstance(tensor, ast.Attribute) and tensor.attr == "data" else tensor
    owners = [o.removeprefix("module:") for o in r.fact(holder).names if o.startswith("module:")]
    names = {weight_name(owner, attribute) for owner in owners}
    if not owners:
        tested = _tested_classes(r, node, layer)
        names = {weight_name(one, attribute) for one in tested}
    if len(names) != 1 or None in names:
        r.mark(node, name, "it is not known which layer starts so")
        return r.composed_kept(node)
    made = r.called(call, [name])
    if made is None:
        r.mark(node, name, "netglot does not know this initialiser")
        return r.composed_kept(node)
    r.touch(node)
    return f"{r.text(layer)}.{names.pop()}_initializer = {made}"


def _tested_classes(r: Rewriter, node: ast.AST, layer: ast.AST) -> list[str]:
    """The classes of `if isinstance(m, (nn.Conv2d, nn.Linear))` around a statement that never ran."""
    around = r.around(node, ast.If)
    while around is not None:
        test = around.test
        tests = isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "isinstance"
        if tests and ast.dump(test.args[0]) == ast.dump(layer):
            classes = test.args[1].elts if isinstance(test.args[1], ast.Tuple) else [test.args[1]]
            return [r.dotted(one) or "" for one in classes]
        around = r.around(around, ast.If)
    return []


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
        return target.spell(f"for {names} in modules(", r) + f"{value}):\n{indent}    {function}({names})"
    if short == "requires_grad_" and [r.constant(a) for a in call.args] == [False]:
        return target.spell("freeze(", r) + f"{value})"
    if short in ("train", "eval") and moded(r):
        mode = r.text(call.args[0]) if call.args else str(short == "train")
        return f"{value}.training = {mode}"
    if short in ("train", "eval", "to", "cuda", "cpu", "zero_grad"):
        return "pass" if _only(r, node) else "\0gone\0"
    return None


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


def _each_weight(target: Any, r: Rewriter, node: ast.For) -> str | None:
    """`for p in network.parameters(): nn.init.xavier_uniform_(p)` as a function that is called with each weight, also
    with those that layers make later; None for loops that only read weights."""
    match node:
        case ast.For(
            target=ast.Name() | ast.Tuple(elts=[ast.Name(), ast.Name()]),
            iter=ast.Call(func=ast.Attribute(value=network, attr="parameters" | "named_parameters" as method)),
            orelse=[],
        ) if all(kind.startswith("module:") for kind in r.fact(network).kinds):
            pass
        case _:
            return None
    inner = [one for statement in node.body for one in ast.walk(statement)]
    stored = {one.id for one in inner if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    if stored or any(isinstance(one, (ast.Break, ast.Continue, ast.Return, ast.Yield)) for one in inner):
        return None
    changes = any(
        (isinstance(one, ast.Attribute) and one.attr == "requires_grad" and isinstance(one.ctx, ast.Store))
        or (isinstance(one, ast.Call) and any(c.startswith(_INIT) for c in _callees(r, one)))
        or (isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in _DATA_METHODS)
        for one in inner
    )
    if not changes:
        return None
    names = [one.id for one in getattr(node.target, "elts", [node.target])]  # type: ignore[attr-defined]
    parameters = ", ".join(names if method == "named_parameters" else ["name", *names])
    indent = r.spans.indent(node)
    head = r.spans.data.find(b":", r.spans.of(node.iter)[1]) + 1
    r.rewritten.add(node.lineno)
    body = r.spans.between(head, r.spans.of(node)[1], list(node.body), r.text)
    if "\n" not in body[: len(body) - len(body.lstrip())]:
        body = f"\n{indent}    {body.strip()}"
    return target.spell("@each_weight(", r) + f"{r.text(network)})\n{indent}def begin({parameters}):{body}"


def _callees(r: Rewriter, node: ast.Call) -> list[str]:
    return r.fact(node).callees or [r.dotted(node.func) or ""]


def for_(target: Any, r: Rewriter, node: ast.For) -> str | None:
    """`for group in optimizer.param_groups: group["lr"] = rate` as the one learning rate that Keras has."""
    if (made := _each_weight(target, r, node)) is not None:
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
    """`with torch.no_grad():` needs nothing: gradients are taken only where a tape watches."""
    names = [
        (r.fact(item.context_expr).callees or [r.dotted(getattr(item.context_expr, "func", item.context_expr)) or ""])[
            0
        ]
        for item in node.items
    ]
    if all(name in UNWATCHED for name in names):
        return dedented(target, r, node)
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


__all__ = ["MISSING"]
