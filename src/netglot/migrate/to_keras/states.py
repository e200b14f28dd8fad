"""Weights as a whole: `state_dict` and its way back, files, and the first call that makes them."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.declare import Bound, Table, Unbound
from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import early

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark


def state(target: Any, r: Rewriter, node: ast.Call, name: str, value: str) -> str:
    """`state_dict` and its way back: a network's weights as arrays in order, an optimiser's variables."""
    loads = name.endswith(".load_state_dict")
    given = r.text(node.args[0]) if node.args else ""
    if name.startswith("torch.nn."):
        _make(target, r, node, value)
    parent = r.parent(node)
    if name.startswith("torch.nn.") and (numbered := _numbered(target, r, node, value, loads)) is not None:
        return numbered
    read = isinstance(parent, (ast.Attribute, ast.Subscript, ast.comprehension, ast.Dict, ast.For))
    read = read or (not loads and _named(r, node))
    if not loads and read and not (isinstance(parent, ast.Dict) and node in parent.values and None not in parent.keys):
        r.mark(node, name, "Keras holds the weights of a network as a list without names, `get_weights()`")
        return r.composed_kept(node)
    if name.startswith("torch.optim.Optimizer."):
        return (
            target.spell("set_state(", r) + f"{value}, {given})"
            if loads
            else target.spell("get_state(", r) + f"{value})"
        )
    if name.startswith("torch.nn."):
        return f"{value}.set_weights({given})" if loads else f"{value}.get_weights()"
    return f"{value}.{name.rpartition('.')[2]}({given})"


def _numbered(target: Any, r: Rewriter, node: ast.Call, value: str, loads: bool) -> str | None:
    """A state that is gone through by its names, as a dictionary by number; None where it is only handed on."""
    if loads:
        given = node.args[0] if node.args else None
        return target.spell("load_state(", r) + f"{value}, {r.text(given)})" if _opaque(r, given) else None
    held = _holder(r, node)
    if _opaque(r, held) or (_asked(r, node) and _names_stay(r, node)):
        return target.spell("state_of(", r) + f"{value})"
    return None


def _opaque(r: Rewriter, name: ast.AST | None) -> bool:
    """Whether a name holds a state whose own names are only ever handed on: as indices of states."""
    if not isinstance(name, ast.Name):
        return False
    function = r.around(name, ast.FunctionDef) or r.file.tree
    given = [value for one in ast.walk(function) for to, value in _pairs(one) if getattr(to, "id", "") == name.id]
    uses = [
        one for one in ast.walk(function)
        if isinstance(one, ast.Name) and one.id == name.id and isinstance(one.ctx, ast.Load)
    ]  # fmt: skip
    return (
        bool(given) and all(_is_state(one) for one in given) and any(_asked(r, one) for one in uses)
        and all(_names_stay(r, one) for one in uses if _asked(r, one))
    )  # fmt: skip


def _pairs(node: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """What an assignment gives to what, one by one where both sides are written so."""
    if not isinstance(node, ast.Assign):
        return []
    pairs: list[tuple[ast.AST, ast.AST]] = []
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs += zip(target.elts, node.value.elts, strict=False)
        else:
            pairs.append((target, node.value))
    return pairs


def _holder(r: Rewriter, node: ast.AST) -> ast.AST | None:
    """What a state is assigned to."""
    around = r.around(node, ast.stmt)
    return next((to for to, value in _pairs(around) if value is node), None)


def _named(r: Rewriter, node: ast.AST) -> bool:
    """Whether a state is assigned to a name and asked there by the names of weights."""
    held = _holder(r, node)
    function = r.around(node, ast.FunctionDef) or r.file.tree
    return isinstance(held, ast.Name) and any(
        isinstance(one, ast.Name) and one.id == held.id and isinstance(one.ctx, ast.Load) and _asked(r, one)
        for one in ast.walk(function)
    )


def _is_state(node: ast.AST) -> bool:
    """Whether an expression is `network.state_dict()`, or a deep copy of it."""
    if isinstance(node, ast.Call) and len(node.args) == 1 and getattr(node.func, "attr", "") == "deepcopy":
        node = node.args[0]
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "state_dict"


def _asked(r: Rewriter, node: ast.AST) -> bool:
    """Whether a state is used as a dictionary."""
    parent = r.parent(node)
    if isinstance(parent, ast.Attribute):
        return parent.attr in ("items", "keys", "values")
    if isinstance(parent, ast.Subscript):
        return parent.value is node
    return isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is node


def _names_stay(r: Rewriter, node: ast.AST) -> bool:
    """Whether the names that a state is asked by mean nothing of their own."""
    parent = r.parent(node)
    if isinstance(parent, ast.Subscript):
        return isinstance(parent.slice, ast.Name) and _only_indexes(r, parent, parent.slice.id)
    if isinstance(parent, ast.Attribute):
        if parent.attr == "values":
            return True
        node, parent = r.parent(parent) or node, r.parent(r.parent(parent) or node)
        while isinstance(parent, ast.Call):  # `zip(...)`, `enumerate(...)`
            return False
    if isinstance(parent, (ast.For, ast.comprehension)):
        named = parent.target.elts[0] if isinstance(parent.target, ast.Tuple) else parent.target
        return isinstance(named, ast.Name) and _only_indexes(r, parent, named.id)
    return False


def _only_indexes(r: Rewriter, node: ast.AST, name: str) -> bool:
    """Whether a name is nothing but an index in its function, or the key of a dictionary that is made."""
    function = r.around(node, ast.FunctionDef) or r.file.tree
    for one in ast.walk(function):
        if not isinstance(one, ast.Name) or one.id != name or not isinstance(one.ctx, ast.Load):
            continue
        parent = r.parent(one)
        index = isinstance(parent, ast.Subscript) and parent.slice is one
        key = (isinstance(parent, ast.DictComp) and parent.key is one) or (
            isinstance(parent, ast.Dict) and one in parent.keys
        )
        among = (
            isinstance(parent, ast.Compare) and parent.left is one and isinstance(parent.ops[0], (ast.In, ast.NotIn))
        )
        if not (index or key or among):
            return False
    return True


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


def saved(target: Any, r: Rewriter, call: ast.Call, name: str) -> str | None:
    """`torch.save(model.state_dict(), path)` and its way back, as `save_weights` and `load_weights`."""
    if _loads_apart(r):
        return None
    if name == "torch.save" and len(call.args) == 2 and isinstance(call.args[0], ast.Call):
        inner = call.args[0]
        if isinstance(inner.func, ast.Attribute) and inner.func.attr == "state_dict":
            owner = inner.func.value
            if looks_like_network(r, owner):
                made = _made(target, r, inner, r.text(owner))
                return f"{made}{r.text(owner)}.save_weights({_weights_path(target, r, call.args[1])})"
    if name.endswith(".load_state_dict") and isinstance(call.func, ast.Attribute) and call.args:
        inner = call.args[0]
        if _is_load(r, inner) and any(k.startswith("module:") for k in r.fact(call.func.value).kinds or ["module:"]):
            network = r.text(call.func.value)
            path = _weights_path(target, r, inner.args[0])  # type: ignore[attr-defined]
            return f"{_made(target, r, call, network)}{network}.load_weights({path})"
    return None


def _made(target: Any, r: Rewriter, call: ast.Call, network: str) -> str:
    """A call of a network that has not been called yet, which makes its weights, to stand before they are loaded."""
    made = _first_call(target, r, call, network, filed=True)
    statement = r.around(call, ast.Expr)
    return f"{made}\n{r.spans.indent(statement)}" if made else ""


def _first_call(target: Any, r: Rewriter, call: ast.Call, network: str, filed: bool = False) -> str:
    """The call by which a network makes its weights, where it had not been called yet and its inputs are known.

    Keras wants it even of a network that has its weights before they are `filed`.
    """
    kinds = [kind.removeprefix("module:user:") for kind in r.fact(call.func.value).kinds]  # type: ignore[attr-defined]
    seen, function = r.fact(call), r.around(call, ast.FunctionDef)
    fresh = seen.extra.get("fresh") or not seen.count  # one that never ran may stand before the first call
    if not fresh or (early.at_once(r) and not filed):
        return ""
    begins = function is not None and function.name == "__init__" and r._state.get("module")
    inputs = (r.project.inputs.get(kinds[0]) or _called_with(r, network)) if len(kinds) == 1 and not begins else None
    if not inputs or any("shape" not in one or one.get("name") for one in inputs):
        if seen.count:
            early.touched(r)
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


def counted(target: Any, r: Rewriter, node: ast.Call, value: str) -> None:
    """The weights of a network are counted, or handed on: it must have made them."""
    if not r.fact(node).extra.get("fresh") or early.at_once(r):
        return
    around = r.around(node, ast.GeneratorExp, ast.ListComp, ast.DictComp, ast.For, ast.Call)
    listed = isinstance(around, (ast.DictComp, ast.For))
    counted = around is not None and (listed or "numel" in r.source(around))
    if counted or _kept(r, node):
        _make(target, r, node, value)
    elif not trained(r, node):
        early.touched(r)


def _make(target: Any, r: Rewriter, node: ast.Call, network: str) -> None:
    """Puts the call by which a network makes its weights before a statement, unless it stands before it already."""
    made, statement = _first_call(target, r, node, network), r.around(node, ast.stmt)
    before = r._state.setdefault("made by", {}).setdefault(made, [])
    if made and not any(_leads(r, one, statement, network) for one in before):
        r.precede(node, made)
        before.append(statement)


def _leads(r: Rewriter, earlier: ast.stmt, later: ast.AST, network: str) -> bool:
    """Whether a statement stands before another wherever that runs, the network still the same."""
    blocks = [getattr(r.parent(earlier), name, None) for name in ("body", "orelse", "finalbody")]
    block = next(one for one in blocks if isinstance(one, list) and earlier in one)
    around: ast.AST | None = later
    while around is not None and around not in block:
        around = r.parent(around)
    if around is None or block.index(around) < block.index(earlier):
        return False
    root = network.partition(".")[0]
    between = block[block.index(earlier) : block.index(around) + 1]
    return not any(
        isinstance(one, ast.Name) and one.id == root and isinstance(one.ctx, ast.Store)
        for statement in between for one in ast.walk(statement)
    )  # fmt: skip


def trained(r: Rewriter, node: ast.AST) -> bool:
    """Whether weights are named for an optimiser, which Keras tells later, or one is asked what all are like."""
    place = r.parent(node)
    while place is not None and not isinstance(place, ast.stmt):
        if isinstance(place, ast.Call):
            callees = r.fact(place).callees or [r.dotted(place.func) or ""]
            if callees[0].startswith(("torch.optim.", "torch.nn.utils.clip")) or callees[0] == "builtins.next":
                return True
        place = r.parent(place)
    return False


def chosen(r: Rewriter, node: ast.AST) -> bool:
    """Whether only the weights that ask for gradients are taken of a network: `for p in ... if p.requires_grad`."""
    place = r.parent(node)
    while place is not None and not isinstance(place, (ast.stmt, ast.comprehension)):
        place = r.parent(place)
    return any(isinstance(one, ast.Attribute) and one.attr == "requires_grad" for one in getattr(place, "ifs", ()))


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
