"""What an export is told before it starts: which axes vary, and that generation's cache is off."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import torch


class without_cache:
    """Turns off the key-value cache of a transformers model while it is captured."""

    def __init__(self, model):
        self.configs = [c for c in (getattr(m, "config", None) for m in model.modules()) if hasattr(c, "use_cache")]
        self.before = [c.use_cache for c in self.configs]

    def __enter__(self) -> list[str]:
        for config in self.configs:
            config.use_cache = False
        cached = any(self.before)
        return ["past_key_values is left out: the key-value cache of generation is not carried over"] if cached else []

    def __exit__(self, *_):
        for config, value in zip(self.configs, self.before, strict=True):
            config.use_cache = value


def forget_caches(model: torch.nn.Module) -> None:
    """Lets modules drop what they keep of their weights between calls in inference, as they do when training begins.

    LeViT looks its attention biases up once: exported after a call, the network would hold a copy and no parameter.
    """
    modes = [(module, module.training) for module in model.modules()]
    with contextlib.suppress(NotImplementedError):  # an exported program has no other mode
        for mode in (True, False):
            model.train(mode)
    for module, mode in modes:
        module.training = mode


def dynamic_shapes(model, args, kwargs, symbols) -> dict[str, Any]:
    """The `dynamic_shapes` of torch.export by argument name: every axis that has a symbol may vary."""
    leaves = [leaf for leaf in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    order = {id(leaf): index for index, leaf in enumerate(leaves)}

    def mark(leaf):
        if not isinstance(leaf, torch.Tensor):
            return None
        return {a: torch.export.Dim.AUTO for a in range(leaf.dim()) if symbols(order[id(leaf)], a)} or None

    bound = inspect.signature(model.forward).bind(*args, **kwargs).arguments
    marked = {}
    for name, held in bound.items():
        kind = inspect.signature(model.forward).parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            marked.update({key: torch.utils._pytree.tree_map(mark, one) for key, one in held.items()})
        else:
            marked[name] = torch.utils._pytree.tree_map(mark, held)
    return marked
