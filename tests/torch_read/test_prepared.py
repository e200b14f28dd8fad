"""What export does not take as it is: lazy layers, dataclasses, mapped functions; and what is closed to it."""

from dataclasses import dataclass

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from netglot.api import read  # noqa: E402
from netglot.errors import Refusal  # noqa: E402
from netglot.pivot import ops  # noqa: E402
from netglot.pivot.evaluate import evaluate  # noqa: E402


@dataclass
class Answer:
    logits: torch.Tensor
    hidden: torch.Tensor


class Mapped(nn.Module):
    """An ensemble of heads, as `torch.vmap` maps them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.heads = nn.Parameter(torch.randn(4, 5, 3))

    def forward(self, x):
        hidden = torch.relu(self.first(x))
        return Answer(torch.vmap(lambda head: torch.softmax(hidden @ head, -1))(self.heads).mean(0), hidden)


def test_mapped_functions_and_dataclasses():
    network = Mapped().double()
    x = torch.randn(3, 6, dtype=torch.float64)
    graph = read(network, ["float64 B,6"])
    assert [name for name, _ in graph.outputs] == ["logits", "hidden"]
    assert all(node.sites for node in graph.nodes)  # each still knows its line
    found = evaluate(graph, {graph.inputs[0].name: x.numpy()})
    theirs = network(x)
    for name in ("logits", "hidden"):
        torch.testing.assert_close(torch.from_numpy(found[name]), getattr(theirs, name).detach())


def test_lazy_layers_make_their_weights():
    network = nn.Sequential(nn.LazyConv1d(4, 3), nn.LazyBatchNorm1d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    graph = read(network, ["B,3,8"])
    assert graph.parameters["4.weight"].shape == (2, 24)
    assert network.training and int(network[1].num_batches_tracked) == 0


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_modules_that_are_closed_are_refused_by_name():
    compiled = nn.Sequential(nn.Linear(6, 4), torch.jit.script(nn.Sequential(nn.Linear(4, 2))))
    with pytest.raises(Refusal, match=r"Sequential \(1\) is compiled by TorchScript"):
        read(compiled, [(2, 6)])


def test_what_vmap_maps_is_one_operation_for_all():
    graph = read(Mapped(), [(2, 6)])
    assert sum(isinstance(node.op, ops.Softmax) for node in graph.nodes) == 1


class Keywords(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x, **more):
        return self.fc(x) * more["scale"] + more.get("shift", 0.0)


def test_keywords_that_a_forward_pass_collects():
    network = Keywords()
    graph = read(network, {"x": torch.randn(2, 4), "scale": torch.randn(2, 3), "shift": torch.randn(2, 3)})
    assert [one.name for one in graph.inputs] == ["x", "scale", "shift"]
    assert [str(one.shape[0]) for one in graph.inputs] == ["B", "B", "B"]
    assert "forward" not in vars(network)
