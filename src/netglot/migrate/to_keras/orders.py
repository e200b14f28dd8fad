"""Weights whose axes Keras has in another order: where that plays a part, they are turned as PyTorch has them."""

from __future__ import annotations

import ast
from typing import Any

ELEMENTS = frozenset(
    "abs pow square sqrt exp log detach clone cpu cuda float double half to clamp clip neg sign tanh sigmoid relu mul add "
    "sub div data_ptr contiguous ne eq gt lt ge le lerp addcmul addcdiv rsqrt reciprocal true_divide copy".split()
)
"""Functions of each number for itself."""
WHOLE = frozenset(
    "sum mean norm std var max min numel nelement dim requires_grad_ retain_grad zero_ fill_ normal_ uniform_ any all "
    "isnan isinf isfinite register_hook backward element_size new_zeros new_ones new_tensor new_full xavier_uniform_".split()
)
"""Functions of all numbers together."""
ALONG = frozenset("size t mm matmul view reshape flatten permute transpose svd select".split())
"""Functions that go by the order of axes."""
ATTRIBUTES = frozenset("requires_grad dtype device is_leaf is_cuda grad_fn ndim".split())
IDLE = ("torch.optim.", "torch.nn.init.", "torch.autograd.", "torch.nn.utils.", "builtins.")
"""What is handed weights and does not look at their axes."""
KINDS = ("Linear", "Conv")


def turned(r: Any, node: ast.AST) -> bool:
    """Whether an expression is a weight, or its gradient, that a layer of Keras holds with its axes in another order."""
    while isinstance(node, ast.Attribute) and node.attr in ("data", "grad"):
        node = node.value
    return _of(r, node, KINDS)


def named(r: Any, node: ast.AST) -> bool:
    """Whether a name stood for such a weight, and is asked there for one of its axes."""
    if not isinstance(node, ast.Name) or not r.peek(node).extra.get("turned"):
        return False
    function = r.around(node, ast.FunctionDef)
    given = function is not None and node.id in {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
    if given and not _changes(r, function.body):  # the caller has turned it
        return False
    return _along(r, node)


def _along(r: Any, node: ast.AST, deep: int = 3) -> bool:
    """Whether something is asked for one of its axes, or handed to a function that does so and changes nothing."""
    child: Any = node
    while isinstance(parent := r.parent(child), ast.Attribute) and parent.attr in ("data", "grad"):
        child = parent
    if isinstance(parent, ast.Subscript):
        return parent.value is child and isinstance(parent.ctx, ast.Load)
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.MatMult)
    if isinstance(parent, ast.Call) and child in parent.args:
        name = (r.fact(parent).callees or [""])[0]
        ours = functions(r, name.rpartition(".")[2].removeprefix("user:")) if name.startswith("user:") else []
        return deep > 0 and any(_asks(r, one, deep - 1) for one in ours)
    call = r.parent(parent) if isinstance(parent, ast.Attribute) else None
    if not isinstance(call, ast.Call) or call.func is not parent:
        return getattr(parent, "attr", "") in ("shape", "T")
    axes = any(k.arg in ("dim", "axis") for k in call.keywords) or (call.args and parent.attr in WHOLE)  # type: ignore[union-attr]
    return parent.attr in ALONG or (bool(axes) and not parent.attr.endswith("_"))  # type: ignore[union-attr]


def shown(r: Any, node: ast.AST) -> bool:
    """Whether a weight is only printed, or what it is like."""
    child = r.parent(node)
    while isinstance(child, (ast.Attribute, ast.FormattedValue, ast.JoinedStr, ast.Call, ast.Starred, ast.Tuple)):
        if isinstance(child, ast.Call) and (r.fact(child).callees or [""])[0] == "builtins.print":
            return True
        child = r.parent(child)
    return False


def looked_up(r: Any, node: ast.AST) -> bool:
    """Whether an expression is the weight of an embedding."""
    while isinstance(node, ast.Attribute) and node.attr == "data":
        node = node.value
    return _of(r, node, ("Embedding",))


def _of(r: Any, node: ast.AST, kinds: tuple[str, ...]) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr != "weight":
        return False
    owners = [o.removeprefix("module:torch.nn.") for o in r.fact(node).names or r.fact(node.value).kinds]
    return bool(owners) and all(any(kind in o for kind in kinds) and "user:" not in o for o in owners)


def matters(r: Any, node: ast.AST) -> bool:
    """Whether the order of a weight's axes plays a part where it stands."""
    child = node
    while (parent := r.parent(child)) is not None:
        step = _step(r, child, parent)
        if isinstance(step, bool):
            return step
        child = step
    return False


