"""What a network does only while it trains: noise that inference does not show.

Export follows inference. Before it, the network runs once in training on fake tensors (nothing is computed), and
every random draw is noted with the module that made it. Two kinds are carried over:

* attention that drops weights: the rate is given to the same call during export;
* modules that pass their input on in inference and drop parts of it in training (stochastic depth, drop path, a
  hand-written dropout): they are tried on ones, and where they behave as dropout does, a mark stands for them in the
  exported graph.

Anything else random in training is told in the report.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

torch.library.define("netglot::noise", "(Tensor x, float rate, int[] axes) -> Tensor")
torch.library.impl("netglot::noise", "CompositeExplicitAutograd", lambda x, rate, axes: x.clone())
torch.library.register_fake("netglot::noise", lambda x, rate, axes: torch.empty_like(x))

_KNOWN_NOISE = ("torch.nn.modules.dropout.", "torch.nn.modules.rnn.", "torch.nn.modules.activation.")
_TRIES = 24


@dataclass
class Draws:
    """Random draws of one training pass.

    `attention` holds the rate of the n-th attention call of a module; `noise` the rate and the independent axes of
    modules that behave as dropout; `notes` what cannot be carried over.
    """

    attention: dict[tuple[str, int], float] = field(default_factory=dict)
    noise: dict[str, tuple[float, tuple[int, ...]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Places:
    """Which module is running, and how often it has called attention."""

    def __init__(self, model: torch.nn.Module):
        self.paths = {module: path for path, module in model.named_modules()}
        self.stack: list[str] = [""]
        self.counts: dict[str, int] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[Places]:
        """Follows module calls through global hooks, removed at the end."""
        before = torch.nn.modules.module.register_module_forward_pre_hook(self._enter)
        after = torch.nn.modules.module.register_module_forward_hook(self._leave, always_call=True)
        try:
            yield self
        finally:
            before.remove()
            after.remove()

    def _enter(self, module, args):
        self.stack.append(self.paths.get(module, self.stack[-1]))

    def _leave(self, module, args, output):
        if len(self.stack) > 1:
            self.stack.pop()

    def next_attention(self) -> tuple[str, int]:
        """The running module, and the number of this attention call among all of its calls."""
        path = self.stack[-1]
        number = self.counts.get(path, 0)
        self.counts[path] = number + 1
        return path, number


_RANDOM = {
    torch.bernoulli, torch.Tensor.bernoulli, torch.Tensor.bernoulli_, torch.rand, torch.rand_like, torch.randn,
    torch.randn_like, torch.Tensor.uniform_, torch.Tensor.normal_, torch.randint, torch.normal, torch.randperm,
    torch.multinomial,
}  # fmt: skip


class _Watch(TorchFunctionMode):
    def __init__(self, places: Places):
        self.places = places
        self.attention: dict[tuple[str, int], float] = {}
        self.drawn: dict[str, list[tuple[str, tuple[int, ...]]]] = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            key = self.places.next_attention()
            rate = kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)
            if rate:
                self.attention[key] = float(rate)
        out = func(*args, **kwargs)
        if func in _RANDOM:
            shape = tuple(int(s) for s in out.shape)
            self.drawn.setdefault(self.places.stack[-1], []).append((func.__name__, shape))
        return out


def observe(model: torch.nn.Module, args: tuple, kwargs: dict) -> Draws:
    """The random draws of one training pass over inputs like these; every module keeps its state and its mode."""
    draws = Draws()
    places = Places(model)
    modes = [(module, module.training) for module in model.modules()]
    watch = _Watch(places)
    try:
        model.train()
        with FakeTensorMode(allow_non_fake_inputs=True) as fake, torch.no_grad():
            state = {n: fake.from_tensor(t) for n, t in (*model.named_parameters(), *model.named_buffers())}

            def make_fake(leaf: Any) -> Any:
                return fake.from_tensor(leaf) if isinstance(leaf, torch.Tensor) else leaf

            fakes = torch.utils._pytree.tree_map(make_fake, (args, kwargs))
            with places.watching(), watch:
                torch.func.functional_call(model, state, fakes[0], fakes[1])
    except Exception as error:
        text = str(error).strip().split("\n")[0]
        draws.notes.append(f"training mode could not be observed ({type(error).__name__}: {text[:120]})")
    finally:
        for module, training in modes:
            module.training = training
    draws.attention = watch.attention
    _sort_noise(model, watch.drawn, draws)
    return draws


def _sort_noise(model: torch.nn.Module, drawn, draws: Draws) -> None:
    for path, calls in drawn.items():
        module = model.get_submodule(path)
        if f"{type(module).__module__}.".startswith(_KNOWN_NOISE):
            continue
        shape = calls[0][1]
        axes = tuple(axis for axis, size in enumerate(shape) if size != 1)
        rate = _dropout_rate(module, len(shape)) if path else None
        if rate is None:
            name = type(module).__name__
            draws.notes.append(f"{path or name} ({name}) draws random numbers in training, which are not carried over")
        else:
            draws.noise[path] = (rate, axes)


def _dropout_rate(module: torch.nn.Module, rank: int) -> float | None:
    """The rate of a module that is dropout by what it does to ones; None where it does anything else."""
    ones = torch.ones((4,) + (3,) * (rank - 1))
    training = module.training
    try:
        with torch.no_grad():
            module.eval()
            if not torch.equal(module(ones), ones):
                return None
            module.train()
            seen = {value for _ in range(_TRIES) for value in module(ones).unique().tolist()}
    except Exception:  # it wants other inputs, so it is not dropout
        return None
    finally:
        module.train(training)
    scales = seen - {0.0}
    scale = max(scales, default=1.0)
    return round(1.0 - 1.0 / scale, 6) if len(scales) == 1 and scale > 1.0 else None


@contextlib.contextmanager
def marked(model: torch.nn.Module, draws: Draws) -> Iterator[None]:
    """Lets the modules that behave as dropout leave a mark in what is exported."""

    def mark(rate: float, axes: tuple[int, ...]):
        return lambda module, args, output: torch.ops.netglot.noise(output, rate, list(axes))

    hooks = [model.get_submodule(path).register_forward_hook(mark(*how)) for path, how in draws.noise.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
