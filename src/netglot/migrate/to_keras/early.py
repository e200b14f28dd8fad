"""Weights that code touches before a layer's first call: PyTorch's layers have them at once."""

from __future__ import annotations

import ast
from typing import Any


def at_once(r: Any) -> bool:
    """Whether layers make their weights with themselves, told the number of their inputs: code touches weights before
    the first call, or computes with the number of a layer's inputs. Else Keras makes them at the first call."""
    held = r.project.remembered
    if "inputs" not in held:
        held["inputs"] = any(_computes_inputs(file) for file in r.project.files)
    return held["inputs"] or r.project.learned.get("early", False)


def touched(r: Any) -> None:
    """Weights are touched before they would be made: from now on layers make them at once."""
    r.project.learned["early"] = True


def freezes(r: Any) -> bool:
    """Whether these files hold weights as they are: Keras then leaves them out of those that are trained."""
    held = r.project.remembered
    if "freezes" not in held:
        nodes = [node for file in r.project.files for node in ast.walk(file.tree)]
        held["freezes"] = any(
            isinstance(one, ast.Attribute) and one.attr in ("requires_grad", "requires_grad_")
            and (one.attr.endswith("_") or isinstance(one.ctx, ast.Store)) for one in nodes
        )  # fmt: skip
    return held["freezes"]


def changed_late(r: Any, weight: ast.AST) -> bool:
    """Whether a weight was there, or had been asked for, when it was started anew."""
    return bool(r.fact(weight).extra.get("late"))


def _computes_inputs(file: Any) -> bool:
    parents = {id(child): node for node in ast.walk(file.tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(file.tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="linear" | "conv1d" | "conv2d" | "conv3d"),
                args=[_, ast.Attribute(attr="weight"), *_],
            ):
                return True
            case ast.Attribute(value=layer, attr="in_features" | "in_channels", ctx=ast.Load()):
                pass
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(value=layer, attr="weight"), attr="size"), args=[index]
            ):
                if getattr(index, "value", None) != 1:
                    continue
            case ast.Subscript(value=ast.Attribute(value=ast.Attribute(value=layer, attr="weight"), attr="shape")):
                if getattr(node.slice, "value", None) != 1:
                    continue
            case _:
                continue
        fact = file.facts.get(getattr(layer, "number", -1))
        layers = fact is not None and any(kind.startswith("module:torch.nn.") for kind in fact.kinds)
        if layers and isinstance(parents.get(id(node)), (ast.BinOp, ast.Call)) and not _makes(parents[id(node)], file):
            return True
    return False


def _makes(node: ast.AST, file: Any) -> bool:
    """Whether a call makes a module."""
    fact = file.facts.get(getattr(node, "number", -1))
    return fact is not None and any(name.startswith("torch.nn.") and "init" not in name for name in fact.callees)
