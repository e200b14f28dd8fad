"""PyTorch's recurrent layers. What they return is a nest: the outputs, then the final states of all directions."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.passes.channels_first import channels_of_steps
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import dtype_of, shape_of
from netglot.source.spell import Layer, Method, Unpacks, call, options, unless, unless_all


@torch.lowers(ops.Lstm, ops.Gru, ops.Rnn)
def backward(op):
    """A single backward layer reads the reversed sequence; one that skips steps has the batch in front."""
    if op.mask is not None and op.time_axis == 0:
        turned = op.replace(x=ops.Permute(op.x, (1, 0, 2)), mask=ops.Permute(op.mask, (1, 0)), time_axis=1)
        return (ops.Permute(Part(turned, 0), (1, 0, 2)), *_states(turned))
    if op.direction != "backward":
        return None
    axes = (op.time_axis,)
    mask = None if op.mask is None else ops.Flip(op.mask, axes=axes)
    forward = op.replace(x=ops.Flip(op.x, axes=axes), mask=mask, direction="forward")
    return (ops.Flip(Part(forward, 0), axes=axes), *_states(forward))


def _states(op) -> list[Part]:
    """The final states of a recurrence."""
    return [Part(op, index) for index in range(1, len(op.result_types()))]


def _state(held: tuple):
    """The initial states of all directions as PyTorch takes them: (directions, batch, hidden)."""
    return Method(held[0], "unsqueeze", (0,)) if len(held) == 1 else call("torch.stack", list(held))


def _weights(op) -> dict:
    weights = {}
    for number in range(len(op.w_ih)):
        suffix = ("", "_reverse")[number]
        weights[f"weight_ih_l0{suffix}"] = op.w_ih[number]
        weights[f"weight_hh_l0{suffix}"] = op.w_hh[number]
        if op.b_ih:
            weights[f"bias_ih_l0{suffix}"] = op.b_ih[number]
            weights[f"bias_hh_l0{suffix}"] = op.b_hh[number] if op.b_hh else _no_bias(op.b_ih[number])
    return weights


def _no_bias(bias) -> ops.Full:
    """The second bias, which PyTorch adds to the first, where the source has one."""
    return ops.Full(shape_of(bias), 0.0, dtype_of(bias))


def _layer(op, layer: str, states: tuple[str, ...], initial: tuple, helper: str | None = None, **given) -> Layer:
    directions, weights = len(op.w_ih), _weights(op)
    nest = ("out", states[0] if len(states) == 1 else states)
    places = [("out", None)] + [(state, number) for number in range(directions) for state in states]
    if op.mask is not None:
        layer = helper = "Masked" + layer.removeprefix("nn.")
    return Layer(
        layer,
        (op.x, *(() if op.mask is None else (op.mask,)), *initial),
        options(
            **given,
            bias=unless(bool(op.b_ih), True),
            batch_first=unless(op.time_axis == 1, False),
            bidirectional=unless(op.direction == "both", False),
        ),
        call_options={"held": True} if op.mask is not None and op.held else {},
        weights=weights,
        frozen=frozenset(key for key, tree in weights.items() if isinstance(tree, ops.Full)),
        arguments=(shape_of(op.w_ih[0])[1], shape_of(op.w_hh[0])[1]),
        unpacks=Unpacks(nest, tuple(places)),
        helper=helper,
    )


@torch.writes(ops.Lstm)
def lstm(op):
    initial = ((_state(op.h0), _state(op.c0)),) if op.h0 else ()
    return _layer(op, "nn.LSTM", ("h", "c"), initial)


@torch.writes(ops.Gru)
def gru(op):
    initial = (_state(op.h0),) if op.h0 else ()
    if op.reset_after:
        return _layer(op, "nn.GRU", ("h",), initial)
    return _layer(op, "ResetFirstGRU", ("h",), initial, helper="ResetFirstGRU")


@torch.writes(ops.Rnn)
def rnn(op):
    initial = (_state(op.h0),) if op.h0 else ()
    return _layer(op, "nn.RNN", ("h",), initial, nonlinearity=unless(op.activation, "tanh"))


torch.arranges(ops.ConvLstm)(channels_of_steps)


@torch.lowers(ops.ConvLstm)
def pad_images(op):
    """PyTorch pads alike before and after."""
    if all(before == after for before, after in op.padding):
        return None
    rank = len(shape_of(op.x))
    given = dict(zip((a for a in range(2, rank) if a != op.axis), op.padding, strict=True))
    before, after = (tuple(given.get(axis, (0, 0))[side] for axis in range(rank)) for side in (0, 1))
    padded = op.replace(x=ops.Pad(op.x, before, after, "constant", 0.0), padding=((0, 0),) * len(op.padding))
    return tuple(Part(padded, index) for index in range(3))


@torch.writes(ops.ConvLstm)
def conv_lstm(op):
    weights = {"input.weight": op.w_ih, "state.weight": op.w_hh}
    if op.bias is not None:
        weights["input.bias"] = op.bias
    return Layer(
        "ConvLSTM",
        (op.x, *(() if op.h0 is None else ((op.h0, op.c0),))),
        options(
            stride=unless_all(op.stride, 1),
            padding=unless_all([before for before, _ in op.padding], 0),
            dilation=unless_all(op.dilation, 1),
            bias=unless(op.bias is not None, True),
            activation=unless(op.activation, "tanh"),
            gate=unless(op.gate, "sigmoid"),
        ),
        weights=weights,
        arguments=(shape_of(op.w_ih)[1], shape_of(op.w_hh)[1], tuple(shape_of(op.w_ih)[2:])),
        unpacks=Unpacks(("out", ("h", "c")), (("out", None), ("h", None), ("c", None))),
        helper="ConvLSTM",
    )
