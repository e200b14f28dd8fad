"""From a graph to a model of CNTK 2: `model.model`, which holds the network and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.cntk.ops
import netglot.dialects.cntk.write_ops  # noqa: F401  (fills the dialect)
from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.emitter import Form, real
from netglot.dialects.cntk.read import read_cntk
from netglot.dialects.cntk.recurrences import Recurrences
from netglot.dialects.steps import WrittenFile, prepared, written_file
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, never
from netglot.formats.cntk import read_model
from netglot.formats.cntk_save import Axis, Function, Variable, write_model
from netglot.formats.patching import patched
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph, Value
from netglot.pivot.op import FLOATS, numpy_dtype, shape_of

NETWORK = "model.model"


@dataclass
class _Content:
    variables: list[Variable]
    functions: list[Function]
    root: str


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> WrittenFile:
    """Writes `graph` as a model of CNTK 2.7.

    Raises:
        UnsupportedOps: everything that CNTK cannot express.
    """
    arranged = prepared(graph, cntk, keep_layout)
    wrong = [
        RefusedOp(name, "an output", never(f"all of CNTK's tensors are floats, and this result is {value.type}"))
        for name, value in arranged.graph.outputs
        if value.dtype not in FLOATS
    ]
    if wrong:
        raise UnsupportedOps(wrong, len(graph.nodes), "CNTK")
    batch = _batch(arranged.graph)
    emitter, heads = _emitted(arranged.graph, batch, False)
    if emitter.laid_out:  # the file says how large the batch is
        emitter, heads = _emitted(arranged.graph, batch, True)
    content = _Content(*_used(emitter, heads))
    return written_file(emitter, arranged, graph, "", content)


def _emitted(graph: Graph, batch: Any, pinned: bool) -> tuple[_Emitter, list[str]]:
    emitter = _Emitter(graph, cntk, batch, pinned=pinned)
    emitter.run()
    return emitter, emitter.heads()


def _batch(graph: Graph) -> Any:
    """The size of the batch: that of a recurrent layer, or what the inputs begin with, an open one if there is one."""
    layers = [node.op for node in graph.nodes if isinstance(node.op, ops.Lstm | ops.Gru | ops.Rnn)]
    sizes = [shape_of(layer.x)[1 - layer.time_axis] for layer in layers]
    sizes += [value.shape[0] for value in graph.inputs if value.shape]
    return next((size for size in sizes if isinstance(size, Dim)), sizes[0] if sizes else None)


class _Emitter(Recurrences):
    """The rules of what makes tensors, and of what the network gives."""

    def gather(self, kind: str, inputs: list[str], *, shape: tuple) -> list[str]:
        """Rows of a table."""
        ids, table = inputs
        form = self.forms[ids]
        after = Form(self.settled(shape, form), form.batch, form.fold)
        return [self.make("Gather", [ids, table], after, self.titled())]

    def rows(self, kind: str, inputs: list[str], *, shape: tuple, classes: int) -> list[str]:
        """Rows that are 1 in one place."""
        form = self.forms[inputs[0]]
        after = Form(self.settled(shape, form), form.batch, form.fold)
        told = {"numClass": classes, "oneHotOutputSparse": False, "onehotAxis": Axis(0)}
        return [self.make("OneHot", inputs, after, self.titled(), **told)]

    def spread(self, kind: str, inputs: list[str], *, shape: tuple, have: tuple) -> list[str]:
        """A tensor repeated; what is the same for all of a batch stays so."""
        for size, old in zip(shape, have, strict=True):
            if isinstance(size, Dim) and size != old and size != self.batch:
                raise Refusal(never(f"CNTK repeats nothing {size} times, which is not known"))
        return self.each("Plus", inputs)

    def constant(self, kind: str, inputs: list[str], *, value: Any, shape: tuple, dtype: str) -> list[str]:
        """A tensor of one value."""
        sizes = self.settled(shape, Form(()))
        if any(isinstance(size, Dim) for size in sizes):
            raise Refusal(never(f"CNTK makes no tensor of the shape {list(shape)}, of which not all is known"))
        return [self.stored(np.full(sizes, value, numpy_dtype(dtype)))]

    def heads(self) -> list[str]:
        """The results of the network, each a function's own.

        Raises:
            UnsupportedOps: one has no batch in front.
        """
        found: list[str] = []
        refused: list[RefusedOp] = []
        for name, value in self.graph.outputs:
            try:
                held = self._head(self.value(value, value.dtype), value)
            except Refusal as refusal:
                refused.append(RefusedOp(name, "an output", refusal.reason))
                continue
            own = real(held).endswith("_Output_0") and real(held) not in found
            found.append(real(held) if own else self.make("Pass", [held], self.forms[held], name))
        if refused:
            raise UnsupportedOps(refused, len(self.graph.nodes), "CNTK")
        return found

    def _head(self, held: str, value: Value) -> str:
        form = self.forms[held]
        if form.batch is None and isinstance(self.batch, Dim) and self.batch in value.shape:
            held, form = self._repeated(held), Form(tuple(value.shape), value.shape.index(self.batch))
        if form.batch not in (0, None) or form.fold > 1:
            if isinstance(self.batch, Dim):
                raise Refusal(never("CNTK's results have their batch as the first axis, and this has it elsewhere"))
            held = self.still(held)
        return held

    def _repeated(self, held: str) -> str:
        """The same for each of a batch: added to nothing of an input."""
        given = next(
            uid for value, uid in self.names.items() if value in self.graph.inputs and value.shape[0] == self.batch
        )
        form = self.forms[given]
        axes = [Axis(place) for place in range(len(form.sample))]
        told = {"reductionOpName": "Sum", "reductionKeepDimensions": False}
        one = self.make("ReduceElements", [given], Form((self.batch,), 0), axisVec=axes, **told) if axes else given
        none = self.make("ConstantOp", [one], Form((self.batch,), 0), fillValue=0.0)
        sample = self.forms[held].shape[1:]
        return self.make("Plus", [self.resample(held, sample, Form(sample)), none], Form((self.batch, *sample), 0))


def _used(emitter: _Emitter, heads: list[str]) -> tuple[list[Variable], list[Function], str]:
    """The variables and functions that the results need, and the function that gives them."""
    functions = {function.uid: function for function in emitter.functions}
    wanted, seen = [head.rpartition("_Output_")[0] for head in heads], set()
    names: set[str] = set()
    while wanted:
        uid = wanted.pop()
        if uid in seen:
            continue
        seen.add(uid)
        names.update(functions[uid].inputs)
        wanted += [
            one for one in (name.rpartition("_Output_")[0] for name in functions[uid].inputs) if one in functions
        ]
    kept = [function for function in emitter.functions if function.uid in seen]
    variables = [one for one in emitter.variables_ if one.uid in names]
    held = {one.name for one in variables}
    emitter.weights = {name: recipe for name, recipe in emitter.weights.items() if name in held}
    root = heads[0].rpartition("_Output_")[0]
    if len(heads) > 1:
        kept.append(Function("Combine", "Combine", heads))
        root = "Combine"
    return variables, kept, root


def save_weights(written: WrittenFile, path: str | Path) -> None:
    """Writes the model, one weight of it in memory at a time."""
    write_model(Path(path), written.content.variables, written.content.functions, written.content.root)


def stored(folder: Path) -> dict[str, np.ndarray]:
    """The weights in a written file by name."""
    held = read_model(folder / NETWORK).variables.values()
    return {one.name: one.array.load() for one in held if one.array is not None and one.name}


def store(folder: Path, arrays: Mapping[str, np.ndarray], target: Path) -> None:
    """Copies a written file with other weights."""
    patched(folder / NETWORK, target / NETWORK, stored(folder), arrays)


def read_back(folder: Path, inputs: Any) -> Graph:
    """The network that a written file holds."""
    return read_cntk(folder / NETWORK, inputs=inputs)
