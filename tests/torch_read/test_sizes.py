"""Sizes stay symbolic where a network computes for any batch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

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
