"""Loops that run as often as is known beforehand, written out step by step.

A loop of TensorFlow 1 is a frame of nodes between `Enter` and `Exit`; here it becomes one node, whose steps are taken
one after the other while the graph is walked. `While` of TensorFlow 2 has its condition and body as functions. What a
loop reads and writes step by step, arrays and lists of tensors, are Python's own lists meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from netglot.dialects.tensorflow.known import known
from netglot.dialects.tensorflow.stand_ins import Blank, Whole, plain
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim

LOOP = "_Loop"
"""The op of the nodes that stand for loops."""
_ENTERS, _STEPS, _NODES, _MOST_ITEMS = ("Enter", "RefEnter"), 1024, 2**17, 2**16


class Items(tuple):
    """An array or a list of tensors; None where nothing was written yet."""


class Growing(Items):
    """An array that becomes longer where something is written behind its end."""


class Several(list):
    """All results of a node that is fed."""


@dataclass(frozen=True)
class State:
    """One variable of a loop: where it enters, is merged and switched, and what it becomes."""

    enter: str
    merge: str
    switch: str
    after: str


@dataclass(frozen=True)
class Loop:
    """One frame: its entrances in order, its variables, the condition to go on, and the nodes that both are made of."""

    enters: list[str]
    states: list[State]
    condition: str
    deciding: list[Any]
    body: list[Any]


def folded(nodes: list[Any]) -> tuple[list[Any], dict[str, Loop]]:
    """The nodes with each frame replaced by one node, inner ones first, and the loops by the names of these."""
    loops: dict[str, Loop] = {}
    while True:
        frames = dict.fromkeys(n.attr["frame_name"].s.decode("utf-8", "replace") for n in nodes if n.op in _ENTERS)
        table = {node.name: node for node in nodes}
        found = next((one for one in (_frame(name, nodes, table) for name in frames) if one is not None), None)
        if found is None:
            return nodes, loops
        loop, made, gone = found
        loops[made[0].name] = loop
        nodes = [node for node in nodes if node.name not in gone] + made


def _frame(name: str, nodes: list[Any], table: dict[str, Any]) -> tuple[Loop, list[Any], set[str]] | None:
    """A frame as a loop, the nodes that stand for it, and those that do no longer; None where it holds other frames."""
    users: dict[str, list[Any]] = {}
    for node in nodes:
        for reference in node.input:
            users.setdefault(_plain(reference), []).append(node)
    enters = [n for n in nodes if n.op in _ENTERS and n.attr["frame_name"].s.decode("utf-8", "replace") == name]
    states, exits = [], []
    for enter in enters:
        merge = next((n for n in users.get(enter.name, []) if n.op == "Merge"), None)
        if merge is None:
            continue
        switch = next((n for n in users.get(merge.name, []) if n.op == "Switch"), None)
        after = next((table.get(_plain(one)) for one in merge.input if _plain(one) != enter.name), None)
        if switch is None or after is None or after.op != "NextIteration":
            return None
        exits += [(n, len(states)) for n in users.get(switch.name, []) if n.op == "Exit"]
        decision = table.get(_plain(switch.input[1])) if len(switch.input) == 2 else None
        if decision is None or decision.op != "LoopCond" or not decision.input or not after.input:
            return None
        states.append((State(enter.name, merge.name, switch.name, after.input[0]), decision))
    if not states or any(not enter.input for enter in enters):
        return None
    held = [state for state, _ in states]
    condition = states[0][1].input[0]
    stops = {one for state in held for one in (state.merge, state.switch)} | {n.name for n in enters}
    deciding = _behind([condition], table, stops)
    body = _behind([state.after for state in held], table, stops)
    if any(node.op in (*_ENTERS, "Exit", "NextIteration") for node in (*deciding, *body)):
        return None
    title = f"{name.strip('/')}/{LOOP}"
    made = [tf.compat.v1.NodeDef(name=title, op=LOOP, input=[n.input[0] for n in enters])]
    made += [tf.compat.v1.NodeDef(name=n.name, op="Identity", input=[f"{title}:{i}"]) for n, i in exits]
    inside = stops | {n.name for n, _ in exits} | {states[0][1].name}
    inside |= {_plain(merged) for state in held for merged in table[state.merge].input}
    return Loop([n.name for n in enters], held, condition, deciding, body), made, inside


def _behind(references: list[str], table: dict[str, Any], stops: set[str]) -> list[Any]:
    """The nodes that some tensors are computed from, up to where the loop begins."""
    found: dict[str, Any] = {}
    left = [_plain(one) for one in references]
    while left:
        name = left.pop()
        if name in found or name in stops or name not in table:
            continue
        found[name] = table[name]
        left += [_plain(one) for one in table[name].input if not one.startswith("^")]
    return list(found.values())


def _plain(reference: str) -> str:
    return reference.lstrip("^").partition(":")[0]


def steps(states: list[Any], goes_on: Callable, step: Callable, size: int) -> list[Any]:
    """The variables of a loop when it ends.

    Raises:
        Refusal: nobody knows beforehand how often it runs, or it runs too often to be written out.
    """
    for _ in range(min(_STEPS, max(1, _NODES // max(size, 1)))):
        held = goes_on(states)
        if not _settled(held):
            advice = "fix the sizes that it counts to: --input 1,20,8"
            raise Refusal(notimpl("a loop that runs as often as its data or a size that is not known say", advice))
        if not bool(np.asarray(held)):
            return states
        states = step(states)
    raise Refusal(notimpl("a loop with too many steps to be written out"))


def _settled(held: Any) -> bool:
    """Whether a tensor is known, and none of its elements is a size that is open."""
    return known(held) and not any(isinstance(one, Dim) for one in np.ravel(np.asarray(held, dtype=object)))


def _number(held: Any, what: str) -> int:
    if not _settled(held) or np.asarray(held).size != 1:
        raise Refusal(notimpl(f"{what} that is not known beforehand", "fix the sizes: --input 1,20,8"))
    return int(np.asarray(held).reshape(()))


def _new(build, node, size, *rest):
    if known(size) and not _settled(size):
        return [Blank(plain(size))] * 2
    count = _number(size, "an array of tensors with a length")
    if not 0 <= count <= _MOST_ITEMS:
        raise Refusal(notimpl(f"an array of {count} tensors"))
    return [(Growing if node.attr["dynamic_size"].b else Items)((None,) * count)] * 2


def _listed(build, node, shape, size=0):
    return _new(build, node, size)[:1] if node.op == "TensorListReserve" else [Items()]


def settled(build, held: Any) -> Any:
    """A tensor or array of tensors as the steps of a loop want it, one after the other.

    Raises:
        Refusal: it is an array of tensors, and nobody knows of how many.
    """
    if not isinstance(held, Whole | Blank):
        return held
    size = held.value.shape[0] if isinstance(held, Whole) else held.size
    count = _number(np.asarray(size, dtype=object), "a sequence whose length")
    return Items(_cut(build, held.value, count)) if isinstance(held, Whole) else Items((None,) * count)


def _cut(build, value, count: int) -> list[Any]:
    return [value[i] if known(value) else build(ops.Select(value, 0, i)) for i in range(count)]


def _length(value: Any) -> Any:
    return np.shape(value)[0] if known(value) else value.shape[0]


def _scattered(build, node, handle, indices, value, flow):
    if not _settled(indices):
        raise Refusal(notimpl("a sequence whose length is not known", "fix the sizes: --input 1,20,8"))
    if _length(value) != np.size(indices):
        raise Refusal(notimpl("a sequence whose length is not known", "fix the sizes: --input 1,20,8"))
    if not known(value) and np.array_equal(np.ravel(indices), np.arange(len(flow))):
        return [Whole(value)]
    made = list(flow)
    for place, one in zip(np.ravel(indices).tolist(), _cut(build, value, np.size(indices)), strict=True):
        made[int(place)] = one
    return [Items(made)]


def _from_tensor(build, node, value, shape):
    if not known(value):
        return [Whole(value)]
    return [Items(_cut(build, value, _number(_length(value), "a sequence whose length")))]


def _read(build, node, handle, index, flow=None, *rest):
    items = flow if isinstance(flow, Items) else handle
    held = items[_number(index, "a place in an array")]
    if held is None:
        raise Refusal(notimpl("a tensor that is read before it is written"))
    return [held]


def _written(build, node, handle, index, value, flow=None):
    made, place = list(flow if isinstance(flow, Items) else handle), _number(index, "a place in an array")
    if len(made) <= place < _MOST_ITEMS and isinstance(flow, Growing):
        made += [None] * (place + 1 - len(made))
    made[place] = value
    return [type(flow)(made) if isinstance(flow, Items) else Items(made)]


def _gathered(build, node, handle, indices, flow):
    if not _settled(indices):
        raise Refusal(notimpl("a sequence whose length is not known", "fix the sizes: --input 1,20,8"))
    return [_stacked(build, [flow[int(place)] for place in np.ravel(indices).tolist()])]


def _stacked(build, items: list[Any]) -> Any:
    if not items or any(one is None for one in items):
        raise Refusal(notimpl("an array of tensors of which not all are written"))
    if all(known(one) for one in items):
        return np.stack([np.asarray(one) for one in items])
    return build(ops.Stack(tuple(items), 0))


ARRAYS: dict[str, Callable] = {
    "TensorArrayV3": _new,
    "TensorArrayScatterV3": _scattered,
    "TensorArrayReadV3": _read,
    "TensorArrayWriteV3": _written,
    "TensorArrayGatherV3": _gathered,
    "TensorArraySizeV3": lambda build, node, handle, flow: [np.asarray(len(flow), "int32")],
    "TensorArrayCloseV3": lambda build, node, *held: [],
    "TensorListReserve": _listed,
    "EmptyTensorList": _listed,
    "TensorListFromTensor": _from_tensor,
    "TensorListGetItem": lambda build, node, handle, index, shape: _read(build, node, handle, index),
    "TensorListSetItem": _written,
    "TensorListPushBack": lambda build, node, handle, value: [Items((*handle, value))],
    "TensorListLength": lambda build, node, handle: [np.asarray(len(handle), "int32")],
    "TensorListStack": lambda build, node, handle, shape: [_stacked(build, list(handle))],
}
"""What the operations on arrays and lists of tensors do with Python's lists: `(build, node, *inputs)` to results."""
