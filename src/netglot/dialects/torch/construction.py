"""What happens while a network is built: the arguments of its modules, and how its parameters are initialised.

    with watching() as seen:
        model = Net(10)
    seen.keep(model)

The arguments name what varies between the blocks of a class. The initialisers are what training from scratch starts
from; frameworks' defaults differ, so they are carried over. For a network that was built elsewhere, `initialiser_of`
recognises constants and PyTorch's default by the numbers themselves.
"""

from __future__ import annotations

import contextlib
import math
import sys
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from netglot.pivot.initialiser import Initialiser


@dataclass
class Construction:
    """What was seen while modules were built."""

    arguments: weakref.WeakKeyDictionary = field(default_factory=weakref.WeakKeyDictionary)
    filled: dict[int, Initialiser | None] = field(default_factory=dict)
    initialisers: dict[str, Initialiser | None] = field(default_factory=dict)
    """How each parameter of the finished model was filled, by its path."""

    def keep(self, model: Any) -> None:
        """Remembers what was seen for as long as `model` lives, whatever weights it is given afterwards."""
        if isinstance(model, torch.nn.Module):
            _KEPT[model] = self
            for path, parameter in model.named_parameters():
                if is_lazy(parameter):  # it is filled at its first call
                    continue
                known = self.filled.get(parameter.untyped_storage().data_ptr())
                self.initialisers[path] = known or _recognised(model, path, parameter)


_KEPT: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_PLAIN = (bool, int, float, str, tuple, type(None))


def arguments_of(root: torch.nn.Module | None, module: torch.nn.Module) -> dict[str, Any]:
    """The constructor arguments of a module of a watched model; empty where nothing was seen."""
    seen = _KEPT.get(root) if root is not None else None
    return dict(seen.arguments.get(module, {})) if seen else {}


@contextlib.contextmanager
def watching() -> Iterator[Construction]:
    """Watches the construction of modules; what it patches is put back at the end."""
    seen = Construction()
    original = torch.nn.Module.__init__

    def init(self, *args, **kwargs):
        seen.arguments[self] = _bound(self)
        original(self, *args, **kwargs)

    truncated = torch.nn.init._no_grad_trunc_normal_

    def trunc_normal(tensor, mean, std, a, b, *args, **kwargs):
        made = truncated(tensor, mean, std, a, b, *args, **kwargs)
        seen.filled[tensor.untyped_storage().data_ptr()] = _truncated(mean, std, a, b)
        return made

    copied = torch.nn.Parameter.__deepcopy__

    def deepcopy(self, memo):
        made, known = copied(self, memo), seen.filled.get(self.untyped_storage().data_ptr())
        if known is not None:
            seen.filled[made.untyped_storage().data_ptr()] = known
        return made

    torch.nn.Module.__init__ = init  # type: ignore[method-assign]
    torch.nn.init._no_grad_trunc_normal_ = trunc_normal
    torch.nn.Parameter.__deepcopy__ = deepcopy  # type: ignore[method-assign]
    try:
        with _Filling(seen.filled):
            yield seen
    finally:
        torch.nn.Module.__init__ = original  # type: ignore[method-assign]
        torch.nn.init._no_grad_trunc_normal_ = truncated
        torch.nn.Parameter.__deepcopy__ = copied  # type: ignore[method-assign]


def _truncated(mean: float, std: float, low: float, high: float) -> Initialiser | None:
    """A truncated normal distribution, where it is cut at two deviations or so far out that it is not cut."""
    cut = min(mean - low, high - mean) / std if std else 0.0
    if cut >= _UNCUT:
        return Initialiser("normal", float(mean), float(std))
    return Initialiser("truncated", float(mean), float(std)) if math.isclose(cut, 2, rel_tol=0.05) else None


_UNCUT = 4.0
"""So many deviations out, next to nothing is cut off."""


def _bound(module) -> dict[str, Any]:
    """The plain arguments of the outermost `__init__` that is building `module`."""
    frame, found = sys._getframe(2), None
    while frame is not None and frame.f_code.co_name == "__init__" and frame.f_locals.get("self") is module:
        found, frame = frame, frame.f_back
    if found is None:
        return {}
    code = found.f_code
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    return {n: found.f_locals[n] for n in names if isinstance(found.f_locals.get(n, ...), _PLAIN)}


