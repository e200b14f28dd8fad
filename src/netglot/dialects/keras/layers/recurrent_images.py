"""Recurrent layers over images."""

from __future__ import annotations

from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.windows import channel_axis_of, each, paddings
from netglot.dialects.keras.layers.recurrent import check_cell, recalled, remembered, returned, states_of
from netglot.dialects.keras.layers.stepping import stepped
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import TensorType, shape_of, type_of

_CURVES = {"tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "hard_sigmoid": "hardsigmoid"}


def _is_plain(cell: Any) -> bool:
    """Whether a cell has activations that a layer of the pivot has."""
    return all(one.__name__ in _CURVES for one in (cell.activation, cell.recurrent_activation))


@keras.reads("layers.ConvLSTM1D", "layers.ConvLSTM2D", "layers.ConvLSTM3D")
def conv_lstm(layer, sequences, initial_state=None, mask=None, training=None):
    check_cell(layer)
    initial_state = recalled(layer, initial_state)
    if mask is not None or not _is_plain(layer.live.cell):
        out, last, final = stepped(layer, sequences, initial_state, mask)
        return returned(layer.live, *remembered(layer, out if layer.live.return_sequences else last, final))
    live, cell = layer.live, layer.view(layer.live.cell)
    if getattr(live.cell, "dropout", 0):
        layer.note(f"{layer.path} drops a part of its input in training, which is left out")
    count = live.cell.rank
    batch, _, *rest = shape_of(sequences)
    step = TensorType(type_of(sequences).dtype, (batch, *rest))
    channel = channel_axis_of(count + 2, live.cell.data_format)
    axes = tuple(axis for axis in range(1, count + 2) if axis != channel)
    size, stride, dilation = (
        each(one, count) for one in (live.cell.kernel_size, live.cell.strides, live.cell.dilation_rate)
    )
    order = (count + 1, count, *range(count))
    h0, c0 = states_of(initial_state) or (None, None)
    x = ops.Flip(sequences, (1,)) if live.go_backwards else sequences
    run = ops.ConvLstm(
        x,
        h0,
        c0,
        ops.Permute(cell.kernel, order),
        ops.Permute(cell.recurrent_kernel, order),
        cell.bias if live.cell.use_bias else None,
        stride,
        paddings(step, axes, size, stride, dilation, live.cell.padding),
        dilation,
        _CURVES[live.cell.activation.__name__],
        _CURVES[live.cell.recurrent_activation.__name__],
        channel + 1,
    )
    out = Part(run, 0 if live.return_sequences else 1)
    return returned(live, *remembered(layer, out, [Part(run, 1), Part(run, 2)]))
