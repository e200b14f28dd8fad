"""The half of a worker that observes: it runs the user's files and networks, and tells what they were."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from typing import Any

from netglot.migrate.instrument import instrumented
from netglot.migrate.loading import Files
from netglot.migrate.observe import Framework, Recorder, Shared


class Observing:
    """What observes a project; the subclasses know the framework.

    `network` is the class of all networks, `dataset` that of data sets, `entry` the method that a call runs, `whole`
    the class of what is a network more likely than a part of one.
    """

    OPERATIONS = (
        "observe", "import_all", "script", "facts", "candidates", "attempt", "example", "resolve", "demonstrate",
    )  # fmt: skip
    network: type = object
    dataset: type = object
    whole: type = object
    entry = "forward"
    model: Any
    files: Any

    def watching(self) -> Framework:
        """What the recorder asks about the framework."""
        raise NotImplementedError

    def described(self, name: str | None, value: Any) -> dict[str, Any] | None:
        """A tensor as an input of a call; None for what is no tensor."""
        raise NotImplementedError

    def container(self, model: Any) -> bool:
        """Whether a network is of a class of the framework that the user fills."""
        return type(model).__name__ in ("Sequential", "Functional", "Model")

    def trained_on(self, callee: str, data: Any, model: Any) -> Any:
        """The inputs of a batch, where what is called trains a network on data; else None."""
        return None

    def size(self, model: Any) -> int:
        """The number of a network's parameters."""
        raise NotImplementedError

    def firsts(self, model: Any) -> list[dict[str, Any]]:
        """What the layers with weights expect, in order: kind and size."""
        raise NotImplementedError

    def tried(self, inputs: list[dict[str, Any]], training: bool) -> list[list[int]]:
        """Calls the network on made inputs; the shapes of what it returns."""
        raise NotImplementedError

    def observe(self, root: str, files: dict[str, list[str]]) -> None:
        """Takes the files of a project to observe them."""
        self.shared = Shared()
        self.framework = self.watching()
        self.recorders: dict[str, Recorder] = {}
        self.names = set(files)
        self.calls: list[dict[str, Any]] = []
        self.made_by: dict[int, tuple[str, str, Any, Any]] = {}
        self._keep: list[Any] = []
        self.fitted: dict[int, tuple[Any, list[dict[str, Any]]]] = {}
        """What each network was trained on."""
        self.shared.hooks.append(self._hook)
        sys.path.insert(0, root)
        self.files = Files({name: (one[0], one[1]) for name, one in files.items()}, instrumented, self._recorder)
        self.files.install()

    def _recorder(self, name: str) -> Recorder:
        if name not in self.recorders:
            self.recorders[name] = Recorder(self.framework, self._is_user)
            self.recorders[name].shared = self.shared
            self.recorders[name].module = name
        return self.recorders[name]

    def _is_user(self, module: str) -> bool:
        return module == "__main__" or module in self.names or f"{module}.__init__" in self.names

    def _hook(self, callee: str, function: Any, args: tuple, kwargs: dict) -> tuple[bool, Any]:
        """Remembers which networks are made and called from outside of networks."""
        if inspect.isclass(function) and issubclass(function, self.network) and self._is_user(function.__module__):
            made = function(*args, **kwargs)
            self._keep.append(made)
            self.made_by[id(made)] = (function.__module__, function.__qualname__, args, kwargs)
            return True, made
        owner, data = getattr(function, "__self__", None), args[0] if args else kwargs.get("x")
        if isinstance(owner, self.network) and data is not None:
            inputs = self.trained_on(callee, data, owner)
            if inputs is not None:
                self.fitted.setdefault(id(owner), (owner, [self._described(None, inputs)]))
                if id(owner) in self.made_by:
                    self._called(owner, (inputs,), {})
        if callee.startswith("call:") and isinstance(function, self.network) and id(function) in self.made_by:
            inside = getattr(self, "_inside", 0)
            if not inside:
                self._called(function, args, kwargs)
            self._inside = inside + 1
            try:
                return True, function(*args, **kwargs)
            finally:
                self._inside = inside
        return False, None

    def _called(self, model: Any, args: tuple, kwargs: dict) -> None:
        key = id(model)
        if any(one["id"] == key for one in self.calls):
            return
        described = [self._described(None, a) for a in args] + [
            self._described(k, v) for k, v in kwargs.items() if k != "training"
        ]
        self.calls.append({"id": key, "inputs": described})

    def _described(self, name: str | None, value: Any) -> dict[str, Any]:
        if (found := self.described(name, value)) is not None:
            return found
        if value is None or isinstance(value, (int, float, bool, str)):
            return {"name": name, "value": value}
        if isinstance(value, (list, tuple)):
            return {"name": name, "items": [self._described(None, one) for one in value]}
        return {"name": name, "unknown": type(value).__name__}

    def import_all(self, modules: list[str], argv: list[str] | None = None) -> dict[str, Any]:
        """Imports every file; what it says of each: classes, and the public names of dotted expressions."""
        failed = {}
        sys.argv = ["script.py", *(argv or [])]
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
                        "module" if issubclass(value, self.network)
                        else "dataset" if issubclass(value, self.dataset) else "other"
                    )  # fmt: skip
                    required = _required(value) if kind == "module" else []
                    sequential = any(base.__name__ == "Sequential" for base in value.__mro__)
                    rows[key] = {"kind": kind, "required": required, "sequential": sequential}
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
            "arguments": _literal(args, kwargs, self._spoken),
            "parameters": self.size(model),
        }  # fmt: skip

    def _spoken(self, value: Any) -> str | None:
        """The text that makes a network of the user anew, or names a device; None for other things."""
        if (made := self.made_by.get(id(value))) is not None and isinstance(value, self.network):
            inner = _literal(made[2], made[3], self._spoken)
            return None if inner is None else f"{made[1]}({inner})"
        return repr("cpu") if self.framework.kind(value) == "device" else None

    def candidates(self, module: str) -> dict[str, Any]:
        """What could be a network of a module: its classes, outermost last, and functions without arguments."""
        place = sys.modules[module.removesuffix(".__init__")]
        classes = [
            (key, value) for key, value in vars(place).items()
            if inspect.isclass(value) and issubclass(value, self.network) and value.__module__ == place.__name__
        ]  # fmt: skip
        functions = [
            (key, value) for key, value in vars(place).items()
            if inspect.isfunction(value) and value.__module__ == place.__name__
        ]  # fmt: skip
        instances = [
            (key, value) for key, value in vars(place).items()
            if isinstance(value, self.network) and not key.startswith("_")
        ]  # fmt: skip
        if whole := [(key, value) for key, value in instances if isinstance(value, self.whole)]:
            instances = whole
        return {
            "classes": [[key, _required(value), _contained(value, classes)] for key, value in classes],
            "instances": [key for key, _ in instances],
            "functions": [[key, _required(value)] for key, value in functions],
        }

    def attempt(self, module: str, expression: str) -> dict[str, Any]:
        """Evaluates an expression; says whether it is a network, and of which class and size, and what it raised."""
        place = sys.modules[module.removesuffix(".__init__")]
        try:
            value = eval(expression, dict(vars(place)))
        except (Exception, SystemExit) as error:
            return {"error": _told(error)}
        if not isinstance(value, self.network):
            return {"network": False}
        self.model = value
        made = self.made_by.get(id(value))
        return {
            "network": True, "class": type(value).__name__, "module": type(value).__module__,
            "user": self._is_user(type(value).__module__) or self.container(value),
            "parameters": self.size(value),
            "arguments": _literal(made[2], made[3], self._spoken) if made else None,
            "seen": self.fitted.get(id(value), (None, []))[1],
            "firsts": self.firsts(value), "takes": _required(getattr(value, self.entry)),
        }  # fmt: skip

    def example(self, inputs: list[dict[str, Any]], training: bool | None = None) -> dict[str, Any]:
        """Calls the network that was attempted last on made inputs; says what it raised."""
        outputs: Any = None
        try:
            for mode in (False, True) if training is None else (training,):
                outputs = self.tried(inputs, mode)
        except (Exception, SystemExit) as error:
            return {"error": _told(error)}
        return {"outputs": outputs}

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


