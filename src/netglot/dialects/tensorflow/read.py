"""From a traced `tf.function` or a SavedModel's signature to the pivot."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from netglot.dialects.keras.casting import Casting
from netglot.dialects.tensorflow.graphdef import Interpreter, Resource, Sink, as_operand
from netglot.dialects.tensorflow.joining import joined
from netglot.dialects.tensorflow.raised import Kept
from netglot.dialects.tensorflow.scopes import in_layers
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, notimpl
from netglot.passes.exported import raise_exported
from netglot.passes.precision import halves_in, in_single
from netglot.pivot.graph import Frame, Graph, Module, Names, Node, Parameter, Part, Value
from netglot.pivot.op import Op, TensorType, is_scalar


def read_function(
    function: Any,
    feeds: list[Any],
    *,
    resource: Callable[[Any], Any],
    build: Callable[[Any, str], Any],
    constant: Callable[[np.ndarray], Value],
    refuse: Callable[[RefusedOp], None],
    call: Callable[[str, list[Any]], list[Any]] | None = None,
    walker: Callable[[Any, Sink], Interpreter] = Interpreter,
) -> list[Any]:
    """The results of a concrete function, in the order of its outputs.

    Args:
        feeds: a value for each input that is no capture.
        resource: what a captured tensor from outside is: a value, an array, or a `Resource`.
        call: the results of a function of Python by its token, where the trace holds such.
        walker: what walks the nodes.
    """
    graph = function.graph
    definition = graph.as_graph_def()
    interpreter = walker(definition.library.function, Sink(build, constant, refuse, call))
    captured = dict(zip((t.name for t in graph.internal_captures), graph.external_captures, strict=True))
    given = {}
    plain = iter(feeds)
    for tensor in graph.inputs:
        name = tensor.name.split(":")[0]
        given[name] = resource(captured[tensor.name]) if tensor.name in captured else next(plain)
    results = interpreter.run(definition.node, given)
    found = []
    for tensor in graph.outputs:
        held = interpreter.output(tensor.name, results)
        found.append(constant(np.asarray(held)) if isinstance(held, np.ndarray) else held)
    return found


def read_signature(
    function: Any, variables: dict[int, tuple[str, Any]], specs: dict[str, TensorType], *, name: str
) -> Graph:
    """Reads a function whose inputs are named tensors, such as a signature of a SavedModel.

    Args:
        variables: the path and the variable of each resource, by the identity of its handle.
        specs: the types of the inputs by name, in the order of the function's inputs.

    Raises:
        UnsupportedOps: ops without a pivot form, all of them.
    """
    reading = _Reading(name, variables)
    inputs = [Value(reading.names.unique(one), kind, hint=one) for one, kind in specs.items()]
    try:
        results = read_function(
            function,
            inputs,
            resource=reading.resource,
            build=reading.build,
            constant=reading.constant,
            refuse=reading.refused.append,
            walker=lambda library, sink: Kept(library, sink, reading),
        )
    except Refusal as refusal:
        reading.refused.append(RefusedOp("", "network", refusal.reason))
        results = []
    except Exception:
        if not reading.refused:
            raise
        results = []
    if reading.refused:
        raise UnsupportedOps(reading.refused, len(reading.nodes) + len(reading.refused), "pivot")
    structure = function.structured_outputs
    output: Any = tuple(results)
    if isinstance(structure, dict):
        output = dict(zip(sorted(structure), results, strict=True))
    if len(results) == 1 and not isinstance(structure, dict):
        output = results[0]
    graph = Graph(name, inputs, reading.parameters, joined(reading.nodes, results), output)
    graph.prune()
    for half in halves_in(graph):
        in_single(graph, half)
        graph.notes.append(f"the network computes in {half} here and there, and is read in single precision")
    raise_exported(graph)
    used = {id(value) for node in graph.nodes for value in node.operand_values()} | {id(v) for _, v in graph.outputs}
    graph.parameters = {path: one for path, one in graph.parameters.items() if id(one) in used}
    in_layers(graph.nodes, graph.parameters, {one for one in graph.parameters.values() if one.kind != "constant"})
    graph.modules = modules_of(graph.nodes, name)
    return graph


class _Reading:
    """The graph under construction."""

    def __init__(self, name: str, variables: dict[int, tuple[str, Any]]):
        self.name = name
        self.variables = variables
        self.names = Names()
        self.nodes: list[Node] = []
        self.parameters: dict[str, Parameter] = {}
        self.refused: list[RefusedOp] = []
        self.titles: dict[int, str] = {}
        """The names of the nodes of arrays, by the identity of these."""
        self._constants: dict[int, Parameter] = {}
        self._kept: list[Any] = []

    def resource(self, captured: Any) -> Any:
        """The variable behind a captured handle, or the array of a captured tensor."""
        if id(captured) in self.variables:
            path, variable = self.variables[id(captured)]
            if path not in self.parameters:
                kind = "parameter" if variable.trainable else "buffer"
                self.parameters[path] = Parameter(
                    self.names.unique(path),
                    TensorType(variable.dtype.name, tuple(variable.shape.as_list())),
                    variable.numpy,
                    kind=kind,
                    trainable=variable.trainable,
                )
            return Resource(self.parameters[path])
        if captured.dtype.name == "resource":
            raise Refusal(notimpl("a table or another object that holds state"))
        return captured.numpy()

    def constant(self, array: np.ndarray) -> Parameter:
        """A parameter for an array of the graph."""
        if id(array) not in self._constants:
            self._kept.append(array)
            name = self.names.unique("constant")
            made = Parameter(
                name, TensorType(str(array.dtype), array.shape), lambda: array, kind="constant", trainable=False
            )
            self.parameters[name] = made
            self._constants[id(array)] = made
        return self._constants[id(array)]

    def build(self, tree: Any, scope: str) -> Any:
        """Adds what a reader returned."""
        frames = _frames(scope)
        builder = Casting(self.names, self.nodes, _promote, "float32", scope=frames)
        return built(tree, builder, {})

    def modules(self) -> dict[str, Module]:
        """A module for each name scope."""
        return modules_of(self.nodes, self.name)


def modules_of(nodes: list[Node], name: str) -> dict[str, Module]:
    """A module for each scope of nodes."""
    found = {"": Module("", name)}
    for node in nodes:
        for frame in node.scope:
            last = re.sub(r"_\d+$", "", frame.path.rpartition(".")[2])
            words = "".join(word[:1].upper() + word[1:] for word in last.split("_"))
            found.setdefault(frame.path, Module(frame.path, words or "Block"))
    return found


def built(tree: Any, builder: Casting, done: dict) -> Any:
    """Adds ops, lists of ops and parts of ops to a builder; values stay as they are."""
    if isinstance(tree, Part):
        return builder._resolve(tree, done)
    if isinstance(tree, Op):
        if id(tree) not in done:
            done[id(tree)] = builder._add(tree, done)
        results = done[id(tree)]
        return results[0] if len(results) == 1 else list(results)
    if isinstance(tree, list | tuple):
        return [built(one, builder, done) for one in tree]
    return tree


def _frames(scope: str) -> tuple[Frame, ...]:
    parts = scope.split(".") if scope else []
    return tuple(Frame(".".join(parts[: i + 1])) for i in range(len(parts)))


def _promote(operands: list[Any]) -> str:
    """TensorFlow promotes nothing: the tensors of an op have one dtype."""
    for one in operands:
        if not is_scalar(one):
            return one.dtype
    return "float32"


__all__ = ["as_operand", "read_function", "read_signature"]
