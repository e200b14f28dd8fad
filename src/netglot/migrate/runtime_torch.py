"""PyTorch's side of a migration: observing the user's files, and running a network for the proof."""

from __future__ import annotations

import functools
import importlib.util
import sys
import types
from typing import Any

import numpy as np
import torch
from torch import nn

from netglot.migrate.alike_torch import (
    _drawn,
    _made_data,
    _made_images,
    _no_dropping,
    _split,
    _stamp,
    _Unwritten,
    _written_down,
    known_draws,
    known_transforms,
)
from netglot.migrate.known import cotangent, made_array, start_of
from netglot.migrate.observe_torch import Torch
from netglot.migrate.observing import Observing
from netglot.migrate.runtime import Side, flat


class Runtime(Observing, Side):
    """The operations of the worker."""

    OPERATIONS = (*Observing.OPERATIONS, *Side.OPERATIONS, "load_weights", "match")

    network = nn.Module
    dataset = torch.utils.data.Dataset
    entry = "forward"

    def watching(self) -> Torch:
        torch.manual_seed(0)
        _made_images()
        torch.jit.script = lambda obj=None, *a, **k: obj
        return Torch()

    def described(self, name: str | None, value: Any) -> dict[str, Any] | None:
        if not isinstance(value, torch.Tensor):
            return None
        low, high = 0, 0
        if not value.dtype.is_floating_point and value.numel():
            low, high = int(value.min()), int(value.max()) + 1
        dtype = str(value.dtype).removeprefix("torch.")
        return {"name": name, "shape": list(value.shape), "dtype": dtype, "low": low, "high": high}

    def size(self, model: nn.Module) -> int:
        known = [p for p in model.parameters() if not isinstance(p, nn.parameter.UninitializedParameter)]
        return sum(p.numel() for p in known)

    def firsts(self, model: nn.Module) -> list[dict[str, Any]]:
        return _firsts(model)

    def tried(self, inputs: list[dict[str, Any]], training: bool) -> list[list[int]]:
        values = [(one.get("name"), _made(one)) for one in inputs]
        kept = self.model.training
        try:
            self.model.train(training)
            with torch.no_grad():
                output = self.model(*[v for n, v in values if n is None], **{n: v for n, v in values if n is not None})
        finally:
            self.model.train(kept)
        return [list(t.shape) for t in flat(output, torch.is_tensor)]

    def load_weights(self, path: str) -> None:
        """Loads trained weights into the network."""
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        while isinstance(state, dict) and not all(isinstance(one, torch.Tensor) for one in state.values()):
            held = [one for one in state.values() if isinstance(one, dict) and _tensors(one)]
            if not held:
                raise ValueError("it holds no weights by their names")
            state = max(held, key=_tensors)
        plain = {k.removeprefix("module.").removeprefix("_orig_mod."): v for k, v in state.items()}
        self.model.load_state_dict(plain)

    # -- proving

    def prepare(self) -> None:
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double
        _no_dropping()
        known_draws(self.draws)
        _stamp()
        if sys.modules.get("torchvision") or self._uses_vision():
            known_transforms()
            _made_images()
        if any("torchvision_arrays(" in text for _, text in (self.files.files if self.files else {}).values()):
            _made_data()

    def _uses_vision(self) -> bool:
        return any("torchvision" in text for _, text in (self.files.files if self.files else {}).values())

    def made(self, model: nn.Module) -> nn.Module:
        model = model.double()
        for module in model.modules():
            if isinstance(module, nn.RNNBase):
                module.dropout = 0.0
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = 0.0
        torch.backends.mha.set_fastpath_enabled(False)
        return model

    def _entries(self) -> list[tuple[str, str, str, torch.Tensor, bool]]:
        """Each weight: its module's path and class, its name there, the tensor, whether it is trained."""
        names = Torch()
        found, seen = [], set()
        attention: list[str] = []
        for path, module in self.model.named_modules(remove_duplicate=True):
            kind = names.name(type(module)) or "user"
            if kind == "torch.nn.MultiheadAttention":
                attention.append(path)
            if path.endswith((".parametrizations.weight", ".parametrizations.weight.0")):
                kind, path = "torch.nn.Linear", path.partition(".parametrizations.")[0]
            holder = next((a for a in attention if path == f"{a}.out_proj"), None)
            own = [(n, t, t.requires_grad) for n, t in module.named_parameters(recurse=False)]
            own += [(n, t, False) for n, t in module.named_buffers(recurse=False)]
            for name, tensor, trained in own:
                if id(tensor) in seen or name == "num_batches_tracked":
                    continue
                seen.add(id(tensor))
                name = _PARTS.get(name, name)
                if holder is not None:
                    found.append(
                        (self._path(holder), "torch.nn.MultiheadAttention", f"out_proj.{name}", tensor, trained)
                    )
                else:
                    found.append((self._path(path), kind, name, tensor, trained))
        return found

    def _path(self, path: str) -> str:
        """A path in which the parts of a Sequential are counted."""
        module, parts = self.model, []
        for part in path.split(".") if path else []:
            if isinstance(module, nn.Sequential):
                parts.append(str(list(module._modules).index(part)))
            else:
                parts.append(part)
            module = module._modules[part]
        return ".".join(parts)

    def weights(self, randomised: bool = False) -> dict[str, Any]:
        """The weights, and what each belongs to; from now on these are the network's weights, in this order."""
        if not hasattr(self, "rows") or self.rows[0] is not self.model:
            entries = self._entries()
            self.rows = (self.model, [e[3] for e in entries], [e[4] for e in entries])
        else:
            entries = []
        starts = [start_of(t.detach().numpy()) for *_, t, _ in entries] if randomised else []
        if randomised:
            rng = np.random.default_rng(1)
            with torch.no_grad():
                for _, _kind, name, tensor, trained in entries:
                    if not tensor.dtype.is_floating_point:
                        continue
                    if name == "running_var":
                        tensor.copy_(torch.from_numpy(rng.uniform(0.5, 1.5, tuple(tensor.shape))))
                    elif name == "running_mean" or (trained and tensor.ndim <= 1):
                        tensor.add_(torch.from_numpy(np.asarray(0.1 * rng.standard_normal(tuple(tensor.shape)))))
        return {
            "entries": [[p, k, n, trained] for p, k, n, _, trained in entries],
            "starts": starts,
            "arrays": self.written({f"w:{i}": t.detach().numpy() for i, t in enumerate(self.rows[1])}),
        }

    def match(self, entries: list, inputs: list, trained: list[bool]) -> dict[str, Any]:
        """Calls the network once, so that its weights are made, and finds the tensor of each entry."""
        with torch.no_grad():
            self._call(self.tensors(inputs), False)
        self.model.double()
        found, missing = [], []
        for path, attribute in entries:
            try:
                found.append(_tensor(self.model, path, attribute))
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                found.append(None)
                missing.append(f"{path}.{attribute}: {type(error).__name__}: {error}")
        self.rows = (self.model, found, trained)
        known = {id(t) for t in found}
        every = [*self.model.named_parameters(), *self.model.named_buffers()]
        left = [n for n, t in every if id(t) not in known and t.requires_grad]
        return {
            "missing": missing, "left": left, "shapes": [None if t is None else list(t.shape) for t in found],
            "starts": [None if t is None else start_of(t.detach().numpy()) for t in found],
        }  # fmt: skip

    def set_weights(self, arrays: list) -> None:
        """Overwrites the matched tensors, in order."""
        with torch.no_grad():
            for tensor, array in zip(self.rows[1], self.arrays(arrays), strict=True):
                tensor.copy_(torch.from_numpy(np.asarray(array, order="C")))

    def warm(self, inputs: list) -> None:
        """Calls the network once, so that its weights are made."""
        with torch.no_grad():
            self._call(self.tensors(inputs), False)

    def save_weights(self, path: str) -> None:
        from safetensors.torch import save_file

        state = self.model.state_dict()
        apart = {k: v.detach().clone().contiguous() for k, v in state.items()}  # no two of them share their memory
        save_file({k: v.float() if v.is_floating_point() else v for k, v in apart.items()}, path)

    def watch_training(self) -> None:
        if importlib.util.find_spec("tensorboard") is None:  # nobody looks at what it would write
            sys.modules["torch.utils.tensorboard"] = types.ModuleType("torch.utils.tensorboard")
            sys.modules["torch.utils.tensorboard"].__dict__["SummaryWriter"] = _Unwritten
        own, side = torch.Tensor.backward, self

        def backward(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            side.saw_loss(tensor.detach().sum())
            return own(tensor, *args, **kwargs)

        taken = torch.autograd.grad

        def grad(outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if not kwargs.get("create_graph"):  # else it is a part of the loss
                every = outputs if isinstance(outputs, (list, tuple)) else [outputs]
                side.saw_loss(sum(one.detach().sum() for one in every))
            return taken(outputs, *args, **kwargs)

        torch.Tensor.backward, torch.autograd.grad = backward, grad
        torch.utils.data.RandomSampler.__iter__ = lambda sampler: iter(
            side._permuted(len(sampler.data_source)).tolist()
        )
        torch.utils.data.WeightedRandomSampler.__iter__ = _drawn
        torch.utils.data.random_split = functools.partial(_split, side)
        set_attribute = nn.Module.__setattr__

        def remembered(module: Any, name: str, value: Any) -> None:
            if name == "history" and isinstance(value, types.SimpleNamespace):
                side.histories.append(value.history)
            set_attribute(module, name, value)

        nn.Module.__setattr__ = remembered
        call = nn.Module.__call__
        inside = [0]

        def called(module: Any, *args: Any, **kwargs: Any) -> Any:
            inside[0] += 1
            try:
                if inside[0] == 1 and next(module.parameters(), None) is not None:
                    side.meet(module, args, kwargs, call)
                return call(module, *args, **kwargs)
            finally:
                inside[0] -= 1

        nn.Module.__call__ = called

    def meet(self, module: nn.Module, args: tuple, kwargs: dict, call: Any) -> None:
        """Takes the weights of a network at its first call, or gives it those that it starts from."""
        if _written_down() or any(type(one).__name__ == "Symbol" for one in args) or not self.grew(module):
            return
        if self.starts:
            if _another(module, self.starts[0].get("class", "")):
                return  # its weights are none to the source, such as variables that a layer of Keras holds
            kept = module.training
            with torch.no_grad(), self.draws.held():
                call(module.eval(), *args, **kwargs)
            module.train(kept)
            start = self.starts.pop(0)
            tensors = [_tensor(module, path, attribute) for path, attribute in start["entries"]]
            with torch.no_grad():
                for tensor, array in zip(tensors, self.arrays(start["arrays"]), strict=True):
                    tensor.copy_(torch.from_numpy(np.asarray(array, order="C")))
            entries = [("", "", "", tensor, True) for tensor in tensors]
            self.met.append({"model": module, "entries": entries, "arrays": []})
            return
        if any(isinstance(p, nn.parameter.UninitializedParameter) for p in module.parameters()):
            kept = module.training
            with torch.no_grad(), self.draws.held():
                call(module.eval(), *args, **kwargs)
            module.train(kept)
        self.model = self.made(module)
        known = {id(entry[3]) for one in self.met for entry in one["entries"]}
        entries = [entry for entry in self._entries() if id(entry[3]) not in known]
        arrays = [t.detach().numpy().copy() for _, _, _, t, _ in entries]
        self.met.append({"model": module, "entries": entries, "arrays": arrays})

    def grew(self, module: nn.Module) -> bool:
        """Whether a network has weights that were not there when it, or a network around it, was met."""
        if type(module).__module__.startswith("torch.nn.utils."):
            return False  # what makes a weight of others
        made = [one for one in module.parameters() if not isinstance(one, nn.parameter.UninitializedParameter)]
        whole = len(made) == sum(1 for _ in module.parameters())
        if whole and self.sizes.get(id(module)) == len(made):
            return False
        self.sizes[id(module)] = len(made) if whole else -1
        known = {id(entry[3]) for one in self.met for entry in one["entries"]}
        return not whole or any(id(one) not in known for one in made)

    def told(self, met: dict[str, Any]) -> dict[str, Any]:
        after = {f"w:{i}": e[3].detach().numpy() for i, e in enumerate(met["entries"])}
        return {
            "entries": [[p, k, n, t] for p, k, n, _, t in met["entries"]],
            "before": self.written({f"w:{i}": a for i, a in enumerate(met["arrays"])}), "after": self.written(after),
        }  # fmt: skip

    def tensors(self, inputs: list) -> list:
        values = []
        for one in inputs:
            values.append((one.get("name"), _made(one, double=True)))
        return values

    def _call(self, inputs: list, training: bool) -> list:
        self.model.train(training)
        self.draws.reset()
        args = [v for n, v in inputs if n is None]
        kwargs = {n: v for n, v in inputs if n is not None}
        return flat(self.model(*args, **kwargs), torch.is_tensor)

    def run(self, inputs: list, training: bool = False) -> list:
        """The outputs."""
        with torch.no_grad():
            outputs = self._call(self.tensors(inputs), training)
        return self.written({f"o:{i}": t.numpy() for i, t in enumerate(outputs)})

    def gradients(self, inputs: list) -> dict[str, Any]:
        """Gradients of the sum of all outputs, each weighted by known numbers, to weights and floating inputs."""
        given = self.tensors(inputs)
        leaves = [t.requires_grad_() for _, v in given for t in flat(v, torch.is_tensor) if t.dtype.is_floating_point]
        self.model.zero_grad()
        outputs = self._call(given, False)
        total = sum((t * torch.from_numpy(cotangent(t.shape))).sum() for t in outputs if t.dtype.is_floating_point)
        if torch.is_tensor(total) and total.requires_grad:
            total.backward()
        found = {
            f"g:{i}": np.zeros(tuple(t.shape)) if t.grad is None else t.grad.to_dense().numpy()
            for i, (t, trained) in enumerate(zip(self.rows[1], self.rows[2], strict=True)) if trained
        }  # fmt: skip
        found |= {f"i:{i}": np.zeros(t.shape) if t.grad is None else t.grad.numpy() for i, t in enumerate(leaves)}
        return {"arrays": self.written(found)}

    def train(self, batches: list, rate: float) -> dict[str, Any]:
        """Plain gradient descent on the mean squares of the outputs beside known targets; the loss of every step."""
        losses = []
        trained = [t for t, is_trained in zip(self.rows[1], self.rows[2], strict=True) if is_trained]
        for inputs in batches:
            for one in trained:
                one.grad = None
            outputs = [t for t in self._call(self.tensors(inputs), True) if t.dtype.is_floating_point]
            loss = sum(((t - torch.from_numpy(cotangent(t.shape))) ** 2).mean() for t in outputs)
            if torch.is_tensor(loss) and loss.requires_grad:  # a network may hold no weights
                loss.backward()
            losses.append(float(loss))
            with torch.no_grad():
                for one in trained:
                    if one.grad is not None:
                        one -= rate * one.grad
        return {"losses": losses}


_PARTS = {
    "original": "weight_orig", "original0": "weight_g", "original1": "weight_v", "_u": "weight_u", "_v": "weight_v",
}  # fmt: skip
"""What a parametrised weight is made of, by the names that the older norms gave it."""


def _tensors(value: Any) -> int:
    """How many tensors nested dictionaries hold."""
    if isinstance(value, dict):
        return sum(map(_tensors, value.values()))
    return int(isinstance(value, torch.Tensor))


def _firsts(model: nn.Module) -> list[dict[str, Any]]:
    """What the modules with weights expect, in order: kind and size."""
    found = []
    for module in model.modules():
        kind = type(module).__name__
        for base, size in (
            ("Conv1d", "in_channels"), ("Conv2d", "in_channels"), ("Conv3d", "in_channels"), ("Linear", "in_features"),
            ("Embedding", "num_embeddings"), ("LSTM", "input_size"), ("GRU", "input_size"), ("RNN", "input_size"),
            ("LSTMCell", "input_size"), ("GRUCell", "input_size"), ("ConvTranspose2d", "in_channels"),
            ("ConvTranspose1d", "in_channels"), ("MultiheadAttention", "embed_dim"), ("BatchNorm1d", "num_features"),
            ("BatchNorm2d", "num_features"),
        ):  # fmt: skip
            if kind == base and type(module).__module__.startswith("torch."):
                found.append(
                    {"kind": base, "size": getattr(module, size), "first": getattr(module, "batch_first", None)}
                )
    return found[:200]


def _made(one: dict[str, Any], double: bool = False) -> Any:
    """An input by its description."""
    if "value" in one:
        return one["value"]
    if "items" in one:
        return [_made(each, double) for each in one["items"]]
    return torch.from_numpy(made_array(one, double))


def _another(module: nn.Module, name: str) -> bool:
    """Whether a network is not the one of the user's that the source met next."""
    kind = type(module)
    return kind.__name__ != name and hasattr(sys.modules.get(kind.__module__), name)


def _tensor(model: nn.Module, path: str, attribute: str) -> torch.Tensor:
    """The tensor at a path of the source's module tree."""
    place: Any = model
    for part in path.split(".") if path else []:
        if part == "layers" and any(kind.__name__ == "Model" for kind in type(place).__mro__):
            held = [one for one in place.layers if [*one.parameters(), *one.buffers()]]
            place = sorted(held, key=lambda one: one._netglot_order)
            continue
        if isinstance(place, nn.Sequential) and part.isdigit():
            place = [one for one in place if [*one.parameters(), *one.buffers()]][int(part)]
            continue
        if part.isdigit() and not hasattr(place, part):
            place = place[int(part)]
        elif isinstance(place, (nn.ModuleDict, dict)):
            place = place[part]
        else:
            place = getattr(place, part)
    found = functools.reduce(getattr, attribute.split("."), place)
    if not isinstance(found, torch.Tensor):
        raise ValueError("it is no tensor")
    return found
