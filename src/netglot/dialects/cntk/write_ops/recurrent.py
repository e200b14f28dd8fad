"""Recurrent layers: their time becomes a sequence, and their states what delays give."""

from __future__ import annotations

from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.recurrences import Direction
from netglot.dialects.steps import Result, held, several, step
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of


@cntk.lowers(ops.Lstm, ops.Gru, ops.Rnn)
def time_after_batch(op):
    """CNTK's sequences have the batch first."""
    if op.time_axis == 1:
        return None
    made = op.replace(x=ops.Permute(op.x, (1, 0, 2)), time_axis=1)
    finals = (Part(made, number) for number in range(1, len(op.result_types())))
    return (ops.Permute(Part(made, 0), (1, 0, 2)), *finals)


@cntk.writes(ops.Lstm, ops.Gru, ops.Rnn)
def recurrence(op, used):
    if op.mask is not None:
        raise Refusal(notimpl("a recurrence that leaves steps out"))
    states = ("h0", "c0") if isinstance(op, ops.Lstm) else ("h0",)
    operands, directions = [op.x], []
    for number in range(len(op.w_ih)):
        weights = [("W", ops.Permute(op.w_ih[number], (1, 0))), ("H", ops.Permute(op.w_hh[number], (1, 0)))]
        biases = _biases(op, number)
        starts = [getattr(op, name)[number] for name in states if getattr(op, name)]
        operands += [*(held(role, tree) for role, tree in weights + biases), *starts]
        directions.append(
            Direction(
                type(op).__name__,
                op.direction == "backward" or number == 1,
                shape_of(op.w_hh[number])[1],
                len(biases),
                tuple(bool(getattr(op, name)) for name in states),
                getattr(op, "reset_after", False),
                getattr(op, "activation", ""),
            )
        )
    count = len(op.result_types())
    finals = frozenset(index for index in used if index)
    made = step("Recurrence", *operands, rule="recurrence", directions=directions, finals=finals)
    return several(*(Result(made, number, count) for number in range(count)))


def _biases(op, number: int) -> list[tuple]:
    """The biases of a direction: one, or those of input and state where the reset gate stands between them."""
    given = [held_[number] for held_ in (op.b_ih, op.b_hh) if held_]
    if not given:
        return []
    if isinstance(op, ops.Gru) and op.reset_after:
        zeros = ops.Multiply(given[0], 0.0)
        both = [held_[number] if held_ else zeros for held_ in (op.b_ih, op.b_hh)]
        return [("b", both[0]), ("b_state", both[1])]
    return [("b", given[0] if len(given) == 1 else ops.Add(*given))]
