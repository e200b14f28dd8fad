"""Sizes stay symbolic where a network computes for any batch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import netglot  # noqa: E402
from netglot.dialects.torch.read import read  # noqa: E402
from netglot.pivot.dims import Dim  # noqa: E402

B = Dim.symbol("B")


class SplitBatch(torch.nn.Module):
    """Heads as a part of the batch, as set transformers do."""

    def forward(self, x):
        heads = torch.cat(x.split(3, 1), 0) * torch.arange(3.0)
        return torch.cat(heads.split(x.size(0), 0), 1)


class ThreeFactors(torch.nn.Module):
    """Three operands, for which PyTorch looks for the best order."""

    def forward(self, x):
        y = x.unflatten(1, (2, 3))
        return torch.einsum("bde,bnd,bn->bne", y, y.mT, y[:, 0]).flatten(1)


@pytest.mark.parametrize(("network", "width"), [(SplitBatch, 6), (ThreeFactors, 9)])
def test_any_batch(network, width):
    graph = read(network(), (torch.randn(2, 6),))
    assert graph.output.type.shape == (B, width)
    assert not graph.notes


class Scaled(torch.nn.Module):
    """A picture of any size, made larger and smaller by factors."""

    def forward(self, x):
        scaled = [torch.nn.functional.interpolate(x, scale_factor=factor, mode="bicubic") for factor in (2.0, 0.5)]
        return [*scaled, torch.nn.functional.interpolate(x, scale_factor=1.5, mode="nearest")]


def test_open_sizes_scaled_by_factors():
    graph = netglot.read(Scaled(), inputs="x=B,3,H,W")
    height, width = graph.inputs[0].shape[2:]
    made = [tuple(value.shape[2:]) for _, value in graph.outputs]
    sizes = {str(height): 7, str(width): 10}
    assert [tuple(one.evaluate(sizes) for one in shape) for shape in made] == [(14, 20), (3, 5), (10, 15)]
