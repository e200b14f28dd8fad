"""What an emitted file defines itself, where PyTorch has nothing close: small functions and modules, by name.

Each is source text that needs the imports `torch`, `nn`, `F` and `math` and nothing else. A helper that uses another
names it, and the file then holds both.
"""

from __future__ import annotations

HELPERS: dict[str, str] = {}
"""The source of each helper by its name."""

HELPERS["StochasticDepth"] = '''
class StochasticDepth(nn.Module):
    """Drops whole samples in training, with probability `p`."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0.0:
            return x
        shape = (x.shape[0], *(1,) * (x.dim() - 1))
        return x * x.new_empty(shape).bernoulli_(1 - self.p).div_(1 - self.p)
'''

HELPERS["SharedDropout"] = '''
class SharedDropout(nn.Module):
    """Dropout that decides for each place of `axes` and alike for all places of the other axes."""

    def __init__(self, p, axes):
        super().__init__()
        self.p, self.axes = p, axes

    def forward(self, x):
        if not self.training or self.p == 0.0:
            return x
        shape = [size if axis in self.axes else 1 for axis, size in enumerate(x.shape)]
        return x * x.new_empty(shape).bernoulli_(1 - self.p).div_(1 - self.p)
'''

HELPERS["ResetFirstGRU"] = '''
class ResetFirstGRU(nn.GRU):
    """A GRU whose reset gate scales the hidden state before its product with the weights; PyTorch's scales it after."""

    def forward(self, x, h0=None):
        x = x.transpose(0, 1) if self.batch_first else x
        outputs, states = [], []
        for number, suffix in enumerate(["", "_reverse"] if self.bidirectional else [""]):
            h = x.new_zeros(x.shape[1], self.hidden_size) if h0 is None else h0[number]
            steps = []
            for step in x.flip(0) if suffix else x:
                h = self._step(step, h, suffix)
                steps.append(h)
            out = torch.stack(steps)
            outputs.append(out.flip(0) if suffix else out)
            states.append(h)
        out = torch.cat(outputs, dim=-1)
        return out.transpose(0, 1) if self.batch_first else out, torch.stack(states)

    def _step(self, x, h, suffix):
        w_ih, w_hh = getattr(self, f"weight_ih_l0{suffix}"), getattr(self, f"weight_hh_l0{suffix}")
        b_ih, b_hh = None, (None, None)
        if self.bias:
            b_ih = getattr(self, f"bias_ih_l0{suffix}")
            b_hh = getattr(self, f"bias_hh_l0{suffix}").split([2 * self.hidden_size, self.hidden_size])
        w_gates, w_new = w_hh.split([2 * self.hidden_size, self.hidden_size])
        x_gates, x_new = F.linear(x, w_ih, b_ih).split([2 * self.hidden_size, self.hidden_size], dim=-1)
        reset, update = torch.sigmoid(x_gates + F.linear(h, w_gates, b_hh[0])).chunk(2, dim=-1)
        new = torch.tanh(x_new + F.linear(reset * h, w_new, b_hh[1]))
        return (1 - update) * new + update * h
'''

for _layer in ("LSTM", "GRU", "RNN"):
    HELPERS[f"Masked{_layer}"] = f'''
class Masked{_layer}(nn.{_layer}):
    """Skips the steps where `mask` is False: the state stays, and the output is zero, or the last one if `held`."""

    def forward(self, x, mask, states=None, held=False):
        return run_over_mask(super().forward, x, mask, states, held)
'''

