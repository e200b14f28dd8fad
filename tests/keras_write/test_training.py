"""What a network does only in training comes along: drop path, dropout inside attention, exact running variances."""

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from netglot.api import read, write  # noqa: E402
from netglot.pivot import ops  # noqa: E402


class DropPath(nn.Module):
    """Drops whole examples, written by hand."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.dim() - 1)).bernoulli_(keep)
        return x * mask / keep


class Block(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.drop = DropPath(rate)

    def forward(self, x):
        return x + self.drop(self.fc(x))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.25 if self.training else 0.0)
        return y.transpose(1, 2).flatten(2)


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x) if self.training else x


def found(network, shape, kind):
    return [node.op for node in read(network, [shape]).nodes if isinstance(node.op, kind)]


def test_drop_path_is_dropout_over_the_batch():
    (op,) = found(Block(0.25), (2, 5, 8), ops.Dropout)
    assert op.rate == pytest.approx(0.25)
    assert op.noise_axes == (0,)


def test_drop_path_is_written_as_dropout_with_a_noise_shape():
    source = write(read(Block(0.25), [(2, 5, 8)]), "keras").source
    assert "layers.Dropout(0.25, noise_shape=(None, 1, 1))" in source


def test_dropout_inside_attention_is_seen():
    (op,) = found(Attention(), (2, 5, 8), ops.Attention)
    assert op.dropout == 0.25


def test_other_noise_is_told():
    graph = read(nn.Sequential(nn.Linear(4, 4), Noisy()), [(2, 4)])
    assert any("draws random numbers in training" in note for note in graph.notes)


def test_modes_and_state_are_left_as_they_were():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.1))
    network[1].eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    read(network, [(2, 4)])
    assert network.training and not network[1].training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_exact_training_takes_the_unbiased_layer():
    graph = read(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), [(2, 4)])
    assert "UnbiasedBatchNormalization" not in write(graph, "keras").source
    graph = read(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), [(2, 4)])
    assert "UnbiasedBatchNormalization(momentum" in write(graph, "keras", exact_training=True).source
