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
from tensorflow.python.framework import op_def_registry

from netglot.dialects.assembly import class_name, with_open_batch
from netglot.dialects.fitting import fitted
from netglot.dialects.tensorflow.graphdef import Resource, Sink, _scope, as_operand
from netglot.dialects.tensorflow.joining import joined
from netglot.dialects.tensorflow.known import known
from netglot.dialects.tensorflow.noise import Noise, decided
from netglot.dialects.tensorflow.raised import Raised, path_of
from netglot.dialects.tensorflow.read import _Reading
from netglot.dialects.tensorflow.stored import Signature, checkpoint_of, has_variables, name_of, saved
from netglot.dialects.tensorflow.unrolled import LOOP, Loop, Several, folded, settled, steps
from netglot.errors import InputError, Refusal, RefusedOp, UnsupportedOps, WeightsError, never, notimpl
from netglot.frontend.inputs import Inputs, parse_inputs
from netglot.passes.blocks import with_blocks
from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import TensorType

_LOOPS = {"Enter", "Exit", "NextIteration", "LoopCond", "RefEnter", "RefExit"}
_VARIABLES = {"VariableV2", "Variable", "VarHandleOp"}
_WRITES = {
    "Assign",
    "DisableCopyOnRead",
    "IsVariableInitialized",
    "VarIsInitializedOp",
    "AssignVariableOp",
    "SaveV2",
    "RestoreV2",
    "MergeV2Checkpoints",
    "ShardedFilename",
    "NoOp",
    "Assert",
}
_RESHAPES = {"Reshape", "Transpose", "ExpandDims", "Squeeze", "Identity", "Cast"}
"""What gives a tensor another shape and keeps its elements."""
_DEAD = object()
"""What a branch that is not taken gives."""