def _literal(args: tuple, kwargs: dict, spoken: Any = lambda value: None) -> str | None:
    """The text of arguments, where a module can evaluate it; None where not. `spoken` knows the framework's values."""
    parts: list[Any] = [_said(one, spoken) for one in args] + [(k, _said(v, spoken)) for k, v in kwargs.items()]
    texts = []
    for part in parts:
        name, text = part if isinstance(part, tuple) else (None, part)
        if text is None:
            return None
        texts.append(text if name is None else f"{name}={text}")
    return ", ".join(texts)


def _said(value: Any, spoken: Any) -> str | None:
    if (text := spoken(value)) is not None:
        return text
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__qualname__ if "<" not in value.__qualname__ and "torch" not in value.__module__ else None
    if value is None or isinstance(value, (int, float, bool, str)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        inner = [_said(one, spoken) for one in value]
        if any(one is None for one in inner):
            return None
        opening, closing = ("[", "]") if isinstance(value, list) else ("(", ",)" if len(value) == 1 else ")")
        return opening + ", ".join(inner) + closing  # type: ignore[arg-type]
    if isinstance(value, dict):
        pairs = [(_said(k, spoken), _said(v, spoken)) for k, v in value.items()]
        if any(k is None or v is None for k, v in pairs):
            return None
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
    if hasattr(type(value), "__dataclass_fields__"):
        fields = [(n, _said(getattr(value, n), spoken)) for n in type(value).__dataclass_fields__]
        if any(v is None for _, v in fields):
            return None
        return f"{type(value).__qualname__}({', '.join(f'{n}={v}' for n, v in fields)})"
    return None