def _step(r: Any, child: ast.AST, parent: ast.AST) -> Any:
    """Whether the order matters to what is around an expression; else what is around, where that stays open."""
    match parent:
        case ast.Attribute(attr="data" | "grad"):
            return parent
        case ast.Attribute(attr=name):
            call = r.parent(parent)
            if not isinstance(call, ast.Call) or call.func is not parent:
                return name not in ATTRIBUTES
            return _called(r, name, call, [*call.args, *(k.value for k in call.keywords)])
        case ast.UnaryOp() | ast.Starred() | ast.List() | ast.Tuple() | ast.Dict() | ast.keyword():
            return parent
        case ast.BinOp(op=op):
            other = parent.right if parent.left is child else parent.left
            alike = _number(r, other) or turned_deep(r, other)
            return True if isinstance(op, ast.MatMult) or not alike else parent
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
            return False
        case ast.Compare():
            return (
                parent
                if all(_number(r, one) for one in (parent.left, *parent.comparators) if one is not child)
                else True
            )
        case ast.Call():
            return _given(r, child, parent)
        case ast.AugAssign():
            return not turned(r, parent.target)
        case ast.For(iter=held) if held is child:
            return not _changes(r, parent.body)  # its rows, or weights under another name
        case ast.If() | ast.IfExp() | ast.BoolOp() | ast.While() | ast.Expr() | ast.Assert() | ast.For():
            return False
    return True


def _called(r: Any, name: str, call: ast.Call, given: list[ast.AST]) -> Any:
    """What a method of a weight makes of its order."""
    whole = name in WHOLE and not any(k.arg in ("dim", "axis", "keepdim") for k in call.keywords)
    if whole and (name.endswith("_") or not given or (name in ("norm", "std", "var") and len(given) == 1)):
        return False
    plain = name.removesuffix("_")
    if plain in ELEMENTS and all(_number(r, one) or turned_deep(r, one) for one in given):
        return call
    return True


def _given(r: Any, child: ast.AST, call: ast.Call) -> Any:
    """What a function that is given a weight makes of its order."""
    name = (r.fact(call).callees or [r.dotted(call.func) or ""])[0]
    short = name.rpartition(".")[2]
    if name == "builtins.print" or name in ("builtins.list", "builtins.tuple", "builtins.len"):
        return True
    if name.startswith("user:"):
        return not any(_changes(r, one.body) for one in functions(r, short.removeprefix("user:")))
    if name.startswith(IDLE):
        return False
    if name.startswith("torch.Tensor.") and turned_deep(r, call.func.value):  # type: ignore[attr-defined]
        return _called(r, short, call, [*call.args])  # `a.weight.data.copy_(b.weight.data)`
    if len(call.args) == 1 and short in ELEMENTS and not call.keywords:
        return call
    return not (len(call.args) == 1 and short in WHOLE and not call.keywords)


def _asks(r: Any, function: ast.FunctionDef, deep: int) -> bool:
    """Whether a function changes no tensor, and asks one that it is given for one of its axes."""
    given = {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
    return not _changes(r, function.body) and any(
        isinstance(one, ast.Name) and one.id in given and isinstance(one.ctx, ast.Load)
        and r.peek(one).extra.get("turned") and _along(r, one, deep) for one in ast.walk(function)
    )  # fmt: skip


def functions(r: Any, name: str) -> list[ast.FunctionDef]:
    """The user's functions of a name."""
    nodes = (node for file in r.project.files for node in ast.walk(file.tree))
    return [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == name]


def _changes(r: Any, body: list[ast.stmt]) -> bool:
    """Whether statements change tensors where they stand, for which they must be handed the weight itself."""
    calls = (node for one in body for node in ast.walk(one) if isinstance(node, ast.Call))
    names = (getattr(call.func, "attr", getattr(call.func, "id", "")) for call in calls)
    return any(name.endswith("_") and not name.endswith("__") for name in names)


def turned_deep(r: Any, node: ast.AST) -> bool:
    """Whether an expression is made of such weights and of numbers only."""
    if isinstance(node, ast.BinOp):
        parts = (node.left, node.right)
        return any(turned_deep(r, one) for one in parts) and all(
            _number(r, one) or turned_deep(r, one) for one in parts
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ELEMENTS:
        return turned_deep(r, node.func.value)
    if isinstance(node, ast.Name):
        return bool(r.fact(node).extra.get("turned"))
    return turned(r, node)


def alike(r: Any, node: ast.AST) -> bool:
    """Whether a value has its axes as such weights have them, or only one for all."""
    return _number(r, node) or turned_deep(r, node)


def _number(r: Any, node: ast.AST) -> bool:
    """Whether an expression is a number, or a tensor that holds one."""
    if isinstance(node, (ast.Constant, ast.UnaryOp)):
        return True
    fact = r.fact(node)
    return bool(fact.kinds) and all(
        kind in ("int", "float", "bool", "device", "name", "str", "none") or (kind == "tensor" and fact.ranks == [0])
        for kind in fact.kinds
    )