def read_tensorflow(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """Reads a frozen graph (`.pb`, `.pbtxt`), a `.meta` with its checkpoint, or the folder of a SavedModel.

    Raises:
        InputError: the file is missing, damaged or something else.
        UnsupportedOps: ops without a pivot form.
    """
    path = Path(path)
    if path.is_dir():
        definition, signature = saved(path)
        checkpoint = checkpoint_of(weights or path / "variables" / "variables") if has_variables(path, weights) else {}
        return with_open_batch(lambda free: _read(path, definition, checkpoint, inputs, free, signature), asked=inputs)
    definition = _definition(path)
    if weights is None and path.suffix == ".meta" and path.with_suffix(".index").is_file():
        weights = path.with_suffix("")
    checkpoint = checkpoint_of(weights) if weights is not None else {}
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


class _Frozen(_Reading):
    """A graph under construction whose weights have the names of their nodes."""

    def __init__(self, name: str):
        super().__init__(name, {})

    def constant(self, array: np.ndarray) -> Parameter:
        """A parameter for an array, named after its node."""
        if id(array) in self._constants:
            return self._constants[id(array)]
        self._kept.append(array)
        title = self.titles.get(id(array), "constant")
        weight = array.dtype.kind == "f" and array.ndim > 0 and title != "constant"
        made = Parameter(
            self.names.unique(path_of(title)), TensorType(str(array.dtype), array.shape), lambda: array,
            kind="parameter" if weight else "constant", trainable=weight,
        )  # fmt: skip
        self.parameters[made.name] = self._constants[id(array)] = made
        return made


class _Walker(Raised):
    """Also knows the variables of a checkpoint, and branches of TensorFlow 1."""

    def __init__(self, library: Any, sink: Sink, reading: _Frozen, checkpoint: dict[str, Any]):
        super().__init__(library, sink, reading)
        self.checkpoint = checkpoint
        self.loops: dict[str, Loop] = {}

    def _step(self, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        if node.op in _WRITES:
            return []
        if node.op == "RandomUniform":
            return [Noise()]
        if any(isinstance(one, Noise) for one in inputs):
            return [decided(node.op, inputs)]
        if node.op == LOOP:
            return self._loop(self.loops[node.name], node, inputs, prefix)
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
            array = self._array(node)
            self.reading.titles[id(array)] = node.name
            self.reading._kept.append(array)
            return [array]
        if node.op == "Identity" and isinstance(inputs[0], Resource):
            return [inputs[0].value]
        if node.op == "ReverseSequence":
            axes = node.attr["seq_dim"].i, node.attr["batch_dim"].i
            held = [as_operand(one, self.sink.constant) if known(one) else one for one in inputs]
            source = self.turned.source(*held, *axes)
            return [self.turned.turn(*held, *axes, _scope(node.name, prefix)) if source is None else source]
        plain = [one.value if isinstance(one, Resource) and node.op != "ReadVariableOp" else one for one in inputs]
        return self._titled(node, plain, super()._step(node, plain, prefix))

    def _titled(self, node: Any, inputs: list[Any], results: list[Any]) -> list[Any]:
        """The results of a node; a weight that was only given another shape keeps its name."""
        if node.op in _RESHAPES and id(inputs[0]) in self.reading.titles and isinstance(results[0], np.ndarray):
            self.reading.titles[id(results[0])] = self.reading.titles[id(inputs[0])]
            self.reading._kept.append(results[0])
        return results

    def _loop(self, loop: Loop, node: Any, inputs: list[Any], prefix: str) -> list[Any]:
        """What the variables of a loop are when it ends."""
        held = dict(zip(loop.enters, inputs, strict=True))

        def feeds(states: list[Any]) -> dict[str, Any]:
            pairs = list(zip(loop.states, states, strict=True))
            return (
                held
                | {s.merge: Several([one, _DEAD]) for s, one in pairs}
                | {s.switch: Several([_DEAD, one]) for s, one in pairs}
            )

        def goes_on(states: list[Any]) -> Any:
            return self._input(loop.condition, self.run(loop.deciding, feeds(states), prefix))

        def step(states: list[Any]) -> list[Any]:
            results = self.run(loop.body, feeds(states), prefix)
            return [self._input(state.after, results) for state in loop.states]

        starts = [held[state.enter] for state in loop.states]
        found = self._as_layers(starts, goes_on, step, node, prefix)
        if found is not None:
            return found
        held = {name: settled(lambda tree: self._built(tree, node, prefix), one) for name, one in held.items()}
        return steps([held[state.enter] for state in loop.states], goes_on, step, len(loop.body))

    def _variable(self, node: Any) -> Any:
        name = node.attr["shared_name"].s.decode("utf-8", "replace") or node.name
        whole = re.sub(r"/part_\d+$", "", name)  # of variables in parts a checkpoint holds the whole
        key = next((one for one in (name, node.name, whole) if one in self.checkpoint), None)
        if key is None:
            raise Refusal(never(f"the variable {name} has no value in the file", "freeze the graph, or give --weights"))
        array = self.checkpoint[key]()
        declared = tuple(dim.size for dim in node.attr["shape"].shape.dim)
        if declared and -1 not in declared and declared != array.shape:
            raise WeightsError(f"the variable {name} is {list(declared)} and {list(array.shape)} in the checkpoint")
        self.reading.titles[id(array)] = node.name
        return Resource(self.reading.constant(array))


def _read(
    path: Path, definition: Any, checkpoint: dict[str, Any], given: Any, free: bool, signature: Signature | None = None
) -> Graph:
    reading = _Frozen(class_name(path.stem) or "Network")
    nodes = list(definition.node)
    for node in (*nodes, *(one for function in definition.library.function for one in function.node_def)):
        _fill(node)
    used = {name_of(reference) for node in nodes for reference in node.input}
    places, known_places, given = _told(nodes, given)
    if signature is not None:
        places = [node for node in places if node.name in signature.inputs]
    names = {node.name: signature.inputs[node.name] if signature else node.name for node in places}
    wanted = [(names[node.name], _shape(node)) for node in places]
    dtypes = [_dtype(node).name for node in places]
    if any(kind not in ("float32", "float64", "float16", "int32", "int64", "uint8", "bool") for kind in dtypes):
        raise InputError(f"{path}: an input of {', '.join(sorted(set(dtypes)))}")
    if any(shape is None for _, shape in wanted):
        wanted = [(name, () if shape is None else shape) for name, shape in wanted]
        shapes = fitted(wanted, given, free, dtypes)
    else:
        shapes = fitted(wanted, given, free, dtypes, scalars=True)
    feeds: dict[str, Any] = dict(known_places)
    inputs = []
    for node, (shape, dtype) in zip(places, shapes, strict=True):
        value = Value(reading.names.unique(re.sub(r"\W+", "_", names[node.name])), TensorType(dtype, tuple(shape)))
        inputs.append(value)
        feeds[node.name] = value
    sink = Sink(reading.build, reading.constant, reading.refused.append)
    walker = _Walker(definition.library.function, sink, reading, checkpoint)
    ends = [n for n in nodes if n.name not in used and n.op not in (*_WRITES, "Placeholder", "Const", *_VARIABLES)]
    if signature is not None:
        wanted_ends = {name_of(reference) for reference in signature.outputs.values()}
        ends = [node for node in nodes if node.name in wanted_ends]
    nodes, walker.loops = folded(nodes)
    wanted_nodes = _needed(nodes, ends)
    for node in wanted_nodes:
        if node.op in _LOOPS and not reading.refused:
            said = notimpl("a loop of TensorFlow 1 that is not understood", "export with TensorFlow 2")
            reading.refused.append(RefusedOp(node.name, f"tf.{node.op}", said))
    if reading.refused:
        raise UnsupportedOps(reading.refused, len(wanted_nodes), "pivot")
    try:
        results = walker.run(wanted_nodes, feeds)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, tf.errors.OpError) as error:
        detail = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        raise InputError(f"{path}: the graph does not fit together: {detail}") from error
    if reading.refused:
        raise UnsupportedOps(reading.refused, len(reading.nodes) + len(reading.refused), "pivot")
    _name_embeddings(reading.nodes)
    said = signature.outputs if signature is not None else {node.name: node.name for node in ends}
    outputs: dict[str, Value] = {}
    if signature is None:
        said = _without_ends_of_loops(said, nodes)
    for title, reference in said.items():
        name, _, index = reference.partition(":")
        held = [one for one in results.get(name, [])[int(index or 0) :] if isinstance(one, Value)]
        if held and not isinstance(held[0], Parameter):
            outputs[re.sub(r"\W+", "_", title)] = held[0]
    if signature is None:
        outputs = _computed_from(inputs, reading.nodes, outputs)
    if not outputs:
        raise InputError(f"{path}: the graph has no output that depends on its inputs")
    found = list(outputs.values())
    tree: Any = found[0] if len(found) == 1 else outputs
    graph = Graph(reading.name, inputs, reading.parameters, joined(reading.nodes, found), tree, reading.modules())
    graph.prune()
    needed = {id(v) for node in graph.nodes for v in node.operand_values()} | {id(v) for _, v in graph.outputs}
    graph.inputs = [value for value in graph.inputs if id(value) in needed]
    graph.parameters = {name: one for name, one in graph.parameters.items() if id(one) in needed}
    return with_blocks(graph, frozenset(graph.parameters.values()))


def _fill(node: Any) -> None:
    """Gives a node the attributes that the file leaves out because they are what its op has anyway."""
    known_op = op_def_registry.get(node.op)
    for attribute in known_op.attr if known_op is not None else ():
        if attribute.HasField("default_value") and attribute.name not in node.attr:
            node.attr[attribute.name].CopyFrom(attribute.default_value)


def _without_ends_of_loops(said: dict[str, str], nodes: list[Any]) -> dict[str, str]:
    """The ends of a graph but for variables of loops that nobody asks for afterwards, if others are left."""
    exits = {node.name for node in nodes if node.op == "Identity" and node.input[0].partition(":")[0].endswith(LOOP)}
    return {title: one for title, one in said.items() if one not in exits} or said


def _computed_from(inputs: list[Value], nodes: list[Node], outputs: dict[str, Value]) -> dict[str, Value]:
    """The ends of a graph that its inputs are in: not what only weights are in, such as a penalty of training."""
    held = set(inputs)
    for node in nodes:
        if any(value in held for value in node.operand_values()):
            held.update(node.results)
    return {name: value for name, value in outputs.items() if value in held}


def _told(nodes: list[Any], given: Any) -> tuple[list[Any], dict[str, np.ndarray], Any]:
    """The placeholders that are inputs, the values of those that the user gives as plain ones, and the other inputs.

    Whether the network is trained and how much a dropout keeps are placeholders in many a graph.
    """
    said = parse_inputs(given)
    plain = {name: one for name, one in said.keyword.items() if isinstance(one, bool | int | float)}
    fed, used = {}, set()
    for node in nodes:
        word = next((one for one in (node.name, re.sub(r"\W+", "_", node.name)) if one in plain), None)
        if word is not None and node.op in ("Placeholder", "PlaceholderWithDefault"):
            fed[node.name] = np.asarray(plain[word], _dtype(node).as_numpy_dtype)
            used.add(word)
    rest = {name: one for name, one in said.keyword.items() if name not in used}
    places = [node for node in nodes if node.op == "Placeholder" and node.name not in fed]
    return places, fed, Inputs(said.positional, rest) if used else given


def _dtype(node: Any) -> Any:
    """The dtype of a placeholder.

    Raises:
        InputError: it is none.
    """
    try:
        return tf.dtypes.as_dtype(node.attr["dtype"].type)
    except TypeError as error:
        raise InputError(f"the placeholder {node.name} has no dtype that there is") from error


def _name_embeddings(nodes: list[Any]) -> None:
    """Rows that are taken from a matrix of weights are an embedding."""
    for node in nodes:
        op = node.op
        if not isinstance(op, ops.Take) or op.axis != 0 or isinstance(op.indices, Parameter):
            continue
        if isinstance(op.x, Parameter) and op.x.kind == "parameter" and op.x.type.rank == 2:
            node.op = ops.Embedding(op.indices, op.x, None)


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
        left += [name_of(one) for one in table[name].input if not one.startswith("^")]
    return [node for node in nodes if node.name in found]


def _shape(node: Any) -> tuple | None:
    held = node.attr["shape"].shape
    if "shape" not in node.attr or held.unknown_rank:
        return None
    return tuple(dim.size for dim in held.dim)


__all__ = ["read_tensorflow"]
