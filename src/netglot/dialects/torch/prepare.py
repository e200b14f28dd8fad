"""What an export is told before it starts: which axes vary, and that generation's cache is off; and what it does not
take as it is, made ready for it: lazy layers, dataclasses that are returned, what `torch.vmap` maps.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as pytree

from netglot.errors import Refusal, never

_PACKED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.ao.nn.sparse.quantized")


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


@contextlib.contextmanager
def keywords_by_name(model: torch.nn.Module, kwargs: dict) -> Iterator[None]:
    """Gives a forward pass that takes `**kwargs` a parameter for each of them, without which export finds no shapes."""
    signature = inspect.signature(model.forward)
    plain = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    more = [name for name in kwargs if name not in signature.parameters]
    if len(plain) == len(signature.parameters) or not more:
        yield
        return
    original = model.forward

    @functools.wraps(original)
    def forward(*args, **options):
        return original(*args, **options)

    named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in more]
    forward.__signature__ = signature.replace(parameters=[*plain, *named])  # type: ignore[attr-defined]
    own = "forward" in vars(model)
    model.forward = forward
    try:
        yield
    finally:
        if own:
            model.forward = original
        else:
            del model.forward


def refuse_closed(model: torch.nn.Module) -> None:
    """Asserts that every module has its forward pass and its weights where PyTorch can be watched at work.

    Raises:
        Refusal: one was compiled by TorchScript, or holds weights packed for quantised kernels.
    """
    for path, module in model.named_modules():
        kind, place = type(module), f" ({path})" if path else ""
        if isinstance(module, torch.jit.ScriptModule):
            name = module.original_name
            raise Refusal(
                never(
                    f"{name}{place} is compiled by TorchScript, which runs where PyTorch's functions cannot be seen",
                    "give the network as it was before torch.jit, or torch.jit.save all of it and convert that file",
                )
            )
        if kind.__module__.startswith(_PACKED):
            raise Refusal(
                never(
                    f"{kind.__name__}{place} holds weights that torch.ao packed for its quantised kernels",
                    "give the network as it was before it was quantised, or export it to ONNX and convert that file",
                )
            )


MARKED = "netglot_"
"""What the keys start with that netglot leaves in the `meta` of fx nodes."""


def make_lazy_layers(model: torch.nn.Module, args: tuple, kwargs: dict) -> None:
    """Lets layers that wait for their first input (`nn.LazyLinear`) make their weights, by one call in inference."""
    if not any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        return
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            model(*args, **kwargs)
    finally:
        for module, training in modes:
            module.training = training


def know_dataclasses(output: Any) -> None:
    """Tells PyTorch of the dataclasses in what a network returns, so that it sees the tensors in them."""
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        if type(output) not in pytree.SUPPORTED_NODES:
            torch.export.register_dataclass(type(output))
        output = [getattr(output, field.name) for field in dataclasses.fields(output)]
    elif isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, list | tuple):
        for one in output:
            know_dataclasses(one)


def batched(program: Any) -> Any:
    """The program with what `torch.vmap` maps as operations on whole batches, and every node's marks."""
    old = {node.name: node for node in program.graph.nodes}
    if not any("functorch" in getattr(node.target, "__module__", "") for node in old.values()):
        return program
    program = program.run_decompositions({})
    for node in program.graph.nodes:
        origins = node.meta.get("from_node") or []
        first = origins[0] if origins else None
        while first is not None and first.name not in old and first.from_node:
            first = first.from_node[0]
        if first is not None and first.name in old:
            marks = old[first.name].meta
            node.meta.update({key: held for key, held in marks.items() if str(key).startswith(MARKED)})
    return program
