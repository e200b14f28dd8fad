"""From a graph to Caffe's files: `model.prototxt` and `model.caffemodel`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.caffe.ops
import netglot.dialects.caffe.write_ops  # noqa: F401  (fills the dialect)
from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.read import read_caffe
from netglot.dialects.steps import Emitter, Held, WrittenFile, prepared, written_file
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, never, notimpl
from netglot.formats.caffe import network_text, read_weights, write_weights
from netglot.formats.patching import patched
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph
from netglot.pivot.op import shape_of

NETWORK, WEIGHTS = "model.prototxt", "model.caffemodel"


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> WrittenFile:
    """Writes `graph` as a network of Caffe.

    Raises:
        UnsupportedOps: everything that Caffe cannot express.
    """
    arranged = prepared(graph, caffe, keep_layout)
    unfit = [
        RefusedOp(
            value.name, "an input", never(f"Caffe's inputs are batches of floats of known sizes, not {value.type}")
        )
        for value in arranged.graph.inputs
        if value.dtype != "float32" or len(value.shape) < 2 or any(isinstance(n, Dim) for n in value.shape[1:])
    ]
    if unfit:
        raise UnsupportedOps(unfit, len(graph.nodes), "Caffe")
    emitter = _Emitter(arranged.graph, caffe, separator="/")
    emitter.run()
    emitter.finish()
    layers = [_input(emitter.names[value], value.shape) for value in arranged.graph.inputs] + emitter.layers
    return written_file(emitter, arranged, graph, network_text(graph.name, layers), emitter.blobs)


def _input(name: str, shape: tuple) -> tuple:
    sizes = [1 if isinstance(size, Dim) else int(size) for size in shape]
    return "Input", name, [], [name], {"input_param": {"shape": {"dim": sizes}}}


class _Emitter(Emitter):
    """Weights belong to their layer, by number; tops that nobody reads are silenced."""

    def __init__(self, *given: Any, **known: Any):
        super().__init__(*given, **known)
        self.layers: list[tuple] = []
        self.blobs: list[tuple[str, str, list[str]]] = []
        self.silenced: list[str] = []

    def add(self, call: Any, count: int, dtype: str) -> list[str]:
        bottoms = [self.value(one, dtype) for one in call.arguments]
        options = dict(call.options)
        blobs: tuple[Held, ...] = options.pop("blobs", ())
        tops, keep = options.pop("tops", count), options.pop("keep", None)
        name = self.taken.unique(self.step_name(call.function, bool(blobs)))
        made = [name] if tops == 1 else [self.taken.unique(f"{name}/{i}") for i in range(tops)]
        if blobs:
            held = []
            for number, one in enumerate(blobs):
                if not self.known(one.tree):
                    raise Refusal(notimpl(f"a {one.role} that the network computes"))
                self.weights[f"{name}/{number}"] = self.recipe(one.tree)
                held.append(f"{name}/{number}")
            self.blobs.append((name, call.function, held))
        if tops == 1 and call.function == "Slice":  # all of it
            return bottoms
        self.layers.append((call.function, name, bottoms, made, options))
        if keep is not None:
            self.silenced += [one for number, one in enumerate(made) if number != keep]
            return [made[keep]]
        return made

    def stored(self, tree: Any, role: str = "") -> str:
        raise Refusal(never("Caffe's layers join tensors that are computed, and this one is known beforehand"))

    def finish(self) -> None:
        """Silences what nobody reads, and makes each result of the network a top of its own that nobody reads."""
        read = {bottom for _, _, bottoms, _, _ in self.layers for bottom in bottoms}
        found: list[str] = []
        for name, value in self.graph.outputs:
            held = self.value(value)
            own = any(tops == [held] and name_ == held for _, name_, _, tops, _ in self.layers)
            if len(self.graph.outputs) > 1 or held in read or held in found or not own:
                wanted = self.taken.unique(name.replace(".", "_"))
                self.layers.append(("Power", wanted, [held], [wanted], {}))
                held = wanted
            found.append(held)
        read |= {bottom for _, _, bottoms, _, _ in self.layers for bottom in bottoms}
        given = [self.names[value] for value in self.graph.inputs if self.names[value] not in read]
        unread = given + [
            top for _, _, _, tops, _ in self.layers for top in tops if top not in read and top not in found
        ]
        if unread:
            self.layers.append(("Silence", self.taken.unique("silence"), unread, [], {}))


def save_weights(written: WrittenFile, path: str | Path) -> None:
    """Writes the `.caffemodel`, one blob of it in memory at a time."""

    def blob(name: str):
        return tuple(int(n) for n in shape_of(written.weights[name])), lambda: written.load(name)

    layers = [(name, kind, [blob(one) for one in held]) for name, kind, held in written.content]
    write_weights(Path(path), written.class_name, layers)


def stored(folder: Path) -> dict[str, np.ndarray]:
    """The weights in a written folder by layer and number."""
    found = read_weights(folder / WEIGHTS)
    return {f"{name}/{i}": blob.load() for name, blobs in found.items() for i, blob in enumerate(blobs)}


def store(folder: Path, arrays: Mapping[str, np.ndarray], target: Path) -> None:
    """Copies a written folder with other weights."""
    (target / NETWORK).write_text((folder / NETWORK).read_text(encoding="utf-8"), encoding="utf-8")
    patched(folder / WEIGHTS, target / WEIGHTS, stored(folder), arrays)


def read_back(folder: Path, inputs: Any) -> Graph:
    """The network that a written folder holds."""
    return read_caffe(folder / NETWORK, weights=folder / WEIGHTS, inputs=inputs)
