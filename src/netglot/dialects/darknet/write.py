"""From a graph to Darknet's files: `model.cfg` and `model.weights`.

Each section works on the result of the one before it. Where an op wants another, a `[route]` goes before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.darknet.ops
import netglot.dialects.darknet.write_ops  # noqa: F401  (fills the dialect)
from netglot.dialects.darknet.dialect import darknet
from netglot.dialects.darknet.read import read_darknet
from netglot.dialects.dialect import Dialect
from netglot.dialects.steps import Emitter, Held, WrittenFile, prepared, written_file
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, never, notimpl
from netglot.formats.darknet import sections_text, write_weights
from netglot.formats.patching import patched
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.graph import Graph, Node, Value
from netglot.pivot.op import shape_of

NETWORK, WEIGHTS = "model.cfg", "model.weights"
_WORDS = {"convolutional": "conv", "connected": "linear"}
_MOST_FLAT = 4096
"""So many elements are flattened by a section of their own, whose weights are their number squared."""
_ENDED = ("convolutional", "connected", "shortcut")
"""Sections that end in an activation."""


@dataclass
class _Section:
    """One section, what it is called in the source, and the recipes of its weights."""

    kind: str
    place: str
    channels: int
    options: dict[str, Any] = field(default_factory=dict)
    weight: Any = None
    bias: Any = None


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> WrittenFile:
    """Writes `graph` as a network of Darknet.

    Raises:
        UnsupportedOps: everything that Darknet cannot express.
    """
    arranged = prepared(graph, darknet, keep_layout)
    _check(arranged.graph)
    emitter = _emitted(arranged.graph)
    shape = arranged.graph.inputs[0].shape
    net = {"batch": 1, "width": shape[3], "height": shape[2], "channels": shape[1]}
    sections = [(one.place, one.kind, one.options) for one in emitter.sections]
    held = []
    for number, one in enumerate(emitter.sections):
        word = _WORDS.get(one.kind)
        for role in ("bias", "weight") if word else ():  # in the order of the file
            name = f"{word}_{number}.{word}.{role}"
            emitter.weights[name] = emitter.recipe(getattr(one, role))
            held.append(name)
    text = sections_text([("", "net", net), *sections])
    written = written_file(emitter, arranged, graph, text, held)
    graph.notes.append("batch norms are folded into the convolutions before them")
    return written


class _Apart(Exception):
    """A value was put into the section that ends with what follows it, and is used again."""

    def __init__(self, value: Value):
        self.value = value


def _emitted(graph: Graph) -> _Emitter:
    """The sections of a graph; begun again as often as a value turns out to need a section of its own."""
    apart: set[Value] = set()
    while True:
        emitter = _Emitter(graph, darknet, apart)
        try:
            emitter.run()
            emitter.finish()
        except _Apart as found:
            apart.add(found.value)
            continue
        return emitter


def _check(graph: Graph) -> None:
    """Asserts that inputs and outputs are those of Darknet.

    Raises:
        UnsupportedOps: they are not.
    """
    wrong = []
    for value in graph.inputs:
        if value.dtype != "float32" or len(value.shape) != 4 or any(isinstance(n, Dim) for n in value.shape[1:]):
            wrong.append(
                RefusedOp(value.name, "an input", never(f"Darknet takes pictures of one size, not {value.type}"))
            )
    if len(graph.inputs) != 1:
        wrong.append(
            RefusedOp("", "the inputs", never(f"Darknet takes one picture, and not {len(graph.inputs)} inputs"))
        )
    if len(graph.outputs) != 1:
        wrong.append(RefusedOp("", "the outputs", never("Darknet gives the result of its last section, and no other")))
    if wrong:
        raise UnsupportedOps(wrong, len(graph.nodes), "Darknet")


class _Emitter(Emitter):
    """Sections in order; the name of a tensor leads to the section that makes it."""

    def __init__(self, graph: Graph, dialect: Dialect, apart: Collection[Value] = ()):
        super().__init__(graph, dialect)
        self.apart = apart
        self.sections: list[_Section] = []
        self.place: dict[str, int] = defaultdict(lambda: -1)
        self.flat: set[str] = set()
        self.features: dict[str, int] = {}
        self.gone: set[str] = set()
        self.shapes: dict[str, tuple] = {}
        (value,) = self.graph.inputs
        self.place[self.names[value]] = -1
        self.shapes[self.names[value]] = value.shape
        self.users = self.graph.consumers()
        self._paths = {}
        if len(self.users.get(value, ())) > 1:
            self._section("maxpool", self.names[value], {"size": 1, "stride": 1}, value.shape[1])

    def value(self, item: Any, dtype: str = "float32") -> str:
        name = super().value(item, dtype)
        self._still_there(item, name)
        return name

    def _still_there(self, item: Any, name: str) -> None:
        """Asserts that a tensor is the result of its section.

        Raises:
            _Apart: it is a value of the graph, which had better be kept.
            Refusal: it lies between two ops of one section.
        """
        if name not in self.gone:
            return
        if isinstance(item, Value) and item not in self.apart:
            raise _Apart(item)
        raise Refusal(notimpl("a value between two ops that Darknet has in one section, which is used again"))

    def stand_in(self, node: Node) -> None:
        """A section in the place of a node that was refused: what follows is not taken for a reader of the input."""
        for value in node.results:
            channels = value.shape[1] if len(value.shape) > 1 else 0
            self.names[value] = self._append(_Section("maxpool", node.path, channels, {}))

    def stored(self, tree: Any, role: str = "") -> str:
        raise Refusal(never("Darknet's sections join what is computed, and this is known beforehand"))

    def add(self, call: Any, count: int, dtype: str) -> list[str]:
        names = [self.value(one, dtype) for one in call.arguments]
        for one, name in zip(call.arguments, names, strict=True):
            self._still_there(one, name)  # arguments that come later may have made sections longer
        shape = shape_of(call.arguments[0]) if not hasattr(call.arguments[0], "function") else ()
        options = dict(call.options)
        handler = getattr(self, f"_{call.function}", None)
        if call.function not in ("connected", "dropout"):
            names = [self._solid(name) for name in names]
        if handler is not None:
            return [handler(names, options, call, shape)]
        return [self._section(call.function, names[0], options, shape[1] if len(shape) > 1 else 0)]

    # -- sections

    def _before(self, name: str) -> None:
        """Makes a tensor the result of the section before the next one."""
        place = self.place[name]
        if place == len(self.sections) - 1:
            return
        if place < 0:
            raise Refusal(notimpl("the input of the network, used after its first section"))
        self._append(_Section("route", "", self.sections[place].channels, {"layers": place}))

    def _append(self, section: _Section) -> str:
        self.sections.append(section)
        name = self.taken.unique(f"section_{len(self.sections) - 1}")
        self.place[name] = len(self.sections) - 1
        return name

    def _section(self, kind: str, name: str, options: dict, channels: int, **weights: Any) -> str:
        self._before(name)
        place = self.at.path if self.at is not None else ""
        section = _Section(kind, place, channels, options, **weights)
        if kind in _ENDED:
            section.options["activation"] = "linear"
        return self._append(section)

    def _same(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        return names[0]

    def _flat(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        name = self.taken.unique(f"{names[0]}_flat")
        self.features[name] = product(shape[1:])
        self.place[name] = self.place[names[0]]
        self.flat.add(name)
        return name

    def _dropout(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        if not self.sections:  # which OpenCV takes for the whole network
            names = [self._section("maxpool", names[0], {"size": 1, "stride": 1}, 0)]
        made = self._section("dropout", names[0], options, 0)
        if names[0] in self.flat:
            self.flat.add(made)
            self.features[made] = self.features.get(names[0], 0)
        return made

    def _convolutional(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        return self._weighted("convolutional", names[0], options, options["filters"])

    def _connected(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        return self._weighted("connected", names[0], options, options["output"])

    def _weighted(self, kind: str, name: str, options: dict, channels: int) -> str:
        weight, bias = options.pop("weight"), options.pop("bias", None)
        for one in (weight, bias):
            if one is not None and not self.known(one.tree):
                raise Refusal(never("Darknet's weights are not computed by the network"))
        tree = np.zeros(channels, "float32") if bias is None else bias.tree
        return self._section(kind, name, options, channels, weight=weight.tree, bias=tree)

    def _ends_here(self, name: str, item: Any) -> _Section | None:
        """The last section, where it makes this tensor for one reader alone and has no activation yet."""
        if self.place[name] != len(self.sections) - 1 or not self.sections or name in self.flat or item in self.apart:
            return None
        last = self.sections[-1]
        alone = item not in self.users or len(self.users[item]) == 1
        alone = alone and not any(item is value for _, value in self.graph.outputs)
        return last if last.options.get("activation") == "linear" and alone else None

    def _renamed(self, name: str) -> str:
        """The same section under a new name: the old one was before what was made part of it."""
        self.gone.add(name)
        made = self.taken.unique(f"{name}_ended")
        self.place[made] = self.place[name]
        return made

    def _activation(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        section = self._ends_here(names[0], call.arguments[0])
        if section is not None:
            section.options["activation"] = options["activation"]
            return self._renamed(names[0])
        return self._each_channel(names[0], shape, None, None, options["activation"])

    def _affine(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        scale, shift = (self._tree(options[key]) for key in ("scale", "shift"))
        section = self._ends_here(names[0], call.arguments[0])
        if section is None or section.weight is None:
            return self._each_channel(names[0], shape, scale, shift, "linear")
        rank = len(shape_of(section.weight))
        section.weight = ops.Multiply(section.weight, ops.Reshape(scale, (section.channels, *(1,) * (rank - 1))))
        section.bias = ops.Add(ops.Multiply(section.bias, scale), shift)
        return self._renamed(names[0])

    def _tree(self, item: Held) -> Any:
        if not self.known(item.tree):
            raise Refusal(never("Darknet joins tensors of one shape, or with weights"))
        return item.tree

    def _each_channel(self, name: str, shape: tuple, scale: Any, shift: Any, activation: str) -> str:
        """A section for one factor and one offset a channel: a convolution of each channel by itself."""
        if len(shape) != 4:
            raise Refusal(notimpl("arithmetic behind a connected section, which is no part of it"))
        channels = shape[1]
        weight = np.ones(channels, "float32") if scale is None else scale
        bias = np.zeros(channels, "float32") if shift is None else shift
        told = {"filters": channels, "size": 1, "stride": 1, "padding": 0, "groups": channels}
        made = self._section(
            "convolutional", name, told, channels, weight=ops.Reshape(weight, (channels, 1, 1, 1)), bias=bias
        )
        self.sections[-1].options["activation"] = activation
        return made

    def _shortcut(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        return self._two("shortcut", names, shape)

    def _sam(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        return self._two("sam", names, shape)

    def _scale_channels(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        return self._two("scale_channels", names, shape, swap=False)

    def _two(self, kind: str, names: list[str], shape: tuple, swap: bool = True) -> str:
        """A section of the result before it and of another one."""
        first, second = names
        if swap and self.place[second] > self.place[first]:
            first, second = second, first
        if self.place[second] < 0:
            raise Refusal(notimpl("the input of the network, used after its first section"))
        options = {"from": self.place[second], "activation": "linear"}
        return self._section(kind, first, options, shape[1] if len(shape) > 1 else 0)

    def _route(self, names: list[str], options: dict, call: Any, shape: tuple) -> str:
        places = [self.place[name] for name in names]
        if min(places) < 0:
            raise Refusal(notimpl("the input of the network, joined with others or cut"))
        told = {"layers": ",".join(map(str, places)), **options}
        section = _Section("route", self.at.path if self.at else "", 0, told)
        return self._append(section)

    def _solid(self, name: str) -> str:
        """A flat tensor as the result of a section, which flattens by connecting each element with itself."""
        if name not in self.flat:
            return name
        count = self.features.get(name, 0)
        if not 0 < count <= _MOST_FLAT:
            raise Refusal(never("Darknet flattens pictures before a connected section only"))
        eye = np.eye(count, dtype="float32")
        return self._section("connected", name, {"output": count}, count, weight=eye, bias=np.zeros(count, "float32"))

    def finish(self) -> None:
        """Makes the result of the network that of the last section."""
        ((_, value),) = self.graph.outputs
        name = self.value(value)
        try:
            name = self._solid(name)
        except Refusal as refusal:
            raise UnsupportedOps(
                [RefusedOp("", "the output", refusal.reason)], len(self.graph.nodes), "Darknet"
            ) from refusal
        if not self.sections or self.place[name] != len(self.sections) - 1:
            self._section("maxpool", name, {"size": 1, "stride": 1}, 0)


def save_weights(written: WrittenFile, path: str | Path) -> None:
    """Writes the `.weights`, one tensor of it in memory at a time."""
    write_weights(Path(path), (written.load(name) for name in written.content))


def stored(folder: Path) -> dict[str, np.ndarray]:
    """The weights in a written folder, by the names that our reader gives them."""
    return {name: one.load() for name, one in read_back(folder, None).parameters.items() if one.kind != "constant"}


def store(folder: Path, arrays: Mapping[str, np.ndarray], target: Path) -> None:
    """Copies a written folder with other weights."""
    (target / NETWORK).write_text((folder / NETWORK).read_text(encoding="utf-8"), encoding="utf-8")
    patched(folder / WEIGHTS, target / WEIGHTS, stored(folder), arrays)


def read_back(folder: Path, inputs: Any) -> Graph:
    """The network that a written folder holds."""
    return read_darknet(folder / NETWORK, weights=folder / WEIGHTS, inputs=inputs)
