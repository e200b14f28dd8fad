"""Attributes of modules and optimisers by Keras's names."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import early, orders, starts
from netglot.migrate.to_keras.starts import any_weight, weight_name


def frozen(r: Rewriter, node: ast.For) -> tuple[ast.AST, bool] | None:
    """The network of `for p in network.parameters(): p.requires_grad = False`, and whether it is held, or let go;
    None for other loops."""
    match node:
        case ast.For(
            target=ast.Name(id=name),
            iter=ast.Call(func=ast.Attribute(value=network, attr="parameters"), args=[], keywords=[]),
            body=[
                ast.Assign(
                    targets=[ast.Attribute(value=ast.Name(id=other), attr="requires_grad")],
                    value=ast.Constant(value=bool(flag)),
                )
                | ast.Expr(
                    value=ast.Call(
                        func=ast.Attribute(value=ast.Name(id=other), attr="requires_grad_"),
                        args=[ast.Constant(value=bool(flag))],
                    )
                )
            ],
            orelse=[],
        ) if name == other and all(kind.startswith("module:") for kind in r.fact(network).kinds):
            return network, not flag
    return None


_OWN = dict.fromkeys(("LSTM", "GRU", "RNN"), ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
_OWN["MultiheadAttention"] = ("in_proj_",)
"""The layers whose weights have PyTorch's names, which begin so."""
_LISTS = {"torch.nn.ModuleList": list, "torch.nn.ParameterList": list, "torch.nn.ModuleDict": dict,
          "torch.nn.ParameterDict": dict}  # fmt: skip


def module_attribute(target: Any, r: Rewriter, node: ast.Attribute, owners: list[str]) -> str | None:
    """A weight of a layer by Keras's name; `bias` asked for before there is one is `use_bias`."""
    kinds = [o.removeprefix("module:") for o in owners if o.startswith("module:torch.")]
    if not kinds:
        return None
    value = r.text(node.value)
    parent = r.parent(node)
    called = isinstance(parent, ast.Call) and parent.func is node
    place = r.fact(parent if called else node).extra.get("place")  # type: ignore[arg-type]
    if place is not None and isinstance(node.ctx, ast.Load) and target.sequential(r, node.value):
        return f"{r.parenthesised(node.value, value)}.layers[{place}]"
    if kinds in (["torch.nn.ModuleDict"], ["torch.nn.ParameterDict"]) and r.fact(node).kinds != ["function"]:
        return f'{value}["{node.attr}"]'
    parent = r.parent(node)
    alike = {weight_name(kind, node.attr) for kind in kinds} == {"bias"}
    if alike and isinstance(parent, (ast.Compare, ast.If, ast.BoolOp)):
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
        if r.fact(node).extra.get("early"):
            early.touched(r)
        same = {name for kind in kinds if (name := _OWN.get(kind.rpartition(".")[2].removesuffix("Cell")))}
        if same and all(node.attr.startswith(name) for name in same):
            return None
        if node.attr in ("hidden_size", "num_layers", "batch_first"):
            return None
        if all(kind in _LISTS and hasattr(_LISTS[kind], node.attr) for kind in kinds):
            return None  # Python's own lists and dictionaries stand for them
        if node.attr in ("in_features", "in_channels") and isinstance(node.ctx, ast.Load):
            return target.spell("inputs_of(", r) + f"{value})"
        r.mark(node, f"{kinds[0]}.{node.attr}", "netglot does not know this attribute")
        return None
    if len(names) > 1 and None not in names and isinstance(node.ctx, ast.Load):
        return any_weight(r, value, node.attr)
    if len(names) > 1 or None in names:
        r.mark(node, node.attr, "it has other names in different layers")
        return None
    if r.fact(node).extra.get("early"):
        early.touched(r)
    if names == {"kernel"} and isinstance(node.ctx, ast.Load) and orders.turned(r, node):
        gradient = getattr(parent, "attr", "") == "grad"
        if not gradient and orders.matters(r, node):
            return target.spell("weight_of(", r) + f"{value})"
    return f"{value}.{names.pop()}"


def given(r: Rewriter, node: ast.Call) -> str | None:
    """`getattr(m, "bias", None)` of layers; None for what else is asked."""
    name = r.constant(node.args[1]) if len(node.args) == 3 and r.constant(node.args[2]) is None else None
    layers = any(kind.startswith("module:torch.") for kind in r.fact(node.args[0]).kinds)
    return any_weight(r, r.text(node.args[0]), name) if layers and name in starts.HELD else None


def asked(target: Any, r: Rewriter, node: ast.Call) -> str | None:
    """`hasattr(m, "weight")` of layers by Keras's names; None for what is called alike, or is no layer's."""
    name = r.constant(node.args[1]) if len(node.args) == 2 else None
    if not any(kind.startswith("module:torch.") for kind in r.fact(node.args[0]).kinds):
        return None
    layer = r.text(node.args[0])
    if name == "reset_parameters":
        return "bool(" + target.spell("starts_of(", r) + f"{layer}))"
    if name in starts.HELD:
        return f"{any_weight(r, layer, name)} is not None"
    if name in ("in_features", "in_channels", "weight_g"):
        r.mark(node, f'hasattr(..., "{name}")', "layers of Keras have no such attribute")
    return None


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
