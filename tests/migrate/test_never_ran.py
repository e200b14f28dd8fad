"""Code that never ran while it was observed: what is written for it is right for all dtypes and ranks, or marked."""

import ast
import importlib.util

import numpy as np
import pytest

from netglot.migrate.migrating import migrate

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

HEAD_TORCH = """
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self, mode=""):
        super().__init__()
        self.mode = mode
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        if self.mode == "cat":
            return torch.cat([x, self.conv(x)], dim=1)
        if self.mode == "flat":
            return torch.flatten(x, 1)
        if self.mode == "last":
            return x.permute(0, 2, 3, 1)
        if self.mode == "changed":
            x.mul_(2)
            x[:, 0] = 0
            return x.view(x.size(0), -1)
        return self.conv(x)


net = Net()
net(torch.zeros(2, 3, 4, 4))
"""
HEAD_KERAS = """
import tensorflow as tf
import keras
from keras import backend as K, ops


class Net(keras.Model):
    def __init__(self, mode=""):
        super().__init__()
        self.mode = mode
        self.dense = keras.layers.Dense(4)

    def call(self, x):
        if self.mode == "cat":
            return tf.concat([x, self.dense(x)], axis=-1)
        if self.mode == "first":
            return tf.transpose(x, [0, 3, 1, 2])
        if self.mode == "kept":
            y = x
            y += 1.0
            return x + y
        return self.dense(x)


net = Net()
net(tf.zeros((2, 3, 3, 3)))
"""
A = np.arange(-5, 7, dtype="float32").reshape(3, 4)
B = A[::-1].copy()
WHOLE, OTHER = np.arange(12).reshape(3, 4) - 4, np.arange(12)[::-1].reshape(3, 4) // 2 + 1
MASK = A > 0
PLACES = np.array([2, 0, 1])
PAIRS = [(A, B), (WHOLE, OTHER), (A, OTHER)]

FROM_TORCH = {
    "def accuracy(a, b):\n    return (a == b).float().mean()": PAIRS,
    "def right(a, b):\n    return (a.argmax(1) == b.argmax(1)).sum().item() / len(b)": PAIRS,
    "def share(a, b):\n    return (a > b).sum() / a.size(1)": PAIRS,
    "def first(x):\n    return x.shape[1], x.size(0), x.ndim": [(A,)],
    "def mixed(a, w):\n    return a * w + 0.5": PAIRS,
    "def halves(a, b):\n    return a // b, a % b, a / b": [(A, OTHER), (WHOLE, OTHER)],
    "def most(x):\n    return F.softmax(x)": [(A,)],
    "def rows(x, chosen):\n    return x[chosen] + x[:, 0]": [(A, PLACES)],
    "def hidden(x, mask):\n    return x.masked_fill(mask, 0.0), x * mask": [(A, MASK), (WHOLE, MASK)],
    "def joined(x):\n    y = x\n    y += 1\n    return x * 2": [(A,)],
    "def spread(x):\n    return x.std(), x.var(dim=1), x.max(1)[0], x.median()": [(A,)],
    "def best(x):\n    values, places = torch.max(x, 1)\n    return places + 0.5": [(A,)],
    "def flat(x):\n    return x.view(-1).float() / x.numel()": [(A,), (WHOLE,)],
    "def turned(x):\n    return x.t(), x.transpose(0, 1), x.T": [(A,)],
    "def none(mask):\n    return mask == 0": [(MASK,), (WHOLE,)],
    "def later(x):\n    return x.cumsum(1)[:, -1:], x.chunk(2, 1)": [(A,)],
    "def width(factor, n=8):\n    return max(n, int(factor * n) // n * n)": [(1.5,)],
    "def pooled(x):\n    return torch.relu(x) if x is not None else None": [(A,)],
}
SURE_TORCH = {"width", "pooled"}
FROM_KERAS = {
    "def accuracy(a, b):\n    return ops.mean(a == b)": PAIRS[:2],
    "def same(a, b):\n    return tf.reduce_mean(tf.cast(tf.equal(a, b), tf.float32))": PAIRS[:2],
    "def rounded(a, b):\n    return K.mean(K.equal(K.round(a), b))": [(A, B)],
    "def mean(x):\n    return ops.mean(x)": [(A,), (MASK,), (WHOLE,)],
    "def share(x):\n    return tf.reduce_mean(x)": [(A,), (WHOLE,)],
    "def right(a, b):\n    same = tf.argmax(a, axis=1) == tf.argmax(b, axis=1)\n"
    "    return tf.reduce_sum(tf.cast(same, tf.float32))": PAIRS[:2],
    "def kept(x):\n    y = x\n    y += 1\n    return x * 2": [(A,)],
    "def last(x):\n    return tf.reduce_max(x, axis=-1), x[..., tf.newaxis], x.shape[-1]": [(A,)],
    "def picked(x, places):\n    return tf.gather(x, places), tf.gather(x, places, axis=1)": [(A, PLACES)],
    "def turned(x):\n    return tf.transpose(x)": [(A,)],
    "def halves(a, b):\n    return a // b, a % b": [(WHOLE, OTHER)],
    "def root(n):\n    return tf.sqrt(tf.cast(n, tf.float32))": [(4,)],
    "def loss(y_true, y_pred):\n    return K.mean(K.square(y_pred - y_true), axis=-1)": [(A, B)],
    "def parts(x):\n    a, b = tf.split(x, 2, axis=1)\n    return a - b": [(A,)],
}
SURE_KERAS = {"accuracy", "same", "rounded", "right", "last", "turned", "halves", "loss"}


