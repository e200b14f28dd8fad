"""PyTorch's test databases as networks: every entry of `module_db` and of `op_db`, one network a sample.

A module is itself the network. A function becomes one whose inputs are the tensors among its arguments, in the order
in which the arguments stand; all else is a constant of the network. Both in double precision where PyTorch computes
the entry in doubles, else in its own first dtype. The same seeds give the same samples in every process.
"""

from __future__ import annotations

import functools
import itertools
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

DTYPES = (torch.float64, torch.float32, torch.int64, torch.bool, torch.complex128)
"""The dtypes that samples are drawn in: the first that the entry knows."""


@dataclass(frozen=True)
class Case:
    """One sample of one entry. `single` is the same in float32: another network, and other arrays."""

    kind: str
    entry: str
    index: int
    network: torch.nn.Module
    args: tuple
    kwargs: dict[str, Any]

    def single(self) -> Case:
        """The same case in float32, for what a framework does not compute in doubles."""
        import copy

        args, kwargs = _to(torch.float32, (self.args, self.kwargs))
        network = copy.deepcopy(self.network).to(torch.float32)
        return Case(self.kind, self.entry, self.index, network, args, kwargs)


class Function(torch.nn.Module):
    """A function as a network: `forward` takes the tensors among its arguments."""

    def __init__(self, function: Callable, args: tuple, kwargs: dict[str, Any]):
        super().__init__()
        self.function = function
        leaves, self.spec = pytree.tree_flatten((args, kwargs))
        self.leaves = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        self.places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    def forward(self, *tensors):
        leaves = list(self.leaves)
        for place, tensor in zip(self.places, tensors, strict=False):
            leaves[place] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        result = self.function(*args, **kwargs)
        # a function without tensors makes a constant: beside what does enter, it is a network
        return result if self.places else (result, tensors[0])


class Together(torch.nn.Module):
    """Several networks as one; its inputs are the tensors that each is called with, in order."""

    def __init__(self, group: list[Case]):
        super().__init__()
        self.networks = torch.nn.ModuleList([case.network for case in group])
        flat = [pytree.tree_flatten((case.args, case.kwargs)) for case in group]
        self.calls = [([_constant(leaf) for leaf in leaves], spec) for leaves, spec in flat]

    def forward(self, *tensors):
        given, results = iter(tensors), []
        for network, (leaves, spec) in zip(self.networks, self.calls, strict=True):
            filled = [next(given) if leaf is _TENSOR else leaf for leaf in leaves]
            args, kwargs = pytree.tree_unflatten(filled, spec)
            results.append(network(*args, **kwargs))
        return tuple(results)


_TENSOR = "a tensor stands here"


def _constant(leaf: Any) -> Any:
    return _TENSOR if isinstance(leaf, torch.Tensor) else leaf


def together(group: list[Case]) -> Case:
    """Samples of one entry as one case."""
    first = group[0]
    tensors = [t for case in group for t in pytree.tree_leaves((case.args, case.kwargs)) if isinstance(t, torch.Tensor)]
    return Case(first.kind, first.entry, first.index, Together(group).eval(), tuple(tensors), {})


def _to(dtype: torch.dtype, tree: Any) -> Any:
    def convert(leaf):
        return leaf.to(dtype) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else leaf

    return pytree.tree_map(convert, tree)


def _seeded() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


@functools.cache
def entries(kind: str) -> dict[str, list[Any]]:
    """The entries of a database ("module" or "op") by name; several may share one name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "module":
            from torch.testing._internal.common_modules import module_db as database
        else:
            from torch.testing._internal.common_methods_invocations import op_db as database
    found: dict[str, list[Any]] = {}
    for info in database:
        variant = getattr(info, "variant_test_name", "")
        found.setdefault(f"{info.name}.{variant}" if variant else info.name, []).append(info)
    return found


def cases(kind: str, entry: str) -> Iterator[Case]:
    """All cases of one entry, in order."""
    make = _module_cases if kind == "module" else _op_cases
    index = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for info in entries(kind)[entry]:
            _seeded()
            for network, args, kwargs in make(info):
                yield Case(kind, entry, index, network, args, kwargs)
                index += 1


def nth_case(kind: str, entry: str, place: int) -> Case | None:
    """One case of an entry: the one at `place`, or the last where there are fewer."""
    first = list(itertools.islice(cases(kind, entry), place + 1))
    return first[-1] if first else None


def count(kind: str, entry: str) -> int:
    """How many cases an entry has."""
    return sum(1 for _ in cases(kind, entry))


def _module_cases(info) -> Iterator[tuple]:
    dtype = next(d for d in DTYPES if d in info.dtypes)
    for sample in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=False, training=False):
        if sample.forward_input is None:
            continue
        _seeded()
        network = info.module_cls(*sample.constructor_input.args, **sample.constructor_input.kwargs).to(dtype).eval()
        args, kwargs = _plain(sample.forward_input.args), _plain(sample.forward_input.kwargs)
        if isinstance(network, torch.nn.modules.lazy.LazyModuleMixin):
            network(*args, **kwargs)  # makes its parameters, as it must before anything else can be done with it
        _stir(network)
        yield network, args, kwargs


def _op_cases(info) -> Iterator[tuple]:
    dtype = next((d for d in DTYPES if d in info.dtypes), None)
    if dtype is None:
        return
    for sample in info.sample_inputs("cpu", dtype, requires_grad=False):
        args, kwargs = _plain((sample.input, *sample.args)), _plain(sample.kwargs)
        network = Function(info.op, args, kwargs).eval()
        tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        yield network, tuple(tensors) or (torch.ones(2, 3, dtype=torch.float64),), {}


def _plain(tree: Any) -> Any:
    """Tensors without gradients, each with memory of its own."""
    return pytree.tree_map(lambda t: t.detach().clone() if isinstance(t, torch.Tensor) else t, tree)


def _stir(network: torch.nn.Module) -> None:
    """Moves parameters and statistics that are all zeros or all ones, behind which an exchange could hide."""
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
                continue
            if (
                tensor.is_floating_point()
                and tensor.numel()
                and torch.equal(tensor, tensor.flatten()[0].expand_as(tensor))
            ):
                tensor.add_(torch.rand_like(tensor) * 0.5)
