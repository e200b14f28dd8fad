"""What the expressions of a file were while it ran: the recorder behind instrumented code, and how it tells.

A *fact* gathers all that one expression was, over every time it ran: what kind of value, of which rank and dtype,
which function it called. It is plain data, to travel between processes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

FEW = 6
"""How many different values of one expression are kept."""

ITERATIONS = 3
"""How often a loop that trains goes round while it is observed."""


@dataclass
class Fact:
    """What one expression was: sets over all the times it ran, in the order in which they were seen."""

    count: int = 0
    callees: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    dtypes: list[str] = field(default_factory=list)
    shapes: list[list[int]] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    """The kinds of what a tuple or list holds."""
    names: list[str] = field(default_factory=list)
    """The parameters of the user's function that was called."""
    modes: list[bool] = field(default_factory=list)
    """Whether the module that was called was training."""
    extra: dict[str, Any] = field(default_factory=dict)

    def add(self, where: str, what: Any) -> None:
        """One more thing that was seen."""
        seen = getattr(self, where)
        if what not in seen and len(seen) < FEW * 4:
            seen.append(what)


class Framework:
    """What the recorder asks about the framework whose code it watches; see `observe_torch`."""

    def kind(self, value: Any) -> str | None:
        """The kind of a value of the framework; None where it is not the framework's."""
        raise NotImplementedError

    def tensor(self, value: Any) -> tuple[list[int], str]:
        """The shape and the dtype of a tensor."""
        raise NotImplementedError

    def name(self, value: Any) -> str | None:
        """The public name of a function or class of the framework."""
        raise NotImplementedError

    def method(self, owner: Any, name: str) -> str | None:
        """The public name of a method of an object of the framework."""
        raise NotImplementedError

    def weighs(self, value: Any) -> bool:
        """Whether a network that is called holds weights."""
        return True

    def unmade(self, value: Any) -> bool:
        """Whether a value is a network that was not called yet."""
        return False

    def note_call(self, fact: Fact, function: Any) -> None:
        """Remembers more of a module that is called, before it runs."""

    def note_network(self, fact: Fact, value: Any) -> None:
        """Remembers more of a network, or of a layer."""

    def note_method(self, fact: Fact, owner: Any) -> None:
        """Remembers whether the network trains of which a method of the user's is called."""

    def note_member(self, fact: Fact, owner: Any, name: str) -> None:
        """Remembers more of what is asked for by name."""

    def note_tensor(self, fact: Fact, value: Any) -> None:
        """Remembers more of a tensor: what it was made of."""

    def note_weights(self, fact: Fact, owner: Any, args: tuple, frame: Any) -> None:
        """Remembers by which names the weights are known of a loss whose gradients are about to be taken, or of an
        optimiser that is about to step."""

    def note(self, fact: Fact, owner: Any, name: str, value: Any) -> None:
        """Remembers more of an attribute, or of what a call gave."""

    def replaced(self, value: Any) -> Any:
        """What stands for a value while it is observed: the value itself, unless precision or randomness is held."""
        return value