class _Filling(TorchFunctionMode):
    """Notes how each storage was last filled as a whole."""

    def __init__(self, filled: dict[int, Initialiser | None]):
        super().__init__()
        self.filled = filled

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if not args and "tensor" in kwargs:  # as the functions of torch.nn.init hand it on
            kwargs = dict(kwargs)
            args = (kwargs.pop("tensor"),)
        if name.endswith("_") and not name.endswith("__") and args and type(args[0]) in _TENSORS:
            self._note(name, args[0], args[1:], kwargs)
        elif type(out) is torch.Tensor and out.device.type != "meta":
            self._made(name, out, args, kwargs)
        return out

    def _made(self, name: str, tensor: torch.Tensor, args, kwargs) -> None:
        """Notes a tensor that did not exist before, and forgets what lay in its place."""
        key = tensor.untyped_storage().data_ptr()
        given = [one for one in args if isinstance(one, torch.Tensor)]
        if any(one.device.type != "meta" and one.untyped_storage().data_ptr() == key for one in given):
            return  # the same one, or a part of it
        made: Initialiser | None = None
        if name in _MADE:
            made = _MADE[name](args, kwargs)
        elif name in _SCALED and given and len(args) == 2:
            before = self.filled.get(given[0].untyped_storage().data_ptr()) if given[0].device.type != "meta" else None
            number = next((one for one in args if isinstance(one, int | float)), None)
            made = None if number is None else _changed(_SCALED[name], before, (number,), {})
        if made is None:
            self.filled.pop(key, None)
        else:
            self.filled[key] = made

    def _note(self, name: str, tensor: torch.Tensor, args, kwargs) -> None:
        if tensor.device.type == "meta" or name in ("requires_grad_", "detach_"):
            return
        storage = tensor.untyped_storage()
        if tensor.numel() * tensor.element_size() != storage.nbytes():
            return  # a part of it: a row of zeros for padding, say
        key = storage.data_ptr()
        if name == "kaiming_uniform_":
            self.filled[key] = _kaiming_uniform(tensor, *args, **kwargs)
            return
        filling = _FILLS.get(name)
        if filling is not None:
            self.filled[key] = filling(args, kwargs)
        elif key in self.filled:
            self.filled[key] = _changed(name, self.filled[key], args, kwargs)


_TENSORS = (torch.Tensor, torch.nn.Parameter)


def _argument(args, kwargs, position: int, name: str, default: float) -> float:
    value = args[position] if len(args) > position else kwargs.get(name, default)
    return float(value)


_FILLS = {
    "uniform_": lambda a, k: Initialiser(
        "uniform", _argument(a, k, 0, "from", k.get("a", 0.0)), _argument(a, k, 1, "to", k.get("b", 1.0))
    ),
    "normal_": lambda a, k: Initialiser("normal", _argument(a, k, 0, "mean", 0.0), _argument(a, k, 1, "std", 1.0)),
    "fill_": lambda a, k: Initialiser("constant", _argument(a, k, 0, "value", 0.0)),
    "constant_": lambda a, k: Initialiser("constant", _argument(a, k, 0, "val", 0.0)),
    "zero_": lambda a, k: Initialiser("constant", 0.0),
}


_MADE = {
    "randn": lambda a, k: Initialiser("normal", 0.0, 1.0),
    "randn_like": lambda a, k: Initialiser("normal", 0.0, 1.0),
    "rand": lambda a, k: Initialiser("uniform", 0.0, 1.0),
    "rand_like": lambda a, k: Initialiser("uniform", 0.0, 1.0),
    "zeros": lambda a, k: Initialiser("constant", 0.0),
    "ones": lambda a, k: Initialiser("constant", 1.0),
    "full": lambda a, k: _constant(k.get("fill_value", a[-1] if len(a) > 1 else None)),
    "tensor": lambda a, k: _constant(a[0] if a else k.get("data")),
}
"""Functions that make a tensor and fill it."""
_SCALED = dict.fromkeys(("mul", "__mul__", "__rmul__", "multiply"), "mul_") | {"div": "div_", "__truediv__": "div_"}
"""Functions that make a scaled tensor of another, and what would scale it in place."""


def _constant(number: Any) -> Initialiser | None:
    return Initialiser("constant", float(number)) if isinstance(number, int | float) else None


