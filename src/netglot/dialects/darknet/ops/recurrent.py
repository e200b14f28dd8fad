"""Recurrent sections. A sequence is (time, batch, features) and begins with zeros at each call.

Each gate is two connected layers, of the input and of the state. A batch norm within them is an affine map when the
network is used, and is folded into their weights.
"""

from __future__ import annotations

import numpy as np

from netglot.dialects.darknet.activations import activated
from netglot.dialects.darknet.dialect import darknet
from netglot.dialects.darknet.layer import EPSILON
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import TensorType, shape_of


class Gate:
    """The weights of one connected layer, a batch norm folded in."""

    def __init__(self, layer, role: str, features: int, out: int):
        self.shape = (out, features)
        self.bias = layer.take(f"{role}.bias", (out,))
        self.weight = layer.take(f"{role}.weight", (features, out) if layer.transposed else (out, features))
        if self.weight is not None and layer.transposed:
            self.weight = self.weight.T
        if layer.section.integer("batch_normalize", 0):
            scale, mean, variance = (layer.take(f"{role}.{part}", (out,)) for part in ("scale", "mean", "var"))
            if scale is not None:
                with np.errstate(invalid="ignore", over="ignore"):
                    factor = scale.astype("float64") / np.sqrt(variance.astype("float64") + EPSILON)
                    self.bias = self.bias - mean * factor
                    self.weight = self.weight * factor[:, None]


def _joined(layer, role: str, gates: list[Gate], part: str):
    """The weights or biases of several gates, one below the other."""
    rows = sum(gate.shape[0] for gate in gates)
    shape = (rows, gates[0].shape[1]) if part == "weight" else (rows,)
    if getattr(gates[0], part) is None:
        return layer.assembly.made_up(f"{layer.path}.{role}", shape)
    held = [getattr(gate, part) for gate in gates]
    return layer.assembly.parameter(
        f"{layer.path}.{role}", lambda: np.concatenate(held).astype("float32"), TensorType("float32", shape)
    )


def _start(layer, x):
    """The hidden size and the number of features."""
    shape = shape_of(x)
    out = layer.section.integer("output", 1)
    if len(shape) != 3 or not isinstance(shape[2], int) or out < 1 or out > 2**20:
        raise InputError(f"[{layer.section.type}] in line {layer.section.line} wants a sequence, not {list(shape)}")
    if layer.section.integer("batch_normalize", 0):
        note = "batch norms within recurrent layers are folded into their weights"
        if note not in layer.assembly.notes:
            layer.assembly.notes.append(note)
    return out, shape[2]


@darknet.reads("lstm")
def lstm(layer, x):
    out, features = _start(layer, x)
    order = ("i", "f", "o", "g")
    state = dict(zip(order, [Gate(layer, f"w{one}", out, out) for one in order], strict=True))
    given = dict(zip(order, [Gate(layer, f"u{one}", features, out) for one in order], strict=True))
    sides = [[side[one] for one in ("i", "f", "g", "o")] for side in (given, state)]
    names = (("weight_ih", "bias_ih"), ("weight_hh", "bias_hh"))
    (w_x, b_x), (w_h, b_h) = (
        tuple(_joined(layer, name, gates, name.partition("_")[0]) for name in pair)
        for pair, gates in zip(names, sides, strict=True)
    )
    return Part(ops.Lstm(x, (), (), (w_x,), (w_h,), (b_x,), (b_h,), "forward", 0, None, False), 0)


@darknet.reads("gru")
def gru(layer, x):
    out, features = _start(layer, x)
    state = [Gate(layer, f"w{one}", out, out) for one in "zrh"]
    given = [Gate(layer, f"u{one}", features, out) for one in "zrh"]
    sides = []
    for name, gates in (("ih", given), ("hh", state)):
        z, r, h = gates
        sides.append([_joined(layer, f"{part}_{name}", [r, z, h], part) for part in ("weight", "bias")])
    (w_x, b_x), (w_h, b_h) = sides
    if layer.section.integer("tanh", 0):
        return Part(ops.Gru(x, (), (w_x,), (w_h,), (b_x,), (b_h,), False, "forward", 0, None, False), 0)
    return _unrolled(layer, x, out, lambda step, h: _logistic_gru(step, h, w_x, w_h, b_x, b_h, out))


def _logistic_gru(x, h, w_x, w_h, b_x, b_h, out: int):
    """One step of a gated unit whose new state is logistic, which is what Darknet does unless told otherwise."""
    rows = 2 * out
    gates = ops.Split(ops.Linear(x, w_x, b_x), (out,) * 3, 1)
    xr, xz, xn = (Part(gates, i) for i in range(3))
    cut = [ops.Slice(one, 0, a, b, 1) for one in (w_h, b_h) for a, b in ((0, rows), (rows, 3 * out))]
    both = ops.Split(ops.Linear(h, cut[0], cut[2]), (out,) * 2, 1)
    r, z = ops.Sigmoid(ops.Add(xr, Part(both, 0))), ops.Sigmoid(ops.Add(xz, Part(both, 1)))
    n = ops.Sigmoid(ops.Add(xn, ops.Linear(ops.Multiply(r, h), cut[1], cut[3])))
    return ops.Add(ops.Multiply(z, h), ops.Multiply(ops.Subtract(1.0, z), n))


def _unrolled(layer, x, out: int, step):
    """The states of all steps, written one after the other."""
    count, batch = shape_of(x)[:2]
    if not isinstance(count, int) or count > 1024:
        raise Refusal(notimpl(f"a recurrence of {count} steps that is no LSTM and no GRU"))
    build = layer.assembly.build
    h = build(ops.Full((batch, out), 0.0, "float32"))
    states = []
    for place in range(count):
        h = build(step(ops.Select(x, 0, place), h))
        states.append(h)
    return ops.Stack(tuple(states), 0)


@darknet.reads("rnn")
def rnn(layer, x):
    out, features = _start(layer, x)
    options = layer.section
    hidden = options.integer("hidden", out)
    kind = options.text("activation", "logistic")
    if options.integer("logistic", 0) or hidden < 1 or hidden > 2**20:
        raise Refusal(notimpl("a recurrent layer with logistic outputs"))
    gates = [
        Gate(layer, role, a, b)
        for role, a, b in (("input", features, hidden), ("self", hidden, hidden), ("output", hidden, out))
    ]
    parts = [
        [_joined(layer, f"{role}.{part}", [gate], part) for part in ("weight", "bias")]
        for role, gate in zip(("input", "self", "output"), gates, strict=True)
    ]
    keep = options.integer("shortcut", 0)

    def step(now, h):
        fresh = ops.Add(activated(ops.Linear(now, *parts[0]), kind), activated(ops.Linear(h, *parts[1]), kind))
        return ops.Add(h, fresh) if keep else fresh

    states = layer.assembly.build(_unrolled(layer, x, hidden, step))
    return activated(ops.Linear(states, *parts[2]), kind)
