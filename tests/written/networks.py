"""Small networks of several kinds, drawn with weights and statistics that are no defaults."""

from __future__ import annotations

import torch
from torch import nn


class Block(nn.Module):
    """Two convolutions with norms and a shortcut."""

    def __init__(self, features: int):
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(features, eps=1e-3)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1, groups=2)
        self.bn2 = nn.BatchNorm2d(features, affine=False)

    def forward(self, x):
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Pictures(nn.Module):
    """A classifier of pictures: uneven pools, blocks, branches side by side, a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.pool = nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.left, self.right = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 6, 3, padding=1)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(10 * 2 * 2, 7))

    def forward(self, x):
        x = self.layer1(self.pool(nn.functional.leaky_relu(self.stem(x), 0.1)))
        x = torch.cat([self.left(x), torch.sigmoid(self.right(x))], 1)
        x = nn.functional.adaptive_avg_pool2d(x, 2)
        return self.head(torch.flatten(x, 1)).softmax(1)


class Words(nn.Module):
    """A classifier of sequences of words."""

    def __init__(self, kind: str = "LSTM", **options):
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.rnn = getattr(nn, kind)(6, 5, batch_first=True, **options)
        self.head = nn.Linear(10 if options.get("bidirectional") else 5, 3)

    def forward(self, words):
        states, _ = self.rnn(self.embedding(words))
        return self.head(states[:, -1])


class Lookup(nn.Module):
    """What few formats can say: an assignment to places that the network computes."""

    def forward(self, x):
        return x.scatter_add(1, x.argsort(1), x) + torch.special.i0(x)


def drawn(network: nn.Module) -> nn.Module:
    """The network in inference, its weights and statistics drawn."""
    torch.manual_seed(0)
    for name, held in [*network.named_parameters(), *network.named_buffers()]:
        if held.is_floating_point():
            with torch.no_grad():
                held.copy_(torch.rand_like(held) + 0.5 if name.endswith("var") else torch.randn_like(held) * 0.3)
    return network.eval()