class Recorder:
    """Stands as `__netglot__` in an observed module.

    Args:
        framework: the framework whose code is watched.
        user: tells whether a module's name is one of the user's files.
    """

    def __init__(self, framework: Framework, user: Callable[[str], bool]):
        self.framework = framework
        self.user = user
        self.facts: dict[int, Fact] = {}
        self.shared: Shared = Shared()
        self.module = ""

    # -- what the instrumented code calls

    def value(self, number: int, value: Any, /) -> Any:
        value = self.framework.replaced(value)
        self._saw(self._fact(number), value)
        return value

    def attribute(self, number: int, owner: Any, name: str, /) -> Any:
        value = self.framework.replaced(getattr(owner, name))
        fact = self._fact(number)
        fact.add("names", self._owner(owner))
        self.framework.note(fact, owner, name, value)
        self.framework.note_member(fact, owner, name)
        self._saw(fact, value)
        return value

    def call(self, number: int, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._call(number, function, None, "", args, kwargs)

    def method(self, number: int, owner: Any, name: str, /, *args: Any, **kwargs: Any) -> Any:
        return self._call(number, getattr(owner, name), owner, name, args, kwargs)

    def loop(self, number: int, values: Any, /) -> Iterator[Any]:
        self._saw(self._fact(number), values)
        return self._watched(number, values) if self.shared.limited else values

    # -- how it tells

    def _watched(self, number: int, values: Any) -> Iterator[Any]:
        for rounds, value in enumerate(values, start=1):
            before = self.shared.steps
            yield value
            trained = self.shared.steps > before or self.framework.kind(values) == "loader"
            if trained and rounds >= self.shared.rounds:
                return

    def _call(self, number: int, function: Any, owner: Any, name: str, args: tuple, kwargs: dict) -> Any:
        fact = self._fact(number)
        callee = self.callee(function, owner, name)
        self.framework.note_member(fact, owner, name)
        fact.add("callees", callee)
        if callee.startswith(("user:", "call:user")):
            self._parameters(fact, function, args, kwargs)
            self.framework.note_method(fact, owner)
        if name in ("state_dict", "load_state_dict", "parameters", "named_parameters"):
            fact.extra["fresh"] = fact.extra.get("fresh", False) or id(owner) not in self.shared.called
        if callee == "copy.deepcopy" and args and self.framework.unmade(args[0]):
            fact.extra["fresh"] = True
        if callee.startswith("call:"):
            self.shared.called.add(id(function))
            if self.framework.weighs(function):
                fact.extra["weights"] = True
            fact.extra.setdefault("weights", False)
            self.framework.note_call(fact, function)
            training = getattr(function, "training", None)
            if isinstance(training, bool):
                fact.add("modes", training)
        if name in ("backward", "step", "zero_grad") and fact.count <= FEW:
            self.framework.note_weights(fact, owner, args, sys._getframe(2))
        self.shared.depth += 1
        try:
            result = self.shared.around(callee, function, args, kwargs)
        finally:
            self.shared.depth -= 1
        result = self.framework.replaced(result)
        self._saw(fact, result)
        self.framework.note(fact, owner, "", result)
        if self.framework.kind(result) in ("optimizer", "scheduler") and id(result) not in self.shared.made:
            self.shared.made[id(result)] = (self.module, number)
            self.shared.kept.append(result)
        self._made(fact, "made", owner)
        if owner is not None and args:
            self._made(fact, "made 0", args[0])
        return result

    def _made(self, fact: Fact, key: str, value: Any) -> None:
        """Remembers where what is called was made; that it was several, where it was."""
        place = self.shared.made.get(id(value)) if value is not None else None
        if place is not None:
            fact.extra[key] = place if fact.extra.get(key, place) == place else None

    def callee(self, function: Any, owner: Any = None, name: str = "") -> str:
        """The name of what is called: a framework's public one, `call:` and a module's class, or `user:` and a name."""
        kind = self.framework.kind(function)
        if kind is not None and kind.startswith("module:"):
            return "call:" + kind.removeprefix("module:")
        if kind is not None and kind.startswith("object:"):
            return "call:" + kind.removeprefix("object:")
        if owner is not None and not inspect.ismodule(owner) and (found := self.framework.method(owner, name)):
            return found
        if found := self.framework.name(function):
            return found
        module = getattr(function, "__module__", None) or ""
        qualified = getattr(function, "__qualname__", None) or getattr(function, "__name__", "")
        if not isinstance(qualified, str):
            qualified = ""
        if self.user(module):
            return f"user:{qualified}"
        if owner is not None and not inspect.ismodule(owner) and not inspect.isclass(owner):
            return f"{type(owner).__module__}.{type(owner).__qualname__}.{name}"
        return f"{module}.{qualified}".lstrip(".")

    def _parameters(self, fact: Fact, function: Any, args: tuple, kwargs: dict) -> None:
        """Remembers the parameter names of the user's function, and of which kinds its arguments were."""
        target = getattr(function, "forward", None) or getattr(function, "call", None) or function
        try:
            parameters = list(inspect.signature(target).parameters.values())
        except (TypeError, ValueError):
            return
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if not fact.names:
            fact.names.extend(names)
        elif fact.names != names:
            fact.extra["names differ"] = True
        for position, value in enumerate(args):
            kinds = fact.extra.setdefault(f"argument {position}", [])
            if (kind := self.kind(value)) not in kinds:
                kinds.append(kind)

    def _owner(self, owner: Any) -> str:
        if inspect.ismodule(owner):
            return "module " + owner.__name__
        if inspect.isclass(owner):
            return "class " + (self.framework.name(owner) or owner.__qualname__)
        return self.kind(owner)

    def _fact(self, number: int) -> Fact:
        fact = self.facts.get(number)
        if fact is None:
            fact = self.facts[number] = Fact()
        fact.count += 1
        return fact

    def _saw(self, fact: Fact, value: Any) -> None:
        kind = self.kind(value)
        fact.add("kinds", kind)
        if kind == "tensor":
            shape, dtype = self.framework.tensor(value)
            fact.add("ranks", len(shape))
            fact.add("dtypes", dtype)
            fact.add("shapes", shape)
            self.framework.note_tensor(fact, value)
        elif kind.startswith("module:"):
            self.framework.note_network(fact, value)
        elif kind in ("int", "float", "bool", "str", "none", "name"):
            fact.add("values", value if kind != "name" else self.framework.name(value))
        elif kind in ("function", "class"):
            fact.add("values", self.callee(value))
        elif kind in ("tuple", "list", "dict") and len(value) < 100:
            for one in value.values() if kind == "dict" else value:
                fact.add("items", self.kind(one))
            if kind != "dict" and any(isinstance(one, (list, tuple)) for one in value):
                fact.extra["leaves"] = sorted({*fact.extra.get("leaves", ()), *self._leaves(value)})

    def _leaves(self, value: Any) -> set[str]:
        """The kinds of what nested lists hold."""
        parts = value[:100] if isinstance(value, (list, tuple)) else None
        return {self.kind(value)} if parts is None else {kind for one in parts for kind in self._leaves(one)}

    def kind(self, value: Any) -> str:
        """What a value is, in one word."""
        if value is None:
            return "none"
        if (kind := _PLAIN.get(type(value))) is not None:
            return kind
        if (found := self.framework.kind(value)) is not None:
            return found
        if inspect.isclass(value):
            return "class"
        if inspect.isroutine(value):
            return "function"
        if inspect.ismodule(value):
            return "namespace"
        if isinstance(value, tuple):
            return "tuple"
        if isinstance(value, list):
            return "list"
        if isinstance(value, dict):
            return "dict"
        if type(value).__module__ == "numpy":
            return "array" if type(value).__name__ == "ndarray" else "numpy"
        return "other"


_PLAIN: dict[type, str] = {
    bool: "bool", int: "int", float: "float", str: "str", dict: "dict", tuple: "tuple", list: "list", range: "range",
}  # fmt: skip


class Shared:
    """What the recorders of all files of one run share."""

    def __init__(self) -> None:
        self.depth = 0
        self.steps = 0
        self.limited = True
        self.rounds = ITERATIONS
        self.hooks: list[Callable] = []
        self.made: dict[int, tuple[str, int]] = {}
        """Where an object was made: the module and the number of the call."""
        self.kept: list[Any] = []
        self.called: set[int] = set()
        """The modules that were called."""

    def around(self, callee: str, function: Any, args: tuple, kwargs: dict) -> Any:
        """Calls, through whatever holds the run: the steps of an optimiser are counted here."""
        for hook in self.hooks:
            handled, result = hook(callee, function, args, kwargs)
            if handled:
                return result
        if callee.startswith("torch.optim.Optimizer.step") or callee.endswith("Optimizer.apply_gradients"):
            self.steps += 1
        return function(*args, **kwargs)
