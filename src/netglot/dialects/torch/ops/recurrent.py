"""ATen's stacked recurrent layers, unstacked, and its cells, written out.

The capture may keep a recurrent layer in one piece as `netglot.lstm` and the like, which have ATen's own arguments.
"""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.errors import Refusal, notimpl
from netglot.passes.composed.recurrent import steps
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import dtype_of, shape_of

PACKED = notimpl(
    "packed sequences of different lengths",
    "pass the padded batch itself and select each sequence's last step outside the recurrent layer",
)
for _name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
    torch.refuses_reading(f"aten.{_name}.data", PACKED)
torch.refuses_reading("aten._pack_padded_sequence.default", PACKED)
torch.refuses_reading("aten._pad_packed_sequence.default", PACKED)


def stacked(layer, x, initial, params, has_biases, num_layers, dropout, bidirectional, batch_first):
    """The layers one after the other: the outputs, then the final states of all layers and directions, stacked.

    `layer` makes the op of one layer from its operands; `initial` holds the stacked initial states.
    """
    directions, each = 2 if bidirectional else 1, 4 if has_biases else 2
    each += len(params) // (num_layers * directions) - each  # one more where states are projected
    finals: list[list] = [[] for _ in initial]
    for number in range(num_layers):
        own = params[number * directions * each : (number + 1) * directions * each]
        w_ih, w_hh = tuple(own[0::each]), tuple(own[1::each])
        b_ih, b_hh = (tuple(own[2::each]), tuple(own[3::each])) if has_biases else ((), ())
        places = range(number * directions, (number + 1) * directions)
        states = [tuple(ops.Select(held, axis=0, index=place) for place in places) for held in initial]
        weights = {"w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh}
        if each % 2:
            weights["w_hr"] = tuple(own[each - 1 :: each])
        made = layer(
            x, states, weights, direction="both" if bidirectional else "forward", time_axis=1 if batch_first else 0
        )
        for direction in range(directions):
            for kind, held in enumerate(finals):
                held.append(_part(made, 1 + direction * len(initial) + kind))
        x = _part(made, 0)
        if dropout and number < num_layers - 1:
            x = ops.Dropout(x, rate=float(dropout), noise_axes=(0, 1, 2))
    return (x, *(ops.Stack(tuple(held), axis=0) for held in finals))


def _part(made, index: int):
    """One result of a layer, which is an op or, where it is written out, the results themselves."""
    return made[index] if isinstance(made, tuple) else Part(made, index)


def _projected(x, states, weights, *, direction, time_axis):
    """An LSTM whose output is projected before it goes on (`proj_size`), which no other framework has: step by step."""
    cells = []
    for number in range(2 if direction == "both" else 1):
        w_ih, w_hh, w_hr = (weights[name][number] for name in ("w_ih", "w_hh", "w_hr"))
        b_ih, b_hh = (weights[name][number] if weights[name] else None for name in ("b_ih", "b_hh"))

        def cell(seen, state, w_hh=w_hh, w_hr=w_hr, b_hh=b_hh):
            h, c = _lstm_step(ops.Add(seen, ops.Linear(state[0], w_hh, b_hh)), state[1])
            return [ops.Linear(h, w_hr, None), c]

        cells.append((lambda whole, w_ih=w_ih, b_ih=b_ih: ops.Linear(whole, w_ih, b_ih), cell))
    starts = [list(pair) for pair in zip(*states, strict=True)]
    return steps(x, cells, starts, time_axis, (False, True)[: len(cells)])


@torch.reads("netglot.packed_lstm.default")
def masked_lstm(input, mask, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
    """A layer over a padded batch of which the steps count that a mask keeps, all where there is none."""

    def layer(x, states, weights, **options):
        if "w_hr" in weights:
            if mask is not None:
                raise Refusal(PACKED)
            return _projected(x, states, weights, **options)
        return ops.Lstm(x, *states, **weights, **options, mask=mask, held=False)

    return stacked(layer, input, hx, params, has_biases, num_layers, dropout, bidirectional, batch_first)


@torch.reads("netglot.packed_gru.default")
def masked_gru(input, mask, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
    def layer(x, states, weights, **options):
        return ops.Gru(x, *states, **weights, reset_after=True, **options, mask=mask, held=False)

    return stacked(layer, input, [hx], params, has_biases, num_layers, dropout, bidirectional, batch_first)


def _masked_rnn(activation: str):
    def rnn(input, mask, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
        def layer(x, states, weights, **options):
            return ops.Rnn(x, *states, **weights, activation=activation, **options, mask=mask, held=False)

        return stacked(layer, input, [hx], params, has_biases, num_layers, dropout, bidirectional, batch_first)

    return torch.reads(f"netglot.packed_rnn_{activation}.default")(rnn)


def _whole(read):
    """The layer of which all steps count."""

    def whole(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first):
        return read(input, None, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)

    return whole


for _name, _read in {
    "lstm": masked_lstm, "gru": masked_gru, "rnn_tanh": _masked_rnn("tanh"), "rnn_relu": _masked_rnn("relu"),
}.items():  # fmt: skip
    torch.reads(f"aten.{_name}.input", f"netglot.{_name}.default")(_whole(_read))


# --- cells


def _sum(x, h, w_ih, w_hh, b_ih, b_hh):
    return ops.Add(ops.Linear(x, w_ih, b_ih), ops.Linear(h, w_hh, b_hh))


def _gates(x, count: int):
    """`x` cut into `count` equal parts along its last axis."""
    size = shape_of(x)[-1] // count
    split = ops.Split(x, sizes=(size,) * count, axis=len(shape_of(x)) - 1)
    return [Part(split, index) for index in range(count)]


@torch.reads("aten.lstm_cell.default")
def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    return _lstm_step(_sum(input, hx[0], w_ih, w_hh, b_ih, b_hh), hx[1])


def _lstm_step(gates, before):
    """The output and the cell state after one step, from the sum of both products."""
    i, f, g, o = _gates(gates, 4)
    c = ops.Add(ops.Multiply(ops.Sigmoid(f), before), ops.Multiply(ops.Sigmoid(i), ops.Tanh(g)))
    return ops.Multiply(ops.Sigmoid(o), ops.Tanh(c)), c


@torch.reads("aten.gru_cell.default")
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    xr, xz, xn = _gates(ops.Linear(input, w_ih, b_ih), 3)
    hr, hz, hn = _gates(ops.Linear(hx, w_hh, b_hh), 3)
    r, z = ops.Sigmoid(ops.Add(xr, hr)), ops.Sigmoid(ops.Add(xz, hz))
    n = ops.Tanh(ops.Add(xn, ops.Multiply(r, hn)))
    return ops.Add(ops.Multiply(ops.Subtract(1.0, z), n), ops.Multiply(z, hx))


@torch.reads("aten.rnn_tanh_cell.default")
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    return ops.Tanh(_sum(input, hx, w_ih, w_hh, b_ih, b_hh))


@torch.reads("aten.rnn_relu_cell.default")
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    return ops.Relu(_sum(input, hx, w_ih, w_hh, b_ih, b_hh))


@torch.reads("netglot.own_lstm.default", "netglot.own_recurrence.default")
def own(kind, x, mask, states, params, has_biases, bidirectional, batch_first, held, nonlinearity):
    """A recurrent layer that skips steps, or whose reset gate comes first, as netglot writes it."""

    def layer(x, held_states, weights, **options):
        options |= weights | {"mask": mask, "held": held}
        initial = held_states if states else [()] * len(held_states)
        if kind == "MaskedLSTM":
            return ops.Lstm(x, *initial, **options)
        if kind == "MaskedRNN":
            return ops.Rnn(x, *initial, activation=nonlinearity, **options)
        return ops.Gru(x, *initial, reset_after=kind == "MaskedGRU", **options)

    count, directions = 2 if kind == "MaskedLSTM" else 1, 2 if bidirectional else 1
    batch, hidden = shape_of(x)[0 if batch_first else 1], shape_of(params[1])[1]
    initial = list(states) or [ops.Full((directions, batch, hidden), 0.0, dtype_of(x))] * count
    return stacked(layer, x, initial, params, has_biases, 1, 0.0, bidirectional, batch_first)
