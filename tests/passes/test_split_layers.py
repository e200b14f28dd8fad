"""Layers written in pieces are raised, and nothing that only looks alike is."""

import numpy as np
import pytest
import torch

import netglot
from netglot.passes.canonical import canonicalise
from netglot.passes.patterns import raise_patterns
from netglot.pivot.evaluate import evaluate


class Pieces(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = torch.nn.Parameter(torch.linspace(0.5, 2, 6))
        self.bias = torch.nn.Parameter(torch.linspace(-1, 1, 6))

    def forward(self, x):
        return self.function(self, x)


def layer_norm(m, x):
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5) * m.weight + m.bias


def rms_norm(m, x):
    return m.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def other_mean(m, x):
    centred = x - x.mean(1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5)


CASES = {
    "LayerNorm": (layer_norm, 1),
    "RmsNorm": (rms_norm, 1),
    "Silu": (lambda m, x: x * torch.sigmoid(x), 1),
    "Mish": (lambda m, x: x * torch.tanh(torch.nn.functional.softplus(x)), 1),
    "Hardswish": (lambda m, x: x * torch.clamp(x + 3, 0, 6) / 6, 1),
    "Hardsigmoid": (lambda m, x: torch.clamp(x + 3, 0, 6) / 6, 1),
}
ALIKE = {
    "another gate": lambda m, x: (x + 1) * torch.sigmoid(x),
    "another bound": lambda m, x: x * torch.clamp(x + 3, 0, 5) / 6,
}


def both(function):
    torch.manual_seed(0)
    graph = canonicalise(netglot.read(Pieces(function), inputs=[("B", 3, 6)]))
    x = np.random.default_rng(0).standard_normal((2, 3, 6)) * 3
    before = evaluate(graph, {graph.inputs[0].name: x}, precision="float64")
    raised = raise_patterns(graph)
    after = evaluate(raised, {graph.inputs[0].name: x}, precision="float64")
    np.testing.assert_allclose(after, before, rtol=1e-12)
    return [type(node.op).__name__ for node in raised.nodes]


@pytest.mark.parametrize("name", CASES)
def test_is_raised(name):
    function, count = CASES[name]
    names = both(function)
    assert names[-1] == name and len(names) == count


def test_a_norm_of_what_was_centred_elsewhere_centres_nothing():
    assert both(other_mean) == ["Mean", "Subtract", "RmsNorm"]


@pytest.mark.parametrize("name", ALIKE)
def test_what_only_looks_alike_stays(name):
    assert not set(both(ALIKE[name])) & set(CASES)
