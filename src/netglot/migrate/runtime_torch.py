"""PyTorch's side of a migration: observing the user's files, and running a network for the proof."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from typing import Any

import numpy as np
import torch
from torch import nn

from netglot.migrate.instrument import instrumented
from netglot.migrate.known import cotangent, made_array
from netglot.migrate.loading import Files
from netglot.migrate.observe import Recorder, Shared
from netglot.migrate.observe_torch import Torch
from netglot.migrate.runtime import Side, flat


class Runtime(Side):
    """The operations of the worker."""

    OPERATIONS = (
        *Side.OPERATIONS,
        "observe",
        "import_all",
        "script",
        "facts",
        "candidates",
        "attempt",
        "example",
        "resolve",
        "load_weights",
        "demonstrate",
    )

    # -- observing

    def observe(self, root: str, files: dict[str, list[str]]) -> None:
        """Takes the files of a project to observe them."""
        self.framework = Torch()
        self.shared = Shared()
        self.recorders: dict[str, Recorder] = {}
        self.names = set(files)
        self.calls: list[dict[str, Any]] = []
        self.made_by: dict[int, tuple[str, str, Any, Any]] = {}
        self._keep: list[Any] = []
        self.shared.hooks.append(self._hook)
        sys.path.insert(0, root)
        self.files = Files({name: (one[0], one[1]) for name, one in files.items()}, instrumented, self._recorder)
        self.files.install()
        torch.manual_seed(0)
        torch.jit.script = lambda obj=None, *a, **k: obj

    def _recorder(self, name: str) -> Recorder:
        if name not in self.recorders:
            self.recorders[name] = Recorder(self.framework, self._is_user)
            self.recorders[name].shared = self.shared
        return self.recorders[name]

    def _is_user(self, module: str) -> bool:
        return module == "__main__" or module in self.names or f"{module}.__init__" in self.names

    def _hook(self, callee: str, function: Any, args: tuple, kwargs: dict) -> tuple[bool, Any]:
        """Remembers which networks are made and called from outside of networks."""
        if inspect.isclass(function) and issubclass(function, nn.Module) and self._is_user(function.__module__):
            made = function(*args, **kwargs)
            self._keep.append(made)
            self.made_by[id(made)] = (function.__module__, function.__qualname__, args, kwargs)
            return True, made
        if callee.startswith("call:") and isinstance(function, nn.Module) and id(function) in self.made_by:
            inside = getattr(self, "_inside", 0)
            if not inside:
                self._called(function, args, kwargs)
            self._inside = inside + 1
            try:
                return True, function(*args, **kwargs)
            finally:
                self._inside = inside
        return False, None

    def _called(self, model: nn.Module, args: tuple, kwargs: dict) -> None:
        key = id(model)
        if any(one["id"] == key for one in self.calls):
            return
        described = [self._described(None, a) for a in args] + [self._described(k, v) for k, v in kwargs.items()]
        self.calls.append({"id": key, "inputs": described})

    def _described(self, name: str | None, value: Any) -> dict[str, Any]:
        if isinstance(value, torch.Tensor):
            low, high = 0, 0
            if not value.dtype.is_floating_point and value.numel():
                low, high = int(value.min()), int(value.max()) + 1
            return {
                "name": name, "shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch."),
                "low": low, "high": high,
            }  # fmt: skip
        if value is None or isinstance(value, (int, float, bool, str)):
            return {"name": name, "value": value}
        if isinstance(value, (list, tuple)):
            return {"name": name, "items": [self._described(None, one) for one in value]}
        return {"name": name, "unknown": type(value).__name__}

    def import_all(self, modules: list[str]) -> dict[str, Any]:
        """Imports every file; what it says of each: classes, and the public names of dotted expressions."""
        failed = {}
        for name in modules:
            try:
                importlib.import_module(name.removesuffix(".__init__"))
            except (Exception, SystemExit) as error:
                failed[name] = _told(error)
        return {"failed": failed, "classes": self._classes()}

    def _classes(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for name in self.names:
            module = sys.modules.get(name.removesuffix(".__init__"))
            rows = found.setdefault(name, {})
            for key, value in list(vars(module).items()) if module else []:
                if inspect.isclass(value) and value.__module__ == module.__name__:
                    kind = (
                        "module" if issubclass(value, nn.Module)
                        else "dataset" if issubclass(value, torch.utils.data.Dataset) else "other"
                    )  # fmt: skip
                    required = _required(value) if kind == "module" else []
                    rows[key] = {"kind": kind, "required": required}
                elif inspect.isfunction(value) and value.__module__ == module.__name__:
                    rows[key] = {"kind": "function", "required": _required(value)}
        return found

    def script(self, module: str, argv: list[str], filename: str) -> dict[str, Any]:
        """Runs a file as a script, its training cut short."""
        assert self.files is not None
        before = sys.argv, sys.modules.get("__main__")
        sys.argv = [filename, *argv]
        error = None
        try:
            self.files.script(module)
        except SystemExit as stopped:
            if stopped.code not in (None, 0):
                error = _told(stopped)
        except Exception as raised:
            error = _told(raised)
        finally:
            sys.argv = before[0]
            if before[1] is not None:
                sys.modules["__main__"] = before[1]
        return {"error": error}

    def demonstrate(self, module: str) -> None:
        """Runs the functions of a module that only try its networks, such as `test()`."""
        place = sys.modules.get(module.removesuffix(".__init__"))
        for name, value in list(vars(place).items()) if place else []:
            if inspect.isfunction(value) and name.startswith(("test", "demo")) and not _required(value):
                try:
                    value()
                except (Exception, SystemExit):
                    continue

    def facts(self) -> dict[str, Any]:
        """All facts, by module and number; the networks that were called; names resolved."""
        return {
            "facts": {m: {str(n): vars(f) for n, f in r.facts.items()} for m, r in self.recorders.items()},
            "networks": [self._network(one) for one in self.calls],
        }

    def _network(self, call: dict[str, Any]) -> dict[str, Any]:
        module, name, args, kwargs = self.made_by[call["id"]]
        model = next(m for m in self._keep if id(m) == call["id"])
        return {
            "module": module, "class": name, "inputs": call["inputs"],
            "arguments": _literal(args, kwargs),
            "parameters": sum(p.numel() for p in model.parameters()),
        }  # fmt: skip

    def candidates(self, module: str) -> dict[str, Any]:
        """What could be a network of a module: its classes, outermost last, and functions without arguments."""
        place = sys.modules[module.removesuffix(".__init__")]
        classes = [
            (key, value) for key, value in vars(place).items()
            if inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == place.__name__
        ]  # fmt: skip
        functions = [
            (key, value) for key, value in vars(place).items()
            if inspect.isfunction(value) and value.__module__ == place.__name__
        ]  # fmt: skip
        return {
            "classes": [[key, _required(value), _contained(value, classes)] for key, value in classes],
            "functions": [[key, _required(value)] for key, value in functions],
        }

    def attempt(self, module: str, expression: str, call: bool = False) -> dict[str, Any]:
        """Evaluates an expression; says whether it is a network, and of which class and size, and what it raised."""
        place = sys.modules[module.removesuffix(".__init__")]
        recorder = self._recorder(module)
        try:
            with torch.no_grad():
                value = eval(expression, dict(vars(place)))
        except (Exception, SystemExit) as error:
            return {"error": _told(error)}
        if not isinstance(value, nn.Module):
            return {"network": False}
        del recorder
        self.model = value
        made = self.made_by.get(id(value))
        return {
            "network": True, "class": type(value).__name__, "module": type(value).__module__,
            "user": self._is_user(type(value).__module__),
            "parameters": sum(p.numel() for p in value.parameters()),
            "arguments": _literal(made[2], made[3]) if made else None,
            "firsts": _firsts(value), "takes": _required(value.forward),
        }  # fmt: skip

    def example(self, inputs: list[dict[str, Any]], training: bool | None = None) -> dict[str, Any]:
        """Calls the network that was attempted last on made inputs; says what it raised."""
        values = [(one.get("name"), _made(one)) for one in inputs]
        args = [v for n, v in values if n is None]
        kwargs = {n: v for n, v in values if n is not None}
        kept = self.model.training
        try:
            for mode in (False, True) if training is None else (training,):
                self.model.train(mode)
                with torch.no_grad():
                    output = self.model(*args, **kwargs)
        except (Exception, SystemExit) as error:
            return {"error": _told(error)}
        finally:
            self.model.train(kept)
        return {"outputs": [list(t.shape) for t in flat(output, torch.is_tensor)]}

    def resolve(self, names: list[str]) -> dict[str, str]:
        """The public names of dotted names: `torch.nn.Linear` for `torch.nn.modules.linear.Linear`."""
        found = {}
        for name in names:
            parts = name.split(".")
            for cut in range(len(parts), 0, -1):
                value = sys.modules.get(".".join(parts[:cut]))
                if value is None:
                    continue
                try:
                    for part in parts[cut:]:
                        value = getattr(value, part)
                except AttributeError:
                    break
                if public := self.framework.name(value):
                    found[name] = public
                break
        return found

    def load_weights(self, path: str) -> None:
        """Loads trained weights into the network."""
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        for key in ("state_dict", "model_state_dict", "model"):
            if isinstance(state, dict) and isinstance(state.get(key), dict):
                state = state[key]
        self.model.load_state_dict({k.removeprefix("module."): v for k, v in state.items()})

    # -- proving

    def prepare(self) -> None:
        torch.set_default_dtype(torch.float64)
        _no_dropping()
        _known_draws(self.draws)

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
            holder = next((a for a in attention if path == f"{a}.out_proj"), None)
            own = [(n, t, t.requires_grad) for n, t in module.named_parameters(recurse=False)]
            own += [(n, t, False) for n, t in module.named_buffers(recurse=False)]
            for name, tensor, trained in own:
                if id(tensor) in seen or name == "num_batches_tracked":
                    continue
                seen.add(id(tensor))
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
        """The weights, and what each belongs to."""
        entries = self._entries()
        if randomised:
            rng = np.random.default_rng(1)
            with torch.no_grad():
                for _, _kind, name, tensor, trained in entries:
                    if not tensor.dtype.is_floating_point:
                        continue
                    if name == "running_var":
                        tensor.copy_(torch.from_numpy(rng.uniform(0.5, 1.5, tuple(tensor.shape))))
                    elif name == "running_mean" or (trained and tensor.ndim <= 1):
                        tensor.add_(torch.from_numpy(0.1 * rng.standard_normal(tuple(tensor.shape))))
        return {
            "entries": [[p, k, n, trained] for p, k, n, _, trained in entries],
            "arrays": self.written({f"w:{i}": e[3].detach().numpy() for i, e in enumerate(entries)}),
        }

    def save_weights(self, path: str) -> None:
        torch.save(self.model.state_dict(), path)

    def tensors(self, inputs: list) -> list:
        values = []
        for one in inputs:
            values.append((one.get("name"), _made(one, double=True)))
        return values

    def _call(self, inputs: list, training: bool) -> tuple[list, list]:
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
        total.backward()
        entries = self._entries()
        found = {
            f"g:{i}": (np.zeros(tuple(t.shape)) if t.grad is None else t.grad.numpy())
            for i, (_, _, _, t, trained) in enumerate(entries) if trained
        }  # fmt: skip
        found |= {f"i:{i}": np.zeros(t.shape) if t.grad is None else t.grad.numpy() for i, t in enumerate(leaves)}
        return {"arrays": self.written(found)}

    def train(self, batches: list, rate: float) -> dict[str, Any]:
        """Plain gradient descent on the mean squares of the outputs beside known targets; the loss of every step."""
        losses = []
        trained = [t for _, _, _, t, is_trained in self._entries() if is_trained]
        for inputs in batches:
            for one in trained:
                one.grad = None
            outputs = [t for t in self._call(self.tensors(inputs), True) if t.dtype.is_floating_point]
            loss = sum(((t - torch.from_numpy(cotangent(t.shape))) ** 2).mean() for t in outputs)
            loss.backward()
            losses.append(float(loss))
            with torch.no_grad():
                for one in trained:
                    if one.grad is not None:
                        one -= rate * one.grad
        return {"losses": losses}


def _told(error: BaseException) -> dict[str, Any]:
    from netglot.frontend.usercode import user_frames, user_trace

    frames = user_frames(error)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return {
        "kind": type(error).__name__, "message": str(error).strip(), "place": place, "trace": user_trace(error),
        "name": getattr(error, "name", None),
    }  # fmt: skip


def _required(value: Any) -> list[str]:
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]  # fmt: skip


def _contained(value: Any, classes: list) -> bool:
    """Whether another class of the module names this one in its code."""
    for _, other in classes:
        if other is value:
            continue
        for function in vars(other).values():
            if inspect.isfunction(function) and value.__name__ in _code_names(function.__code__):
                return True
        if value in other.__mro__:
            return True
    return False


def _code_names(code: Any) -> set[str]:
    names = set(code.co_names) | set(code.co_freevars)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            names |= _code_names(constant)
    return names


def _literal(args: tuple, kwargs: dict) -> str | None:
    """The text of arguments, where a module can evaluate it; None where not."""
    parts = [_said(one) for one in args] + [(k, _said(v)) for k, v in kwargs.items()]
    texts = []
    for part in parts:
        name, text = part if isinstance(part, tuple) else (None, part)
        if text is None:
            return None
        texts.append(text if name is None else f"{name}={text}")
    return ", ".join(texts)


def _said(value: Any) -> str | None:
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__qualname__ if "<" not in value.__qualname__ and "torch" not in value.__module__ else None
    if value is None or isinstance(value, (int, float, bool, str)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        inner = [_said(one) for one in value]
        if any(one is None for one in inner):
            return None
        opening, closing = ("[", "]") if isinstance(value, list) else ("(", ",)" if len(value) == 1 else ")")
        return opening + ", ".join(inner) + closing  # type: ignore[arg-type]
    if isinstance(value, dict):
        pairs = [(_said(k), _said(v)) for k, v in value.items()]
        if any(k is None or v is None for k, v in pairs):
            return None
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
    if hasattr(type(value), "__dataclass_fields__"):
        fields = [(n, _said(getattr(value, n))) for n in type(value).__dataclass_fields__]
        if any(v is None for _, v in fields):
            return None
        return f"{type(value).__qualname__}({', '.join(f'{n}={v}' for n, v in fields)})"
    return None


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
            if kind == base:
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


def _no_dropping() -> None:
    """Nothing is dropped: the two frameworks could not drop the same."""

    def kept(x: Any, *args: Any, **kwargs: Any) -> Any:
        return x

    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"):
        setattr(nn.functional, name, kept)
    torch.dropout = kept
    attention = nn.functional.scaled_dot_product_attention

    def undropped(
        query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, **kwargs: Any
    ) -> Any:
        return attention(query, key, value, attn_mask, 0.0, **kwargs)

    nn.functional.scaled_dot_product_attention = undropped


def _known_draws(draws: Any) -> None:
    """PyTorch's random tensors come from draws that the other side can repeat."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))

    def sizes(size: tuple, kwargs: dict) -> tuple:
        size = size or (kwargs.get("size", ()),)
        return tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else tuple(size)

    torch.randn = lambda *size, **kw: tensor(draws.take("normal", sizes(size, kw)))
    torch.rand = lambda *size, **kw: tensor(draws.take("uniform", sizes(size, kw)))
    torch.randn_like = lambda x, **kw: tensor(draws.take("normal", x.shape))
    torch.rand_like = lambda x, **kw: tensor(draws.take("uniform", x.shape))
