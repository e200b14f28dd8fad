"""What a live module says of itself, and what a graph leaves out of it."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from netglot.pivot.graph import Graph, Module


def describe(path: str, module: torch.nn.Module, arguments: dict[str, Any]) -> Module:
    """What a live module says of itself."""
    plain = {
        k: v
        for k, v in vars(module).items()
        if isinstance(v, bool | int | float | str | tuple) and not k.startswith("_") and k != "training"
    }
    container = ""
    if isinstance(module, torch.nn.Sequential):
        container = "sequential"
    elif isinstance(module, torch.nn.ModuleList):
        container = "list"
    elif isinstance(module, torch.nn.ModuleDict):
        container = "dict"
    kind = type(module)
    try:
        inputs = tuple(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        inputs = ()
    own_doc = kind.__doc__ if not kind.__module__.startswith("torch.") else None
    return Module(
        path,
        kind.__name__,
        f"{kind.__module__}.{kind.__qualname__}",
        arguments,
        plain,
        own_doc or "",
        inputs,
        container,
    )


def unused(graph: Graph) -> list[str]:
    """A sentence for the parameters that inference never uses."""
    used = set(graph.consumers()) | {v for _, v in graph.outputs}
    names = [p.name for p in graph.parameters.values() if p.kind == "parameter" and p not in used]
    if not names:
        return []
    tops = dict.fromkeys(name.rpartition(".")[0] or name for name in names)
    shown = ", ".join(list(tops)[:4]) + (f" and {len(tops) - 4} more" if len(tops) > 4 else "")
    return [f"{len(names)} parameters take no part in inference and are left out: {shown}"]
