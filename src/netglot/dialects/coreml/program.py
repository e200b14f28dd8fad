"""From an ML Program to the pivot: operations of MIL one by one, half precision in single."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.coreml.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import Assembly, checked, class_name, fitting, identifier, with_open_batch
from netglot.dialects.coreml.dialect import coreml
from netglot.dialects.fitting import fitted
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.mlprogram import Block, Held, Operation, Program, read_program
from netglot.passes.blocks import with_blocks
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Graph
from netglot.pivot.op import Op, TensorType, numpy_dtype

_NARROW = {"float16": "float32", "uint16": "int32", "int16": "int32", "uint8": "int32", "int8": "int32"}


@dataclass(frozen=True)
class Sizes:
    """Sizes of a tensor as the network computes with them."""

    values: tuple


def read_package(path: Path, root: Path, given: Any) -> Graph:
    """Reads the main function of a program; `root` is the folder of its weights.

    Raises:
        InputError: the package is damaged.
        Refusal, UnsupportedOps: it has operations without a pivot form.
    """
    program = read_program(path, root)
    return with_open_batch(lambda free: _read(root, program, given, free), asked=given)


def _read(path: Path, program: Program, given: Any, free: bool) -> Graph:
    names = [part for part in path.parts if part.endswith(".mlpackage")]
    assembly = Assembly(coreml, class_name(Path(names[-1]).stem if names else path.stem) or "Network")
    dtypes = [_NARROW.get(one.dtype, one.dtype) for one in program.inputs]
    shapes = fitted([(one.name, one.shape) for one in program.inputs], given, free, dtypes, scalars=True)
    for one, (shape, dtype) in zip(program.inputs, shapes, strict=True):
        assembly.input(one.name, shape, dtype)
        if one.colours:
            assembly.notes.append(f"{one.name} is a picture: {one.colours}, from 0 to 255")
    if any(out == "float16" for out in dtypes) or any(_halves(one) for one in program.operations):
        assembly.notes.append("the program computes in half precision, and is read in single precision")
    named: set[str] = set()
    for operation in program.operations:
        _step(assembly, operation, named)
    found: dict[str, Any] = {}
    for name in program.outputs:
        if not assembly.refused:
            held = assembly.tensor(name)
            found[identifier(name)] = assembly.constant(plain(held)) if isinstance(held, Held) else held
    if not found and not assembly.refused:
        raise InputError(f"{path} has no output")
    values = list(found.values())
    graph = assembly.finish(values[0] if len(values) == 1 else found)
    kept = frozenset(one for one in graph.parameters.values() if one.name.rpartition(".")[0] in named)
    return with_blocks(graph, kept)


def _halves(operation: Operation) -> bool:
    held = operation.attributes.get("val")
    return operation.type == "const" and held is not None and held.dtype == "float16"


def _step(assembly: Assembly, operation: Operation, named: set[str], made_once: dict | None = None) -> None:
    """Reads one operation. `made_once` holds the weights that the steps of a loop share; None outside of loops."""
    kind = operation.type
    if kind == "const":
        for name in operation.outputs:
            if "val" not in operation.attributes:
                raise InputError(f"the constant {name} has no value")
            assembly.tensors[name] = operation.attributes["val"]
        return
    work = Work(operation, assembly, named, made_once)

    def run():
        if operation.blocks:
            return _nested(work)
        reader = assembly.reader(f"mil.{kind}")
        with fitting():
            made = reader(work)
            if made_once is not None and isinstance(made, Op) and work.is_known():
                return _held(evaluate_op(made))
        return made if isinstance(made, Held | Sizes) else assembly.build(made)

    assembly.step(operation.outputs[0] if operation.outputs else kind, kind, operation.outputs, run)


def _held(made: Any) -> Held:
    """A result that is known, in a dtype that the network computes with."""
    array = np.asarray(made)
    array = array.astype({"f": "float32", "i": "int32"}.get(array.dtype.kind, array.dtype))
    return Held(array.dtype.name, array.shape, array)


_STEPS, _OPERATIONS = 1024, 2**16


def _nested(work: Work) -> list[Any]:
    """A loop that runs as often as is known beforehand, step by step, or a choice that is known.

    Raises:
        Refusal: it depends on the data.
    """
    operation, advice = work.operation, "fix the sizes that it depends on"
    made_once = {} if work.made_once is None else work.made_once
    blocks = operation.blocks
    if len(blocks) != 2 or operation.type not in ("while_loop", "cond"):
        raise Refusal(notimpl(f"{operation.type}, which holds operations"))
    if operation.type == "cond":
        chosen = work.raw("pred")
        if not isinstance(chosen, Held):
            raise Refusal(notimpl("a choice by the data", advice))
        return _block(work, blocks[0 if np.all(chosen.value) else 1], [], made_once)
    states = work.all("loop_vars")
    for _ in range(min(_STEPS, _OPERATIONS // max(len(blocks[1].operations), 1))):
        (goes_on,) = _block(work, blocks[0], states, made_once)
        if not isinstance(goes_on, Held):
            raise Refusal(notimpl("a loop that runs as often as its data say", advice))
        if not np.all(goes_on.value):
            return states
        states = _block(work, blocks[1], states, made_once)
    raise Refusal(notimpl("a loop with too many steps to be written out"))


def _block(work: Work, block: Block, given: list[Any], made_once: dict) -> list[Any]:
    """The results of a block for what it is given."""
    assembly = work.assembly
    if len(given) != len(block.inputs):
        raise InputError(f"a block of {work.operation.type} takes {len(block.inputs)} tensors and not {len(given)}")
    assembly.tensors.update(zip(block.inputs, given, strict=True))
    for operation in block.operations:
        _step(assembly, operation, work.named, made_once)
    return [assembly.tensor(name) for name in block.outputs]


def plain(held: Held) -> np.ndarray:
    """A constant in a dtype that the network computes with."""
    dtype = _NARROW.get(held.dtype, held.dtype)
    return np.asarray(held.value).astype(numpy_dtype(dtype)) if dtype != "string" else np.asarray(held.value)


class Work:
    """One operation at work: its operands by name. `named` are the layers that the file names.

    `made_once` holds what the steps of a loop share, and is None outside of loops.
    """

    def __init__(self, operation: Operation, assembly: Assembly, named: set[str], made_once: dict | None = None):
        self.operation, self.assembly, self.named, self.made_once = operation, assembly, named, made_once

    def is_known(self) -> bool:
        """Whether all operands are small and held by the file, or were computed from such."""
        held = [one for name in self.operation.operands for one in self.all(name)]
        return all(isinstance(one, Held) and np.size(one.value) <= 4096 for one in held)

    def _once(self, key: tuple, make: Callable[[], Any]) -> Any:
        """What a loop makes in its first step and shares with the others."""
        if self.made_once is None:
            return make()
        key = (id(self.operation), *key)
        if key not in self.made_once:
            self.made_once[key] = make()
        return self.made_once[key]

    def _constant(self, held: Held, name: str) -> Any:
        fixed = self.operation.operands.get(name, [None])[0] is held or self.operation.attributes.get(name) is held
        if fixed:
            return self._once((name, "constant"), lambda: self.assembly.constant(plain(held)))
        return self.assembly.constant(plain(held))

    def all(self, name: str) -> list[Any]:
        """What stands at an operand: values, held values, sizes."""
        found = self.operation.operands.get(name, [])
        return [self.assembly.tensor(one) if isinstance(one, str) else one for one in found]

    def raw(self, name: str) -> Any:
        """One operand; None where it is not given."""
        if name in self.operation.attributes:
            return self.operation.attributes[name]
        found = self.all(name)
        return found[0] if found else None

    def array(self, name: str, default: Any = None) -> np.ndarray:
        """An operand that must be known.

        Raises:
            Refusal: the network computes it.
        """
        held = self.raw(name)
        if held is None:
            return np.asarray(default)
        if isinstance(held, Sizes):
            return np.asarray(held.values, dtype=object)
        if not isinstance(held, Held):
            raise Refusal(notimpl(f"{name} that depends on the data"))
        return plain(held)

    def integers(self, name: str, default: Any = ()) -> tuple:
        """Whole numbers, or sizes."""
        return tuple(
            one if not isinstance(one, np.integer | int) else int(one) for one in self.array(name, default).reshape(-1)
        )

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number."""
        return int(self.array(name, default).reshape(-1)[0])

    def number(self, name: str, default: float = 0.0) -> float:
        """A number, as short as single precision allows."""
        one = np.float32(self.array(name, default).reshape(-1)[0])
        near = float(f"{one:.7g}")
        return near if np.float32(near) == one else float(one)

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value."""
        return bool(self.array(name, default).reshape(-1)[0])

    def text(self, name: str, default: str = "") -> str:
        """A word."""
        held = self.raw(name)
        return default if held is None else str(held.value) if isinstance(held, Held) else default

    def operand(self, name: str) -> Any:
        """A tensor, or a number where the file holds one."""
        return self.tensor_of(self.raw(name), name)

    def tensor_of(self, held: Any, name: str = "x") -> Any:
        """A tensor as an operand of an op."""
        if held is None:
            raise InputError(f"{self.operation.type} lacks its operand {name}")
        if isinstance(held, Sizes):
            raise Refusal(notimpl("arithmetic with sizes that are not known"))
        if not isinstance(held, Held):
            return held
        array = plain(held)
        return array.item() if array.ndim == 0 else self._constant(held, name)

    def tensor(self, name: str = "x") -> Any:
        """A tensor, a constant of the network where the file holds it."""
        held = self.raw(name)
        return self._constant(held, name) if isinstance(held, Held) else self.tensor_of(held, name)

    def weight(self, name: str, role: str, how: Callable | None = None, shape: tuple | None = None) -> Any:
        """A weight, as it is held or as `how` makes it; None where it is not given."""
        held = self.raw(name)
        if held is None:
            return None
        if not isinstance(held, Held):
            return held
        shape = held.shape if shape is None else shape
        checked(shape, f"the {role} of {self.operation.outputs[0]}")
        load = (lambda: how(plain(held))) if how else lambda: plain(held)
        kind = TensorType(_NARROW.get(held.dtype, held.dtype), shape)
        place = f"{self._owner(name, role)}.{role}"
        return self._once((name, role), lambda: self.assembly.parameter(place, load, kind))

    def _owner(self, name: str, role: str) -> str:
        """The layer that a weight belongs to, by the weight's name or that of the result."""
        told = next((one for one in self.operation.operands.get(name, ()) if isinstance(one, str)), "")
        for end in (f"_{role}", f"_{role}_to_fp16", f"_{role}_to_fp32"):
            if told.endswith(end) and told != end:
                owner = identifier(told.removesuffix(end))
                self.named.add(owner)
                return owner
        return identifier(self.operation.outputs[0].removesuffix("_cast_fp16"))
