"""Details of emitted PyTorch that a reader of the file would look for."""

import pytest
import torch
from tests.torch_write.emitted import emit
from torch import nn
from torch.nn import functional as F

import netglot


class Frozen(nn.Module):
    """A frozen backbone, a buffer, and a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4, eps=1e-3))
        self.backbone.requires_grad_(False)
        self.head = nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.full((4,), 0.5))
        self.register_buffer("table", torch.arange(4.0))

    def forward(self, x):
        return self.head(self.backbone(x).mean((2, 3)) * self.scale + self.table)


class Recurrent(nn.Module):
    """Outputs and states of a bidirectional LSTM."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 5, batch_first=True, bidirectional=True)

    def forward(self, x):
        out, (h, c) = self.lstm(x)
        return out, h[1], c[0]


class Attending(nn.Module):
    """Attention with a mask of what is left out, dropout, and positions made while it runs."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)

    def forward(self, x, padding):
        x = x + torch.arange(x.shape[1], device=x.device)[None, :, None]
        return self.attention(x, x, x, key_padding_mask=padding, need_weights=False)[0]


class Tied(nn.Module):
    """One matrix that embeds and scores."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(F.gelu(self.embedding(ids), approximate="tanh"))


class Halves(nn.Module):
    """One parameter of two halves, each with a use of its own."""

    def __init__(self):
        super().__init__()
        self.both = nn.Parameter(torch.arange(8.0).reshape(2, 4))

    def forward(self, x):
        scale, offset = self.both.split(1)
        return x * scale + offset


CASES = {
    Frozen: (
        ["B,3,9,9"],
        ["nn.Conv2d(3, 4, 3, stride=2)", "nn.BatchNorm2d(4, eps=0.001, momentum=0.1)", ".mean((2, 3))"],
    ),
    Recurrent: (["B,4,3"], ["nn.LSTM(3, 5, batch_first=True, bidirectional=True)", "(h, c) = self.lstm(x)", "h[1]"]),
    Attending: (
        ["B,4,8", "padding=bool B,4"],
        ["nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)", "key_padding_mask=padding", "device=x.device"],
    ),
    Tied: (["ids=int64 B,5@0:11"], ["nn.Embedding(11, 6)", 'approximate="tanh"', "self.embedding.weight"]),
}


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_text_says(kind, tmp_path):
    inputs, wanted = CASES[kind]
    written, _ = emit(netglot.read(kind, inputs), tmp_path)
    for text in wanted:
        assert text in written.source


def test_parts_of_a_parameter_are_told_apart(tmp_path):
    _, load = emit(netglot.read(Halves, ["B,4"]), tmp_path)
    x = torch.randn(3, 4)
    assert torch.equal(load()(x), Halves()(x))


def test_frozen_parts_stay_frozen(tmp_path):
    written, load = emit(netglot.read(Frozen, ["B,3,9,9"]), tmp_path)
    assert "model.backbone.requires_grad_(False)" in written.source
    module = load()
    assert not any(p.requires_grad for p in module.backbone.parameters())
    assert module.scale.requires_grad
    assert [name for name, _ in module.named_buffers() if "." not in name] == ["table"]


def test_weights_are_a_state_dict(tmp_path):
    from safetensors.torch import load_file

    network = Frozen()
    network.backbone[1].num_batches_tracked += 7
    _, load = emit(netglot.read(network, ["B,3,9,9"]), tmp_path)
    held, module = load_file(tmp_path / "model.safetensors"), load()
    assert held.keys() == module.state_dict().keys()
    assert int(held["backbone.1.num_batches_tracked"]) == 7
    for name, tensor in network.state_dict().items():
        assert torch.equal(held[name], tensor)


def test_without_weights_the_network_is_as_it_was_made(tmp_path):
    _, load = emit(netglot.read(Frozen, ["B,3,9,9"]), tmp_path)
    assert load(weights=None)(torch.zeros(1, 3, 9, 9)).shape == (1, 2)


