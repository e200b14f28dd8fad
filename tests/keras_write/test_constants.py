"""Constants are in a network that is trained from scratch too: in the constructor, or from the weights file."""

from __future__ import annotations

import importlib.util
import itertools
import math

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import torch
from torch import nn

import netglot
from netglot.pivot.graph import Parameter
from netglot.pivot.op import TensorType
from netglot.source.constants import Everywhere, Few, Range, Triangle, form_of


class Positions(nn.Module):
    def __init__(self, steps, features):
        super().__init__()
        places = torch.arange(steps)[:, None] * torch.exp(torch.arange(0, features, 2) * (-math.log(100.0) / features))
        table = torch.stack([places.sin(), places.cos()], -1).reshape(1, steps, features)
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table


class Attention(nn.Module):
    def __init__(self, steps, features, offset):
        super().__init__()
        self.qkv = nn.Linear(features, 3 * features)
        self.register_buffer("mask", torch.tril(torch.ones(steps, steps)).view(1, steps, steps))
        self.register_buffer("seen", torch.triu(torch.ones(steps, steps, dtype=torch.bool), -1))
        self.register_buffer("offset", torch.tensor(offset))

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        a = (q @ k.transpose(1, 2) + self.offset).masked_fill(self.mask == 0, -1e4)
        return a.masked_fill(~self.seen, -2e4).softmax(-1) @ v


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406, 0.1]))
        self.register_buffer("ids", torch.arange(3, 8).unsqueeze(0))
        self.register_buffer("share", torch.full((4,), 0.5))
        self.embedding = nn.Embedding(8, 4)
        self.positions = Positions(5, 4)
        self.blocks = nn.ModuleList([Attention(5, 4, 0.25), Attention(5, 4, 0.75)])

    def forward(self, x):
        x = self.positions((x - self.mean) * self.share + self.embedding(self.ids))
        for block in self.blocks:
            x = x + block(x)
        return x


def _constants(model) -> dict[str, np.ndarray]:
    if isinstance(model, nn.Module):
        return {name: buffer.numpy() for name, buffer in model.named_buffers()}
    return {v.path: np.asarray(v.value) for v in model.non_trainable_variables}


_count = itertools.count()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("target", ["keras", "torch"])
def test_constants_are_there_without_weights(target, tmp_path):
    torch.manual_seed(0)
    made = netglot.convert(Net(), to=target, inputs=["B,5,4"], verify=False)
    made.save(tmp_path)
    spec = importlib.util.spec_from_file_location(f"constants_{next(_count)}", tmp_path / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    trained, fresh = (_constants(model) for model in (module.load(), module.load(weights=None)))
    assert len(trained) >= 8
    for name, other in zip(trained, fresh, strict=True):
        np.testing.assert_array_equal(fresh[other], trained[name], err_msg=name)
    read = "as file:  # constants" if target == "keras" else "else:  # constants"
    for said in ("tril(", "triu(", "[0.485, 0.456, 0.406, 0.1]", "arange(3, 8)", "0.5", read):
        assert said in made.source


@pytest.mark.parametrize(
    ("array", "form"),
    [
        (np.full((3, 4), 2.5, "float32"), Everywhere(2.5)),
        (np.zeros((2, 2), bool), Everywhere(False)),
        (np.arange(5), Range(0, 5)),
        (np.arange(2.0, 6.0).reshape(1, 4), Range(2, 6)),
        (np.arange(4).reshape(4, 1), Few([[0], [1], [2], [3]])),
        (np.tril(np.ones((4, 5)), 1), Triangle(True, 4, 5, 1)),
        (np.triu(np.ones((5, 4), bool), 2)[None], Triangle(False, 5, 4, 2)),
        (np.tril(np.ones((4, 4)), -2), Triangle(True, 4, 4, -2)),
        (np.triu(np.ones((4, 3)), -1), Triangle(False, 4, 3, -1)),
        (np.float32([0.1, -0.2]), Few([0.1, -0.2])),
        (np.linspace(0, 1, 40), None),
        (np.array([np.inf, 1.0]), None),
        (np.tril(np.ones((4, 4))) * 2, None),
        (np.ones((0, 3)), None),
    ],
)
def test_forms(array, form):
    kind = TensorType(str(array.dtype), array.shape)
    assert form_of(Parameter("c", kind, lambda: array)) == form
