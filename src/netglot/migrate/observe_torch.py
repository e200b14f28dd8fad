"""What the recorder must know of PyTorch."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

import torch
from torch import nn

from netglot.migrate.observe import Framework
from netglot.migrate.observe_leaves import named_leaves

NAMESPACES = (
    "torch.nn", "torch.nn.functional", "torch", "torch.nn.init", "torch.nn.utils", "torch.nn.utils.rnn",
    "torch.nn.utils.parametrizations", "torch.optim", "torch.optim.lr_scheduler", "torch.utils.data", "torch.linalg",
    "torch.special", "torch.fft", "torch.random", "torch.cuda", "torch.cuda.amp", "torch.amp", "torch.backends",
    "torch.backends.cudnn", "torch.distributed", "torch.nn.parallel", "torch.autograd", "torch.jit",
    "torch.distributions",
    "torch.utils.checkpoint", "torch.mps", "torch.utils.tensorboard", "torchvision.transforms", "torchvision.datasets",
    "torchvision.models", "torchvision.ops", "torchvision.utils", "torchvision.transforms.functional",
)  # fmt: skip
"""Where public names stand; an object has the first name under which it is found."""


class Torch(Framework):
    """PyTorch's values, named as a user names them."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []
        self._seen: set[str] = set()
        self.double = False
        """Whether an explicit float32 means float64, for the proof."""
        for namespace in NAMESPACES:
            if not namespace.startswith("torchvision") and namespace != "torch.utils.tensorboard":
                self._learn(namespace)
        nn.modules.module.register_module_forward_pre_hook(_ran)

    def _learn(self, namespace: str) -> None:
        self._seen.add(namespace)
        try:
            module = importlib.import_module(namespace)
        except ImportError:
            return
        for name, value in vars(module).items():
            if name.startswith("_") or inspect.ismodule(value):
                continue
            if inspect.isclass(value) and value.__module__ == "torch" and namespace != "torch":
                continue
            if str(getattr(value, "__module__", None)).partition(".")[0] in sys.stdlib_module_names:
                continue  # what PyTorch's modules import for themselves
            if callable(value) or isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
                self._names.setdefault(id(value), f"{namespace}.{name}")
                self._kept.append(value)

    def kind(self, value: Any) -> str | None:
        if isinstance(value, torch.Size):
            return "size"
        if isinstance(value, torch.Tensor):
            return "tensor"
        if isinstance(value, nn.Module):
            return "module:" + (self.class_name(type(value)))
        if isinstance(value, torch.dtype):
            return "name"
        if isinstance(value, torch.device):
            return "device"
        if isinstance(value, torch.optim.Optimizer):
            return "optimizer"
        if isinstance(value, torch.optim.lr_scheduler.LRScheduler):
            return "scheduler"
        if isinstance(value, torch.utils.data.DataLoader):
            return "loader"
        if isinstance(value, torch.utils.data.Dataset):
            return "dataset"
        named = inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)
        if type(value).__module__.startswith(("torch.", "torchvision")) and not named:
            kind = type(value)
            return "object:" + (self.name(kind) or f"{kind.__module__}.{kind.__qualname__}")
        return None

    def class_name(self, kind: type) -> str:
        """A module's class: its public name, or `user:` and the user's."""
        return self.name(kind) or f"user:{kind.__qualname__}"

    def tensor(self, value: Any) -> tuple[list[int], str]:
        return [int(s) for s in value.shape], str(value.dtype).removeprefix("torch.")

    def name(self, value: Any) -> str | None:
        module = getattr(value, "__module__", None)
        if isinstance(module, str) and module.startswith("torchvision"):
            for namespace in NAMESPACES:
                if namespace.startswith("torchvision") and namespace not in self._seen:
                    self._learn(namespace)
        try:
            found = self._names.get(id(value))
        except TypeError:
            return None
        return found

    def method(self, owner: Any, name: str) -> str | None:
        if type(owner) is super:
            return self._inherited(owner, name)
        if isinstance(owner, (torch.Tensor, torch.Size)):
            return f"torch.{'Size' if isinstance(owner, torch.Size) else 'Tensor'}.{name}"
        for kind, base in _BASES:
            if isinstance(owner, kind):
                for step in type(owner).__mro__:
                    if name in vars(step):
                        ours = step.__module__.startswith(("torch.", "torchvision"))
                        return f"{base}.{name}" if ours else None
        if type(owner).__module__.startswith(("torch.", "torchvision")):
            return f"{self.name(type(owner)) or type(owner).__module__ + '.' + type(owner).__qualname__}.{name}"
        return None

    def _inherited(self, owner: Any, name: str) -> str | None:
        """What `super().__init__` is: that of the class which has it, where the class is PyTorch's."""
        mro = type(owner.__self__).__mro__ if name == "__init__" and owner.__self__ is not None else ()
        rest = mro[mro.index(owner.__thisclass__) + 1 :] if owner.__thisclass__ in mro else ()
        step = next((one for one in rest if name in vars(one)), None)
        public = self.name(step) if step is not None else None
        return f"{public}.{name}" if public and issubclass(step, nn.Module) else None

    def unmade(self, value: Any) -> bool:
        return isinstance(value, nn.Module) and not _flagged(value, RAN) and self.weighs(value)

    def weighs(self, value: Any) -> bool:
        return not isinstance(value, nn.Module) or next(value.parameters(), None) is not None

    def note_call(self, fact: Any, function: Any) -> None:
        if isinstance(function, nn.Module):
            fact.extra["moody"] = fact.extra.get("moody", False) or any(map(_moody, function.modules()))

    def note_network(self, fact: Any, value: Any) -> None:
        if isinstance(value, nn.Module) and _flagged(value, RAN, LISTED):
            fact.extra["ran"] = True

    def note_method(self, fact: Any, owner: Any) -> None:
        if isinstance(owner, nn.Module):
            fact.add("modes", owner.training)
            self.note_call(fact, owner)

    def note_tensor(self, fact: Any, value: Any) -> None:
        if (turned := getattr(value, TURNED, None)) is not None:
            fact.extra["turned" if turned else "straight"] = True
        if value.is_leaf and (value.requires_grad or isinstance(value, nn.Parameter)):
            fact.extra["leaf"] = True
            if not isinstance(value, nn.Parameter):
                fact.extra["alone"] = True
        elif value.requires_grad:
            fact.extra["grown"] = True

    def note_member(self, fact: Any, owner: Any, name: str) -> None:
        if not isinstance(owner, nn.Module):
            return
        if name in LISTS or name in owner._parameters:
            _stamp(owner)
        if name in owner._buffers:
            fact.extra["buffer"] = True
        if name in owner._parameters:
            fact.extra["early"] = fact.extra.get("early", False) or not _flagged(owner, RAN)
            fact.extra["late"] = fact.extra.get("late", False) or _flagged(owner, RAN, LISTED)
        if name in LISTS and not _flagged(owner, RAN):
            for one in owner.modules():
                one.__dict__[LISTED] = True
        if isinstance(owner, nn.Sequential) and name in owner._modules:
            place = list(owner._modules).index(name)
            fact.extra["place"] = place if fact.extra.get("place", place) == place else None

    def note_weights(self, fact: Any, owner: Any, args: tuple, frame: Any) -> None:
        if args and isinstance(args[0], torch.optim.Optimizer):
            owner = args[0]
        if not isinstance(owner, (torch.Tensor, torch.optim.Optimizer)):
            return
        found = named_leaves(owner, frame)
        known = fact.extra.get("leaves", [])
        if found is None or known is None:
            fact.extra["leaves"] = None
        else:
            fact.extra["leaves"] = known + [one for one in found if one not in known]

    def replaced(self, value: Any) -> Any:
        if self.double and value is torch.float32:
            return torch.float64
        return value


