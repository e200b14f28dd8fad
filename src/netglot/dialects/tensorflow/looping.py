"""Loops along sequences over cells of any kind, as a sub-graph that runs once for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from netglot.dialects.cells import Unknown
from netglot.dialects.loops import body_text, swapped
from netglot.dialects.tensorflow.known import known
from netglot.dialects.tensorflow.stand_ins import Counter, Last, Whole, Written
from netglot.pivot import ops
from netglot.pivot.graph import Node, Parameter, Part, Value
from netglot.pivot.op import shape_of

if TYPE_CHECKING:
    from netglot.dialects.tensorflow.stepwise import Raising


def scanned(loop: Raising, fed: list[Any], after: list[Any], nodes: list[Node], pairs: dict[Value, Any]) -> list[Any]:
    """The states when a loop has ended that reads sequences and writes at most one.

    Raises:
        Unknown: its step hands on something else, or its sequences are not those of a batch.
    """
    written = [one for one in after if isinstance(one, Written | Last)]
    if not all(_handed_on(place, *both, pairs) for place, both in enumerate(zip(fed, after, strict=True))):
        raise Unknown
    if len(written) > 1 or not pairs or any(not isinstance(one.value, Value) for one in written):
        raise Unknown
    out = written[0].value if written else next(iter(pairs.values()))
    run = _scan(loop, out, pairs, nodes)
    found: list[Any] = []
    for place, (before, one) in enumerate(zip(fed, after, strict=True)):
        if isinstance(before, Counter) and one != before:
            found.append(loop.ended())
        elif isinstance(one, Written):
            found.append(Whole(loop._built(ops.Permute(run[0], swapped(run[0])))))
        elif isinstance(one, Last):
            found.append((loop._built(ops.Select(run[0], 1, loop.count - 1)),))
        elif isinstance(before, Value) and before in pairs:
            found.append(run[1 + list(pairs).index(before)])
        else:
            found.append(loop.states[place])
    return found


def _handed_on(place: int, before: Any, after: Any, pairs: dict[Value, Any]) -> bool:
    """Whether a loop can hand on what a step makes of one of its variables."""
    if isinstance(before, Counter):
        return after in (before, Counter(place, 1))
    if isinstance(after, Written | Last) or before is after:
        return True
    return isinstance(before, Value) and before in pairs and isinstance(after, Value) and after.type == before.type


def _scan(loop: Raising, out: Value, pairs: dict[Value, Any], nodes: list[Node]) -> list[Value]:
    """The op: its outputs of all steps, and the states after the last."""
    made = {value for node in nodes for value in node.results}
    used = {value for node in nodes for value in node.operand_values()} | {out, *pairs.values()}
    steps = [step for step in loop.sequences if step in used and shape_of(step)[:1] == shape_of(out)[:1]]
    if not steps or len(steps) < len([step for step in loop.sequences if step in used]):
        raise Unknown
    outside = [value for value in dict.fromkeys(_used(nodes, out, pairs)) if value not in made]
    outside = [value for value in outside if value not in loop.sequences and value not in pairs]
    if any(value not in loop.around and not isinstance(value, Parameter) for value in outside):
        raise Unknown
    body = body_text(steps, list(pairs), outside, nodes, [out, *pairs.values()])
    sequences = [loop.sequences[step] for step in steps]
    xs = tuple(loop._built(ops.Permute(one, swapped(one))) for one in sequences)
    starts = [loop.states[loop.places[state]] for state in pairs]
    starts = [loop.walker.reading.constant(np.asarray(one)) if known(one) else one for one in starts]
    op = ops.Scan(xs, tuple(starts), tuple(outside), body)
    return list(loop._built([Part(op, place) for place in range(1 + len(pairs))]))


def _used(nodes: list[Node], out: Value, pairs: dict[Value, Any]) -> list[Value]:
    return [*(value for node in nodes for value in node.operand_values()), out, *pairs.values()]
