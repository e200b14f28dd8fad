"""What a class of the user derives from in PyTorch."""

from __future__ import annotations

import ast
from typing import Any

LAYERS = ("keras.layers.Layer", "keras.Layer", "keras.Model", "keras.models.Model")
BUILDS = {"add_weight", "add_loss", "add_variable"}
"""Methods that only the helper `Layer` has."""


def base(r: Any, node: ast.ClassDef, dotted: str) -> str | None:
    """The base that is written for a Keras layer or network: `nn.Module` wherever that is enough."""
    if dotted not in LAYERS:
        return None
    methods = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
    if (
        dotted.endswith("Model")
        and not methods & {"call", "__call__"}
        and ("__init__" not in methods or _hands_on(node))
    ):
        return "Model"  # it is given its inputs and outputs
    calls = {
        one.func.attr for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
    }
    if _masks(node, methods):
        return "MaskingLayer"
    if "build" in methods or calls & BUILDS or symbolic(r.project):
        return "Layer"
    return "nn.Module"


def _masks(node: ast.ClassDef, methods: set[str]) -> bool:
    """Whether a layer takes masks, makes them or hands them on."""
    takes = any(
        isinstance(one, ast.FunctionDef) and one.name == "call" and "mask" in [a.arg for a in one.args.args[2:]]
        for one in node.body
    )
    keeps = any(
        isinstance(one, ast.Attribute) and one.attr == "supports_masking" and isinstance(one.ctx, ast.Store)
        for one in ast.walk(node)
    )
    return takes or keeps or "compute_mask" in methods


def _hands_on(node: ast.ClassDef) -> bool:
    """Whether a class gives its inputs and outputs to `super().__init__`."""
    for one in ast.walk(node):
        match one:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"), args=args):
                if len(args) == 2 or {"inputs", "outputs"} <= {k.arg for k in one.keywords}:
                    return True
    return False


def symbolic(project: Any) -> bool:
    """Whether any file writes networks down in Keras's functional way, by layers called on inputs."""
    if not hasattr(project, "symbolic"):
        project.symbolic = any(
            isinstance(one, ast.Call) and file.facts and "tensor" in file.facts.get(getattr(one, "number", -1), _NO).kinds
            and (getattr(one.func, "attr", "") or getattr(one.func, "id", "")) == "Input"
            and not _listed(file.tree, one)
            for file in project.files for one in ast.walk(file.tree)
        )  # fmt: skip
    return project.symbolic


class _NO:
    kinds: tuple = ()


def _listed(tree: ast.AST, call: ast.Call) -> bool:
    """Whether an `Input` only opens a Sequential: in its list, or added to it."""
    for one in ast.walk(tree):
        if isinstance(one, ast.List) and call in one.elts:
            return True
        if isinstance(one, ast.Call) and call in one.args and getattr(one.func, "attr", "") == "add":
            return True
    return False
