"""Keras's recurrent layers. Batch stands before time; the two biases of a gate are one, except in a GRU's."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.errors import notimpl
from netglot.passes.composed.control import scan
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of
from netglot.source.spell import Layer, call, unless


@keras.arranges(ops.Lstm, ops.Gru, ops.Rnn)
def batch_first(op):
    order = (1, 0, 2) if op.time_axis == 0 else (0, 1, 2)
    return {"x": order, "out": order, "mask": order[:2]}


@keras.lowers(ops.Lstm, ops.Gru, ops.Rnn)
def backward(op):
    """A single backward layer reads the reversed sequence. (Keras's `go_backwards` leaves its output reversed.)"""
    if op.direction != "backward":
        return None
    axes = (op.time_axis,)
    mask = None if op.mask is None else ops.Flip(op.mask, axes=axes)
    forward = op.replace(x=ops.Flip(op.x, axes=axes), mask=mask, direction="forward")
    count = len(op.result_types())
    return (ops.Flip(Part(forward, 0), axes=axes), *(Part(forward, index) for index in range(1, count)))


@keras.writes(ops.Lstm)
def lstm(op, used):
    states = [*zip(op.h0, op.c0, strict=True)]
    return _layer(op, used, "layers.LSTM", {}, [s for pair in states for s in pair], _summed_weights)


@keras.writes(ops.Gru)
def gru(op, used):
    return _layer(op, used, "layers.GRU", {"reset_after": unless(op.reset_after, True)}, list(op.h0), _gru_weights)


@keras.writes(ops.Rnn)
def rnn(op, used):
    return _layer(
        op, used, "layers.SimpleRNN", {"activation": unless(op.activation, "tanh")}, list(op.h0), _summed_weights
    )


def _layer(op, used, name: str, options: dict, initial: list, weights_of) -> Layer:
    both, count = op.direction == "both", len(op.result_types())
    sequences, states = True, bool(used - {0})
    produces = tuple(range(count)) if states else (0,)
    if not both and used == {1} and not (op.mask is not None and initial):  # the last output is the final hidden state
        sequences, states, produces = False, False, (1,)
    made = call(
        name,
        shape_of(op.w_hh[0])[1],
        **options,
        use_bias=unless(bool(op.b_ih), True),
        return_sequences=unless(sequences, False),
        return_state=unless(states, False),
        zero_output_for_mask=unless(op.mask is not None and sequences and not op.held and not both, False),
    )
    weights = {}
    for number in range(len(op.w_ih)):
        prefix = ("forward_layer.", "backward_layer.")[number] if both else ""
        weights |= {f"{prefix}cell.{key}": tree for key, tree in weights_of(op, number).items()}
    call_options = {"initial_state": initial if len(initial) > 1 else initial[0]} if initial else {}
    if op.mask is not None:
        call_options["mask"] = op.mask
    shared = {"weights": weights, "call_options": call_options, "produces": produces}
    if both:
        return Layer("layers.Bidirectional", (op.x,), arguments=(made,), **shared)
    return Layer(name, (op.x,), arguments=made.arguments, options=made.options, **shared)


def _summed_weights(op, number: int) -> dict:
    """LSTM has the gates in the same order, and a plain recurrence has none."""
    weights = {
        "kernel": ops.Permute(op.w_ih[number], axes=(1, 0)),
        "recurrent_kernel": ops.Permute(op.w_hh[number], axes=(1, 0)),
    }
    if op.b_ih or op.b_hh:
        weights["bias"] = _summed([one[number] for one in (op.b_ih, op.b_hh) if one])
    return weights


def _gru_weights(op, number: int) -> dict:
    weights = {
        "kernel": ops.Permute(_update_first(op.w_ih[number]), axes=(1, 0)),
        "recurrent_kernel": ops.Permute(_update_first(op.w_hh[number]), axes=(1, 0)),
    }
    biases = [_update_first(one[number]) for one in (op.b_ih, op.b_hh) if one]
    if biases and op.reset_after:
        weights["bias"] = ops.Stack(tuple(biases), axis=0)
    elif biases:
        weights["bias"] = _summed(biases)
    return weights


def _summed(biases: list):
    """The two biases of a gate as one; a source with one bias has one."""
    return ops.Add(*biases) if len(biases) == 2 else biases[0]


def _update_first(rows):
    """The gates reset, update, new in Keras's order: update, reset, new."""
    hidden = shape_of(rows)[0] // 3
    reset, update, new = (
        ops.Slice(rows, axis=0, start=gate * hidden, stop=(gate + 1) * hidden, step=1) for gate in range(3)
    )
    return ops.Concat((update, reset, new), axis=0)


for _kind in (ops.Recall, ops.Remember):
    keras.refuses(_kind, notimpl("a state that each call changes", "return the states and give them to the next call"))


@keras.lowers(ops.Scan)
def loop(op):
    """A loop is written out: Keras's own takes its body as a class of cells, which would have to hold the weights."""
    return scan(op)
