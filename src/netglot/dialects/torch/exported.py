"""Programs that `torch.export` made elsewhere: read as they are, and what they are called with."""

from __future__ import annotations

from typing import Any

import torch

import netglot.dialects.torch.capture  # noqa: F401  (defines the custom ops that a program may hold)
from netglot.dialects.torch.capture import Captured
from netglot.dialects.torch.casting import dtype_name
from netglot.dialects.torch.read import read_program
from netglot.errors import Refusal, notimpl
from netglot.pivot.graph import Graph

FIXED = (
    "an exported program keeps the mode in which it was exported, so training was not compared; give the model itself "
    "to have it compared"
)


def read_exported(program: Any, name: str | None = None) -> Graph:
    """Reads an exported program as a graph. Sizes that were dynamic when it was exported are symbolic.

    Raises:
        UnsupportedOps: operations without a pivot form, all of them.
        Refusal: it was exported in training mode.
    """
    if any(_trains(node) for node in program.graph.nodes):
        raise Refusal(
            notimpl(
                "the program was exported in training mode, which fixes dropout and batch statistics in it",
                "call .eval() on the model before torch.export.export, or give the model itself",
            )
        )
    shapes = [fake.shape for _, fake in _tensors(program)]

    def symbol(index: int, axis: int) -> str | None:
        if isinstance(shapes[index][axis], int):
            return None
        return "B" if axis == 0 else f"D{axis}"

    graph = read_program(Captured(program, []), None, symbols=symbol, name=_root_class(program) or name)
    graph.notes.append(FIXED)
    return graph


def _root_class(program: Any) -> str | None:
    """The class of the module that was exported, where the program tells it."""
    for node in program.graph.nodes:
        for path, kind in (node.meta.get("nn_module_stack") or {}).values():
            if not path:
                name = kind if isinstance(kind, str) else kind.__qualname__
                return name.rpartition(".")[2]
    return None


def called_with(program: Any, spec: Any) -> tuple[tuple, dict[str, Any]]:
    """The arguments of the program's call: `spec(shape, dtype)` for each tensor, other values as they were."""
    tensors = {node.name: fake for node, fake in _tensors(program)}
    leaves = [
        spec(tuple(tensors[one.arg.name].shape), dtype_name(tensors[one.arg.name].dtype))
        if one.arg.name in tensors
        else getattr(one.arg, "value", None)
        for one in program.graph_signature.input_specs
        if one.kind.name == "USER_INPUT"
    ]
    args, kwargs = torch.utils._pytree.tree_unflatten(leaves, program.call_spec.in_spec)
    return tuple(args), dict(kwargs)


def _tensors(program: Any) -> list[tuple[Any, torch.Tensor]]:
    """The placeholders of the user's tensors, with the fake tensor that each had."""
    wanted = {one.arg.name for one in program.graph_signature.input_specs if one.kind.name == "USER_INPUT"}
    nodes = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in wanted]
    return [(n, n.meta["val"]) for n in nodes if isinstance(n.meta.get("val"), torch.Tensor)]


_TRAINS = {
    "aten.batch_norm.default": 5, "aten.dropout.default": 2, "aten.dropout_.default": 2,
    "aten.instance_norm.default": 5,
    "aten.alpha_dropout.default": 2, "aten.feature_dropout.default": 2, "aten.native_dropout.default": 2,
    "aten._native_batch_norm_legit_functional.default": 5, "aten._native_batch_norm_legit.default": 5,
    "aten.native_batch_norm.default": 5,
}  # fmt: skip
"""The position of the argument that says whether it is training."""


def _trains(node: Any) -> bool:
    place = _TRAINS.get(str(node.target))
    if place is None or len(node.args) <= place or node.args[place] is not True:
        return False
    statistics = node.args[3] if "norm" in str(node.target) else True
    return statistics is not None
