"""Loops of MXNet: `foreach` runs a network within the network once for each element of the first axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netglot.dialects.fitting import BATCH
from netglot.dialects.loops import body_text, swapped
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Value
from netglot.pivot.op import TensorType, shape_of, type_of

if TYPE_CHECKING:
    from netglot.dialects.mxnet.read import _Reading
    from netglot.dialects.mxnet.work import Work


def foreach(reading: _Reading, work: Work, inputs: list[Any]) -> list[Any]:
    """The outputs of all steps, and the states after the last.

    Raises:
        Refusal: several things are collected.
    """
    node, assembly = work.node, work.assembly
    places = [node.integers(name) for name in ("in_data_locs", "in_state_locs", "remain_locs")]
    if len(node.bodies) != 1 or sorted(one for held in places for one in held) != list(range(len(inputs))):
        raise InputError(f"{node.name}: a loop over {len(inputs)} tensors of which it says other numbers")
    counts = [len(held) for held in places]
    data, states = inputs[: counts[0]], inputs[counts[0] : counts[0] + counts[1]]
    held = inputs[counts[0] + counts[1] :]
    if node.integer("num_out_data") != 1 or not data or any(len(shape_of(one)) < 2 for one in data):
        raise Refusal(notimpl("a loop that collects several tensors, or one over numbers"))
    if reading.free and shape_of(data[0])[0] == BATCH:
        raise Refusal(notimpl("a loop over an axis that is taken for the batch", "name its size: --input data=T,8,32"))
    if not all(isinstance(one, Value) for one in inputs):
        raise Refusal(notimpl("a loop over a variable of which the files say nothing"))
    steps = [Value(f"x{i}", TensorType(type_of(x).dtype, tuple(shape_of(x)[1:]))) for i, x in enumerate(data)]
    before = [Value(f"state_{i}", type_of(one)) for i, one in enumerate(states)]
    order: list[Any] = [None] * len(inputs)
    for at, one in zip((p for part in places for p in part), (*steps, *before, *held), strict=True):
        order[at] = one
    start = len(assembly.nodes)
    try:
        out, *after = reading.inner(node.bodies[0], order)
        nodes = assembly.nodes[start:]
    finally:
        del assembly.nodes[start:]
    if [type_of(one) for one in after] != [one.type for one in before]:
        raise InputError(f"{node.name}: a loop hands on other states than it begins with")
    made = {value for one in nodes for value in one.results}
    outside = dict.fromkeys(value for one in nodes for value in one.operand_values() if value not in made)
    outside = [value for value in outside if value not in steps and value not in before]
    body = body_text(steps, before, outside, nodes, [out, *after])
    xs = tuple(ops.Permute(one, swapped(one)) for one in data)
    scan = ops.Scan(xs, tuple(states), tuple(outside), body)
    found = assembly.build(scan)
    return [assembly.build(ops.Permute(found[0], swapped(found[0]))), *found[1:]]
