"""Packed sequences: a padded batch, a mask, and recurrent layers that run over it."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence  # noqa: E402

from netglot.api import read  # noqa: E402
from netglot.dialects.torch.packed import NOTE  # noqa: E402
from netglot.errors import NetglotError  # noqa: E402
from netglot.pivot.evaluate import evaluate  # noqa: E402

LENGTHS = [2, 5, 1]


class Classifier(nn.Module):
    """The last states of sequences, as most people pack them."""

    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(4, 3, batch_first=True, bidirectional=True), nn.Linear(6, 2)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (h, c) = self.lstm(packed)
        return self.out(torch.cat([h[0], h[1]], -1)), c


class Tagger(nn.Module):
    """The outputs of all steps, of two layers in both directions."""

    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(4, 3, num_layers=2, batch_first=True, bidirectional=True), nn.Linear(6, 2)

    def forward(self, x, lengths):
        y, h = self.gru(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        y, found = pad_packed_sequence(y, batch_first=True)
        return self.out(y), h, found


class TimeFirst(nn.Module):
    """Time in front, states that are given, another number for the padding, the other order of axes in the end."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(4, 3, nonlinearity="relu")

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        y, h = self.rnn(packed, torch.ones(1, x.shape[1], 3, dtype=x.dtype))
        y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, padding_value=-7.0, total_length=x.shape[0])
        return y, h


class Between(nn.Module):
    """Something is done to the packed data between two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.GRU(4, 3, batch_first=True), nn.LSTM(3, 2, batch_first=True)

    def forward(self, x, lengths):
        packed, _ = self.first(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        others = (packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        packed, _ = self.second(PackedSequence(torch.exp(packed.data), *others))
        return pad_packed_sequence(packed, batch_first=True)[0]


@pytest.mark.parametrize("network", [Classifier, Tagger, TimeFirst, Between])
def test_as_pytorch_computes_them(network):
    torch.manual_seed(0)
    made = network().double().eval()
    shape = (5, 3, 4) if network is TimeFirst else (3, 5, 4)
    graph = read(made, [f"float64 {'T,B' if network is TimeFirst else 'B,T'},4", "int64 B"])
    x, lengths = torch.randn(shape, dtype=torch.float64), torch.tensor(LENGTHS)
    found = evaluate(graph, {graph.inputs[0].name: x.numpy(), graph.inputs[1].name: lengths.numpy()})
    expected = made(x, lengths)
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for mine, theirs in pairs:
        torch.testing.assert_close(torch.from_numpy(mine), theirs.detach())
    assert (NOTE in graph.notes) == (network is not Classifier)


def test_pytorch_s_own_functions_come_back():
    code, forward = pack_padded_sequence.__code__, nn.LSTM.forward
    read(Classifier(), ["B,T,4", "int64 B"])
    assert pack_padded_sequence.__code__ is code and nn.LSTM.forward is forward
    assert pack_padded_sequence(torch.ones(3, 5), [2, 5, 1], True, False).data.shape == (8,)


class Projected(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3, proj_size=2, batch_first=True)

    def forward(self, x, lengths):
        return self.lstm(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[1][0]


def test_projections_of_packed_sequences_are_refused():
    with pytest.raises(NetglotError) as found:
        read(Projected(), ["B,5,4", "int64 B"])
    assert "packed sequences" in str(found.value.refused[0].reason)
