"""Recurrent layers and cells with PyTorch's weights, states and results; sequences that are packed."""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "Recurrent": '''
class Recurrent(layers.Layer):
    """Stacked recurrent layers with PyTorch's weights, states and results: (outputs, last states)."""

    gates, states = 1, 1

    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False
    ):
        super().__init__()
        self.hidden_size, self.num_layers, self.batch_first = hidden_size, num_layers, batch_first
        self.dropout = layers.Dropout(dropout)
        self.suffixes = ("", "_reverse") if bidirectional else ("",)
        bound = hidden_size**-0.5
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * len(self.suffixes)
            for suffix in self.suffixes:
                rows = self.gates * hidden_size
                shapes = {"weight_ih": (rows, width), "weight_hh": (rows, hidden_size)}
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
                for name, shape in shapes.items():
                    uniform = keras.initializers.RandomUniform(-bound, bound)
                    name = f"{name}_l{layer}{suffix}"
                    setattr(self, name, self.add_weight(shape, uniform, name=name))

    def call(self, x, state=None, training=None):
        single = len(x.shape) == 2
        if single:
            x = x[:, None] if not self.batch_first else x[None]
        if self.batch_first:
            x = ops.swapaxes(x, 0, 1)
        if state is None:
            count = self.num_layers * len(self.suffixes)
            zeros = ops.zeros((count, ops.shape(x)[1], self.hidden_size), x.dtype)
            state = (zeros,) * self.states
        elif self.states == 1:
            state = (state,)
        if single:
            state = tuple(s[:, None] if len(s.shape) == 2 else s for s in state)
        ends = []
        for layer in range(self.num_layers):
            results = []
            for suffix in self.suffixes:
                held = tuple(s[len(ends)] for s in state)
                y, end = self.run(x, held, f"_l{layer}{suffix}", bool(suffix))
                results.append(y)
                ends.append(end)
            x = ops.concatenate(results, axis=-1) if len(results) > 1 else results[0]
            if layer + 1 < self.num_layers:
                x = self.dropout(x, training=training)
        last = tuple(ops.stack([end[i] for end in ends]) for i in range(self.states))
        x = ops.swapaxes(x, 0, 1) if self.batch_first else x
        if single:
            x, last = x[0] if self.batch_first else x[:, 0], tuple(s[:, 0] for s in last)
        return x, last if self.states > 1 else last[0]

    def run(self, x, state, suffix, backward):
        """One layer in one direction."""
        steps = x.shape[0]
        w_in, w = getattr(self, "weight_ih" + suffix), getattr(self, "weight_hh" + suffix)
        b_in, b = getattr(self, "bias_ih" + suffix, 0.0), getattr(self, "bias_hh" + suffix, 0.0)
        given, results = ops.matmul(x, ops.transpose(w_in)) + b_in, [None] * steps
        for step in reversed(range(steps)) if backward else range(steps):
            state = self.step(given[step], state, ops.matmul(state[0], ops.transpose(w)) + b)
            results[step] = state[0]
        return ops.stack(results), state
''',
    "LSTM": '''
class LSTM(Recurrent):
    """Long short-term memory; gates in the order input, forget, cell, output."""

    gates, states = 4, 2

    def step(self, given, state, recurrent):
        i, f, g, o = ops.split(given + recurrent, 4, axis=-1)
        cell = ops.sigmoid(f) * state[1] + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(cell), cell
''',
    "GRU": '''
class GRU(Recurrent):
    """Gated recurrent units; gates in the order reset, update, new."""

    gates = 3

    def step(self, given, state, recurrent):
        r, z, n = ops.split(given, 3, axis=-1)
        hr, hz, hn = ops.split(recurrent, 3, axis=-1)
        update = ops.sigmoid(z + hz)
        return ((1 - update) * ops.tanh(n + ops.sigmoid(r + hr) * hn) + update * state[0],)
''',
    "RNN": '''
class RNN(Recurrent):
    """The plain recurrent layer."""

    def __init__(self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", **options):
        super().__init__(input_size, hidden_size, num_layers, **options)
        self.activation = ops.tanh if nonlinearity == "tanh" else ops.relu

    def step(self, given, state, recurrent):
        return (self.activation(given + recurrent),)
''',
    "LSTMCell": '''
class LSTMCell(layers.Layer):
    """One step of long short-term memory, with PyTorch's weights."""

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        self.hidden_size, bound, rows = hidden_size, hidden_size**-0.5, 4 * hidden_size
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(shape, keras.initializers.RandomUniform(-bound, bound), name=name))

    def call(self, x, state=None):
        h, c = state if state is not None else (ops.zeros((ops.shape(x)[0], self.hidden_size), x.dtype),) * 2
        given = ops.matmul(x, ops.transpose(self.weight_ih)) + getattr(self, "bias_ih", 0.0)
        i, f, g, o = ops.split(
            given + ops.matmul(h, ops.transpose(self.weight_hh)) + getattr(self, "bias_hh", 0.0), 4, axis=-1
        )
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c
''',
    "GRUCell": '''
class GRUCell(layers.Layer):
    """One step of gated recurrent units, with PyTorch's weights."""

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        self.hidden_size, bound, rows = hidden_size, hidden_size**-0.5, 3 * hidden_size
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(shape, keras.initializers.RandomUniform(-bound, bound), name=name))

    def call(self, x, state=None):
        h = state if state is not None else ops.zeros((ops.shape(x)[0], self.hidden_size), x.dtype)
        given = ops.matmul(x, ops.transpose(self.weight_ih)) + getattr(self, "bias_ih", 0.0)
        recurrent = ops.matmul(h, ops.transpose(self.weight_hh)) + getattr(self, "bias_hh", 0.0)
        (r, z, n), (hr, hz, hn) = ops.split(given, 3, axis=-1), ops.split(recurrent, 3, axis=-1)
        update = ops.sigmoid(z + hz)
        return (1 - update) * ops.tanh(n + ops.sigmoid(r + hr) * hn) + update * h
''',
    "RNNCell": '''
class RNNCell(layers.Layer):
    """One step of the plain recurrent layer, with PyTorch's weights."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh"):
        super().__init__()
        self.hidden_size, bound = hidden_size, hidden_size**-0.5
        self.activation = ops.tanh if nonlinearity == "tanh" else ops.relu
        shapes = {"weight_ih": (hidden_size, input_size), "weight_hh": (hidden_size, hidden_size)}
        shapes |= {"bias_ih": (hidden_size,), "bias_hh": (hidden_size,)} if bias else {}
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(shape, keras.initializers.RandomUniform(-bound, bound), name=name))

    def call(self, x, state=None):
        h = state if state is not None else ops.zeros((ops.shape(x)[0], self.hidden_size), x.dtype)
        given = ops.matmul(x, ops.transpose(self.weight_ih)) + getattr(self, "bias_ih", 0.0)
        return self.activation(given + ops.matmul(h, ops.transpose(self.weight_hh)) + getattr(self, "bias_hh", 0.0))
''',
    "PackedSequence": """
PackedSequence = collections.namedtuple("PackedSequence", "data lengths")
""",
    "pack_padded_sequence": '''
def pack_padded_sequence(x, lengths, batch_first=False):
    """Sequences with their lengths, time first: a recurrent layer stops at the end of each."""
    return PackedSequence(ops.swapaxes(x, 0, 1) if batch_first else x, ops.cast(lengths, "int32"))
''',
    "pad_packed_sequence": '''
def pad_packed_sequence(packed, batch_first=False, padding_value=0.0, total_length=None):
    """The sequences as one tensor, with something after the end of each, and their lengths."""
    x, lengths = packed.data[: total_length or int(ops.max(packed.lengths))], packed.lengths
    if padding_value:
        inside = ops.arange(x.shape[0])[:, None] < lengths
        x = ops.where(inside[..., None], x, padding_value)
    return (ops.swapaxes(x, 0, 1) if batch_first else x), ops.cast(lengths, "int64")
''',
    "pad_sequence": '''
def pad_sequence(sequences, batch_first=False, padding_value=0.0):
    """Sequences of several lengths as one tensor."""
    longest = max(one.shape[0] for one in sequences)
    ends = [[(0, longest - one.shape[0])] + [(0, 0)] * (len(one.shape) - 1) for one in sequences]
    rows = [ops.pad(one, end, constant_values=padding_value) for one, end in zip(sequences, ends)]
    return ops.stack(rows, axis=0 if batch_first else 1)
''',
}