def _kaiming_uniform(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None) -> Initialiser:
    """The distribution of `kaiming_uniform_`, which hides what it calls from a function mode."""
    fan = torch.nn.init._calculate_correct_fan(tensor, mode)
    bound = math.sqrt(3.0 / fan) * torch.nn.init.calculate_gain(nonlinearity, a)
    return Initialiser("uniform", -bound, bound)


def _changed(name: str, before: Initialiser | None, args, kwargs) -> Initialiser | None:
    """What an in-place function makes of a distribution; `trunc_normal_` is a uniform one through `erfinv_`."""
    if before is None:
        return None
    number = args[0] if args and isinstance(args[0], int | float) else None
    match name, before.kind:
        case "erfinv_", "uniform":  # cut so far out that it is not cut, or at about two deviations
            whole = before.b > 0.9999
            return Initialiser("normal" if whole else "truncated", 0.0, 1 / math.sqrt(2))
        case "mul_", "truncated" if number is not None:
            return replace(before, a=before.a * number, b=before.b * number)
        case "add_", "truncated" | "normal" if number is not None:
            return replace(before, a=before.a + number)
        case "clamp_", "truncated" | "normal":
            return before
        case "mul_" | "div_", "normal" | "uniform" | "constant" if number is not None and number > 0:
            factor = number if name == "mul_" else 1 / number
            return replace(before, a=before.a * factor, b=before.b * factor)
    return None


def initialiser_of(root: torch.nn.Module | None, path: str, tensor: torch.Tensor) -> Initialiser | None:
    """How a parameter is initialised: as it was seen, else as its present numbers show.

    PyTorch's default of a layer is taken where a few numbers do not contradict it; any other distribution needs many.
    """
    seen = _KEPT.get(root) if root is not None else None
    if seen is not None and path in seen.initialisers:
        found = seen.initialisers[path]
    else:
        found = _recognised(root, path, tensor)
    return found or _usual_length(root, path, tensor)


_LENGTHS = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))
"""The names of the lengths of a weight norm, and of what has these lengths when it is made."""


def _usual_length(root: torch.nn.Module | None, path: str, tensor: torch.Tensor) -> Initialiser | None:
    """The length that rows of a weight have at the start, on average, for the lengths of a weight norm."""
    named = next((path[: -len(g)] + v for g, v in _LENGTHS if path.endswith(g)), "")
    rows = dict(root.named_parameters()).get(named) if root is not None and named else None
    how = initialiser_of(root, named, rows) if rows is not None else None
    if rows is None or how is None or how.kind not in ("uniform", "normal") or not tensor.numel():
        return None
    spread = how.b if how.kind == "normal" else (how.b - how.a) / math.sqrt(12)
    return Initialiser("constant", float(f"{spread * math.sqrt(rows.numel() / tensor.numel()):.4g}"))


_ENOUGH = 128
"""With so many numbers, a maximum below a bound and close to it is no accident, whatever the bound."""


def _recognised(root, path: str, tensor: torch.Tensor) -> Initialiser | None:
    if not tensor.is_floating_point() or tensor.numel() == 0 or tensor.device.type == "meta":
        return None
    low, high = (float(x) for x in torch.aminmax(tensor.detach()))
    if low == high and (tensor.numel() > 1 or low in (0.0, 1.0)):
        return Initialiser("constant", float(f"{low:.6g}"))
    bell = _recognised_normal(tensor)
    if bell is not None:
        return bell
    bound, top, count = _default_bound(root, path), max(-low, high), tensor.numel()
    if bound and 0.5 ** min(count, 3) * bound < top <= bound * (1 + 1e-6) and (count < _ENOUGH or _is_flat(tensor)):
        return Initialiser("uniform", -bound, bound)
    if count < _ENOUGH:
        return None
    near = next((b for b in _usual_bounds(tensor) if 1 - 20 / count < top / b <= 1 + 1e-6), None)
    return Initialiser("uniform", -near, near) if near and _is_flat(tensor) else None


def _usual_bounds(tensor: torch.Tensor) -> list[float]:
    """The bounds of the uniform distributions of Glorot and He for this shape."""
    if tensor.dim() < 2:
        return []
    fan_in, fan_out = int(np.prod(tensor.shape[1:])), int(tensor.shape[0] * np.prod(tensor.shape[2:]))
    return [math.sqrt(6 / (fan_in + fan_out)), math.sqrt(6 / fan_in), math.sqrt(6 / fan_out)]


