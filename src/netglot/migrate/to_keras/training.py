"""Modules, their methods and their starts in Keras: calls of networks, `train` and `eval`, initialisers."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.declare import MISSING, Bound, Table
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import loops

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
    if not users:
        return None
    if len(users) != len(callees) and fact.names and len(node.args) > 1:
        return None
    parts = []
    for position, argument in enumerate(node.args):
        kinds = set(fact.extra.get(f"argument {position}", []))
        plain = kinds and not kinds & {"tensor", "none", "list", "tuple", "dict", "array"}
        if plain and not isinstance(argument, ast.Starred) and position < len(fact.names):
            parts.append((argument, f"{fact.names[position]}={r.text(argument)}"))
    extra = ""
    if not r._state.get("module") and fact.modes:
        if True in fact.modes and False in fact.modes:
            r.mark(node, r.source(node.func), "it was called while training and while not; say training=... here")
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


_O = "torch.optim."
_RATE = "learning_rate={lr}"
declare(f"{_O}SGD(params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False)",
        "SGD({lr}<, momentum={momentum}><, dampening={dampening}><, l2={weight_decay}><, nesterov={nesterov}>)", infers="params")  # fmt: skip
declare(f"{_O}Adam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False)",
        "Adam({lr}<, betas={betas}><, epsilon={eps}><, l2={weight_decay}>)", infers="params")  # fmt: skip
declare(f"{_O}AdamW(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, amsgrad=False)",
        "Adam({lr}<, betas={betas}><, epsilon={eps}>, decay={weight_decay})", infers="params")  # fmt: skip
declare(f"{_O}RMSprop(params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False)",
        "RMSprop({lr}<, alpha={alpha}><, epsilon={eps}><, l2={weight_decay}>)", infers="params")  # fmt: skip
declare(f"{_O}Adagrad(params, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10)",
        "Adagrad({lr}<, epsilon={eps}><, l2={weight_decay}>)", infers="params")  # fmt: skip
_S = "torch.optim.lr_scheduler."
for _signature, _rule in {
    "StepLR(optimizer, step_size, gamma=0.1)": "base * {gamma:p} ** (epoch // {step_size:p})",
    "MultiStepLR(optimizer, milestones, gamma=0.1)": "base * {gamma:p} ** sum(epoch >= one for one in {milestones})",
    "ExponentialLR(optimizer, gamma)": "base * {gamma:p} ** epoch",
    "LambdaLR(optimizer, lr_lambda)": "base * {lr_lambda:p}(epoch)",
    "CosineAnnealingLR(optimizer, T_max, eta_min=0.0)":
        "{eta_min:p} + (base - {eta_min:p}) * (1 + math.cos(math.pi * epoch / {T_max:p})) / 2",
    "LinearLR(optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5)":
        "base * ({start_factor:p} + ({end_factor:p} - {start_factor:p}) * min(epoch, {total_iters:p}) / {total_iters:p})",
}.items():  # fmt: skip
    declare(
        _S + _signature.replace(")", ", *, last_epoch=-1)"),
        f"Schedule({{optimizer}}, lambda base, epoch: {_rule})",
        when={"last_epoch": -1},
    )
declare(f"{_S}ReduceLROnPlateau(optimizer, mode='min', factor=0.1, patience=10, threshold=1e-4, min_lr=0.0)",
        "ReduceOnPlateau({optimizer}<, mode={mode}><, factor={factor}><, patience={patience}><, threshold={threshold}><, min_rate={min_lr}>)")  # fmt: skip
_D = "torch.utils.data."
declare(f"{_D}TensorDataset(*tensors)", "TensorDataset({tensors})")
declare(f"{_D}DataLoader(dataset, batch_size=1, shuffle=False, drop_last=False, num_workers=0, persistent_workers=False, generator=None)",
        "DataLoader({dataset}<, batch_size={batch_size}><, shuffle={shuffle}><, drop_last={drop_last}>)",
        infers="num_workers persistent_workers generator")  # fmt: skip
declare(f"{_D}random_split(dataset, lengths, generator=None)", "random_split({dataset}, {lengths})", infers="generator")
declare(f"{_D}Subset(dataset, indices)", "Subset({dataset}, {indices})")
declare("torch.device(type, index=None)", "{type}", infers="index")
declare("torch.cuda.is_available()", 'bool(tf.config.list_physical_devices("GPU"))')
declare("torch.backends.mps.is_available|torch.mps.is_available|torch.cuda.device_count()", "0")
declare("torch.cuda.manual_seed|torch.cuda.manual_seed_all(seed)", "keras.utils.set_random_seed({seed})")
mark("torch.amp.autocast torch.cuda.amp.autocast torch.amp.GradScaler torch.cuda.amp.GradScaler torch.autocast",
     "Keras computes in mixed precision by keras.mixed_precision.set_global_policy")  # fmt: skip


def method(target: Any, r: Rewriter, node: ast.Call, callees: list[str], receiver: ast.AST) -> str | None:
    """A method of a module, an optimiser, a scheduler, a loader."""
    name = callees[0]
    short = name.rpartition(".")[2]
    value = r.text(receiver)
    if short == "__init__":
        if name == "torch.nn.Sequential.__init__" and node.args:
            return f"{value}.__init__([{r.arguments(node)}])"
        return None
    if name.startswith(("torch.nn.ModuleList.", "torch.nn.ModuleDict.", "torch.nn.ParameterList.")):
        return None
    if name.startswith("torch.nn.Sequential.") and short in ("append", "add_module"):
        return f"{value}.add({r.text(node.args[-1])})"
    if short == "add_module":
        return f"setattr({value}, {r.arguments(node)})"
    if short in ("to", "cuda", "cpu", "train", "eval", "requires_grad_") and not isinstance(r.parent(node), ast.Expr):
        return value
    if short == "get_last_lr":
        return f"[float({value}.optimizer.learning_rate)]"
    if name.startswith("torch.optim.lr_scheduler.") and short == "step":
        return None
    if short == "state_dict" or short == "load_state_dict":
        r.mark(node, name, "Keras saves the weights of a network by save_weights")
        return r.composed_kept(node)
    if short == "parameters":
        return f"{value}.trainable_variables"
    if short == "modules":
        return target.spell("modules(", r) + f"{value})"
    if short == "register_buffer" and len(node.args) >= 2:
        return (
            f"setattr({value}, {r.text(node.args[0])}, "
            + target.spell("parameter(", r)
            + (f"{r.text(node.args[1])}, trainable=False))")
        )
    if rows := table.find(name):
        del rows
        made = r.called(node, [name], receiver=receiver)
        if made is not None:
            return made
    r.mark(node, name, table.marks.get(name, "netglot does not know this method"))
    return r.composed_kept(node)


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
                  "embedding_dim": "output_dim"}  # fmt: skip
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


def optimizer_attribute(target: Any, r: Rewriter, node: ast.Attribute) -> str | None:
    r.mark(node, f"optimizer.{node.attr}", "netglot does not know this attribute")
    return None


# -- statements


def enter_function(target: Any, r: Rewriter, node: ast.FunctionDef) -> Any:
    return None


def leave_function(target: Any, r: Rewriter, node: ast.FunctionDef, hooks: Any) -> None:
    return None


def assign(target: Any, r: Rewriter, node: ast.Assign) -> str | None:
    """Weight tying: `self.head.weight = self.embedding.weight`; switches of PyTorch's backends say nothing here."""
    made = r.text(node.value) if len(node.targets) == 1 else ""
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
                r._state["tied"] = True
                return f"{r.text(to)}.tied = {r.text(value.value)}"
            if mine == ["module:torch.nn.Embedding"] and other == ["module:torch.nn.Linear"]:
                r.touch(node)
                return f"{r.text(value.value)}.tied = {r.text(to)}"
        if any(kind.startswith("module:torch.") for kind in r.fact(to).kinds):
            r.mark(node, "weight", "netglot does not know how these weights are shared")
    return None


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
        if call.func.attr in _DATA_METHODS and _weight_of(receiver) is not None:
            made = ast.Call(func=call.func, args=[receiver, *call.args], keywords=call.keywords)
            ast.copy_location(made, call)
            return _initialiser(target, r, node, made, _INIT + _DATA_METHODS[call.func.attr], receiver)
        if name.startswith("torch.nn.Module."):
            return _module_statement(target, r, node, call, name, receiver)
        if name.startswith("torch.Tensor.") and call.func.attr.endswith("_") and isinstance(receiver, ast.Name):
            plain = name.removesuffix("_")
            if target.table.find(plain):
                made = r.called(call, [plain], receiver=receiver)
                return f"{receiver.id} = {made}" if made else None
    return None


