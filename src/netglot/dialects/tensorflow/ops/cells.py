"""Recurrent cells that TensorFlow computes in one op: what they come to, in their formulas."""

from __future__ import annotations

import numpy as np

from netglot.dialects.tensorflow.dialect import tensorflow
from netglot.dialects.tensorflow.known import plain
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of

Known = np.ndarray


def _step(x, c, h, w, peepholes, b, forget_bias, cell_clip):
    """One step of an LSTM whose kernel has the gates input, cell, forget and output: all results of the op."""
    size = shape_of(b)[0] // 4
    whole = ops.Add(ops.Matmul(ops.Concat((x, h), 1), w), b)
    i, g, f, o = (ops.Slice(whole, 1, k * size, (k + 1) * size, 1) for k in range(4))
    wci, wcf, wco = peepholes or (None,) * 3
    i = ops.Sigmoid(i if wci is None else ops.Add(i, ops.Multiply(c, wci)))
    f = ops.Add(f, float(f"{forget_bias:.7g}")) if forget_bias else f
    f = ops.Sigmoid(f if wcf is None else ops.Add(f, ops.Multiply(c, wcf)))
    g = ops.Tanh(g)
    new = ops.Add(ops.Multiply(f, c), ops.Multiply(i, g))
    if cell_clip > 0:
        bound = float(f"{cell_clip:.7g}")
        new = ops.Clip(new, -bound, bound)
    o = ops.Sigmoid(o if wco is None else ops.Add(o, ops.Multiply(new, wco)))
    curved = ops.Tanh(new)
    return [i, new, f, o, g, curved, ops.Multiply(o, curved)]


@tensorflow.reads("LSTMBlockCell")
def lstm_block_cell(x, cs_prev, h_prev, w, wci, wcf, wco, b, forget_bias=1.0, cell_clip=3.0, use_peephole=False):
    peepholes = (wci, wcf, wco) if use_peephole else None
    return _step(x, cs_prev, h_prev, w, peepholes, b, forget_bias, cell_clip)


@tensorflow.reads("BlockLSTM")
def block_lstm(
    seq_len_max: Known, x, cs_prev, h_prev, w, wci, wcf, wco, b, forget_bias=0.0, cell_clip=0.0, use_peephole=False
):
    count = shape_of(x)[0]
    if not isinstance(count, int):
        advice = "fix the length of the sequence: --input 20!,1,8"
        raise Refusal(notimpl("a fused LSTM over a sequence whose length is not known", advice))
    if plain(np.asarray(seq_len_max)) != count:
        raise Refusal(notimpl("a fused LSTM over some of the steps of its sequence"))
    peepholes = (wci, wcf, wco) if use_peephole else None
    c, h, steps = cs_prev, h_prev, []
    for number in range(count):
        steps.append(_step(ops.Select(x, 0, number), c, h, w, peepholes, b, forget_bias, cell_clip))
        c, h = steps[-1][1], steps[-1][-1]
    return [ops.Stack(tuple(ones), 0) for ones in zip(*steps, strict=True)]


@tensorflow.reads("GRUBlockCell")
def gru_block_cell(x, h_prev, w_ru, w_c, b_ru, b_c):
    size = shape_of(b_c)[0]
    gates = ops.Sigmoid(ops.Add(ops.Matmul(ops.Concat((x, h_prev), 1), w_ru), b_ru))
    r, u = ops.Slice(gates, 1, 0, size, 1), ops.Slice(gates, 1, size, 2 * size, 1)
    c = ops.Tanh(ops.Add(ops.Matmul(ops.Concat((x, ops.Multiply(r, h_prev)), 1), w_c), b_c))
    new = ops.Add(ops.Multiply(u, h_prev), ops.Multiply(ops.Subtract(1.0, u), c))
    return [r, u, c, new]