def _is_flat(tensor: torch.Tensor) -> bool:
    """Whether the fourth moment is that of a uniform distribution and not of a normal one that happens to fit."""
    numbers = tensor.detach().flatten()[: 1 << 16].double()
    kurtosis = float((numbers**4).mean() / (numbers**2).mean() ** 2)
    return kurtosis < 1.8 + 6 / math.sqrt(len(numbers))  # a normal one has 3; the error of 1.8 is about 1 / sqrt(n)


_BELL = 512
"""So many numbers show a normal distribution by their fourth moment."""


def _recognised_normal(tensor: torch.Tensor) -> Initialiser | None:
    """A normal distribution with one of the usual deviations: He, Glorot, or a round number."""
    if tensor.numel() < _BELL:
        return None
    numbers = tensor.detach().flatten()[: 1 << 16].double()
    deviation = float(numbers.std())
    if deviation == 0 or abs(float(numbers.mean())) > max(0.1, 5 / math.sqrt(len(numbers))) * deviation:
        return None
    kurtosis = float(((numbers / deviation) ** 4).mean())
    allowed = 6 * math.sqrt(24 / len(numbers))
    if abs(kurtosis - 3) > allowed:
        return None
    error = 5 / math.sqrt(2 * len(numbers))
    return next((Initialiser("normal", 0.0, u) for u in _deviations(tensor) if abs(deviation / u - 1) < error), None)


def _deviations(tensor: torch.Tensor) -> list[float]:
    """The deviations that networks use: round numbers, and those of He and Glorot for this shape."""
    if tensor.dim() < 2:
        return [1.0, 0.02, 0.01, 1e-6]
    fan_in, fan_out = int(np.prod(tensor.shape[1:])), int(tensor.shape[0] * np.prod(tensor.shape[2:]))
    named = [math.sqrt(2 / fan_out), math.sqrt(2 / fan_in), math.sqrt(2 / (fan_in + fan_out)), math.sqrt(1 / fan_in)]
    return [1.0, 0.02, 0.01, *named]


_FEW = 8
"""Fewer numbers do not even contradict a distribution."""


def as_the_others(root: torch.nn.Module, parameters: Mapping[str, torch.Tensor], found: dict[str, Any]) -> None:
    """Fills in how small parameters are initialised: as most of the other layers of their class are.

    A few numbers do not show a distribution by themselves; where they do not contradict the one that the network's
    other layers of that class have, it is theirs too. `found` holds an initialiser or None by path, and is completed.
    """
    votes: dict[tuple[type, str], Counter[int]] = {}
    for path, how in found.items():
        if how is not None and how.kind == "normal" and how.a == 0 and parameters[path].dim() > 1:
            rules = [n for n, u in enumerate(_deviations(parameters[path])) if math.isclose(u, how.b, rel_tol=1e-6)]
            votes.setdefault(_role(root, path), Counter()).update(rules)
    for path, how in found.items():
        tensor = parameters[path]
        counted = votes.get(_role(root, path)) if how is None and tensor.dim() > 1 and tensor.numel() >= _FEW else None
        if counted:
            numbers, wanted = tensor.detach().double(), _deviations(tensor)[counted.most_common(1)[0][0]]
            error = 4 / math.sqrt(2 * tensor.numel())
            if abs(float(numbers.std()) / wanted - 1) < error and abs(float(numbers.mean())) < error * wanted * 2:
                found[path] = Initialiser("normal", 0.0, wanted)


def _role(root: torch.nn.Module, path: str) -> tuple[type, str]:
    """The class of a parameter's layer, and its name there."""
    owner, _, name = path.rpartition(".")
    return type(root.get_submodule(owner)), name


def _default_bound(root, path: str) -> float | None:
    """The bound of PyTorch's own uniform initialisation of a layer's parameter."""
    owner = path.partition(".parametrizations.")[0] if ".parametrizations." in path else path.rpartition(".")[0]
    try:
        module = root.get_submodule(owner) if root is not None else None
    except AttributeError:
        return None
    if isinstance(module, torch.nn.Linear | torch.nn.modules.conv._ConvNd):
        fan_in = int(np.prod(module.weight.shape[1:]))
        return fan_in**-0.5 if fan_in else None
    if isinstance(module, torch.nn.RNNBase):
        return module.hidden_size**-0.5
    return None
