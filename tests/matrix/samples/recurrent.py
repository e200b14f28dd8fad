"""Stacked recurrent layers and cells, as `torch.nn` calls them."""

from netglot.pivot.op import rand
from samples import call


def params(gates, layers, directions, biases, hidden=5, features=3):
    """The flat list of weights of stacked layers."""
    made = []
    for layer in range(layers):
        inner = features if layer == 0 else hidden * directions
        for direction in range(directions):
            seed = 10 * layer + direction
            made += [rand(gates * hidden, inner, seed=seed), rand(gates * hidden, hidden, seed=seed + 1)]
            made += [rand(gates * hidden, seed=seed), rand(gates * hidden, seed=seed + 1)] if biases else []
    return made


def state(layers, directions, seed=0):
    """Stacked initial states."""
    return rand(layers * directions, 2, 5, seed=seed)


def projected(layers, directions, biases, hidden=5, features=3, kept=2):
    """The weights of a stacked LSTM whose output of `hidden` numbers becomes one of `kept`."""
    made = []
    for layer in range(layers):
        inner = features if layer == 0 else kept * directions
        for seed in range(10 * layer, 10 * layer + directions):
            made += [rand(4 * hidden, inner, seed=seed), rand(4 * hidden, kept, seed=seed + 1)]
            made += [rand(4 * hidden, seed=seed), rand(4 * hidden, seed=seed + 1)] if biases else []
            made += [rand(kept, hidden, seed=seed + 2)]
    return made


OPTIONS = [(1, 1, True, True), (1, 1, False, False), (2, 1, True, False), (1, 2, True, True), (2, 2, True, True)]

SAMPLES = (
    [
        call(
            f"aten.{name}.input",
            rand(*((2, 4, 3) if batch_first else (4, 2, 3))),
            [state(n, d), state(n, d, seed=1)] if name == "lstm" else state(n, d),
            params(gates, n, d, biases),
            biases,
            n,
            0.0,
            False,
            d == 2,
            batch_first,
        )
        for name, gates in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1))
        for n, d, biases, batch_first in OPTIONS
    ]
    + [
        call(
            "aten.lstm.input",
            rand(2, 4, 3),
            [rand(n * d, 2, 2), rand(n * d, 2, 5, seed=1)],
            projected(n, d, biases),
            biases,
            n,
            0.0,
            False,
            d == 2,
            True,
        )
        for n, d, biases in ((1, 1, True), (2, 2, True), (2, 1, False))
    ]
    + [
        call("aten.lstm_cell.default", rand(2, 3), [rand(2, 5), rand(2, 5, seed=1)], *params(4, 1, 1, True)),
        call("aten.lstm_cell.default", rand(2, 3), [rand(2, 5), rand(2, 5, seed=1)], *params(4, 1, 1, False)),
        call("aten.gru_cell.default", rand(2, 3), rand(2, 5), *params(3, 1, 1, True)),
        call("aten.rnn_tanh_cell.default", rand(2, 3), rand(2, 5), *params(1, 1, 1, True)),
        call("aten.rnn_relu_cell.default", rand(2, 3), rand(2, 5), *params(1, 1, 1, False)),
    ]
)