class Modulated(nn.Module):
    """A block that takes a pair apart."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x, scale_shift):
        scale, shift = scale_shift
        return self.linear(x) * (scale + 1) + shift


class Pairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 16)
        self.first, self.second = Modulated(), Modulated()

    def forward(self, x, t):
        pair = self.embed(t).chunk(2, 1)
        return self.second(self.first(x, pair), pair)


def test_items_of_a_pair_have_the_names_under_which_it_is_taken_apart(tmp_path):
    written, _ = emit(netglot.read(Pairs, ["x=B,8", "t=B,4"]), tmp_path)
    assert "def forward(self, x, scale, shift):" in written.source
    assert "self.linear(x) * (scale + 1) + shift" in written.source


class Sublayer(nn.Module):
    """Calls what it is handed, which belongs to the module around it."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(6)

    def forward(self, x, inner):
        return x + inner(self.norm(x))


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(6, 6)

    def forward(self, x, mask):
        return self.gate(x) * mask


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.feed = Gate(), nn.Linear(6, 6)
        self.sublayer = nn.ModuleList([Sublayer(), Sublayer()])

    def forward(self, x, mask):
        x = self.sublayer[0](x, lambda y: self.gate(y, mask))
        return self.sublayer[1](x, self.feed)


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleList([Layer(), Layer(), Layer()])

    def forward(self, x, kept):
        mask = (kept * 2).unsqueeze(-1)
        for layer in self.encoder:
            x = layer(x, mask)
        return x


def test_modules_that_are_handed_in_have_the_same_name_in_every_layer(tmp_path):
    written, _ = emit(netglot.read(Layers, ["x=B,5,6", "kept=B,5"]), tmp_path)
    assert written.source.count("\nclass ") == 4  # two kinds of sublayers, one of layers
    for text in (
        "self.gate = nn.Linear(6, 6)",
        "self.feed = ",
        "for layer in self.encoder:",
        "def forward(self, x, mask):",
    ):
        assert text in written.source


class Temporal(nn.Module):
    """Two normed convolutions, each held under two names."""

    def __init__(self, dilation, normed):
        super().__init__()
        self.conv1 = normed(nn.Conv1d(4, 4, 3, dilation=dilation))
        self.conv2 = normed(nn.Conv1d(4, 4, 3, dilation=dilation))
        self.net = nn.Sequential(self.conv1, nn.ReLU(), self.conv2, nn.ReLU())

    def forward(self, x):
        return self.net(x)


@pytest.mark.parametrize("target", ["torch", "keras"])
@pytest.mark.parametrize("normed", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
def test_normed_weights_stay_with_their_layer(normed, target):
    torch.manual_seed(0)
    network = nn.Sequential(*(Temporal(dilation, normed) for dilation in (2, 3, 4)))
    source = netglot.write(netglot.read(network, ["B,4,40"]), to=target).source
    assert source.count("Conv1d(layers.Layer)" if target == "keras" else "Conv1d(nn.Module)") == 1
    after = source[source.index("class Temporal") :]
    assert "weight" not in after[: after.index("\nclass ")]
    if target == "keras":
        assert "initializer=uniform(12)" in source and "Constant(0.5774)" in source
        assert 'initializer="zeros"' not in source


class Turned(nn.Module):
    """Values that are assigned in another shape, and side by side."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        b, t, _ = x.shape
        q = self.query(x).view(b, t, 2, 4).transpose(1, 2)
        k = self.key(x).view(b, t, 2, 4).transpose(1, 2)
        low, high = q.sigmoid(), k.tanh()
        return (q * low + k * high) @ (k * low - q * high).transpose(2, 3)


def test_values_are_called_what_the_source_calls_them(tmp_path):
    written, _ = emit(netglot.read(Turned, ["B,T,8"]), tmp_path)
    for text in ("q = self.query(x)", "k = self.key(x)", "low = torch.sigmoid(q)", "high = torch.tanh(k)"):
        assert text in written.source


class Columns(nn.Module):
    """An embedding for each column of a table."""

    def __init__(self):
        super().__init__()
        self.embeds = nn.ModuleList([nn.Embedding(5, 3), nn.Embedding(7, 4)])

    def forward(self, ids):
        return torch.cat([embed(ids[:, i]) for i, embed in enumerate(self.embeds)], 1)


def test_what_members_of_a_list_take_is_written_where_they_take_it(tmp_path):
    written, _ = emit(netglot.read(Columns, ["int64 B,2@0:5"]), tmp_path)
    for text in ("self.embeds[0](ids[:, 0])", "self.embeds[1](ids[:, 1])"):
        assert text in written.source
