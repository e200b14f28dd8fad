"""Recurrent layers as ONNX operators."""

from __future__ import annotations

import numpy as np

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.write_ops.masked import over_mask
from netglot.dialects.onnx.write_ops.terms import Result, node, number, several, vector
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, numpy_dtype, shape_of

_DIRECTIONS = {"forward": None, "backward": "reverse", "both": "bidirectional"}


def _gates(x, order, hidden: int):
    if order == tuple(range(len(order))):
        return x
    return ops.Concat(tuple(ops.Slice(x, 0, g * hidden, (g + 1) * hidden, 1) for g in order), 0)


def _recurrent(op, kind: str, order, states: int, lengths=None, **options):
    if op.mask is not None:
        return over_mask(op, lambda plain, lengths: _recurrent(plain, kind, order, states, lengths, **options))
    hidden, directions = shape_of(op.w_hh[0])[1], len(op.w_ih)
    x = op.x if op.time_axis == 0 else ops.Permute(op.x, (1, 0, 2))
    w, r = (ops.Stack(tuple(_gates(one, order, hidden) for one in many), 0) for many in (op.w_ih, op.w_hh))
    bias = None
    if op.b_ih or op.b_hh:
        blank = np.zeros(len(order) * hidden, numpy_dtype(dtype_of(op.x)))
        halves = [
            [_gates(one, order, hidden) for one in many] if many else [blank] * directions
            for many in (op.b_ih, op.b_hh)
        ]
        bias = ops.Stack(tuple(ops.Concat(pair, 0) for pair in zip(*halves, strict=True)), 0)
    initial = [ops.Stack(tuple(held), 0) if held else None for held in (op.h0, *((op.c0,) if states == 2 else ()))]
    given = {"hidden_size": hidden, "direction": _DIRECTIONS[op.direction], **options}
    made = node(kind, x, w, r, bias, lengths, *initial, **given)
    count = 1 + states
    if directions == 1:
        out = node("Squeeze", Result(made, 0, count), vector(1))
    else:
        turned = node("Transpose", Result(made, 0, count), perm=[0, 2, 1, 3])
        out = node("Reshape", turned, vector(0, 0, -1))
    if op.time_axis == 1:
        out = node("Transpose", out, perm=[1, 0, 2])
    finals = [
        node("Gather", Result(made, 1 + state, count), number(d, "int64"), axis=0)
        for d in range(directions)
        for state in range(states)
    ]
    return several(out, *finals)


@onnx.writes(ops.Lstm)
def lstm(op):
    return _recurrent(op, "LSTM", (0, 3, 1, 2), 2)


@onnx.writes(ops.Gru)
def gru(op):
    return _recurrent(op, "GRU", (1, 0, 2), 1, linear_before_reset=int(op.reset_after))


@onnx.writes(ops.Rnn)
def rnn(op):
    names = ["Tanh" if op.activation == "tanh" else "Relu"] * len(op.w_ih)
    return _recurrent(op, "RNN", (0,), 1, activations=names)
