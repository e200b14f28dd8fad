"""Ways in which modules are held and called: under several names, in lists with gaps, without inputs; and pairs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import torch
import torch.nn.functional as F
from tests.fuzz import prove as proving
from torch import nn
from torch.nn.utils import parametrizations


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(5))
        self.linear = nn.Linear(5, 5)

    def forward(self, x):
        return torch.tanh(self.linear(x) * self.scale)


class Holder(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.block = block
        self.out = nn.Linear(5, 5)

    def forward(self, x):
        return self.out(self.block(x))


class Chain(nn.Module):
    """Calls what it is given one after the other."""

    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


class Quantiser(nn.Module):
    """Reads the rows of its table before it looks one up, and the weights of layers before it calls them."""

    def __init__(self):
        super().__init__()
        self.table, self.linear, self.conv = nn.Embedding(7, 5), nn.Linear(5, 5), nn.Conv1d(5, 5, 1)

    def forward(self, x):
        rows = self.table.weight
        nearest = (x.pow(2).sum(1, keepdim=True) - 2 * x @ rows.t() + rows.pow(2).sum(1)).argmin(1)
        x = x * self.conv.weight.sum() + self.table(nearest)
        return self.conv(self.linear(x @ self.linear.weight)[..., None])[..., 0]


class Outside(nn.Module):
    """One module within a sequence and beside it."""

    def __init__(self, part):
        super().__init__()
        self.part = part
        self.net = nn.Sequential(part, nn.ReLU(), Block())

    def forward(self, x):
        return self.net(self.part(x)) + self.net[2](x)


class Skipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList(Block() for _ in range(4))

    def forward(self, x):
        return self.parts[3](self.parts[0](x) + self.parts[1](x))


class NormedBeside(nn.Module):
    """A weight-normed convolution as an attribute, and called through a sequence."""

    def __init__(self):
        super().__init__()
        self.conv = parametrizations.weight_norm(nn.Conv1d(5, 5, 1))
        self.net = nn.Sequential(self.conv, nn.ReLU())

    def forward(self, x):
        return self.net(x[..., None])[..., 0]


class Keeping(nn.Module):
    """Makes a mask at its first call and keeps it."""

    def __init__(self):
        super().__init__()
        self.mask = None
        self.linear = nn.Linear(5, 5)

    def forward(self, x):
        if self.mask is None or self.mask.shape[0] != x.shape[1]:
            self.mask = torch.triu(torch.full((x.shape[1], x.shape[1]), 2.0), diagonal=1)
        return self.linear(x) @ self.mask


class WritingToCopy(nn.Module):
    """Zeroes a part of a copy of its bias."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 6)

    def forward(self, x):
        bias = self.linear.bias.clone()
        bias[2:4].zero_()
        return F.linear(x, self.linear.weight, bias)


class Bias(nn.Module):
    """Called without an input."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(2, 5))

    def forward(self):
        return torch.tanh(self.table).sum(0)


class Biased(nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = Bias()

    def forward(self, x):
        return x + self.bias()


class Branches(nn.Module):
    """As many branches as it is told, added up; one with another layer behind it."""

    def __init__(self, count, behind):
        super().__init__()
        self.branches = nn.ModuleList(Block() for _ in range(count))
        self.behind = nn.Linear(5, 5) if behind else nn.Identity()

    def forward(self, x):
        total = self.branches[0](x)
        for branch in self.branches[1:]:
            total = total + branch(x)
        return self.behind(total)


class Widening(nn.Module):
    """An activation that some blocks call once more than others: `only` says which of its calls there are."""

    def __init__(self, only):
        super().__init__()
        self.only = only
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 5)
        self.act = nn.PReLU()

    def forward(self, x):
        if "a" in self.only:
            x = self.act(x)
        x = self.first(x)
        if "b" in self.only:
            x = self.act(x)
        return self.second(x) + x


class Rotary(nn.Module):
    """Turns pairs of features by angles, in complex numbers."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 8)
        self.turns = torch.polar(torch.ones(3, 4), torch.randn(3, 4))
        self.register_buffer("shift", torch.complex(torch.randn(4), torch.randn(4)))

    def forward(self, x):
        pairs = torch.view_as_complex(self.linear(x).reshape(x.shape[0], 4, 2))
        turned = pairs * self.turns[: x.shape[0]] / (pairs.abs() + 1) - self.shift
        turned = (1 - turned * 2j) + x[:, :1] * 1j + x[:, 1:2]
        return torch.view_as_real(turned.conj().resolve_conj()).flatten(1), (turned * pairs).imag, torch.angle(turned)


class Spectral(nn.Module):
    """Transforms of Fourier: of real and of complex numbers, whole and halved, with every norm."""

    def forward(self, x):
        half = torch.fft.rfft(x, norm="ortho")
        whole = torch.fft.fft2(x * half.abs().sum(), norm="forward")
        back = torch.fft.irfftn(torch.fft.rfftn(x, dim=(0, 1)), s=x.shape, dim=(0, 1))
        return half.imag, torch.fft.ifft2(whole * (x + 1)).real, back, torch.fft.irfft(half, n=5, norm="ortho")


