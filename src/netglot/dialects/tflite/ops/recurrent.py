"""Recurrent layers over whole sequences. They begin with zeros at each call."""

from __future__ import annotations

from netglot.dialects.tflite.dialect import tflite
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part


def _joined(node, parts, role):
    """The gates' weights one below the other."""
    return ops.Concat(tuple(node.weight(part, f"{role}_{gate}") for part, gate in zip(parts, "ifco", strict=True)), 0)


def _lstm(node, x, inputs, start: int, time_axis: int, direction: str):
    """One direction; `start` is the number of its first weight."""
    absent = [i for i in (*range(8, 11), *range(15, 17)) if i + start < len(inputs) and inputs[start + i] is not None]
    if absent or inputs[start] is None:
        raise Refusal(notimpl("an LSTM with peepholes, a projection or coupled gates"))
    w_x = _joined(node, inputs[start : start + 4], "weight_ih")
    w_h = _joined(node, inputs[start + 4 : start + 8], "weight_hh")
    bias = _joined(node, inputs[start + 11 : start + 15], "bias")
    return ops.Lstm(x, (), (), (w_x,), (w_h,), (bias,), (), direction, time_axis, None, False)


@tflite.reads("UNIDIRECTIONAL_SEQUENCE_LSTM")
def sequence_lstm(node, x, *inputs):
    if node.number(0, "b") != 4 or node.decimal(1) or node.decimal(2):
        raise Refusal(notimpl("an LSTM with another activation or with clipping"))
    if any(one is not None for one in inputs[19:]):
        raise Refusal(notimpl("an LSTM with layer norms"))
    return Part(_lstm(node, x, list(inputs), 0, 0 if node.flag(3) else 1, "forward"), 0)


@tflite.reads("BIDIRECTIONAL_SEQUENCE_LSTM")
def both_lstm(node, x, *inputs):
    if node.number(0, "b") != 4 or node.decimal(1) or node.decimal(2):
        raise Refusal(notimpl("an LSTM with another activation or with clipping"))
    axis = 0 if node.flag(4) else 1
    there = Part(_lstm(node, x, list(inputs), 0, axis, "forward"), 0)
    back = Part(_lstm(node, x, list(inputs), 17, axis, "backward"), 0)
    return ops.Concat((there, back), 2) if node.flag(3) else (there, back)


@tflite.reads("UNIDIRECTIONAL_SEQUENCE_RNN")
def sequence_rnn(node, x, w_x, w_h, bias, state=None):
    kind = {1: "relu", 4: "tanh"}.get(node.number(1, "b"))
    if kind is None:
        raise Refusal(notimpl("a recurrent layer with another activation"))
    weights = [(node.weight(one, role),) for one, role in ((w_x, "weight_ih"), (w_h, "weight_hh"), (bias, "bias"))]
    axis = 0 if node.flag(0) else 1
    return Part(ops.Rnn(x, (), weights[0], weights[1], weights[2], (), kind, "forward", axis, None, False), 0)
