"""The weights file has each variable where Keras's own saver puts it, whatever the attributes are called."""

from __future__ import annotations

import types

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

import h5py
import torch
from tests.golden.networks import NETWORKS, SMALL
from torch import nn

import netglot


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.main = nn.Linear(width, width)

    def forward(self, x):
        return self.net(x) + self.main(x)


class Behind(nn.Module):
    """Attributes on both sides of Keras's `layers` in the alphabet, with nested sequences in all of them."""

    def __init__(self):
        super().__init__()
        self.stages = nn.Sequential(nn.Sequential(Block(4), Block(4)), nn.Linear(4, 4))
        self.layers = nn.Sequential(nn.Sequential(Block(4)), nn.Sequential(Block(4)))
        self.first = nn.Sequential(Block(4), nn.Linear(4, 4))
        self.many = nn.ModuleList([Block(4), Block(4)])
        self._hidden = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self.blocks = nn.ModuleList([Block(4) for _ in range(2)])
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        x = self.layers(self.stages(self.first(x))) * self.scale
        for block in [*self.many, *self.blocks]:
            x = block(x)
        return self.out(self._hidden(x))


def _places(path) -> set[str]:
    found: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return set(found)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras, when it saves a variable
@pytest.mark.parametrize("name", ["behind", *SMALL])
def test_variables_lie_where_keras_puts_them(name, tmp_path):
    make, inputs = (Behind, [torch.zeros(2, 4)]) if name == "behind" else NETWORKS[name]
    written = netglot.write(netglot.read(make, inputs), to="keras")
    module = types.ModuleType(f"emitted_{name}")
    module.__file__ = str(tmp_path / "model.py")
    exec(compile(written.source, module.__file__, "exec"), vars(module))
    module.load(weights=None).save_weights(tmp_path / "own.weights.h5")
    assert {variable.stored for variable in written.variables} == _places(tmp_path / "own.weights.h5")
