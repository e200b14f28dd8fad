"""Weights that code touches before the first call, and code that PyTorch does not watch in a forward pass."""

from __future__ import annotations

import pytest

from netglot.migrate.migrating import migrate

TOUCHED = """
import copy
import math

import torch
from torch import nn
import torch.nn.functional as F


class Head(nn.Module):
    def __init__(self, channels=6, classes=3, prior=0.01):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.up = nn.ConvTranspose2d(channels, channels, 2, 2)
        self.group = nn.GroupNorm(2, channels)
        self.lstm = nn.LSTM(channels, 4, batch_first=True)
        self.after = nn.LayerNorm(4)
        self.cls = nn.Linear(4, classes)
        for m in self.modules():
            if hasattr(m, "weight") and m.weight is not None and m.weight.dim() > 1:
                nn.init.normal_(m.weight, std=0.2)
            if getattr(m, "bias", None) is not None and not isinstance(m, (nn.LSTM, Head)):
                nn.init.zeros_(m.bias)
        nn.init.constant_(self.cls.bias, -math.log((1 - prior) / prior))
        self.lstm.bias_hh_l0.data[4:8] = 1
        with torch.no_grad():
            self.cls.weight.mul_(0.5)
            self.conv.weight[0] *= 3

    def forward(self, x):
        x = self.group(self.up(F.relu(self.norm(self.conv(x)))))
        y, _ = self.lstm(x.mean(dim=3).transpose(1, 2))
        return self.cls(self.after(y[:, -1]))


def reset(weight):
    weight.data.uniform_(-1 / weight.size(1), 1 / weight.size(1))


torch.manual_seed(0)
model = Head()
print(sum(p.numel() for p in model.parameters()))
with torch.no_grad():
    model.norm.weight.fill_(0.5)
model.conv.weight.data *= 2
reset(model.cls.weight)
average, other = copy.deepcopy(model), Head()
for a, b in zip(other.parameters(), model.parameters()):
    a.data.copy_(b.data)
    a.requires_grad = False
print(sum(p.numel() for p in other.parameters()))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(6, 3, 8, 8), torch.randint(0, 3, (6,))
for step in range(3):
    loss = F.cross_entropy(model(x), y) + 0.1 * F.mse_loss(model(x), average(x)) + other(x).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for a, b in zip(average.parameters(), model.parameters()):
            a.mul_(0.9).add_(b, alpha=0.1)
        for a, b in zip(average.buffers(), model.buffers()):
            a.copy_(b)
    print(loss.item())
"""


def test_weights_that_are_touched_before_the_first_call(tmp_path):
    (tmp_path / "script.py").write_text(TOUCHED)
    found = migrate(tmp_path / "script.py", "tensorflow")
    text = found.files["script.py"].decode()
    for said in (
        "self.conv = Conv2D(channels, 3, padding=1, inputs=3)",
        "self.norm = BatchNormalization(inputs=channels)",
        "self.group = built(layers.GroupNormalization(2, axis=1, epsilon=1e-05), channels)",
        "self.cls.kernel.assign(ops.multiply(self.cls.kernel, 0.5))",
        "model.norm.gamma.assign(keras.initializers.Constant(0.5)(model.norm.gamma.shape))",
        "model.conv.kernel.assign(model.conv.kernel * 2)",
        "self.lstm.bias_hh_l0.assign(updated(self.lstm.bias_hh_l0, np.s_[4:8], 1))",
        "for a, b in zip(parameters(other), parameters(model)):",
    ):
        assert said in text, text
    assert "# makes its weights" not in text and not found.report["files"][0]["marked"], text
    assert found.verdict == "equivalent", found.report


UNWATCHED = """
import torch
from torch import nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Linear(6, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        h = torch.tanh(self.enc(x))
        with torch.no_grad():
            gate = torch.sigmoid(self.enc(x))
            scale, index = gate.max(dim=1, keepdim=True)
        return self.out(h * gate) * scale


@torch.no_grad()
def sharpened(model, x, temperature=0.5):
    return F.softmax(model(x) / temperature, dim=1)


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(32, 6)
for step in range(3):
    with torch.no_grad():
        target = F.softmax(model(x + 0.1), dim=1)
    logits = model(x)
    with torch.no_grad():
        weight = F.softmax(model(x - 0.1), dim=1)
    loss = F.mse_loss(F.softmax(logits, dim=1), weight * target) + F.mse_loss(logits, sharpened(model, x))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
"""


def test_code_that_is_not_watched_in_a_forward_pass(tmp_path):
    (tmp_path / "script.py").write_text(UNWATCHED)
    found = migrate(tmp_path / "script.py", "tensorflow")
    text = found.files["script.py"].decode()
    for said in (
        "gate = tf.stop_gradient(tf.sigmoid(self.enc(x)))\n",
        "        scale = tf.stop_gradient(scale)\n",
        "    return tf.stop_gradient(tf.nn.softmax(model(x, training=True) / temperature, axis=1))",
        "    target = tf.nn.softmax(model(x + 0.1, training=True), axis=1)\n    with tf.GradientTape() as tape:\n",
        "        with tape.stop_recording():\n            weight = tf.nn.softmax(",
    ):
        assert said in text, text
    assert found.verdict == "equivalent", found.report


LATE = """
import torch
from torch import nn


def init(m):
    if isinstance(m, nn.Linear):
        nn.init.normal_(m.weight, std=0.02)


model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
{}model.apply(init)
print(model(torch.ones(3, 4)).shape)
"""


@pytest.mark.parametrize("counts", [False, True])
def test_initialisers_are_set_only_where_weights_are_yet_to_come(tmp_path, counts):
    (tmp_path / "script.py").write_text(LATE.format("print(len(list(model.parameters())))\n" if counts else ""))
    text = migrate(tmp_path / "script.py", "keras", verify=False).files["script.py"].decode()
    assert ("m.kernel_initializer = " in text) is not counts, text
    assert ("m.kernel.assign(" in text and "inputs=4" in text) is counts, text
