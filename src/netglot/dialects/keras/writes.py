"""What a model writes to its variables while it is called: counts, running means, memories.

A variable that is not trained and that a call assigns to is a buffer that holds a state: what the calls before left
there is recalled, and what this call leaves is remembered (`ops.Recall`, `ops.Remember`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest import mock

import keras
import numpy as np
from keras.src import backend

from netglot.dialects.keras.capture import Traced, TracedVariable, array_of
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Parameter, Value

if TYPE_CHECKING:
    from netglot.dialects.keras.trace import Tracer


class Writes:
    """The variables that were written to so far, and what they hold."""

    def __init__(self, tracer: Tracer):
        self.tracer = tracer
        self.held: dict[Parameter, Value] = {}
        """What each variable holds now, where that is another tensor than at the beginning."""
        self.pending: list[Parameter] = []
        """The variables whose writes no node of the graph does yet."""

    def assign(self, traced: TracedVariable, value: Any) -> Any:
        """Writes to a variable.

        Raises:
            Refusal: it is trained, so that what is written is no state but a weight.
        """
        variable, parameter = traced.variable, traced.held
        assert isinstance(parameter, Parameter)
        if variable.trainable:
            raise Refusal(notimpl(f"the call writes to the trained variable {variable.name} while it runs"))
        self.tracer.note(
            f"{parameter.name} is written to by each call; it is a buffer, whose value is kept from call to call"
        )
        written = self._fitting(traced, value)
        detached = ops.StopGradient(self.tracer.value(written))  # no gradient goes through a variable
        self.held[parameter] = self.tracer.build(detached, name=parameter.name.rpartition(".")[2])
        if parameter not in self.pending:
            self.pending.append(parameter)
        return written

    def _fitting(self, traced: TracedVariable, value: Any) -> Any:
        """What is written, in the dtype and the shape of the variable."""
        if not isinstance(value, Traced):
            array = np.asarray(array_of(value) if hasattr(value, "shape") else value)
            return self.tracer.constant(np.broadcast_to(array, traced.shape).astype(traced.dtype))
        value = keras.ops.cast(value, traced.dtype)
        return value if tuple(value.shape) == tuple(traced.shape) else keras.ops.broadcast_to(value, traced.shape)

    def read(self, parameter: Any) -> Any:
        """What a variable holds now."""
        return self.held.get(parameter, parameter)

    def hand_on(self, result: Any) -> Any:
        """The result of a call, behind which the variables hold what the call wrote to them."""
        if not self.pending:
            return result
        leaves = keras.tree.flatten(result)
        place = next((at for at, one in enumerate(leaves) if isinstance(one, Traced) and one.held is not None), None)
        if place is None:
            raise Refusal(notimpl("a call that makes no tensor writes to variables"))
        memory, self.pending = tuple(self.pending), []
        x = self.tracer.value(leaves[place])
        made = self.tracer.build(ops.Remember(x, tuple(self.held[one] for one in memory), memory))
        self.held.update(zip(memory, made[1:], strict=True))
        handed = self.tracer.traced(made[0])
        backend.set_keras_mask(handed, backend.get_keras_mask(leaves[place]))
        return keras.tree.pack_sequence_as(result, [*leaves[:place], handed, *leaves[place + 1 :]])

    def snapshot(self) -> tuple:
        """What `undo` goes back to."""
        return dict(self.held), list(self.pending)

    def undo(self, before: tuple) -> None:
        """Forgets the writes since `before`."""
        self.held, self.pending = before

    def check(self, graph: Graph) -> None:
        """Tells of variables whose writes went with results that nothing uses.

        Raises:
            Refusal: there are some.
        """
        kept = {one for node in graph.nodes if isinstance(node.op, ops.Remember) for one in node.op.memory}
        for parameter in self.held:
            if parameter not in kept:
                raise Refusal(notimpl(f"{parameter.name} is written to by a call whose first result nothing uses"))

    def recalled(self) -> dict[Value, Value]:
        """Puts copies in the place of variables that are read before they are written to; these, by variable."""
        table: dict[Value, Value] = {}
        nodes = self.tracer.nodes
        for parameter in self.held:
            first = next((at for at, node in enumerate(nodes) if parameter in _read_by(node)), len(nodes))
            copied = Value(self.tracer.names.unique("recall"), parameter.type)
            scope = nodes[first].scope if first < len(nodes) else ()
            nodes.insert(first, Node(ops.Recall(parameter), (copied,), scope, ()))
            table[parameter] = copied
            for node in nodes[first + 1 :]:
                _replace(node, parameter, copied)
        return table


def _read_by(node: Node) -> list[Any]:
    """The values that a node takes, but those that it writes to."""
    if isinstance(node.op, ops.Remember):
        return [node.op.x, *node.op.states]
    return list(node.operand_values())


def _replace(node: Node, old: Value, new: Value) -> None:
    if old not in _read_by(node):
        return
    replaced = node.op.map_operands(lambda one: new if one is old else one)
    node.op = replaced.replace(memory=node.op.memory) if isinstance(node.op, ops.Remember) else replaced


@contextlib.contextmanager
def metrics_left_out(tracer: Tracer, layers: list[Any]) -> Iterator[None]:
    """Metrics that layers update are no part of what the network computes."""
    with contextlib.ExitStack() as stack:
        for layer in layers:
            for metric in getattr(layer, "_metrics", ()):

                def update(*_, name=metric.name, owner=layer.name, **__):
                    tracer.note(f"{owner} updates the metric {name} in its call; metrics are left out")

                def result(name=metric.name):
                    raise Refusal(notimpl(f"the network computes with the result of the metric {name}"))

                stack.enter_context(mock.patch.object(metric, "update_state", update))
                stack.enter_context(mock.patch.object(metric, "result", result))
        yield
