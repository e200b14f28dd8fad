"""Recurrences written out step by step, for frameworks without a loop to write."""

from __future__ import annotations

from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import dtype_of, shape_of
from netglot.pivot.ops.recurrent import state_product

LONGEST = 64
"""So many steps are written one after the other."""

_CURVES = {
    "tanh": ops.Tanh,
    "relu": ops.Relu,
    "sigmoid": ops.Sigmoid,
    "hardsigmoid": ops.Hardsigmoid,
}


def conv_lstm(op):
    """The steps of a recurrence over images; the convolution of the input runs over all of them at once.

    Raises:
        Refusal: the length is not known, or too long to be written out.
    """
    batch, time, *rest = shape_of(op.x)
    if not isinstance(time, int) or time > LONGEST:
        raise Refusal(
            notimpl(f"a recurrence over {time} images is written out step by step", "give it a fixed, short length")
        )
    axis, curve, gate = op.axis - 1, _CURVES[op.activation], _CURVES[op.gate]
    folded = ops.Reshape(op.x, (batch * time, *rest))
    seen = ops.Conv(folded, op.w_ih, op.bias, op.stride, op.padding, op.dilation, 1, axis)
    seen = ops.Reshape(seen, (batch, time, *shape_of(seen)[1:]))
    state = op.result_types()[1].shape
    h = ops.Full(state, 0.0, dtype_of(op.x)) if op.h0 is None else op.h0
    c = ops.Full(state, 0.0, dtype_of(op.x)) if op.c0 is None else op.c0
    outputs, hidden = [], shape_of(op.w_hh)[1]
    for place in range(time):
        parts = ops.Split(ops.Add(ops.Select(seen, 1, place), state_product(op, h)), (hidden,) * 4, axis)
        i, f, g, o = (Part(parts, index) for index in range(4))
        c = ops.Add(ops.Multiply(gate(f), c), ops.Multiply(gate(i), curve(g)))
        h = ops.Multiply(gate(o), curve(c))
        outputs.append(h)
    return ops.Stack(tuple(outputs), 1), h, c


TABLE = {ops.ConvLstm: conv_lstm}
