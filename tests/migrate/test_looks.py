"""What is written for calls that earlier came out wrong, or unmarked; neither side is trained here."""

import pytest

from netglot.migrate.migrating import migrate

pytest.importorskip("torch")
pytest.importorskip("keras")

TORCH = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

net = nn.Sequential(nn.Linear(4, 3))
other = nn.Sequential(nn.Linear(4, 3))
loader = DataLoader(TensorDataset(torch.randn(8, 4), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])), batch_size=4)
chosen = torch.tensor([len(one) for one in ("a", "bb")])
print(torch.randn(2, 5, 3).topk(2, dim=1), torch.randn(2, 5).topk(2, 1))
print(hasattr(torch.nn.functional, "scaled_dot_product_attention"))


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, x):
        for one, part in zip(self.scale, x.chunk(2, dim=1)):
            x = x + (one * part).sum()
        return x


for p in Scaled()(torch.ones(2, 4)), other:
    print(p)
for p in net.parameters():
    p.requires_grad_(True)


def train(model, loader, optimizer):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()


train(net, loader, torch.optim.SGD(net.parameters(), lr=0.1))
train(other, loader, torch.optim.Adam(other.parameters()))
groups = [{"params": net.parameters(), "weight_decay": 0.1}]
last = torch.optim.AdamW(groups, lr=0.1)
if len(chosen) > 3:
    net.cuda()
    other.cuda()
"""
KERAS = """
import keras
import numpy as np
import tensorflow as tf

model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)])
x = tf.constant(np.random.rand(6, 4).astype("float32"))
print(tf.argmax(x), tf.argmax(x, axis=1), tf.random.uniform((2,), -1.0, 1.0))
print(tf.random.uniform((2,), 0, 9, dtype=tf.int64))
print(keras.ops.take(x, [0, 1]), tf.gather(x, [0, 1]), tf.gather(x, [0, 1], axis=-1))
print(tf.image.convert_image_dtype(x, tf.float32))
print(model(x, training=True), model.predict(x))


def density(x):
    return tf.exp(-x)


print(density(0.5), density(x), keras.ops.mean(x > 0))


class Given(keras.Model):
    def __init__(self):
        inputs = keras.Input((4,))
        super().__init__(inputs=inputs, outputs=keras.layers.Dense(2)(inputs))


Given()(x)


class Never(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.save_weights("last.weights.h5")
"""


def test_towards_keras(tmp_path):
    (tmp_path / "script.py").write_text(TORCH)
    found = migrate(tmp_path / "script.py", "tensorflow", verify=False)
    text = found.files["script.py"].decode()
    for said in (
        "gradients = tape.gradient(loss, model.trainable_variables)\n",
        'chosen = ops.convert_to_tensor([len(one) for one in ("a", "bb")], dtype="int64")',
        "print(True)\n",
        "for one, part in zip(tf.unstack(self.scale), ",
        "if len(chosen) > 3:\n    pass\n",
    ):
        assert said in text, text
    assert "top_along(keras.random.normal((2, 5, 3)), 2, axis=1)" in text, text
    assert 'Groups(*(((lambda one=one: one["params"]), Adam(' in text, text
    assert 'decay=one.get("weight_decay", ' in text, text


def test_towards_pytorch(tmp_path):
    (tmp_path / "script.py").write_text(KERAS)
    found = migrate(tmp_path / "script.py", "torch", verify=False)
    text = found.files["script.py"].decode()
    for said in (
        "print(torch.argmax(x, dim=0), torch.argmax(x, dim=1), ((-1.0) + (1.0 - (-1.0)) * torch.rand((2,))))",
        "print(torch.randint(0, 9, (2,)))",
        "print(x.flatten()[[0, 1]], x[[0, 1]], x[:, [0, 1]])",
        "print(x.to(torch.get_default_dtype()))",
        "print(model.train()(x), predict(model, x))",
        "    return torch.exp(torch.as_tensor(-x))\n",
        "torch.mean((x > 0).to(torch.get_default_dtype()))",
        "class Given(Model):\n",
        "super().__init__(inputs=inputs, outputs=Dense(2)(inputs))\n",
        'torch.save(self.model.state_dict(), "last.weights.h5")',
    ):
        assert said in text, text
    assert any("never ran" in one["reason"] for one in found.report["files"][0]["marked"])


PENALTY = """
import tensorflow as tf
from tensorflow import keras

critic = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def penalty(x):
    with tf.GradientTape() as inner:
        inner.watch(x)
        score = critic(x, training=True)
    slope = inner.gradient(score, x)
    return tf.reduce_mean((tf.norm(slope, axis=1) - 1.0) ** 2)


with tf.GradientTape() as tape:
    loss = penalty(tf.ones((2, 3)))
grads = tape.gradient(loss, critic.trainable_variables)
"""


def test_a_gradient_under_a_tape_of_the_caller_stays_differentiable(tmp_path):
    (tmp_path / "script.py").write_text(PENALTY)
    text = migrate(tmp_path / "script.py", "torch", verify=False).files["script.py"].decode()
    assert "slope = torch.autograd.grad(score.sum(), x, allow_unused=True, create_graph=True)[0]" in text, text
    assert "grads = torch.autograd.grad(loss, list(critic.parameters()), allow_unused=True)\n" in text, text


TRANSFER = """
import torch
import torch.nn as nn

backbone = nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU())
head = nn.Linear(16, 1)
for p in backbone[0].parameters():
    p.requires_grad = False
params = [p for p in list(backbone.parameters()) + list(head.parameters()) if p.requires_grad]
optimizer = torch.optim.SGD(params, lr=0.01)
other = torch.optim.SGD(filter(lambda p: p.requires_grad, [*backbone.parameters(), *head.parameters()]), lr=0.01)
x = torch.rand(32, 10)
for epoch in range(2):
    loss = (head(backbone(x)) - 1).pow(2).mean()
    other.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(head.parameters(), 1.0)
    other.step()
"""


def test_networks_that_are_trained_together(tmp_path):
    (tmp_path / "script.py").write_text(TRANSFER)
    found = migrate(tmp_path / "script.py", "keras", verify=False)
    text = found.files["script.py"].decode()
    both = "[*backbone.trainable_variables, *head.trainable_variables]"
    for said in (
        "backbone(ops.zeros((32, 10)))  # makes its weights\nhead(ops.zeros((32, 16)))  # makes its weights\nparams = ",
        "loss = ops.mean(ops.power(head(backbone(x, training=True)) - 1, 2))",
        f"gradients = tape.gradient(loss, {both})",
        f"gradients = clip_among(clip_grad_norm, gradients, {both}, head.trainable_variables, 1.0)",
    ):
        assert said in text, text
    assert not found.report["files"][0]["marked"]
