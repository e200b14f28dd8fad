"""From a graph to PaddlePaddle: `model.py`, whose forward pass is one call after the other, and `model.npz`."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.paddle.ops
import netglot.dialects.paddle.write_ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import class_name, identifier
from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.paddle.write_ops.functions import Kind
from netglot.dialects.paddle.write_ops.layers import Own
from netglot.dialects.paddle.write_ops.shape import Listed
from netglot.dialects.steps import Emitter, WrittenFile, prepared, written_file
from netglot.errors import InputError, Refusal, never, notimpl
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph, Value
from netglot.pivot.op import type_of
from netglot.source.format import tidy_source
from netglot.source.spell import Call

WEIGHTS = "model.npz"
_INFIX = ("+", "-", "*", "/", "**", "==", "!=", "<", "<=", ">", ">=")
_WORDS = {"self", "paddle", "nn", "np", "F", "os", "load", "and", "as", "in", "is", "or", "not", "if", "for", "from",
          "lambda", "class", "def", "return", "pass", "with", "while", "None", "True", "False", "input"}  # fmt: skip


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> WrittenFile:
    """Writes `graph` as PaddlePaddle source.

    Raises:
        UnsupportedOps: everything that PaddlePaddle cannot express.
    """
    if not graph.inputs:
        raise Refusal(never("a network is called with something, and this one has no input"))
    arranged = prepared(graph, paddle, keep_layout)
    emitter = _Emitter(arranged.graph, paddle, input_name=_word)
    emitter.run()
    returned = emitter.outputs()
    source = tidy_source(_module(class_name(graph.name) or "Network", emitter, arranged.graph, returned))
    return written_file(emitter, arranged, graph, source, None)


def _word(name: str) -> str:
    """A name that a variable can have."""
    word = identifier(name)
    return f"{word}_" if word in _WORDS else word


class _Emitter(Emitter):
    """Steps become statements; weights attributes of the network, those of a layer attributes of the layer."""

    def __init__(self, *given: Any, **known: Any):
        super().__init__(*given, **known)
        self.making: list[str] = []
        self.lines: list[str] = []
        self.layers: dict[tuple, str] = {}
        self.attributes = {"training", "eval", "train", "forward"}

    def stored(self, tree: Any, role: str = "") -> str:
        """A weight that belongs to no layer: a parameter or a buffer of the network."""
        known = set(self.weights)
        name = super().stored(tree, role)
        if name not in known:
            kind = type_of(tree)
            fresh = re.sub(r"\W", "_", name)
            recipe = self.weights.pop(name)
            fresh = self._fresh(fresh)
            self.weights[fresh] = recipe
            for key, held in list(self._stored.items()):
                if held == name:
                    self._stored[key] = fresh
            shape = [int(size) for size in kind.shape]
            self.making.append(f"self.register_buffer({fresh!r}, paddle.zeros({shape}, {self._kind(kind.dtype)}))")
            name = fresh
        return f"self.{name}"

    def _fresh(self, wanted: str) -> str:
        name, number = wanted, 0
        while name in self.attributes:
            number += 1
            name = f"{wanted}_{number}"
        self.attributes.add(name)
        return name

    def add(self, call: Call, count: int, dtype: str) -> list[str]:
        options = dict(call.options)
        if call.function.startswith("nn."):
            text = self._layer(call, options)
        else:
            arguments = [self._told(one, dtype) for one in call.arguments]
            named = [f"{name}={self._told(one, dtype)}" for name, one in options.items()]
            text = self._call(call.function, arguments, named, call.arguments)
        hint = self.step_name(call.function.rpartition(".")[2] if call.function not in (*_INFIX, "[]") else "part")
        name = self.taken.unique(_word(hint))
        self.lines.append(f"{name} = {text}")
        if count == 1:
            return [name]
        if call.function in ("nn.LSTM",):
            return [f"{name}[0]", f"{name}[1][0]", f"{name}[1][1]"]
        return [f"{name}[{i}]" for i in range(count)]

    def _call(self, function: str, arguments: list[str], named: list[str], items: tuple) -> str:
        if function in _INFIX:
            return f"{arguments[0]} {function} {arguments[1]}"
        if function == "[]":
            return f"{arguments[0]}[{self._part(items[1])}]"
        if function.startswith("."):
            return f"{arguments[0]}{function}({', '.join([*arguments[1:], *named])})"
        return f"{function}({', '.join([*arguments, *named])})"

    def _layer(self, call: Call, options: dict[str, Any]) -> str:
        """A layer that the network makes once and calls."""
        weights = options["weights"]
        for role, tree in weights.items():
            if not self.known(tree):
                raise Refusal(notimpl(f"a {role} that the network computes"))
        key = (call.function, *(id(self.recipe(t)) if not isinstance(t, Value) else id(t) for t in weights.values()))
        if key not in self.layers:
            name = self._fresh(_word(self.step_name(call.function[3:], True)))
            self.layers[key] = name
            self._kept.append(list(weights.values()))
            told = [*map(repr, options["arguments"]), *(f"{k}={v!r}" for k, v in options["made_with"].items())]
            self.making.append(f"self.{name} = {call.function}({', '.join(told)})")
            for role, tree in weights.items():
                self.weights[f"{name}.{role}"] = self.recipe(tree)
        given = [self._told(one, "float32") for one in call.arguments]
        if call.function == "nn.LSTM" and len(given) == 3:
            given = [given[0], f"({given[1]}, {given[2]})"]
        return f"self.{self.layers[key]}({', '.join(given)})"

    def _told(self, item: Any, dtype: str) -> str:
        """An argument as it stands in the source."""
        if isinstance(item, Listed):
            return f"[{', '.join(self.value(one) for one in item.items)}]"
        if isinstance(item, Own):
            return f"self.{item.name}"
        if isinstance(item, Kind):
            return self._kind(item.name)
        if isinstance(item, Dim):
            return self.size(item)
        if isinstance(item, list):
            return f"[{', '.join(self._told(one, dtype) for one in item)}]"
        if isinstance(item, tuple) and any(isinstance(one, slice) for one in item):
            return self._part(item)
        if isinstance(item, float) and (item != item or item in (float("inf"), -float("inf"))):
            return f'float("{item}")'
        if item is None or isinstance(item, bool | int | float | str | tuple):
            return repr(item)
        return self.value(item, dtype)

    def _part(self, items: tuple) -> str:
        """What stands between the brackets."""
        return ", ".join(
            ":".join("" if one is None else self._told(one, "int64") for one in self._ends(item))
            if isinstance(item, slice)
            else self._told(item, "int64")
            for item in items
        )

    def _ends(self, item: slice) -> list[Any]:
        found = [item.start or None, item.stop]
        return found if item.step is None else [*found, item.step]

    def _kind(self, dtype: str) -> str:
        return "paddle.get_default_dtype()" if dtype in ("float32", "float64") else repr(dtype)

    def size(self, size: Any) -> str:
        """A size that is not known before the network runs, as an expression over the shapes of its inputs.

        Raises:
            Refusal: no input has it.
        """
        if not isinstance(size, Dim):
            return repr(size)
        for value in self.graph.inputs:
            for axis, one in enumerate(value.shape):
                if one == size:
                    return f"{self.names[value]}.shape[{axis}]"
        if len(size.terms) == 1 and size.terms[0][1] == 1 and len(size.terms[0][0]) == 1:
            ((atom, power),) = size.terms[0][0]
            if power == 1:
                return self._atom(atom)
        parts = []
        for monomial, coefficient in size.terms:
            factors = [self.size(Dim(((((atom, 1),), 1),))) for atom, power in monomial for _ in range(power)]
            if coefficient != 1 or not factors:
                factors.append(str(coefficient))
            parts.append(" * ".join(factors))
        return f"({' + '.join(parts)})"

    def _atom(self, atom: Any) -> str:
        if isinstance(atom, str):
            raise Refusal(notimpl(f"the size {atom}, which is no size of an input"))
        left, right = self.size(atom.left), self.size(atom.right)
        sign = {"floor": "//", "mod": "%"}.get(atom.function)
        return f"({left} {sign} {right})" if sign else f"{atom.function}({left}, {right})"


def _module(title: str, emitter: _Emitter, graph: Graph, returned: list[str]) -> str:
    """The text of `model.py`."""
    inputs = ", ".join(emitter.names[value] for value in graph.inputs)
    making = "\n".join(f"        {line}" for line in emitter.making)
    lines = "\n".join(f"        {line}" for line in emitter.lines)
    result = returned[0] if len(returned) == 1 else f"({', '.join(returned)})"
    return f'''"""{title} in PaddlePaddle. `load()` gives it with its weights."""

import os

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

WEIGHTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "{WEIGHTS}")


class {title}(nn.Layer):
    def __init__(self):
        super().__init__()
{making}

    def forward(self, {inputs}):
{lines}
        return {result}


def load(weights=WEIGHTS):
    """The network with its weights, in inference mode."""
    model = {title}()
    known = model.state_dict()
    with np.load(weights) as held:
        for name in held.files:
            known[name].set_value(held[name].astype(str(known[name].dtype).split(".")[-1]))
    model.eval()
    return model
'''


def save_weights(written: WrittenFile, path: str | Path) -> None:
    """Writes the `.npz`, one weight of it in memory at a time."""
    _save(Path(path), ((name, written.load(name)) for name in written.weights))


def _save(path: Path, arrays: Any) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, array in arrays:
            with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)


def stored(folder: Path) -> dict[str, np.ndarray]:
    """The weights in a written folder by name."""
    with np.load(folder / WEIGHTS, allow_pickle=False) as held:
        return {name: held[name] for name in held.files}


def store(folder: Path, arrays: Mapping[str, np.ndarray], target: Path) -> None:
    """Copies a written folder with other weights."""
    (target / "model.py").write_text((folder / "model.py").read_text(encoding="utf-8"), encoding="utf-8")
    _save(target / WEIGHTS, {**stored(folder), **arrays}.items())


def read_back(folder: Path, inputs: Any) -> Graph:
    """Source is run, and not read back.

    Raises:
        InputError: always.
    """
    raise InputError("PaddlePaddle's source is run and not read back", advice="--runtime paddle=PATH/python")
