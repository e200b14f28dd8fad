"""Recurrent layers with options that no framework's layer has, step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netglot.dialects.onnx.common import dtype, with_axes
from netglot.dialects.onnx.known import Stored
from netglot.errors import Refusal, notimpl
from netglot.passes.composed.recurrent import steps
from netglot.pivot import ops
from netglot.pivot.graph import Parameter, Part
from netglot.pivot.op import TensorType, shape_of

_PLAIN: dict[str, Callable] = {
    "relu": ops.Relu,
    "tanh": ops.Tanh,
    "sigmoid": ops.Sigmoid,
    "softsign": ops.Softsign,
    "softplus": lambda x: ops.Softplus(x, 1.0, 20.0),
}
_CURVED: dict[str, tuple[Callable, float, float | None]] = {
    "affine": (lambda x, a, b: ops.Add(ops.Multiply(x, a), b), 1.0, 0.0),
    "leakyrelu": (lambda x, a, _: ops.LeakyRelu(x, a), 0.01, None),
    "thresholdedrelu": (lambda x, a, _: ops.Threshold(x, a, 0.0), 1.0, None),
    "scaledtanh": (lambda x, a, b: ops.Multiply(ops.Tanh(ops.Multiply(x, b)), a), 1.0, 1.0),
    "hardsigmoid": (lambda x, a, b: ops.Clip(ops.Add(ops.Multiply(x, a), b), 0.0, 1.0), 0.2, 0.5),
    "elu": (lambda x, a, _: ops.Elu(x, a), 1.0, None),
}
"""Activations with numbers: how they are written, and the numbers where the model gives none."""


def curves(activations, alphas, betas) -> list[Callable]:
    """The functions of a recurrent layer; the numbers go to those that take one, in order."""
    alphas, betas, found = iter(alphas or ()), iter(betas or ()), []
    for name in activations:
        name = name.lower()
        if name in _PLAIN:
            found.append(_PLAIN[name])
        elif name in _CURVED:
            write, alpha, beta = _CURVED[name]
            alpha = next(alphas, alpha)
            beta = beta if beta is None else next(betas, beta)
            found.append(lambda x, write=write, alpha=alpha, beta=beta: write(x, alpha, beta))
        else:
            raise Refusal(notimpl(f"a recurrent layer with the activation {name}"))
    return found


def unrolled(kind: str, X, W, R, B, P, initial, mask, options: dict):
    """The results of LSTM, GRU or RNN as ONNX arranges them.

    Args:
        kind: the operator.
        initial: the initial states, each with an axis of directions, or None.
        options: the attributes of the node.
    """
    layout, clip = options["layout"], options["clip"]
    directions, hidden, time_axis = shape_of(W)[0], shape_of(R)[-1], 1 if layout else 0
    names = options["activations"] or USUAL[kind] * directions
    functions = curves(names, options["activation_alpha"], options["activation_beta"])
    each = len(functions) // directions
    state = (shape_of(X)[1 - time_axis], hidden)
    zeros = ops.Full(state, 0.0, dtype(X))
    cells, states = [], []
    for d in range(directions):
        held = [_Weight(one, d, directions) for one in (W, R, B, P)]
        cells.append(_cell(kind, *held, functions[each * d : each * (d + 1)], clip, options, hidden))
        states.append([zeros if one is None else ops.Select(one, 1 if layout else 0, d) for one in initial])
    backward = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}[options["direction"]]
    whole, *finals = steps(X, cells, states, time_axis, backward, mask)
    count = len(initial)
    ends = [ops.Stack(tuple(finals[i::count]), 1 if layout else 0) for i in range(count)]
    return [_directions_apart(whole, directions, layout), *ends]


USUAL = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"], "RNN": ["tanh"]}


def _directions_apart(whole, directions: int, layout: int):
    if directions == 1:
        return with_axes(whole, [2 if layout else 1])
    first, second, features = shape_of(whole)
    apart = ops.Reshape(whole, (first, second, directions, features // directions))
    return apart if layout else ops.Permute(apart, (0, 2, 1, 3))


class _Weight:
    """The weight of one direction, of which layers take rows; what the file holds becomes a weight for each of them."""

    def __init__(self, whole, direction: int, directions: int):
        self.whole, self.direction = whole, direction
        self.suffix = "" if directions == 1 else ("_forward", "_backward")[direction]
        self._made: dict = {}

    def rows(self, start: int, stop: int, role: str = ""):
        """Some rows; None where there is no such weight."""
        if self.whole is None:
            return None
        if (start, stop) not in self._made:
            self._made[start, stop] = self._taken(start, stop, role)
        return self._made[start, stop]

    def _taken(self, start: int, stop: int, role: str):
        one, direction = self.whole, self.direction
        if not isinstance(one, Parameter) or one.kind != "parameter":
            return ops.Slice(ops.Select(one, 0, direction), 0, start, stop, 1)
        kind = TensorType(one.type.dtype, (stop - start, *one.type.shape[2:]))
        return Stored(
            f"{one.name}{self.suffix}{role}", kind, lambda: np.asarray(one.load())[direction, start:stop], True
        )


def _cell(kind: str, w, r, b, p, functions, clip, options, hidden: int):
    """The projection of a sequence, and the function from one step and the states to the states after it."""
    count = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]

    def clipped(x):
        return ops.Clip(x, -clip, clip) if clip else x

    def product(h, start: int = 0, stop: int = count):
        role = "" if stop - start == count else "_gates" if stop == 2 else "_new"
        bias = b.rows((count + start) * hidden, (count + stop) * hidden, f"_state{role}")
        return ops.Linear(h, r.rows(start * hidden, stop * hidden, role), bias)

    def parts(x):
        made = ops.Split(x, (hidden,) * (shape_of(x)[1] // hidden), 1)
        return [Part(made, i) for i in range(shape_of(x)[1] // hidden)]

    def peephole(x, c, place: int):
        weight = p.rows(place * hidden, (place + 1) * hidden, ("_input", "_output", "_forget")[place])
        return x if weight is None else ops.Add(x, ops.Multiply(c, weight))

    def lstm(seen, state):
        f, g, h = functions
        before, c = state
        i, o, forget, new = parts(ops.Add(seen, product(before)))
        i = f(clipped(peephole(i, c, 0)))
        forget = ops.Subtract(1.0, i) if options.get("input_forget") else f(clipped(peephole(forget, c, 2)))
        c = ops.Add(ops.Multiply(forget, c), ops.Multiply(i, g(clipped(new))))
        o = f(clipped(peephole(o, c, 1)))
        return [ops.Multiply(o, h(c)), c]

    def gru(seen, state):
        f, g = functions
        (before,) = state
        xz, xr, xn = parts(seen)
        hz, hr = parts(product(before, 0, 2))
        z, reset = f(clipped(ops.Add(xz, hz))), f(clipped(ops.Add(xr, hr)))
        if options["linear_before_reset"]:
            after = ops.Multiply(reset, product(before, 2, 3))
        else:
            after = product(ops.Multiply(reset, before), 2, 3)
        new = g(clipped(ops.Add(xn, after)))
        return [ops.Add(ops.Multiply(ops.Subtract(1.0, z), new), ops.Multiply(z, before))]

    def rnn(seen, state):
        return [functions[0](clipped(ops.Add(seen, product(state[0]))))]

    def project(x):
        return ops.Linear(x, w.rows(0, count * hidden), b.rows(0, count * hidden, "_input"))

    return project, {"LSTM": lstm, "GRU": gru, "RNN": rnn}[kind]
