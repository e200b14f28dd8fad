"""Loops written out step by step, for frameworks without a loop to write."""

from __future__ import annotations

from netglot.errors import Refusal, notimpl
from netglot.passes.composed.recurrent import LONGEST
from netglot.pivot import ops
from netglot.pivot.graph import Graph, Part, Value
from netglot.pivot.op import shape_of
from netglot.pivot.ops.control import body_graph


def scan(op):
    """The steps of a loop one after the other.

    Raises:
        Refusal: their number is not known, or too large to be written out.
    """
    time, body = shape_of(op.xs[0])[1], body_graph(op.body)
    if not isinstance(time, int) or time > LONGEST:
        raise Refusal(notimpl(f"a loop over {time} steps is written out step by step", "give it a fixed, short length"))
    states, outputs = list(op.states), []
    for place in range(time):
        given = (*(ops.Select(one, 1, place) for one in op.xs), *states, *op.held)
        out, *states = _inlined(body, given)
        outputs.append(out)
    return ops.Stack(tuple(outputs), 1), *states


def _inlined(body: Graph, given: tuple) -> list:
    """The outputs of a body as ops over what it is given."""
    table = dict(zip(body.inputs, given, strict=True))
    for node in body.nodes:
        op = node.op.map_operands(lambda one: table.get(one, one) if isinstance(one, Value) else one)
        several = len(node.results) > 1
        table.update((value, Part(op, place) if several else op) for place, value in enumerate(node.results))
    return [table[value] for _, value in body.outputs]


TABLE = {ops.Scan: scan}
