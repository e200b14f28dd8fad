"""Recurrent layers."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from netglot.migrate.to_torch.library.starting import function_of, start
from netglot.migrate.to_torch.library.symbols import Layer


class Recurrent(Layer):
    """A recurrent layer with Keras's weights, defaults and results."""

    gates, states = 1, 1

    def __init__(
        self, units, activation="tanh", recurrent_activation="sigmoid", use_bias=True, return_sequences=False,
        return_state=False, go_backwards=False, reset_after=True, kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal", bias_initializer="zeros", unit_forget_bias=True, dropout=0.0,
        recurrent_dropout=0.0,
    ):  # fmt: skip
        super().__init__()
        self.units, self.activation, self.gate = units, function_of(activation), function_of(recurrent_activation)
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.reset_after, self.kernel_initializer = reset_after, kernel_initializer
        self.rates = (dropout, recurrent_dropout)
        self.zero_where_masked = False
        self.kernel = nn.UninitializedParameter()
        width = self.gates * units
        self.recurrent_kernel = nn.Parameter(torch.empty(units, width))
        start(self.recurrent_kernel, recurrent_initializer, units, width)
        self.bias = None
        if use_bias:
            self.bias = nn.Parameter(torch.zeros((2, width) if self.gates == 3 and reset_after else (width,)))
            if self.gates == 4 and unit_forget_bias:
                self.bias.data[units : 2 * units] = 1

    def initialize_parameters(self, x, *others, **options):
        if self.has_uninitialized_params():
            self.kernel.materialize((x.shape[-1], self.gates * self.units))
            start(self.kernel, self.kernel_initializer, x.shape[-1], self.gates * self.units)

    def get_initial_state(self, batch_size):
        """States that nothing is remembered in."""
        return [torch.zeros(int(batch_size), self.units) for _ in range(self.states)]

    def forward(self, x, initial_state=None):
        state = initial_state
        if state is None:
            state = [x.new_zeros(x.shape[0], self.units) for _ in range(self.states)]
        state = list(state) if isinstance(state, (list, tuple)) else [state]
        kept, outputs, y = getattr(x, "mask", None), [], None
        noise, again = (
            F.dropout(torch.ones_like(one), rate, self.training) for one, rate in zip((x[:, 0], state[0]), self.rates)
        )
        for step in reversed(range(x.shape[1])) if self.go_backwards else range(x.shape[1]):
            before = state
            state = self.step(x[:, step] * noise, [state[0] * again, *state[1:]])
            y_before, y = y, state[0]
            if kept is not None:  # what is masked changes nothing
                here = kept[:, step, None]
                state = [torch.where(here, new, old) for new, old in zip(state, before)]
                y = torch.where(here, y, torch.zeros_like(y) if y_before is None else y_before)
            outputs.append(y if kept is None or not self.zero_where_masked else y * kept[:, step, None])
        y = torch.stack(outputs, dim=1) if self.return_sequences else y
        return (y, *state) if self.return_state else y


class LSTM(Recurrent):
    """Long short-term memory; gates in the order input, forget, cell, output."""

    gates, states = 4, 2

    def step(self, x, state):
        z = x @ self.kernel + state[0] @ self.recurrent_kernel
        i, f, g, o = (z if self.bias is None else z + self.bias).chunk(4, dim=-1)
        cell = self.gate(f) * state[1] + self.gate(i) * self.activation(g)
        return [self.gate(o) * self.activation(cell), cell]


class GRU(Recurrent):
    """Gated recurrent units; gates in the order update, reset, new."""

    gates = 3

    def step(self, x, state):
        h = state[0]
        bias = (0.0, 0.0) if self.bias is None else self.bias if self.reset_after else (self.bias, 0.0)
        z, r, n = (x @ self.kernel + bias[0]).chunk(3, dim=-1)
        if self.reset_after:
            hz, hr, hn = (h @ self.recurrent_kernel + bias[1]).chunk(3, dim=-1)
            update, reset = self.gate(z + hz), self.gate(r + hr)
            new = self.activation(n + reset * hn)
        else:
            wz, wr, wn = self.recurrent_kernel.chunk(3, dim=-1)
            update, reset = self.gate(z + h @ wz), self.gate(r + h @ wr)
            new = self.activation(n + (reset * h) @ wn)
        return [update * h + (1 - update) * new]


