"""A TorchScript program as a tree of modules that netglot reads, runs and proves as any other."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from netglot.dialects.torch.script.walk import Walk
from netglot.errors import InputError, Refusal, RequestError, notimpl
from netglot.formats.torchscript import Archive, Instance, Stored, read_archive

_MANGLED = re.compile(r"\.?___torch_mangle_\d+")


class Program:
    """What the modules of one archive share: the code and the constants."""

    def __init__(self, archive: Archive):
        self.archive = archive
        self.classes, self.functions = archive.classes, archive.functions
        self.kinds: dict[str, type] = {}
        self.built: dict[Any, Any] = {}
        self.root: Any = None
        self._numbers: dict[int, Any] = {}

    def __deepcopy__(self, memo: dict) -> Program:
        return self

    def has_method(self, kind: str, name: str) -> bool:
        """Whether a class has a method of this name."""
        return kind in self.classes and any(
            isinstance(one, ast.FunctionDef) and one.name == name for one in self.classes[kind].body
        )

    def method(self, kind: str, name: str) -> ast.FunctionDef:
        """A method of a class.

        Raises:
            Refusal: there is none.
        """
        for one in self.classes[kind].body if kind in self.classes else ():
            if isinstance(one, ast.FunctionDef) and one.name == name:
                return one
        raise Refusal(notimpl(f"the method {name} of {plain_name(kind)}, which the program does not hold"))

    def constant(self, number: int) -> Any:
        """A constant of the code; tensors are buffers of the root, so that they take its dtype."""
        held = self.archive.constants[number]
        return getattr(self.root, f"constant_{number}") if isinstance(held, Stored) else held

    def number(self, tensor: torch.Tensor) -> Any:
        """The number that a constant of the code holds; None for any other tensor."""
        for number, held in enumerate(self.archive.constants):
            if isinstance(held, Stored) and held.shape == () and getattr(self.root, f"constant_{number}") is tensor:
                return held.array().item()
        return None

    def attribute(self, module: torch.nn.Module, name: str) -> Any:
        """An attribute of a module.

        Raises:
            Refusal: the archive does not hold it.
        """
        try:
            if name in module.script_lists:
                return [getattr(module, one) for one in module.script_lists[name]]
            return getattr(module, name)
        except AttributeError as error:
            raise Refusal(notimpl(f"the attribute {name!r}, which the archive does not hold")) from error

    # -- building

    def build(self, instance: Instance) -> Any:
        """The module of an object of the archive, with all that are in it."""
        if id(instance) not in self.built:
            module = self.kind(instance.kind)()
            self.built[id(instance)] = module
            self._fill(module, instance)
        return self.built[id(instance)]

    def kind(self, name: str) -> type:
        """The class that stands for one of the program's."""
        if name not in self.kinds:
            definition = self.classes.get(name)
            if definition is None:
                raise InputError(f"{self.archive.path} holds an object of {plain_name(name)} and not its code")
            module, _, last = plain_name(name).rpartition(".")
            bases = (ScriptedSequence,) if plain_name(name) == _SEQUENCE else (Scripted,)
            body = {"__module__": module or "__torch__", "script_kind": name, "script_program": self}
            if self.has_method(name, "forward"):
                body["forward"] = _forward(self.method(name, "forward"))
            self.kinds[name] = type(last, bases, body)
        return self.kinds[name]

    def _fill(self, module: Scripted, instance: Instance) -> None:
        if "" in instance.attributes:
            what = plain_name(instance.kind)
            raise InputError(f"{self.archive.path} holds a {what}, which only its own code could unpack")
        parameters = _names(self.classes[instance.kind], "__parameters__")
        buffers = _names(self.classes[instance.kind], "__buffers__")
        for name, held in instance.attributes.items():
            if name == "training":
                module.training = bool(held)
            elif isinstance(held, Stored):
                tensor = self._tensor(held)
                if name in parameters:
                    floating = tensor.is_floating_point() or tensor.is_complex()
                    module.register_parameter(name, self._shared(held, tensor, floating))
                else:
                    module.register_buffer(name, tensor, persistent=name in buffers)
            elif isinstance(held, Instance) and self._is_module(held):
                module.add_module(name, self.build(held))
            elif name in parameters and held is None:
                module.register_parameter(name, None)
            else:
                object.__setattr__(module, name, self._plain(held))
        own = {held.place: name for name, held in instance.attributes.items() if isinstance(held, Stored)}
        module.script_lists = {
            name: [own[one.place] for one in held]
            for name, held in instance.attributes.items()
            if isinstance(held, list) and held and all(isinstance(o, Stored) and o.place in own for o in held)
        }

    def _is_module(self, held: Instance) -> bool:
        definition = self.classes.get(held.kind)
        return definition is None or any(isinstance(b, ast.Name) and b.id == "Module" for b in definition.bases)

    def _plain(self, held: Any) -> Any:
        if isinstance(held, Instance):
            return self.build(held)
        if isinstance(held, Stored):
            return self._tensor(held)
        if isinstance(held, list | tuple):
            return type(held)(self._plain(one) for one in held)
        return {key: self._plain(one) for key, one in held.items()} if isinstance(held, dict) else held

    def _tensor(self, held: Stored) -> torch.Tensor:
        if held.place not in self.built:
            array = held.array()
            if held.dtype == "bfloat16":
                tensor = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
            else:
                tensor = torch.from_numpy(array)
            self.built[held.place] = tensor
        return self.built[held.place]

    def _shared(self, held: Stored, tensor: torch.Tensor, floating: bool) -> torch.nn.Parameter:
        """One parameter for one tensor of the archive, however many modules hold it."""
        key = ("parameter", held.place)
        if key not in self.built:
            self.built[key] = torch.nn.Parameter(tensor, requires_grad=floating and held.trainable)
        return self.built[key]