def arrays(value):
    if isinstance(value, (tuple, list)):
        return [one for part in value for one in arrays(part)]
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    return [np.asarray(value)]


def loaded(path, text):
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def marked_lines(text):
    """The functions of a file that a mark stands above, or in."""
    lines, found = text.split("\n"), set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            around = lines[node.lineno - 2 : node.end_lineno]
            if any(line.strip().startswith("# netglot:") for line in around):
                found.add(node.name)
    return found


def compared(tmp_path, head, table, to, mine, his):
    """The functions that do not do as before, those that are marked, and the text."""
    text = head + "\n\n" + "\n\n\n".join(table) + "\n"
    source = loaded(tmp_path / "before.py", text)
    found = migrate(tmp_path / "before.py", to, verify=False)
    written = found.files["before.py"].decode()
    target, wrong = loaded(tmp_path / "after.py", written), set()
    for function, calls in table.items():
        name = function.partition("(")[0].removeprefix("def ")
        for given in calls:
            try:
                expected = arrays(getattr(source, name)(*(mine(one) for one in given)))
            except Exception:
                continue  # it was wrong before
            try:
                made = arrays(getattr(target, name)(*(his(one) for one in given)))
                same = len(made) == len(expected) and all(
                    a.shape == b.shape and np.allclose(a, b, atol=1e-5) for a, b in zip(made, expected, strict=True)
                )
            except Exception:
                same = False
            if not same:
                wrong.add(name)
    return wrong, marked_lines(written), written


def torch_value(one):
    return torch.tensor(one) if isinstance(one, np.ndarray) else one


def tf_value(one):
    return tf.constant(one) if isinstance(one, np.ndarray) else one


def test_unseen_functions_towards_keras(tmp_path):
    wrong, marked, text = compared(tmp_path, HEAD_TORCH, FROM_TORCH, "tensorflow", torch_value, tf_value)
    assert wrong <= marked, (wrong - marked, text)
    assert not marked & SURE_TORCH, (marked & SURE_TORCH, text)


def test_unseen_functions_towards_pytorch(tmp_path):
    wrong, marked, text = compared(tmp_path, HEAD_KERAS, FROM_KERAS, "torch", tf_value, torch_value)
    assert wrong <= marked, (wrong - marked, text)
    assert not marked & SURE_KERAS, (marked & SURE_KERAS, text)


def test_unseen_branches_know_what_the_rest_saw(tmp_path):
    (tmp_path / "net.py").write_text(HEAD_TORCH)
    found = migrate(tmp_path / "net.py", "keras", verify=False)
    text = found.files["net.py"].decode()
    for said in (
        "return ops.concatenate([x, self.conv(x)], axis=1)",
        "return ops.transpose(x, (0, 2, 3, 1))",
        "x = ops.multiply(x, 2)",
        "x = updated(x, np.s_[:, 0], 0)",
        "return ops.reshape(x, (-1, math.prod(x.shape[1:])))",
    ):
        assert said in text, text
    assert not found.report["files"][0]["marked"], text


def test_unseen_branches_towards_pytorch(tmp_path):
    (tmp_path / "net.py").write_text(HEAD_KERAS)
    found = migrate(tmp_path / "net.py", "torch", verify=False)
    text = found.files["net.py"].decode()
    assert "y = y + 1.0\n" in text
    assert not found.report["files"][0]["marked"], text


LOOPS = """
def train(model, loader, optimizer):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
"""


def test_a_loop_that_nobody_calls_is_written_and_marked_once(tmp_path):
    (tmp_path / "net.py").write_text(HEAD_TORCH + LOOPS)
    found = migrate(tmp_path / "net.py", "tensorflow", verify=False)
    text = found.files["net.py"].decode()
    assert "# netglot: never ran while it was observed; written by its looks\ndef train(" in text
    assert "loss = cross_entropy(model(x, training=True), y)" in text
    assert "optimizer.apply_gradients(zip(gradients, model.trainable_variables))" in text
    assert len(found.report["files"][0]["marked"]) == 1


COUNTED = """

class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential()
        self.body.add_module("first", nn.Linear(4, 3))

    def forward(self, x):
        return self.body(x)


wide = Wide()
print(sum(p.numel() for p in wide.parameters()))
wide(torch.zeros(2, 4))
best = {k: v.detach().clone() for k, v in wide.state_dict().items()}
wide.load_state_dict(best)
"""


def test_weights_are_made_before_they_are_counted(tmp_path):
    (tmp_path / "net.py").write_text(HEAD_TORCH + COUNTED)
    found = migrate(tmp_path / "net.py", "keras", verify=False)
    text = found.files["net.py"].decode()
    assert "wide(ops.zeros((2, 4)))  # makes its weights\nprint(sum(math.prod(p.shape) for p in wide.tr" in text, text
    assert "self.body = keras.Sequential()\n        self.body.add(Dense(3))\n" in text
    assert "best = wide.get_weights()\nwide.set_weights(best)\n" in text
