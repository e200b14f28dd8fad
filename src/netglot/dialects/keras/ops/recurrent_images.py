"""Recurrences over images: Keras's ConvLSTM layers, with the channels last."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.windows import is_same
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of
from netglot.source.spell import Layer, compact, options, unless, unless_all


@keras.arranges(ops.ConvLstm)
def channels_last(op):
    def order(rank: int, channel: int) -> tuple[int, ...]:
        return (*(axis for axis in range(rank) if axis != channel), channel)

    rank = len(shape_of(op.x))
    state = order(rank - 1, op.axis - 1)
    return dict.fromkeys(("x", "out"), order(rank, op.axis)) | dict.fromkeys(("h0", "c0", "h", "c"), state)


@keras.lowers(ops.ConvLstm)
def padded_first(op):
    """Padding that Keras has no word for comes first."""
    if _word(op) is not None:
        return None
    rank = len(shape_of(op.x))
    given = dict(zip((a for a in range(2, rank) if a != op.axis), op.padding, strict=True))
    before, after = (tuple(given.get(axis, (0, 0))[side] for axis in range(rank)) for side in (0, 1))
    x = ops.Pad(op.x, before, after, "constant", 0.0)
    padded = op.replace(x=x, padding=((0, 0),) * len(op.padding))
    return tuple(Part(padded, index) for index in range(3))


def _word(op) -> str | None:
    if all(pair == (0, 0) for pair in op.padding):
        return "valid"
    return "same" if is_same(shape_of(op.w_ih)[2:], op.stride, op.dilation, op.padding) else None


@keras.writes(ops.ConvLstm)
def conv_lstm(op, used):
    count, states = len(op.stride), used != {0} and used != {1}
    order = (*range(2, count + 2), 1, 0)
    weights = {"cell.kernel": ops.Permute(op.w_ih, order), "cell.recurrent_kernel": ops.Permute(op.w_hh, order)}
    if op.bias is not None:
        weights["cell.bias"] = op.bias
    curves = {"hardsigmoid": "hard_sigmoid"}
    given = options(
        strides=unless_all(op.stride, 1),
        padding=unless(_word(op), "valid"),
        dilation_rate=unless_all(op.dilation, 1),
        activation=unless(curves.get(op.activation, op.activation), "tanh"),
        recurrent_activation=unless(curves.get(op.gate, op.gate), "sigmoid"),
        use_bias=unless(op.bias is not None, True),
        return_sequences=unless(states or used == {0}, False),
        return_state=unless(states, False),
    )
    return Layer(
        f"layers.ConvLSTM{count}D",
        (op.x,),
        given,
        weights=weights,
        arguments=(shape_of(op.w_hh)[1], compact(shape_of(op.w_ih)[2:])),
        call_options={} if op.h0 is None else {"initial_state": [op.h0, op.c0]},
        produces=(0, 1, 2) if states else tuple(used),
    )
