"""Modules that keep something of their weights between calls."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from netglot.dialects.torch.read import read  # noqa: E402


class Biased(torch.nn.Module):
    """Looks its biases up once in inference, and again after training, as LeViT does."""

    def __init__(self):
        super().__init__()
        self.biases = torch.nn.Parameter(torch.randn(5))
        self.register_buffer("places", torch.tensor([0, 1, 4]), persistent=False)
        self.norm = torch.nn.BatchNorm1d(3)
        self.kept = {}

    def train(self, mode=True):
        if mode:
            self.kept = {}
        return super().train(mode)

    def forward(self, x):
        if self.training:
            return self.norm(x + self.biases[self.places])
        if "biases" not in self.kept:
            self.kept["biases"] = self.biases[self.places]
        return self.norm(x + self.kept["biases"])


@pytest.mark.parametrize("called", [False, True])
def test_what_a_call_kept_does_not_stand_for_the_weight(called):
    model = torch.nn.Sequential(Biased(), torch.nn.BatchNorm1d(3).eval()).eval()
    model[0].norm.train()
    if called:
        model(torch.randn(2, 3))
    graph = read(model, (torch.randn(4, 3),))
    assert "0.biases" in graph.parameters
    assert [model.training, model[0].training, model[0].norm.training] == [False, False, True]
