"""Sequences that were turned around within their lengths, and what they were before."""

from __future__ import annotations

from typing import Any

from netglot.dialects.lengths import turned
from netglot.pivot import ops
from netglot.pivot.graph import Node, Value


class Turned:
    """The sequences of one graph that were turned around, so that what turns them again is seen to do nothing."""

    def __init__(self, reading: Any, sink: Any):
        self.reading, self.sink = reading, sink
        self.known: dict[Value, tuple[Value, Value, int, int]] = {}

    def turn(self, x: Value, lengths: Value, time: int, batch: int, scope: str) -> Value:
        """A sequence turned around along the axis `time`, as far as it is long."""
        made = self.sink.build(turned(x, lengths, time, batch), scope)
        self.known[made] = x, self._root(lengths), time, batch
        return made

    def source(self, x: Any, lengths: Any, time: int, batch: int) -> Value | None:
        """What turning a sequence around gives where it was turned around before; None where it was not."""
        if not isinstance(lengths, Value) or not isinstance(x, Value):
            return None
        node = self._node(x)
        axes = tuple(range(len(x.shape)))
        if x not in self.known and node is not None and isinstance(node.op, ops.Permute):
            x, axes = node.op.x, tuple(node.op.axes)
        if x not in self.known:
            return None
        before, other, *places = self.known[x]
        if other is not self._root(lengths) or places != [axes[time], axes[batch]]:
            return None
        return before if axes == tuple(sorted(axes)) else self.sink.build(ops.Permute(before, axes), self._scope(node))

    def _scope(self, node: Node | None) -> str:
        return node.scope[-1].path if node is not None and node.scope else ""

    def _node(self, value: Value) -> Node | None:
        return next((node for node in reversed(self.reading.nodes) if value in node.results), None)

    def _root(self, value: Value) -> Value:
        """What lengths were before they were cast."""
        node = self._node(value)
        while node is not None and isinstance(node.op, ops.Identity | ops.Cast):
            value = node.op.x
            node = self._node(value)
        return value
