"""How weights start: PyTorch's initialisers, one by one and over all weights of a network."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.declare import Bound, Table
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import early, orders

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark


WEIGHTS = {
    "weight": {"Linear": "kernel", "Conv": "kernel", "Norm": "gamma", "Embedding": "embeddings"},
    "bias": {"Linear": "bias", "Conv": "bias", "Norm": "beta"},
}


"""What the weights of PyTorch's modules are called in Keras, by a part of the class's name."""


INIT = "torch.nn.init."


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

    rule(f"{INIT}{_names}|{INIT}{_names[:-1]}(tensor, a=0, mode='fan_in', nonlinearity='leaky_relu')")(_kaiming)


declare(
    f"{INIT}xavier_uniform_(tensor, gain=1.0)",
    "keras.initializers.GlorotUniform()",
    when={"gain": 1.0},
    infers="tensor",
)


declare(
    f"{INIT}xavier_uniform_(tensor, gain=1.0)",
    'keras.initializers.VarianceScaling({gain:p} ** 2, "fan_avg", "uniform")',
    infers="tensor",
)


declare(
    f"{INIT}xavier_normal_(tensor, gain=1.0)",
    'keras.initializers.VarianceScaling({gain:p} ** 2, "fan_avg", "untruncated_normal")',
    infers="tensor",
)


declare(f"{INIT}normal_(tensor, mean=0.0, std=1.0)", "keras.initializers.RandomNormal({mean}, {std})", infers="tensor")


declare(f"{INIT}uniform_(tensor, a=0.0, b=1.0)", "keras.initializers.RandomUniform({a}, {b})", infers="tensor")


declare(
    f"{INIT}trunc_normal_(tensor, mean=0.0, std=1.0)",
    "keras.initializers.TruncatedNormal({mean}, {std})",
    infers="tensor",
)


declare(f"{INIT}constant_(tensor, val)", "keras.initializers.Constant({val})", infers="tensor")


declare(f"{INIT}zeros_(tensor)", "keras.initializers.Zeros()", infers="tensor")


declare(f"{INIT}ones_(tensor)", "keras.initializers.Ones()", infers="tensor")


declare(f"{INIT}orthogonal_(tensor, gain=1.0)", "keras.initializers.Orthogonal({gain})", infers="tensor")


GAINS = {"linear": "1.0", "sigmoid": "1.0", "tanh": "5 / 3", "relu": "math.sqrt(2)", "selu": "0.75"}
GAINS |= {f"conv{n}d": "1.0" for n in "123"} | {f"conv_transpose{n}d": "1.0" for n in "123"}


@rule(f"{INIT}calculate_gain(nonlinearity, param=None)")
def _gain(c: Bound) -> str:
    kind = c.literal("nonlinearity")
    if kind == "leaky_relu":
        slope = c.text("param") if c.has("param") and c.literal("param") is not None else "0.01"
        return c.filled("math.sqrt(2 / (1 + ") + f"{slope} ** 2))"
    if kind not in GAINS:
        return c.filled("calculate_gain({nonlinearity}<, {param}>)")
    return c.filled(GAINS[kind])


DATA_METHODS = {
    "normal_": "normal_", "uniform_": "uniform_", "zero_": "zeros_", "fill_": "constant_", "trunc_normal_": "trunc_normal_",
}  # fmt: skip


def weight_name(owner: str, attribute: str) -> str | None:
    """What an attribute of a module is called in Keras."""
    kind = owner.rpartition(".")[2]
    if kind == "Bilinear":
        return None
    return next((new for part, new in WEIGHTS.get(attribute, {}).items() if part in kind), None)


HELD = {"weight": ("kernel", "gamma", "embeddings"), "bias": ("bias", "beta")}
"""By which names layers of several kinds hold a weight."""


def any_weight(r: Rewriter, layer: str, attribute: str) -> str:
    """A weight of a layer of one of several kinds, which is there at once."""
    early.touched(r)
    names = ", ".join(f'"{one}"' for one in HELD[attribute])
    return r.target.spell("held(", r) + f"{layer}, {names})"


def weight_of(node: ast.AST) -> tuple[ast.AST, str] | None:
    """The layer and the attribute in `m.weight` or `m.weight.data`."""
    if isinstance(node, ast.Attribute) and node.attr == "data":
        node = node.value
    if isinstance(node, ast.Attribute) and node.attr in ("weight", "bias"):
        return node.value, node.attr
    return None


def initialiser(target: Any, r: Rewriter, node: ast.Expr, call: ast.Call, name: str, tensor: ast.AST) -> str | None:
    """`nn.init.normal_(m.weight, 0, 0.01)` as `m.kernel_initializer = ...`, for layers make their weights later."""
    found = weight_of(tensor)
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
    if (not owners or not r.fact(holder).count) and (tested := _tested_classes(r, node, layer)):
        names = {weight_name(one, attribute) for one in tested}  # it never ran: the test around it says what it is
    if not names or None in names or (len(names) > 1 and not r.fact(holder).count):
        r.mark(node, name, "it is not known which layer starts so")
        return r.composed_kept(node)
    made = r.called(call, [name])
    if made is None:
        r.mark(node, name, "netglot does not know this initialiser")
        return r.composed_kept(node)
    r.touch(node)
    several = len(names) > 1
    started = any_weight(r, r.text(layer), attribute) if several else f"{r.text(layer)}.{names.pop()}"
    if several or early.at_once(r):
        return f"{started}.assign({made}({started}.shape))"
    if early.changed_late(r, holder):
        early.touched(r)
    return f"{started}_initializer = {made}"


def _tested_classes(r: Rewriter, node: ast.AST, layer: ast.AST) -> list[str]:
    """The classes of `if isinstance(m, (nn.Conv2d, nn.Linear))` around a statement that never ran."""
    around = r.around(node, ast.If)
    while around is not None:
        inside = any(one is node for statement in around.body for one in ast.walk(statement))
        asked, kinds = _asked(around.test)
        if inside and asked is not None and ast.dump(asked) == ast.dump(layer):
            classes = kinds.elts if isinstance(kinds, (ast.Tuple, ast.List)) else [kinds]
            return [r.dotted(one) or "" for one in classes]
        around = r.around(around, ast.If)
    return []


def _asked(test: ast.AST) -> tuple[ast.AST | None, Any]:
    """What a test asks the class of, and the classes."""
    match test:
        case ast.Call(func=ast.Name(id="isinstance"), args=[asked, kinds]):
            return asked, kinds
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="type"), args=[asked]),
            ops=[ast.Eq() | ast.Is() | ast.In()],
            comparators=[kinds],
        ):
            return asked, kinds
        case ast.BoolOp(op=ast.And(), values=values):
            return next((found for one in values if (found := _asked(one))[0] is not None), (None, None))
    return None, None


def each_weight(target: Any, r: Rewriter, node: ast.For) -> str | None:
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
        or (isinstance(one, ast.Call) and any(c.startswith(INIT) for c in _callees(r, one)))
        or (isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in DATA_METHODS)
        for one in inner
    )
    if not changes:
        return None
    if any(orders.named(r, one) for one in inner):
        early.touched(r)  # what has yet to come cannot be turned
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
