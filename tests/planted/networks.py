"""Small networks, each with what one mistake or a few would spoil. Sizes are such that no mistake changes a shape."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Image(nn.Module):
    """A convolution with as many channels in as out, batch norm, and activations with options."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.gelu = nn.GELU()
        self.grouped = nn.Conv2d(4, 8, 3, groups=2)
        self.slope = nn.LeakyReLU(0.1)
        self.prelu = nn.PReLU(8)
        self.norm = nn.GroupNorm(4, 8)

    def forward(self, x):
        x = self.gelu(self.bn(self.conv(x)))
        return self.norm(self.prelu(self.slope(self.grouped(x))))


class Windows(nn.Module):
    """Strides, padding, pooling, resizing and a transposed convolution, flattened into a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.maximum = nn.MaxPool2d(3, stride=2, padding=1)
        self.mean = nn.AvgPool2d(3, stride=1, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)
        self.resize = nn.Upsample(scale_factor=1.5, mode="bilinear", align_corners=True)
        self.head = nn.Linear(4 * 12 * 12, 3)

    def forward(self, x):
        x = self.mean(self.maximum(self.conv(x) - 1.0))
        x = self.resize(self.up(x))
        return self.head(torch.flatten(x, 1))


class Sequence(nn.Module):
    """Recurrent layers with their states."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.gru = nn.GRU(5, 5, batch_first=True, bidirectional=True)

    def forward(self, x):
        x, (hidden, cell) = self.lstm(x)
        x, both = self.gru(x)
        return x, hidden - 2.0 * cell, both.tanh()


class Attending(nn.Module):
    """Multi-head attention, plain attention, layer norm, and a softmax over an axis as long as the last."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):
        x = x + self.attention(x, x * 0.5, x, need_weights=False)[0]
        x = self.dropout(self.norm(x))
        heads = x.unflatten(2, (2, 4)).transpose(1, 2)
        x = F.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
        return F.softmax(x.transpose(1, 2).flatten(2), dim=1)


class Arithmetic(nn.Module):
    """Statistics, joining, detaching, and remainders of negative numbers."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.embedding = nn.Embedding(7, 6)

    def forward(self, x, index):
        a, b = self.first(x), self.second(x).detach()
        spread = a.var(dim=-1, keepdim=True)
        return torch.cat([a, b], dim=-1) * spread, torch.remainder(a * 3.0, 2.0), self.embedding(index)


NETWORKS = {
    "image": (Image, ["B,4,6,6"]),
    "windows": (Windows, ["B,2,16,16"]),
    "sequence": (Sequence, ["B,5,6"]),
    "attending": (Attending, ["B,8,8"]),
    "arithmetic": (Arithmetic, ["x=B,6", "index=int64 B@0:7"]),
}
"""What makes each network, and what it is called with."""
