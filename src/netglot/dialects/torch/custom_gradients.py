"""Custom autograd functions: what their backward says, as ordinary operations.

Export follows the forward of a `torch.autograd.Function` and loses its gradient. Each function that is met is
therefore tried on random numbers in double precision, and then stands as one of three:

* its backward is the derivative of its forward (a saving of memory): the forward alone;
* its backward multiplies each element of the gradient by a factor (straight-through estimators, reversed or clipped
  gradients): the forward without its gradient, plus a term that is zero and has this one;
* anything else: a refusal.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._pytree import tree_map

from netglot.errors import Refusal, never

SAME = 1e-7
"""How close a derivative has to be, in double precision; the constants in a backward are often rounded."""
SCALES = (1.0, 0.1, 5.0, 30.0, 1.0, 3.0)
"""The sizes of the random numbers of each trial; odd ones are all positive, for square roots and logarithms."""
GRADIENTS = (1.0, 1e6, 1e-3)
"""The sizes of the gradients that are handed back: a clipped one shows where it is large, a dropped one where small."""
FEWEST = 64
"""So many elements are tried at least."""


class Kind(enum.Enum):
    """How a function's gradient is related to its forward."""

    DERIVATIVE = enum.auto()
    FACTOR = enum.auto()
    OTHER = enum.auto()


@dataclass(frozen=True)
class Found:
    """What the trials showed: `constants` are the factors that were one and the same number everywhere, by argument;
    `scalar` says whether the backward takes a gradient without axes, which is easier to read."""

    kind: Kind
    constants: dict[int, float] = field(default_factory=dict)
    scalar: bool = False


class _Context:
    """What a function keeps from its forward for its backward."""

    def __init__(self, args: tuple):
        self.needs_input_grad = tuple(_is_floating(a) for a in args)
        self.saved_tensors: tuple = ()
        self.constant: tuple = ()

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors

    save_for_forward = save_for_backward

    def mark_non_differentiable(self, *tensors):
        self.constant = tensors

    def mark_dirty(self, *tensors):
        raise Refusal(never("a custom autograd function that writes to its inputs"))

    def set_materialize_grads(self, value):
        """Gradients that are missing are zero here, whatever the function asks for."""


def _is_floating(held: Any) -> bool:
    return isinstance(held, torch.Tensor) and held.is_floating_point()


def forward(cls: type, args: tuple) -> tuple[Any, _Context]:
    """The outputs of a function's forward and the context that it filled."""
    context = _Context(args)
    if cls.setup_context is torch.autograd.Function.setup_context:
        return cls.forward(context, *args), context
    outputs = cls.forward(*args)
    cls.setup_context(context, args, outputs)
    return outputs, context


def _backward(cls: type, context: _Context, gradient: torch.Tensor, count: int) -> list[Any]:
    """The gradients of all arguments, None where there is none."""
    found = cls.backward(context, gradient)
    found = list(found) if isinstance(found, tuple | list) else [found]
    return (found + [None] * count)[:count]


@contextlib.contextmanager
def carried(site: Callable[[], str]) -> Iterator[None]:
    """While it lasts, custom functions are replaced by ordinary operations, or refused.

    Args:
        site: the user's line that is running.
    """
    known: dict[Any, Found] = {}

    def apply(cls, *args, **kwargs):
        key = (cls, repr([_described(a) for a in args]))
        if key not in known:
            known[key] = _tried(cls, args)
        found = known[key]
        if found.kind is Kind.OTHER or kwargs:
            raise Refusal(_refusal(cls), site=site())
        outputs, context = forward(cls, args)
        if found.kind is Kind.FACTOR:
            return _with_factors(cls, args, outputs, context, found)
        if context.constant:
            return tree_map(lambda o: o.detach() if any(o is c for c in context.constant) else o, outputs)
        return outputs

    base: Any = torch.autograd.Function.__mro__[1]  # `Function.apply` ends there, however early it was looked up
    base.apply = classmethod(apply)
    try:
        yield
    finally:
        del base.apply


def _refusal(cls: type):
    return never(
        f"the custom autograd function {cls.__qualname__} has a gradient that is neither the derivative of its forward "
        "nor a factor for each element",
        "write it with ordinary operations, or call its forward directly if the default gradient will do",
    )


def _described(held: Any) -> Any:
    """An argument as far as the kind of a function may depend on it."""
    return (str(held.dtype), held.dim()) if isinstance(held, torch.Tensor) else repr(held)


def _with_factors(cls: type, args: tuple, output: torch.Tensor, context: _Context, found: Found) -> torch.Tensor:
    """The output, with a term added for each argument that is zero and has the argument's gradient."""
    factors: list[Any] = [found.constants.get(place) for place in range(len(args))]
    if any(factor is None and _is_floating(a) for factor, a in zip(factors, args, strict=True)):
        one = torch.ones((), dtype=output.dtype) if found.scalar else torch.ones_like(output)
        given = _backward(cls, context, one, len(args))
        factors = [one if known is None else known for known, one in zip(factors, given, strict=True)]
    result = output.detach()
    for held, factor in zip(args, factors, strict=True):
        if isinstance(factor, torch.Tensor):
            result = result + (held - held.detach()) * factor.detach()
        elif factor:
            zero = held - held.detach()
            result = result + (zero if factor == 1.0 else zero * factor)
    return result


# -- the trials


