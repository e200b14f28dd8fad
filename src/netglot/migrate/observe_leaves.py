"""By which names the user's code knows the weights that a loss was made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

MANY = 100_000
"""How many steps of a graph are looked at."""


def leaves(loss: torch.Tensor) -> dict[int, torch.Tensor]:
    """The tensors whose gradients `backward` would take, by their identity."""
    found: dict[int, torch.Tensor] = {}
    seen: set[Any] = set()
    left = [loss.grad_fn]
    while left and len(seen) < MANY:
        step = left.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        if (held := getattr(step, "variable", None)) is not None:
            found[id(held)] = held
        left += [one for one, _ in step.next_functions]
    return found


def named_leaves(owner: Any, frame: Any) -> list[list[str]] | None:
    """The fewest names of a frame that hold the weights of a loss, or just those of an optimiser, each as
    [kind, text]; None where some are held by none.

    What no name of the frame holds and no module either is left out: nothing there can look at its gradient.
    Kinds are `tensor`, `module`, `tensors` (a list or tuple), `mapping`.
    """
    if isinstance(owner, torch.optim.Optimizer):
        left = {id(one) for group in owner.param_groups for one in group["params"] if one.requires_grad}
        rows = [(kind, text, held) for kind, text, held in _held(frame) if held and held <= left]
    else:
        every = leaves(owner)
        known = {one for *_, held in _held(frame) for one in held}
        left = {one for one, tensor in every.items() if one in known or isinstance(tensor, nn.Parameter)}
        rows = [(kind, text, held) for kind, text, held in _held(frame) if held & left]
    found = []
    while left and rows:
        best = max(rows, key=lambda row: (len(row[2] & left), row[0] == "tensor"))
        if not best[2] & left:
            return None
        found.append([best[0], best[1]])
        left -= best[2]
    return None if left else found


def _held(frame: Any) -> Iterator[tuple[str, str, set[int]]]:
    """What the names that a frame sees hold: kind, text, the identities of the leaves."""
    names = {**frame.f_globals, **frame.f_locals}
    for name, value in names.items():
        if name.startswith("__"):
            continue
        yield from _of(name, value)
        if not isinstance(value, (nn.Module, torch.Tensor, torch.optim.Optimizer)) and hasattr(value, "__dict__"):
            if type(value).__module__.partition(".")[0] in ("torch", "torchvision", "builtins", "numpy"):
                continue
            for inner, held in list(vars(value).items()) if not isinstance(value, type) else []:
                if not inner.startswith("_"):
                    yield from _of(f"{name}.{inner}", held)
        elif name == "self" and isinstance(value, nn.Module):
            for inner, part in value.named_children():
                yield from _of(f"self.{inner}", part)


def _of(text: str, value: Any) -> Iterator[tuple[str, str, set[int]]]:
    if isinstance(value, nn.Module):
        yield "module", text, {id(one) for one in value.parameters() if one.requires_grad}
    elif isinstance(value, torch.Tensor):
        if value.is_leaf and value.requires_grad:
            yield "tensor", text, {id(value)}
    elif isinstance(value, (list, tuple, dict)) and 0 < len(value) < 1000:
        every = list(value.values()) if isinstance(value, dict) else list(value)
        if all(isinstance(one, torch.Tensor) and one.is_leaf and one.requires_grad for one in every):
            yield "mapping" if isinstance(value, dict) else "tensors", text, {id(one) for one in every}
