"""Recurrent layers: one layer of LSTM, GRU or plain recurrence over a sequence, in one direction or both.

`x` has three axes: time, batch (`1 - time_axis`) and features. Operands that exist once per direction are tuples,
forward first; absent initial states and biases are empty tuples and mean zeros.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from netglot.pivot.op import Axis, Op, Tensor, TensorType, dtype_of, rand, shape_of
from netglot.pivot.ops.conv import Conv

__all__ = ["ConvLstm", "Gru", "Lstm", "Rnn"]

Direction = Literal["forward", "backward", "both"]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


class Recurrence(Op, abstract=True):
    """What the recurrent ops share: running a step along time, for each direction.

    Results are the outputs of all steps, the directions side by side in the last axis, then each direction's final
    states of shape (batch, hidden).

    A `mask` has the first two axes of `x`. Where it is False a step is left out: the state stays, and the output is
    zero; or, where outputs are `held` (in one direction only), that of the last step that ran, if any did.
    """

    states = 1

    def infer(self):
        assert not (self.held and self.direction == "both"), "outputs are held in one direction only"
        dtype, shape = dtype_of(self.x), list(shape_of(self.x))
        hidden = shape_of(self.w_hh[0])[1]
        state = TensorType(dtype, (shape[1 - self.time_axis], hidden))
        directions = len(self.w_ih)
        return (TensorType(dtype, (*shape[:2], hidden * directions)), *(state,) * (self.states * directions))

    def reference(self):
        x = np.moveaxis(self.x, self.time_axis, 0)
        kept = np.ones(x.shape[:2], bool) if self.mask is None else np.moveaxis(self.mask, self.time_axis, 0)
        sequences, finals = [], []
        for number in range(len(self.w_ih)):
            backward = self.direction == "backward" or number == 1
            outputs, state = self._run(*((x[::-1], kept[::-1]) if backward else (x, kept)), number)
            sequences.append(outputs[::-1] if backward else outputs)
            finals += state
        return (np.moveaxis(np.concatenate(sequences, -1), 0, self.time_axis), *finals)

    def _run(self, x: np.ndarray, kept: np.ndarray, number: int):
        hidden = self.w_hh[number].shape[1]
        state = [held[number] if held else np.zeros((x.shape[1], hidden), x.dtype) for held in self._initial()]
        w_ih, w_hh = self.w_ih[number], self.w_hh[number]
        b_ih = self.b_ih[number] if self.b_ih else np.zeros(len(w_ih), x.dtype)
        b_hh = self.b_hh[number] if self.b_hh else np.zeros(len(w_hh), x.dtype)
        outputs = np.zeros((*x.shape[:2], hidden), x.dtype)
        for time, step in enumerate(x):
            after, runs = self.step(step, state, w_ih, w_hh, b_ih, b_hh), kept[time][:, None]
            state = [np.where(runs, new, old) for new, old in zip(after, state, strict=True)]
            outputs[time] = np.where(runs, state[0], outputs[time - 1] if self.held and time else 0)
        return outputs, state

    def _initial(self) -> tuple:
        """The initial states, one tuple a kind of state."""
        return (self.h0,)

    def step(self, x, state, w_ih, w_hh, b_ih, b_hh) -> list[np.ndarray]:
        """The states after one step."""
        raise NotImplementedError


def _cases(gates: int, states: int, options: list[dict]) -> list[dict]:
    """Each direction, with and without biases and initial states, at both places of the time axis."""
    made = []
    for number, extra in enumerate(options):
        for direction, biases, started, time_axis, kept in (
            ("forward", True, False, 1, None),
            ("forward", False, True, 0, None),
            ("backward", True, True, 1, None),
            ("both", True, False, 0, None),
            ("both", True, True, 1, None),
            ("forward", True, True, 1, [[0, 1, 0, 1], [1, 1, 0, 0]]),
            ("forward", True, False, 1, [[1, 1, 0, 1], [0, 0, 0, 0]]),
            ("backward", True, False, 0, [[0, 1], [1, 1], [0, 0], [1, 0]]),
            ("backward", False, True, 1, [[0, 0, 1, 0], [0, 1, 0, 1]]),
            ("both", True, True, 1, [[0, 1, 0, 1], [0, 0, 0, 0]]),
            ("both", False, False, 1, [[1, 1, 1, 1], [1, 0, 1, 0]]),
        ):
            times = 2 if direction == "both" else 1
            weight = [rand(gates * 5, n, seed=10 * d + n) for d in range(times) for n in (3, 5)]
            bias = [rand(gates * 5, seed=20 * d + n + number) for d in range(times) for n in (1, 2)]
            start = [rand(2, 5, seed=30 * d + n) for d in range(times) for n in range(2)]
            case = dict(x=rand(*((4, 2, 3) if time_axis == 0 else (2, 4, 3))))
            case |= {name: tuple(start[i::2]) if started else () for i, name in enumerate(("h0", "c0")[:states])}
            case |= dict(w_ih=tuple(weight[::2]), w_hh=tuple(weight[1::2]))
            case |= dict(b_ih=tuple(bias[::2]) if biases else (), b_hh=tuple(bias[1::2]) if biases else ())
            mask = None if kept is None else np.asarray(kept, bool)
            held = direction != "both" and started != biases
            made.append(case | extra | dict(direction=direction, time_axis=time_axis, mask=mask, held=held))
    return made


class Lstm(Recurrence):
    """A layer of long short-term memory (Hochreiter and Schmidhuber, 1997, with a forget gate).

    The rows of weights and biases are the gates input, forget, cell and output, `hidden` rows each. Results: the
    outputs, then the final hidden and cell state of each direction.
    """

    results = ("out", "h", "c", "h_back", "c_back")
    states = 2
    x: Tensor
    h0: tuple[Tensor, ...]
    c0: tuple[Tensor, ...]
    w_ih: Annotated[tuple[Tensor, ...], "gates in"]
    w_hh: Annotated[tuple[Tensor, ...], "gates hidden"]
    b_ih: Annotated[tuple[Tensor, ...], "gates"]
    b_hh: Annotated[tuple[Tensor, ...], "gates"]
    direction: Direction
    time_axis: Axis
    mask: Tensor | None
    held: bool

    def _initial(self):
        return (self.h0, self.c0)

    def step(self, x, state, w_ih, w_hh, b_ih, b_hh):
        h, c = state
        i, f, g, o = np.split(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]

    cases = _cases(4, 2, [dict()])


class Gru(Recurrence):
    """A layer of gated recurrent units (Cho et al., 2014).

    The rows of weights and biases are the gates reset, update and new. `reset_after` says whether the reset gate
    scales the hidden state after its product with the weights, bias included, or before it.
    """

    results = ("out", "h", "h_back")
    x: Tensor
    h0: tuple[Tensor, ...]
    w_ih: Annotated[tuple[Tensor, ...], "gates in"]
    w_hh: Annotated[tuple[Tensor, ...], "gates hidden"]
    b_ih: Annotated[tuple[Tensor, ...], "gates"]
    b_hh: Annotated[tuple[Tensor, ...], "gates"]
    reset_after: bool
    direction: Direction
    time_axis: Axis
    mask: Tensor | None
    held: bool

    def step(self, x, state, w_ih, w_hh, b_ih, b_hh):
        (h,) = state
        hidden = h.shape[-1]
        xr, xz, xn = np.split(x @ w_ih.T + b_ih, 3, -1)
        hr, hz = np.split(h @ w_hh[: 2 * hidden].T + b_hh[: 2 * hidden], 2, -1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        w_n, b_n = w_hh[2 * hidden :].T, b_hh[2 * hidden :]
        n = np.tanh(xn + (r * (h @ w_n + b_n) if self.reset_after else (r * h) @ w_n + b_n))
        return [(1 - z) * n + z * h]

    cases = _cases(3, 1, [dict(reset_after=True), dict(reset_after=False)])


class Rnn(Recurrence):
    """A layer of plain recurrence: the next state is the activation of a linear function of input and state."""

    results = ("out", "h", "h_back")
    x: Tensor
    h0: tuple[Tensor, ...]
    w_ih: Annotated[tuple[Tensor, ...], "out in"]
    w_hh: Annotated[tuple[Tensor, ...], "out hidden"]
    b_ih: Annotated[tuple[Tensor, ...], "out"]
    b_hh: Annotated[tuple[Tensor, ...], "out"]
    activation: Literal["tanh", "relu"]
    direction: Direction
    time_axis: Axis
    mask: Tensor | None
    held: bool

    def step(self, x, state, w_ih, w_hh, b_ih, b_hh):
        (h,) = state
        total = x @ w_ih.T + b_ih + h @ w_hh.T + b_hh
        return [np.tanh(total) if self.activation == "tanh" else np.maximum(total, 0)]

    cases = _cases(1, 1, [dict(activation="tanh"), dict(activation="relu")])


_CURVES = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": sigmoid,
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
}


class ConvLstm(Op):
    """Long short-term memory over images (Shi et al., 2015): its gates are convolutions of the step and of the state.

    `x` is (batch, time, ...), with its channels at `axis`; states are like one step of the result. The rows of the
    weights are the gates input, forget, cell and output. The convolution of the state keeps its size, with the odd
    zero behind; `stride`, `padding` and `dilation` are those of the step's. `gate` curves the gates.
    """

    results = ("out", "h", "c")
    x: Tensor
    h0: Tensor | None
    c0: Tensor | None
    w_ih: Annotated[Tensor, "gates in k..."]
    w_hh: Annotated[Tensor, "gates hidden k..."]
    bias: Annotated[Tensor | None, "gates"]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    activation: Literal["tanh", "relu", "sigmoid", "hardsigmoid"]
    gate: Literal["tanh", "relu", "sigmoid", "hardsigmoid"]
    axis: Axis

    layout = "along"

    def infer(self):
        batch, time, *rest = shape_of(self.x)
        step = TensorType(dtype_of(self.x), (batch, *rest))
        (seen,) = _step(self, step).result_types()
        hidden = shape_of(self.w_hh)[1]
        state = [hidden if axis == self.axis - 1 else size for axis, size in enumerate(seen.shape)]
        return (
            TensorType(step.dtype, (state[0], time, *state[1:])),
            TensorType(step.dtype, tuple(state)),
            TensorType(step.dtype, tuple(state)),
        )

    def reference(self):
        state = self.result_types()[1].shape
        h = np.zeros(state, self.x.dtype) if self.h0 is None else self.h0
        c = np.zeros(state, self.x.dtype) if self.c0 is None else self.c0
        curve, gate, outputs = _CURVES[self.activation], _CURVES[self.gate], []
        for time in range(self.x.shape[1]):
            total = _step(self, self.x[:, time]).reference() + state_product(self, h).reference()
            i, f, g, o = np.split(total, 4, self.axis - 1)
            c = gate(f) * c + gate(i) * curve(g)
            h = gate(o) * curve(c)
            outputs.append(h)
        return np.stack(outputs, 1), h, c

    cases = [
        dict(
            x=np.moveaxis(rand(2, 3, 2, *sizes, seed=len(sizes)), 2, axis),
            h0=np.moveaxis(rand(2, 3, *after, seed=3), 1, axis - 1) if started else None,
            c0=np.moveaxis(rand(2, 3, *after, seed=4), 1, axis - 1) if started else None,
            w_ih=rand(12, 2, *kernel, seed=1),
            w_hh=rand(12, 3, *kernel, seed=2),
            bias=None if started else rand(12, seed=5),
            stride=stride,
            padding=padding,
            dilation=dilation,
            activation=activation,
            gate=gate,
            axis=axis,
        )
        for sizes, kernel, stride, padding, dilation, axis, activation, gate, started, after in [
            ((5, 4), (3, 2), (1, 1), ((1, 1), (0, 1)), (1, 1), 2, "tanh", "sigmoid", False, ()),
            ((6, 5), (3, 3), (2, 1), ((0, 1), (1, 1)), (1, 1), 4, "relu", "hardsigmoid", True, (3, 5)),
            ((7,), (2,), (1,), ((0, 0),), (2,), 3, "tanh", "sigmoid", False, ()),
            ((3, 4, 3), (2, 2, 2), (1, 1, 1), ((0, 1), (0, 1), (0, 1)), (1, 1, 1), 5, "tanh", "sigmoid", False, ()),
        ]
    ]


def _step(op, step) -> Conv:
    """The convolution of one step of the sequence."""
    return Conv(step, op.w_ih, op.bias, op.stride, op.padding, op.dilation, 1, op.axis - 1)


def state_product(op, h) -> Conv:
    """The convolution of the state, which keeps its size."""
    ones = (1,) * len(op.stride)
    padding = tuple(((size - 1) // 2, size // 2) for size in shape_of(op.w_hh)[2:])
    return Conv(h, op.w_hh, None, ones, padding, ones, 1, op.axis - 1)