class Scripted(torch.nn.Module):
    """A module whose forward is walked and not run."""

    script_kind = ""
    script_program: Any = None
    script_place: tuple[str, str] = ("", "")
    script_lists: dict[str, list[str]] = {}
    """Lists of the module's own tensors, by the names of these."""

    def __reduce__(self) -> tuple:
        return open_script, self.script_place

    def __deepcopy__(self, memo: dict) -> Scripted:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made


class ScriptedSequence(Scripted, torch.nn.Sequential):
    """A `Sequential`, so that it is known as one."""

    def __init__(self):
        torch.nn.Module.__init__(self)


_SEQUENCE = "torch.nn.modules.container.Sequential"


def plain_name(kind: str) -> str:
    """The name of a class as its author wrote it."""
    return _MANGLED.sub("", kind).removeprefix("__torch__.")


def _names(definition: ast.ClassDef, wanted: str) -> set[str]:
    """The names in one of the lists that a class begins with."""
    for one in definition.body:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and one.targets[0].id == wanted:
            held = one.value.elts if isinstance(one.value, ast.List) else []
            return {str(e.value) for e in held if isinstance(e, ast.Constant)}
    return set()


def _forward(definition: ast.FunctionDef) -> Any:
    def forward(self, *args, **kwargs):
        return _walk(self).run(definition, self, args, kwargs)

    names = [one.arg for one in definition.args.args]
    first = len(names) - len(definition.args.defaults)
    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name if number else "self",
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=inspect.Parameter.empty if number < first else None,
            )
            for number, name in enumerate(names)
        ]
    )
    return forward


_WALKS: list[Walk] = []


def _walk(module: Scripted) -> Walk:
    """The walk that is under way, or a new one."""
    if _WALKS and _WALKS[-1].program is module.script_program and _WALKS[-1].depth:
        return _WALKS[-1]
    _WALKS[:] = [Walk(module.script_program)]
    return _WALKS[-1]


def open_script(path: str, part: str = "") -> torch.nn.Module:
    """The network in an archive, or one of the modules in it.

    Raises:
        InputError: the file is missing, damaged or something else.
        RequestError: there is no such part.
    """
    archive = read_archive(Path(path))
    program = Program(archive)
    whole = program.build(archive.root)
    try:
        found = whole.get_submodule(part) if part else whole
    except AttributeError as error:
        names = ", ".join(name for name, _ in whole.named_children())
        raise RequestError(f"{path} has no part {part!r}", advice=f"it has {names}") from error
    program.root = found
    for number, held in enumerate(archive.constants):
        if isinstance(held, Stored):
            found.register_buffer(f"constant_{number}", program._tensor(held), persistent=False)
    found.script_place = (path, part)
    return found.eval()
