"""What a module holds, put back after a forward pass that was only looked at."""

from __future__ import annotations

import contextlib
import types
from collections import OrderedDict
from typing import Any

import torch


@contextlib.contextmanager
def kept_tensors(model: torch.nn.Module):
    """Every tensor by its paths; afterwards all modules are what they were.

    PyTorch leaves stand-ins in modules that a network holds twice, and in what a forward pass keeps in an attribute or
    adds to a list. Hooks that a forward pass installs on its first run go as well, with the mark that says they are
    there: it would install them again.
    """
    collections = _collections(model)
    held = [(m, dict(m._parameters), dict(m._buffers), dict(vars(m))) for m in model.modules()]
    others = {id(o): (o, dict(vars(o))) for _, _, _, attributes in held for o in attributes.values() if _is_plain(o)}
    named = (model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False))
    tensors = {path: tensor for pairs in named for path, tensor in pairs}
    try:
        yield tensors
    finally:
        for module, parameters, buffers, attributes in held:
            vars(module).clear()
            vars(module).update(attributes)
            module._parameters.update(parameters)
            module._buffers.update(buffers)
        for other, attributes in others.values():
            vars(other).clear()
            vars(other).update(attributes)
        for collection, content in collections:
            collection.clear()
            (collection.extend if isinstance(collection, list) else collection.update)(content)


def _collections(model: torch.nn.Module) -> list[tuple[Any, Any]]:
    """The lists, dictionaries and sets that the modules hold, each with what is in it now."""
    attributes = (held for module in model.modules() for held in vars(module).values())
    return [(held, type(held)(held)) for held in attributes if type(held) in (list, dict, OrderedDict, set)]


def _is_plain(held: Any) -> bool:
    """Whether a module holds it as an object of its own making, which may keep tensors of a forward pass."""
    kinds = (torch.nn.Module, torch.Tensor, type, types.ModuleType, types.FunctionType)
    return isinstance(getattr(held, "__dict__", None), dict) and not isinstance(held, kinds)