PACKED = {
    "x, state=None, training=None):\n": "x, state=None, training=None):\n"
    '        lengths = getattr(x, "lengths", None)\n        x = x if lengths is None else x.data\n',
    "        if self.batch_first:\n            x = ops.swapaxes(x, 0, 1)\n": "        if self.batch_first and lengths is None:\n"
    "            x = ops.swapaxes(x, 0, 1)\n",
    'self.run(x, held, f"_l{layer}{suffix}", bool(suffix))': 'self.run(x, held, f"_l{layer}{suffix}", bool(suffix), lengths)',
    "        x = ops.swapaxes(x, 0, 1) if self.batch_first else x\n": "        if lengths is not None:\n"
    "            x = PackedSequence(x, lengths)\n        elif self.batch_first:\n            x = ops.swapaxes(x, 0, 1)\n",
    "def run(self, x, state, suffix, backward):": "def run(self, x, state, suffix, backward, lengths=None):",
    "            state = self.step(given[step], state, ops.matmul(state[0], ops.transpose(w)) + b)\n"
    "            results[step] = state[0]\n": "            new = self.step(given[step], state, ops.matmul(state[0], ops.transpose(w)) + b)\n"
    "            if lengths is not None:\n                inside = (step < lengths)[:, None]\n"
    "                new = tuple(ops.where(inside, a, b) for a, b in zip(new, state))\n"
    "            results[step] = new[0] if lengths is None else ops.where(inside, new[0], ops.zeros_like(new[0]))\n"
    "            state = new\n",
}
"""What the recurrent layers say otherwise where sequences come with their lengths."""


def packed(text: str) -> str:
    """The recurrent layers for sequences that come with their lengths."""
    for old, new in PACKED.items():
        assert old in text, old
        text = text.replace(old, new)
    return text
