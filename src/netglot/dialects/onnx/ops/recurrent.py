"""Recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.onnx.common import moved, numbers, reshaped, with_axes
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.index import known_array
from netglot.dialects.onnx.ops.matmul import Weight
from netglot.dialects.onnx.ops.unrolled import USUAL, unrolled
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of

_DIRECTIONS = {"forward": "forward", "reverse": "backward", "bidirectional": "both"}


def _gates(x: Any, order: tuple[int, ...], hidden: int) -> Any:
    """The rows of a weight, blocks of `hidden`, in another order."""
    if order == tuple(range(len(order))):
        return x
    return ops.Concat(tuple(ops.Slice(x, 0, g * hidden, (g + 1) * hidden, 1) for g in order), 0)


def _weights(W, R, B, order, hidden: int):
    """The weights and biases of each direction in the pivot's order of gates."""
    directions, gates = shape_of(W)[0], len(order)
    if shape_of(W)[1] != gates * hidden or tuple(shape_of(R)[1:]) != (gates * hidden, hidden):
        raise ValueError(f"weights of shapes {shape_of(W)} and {shape_of(R)} for {hidden} hidden features")
    w_ih = tuple(_gates(ops.Select(W, 0, d), order, hidden) for d in range(directions))
    w_hh = tuple(_gates(ops.Select(R, 0, d), order, hidden) for d in range(directions))
    if B is None:
        return w_ih, w_hh, (), ()
    halves = [
        [ops.Slice(ops.Select(B, 0, d), 0, i * gates * hidden, (i + 1) * gates * hidden, 1) for d in range(directions)]
        for i in (0, 1)
    ]
    b_ih, b_hh = (tuple(_gates(b, order, hidden) for b in half) for half in halves)
    return w_ih, w_hh, b_ih, b_hh


def _states(initial, directions: int, layout: int) -> tuple:
    held = None if initial is None else known_array(initial)
    if initial is None or (held is not None and not np.any(held)):
        return ()
    axis = 1 if layout else 0
    return tuple(ops.Select(initial, axis, d) for d in range(directions))


def _masked(X, lengths, time_axis: int) -> Any:
    """Which steps count, or None where all do."""
    held = None if lengths is None else known_array(lengths)
    if lengths is None or (held is not None and all(n == shape_of(X)[time_axis] for n in numbers(held))):
        return None
    time, batch = shape_of(X)[time_axis], shape_of(X)[1 - time_axis]
    orders = [(time, 1), (1, batch)] if time_axis == 0 else [(1, time), (batch, 1)]
    steps = ops.Cast(ops.Arange(0, time, 1, "int64"), "int64")
    return ops.Less(ops.Reshape(steps, orders[0]), ops.Reshape(ops.Cast(lengths, "int64"), orders[1]))


def _usual(kind: str, clip, activations, directions: int) -> bool:
    """Whether a layer is one that frameworks have."""
    return not clip and (not activations or [a.lower() for a in activations] == USUAL[kind] * directions)


def _results(op, X, directions: int, hidden: int, layout: int, states: int) -> list:
    """Outputs and final states as ONNX arranges them: the directions in an axis of their own."""
    first, second = op.result_types()[0].shape[:2]
    if directions == 1:
        whole = with_axes(op, [2 if layout else 1])
    else:
        apart = reshaped(op, (first, second, directions, hidden))
        whole = apart if layout else moved(apart, 2, 1)
    found = [whole]
    for state in range(states):
        parts = tuple(Part(op, 1 + state + states * d) for d in range(directions))
        axis = 1 if layout else 0
        found.append(ops.Stack(parts, axis))
    return found


@onnx.reads("LSTM-1")
def lstm_1(
    X,
    W: Weight,
    R: Weight,
    B: Weight = None,
    sequence_lens=None,
    initial_h=None,
    initial_c=None,
    P: Weight = None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=None,
    clip=None,
    direction="forward",
    hidden_size=None,
    input_forget=0,
    layout=0,
    output_sequence=0,
):
    directions, hidden, time_axis = shape_of(W)[0], shape_of(R)[-1], 1 if layout else 0
    if P is not None and known_array(P) is not None and not np.any(known_array(P)):
        P = None
    if P is not None or input_forget or not _usual("LSTM", clip, activations, directions):
        return unrolled("LSTM", X, W, R, B, P, (initial_h, initial_c), _masked(X, sequence_lens, time_axis), locals())
    weights = _weights(W, R, B, (0, 2, 3, 1), hidden)
    h0, c0 = (_states(one, directions, layout) for one in (initial_h, initial_c))
    if bool(h0) != bool(c0):
        h0, c0 = (_some(one, X, directions, hidden, time_axis) for one in (h0, c0))
    op = ops.Lstm(X, h0, c0, *weights, _DIRECTIONS[direction], time_axis, _masked(X, sequence_lens, time_axis), False)
    return _results(op, X, directions, hidden, layout, 2)


def _some(states, X, directions, hidden, time_axis):
    from netglot.dialects.onnx.common import dtype

    if states:
        return states
    return tuple(ops.Full((shape_of(X)[1 - time_axis], hidden), 0.0, dtype(X)) for _ in range(directions))


@onnx.reads("GRU-1")
def gru(
    X,
    W: Weight,
    R: Weight,
    B: Weight = None,
    sequence_lens=None,
    initial_h=None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=None,
    clip=None,
    direction="forward",
    hidden_size=None,
    layout=0,
    linear_before_reset=0,
    output_sequence=0,
):
    directions, hidden, time_axis = shape_of(W)[0], shape_of(R)[-1], 1 if layout else 0
    if not _usual("GRU", clip, activations, directions):
        return unrolled("GRU", X, W, R, B, None, (initial_h,), _masked(X, sequence_lens, time_axis), locals())
    weights = _weights(W, R, B, (1, 0, 2), hidden)
    h0 = _states(initial_h, directions, layout)
    op = ops.Gru(
        X,
        h0,
        *weights,
        bool(linear_before_reset),
        _DIRECTIONS[direction],
        time_axis,
        _masked(X, sequence_lens, time_axis),
        False,
    )
    return _results(op, X, directions, hidden, layout, 1)


@onnx.reads("RNN-1")
def rnn(
    X,
    W: Weight,
    R: Weight,
    B: Weight = None,
    sequence_lens=None,
    initial_h=None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=("Tanh", "Tanh"),
    clip=None,
    direction="forward",
    hidden_size=None,
    layout=0,
    output_sequence=0,
):
    directions, hidden, time_axis = shape_of(W)[0], shape_of(R)[-1], 1 if layout else 0
    activations = activations[:directions]
    kinds = {a.lower() for a in activations}
    if clip or len(kinds) != 1 or not kinds <= {"tanh", "relu"}:
        return unrolled("RNN", X, W, R, B, None, (initial_h,), _masked(X, sequence_lens, time_axis), locals())
    weights = _weights(W, R, B, (0,), hidden)
    h0 = _states(initial_h, directions, layout)
    op = ops.Rnn(
        X, h0, *weights, kinds.pop(), _DIRECTIONS[direction], time_axis, _masked(X, sequence_lens, time_axis), False
    )
    return _results(op, X, directions, hidden, layout, 1)
