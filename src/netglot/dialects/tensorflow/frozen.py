"""Graphs of TensorFlow 1 in a file: frozen ones, and a meta graph with the checkpoint of its variables.

Placeholders are the inputs and what nobody uses the outputs. Conditions that are known (whether the network is trained)
choose their branch. No function of the file is run; TensorFlow itself only takes the bytes apart.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import text_format

from netglot.dialects.assembly import class_name, with_open_batch
from netglot.dialects.fitting import fitted
from netglot.dialects.tensorflow.biases import with_biases
from netglot.dialects.tensorflow.graphdef import Interpreter, Resource, Sink
from netglot.dialects.tensorflow.known import known
from netglot.dialects.tensorflow.read import _Reading
from netglot.errors import InputError, Refusal, RefusedOp, UnsupportedOps, WeightsError, never, notimpl
from netglot.pivot.graph import Graph, Parameter, Value
from netglot.pivot.op import TensorType

_LOOPS = {"Enter", "Exit", "NextIteration", "LoopCond", "RefEnter", "RefExit"}
_VARIABLES = {"VariableV2", "Variable", "VarHandleOp"}
_WRITES = {
    "Assign",
    "AssignVariableOp",
    "SaveV2",
    "RestoreV2",
    "MergeV2Checkpoints",
    "ShardedFilename",
    "NoOp",
    "Assert",
}
_DEAD = object()
"""What a branch that is not taken gives."""


def read_tensorflow(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """Reads a frozen graph (`.pb`, `.pbtxt`), or a `.meta` with its checkpoint.

    Raises:
        InputError: the file is missing, damaged or something else.
        UnsupportedOps: ops without a pivot form.
    """
    path = Path(path)
    definition = _definition(path)
    if weights is None and path.suffix == ".meta" and path.with_suffix(".index").is_file():
        weights = path.with_suffix("")
    checkpoint = _checkpoint(weights) if weights is not None else {}
    return with_open_batch(lambda free: _read(path, definition, checkpoint, inputs, free), asked=inputs)


def _definition(path: Path) -> Any:
    """The graph definition in a file.

    Raises:
        InputError: there is none.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    meta = path.name.endswith((".meta", ".meta.txt"))
    message: Any = tf.compat.v1.MetaGraphDef() if meta else tf.compat.v1.GraphDef()
    try:
        if path.suffix in (".pbtxt", ".txt"):
            text_format.Parse(data.decode("utf-8"), message)
        else:
            message.ParseFromString(data)
    except Exception as error:  # the parser raises whatever it stumbles over
        raise InputError(f"{path} is no graph of TensorFlow", advice="is it complete?") from error
    graph = message.graph_def if meta else message
    if not graph.node or any(not node.op for node in graph.node):
        raise InputError(f"{path} holds no graph of TensorFlow")
    return graph


