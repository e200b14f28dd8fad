"""Views and in-place writes of an exported program as values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Parameter, Value
from netglot.pivot.op import Op

if TYPE_CHECKING:
    from netglot.dialects.torch.read import Reader


class Poisoned(Exception):
    """An operand was refused; what depends on it is neither read nor reported."""


POISON = object()


_COPIES = ("aten.clone.default", "aten.lift_fresh_copy.default")
"""Ops whose result has the values of a parameter and a storage of its own."""


class Storage:
    """Views and in-place writes as values.

    A view remembers its parent. A write to a view makes a new value of the view and, through the inverse of each
    view op, of all its parents; the other views of the same storage are made again when they are next used.
    """

    def __init__(self, reader: Reader):
        self.reader = reader
        self.parent: dict[torch.fx.Node, torch.fx.Node] = {}
        self.version: dict[torch.fx.Node, int] = {}
        self.seen: dict[torch.fx.Node, int] = {}

    def _root(self, node):
        while node in self.parent:
            node = self.parent[node]
        return node

    def note_view(self, node) -> None:
        """Remembers `node` as a view of its first operand where its schema says so."""
        returns = node.target._schema.returns
        aliased = len(returns) >= 1 and returns[0].alias_info is not None
        if aliased and node.args and isinstance(node.args[0], torch.fx.Node):
            self.parent[node] = node.args[0]
            self.seen[node] = self.version.get(self._root(node), 0)

    def current(self, node) -> Any:
        """The value that `node` has now, after writes to its storage."""
        env = self.reader.env
        version = self.version.get(self._root(node), 0)
        if node in self.parent and self.seen.get(node, 0) != version:
            parent = self.current(self.parent[node])
            if is_write(node):
                env[node] = parent
            else:
                env[node] = self.reader.apply(node, str(node.target), first=parent)
            self.seen[node] = version
        return env[node]

    def mutate(self, node) -> Any:
        """Reads an in-place call: computes the value, then writes it through all views."""
        reader = self.reader
        target = node.args[0]
        before = self.current(target)
        if before is POISON:
            raise Poisoned
        if str(node.target) == "aten.detach_.default" and isinstance(before, Parameter) and not before.trainable:
            return before
        value = self._functional(node, before)
        if value.dtype != before.dtype:
            value = reader.build(node, ops.Cast(value, before.dtype), [])
        root = self._root(target)
        if isinstance(reader.env.get(root), Parameter) and str(root.target) not in _COPIES:
            raise Refusal(notimpl(f"the forward pass writes to {reader.env[root].name} while it runs"))
        version = self.version[root] = self.version.get(root, 0) + 1
        self._write(node, target, value, version)
        self.parent[node] = target
        self.seen[node] = version
        return value

    def _functional(self, node, before: Value) -> Value:
        name = str(node.target)
        namespace, op, overload = name.split(".")
        if op == "copy_":
            return self._copied(node, before)
        if op in ("zero_", "fill_"):
            filling = 0 if op == "zero_" else self.reader.argument(node.args[1])
            if isinstance(filling, Value):
                return self.reader.build(node, ops.Broadcast(filling, before.shape), [])
            return self.reader.build(node, ops.Full(before.shape, filling, before.dtype), [])
        functional = f"{namespace}.{op.removesuffix('_')}.{overload}"
        value = self.reader.apply(node, functional)
        if not isinstance(value, Value):
            raise Refusal(notimpl(f"{name} writes several tensors in place"))
        return value

    def _copied(self, node, before: Value) -> Value:
        source = self.reader.argument(node.args[1])
        if source.dtype != before.dtype:
            source = self.reader.build(node, ops.Cast(source, before.dtype), [])
        if source.shape != before.shape:
            source = self.reader.build(node, ops.Broadcast(source, before.shape), [])
        return source

    def _write(self, node, target, value: Value, version: int) -> None:
        """Makes `value` the content of `target` and carries it to the storage behind it."""
        env = self.reader.env
        env[target] = value
        self.seen[target] = version
        while target in self.parent:
            parent = self.parent[target]
            if not is_write(target):
                value = self._through(node, target, env[parent], value)
            env[parent] = value
            self.seen[parent] = version
            target = parent

    def _through(self, node, view, parent: Value, value: Value) -> Value:
        """The parent's value after `value` was written through one view of it."""
        made = self.reader.apply(view, str(view.target), first=parent)
        if made is parent or (made.shape == parent.shape and not isinstance(_op_of(self.reader, made), ops.Permute)):
            return value
        op = _op_of(self.reader, made)
        inverse = _INVERSES.get(type(op))
        if inverse is None:
            raise Refusal(notimpl(f"an in-place write through {view.target}"))
        return self.reader.build(node, inverse(op, parent, value), [])


def is_write(node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _op_of(reader: Reader, value: Value) -> Op | None:
    return next((n.op for n in reversed(reader.nodes) if value in n.results), None)


_INVERSES: dict[type[Op], Callable[[Any, Value, Value], Op]] = {
    ops.Reshape: lambda op, parent, value: ops.Reshape(value, parent.shape),
    ops.Permute: lambda op, parent, value: ops.Permute(value, tuple(op.axes.index(i) for i in range(len(op.axes)))),
    ops.Slice: lambda op, parent, value: ops.SliceUpdate(parent, value, op.axis, op.start, op.stop, op.step),
    ops.Select: lambda op, parent, value: ops.SelectUpdate(parent, value, op.axis, op.index),
}
