"""From a graph to MXNet's files: `model-symbol.json` and `model-0000.params`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.mxnet.ops
import netglot.dialects.mxnet.write_ops  # noqa: F401  (fills the dialect)
from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.read import read_mxnet
from netglot.dialects.mxnet.write_ops.shape import Place, Sized
from netglot.dialects.steps import Emitter, Step, WrittenFile, prepared, step, written_file
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, never, notimpl
from netglot.formats.mxnet import CODES, Node, read_params, write_params, write_symbol
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph, Value
from netglot.pivot.op import type_of

SYMBOL, PARAMS = "model-symbol.json", "model-0000.params"

_AUXILIARY = ("moving_mean", "moving_var")
_HIDDEN = {"BatchNorm": 3, "LayerNorm": 3, "Dropout": 2}
"""Operators with results that nobody sees, which count in the file."""


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> WrittenFile:
    """Writes `graph` as a symbol of MXNet 1.9.1.

    Raises:
        UnsupportedOps: everything that MXNet cannot express.
    """
    arranged = prepared(graph, mxnet, keep_layout)
    flat = [
        RefusedOp(name, "a tensor", never("MXNet's symbols have no tensors without axes, and this has none"))
        for name, value in [*((value.name, value) for value in arranged.graph.inputs), *arranged.graph.outputs]
        if not value.shape
    ]
    if flat:
        raise UnsupportedOps(flat, len(graph.nodes), "MXNet")
    emitter = _Emitter(arranged.graph, mxnet)
    emitter.truths()
    emitter.run()
    heads = [emitter.head(value) for _, value in arranged.graph.outputs]
    text, kinds = _symbol(emitter, arranged.graph, heads)
    return written_file(emitter, arranged, graph, text, kinds)


class _Emitter(Emitter):
    """Truth values are numbers inside the network, and what they are outside."""

    def truths(self) -> None:
        """Makes numbers of the inputs that are truth values."""
        self._casts: dict[Any, Any] = {}
        self.given = dict(self.names)
        self._paths = {}
        for value in self.graph.inputs:
            if value.dtype == "bool":
                self.names[value] = self.value(step("Cast", _Named(self.names[value]), dtype="float32"))

    def value(self, item: Any, dtype: str = "float32") -> str:
        if isinstance(item, _Named):
            return item.name
        if isinstance(item, Sized):
            like, _ = self._holder(item.size)
            named = _Named(self.given[like])
            return named.name if like.dtype == item.dtype else self.value(step("Cast", named, dtype=item.dtype))
        return super().value(item, dtype)

    def _holder(self, size: Dim) -> tuple[Value, int]:
        """An input of the network that has a size, and its axis.

        Raises:
            Refusal: none has.
        """
        for value in self.graph.inputs:
            if size in value.shape:
                return value, value.shape.index(size)
        raise Refusal(notimpl(f"the size {size}, which is no size of an input"))

    def add(self, call: Any, count: int, dtype: str) -> list[str]:
        for name, held in call.options.items():
            if isinstance(held, Place):
                call.options[name] = (self._holder(held.size)[1],)
        return super().add(call, count, dtype)

    def _op(self, op: Any, used: Any, depth: int = 0) -> list[str]:
        if any(size == 0 for kind in op.result_types() for size in kind.shape):
            raise Refusal(never("MXNet's symbols have no tensors without elements"))
        return super()._op(op, used, depth)

    def stored(self, tree: Any, role: str = "") -> str:
        if type_of(tree).dtype == "bool":
            key = tree if isinstance(tree, Value) else id(tree)
            tree = self._casts.setdefault(key, ops.Cast(tree, "float32"))
        return super().stored(tree, role)

    def head(self, value: Value) -> str:
        """The name of a result of the network."""
        name = self.value(value, value.dtype)
        if value.dtype == "bool":
            return self.value(step("Cast", _Named(name), dtype="bool"))
        return self.value(step("identity", _Named(name))) if name in self.weights else name


class _Named:
    """A tensor that has its name."""

    def __init__(self, name: str):
        self.name = name


def _symbol(emitter: _Emitter, graph: Graph, heads: list[str]) -> tuple[str, dict[str, str]]:
    """The text of the symbol, and whether each weight is an argument or an auxiliary state."""
    nodes: list[Node] = []
    places: dict[str, tuple[int, int]] = {}
    kinds: dict[str, str] = {}

    def variable(name: str, shape: tuple, dtype: str) -> None:
        sizes = tuple(0 if isinstance(size, Dim) else int(size) for size in shape)
        told = {"__shape__": str(sizes), "__dtype__": str(CODES.get(dtype, 0))}
        places[name] = (len(nodes), 0)
        nodes.append(Node("null", name, told, []))

    for value in graph.inputs:
        variable(emitter.given[value], value.shape, value.dtype)
    for made in emitter.steps:
        for name in made.inputs:
            if name not in places:
                kind = type_of(emitter.weights[name])
                variable(name, kind.shape or (1,), kind.dtype)
                kinds[name] = "aux" if made.kind == "BatchNorm" and name.endswith(_AUXILIARY) else "arg"
        for number, name in enumerate(made.outputs):
            places[name] = (len(nodes), number)
        nodes.append(_node(made, [places[name] for name in made.inputs]))
    return write_symbol(nodes, [places[name] for name in heads]), kinds


def _node(made: Step, inputs: list[tuple[int, int]]) -> Node:
    told = {name: str(held) for name, held in made.options.items()}
    return Node(made.kind, made.name, told, inputs, _HIDDEN.get(made.kind, len(made.outputs)))


def save_weights(written: WrittenFile, path: str | Path) -> None:
    """Writes the `.params`, one weight of it in memory at a time."""
    kinds = written.content
    arrays = ((f"{kinds[name]}:{name}", _kept(written.load(name))) for name in written.weights if name in kinds)
    write_params(Path(path), arrays, sum(name in kinds for name in written.weights))


def _kept(array: np.ndarray) -> np.ndarray:
    """A weight in a dtype that MXNet stores."""
    return array if str(array.dtype) in CODES else array.astype("float32")


def stored(folder: Path) -> dict[str, np.ndarray]:
    """The weights in a written folder by name."""
    return read_params(folder / PARAMS)


def store(folder: Path, arrays: Mapping[str, np.ndarray], target: Path) -> None:
    """Copies a written folder with other weights."""
    from netglot.formats.mxnet import read_symbol

    auxiliary = {
        node.name
        for symbol in (read_symbol(folder / SYMBOL),)
        for used in symbol.nodes
        if used.op == "BatchNorm"
        for node in (symbol.nodes[one] for one, _ in used.inputs[3:])
    }
    held = {**stored(folder), **arrays}
    text = (folder / SYMBOL).read_text(encoding="utf-8")
    if any(np.asarray(one).dtype == np.float64 for one in arrays.values()):
        text = re.sub(r'("dtype": )"float32"', r'\1"float64"', text)
    (target / SYMBOL).write_text(text, encoding="utf-8")
    told = ((("aux:" if name in auxiliary else "arg:") + name, _kept(np.asarray(a))) for name, a in held.items())
    write_params(target / PARAMS, told, len(held))


def read_back(folder: Path, inputs: Any) -> Graph:
    """The network that a written folder holds."""
    return read_mxnet(folder / SYMBOL, weights=folder / PARAMS, inputs=inputs)
