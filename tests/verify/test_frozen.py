"""State that a target holds only as a constant made of it is not drawn anew."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("keras")

from netglot.api import read, write  # noqa: E402
from netglot.verify.plan import _carried  # noqa: E402
from netglot.verify.spec import Variable, spec_from_graph  # noqa: E402


class Frozen(torch.nn.Module):
    """A batch norm of buffers, written out, as detection networks have it."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.register_buffer("weight", torch.ones(4))
        self.register_buffer("running_mean", torch.zeros(4))
        self.register_buffer("running_var", torch.ones(4))
        self.register_buffer("mask", torch.ones(4, 1, 1))
        self.norm = torch.nn.BatchNorm2d(4)

    def forward(self, x):
        weight, mean, variance = (
            one.reshape(1, -1, 1, 1) for one in (self.weight, self.running_mean, self.running_var)
        )
        scale = weight * (variance + 1e-5).rsqrt()
        return self.norm(self.conv(x) * scale - mean * scale) * self.mask


def test_what_became_a_constant_is_not_drawn():
    graph = read(Frozen().eval(), inputs=["1,3,6,6"])
    variables = [Variable(v.path, v.recipe, v.trainable) for v in write(graph, "keras").variables]
    carried = _carried(spec_from_graph(graph, variables))
    assert {"conv.weight", "norm.running_mean", "norm.running_var", "mask"} <= carried.keys()
    assert not {"weight", "running_mean", "running_var"} & carried.keys()


def test_what_a_writer_lost_is_drawn():
    graph = read(Frozen().eval(), inputs=["1,3,6,6"])
    assert {"norm.running_mean", "norm.running_var", "mask"} <= _carried(spec_from_graph(graph, [])).keys()