def _tried(cls: type, args: tuple) -> Found:
    """What kind a function is, by trials on random numbers of the shapes of `args`."""
    off = torch.utils._python_dispatch._disable_current_modes
    try:
        with off(), torch._C.DisableTorchFunction(), torch.enable_grad():
            drawn = [_drawn(args, seed) for seed in range(len(SCALES))]
            if all(_is_derivative(cls, one) for one in drawn):
                return Found(Kind.DERIVATIVE)
            constants = _factors(cls, drawn)
            scalar = constants is not None and all(_takes_scalar(cls, one) for one in drawn)
    except Exception:  # whatever a function needs that these numbers are not
        return Found(Kind.OTHER)
    return Found(Kind.OTHER) if constants is None else Found(Kind.FACTOR, constants, scalar)


def _drawn(args: tuple, seed: int) -> tuple:
    generator = torch.Generator().manual_seed(seed)
    rank = max((a.dim() for a in args if isinstance(a, torch.Tensor)), default=0)

    def one(held):
        if not isinstance(held, torch.Tensor):
            return held
        shape = [_number(size) for size in held.shape]
        if not held.is_floating_point():
            return torch.randint(0, 2, shape, generator=generator).to(held.dtype)
        if held.dim() == rank and shape and torch.Size(shape).numel() < FEWEST and len(args) == 1:
            shape[0] *= FEWEST
        values = torch.randn(shape, generator=generator, dtype=torch.float64) * SCALES[seed]
        return (values.abs() if seed % 2 else values).requires_grad_()

    return tree_map(one, args)


def _number(size: Any) -> int:
    """A size as it is in the example."""
    return size if isinstance(size, int) else int(size.node.hint)


def _close(found: torch.Tensor | None, wanted: torch.Tensor | None, like: torch.Tensor) -> bool:
    found, wanted = (torch.zeros_like(like) if g is None else g for g in (found, wanted))
    if found.shape != wanted.shape:
        return False
    known = torch.isfinite(wanted)
    if not torch.equal(known, torch.isfinite(found)):
        return False
    found, wanted = found[known], wanted[known]
    return found.numel() == 0 or bool((found - wanted).abs().max() <= SAME * wanted.abs().max().clamp(min=1.0))


def _gradient(output: torch.Tensor, seed: int, size: float) -> torch.Tensor:
    return torch.randn(output.shape, generator=torch.Generator().manual_seed(seed), dtype=output.dtype) * size


def _is_derivative(cls: type, args: tuple) -> bool:
    """Whether the backward is what automatic differentiation makes of the forward."""
    return all(_derives(cls, args, size) for size in GRADIENTS)


def _derives(cls: type, args: tuple, size: float) -> bool:
    """Whether it is for gradients of one size."""
    outputs, context = forward(cls, args)
    listed = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
    kept = [o for o in listed if o.is_floating_point() and not any(o is c for c in context.constant)]
    gradients = [_gradient(o, 7, size) for o in listed]
    with torch.no_grad():
        given = cls.backward(context, *gradients)
    given = list(given) if isinstance(given, tuple | list) else [given]
    places = [place for place, held in enumerate(args) if _is_floating(held)]
    chosen = [(o, g) for o, g in zip(listed, gradients, strict=True) if any(o is k for k in kept) and o.requires_grad]
    derived: Any = [None] * len(places)
    if chosen:
        made, weights = zip(*chosen, strict=True)
        derived = torch.autograd.grad(made, [args[place] for place in places], weights, allow_unused=True)
    return all(_close(given[place], one, args[place]) for place, one in zip(places, derived, strict=True))


def _factors(cls: type, drawn: list[tuple]) -> dict[int, float] | None:
    """The factors that are one number in all trials, by argument; None where the gradients are no factors at all."""
    values: dict[int, set[float]] = {}
    for args in drawn:
        with torch.no_grad():
            output, context = forward(cls, args)
            ones = _backward(cls, context, torch.ones_like(output), len(args))
            for seed, size in enumerate(GRADIENTS):
                gradient = _gradient(output, seed, size)
                given = _backward(cls, context, gradient, len(args))
                if not all(_is_factor(*three, gradient) for three in zip(args, ones, given, strict=True)):
                    return None
        for place, factor in enumerate(ones):
            if _is_floating(args[place]):
                numbers = {0.0} if factor is None else set(factor.unique().tolist())
                values.setdefault(place, set()).update(numbers)
    return {place: numbers.pop() for place, numbers in values.items() if len(numbers) == 1}


def _is_factor(held: Any, factor: Any, given: Any, gradient: torch.Tensor) -> bool:
    if factor is None or given is None:
        return factor is None and given is None
    return held.shape == gradient.shape == factor.shape and _close(given, factor * gradient, held)


def _takes_scalar(cls: type, args: tuple) -> bool:
    """Whether the backward makes the same factors of a single one."""
    with torch.no_grad():
        output, context = forward(cls, args)
        wanted = _backward(cls, context, torch.ones_like(output), len(args))
        try:
            given = _backward(cls, context, torch.ones((), dtype=output.dtype), len(args))
        except (RuntimeError, IndexError):
            return False
    pairs = [(g, w) for g, w in zip(given, wanted, strict=True) if w is not None]
    return all(g is not None and g.shape in ((), w.shape) and _close(g.expand_as(w), w, w) for g, w in pairs)