RAN, LISTED = "_netglot_ran", "_netglot_listed"
"""What a module remembers of itself, and its copies with it: that it was called, that its weights were asked for."""
LISTS = ("parameters", "named_parameters", "state_dict", "load_state_dict")


TURNED = "_netglot_turned"
"""What a weight of several axes remembers: whether Keras holds it with its axes in another order."""


def _stamp(module: nn.Module) -> None:
    for one in module.modules():
        turns = isinstance(one, (nn.Linear, nn.modules.conv._ConvNd))
        for name, weight in one._parameters.items():
            if weight is not None and not isinstance(weight, nn.parameter.UninitializedParameter) and weight.ndim > 1:
                setattr(weight, TURNED, turns and name == "weight")


def _ran(module: nn.Module, args: Any) -> None:
    module.__dict__[RAN] = True


def _flagged(module: nn.Module, *names: str) -> bool:
    return any(module.__dict__.get(name) for name in names)


def _moody(module: nn.Module) -> bool:
    """Whether a module computes something else while it trains."""
    if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
        return module.dropout > 0
    if hasattr(module, "parametrizations") or any(
        type(hook).__name__ == "SpectralNorm" for hook in module._forward_pre_hooks.values()
    ):
        return True
    return isinstance(module, (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd, nn.RReLU))


_BASES = (
    (nn.ModuleList, "torch.nn.ModuleList"),
    (nn.ModuleDict, "torch.nn.ModuleDict"),
    (nn.Sequential, "torch.nn.Sequential"),
    (nn.Module, "torch.nn.Module"),
    (torch.optim.Optimizer, "torch.optim.Optimizer"),
    (torch.amp.GradScaler, "torch.amp.GradScaler"),
    (torch.optim.lr_scheduler.LRScheduler, "torch.optim.lr_scheduler.LRScheduler"),
    (torch.utils.data.DataLoader, "torch.utils.data.DataLoader"),
    (torch.utils.data.Dataset, "torch.utils.data.Dataset"),
)