class SimpleRNN(Recurrent):
    """The plain recurrent layer."""

    def step(self, x, state):
        y = x @ self.kernel + state[0] @ self.recurrent_kernel
        return [self.activation(y if self.bias is None else y + self.bias)]


class Cell:
    """What makes one step of a recurrent layer a layer of its own: `y, states = cell(x, states)`."""

    def forward(self, x, states, training=None):
        dropped, again = (F.dropout(one, rate, self.training) for one, rate in zip((x, states[0]), self.rates))
        states = self.step(dropped, [again, *states[1:]])
        return states[0], states


class LSTMCell(Cell, LSTM):
    """One step of long short-term memory."""


class GRUCell(Cell, GRU):
    """One step of gated recurrent units."""


class SimpleRNNCell(Cell, SimpleRNN):
    """One step of the plain recurrent layer."""


class StackedCells(Layer):
    """Cells of which each takes what the one before gives; their states are nested."""

    def __init__(self, cells):
        super().__init__()
        self.cells = nn.ModuleList(cells)

    def get_initial_state(self, batch_size):
        return [one.get_initial_state(batch_size) for one in self.cells]

    def forward(self, x, states, training=None):
        after = []
        for cell, state in zip(self.cells, states):
            x, state = cell(x, state)
            after.append(state)
        return x, after


class RNN(Layer):
    """A recurrent layer of a cell: `y, states = cell(x, states)` at each step."""

    def __init__(self, cell, return_sequences=False, return_state=False, go_backwards=False):
        super().__init__()
        self.cell = StackedCells(cell) if isinstance(cell, (list, tuple)) else cell
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards

    def get_initial_state(self, batch_size):
        """What the cell begins with."""
        if hasattr(self.cell, "get_initial_state"):
            return self.cell.get_initial_state(batch_size)
        sizes = self.cell.state_size
        return [torch.zeros(batch_size, one) for one in (sizes if isinstance(sizes, (list, tuple)) else [sizes])]

    def forward(self, x, initial_state=None):
        states = self.get_initial_state(len(x)) if initial_state is None else initial_state
        outputs = []
        for step in reversed(range(x.shape[1])) if self.go_backwards else range(x.shape[1]):
            y, states = self.cell(x[:, step], states)
            outputs.append(y)
        y = torch.stack(outputs, dim=1) if self.return_sequences else y
        return (y, *states) if self.return_state else y


class Bidirectional(Layer):
    """A recurrent layer, and its copy that reads backwards."""

    def __init__(self, layer, merge_mode="concat"):
        super().__init__()
        self.forward_layer, self.backward_layer, self.merge_mode = layer, copy.deepcopy(layer), merge_mode
        self.backward_layer.go_backwards = True
        for one in (self.forward_layer, self.backward_layer):
            one.zero_where_masked = one.return_sequences

    def forward(self, x, initial_state=None):
        half = None if initial_state is None else len(initial_state) // 2
        a = self.forward_layer(x, None if half is None else initial_state[:half])
        b = self.backward_layer(x, None if half is None else initial_state[half:])
        (a, *first), (b, *second) = ((one if isinstance(one, tuple) else (one,)) for one in (a, b))
        if self.forward_layer.return_sequences:
            b = b.flip(1)
        merge = {
            "concat": lambda: torch.cat([a, b], dim=-1), "sum": lambda: a + b, "mul": lambda: a * b,
            "ave": lambda: (a + b) / 2, None: lambda: (a, b),
        }[self.merge_mode]  # fmt: skip
        return (merge(), *first, *second) if first else merge()
