"""The names under which modules know what they are handed."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import get_proxy_mode, get_proxy_slot

ARGUMENTS = "netglot_arguments"
"""The key under which an fx node knows the module arguments that it is."""


def _each(kind: type, bound: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arguments by name; what is handed in as a pair by the names under which the call takes it apart."""
    for name, held in bound.items():
        if isinstance(held, tuple | list):
            yield from zip(_taken_apart(kind).get(name, ()), held, strict=False)
        else:
            yield name, held


@functools.cache
def _taken_apart(kind: type) -> dict[str, tuple[str, ...]]:
    """The names that `forward` gives the items of an argument: `scale, shift = scale_shift`."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind.forward)))
    except (OSError, TypeError, SyntaxError):
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and isinstance(node.targets[0], ast.Tuple):
            names = [item.id for item in node.targets[0].elts if isinstance(item, ast.Name)]
            if len(names) == len(node.targets[0].elts):
                found.setdefault(node.value.id, tuple(names))
    return found


@contextlib.contextmanager
def naming_arguments(model: torch.nn.Module):
    """Leaves on each fx node the module arguments that it is handed in as: `(path, name)`."""

    def hook(path: str, signature: inspect.Signature):
        def note(module, args, kwargs):
            mode = get_proxy_mode()
            if mode is None:
                return
            try:
                bound = signature.bind(*args, **kwargs).arguments
            except TypeError:  # the call itself will say so
                return
            for name, held in _each(type(module), bound):
                proxy = get_proxy_slot(held, mode.tracer, None) if isinstance(held, torch.Tensor) else None
                node = getattr(getattr(proxy, "proxy", None), "node", None)
                if node is not None:
                    node.meta.setdefault(ARGUMENTS, []).append((path, name))

        return note

    hooks = []
    for path, module in model.named_modules():
        if path and not type(module).__module__.startswith("torch.nn.modules.container"):
            with contextlib.suppress(TypeError, ValueError):
                note = hook(path, inspect.signature(module.forward))
                hooks.append(module.register_forward_pre_hook(note, with_kwargs=True))
    try:
        yield
    finally:
        for one in hooks:
            one.remove()
