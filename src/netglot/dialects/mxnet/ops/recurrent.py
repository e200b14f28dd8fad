"""Recurrent layers of several levels in one operator, with all weights in one vector. Time comes first."""

from __future__ import annotations

from netglot.dialects.lengths import within
from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.work import Missing
from netglot.errors import InputError, Refusal, WeightsError, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Parameter, Part
from netglot.pivot.op import shape_of

_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


class Packed:
    """A vector of weights as the weights that it was made of, in order."""

    def __init__(self, parts: list):
        self.parts = parts


@mxnet.reads("_rnn_param_concat")
def rnn_param_concat(work, *parts):
    """The weights behind the flattened ones."""
    producers = {value: node for node in work.assembly.nodes for value in node.results}
    found = []
    for part in parts:
        node = producers.get(part)
        whole = node.op.x if node is not None and isinstance(node.op, ops.Reshape) else part
        found.append(whole)
    return Packed(found)


@mxnet.reads("RNN")
def rnn(work, x, parameters, state=None, cell=None, *rest):
    node = work.node
    mode, hidden, layers = node.text("mode"), node.integer("state_size"), node.integer("num_layers")
    both = node.flag("bidirectional")
    if node.flag("use_sequence_length"):
        *rest, lengths = [one for one in (cell, *rest) if one is not None] or [None]
        cell, rest = (rest[0], rest[1:]) if rest else (None, [])
    else:
        lengths = None
    if mode not in _GATES or rest or node.value("projection_size") is not None or not 0 < layers <= 64:
        raise Refusal(notimpl(f"a recurrent operator of the mode {mode} with projections"))
    if node.value("lstm_state_clip_min") is not None or node.value("lstm_state_clip_max") is not None:
        raise Refusal(notimpl("a recurrent operator that clips its state"))
    if len(shape_of(x)) != 3 or not isinstance(shape_of(x)[2], int):
        raise InputError(f"{node.name}: a sequence of shape {list(shape_of(x))}")
    sides = 2 if both else 1
    for held in (state, cell):
        if held is not None and not isinstance(held, Missing) and shape_of(held)[0] != layers * sides:
            raise Refusal(notimpl(f"{shape_of(held)[0]} states where {layers} layers have {layers * sides}"))
    mask = None
    if lengths is not None:
        work.assembly.notes.append(f"{node.name}: sequences end as long as they are; MXNet sees to it on GPUs only")
        mask = ops.Reshape(within(x, work.tensor(lengths), 0, 1), shape_of(x)[:2])
    weights = _weights(work, parameters, mode, hidden, layers, sides, shape_of(x)[2])
    rate = node.number("p", 0.0)
    finals: list[list] = [[], []]
    for level in range(layers):
        starts = [_starts(held, level, sides) for held in (state, cell)]
        op = _layer(mode, x, weights[level], starts, "both" if both else "forward", mask)
        x = Part(op, 0)
        held = 2 if mode == "lstm" else 1
        for side in range(sides):
            for kind in range(held):
                finals[kind].append(Part(op, 1 + side * held + kind))
        if rate and level < layers - 1:
            x = ops.Dropout(x, rate, (0, 1, 2))
    if not node.flag("state_outputs"):
        return x
    return [x, *(ops.Stack(tuple(one), 0) for one in finals if one)]


def _layer(mode: str, x, weights, starts, direction: str, mask):
    w_ih, w_hh, b_ih, b_hh = weights
    if mode == "lstm":
        return ops.Lstm(x, starts[0], starts[1], w_ih, w_hh, b_ih, b_hh, direction, 0, mask, False)
    if mode == "gru":
        return ops.Gru(x, starts[0], w_ih, w_hh, b_ih, b_hh, True, direction, 0, mask, False)
    return ops.Rnn(x, starts[0], w_ih, w_hh, b_ih, b_hh, mode.partition("_")[2], direction, 0, mask, False)


def _starts(state, level: int, sides: int) -> tuple:
    """The initial states of one level; none where they are zeros."""
    if state is None or isinstance(state, Missing):
        return ()
    return tuple(ops.Select(state, 0, level * sides + side) for side in range(sides))


def _weights(work, parameters, mode: str, hidden: int, layers: int, sides: int, features: int) -> list[tuple]:
    """For each level the weights of input and state and both biases, a tuple with one entry a direction each."""
    rows = _GATES[mode] * hidden
    shapes = []
    for level in range(layers):
        inside = features if level == 0 else hidden * sides
        shapes += [(rows, inside), (rows, hidden)] * sides
    shapes += [(rows,)] * (2 * sides * layers)
    if isinstance(parameters, Packed):
        parts = parameters.parts
        if [tuple(shape_of(one)) for one in parts] != shapes:
            raise WeightsError(f"{work.node.name}: {len(parts)} weights, not those of {layers} layers")
    else:
        parts = _cut(work, parameters, shapes)
    matrices, biases = parts[: 2 * sides * layers], parts[2 * sides * layers :]
    found = []
    for level in range(layers):
        at = slice(2 * sides * level, 2 * sides * (level + 1))
        found.append(
            (tuple(matrices[at][::2]), tuple(matrices[at][1::2]), tuple(biases[at][::2]), tuple(biases[at][1::2]))
        )
    return found


def _cut(work, vector, shapes: list[tuple]) -> list:
    """The vector of all weights in pieces."""
    total = sum(product(shape) for shape in shapes)
    vector = work.weight(vector, "weight", (total,))
    pieces, start = [], 0
    for number, shape in enumerate(shapes):
        stop = start + product(shape)
        if isinstance(vector, Parameter):
            role = f"{'weight' if len(shape) == 2 else 'bias'}_{number}"
            load, a, b = vector.load, start, stop
            pieces.append(
                work.assembly.parameter(
                    f"{work.path}.{role}",
                    lambda load=load, a=a, b=b, shape=shape: load()[a:b].reshape(shape),
                    vector.type.__class__(vector.dtype, shape),
                )
            )
        else:
            pieces.append(ops.Reshape(ops.Slice(vector, 0, start, stop, 1), shape))
        start = stop
    return pieces
