"""From MXNet's files to the pivot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.mxnet.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import Assembly, block_paths, class_name, identifier, with_open_batch
from netglot.dialects.fitting import BATCH, fitted
from netglot.dialects.mxnet.control import foreach
from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.ops.recurrent import Packed
from netglot.dialects.mxnet.work import Missing, Work
from netglot.errors import InputError, Refusal, WeightsError, notimpl
from netglot.formats.mxnet import CODES, Node, Symbol, read_params, read_symbol
from netglot.passes.blocks import with_blocks
from netglot.pivot import ops
from netglot.pivot.graph import Graph

_ROLES = {
    "weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
    "moving_var": "running_var", "running_mean": "running_mean", "running_var": "running_var", "alpha": "weight",
    "parameters": "weight", "moving_inv_var": "running_var",
}  # fmt: skip
_SUFFIX = re.compile(rf"^(?P<layer>.+?)_(?P<role>{'|'.join(sorted(_ROLES, key=len, reverse=True))})$")
_LABELLED = ("SoftmaxOutput", "Softmax", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput",
             "SVMOutput")  # fmt: skip


_PLAIN = {
    "initial": ("None",),
    **dict.fromkeys(("output_mean_var", "keep_highest", "lstm_state_clip_nan"), ("False", "0")),
    "mode": ("training",),
}
"""Options that no reader looks at, and the values at which they change nothing."""
_MODES = ("Dropout",)
"""The operators whose `mode` is one of them; others read their own."""


def read_mxnet(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """Reads a `-symbol.json` with a `.params`; of those beside it that of the last epoch is found by itself.

    Raises:
        InputError: a file is missing or damaged, or the weights belong to another network.
        RequestError: the shape of an input is not said.
        UnsupportedOps: operators without a pivot form.
    """
    path = Path(path)
    if path.name.endswith(".params"):
        path, weights = path.with_name(re.sub(r"(-\d+)?\.params$", "-symbol.json", path.name)), path
        if not path.is_file():
            raise InputError(f"{weights} holds weights", advice=f"NET-symbol.json --weights {weights}")
    symbol = read_symbol(path)
    if weights is None:
        prefix = path.name.removesuffix("-symbol.json")
        found = sorted(path.parent.glob(f"{_escaped(prefix)}-[0-9]*.params")) or sorted(
            path.parent.glob(f"{_escaped(prefix)}.params")
        )
        weights = found[-1] if found else None
    params = read_params(Path(weights)) if weights is not None else None
    if params and not any(node.name in params for node in symbol.nodes):
        raise WeightsError(
            f"{weights} holds no weight of {path}", advice=f"it holds {', '.join(list(params)[:3])}, ..."
        )
    return with_open_batch(lambda free: _Reading(symbol, params, inputs, path, free).graph(), asked=inputs)


def _escaped(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)


class _Reading:
    """One network under construction."""

    def __init__(self, symbol: Symbol, params: dict[str, np.ndarray] | None, given: Any, path: Path, free: bool):
        self.symbol, self.params, self.given, self.free = symbol, params, given, free
        title = path.name.removesuffix("-symbol.json")
        self.assembly = Assembly(mxnet, class_name(title) or "Network")
        ops_ = [node for node in symbol.nodes if node.op != "null"]
        names = [_layer_name(node.name) for node in ops_]
        self.prefix = _common(names)
        short = [name[len(self.prefix) :] for name in names]
        weighted = {s for s, node in zip(short, ops_, strict=True) if len(node.inputs) > 1 and node.op in _WEIGHTED}
        self.paths = block_paths(list(dict.fromkeys(short)), weighted)
        self.needed = _needed(symbol)

    def graph(self) -> Graph:
        """The network as a graph."""
        self._inputs()
        for number, node in enumerate(self.symbol.nodes):
            if node.op == "null":
                self._variable(number, node)
            elif number in self.needed:
                self._step(number, node)
        if self.params is None:
            self.assembly.notes.append("no weights were given: they are random")
        self.assembly.within("")
        outputs = {}
        for number, result in self.symbol.heads:
            node = self.symbol.nodes[number]
            name = identifier(node.name[len(self.prefix) :] or node.name) + (f"_{result}" if result else "")
            if not self.assembly.refused:
                held = self.assembly.tensor(f"{number}:{result}")
                if isinstance(held, Missing | Packed):
                    raise InputError(f"the output {node.name} is no tensor")
                outputs[name if name not in outputs else f"{name}_head{len(outputs)}"] = held
        found = list(outputs.values())
        graph = self.assembly.finish(found[0] if len(found) == 1 else outputs)
        used = {v for node in graph.nodes for v in node.operand_values()} | {v for _, v in graph.outputs}
        graph.inputs = [value for value in graph.inputs if value in used]
        return with_blocks(graph, frozenset(graph.parameters.values()))

    # -- variables

    def _inputs(self) -> None:
        labels = self._labels() | self._states()
        wanted, dtypes = [], []
        wide = any(array.dtype == np.float64 for array in (self.params or {}).values())
        for number, node in enumerate(self.symbol.nodes):
            if node.op == "null" and not self._is_weight(node) and number not in labels:
                wanted.append((node.name, tuple(node.integers("__shape__"))))
                dtypes.append(_kind(node, wide))
        for (name, _), (shape, dtype) in zip(wanted, fitted(wanted, self.given, self.free, dtypes), strict=True):
            self.assembly.input(name, shape, dtype)

    def _labels(self) -> set[int]:
        """The variables that no result needs: those that only losses compare with, however they come to them."""
        return {number for number, node in enumerate(self.symbol.nodes) if node.op == "null"} - self.needed

    def _states(self) -> set[int]:
        """The variables that only begin a recurrence, and of which the user says nothing: they are zeros."""
        from netglot.frontend.inputs import parse_inputs

        states, others = set(), set()
        for node in self.symbol.nodes:
            for place, (one, _) in enumerate(node.inputs):
                (states if node.op == "RNN" and place >= 2 else others).add(one)
        named = parse_inputs(self.given).keyword
        found = {
            n for n in states - others if self.symbol.nodes[n].op == "null" and self.symbol.nodes[n].name not in named
        }
        found = {n for n in found if self.symbol.nodes[n].name not in (self.params or {})}
        if found:
            self.assembly.notes.append("recurrent layers begin with zeros")
        return found

    def _is_weight(self, node: Node) -> bool:
        if self.params is not None:
            return node.name in self.params or bool(_SUFFIX.match(node.name) and self._unused(node))
        return bool(_SUFFIX.match(node.name))

    def _unused(self, node: Node) -> bool:
        return node.name.endswith(("_gamma", "_beta", "_moving_mean", "_moving_var", "_running_mean", "_running_var"))

    def _variable(self, number: int, node: Node) -> None:
        key = f"{number}:0"
        if node.name in self.assembly.tensors:
            self.assembly.tensors[key] = self.assembly.tensors[node.name]
        elif self.params is not None and node.name in self.params:
            self.assembly.tensors[key] = self.assembly.parameter(self._place(node.name), self.params[node.name])
        else:
            self.assembly.tensors[key] = Missing(node.name)

    def _place(self, name: str) -> str:
        """Where a weight is kept: with the layer that it is named after."""
        match = _SUFFIX.match(name)
        layer, role = (match["layer"], _ROLES[match["role"]]) if match else (name, "weight")
        block, last = self.paths.get(
            layer.removeprefix(self.prefix), ("", identifier(layer.removeprefix(self.prefix) or layer))
        )
        return ".".join(part for part in (block, last, role) if part)

    # -- operators

    def _step(self, number: int, node: Node) -> None:
        block, last = self.paths.get(_layer_name(node.name)[len(self.prefix) :], ("", identifier(node.name)))
        self.assembly.within(block)
        work = Work(node, self.assembly)
        work.path = f"{block}.{last}" if block else last
        results = self._results(number)

        def run():
            given = node.inputs[:1] if node.op in _LABELLED else node.inputs
            inputs = [self.assembly.tensor(f"{one}:{result}") for one, result in given]
            made = self._read(work, node, inputs)
            made = list(made) if isinstance(made, list | tuple) else [made]
            return made + [None] * (results - len(made)) if node.op in ("BatchNorm", "Dropout", "LayerNorm") else made

        self.assembly.step(node.name, node.op, [f"{number}:{i}" for i in range(results)], run)
        held = self.assembly.tensors.get(f"{number}:0")
        if hasattr(held, "hint"):
            held.hint = None

    def _read(self, work: Work, node: Node, inputs: list[Any]) -> Any:
        if node.op == "_foreach":
            return foreach(self, work, [self._begun(one) for one in inputs])
        if node.op == "Custom":
            reader = self.assembly.custom("Custom", "the custom operator", node.text("op_type"))
        else:
            reader = self.assembly.reader(node.op)
            _told(node)
        if node.op != "RNN":
            inputs = [self._begun(one) for one in inputs]
        if any(isinstance(one, Missing) for one in inputs[:1]):
            held = inputs[0]
            raise Refusal(notimpl(f"the variable {held.name}, of which the files say nothing"))
        made = self.assembly.call(reader, work, *inputs)
        if isinstance(made, dict):  # several tensors under one name: the tensors of a nest
            return [{name: self.assembly.build(one) for name, one in made.items()}]
        return made

    def inner(self, symbol: Symbol, tensors: list[Any]) -> list[Any]:
        """What a network within this one makes of tensors, one for each of its variables.

        Raises:
            Poisoned: some of it was refused.
        """
        variables = [number for number, node in enumerate(symbol.nodes) if node.op == "null"]
        around, held = (self.symbol, self.needed), self.assembly.tensors
        self.symbol, self.needed = symbol, _needed(symbol)
        self.assembly.tensors = {f"{number}:0": one for number, one in zip(variables, tensors, strict=True)}
        try:
            for number, node in enumerate(symbol.nodes):
                if node.op != "null" and number in self.needed:
                    self._step(number, node)
            return [self.assembly.tensor(f"{number}:{result}") for number, result in symbol.heads]
        finally:
            self.assembly.tensors, (self.symbol, self.needed) = held, around

    def _begun(self, held: Any) -> Any:
        """Zeros for a batch whose size the file does not say, as recurrences that are written out begin with."""
        if not isinstance(held, Missing) or held.shape.count(0) != 1 or not self.assembly.inputs:
            return held
        shapes = [value.shape for value in self.assembly.inputs if value.shape]
        batch = BATCH if any(BATCH in shape for shape in shapes) else shapes[0][0]
        shape = tuple(size or batch for size in held.shape)
        return self.assembly.build(ops.Full(shape, held.value, self.assembly.inputs[0].dtype))

    def _results(self, number: int) -> int:
        """How many results of a node are used."""
        used = [r for node in self.symbol.nodes for one, r in node.inputs if one == number]
        used += [r for one, r in self.symbol.heads if one == number]
        return max(used, default=0) + 1


def _kind(node: Node, wide: bool) -> str:
    """The dtype that the file says of an input, where it is no float; floats are as `wide` as the weights."""
    code = node.text("__dtype__")
    floats = "float64" if wide else "float32"
    return next((kind for kind, known in CODES.items() if str(known) == code and "float" not in kind), floats)


def _told(node: Node) -> None:
    """Asserts that an operator has no option that changes what it computes and that no reader looks at.

    Raises:
        Refusal: it has one.
    """
    for name, held in node.attributes.items():
        asked = name in _PLAIN and (name != "mode" or node.op in _MODES)
        if asked and held not in _PLAIN[name]:
            raise Refusal(notimpl(f"{name}: {held}"))


def _needed(symbol: Symbol) -> set[int]:
    """The nodes that the results are computed from; what losses compare with is not."""
    found: set[int] = set()
    todo = [number for number, _ in symbol.heads]
    while todo:
        number = todo.pop()
        if number not in found:
            found.add(number)
            node = symbol.nodes[number]
            todo += [one for one, _ in (node.inputs[:1] if node.op in _LABELLED else node.inputs)]
    return found


_WEIGHTED = ("Convolution", "FullyConnected", "Deconvolution", "Embedding")


def _layer_name(name: str) -> str:
    """The name of a layer without what Gluon puts behind it."""
    return re.sub(r"_fwd\d*$", "", name)


def _common(names: list[str]) -> str:
    """What all names begin with, up to an underscore: the name that Gluon gave the whole network."""
    if len(names) < 3:
        return ""
    first, last = min(names), max(names)  # what these share, all share
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: first[:length].rfind("_") + 1]
