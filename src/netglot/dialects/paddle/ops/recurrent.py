"""Recurrent layers of several levels in one operator. Its weights come as all matrices, then all biases."""

from __future__ import annotations

from netglot.dialects.paddle.dialect import paddle
from netglot.errors import InputError, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of, type_of

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


@paddle.reads("rnn")
def rnn(node, x, states, weights, lengths=None, dropout_state=None):
    """Time comes first. Gates stand in the pivot's own order, and the reset gate acts behind its product."""
    mode, levels, hidden = node.text("mode"), node.integer("num_layers", 1), node.integer("hidden_size")
    sides = 2 if node.flag("is_bidirec") else 1
    if mode not in _GATES or not 0 < levels <= 64:
        raise InputError(f"rnn: {levels} levels of the kind {mode!r}")
    shape = shape_of(x)
    if len(shape) != 3 or not isinstance(shape[2], int):
        raise InputError(f"rnn: a sequence of shape {list(shape)}")
    held = _weights(node, weights, mode, hidden, levels, sides, shape[2])
    states = states if isinstance(states, list) else [states]
    if len(states) != (2 if mode == "LSTM" else 1):
        raise InputError(f"rnn: {len(states)} states of the kind {mode}")
    mask = None
    if lengths is not None:  # behind its end a sequence has no steps: its state stays, and its outputs are zeros
        steps = ops.Reshape(ops.Arange(0, shape[0], 1, type_of(lengths).dtype), (shape[0], 1))
        mask = ops.Less(steps, ops.Reshape(lengths, (1, shape[1])))
    finals: list[list] = [[], []]
    for level in range(levels):
        starts = [tuple(ops.Select(one, 0, level * sides + side) for side in range(sides)) for one in states]
        op = _layer(mode, x, held[level], starts, "both" if sides == 2 else "forward", mask)
        x = Part(op, 0)
        for number in range(sides * len(states)):
            finals[number % len(states)].append(Part(op, 1 + number))
        rate = node.number("dropout_prob")
        if rate and level < levels - 1:
            x = ops.Dropout(x, rate, (0, 1, 2))
    return [x, None, [ops.Stack(tuple(one), 0) for one in finals[: len(states)]], None]


def _layer(mode: str, x, weights, starts, direction: str, mask):
    if mode == "LSTM":
        return ops.Lstm(x, starts[0], starts[1], *weights, direction, 0, mask, False)
    if mode == "GRU":
        return ops.Gru(x, starts[0], *weights, True, direction, 0, mask, False)
    return ops.Rnn(x, starts[0], *weights, mode.partition("_")[2].lower(), direction, 0, mask, False)


def _weights(node, given, mode: str, hidden: int, levels: int, sides: int, features: int) -> list[tuple]:
    """For each level the weights of input and state and both biases, each a tuple with one entry a direction."""
    rows, count = _GATES[mode] * hidden, 2 * sides * levels
    if not isinstance(given, list) or len(given) not in (count, 2 * count):
        raise InputError(f"rnn: {len(given) if isinstance(given, list) else 1} weights of {levels} levels")
    found = []
    for level in range(levels):
        inside = features if level == 0 else hidden * sides
        suffix = [f"_l{level}" + ("_reverse" if side else "") for side in range(sides)]
        at = 2 * sides * level

        def taken(start: int, role: str, shape: tuple, at: int = at, suffix: list = suffix) -> tuple:
            if start + at >= len(given):
                return ()
            return tuple(node.weight(given[start + at + 2 * side], role + suffix[side], shape) for side in range(sides))

        found.append(
            (
                taken(0, "weight_ih", (rows, inside)),
                taken(1, "weight_hh", (rows, hidden)),
                taken(count, "bias_ih", (rows,)),
                taken(count + 1, "bias_hh", (rows,)),
            )
        )
    return found


for _name in ("lstm", "gru", "lstmp", "gru_unit", "lstm_unit", "cudnn_lstm", "attention_lstm", "sequence_conv",
              "sequence_pool", "sequence_expand", "sequence_softmax"):  # fmt: skip
    paddle.refuses_reading(_name, notimpl("sequences that are packed by their lengths", "use paddle.nn.LSTM or GRU"))