HELPERS["ConvLSTM"] = '''
class ConvLSTM(nn.Module):
    """Long short-term memory over images, (batch, time, channels, ...): gates are convolutions of step and state."""

    def __init__(
        self, inputs, outputs, kernel, stride=1, padding=0, dilation=1, bias=True, activation="tanh", gate="sigmoid"
    ):
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(kernel) - 1]
        self.input = conv(inputs, 4 * outputs, kernel, stride, padding, dilation, bias=bias)
        self.state = conv(outputs, 4 * outputs, kernel, bias=False)
        self.around = [part for size in reversed(kernel) for part in ((size - 1) // 2, size // 2)]
        self.activation, self.gate = getattr(F, activation), getattr(F, gate)

    def forward(self, x, states=None):
        seen = self.input(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        if states is None:
            states = (seen.new_zeros(seen.shape[0], self.state.in_channels, *seen.shape[3:]),) * 2
        (h, c), steps = states, []
        for step in seen.unbind(1):
            i, f, g, o = (step + self.state(F.pad(h, self.around))).chunk(4, dim=1)
            c = self.gate(f) * c + self.gate(i) * self.activation(g)
            h = self.gate(o) * self.activation(c)
            steps.append(h)
        return torch.stack(steps, dim=1), (h, c)
'''

HELPERS["remember"] = '''
def remember(x, states, memory):
    """Keeps states for the next call in the buffers `memory`; zeros in these begin a new sequence."""
    with torch.no_grad():
        for held, state in zip(memory, states):
            held.copy_(state)
    return (x, *states)
'''

HELPERS["Recurrence"] = '''
class Recurrence(nn.Module):
    """Runs a cell over the steps of a sequence, (batch, time, ...), or of several, and hands its states on."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, states, *held):
        outputs = []
        for step in zip(*(one.unbind(1) for one in (x if isinstance(x, tuple) else (x,)))):
            out, *states = self.cell(*step, *states, *held)
            outputs.append(out)
        return torch.stack(outputs, dim=1), tuple(states)
'''

HELPERS["run_over_mask"] = '''
def run_over_mask(run, x, mask, states, held):
    """Runs a recurrent layer, with the batch in front, over the steps that `mask` keeps, packed together."""
    lengths, count = mask.sum(dim=1), mask.cumsum(dim=1).unsqueeze(-1)
    order = (~mask).byte().argsort(dim=1, stable=True).unsqueeze(-1)
    packed = nn.utils.rnn.pack_padded_sequence(
        x.take_along_dim(order, dim=1), lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
    )
    packed, finals = run(packed, states)
    out, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    out = out.take_along_dim((count - 1).clamp(min=0), dim=1)
    out = out.masked_fill(count == 0 if held else ~mask.unsqueeze(-1), 0.0)
    ran = (lengths > 0).unsqueeze(-1)
    if isinstance(finals, tuple):
        before = [torch.zeros_like(one) for one in finals] if states is None else states
        return out, tuple(torch.where(ran, new, old) for new, old in zip(finals, before))
    return out, torch.where(ran, finals, torch.zeros_like(finals) if states is None else states)
'''

HELPERS["MaskedResetFirstGRU"] = '''
class MaskedResetFirstGRU(ResetFirstGRU):
    """Skips the steps where `mask` is False: the state stays, and the output is zero, or the last one if `held`."""

    def forward(self, x, mask, h0=None, held=False):
        outputs, states = [], []
        for number, suffix in enumerate(["", "_reverse"] if self.bidirectional else [""]):
            h = x.new_zeros(x.shape[0], self.hidden_size) if h0 is None else h0[number]
            out, steps = torch.zeros_like(h), []
            pairs = list(zip(x.unbind(1), mask.unsqueeze(-1).unbind(1)))
            for step, runs in reversed(pairs) if suffix else pairs:
                h = torch.where(runs, self._step(step, h, suffix), h)
                out = torch.where(runs, h, out if held else torch.zeros_like(h))
                steps.append(out)
            outputs.append(torch.stack(steps[::-1] if suffix else steps, dim=1))
            states.append(h)
        return torch.cat(outputs, dim=-1), torch.stack(states)
'''

for _size in ("1d", "2d", "3d"):
    for _name, _lacking, _text in (("Unscaled", "weight", "scale"), ("Unshifted", "bias", "offset")):
        HELPERS[f"{_name}BatchNorm{_size}"] = f'''
class {_name}BatchNorm{_size}(nn.BatchNorm{_size}):
    """Batch normalisation without a learnt {_text}."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.{_lacking} = None
'''
