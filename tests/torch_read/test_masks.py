"""What a mask picks, put back where the mask picked it; and distributions, which look into their tensors."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from netglot.dialects.torch.read import read  # noqa: E402
from netglot.errors import UnsupportedOps  # noqa: E402
from netglot.pivot.evaluate import evaluate  # noqa: E402


class Computes(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, y):
        return self.function(x.clone(), y.clone())


def nearest(x, y):
    mask = y < x
    x[mask] = y[mask]
    return x


def spelled_twice(x, y):
    x[x > 0.5] = y[x > 0.5]
    return x, (x > 0.5).sum(1)


def rows(x, y):
    mask = x.sum(1) > 0
    x[mask] = y[mask]
    return x


def changed_between(x, y):
    mask = x > 0
    kept = y[mask]
    y.mul_(2)
    x[mask] = kept
    return x + y


def log_probability(x, y):
    return torch.distributions.Normal(x, y.exp()).log_prob(y)


@pytest.mark.parametrize("function", [nearest, spelled_twice, rows, changed_between, log_probability])
def test_a_choice_between_whole_tensors(function):
    model, generator = Computes(function), torch.Generator().manual_seed(0)
    given = [torch.randn(4, 5, generator=generator, dtype=torch.float64) for _ in range(2)]
    graph = read(model, tuple(given))
    found = evaluate(graph, {v.name: x.numpy() for v, x in zip(graph.inputs, given, strict=True)})
    wanted = model(*given)
    for one, other in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, wanted)), strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-12)


def another_mask(x, y):
    x[y < x] = y[x < y]
    return x


def mask_changed_between(x, y):
    mask = x > 0
    kept = y[mask]
    mask = mask & (y > 0)
    x[mask] = kept
    return x


def counted(x, y):
    kept = y[y > 0]
    x[y > 0] = kept
    return x * kept.shape[0]


@pytest.mark.parametrize("function", [another_mask, mask_changed_between, counted])
def test_other_uses_of_what_was_picked_are_refused(function):
    with pytest.raises(UnsupportedOps, match="depends on the numbers in a tensor"):
        read(Computes(function), (torch.ones(4, 5), torch.ones(4, 5)))
