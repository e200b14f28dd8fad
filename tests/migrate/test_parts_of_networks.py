"""Networks whose methods are called by themselves, whose parts are replaced, and whose weights go by other names."""

from __future__ import annotations

from netglot.migrate.migrating import migrate

PARTS = """
import math

import torch
from torch import nn
import torch.nn.functional as F


class Twins(nn.Module):
    def __init__(self, dim=4):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, dim))
        self.other = nn.Linear(5, dim)
        self.scales = nn.ParameterDict({"one": nn.Parameter(torch.ones(1)), "two": nn.Parameter(torch.ones(1))})
        self.register_buffer("mask", torch.eye(6, dtype=torch.bool).fill_diagonal_(0))
        for p in self.parameters():
            if p.dim() > 1:
                bound = 1 / math.sqrt(p.size(1) * 4)
                p.data.uniform_(-bound, bound)

    def encode(self, x):
        return self.mix(self.body(x)) * self.scales["one"]

    def mix(self, z):
        if self.training:
            return z * 1.5
        return z

    def forward(self, x, y):
        return self.encode(x) @ (self.other(y) * self.scales["two"]).t()


def longest(weight):
    return weight.norm(dim=1).max() * weight.shape[0]


model = Twins()
model.body[3] = nn.Linear(8, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(6, 6), torch.randn(6, 5)
for step in range(3):
    model.train()
    images, texts = model.encode(x), model.other(y) * model.scales["two"]
    logits = images @ texts.t()
    loss = F.cross_entropy(logits, torch.arange(6)) + logits[~model.mask].mean() + 0.01 * longest(model.other.weight)
    optimizer.zero_grad()
    loss.backward(gradient=torch.tensor(0.5))
    optimizer.step()
    model.eval()
    with torch.no_grad():
        print(loss.item(), model(x, y).cumsum(axis=1).sum().item())
model.other = nn.Linear(5, 4)
nn.init.constant_(model.other.weight, 0.1)
nn.init.zeros_(model.other.bias)
assert len(list(model.parameters())) == 10
optimizer = torch.optim.SGD(model.other.parameters(), lr=0.05)
for step in range(2):
    loss = model(x, y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
"""


def test_parts_of_networks(tmp_path):
    (tmp_path / "script.py").write_text(PARTS)
    found = migrate(tmp_path / "script.py", "tensorflow")
    text = found.files["script.py"].decode()
    for said in (
        "bound = 1 / math.sqrt(as_in_torch(p).shape[1] * 4)",
        "    def encode(self, x, training=False):\n",
        "        return self.mix(self.body(x, training=training), training=training)",
        "    def mix(self, z, training=False):\n        if training:",
        "    def call(self, x, y, training=False):\n        return self.encode(x, training=training) @",
        "images, texts = model.encode(x, training=True), model.other(y)",
        'replace(model, "other", Dense(4, inputs=5))',
        "replace(model.body, 3, Dense(4, inputs=8))",
    ):
        assert said in text, text
    assert not found.report["files"][0]["marked"], text
    assert found.verdict == "equivalent", found.report