def _saved(target: Any, r: Rewriter, call: ast.Call, name: str) -> str | None:
    """`torch.save(model.state_dict(), path)` and its way back, as `save_weights` and `load_weights`."""
    if name == "torch.save" and len(call.args) == 2 and isinstance(call.args[0], ast.Call):
        inner = call.args[0]
        if isinstance(inner.func, ast.Attribute) and inner.func.attr == "state_dict":
            owner = inner.func.value
            if any(k.startswith("module:") for k in r.fact(owner).kinds):
                return f"{r.text(owner)}.save_weights({_weights_path(target, r, call.args[1])})"
    if name.endswith(".load_state_dict") and isinstance(call.func, ast.Attribute) and call.args:
        inner = call.args[0]
        loads = isinstance(inner, ast.Call) and (r.fact(inner).callees or [r.dotted(inner.func)])[0] == "torch.load"
        if loads and any(k.startswith("module:") for k in r.fact(call.func.value).kinds or ["module:"]):
            return f"{r.text(call.func.value)}.load_weights({_weights_path(target, r, inner.args[0])})"
    return None


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
    if found is None:
        value = r.fact(tensor)
        if isinstance(tensor, ast.Attribute) and "tensor" in value.kinds:
            made = r.called(call, [name])
            if made is not None:
                text = r.text(tensor)
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
    if short in ("train", "eval", "to", "cuda", "cpu", "zero_grad"):
        return "pass" if _only(r, node) else "\0gone\0"
    return None


def _only(r: Rewriter, node: ast.stmt) -> bool:
    parent = r.parent(node)
    return any(getattr(parent, name, None) == [node] for name in ("body", "orelse", "finalbody"))


def for_(target: Any, r: Rewriter, node: ast.For) -> str | None:
    """`for group in optimizer.param_groups: group["lr"] = rate` as the one learning rate that Keras has."""
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
    if all(
        name in ("torch.no_grad", "torch.inference_mode", "torch.set_grad_enabled", "torch.enable_grad")
        for name in names
    ):
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
    if hasattr(target, "block") and (block := loops.taped(target, r, node, r.text)) is not None:
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
