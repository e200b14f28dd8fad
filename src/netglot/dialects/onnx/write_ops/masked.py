"""Recurrent layers that leave steps out. ONNX knows lengths, so the steps that count are brought to the front."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netglot.dialects.onnx.write_ops.terms import Several, node, number, several
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, shape_of


def over_mask(op: Any, write: Callable[[Any, Any], Several]) -> Several:
    """A recurrence with a mask, of one over the first steps of each sequence, as `write` writes that.

    Args:
        write: takes the op without a mask, its batch in front, and the lengths.
    """
    if op.held and op.direction == "backward":
        raise Refusal(notimpl("a recurrence backwards whose outputs are held over the steps that it leaves out"))
    turned = op.time_axis == 0
    x, mask = (ops.Permute(op.x, (1, 0, 2)), ops.Permute(op.mask, (1, 0))) if turned else (op.x, op.mask)
    batch, time, features = shape_of(x)
    kept = ops.Cast(mask, "int64")
    lengths = ops.Sum(kept, (1,), True)
    order = ops.Argsort(ops.Cast(ops.LogicalNot(mask), "int32"), 1, False)
    packed = ops.TakeAlongAxis(x, ops.Broadcast(ops.Reshape(order, (batch, time, 1)), (batch, time, features)), 1)
    counted = ops.Cast(ops.Maximum(ops.Reshape(lengths, (batch,)), 1), "int32")
    made = write(op.replace(x=packed, mask=None, time_axis=1), counted).terms
    zero = number(0.0, dtype_of(op.x))
    places, missing = _places(op, kept, (batch, time))
    out = node("Where", missing, zero, node("GatherElements", made[0], places, axis=1))
    started = ops.Greater(lengths, 0)
    initial = [state for direction in zip(*_initial(op), strict=True) for state in direction] or [zero] * len(made[1:])
    finals = [node("Where", started, new, old) for new, old in zip(made[1:], initial, strict=True)]
    return several(node("Transpose", out, perm=[1, 0, 2]) if turned else out, *finals)


def _initial(op: Any) -> tuple:
    return (op.h0, op.c0) if isinstance(op, ops.Lstm) else (op.h0,)


def _places(op: Any, kept: Any, sizes: tuple) -> tuple[Any, Any]:
    """For each output the place of the step that it comes from, and whether there is none."""
    count, features = ops.CumulativeSum(kept, 1), shape_of(op.w_hh[0])[1] * len(op.w_ih)
    place = ops.Maximum(ops.Subtract(count, 1), 0)
    none = ops.Equal(count if op.held else kept, 0)
    spread = [ops.Broadcast(ops.Reshape(one, (*sizes, 1)), (*sizes, features)) for one in (place, none)]
    return spread[0], spread[1]