class Filtered(nn.Module):
    """Transforms that pad or cut their input, and products of complex tensors, as long convolutions have them."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(5, 5, 2))

    def forward(self, x):
        spectrum = torch.fft.rfft(x, n=9)
        mixed = torch.einsum("bk,ok->bok", spectrum, torch.view_as_complex(self.kernel))
        short = torch.fft.ifft(torch.fft.fft(x, n=8), n=3)
        return (
            torch.fft.irfft(mixed, n=9)[..., :5],
            torch.fft.irfft(spectrum, n=12),
            torch.fft.irfft(mixed, n=4),
            short.imag,
        )


class Table(nn.Module):
    """Looks up what belongs to another; its row 0 is padding."""

    def __init__(self, table):
        super().__init__()
        self.table = nn.Embedding(4, 5, padding_idx=0)
        self.table.weight = table.weight
        self.out = nn.Linear(5, 5)

    def forward(self, x):
        return self.out(self.table(x.argmax(-1) % 4))


class TwoTables(nn.Module):
    def __init__(self):
        super().__init__()
        table = nn.Embedding(4, 5, padding_idx=0)
        self.encoder, self.decoder = Table(table), Table(table)

    def forward(self, x):
        return self.encoder(x) + self.decoder(-x)


class Attending(nn.Module):
    """Attends with heads of one feature."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(5, 5, batch_first=True)
        nn.init.normal_(self.attention.in_proj_bias)

    def forward(self, x):
        steps = x[:, None] * torch.ones(5, 1, dtype=x.dtype).cumsum(0)
        return self.attention(steps, steps * 0.5, steps)[0]


def _twice(part):
    return [part, nn.ReLU(), part]


NETWORKS = {
    "one_block_in_a_list": lambda: Chain(*[Block()] * 3),
    "one_block_in_a_sequence": lambda: nn.Sequential(*[Block()] * 3),
    "one_layer_in_a_sequence": lambda: nn.Sequential(*_twice(nn.Linear(5, 5))),
    "two_blocks_in_turn": lambda: Chain(*_twice(Block()), Block()),
    "nested": lambda: Chain(*_twice(nn.Sequential(*_twice(Holder(Block()))))),
    "layer_beside_its_sequence": lambda: Outside(nn.Linear(5, 5)),
    "block_beside_its_sequence": lambda: Outside(Block()),
    "two_owners": lambda: (lambda block: Chain(Holder(block), Holder(block)))(Block()),
    "skipping": Skipping,
    "called_once_more": lambda: Chain(Widening("ab"), Widening("b"), Widening("ab")),
    "called_here_or_there": lambda: Chain(Widening("ab"), Widening("b"), Widening("a"), Widening("")),
    "normed_beside": NormedBeside,
    "without_inputs": lambda: Chain(Biased(), Biased()),
    "branches": lambda: Chain(Branches(3, True), Branches(2, True), Branches(3, False)),
    "quantiser": Quantiser,
    "gated_in_a_sequence": lambda: nn.Sequential(nn.Linear(5, 8), nn.GLU(), nn.Linear(4, 5)),
    "quantisers": lambda: Chain(Quantiser(), Quantiser()),
    "two_tables": TwoTables,
    "heads_of_one_feature": Attending,  # over as many steps: Keras's own layer adds their bias along the time axis
    "complex_numbers": Rotary,
    "spectral": Spectral,
    "filtered": Filtered,
    "keeping": Keeping,
    "writing_to_copy": WritingToCopy,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_computes_the_same(name, monkeypatch):
    torch.manual_seed(0)
    model = NETWORKS[name]().double().eval()
    x = torch.randn(3, 5, dtype=torch.float64)
    network = SimpleNamespace(build=lambda: model, example=lambda shapes=None: [x], symbol=None, inputs=[])
    monkeypatch.setattr(proving, "_sizes", lambda network, graph: [None])
    outcome = proving.prove(network)
    assert outcome.verdict == "right", outcome.detail


class Notes:
    """Not a module, but held by one."""

    seen = None


class Noting(nn.Module):
    def __init__(self):
        super().__init__()
        self.notes = Notes()

    def forward(self, x):
        self.notes.seen = x * 2
        return self.notes.seen + 1


def test_the_model_is_left_as_it_was():
    from netglot.api import read

    model, noting = Keeping(), Noting()
    read(model, [torch.zeros(2, 5)])
    read(noting, [torch.zeros(2, 5)])
    assert model.mask is None
    assert noting.notes.seen is None


def test_a_model_that_cannot_be_handed_on_is_told(tmp_path):
    import threading

    from netglot.errors import InputError
    from netglot.verify.ship import pickle_source

    model = nn.Linear(2, 2)
    model.lock = threading.Lock()
    with pytest.raises(InputError, match="cannot be handed"):
        pickle_source(model, tmp_path / "model.pkl")