def _checkpoint(path: Any) -> dict[str, Any]:
    """How each variable of a checkpoint is loaded."""
    prefix = re.sub(r"\.(index|data-\d+-of-\d+)$", "", str(path))
    try:
        reader = tf.train.load_checkpoint(prefix)
    except Exception as error:
        raise InputError(f"{path} is no checkpoint of TensorFlow") from error
    return {name: (lambda name=name: reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}


class _Frozen(_Reading):
    """A graph under construction whose weights have the names of their nodes."""

    def __init__(self, name: str):
        super().__init__(name, {})
        self.titles: dict[int, str] = {}

    def constant(self, array: np.ndarray) -> Parameter:
        """A parameter for an array, named after its node."""
        if id(array) in self._constants:
            return self._constants[id(array)]
        self._kept.append(array)
        title = self.titles.get(id(array), "constant")
        weight = array.dtype.kind == "f" and array.ndim > 0 and title != "constant"
        made = Parameter(
            self.names.unique(_path(title)), TensorType(str(array.dtype), array.shape), lambda: array,
            kind="parameter" if weight else "constant", trainable=weight,
        )  # fmt: skip
        self.parameters[made.name] = self._constants[id(array)] = made
        return made


def _path(name: str) -> str:
    parts = [re.sub(r"\W+", "_", part) for part in name.split("/") if part not in ("read", "ReadVariableOp")]
    return ".".join(f"_{part}" if part[:1].isdigit() else part for part in parts)


class _Walker(Interpreter):
    """Also knows the variables of a checkpoint, and branches of TensorFlow 1."""

    def __init__(self, library: Any, sink: Sink, reading: _Frozen, checkpoint: dict[str, Any]):
        super().__init__(library, sink)
        self.reading, self.checkpoint = reading, checkpoint

    def _step(self, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        if node.op in _WRITES:
            return []
        if node.op in _VARIABLES:
            return [self._variable(node)]
        if node.op == "Merge":
            alive = [one for one in inputs if one is not _DEAD]
            if len(alive) != 1:
                raise Refusal(notimpl("a condition on data"))
            return [alive[0], np.asarray(inputs.index(alive[0]) if not known(alive[0]) else 0, "int32")]
        if any(one is _DEAD for one in inputs):
            return [_DEAD] * 64
        if node.op in ("Switch", "RefSwitch"):
            if not known(inputs[1]):
                raise Refusal(notimpl("a condition on data"))
            return [_DEAD, inputs[0]] if bool(np.asarray(inputs[1])) else [inputs[0], _DEAD]
        if node.op == "PlaceholderWithDefault":
            return [inputs[0]]
        if node.op == "Const":
            array = tf.make_ndarray(node.attr["value"].tensor)
            self.reading.titles[id(array)] = node.name
            self.reading._kept.append(array)
            return [array]
        if node.op == "Identity" and isinstance(inputs[0], Resource):
            return [inputs[0].value]
        plain = [one.value if isinstance(one, Resource) and node.op != "ReadVariableOp" else one for one in inputs]
        return super()._step(node, plain, prefix)

    def _variable(self, node: Any) -> Any:
        name = node.attr["shared_name"].s.decode() or node.name
        key = next((one for one in (name, node.name) if one in self.checkpoint), None)
        if key is None:
            raise Refusal(never(f"the variable {name} has no value in the file", "freeze the graph, or give --weights"))
        array = self.checkpoint[key]()
        declared = tuple(dim.size for dim in node.attr["shape"].shape.dim)
        if declared and -1 not in declared and declared != array.shape:
            raise WeightsError(f"the variable {name} is {list(declared)} and {list(array.shape)} in the checkpoint")
        self.reading.titles[id(array)] = node.name
        return Resource(self.reading.constant(array))


def _read(path: Path, definition: Any, checkpoint: dict[str, Any], given: Any, free: bool) -> Graph:
    reading = _Frozen(class_name(path.stem) or "Network")
    nodes = list(definition.node)
    used = {_name(reference) for node in nodes for reference in node.input}
    places = [node for node in nodes if node.op == "Placeholder"]
    wanted = [(node.name, _shape(node)) for node in places]
    dtypes = [tf.dtypes.as_dtype(node.attr["dtype"].type).name for node in places]
    if any(kind not in ("float32", "float64", "float16", "int32", "int64", "uint8", "bool") for kind in dtypes):
        raise InputError(f"{path}: an input of {', '.join(sorted(set(dtypes)))}")
    if any(shape is None for _, shape in wanted):
        wanted = [(name, () if shape is None else shape) for name, shape in wanted]
        shapes = fitted(wanted, given, free, dtypes)
    else:
        shapes = fitted(wanted, given, free, dtypes, scalars=True)
    feeds: dict[str, Any] = {}
    inputs = []
    for node, (shape, dtype) in zip(places, shapes, strict=True):
        value = Value(reading.names.unique(re.sub(r"\W+", "_", node.name)), TensorType(dtype, tuple(shape)))
        inputs.append(value)
        feeds[node.name] = value
    sink = Sink(reading.build, reading.constant, reading.refused.append)
    walker = _Walker(definition.library.function, sink, reading, checkpoint)
    ends = [n for n in nodes if n.name not in used and n.op not in (*_WRITES, "Placeholder", "Const", *_VARIABLES)]
    wanted_nodes = _needed(nodes, ends)
    for node in wanted_nodes:
        if node.op in _LOOPS and not reading.refused:
            advice = "unroll the recurrence, or export with TensorFlow 2"
            reading.refused.append(RefusedOp(node.name, f"tf.{node.op}", notimpl("a loop of TensorFlow 1", advice)))
    if reading.refused:
        raise UnsupportedOps(reading.refused, len(wanted_nodes), "pivot")
    try:
        results = walker.run(wanted_nodes, feeds)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: the graph does not fit together: {type(error).__name__}") from error
    if reading.refused:
        raise UnsupportedOps(reading.refused, len(reading.nodes) + len(reading.refused), "pivot")
    outputs: dict[str, Value] = {}
    for node in ends:
        held = [one for one in results.get(node.name, []) if isinstance(one, Value)]
        if held and not isinstance(held[0], Parameter):
            outputs[re.sub(r"\W+", "_", node.name)] = held[0]
    if not outputs:
        raise InputError(f"{path}: the graph has no output that depends on its inputs")
    found = list(outputs.values())
    tree: Any = found[0] if len(found) == 1 else outputs
    graph = Graph(reading.name, inputs, reading.parameters, with_biases(reading.nodes), tree, reading.modules())
    graph.prune()
    needed = {id(v) for node in graph.nodes for v in node.operand_values()} | {id(v) for _, v in graph.outputs}
    graph.inputs = [value for value in graph.inputs if id(value) in needed]
    graph.parameters = {name: one for name, one in graph.parameters.items() if id(one) in needed}
    return graph


def _name(reference: str) -> str:
    return reference.lstrip("^").split(":")[0]


def _needed(nodes: list[Any], ends: list[Any]) -> list[Any]:
    """The nodes that the outputs need, control edges left out."""
    table = {node.name: node for node in nodes}
    found: set[str] = set()
    left = [node.name for node in ends]
    while left:
        name = left.pop()
        if name in found or name not in table:
            continue
        found.add(name)
        left += [_name(one) for one in table[name].input if not one.startswith("^")]
    return [node for node in nodes if node.name in found]


def _shape(node: Any) -> tuple | None:
    held = node.attr["shape"].shape
    if "shape" not in node.attr or held.unknown_rank:
        return None
    return tuple(dim.size for dim in held.dim)


__all__ = ["read_tensorflow"]
