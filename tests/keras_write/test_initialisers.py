"""A network made afresh in Keras starts from the distribution that PyTorch starts from."""

import ast
import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("keras")

from torch import nn  # noqa: E402

from netglot.api import read, write  # noqa: E402
from netglot.dialects.torch.construction import watching  # noqa: E402


class Mixed(nn.Module):
    """One layer of each kind, with enough weights for statistics."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 32, 3)
        self.depthwise = nn.Conv2d(32, 32, 5, groups=32)
        self.up = nn.ConvTranspose2d(32, 16, 2, 2)
        self.embedding = nn.Embedding(200, 16)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.small = nn.Linear(32, 64)
        self.wide = nn.Linear(64, 128)
        self.head = nn.Linear(128, 40)
        self.scale = nn.Parameter(torch.ones(40))
        nn.init.normal_(self.small.weight, std=0.02)
        nn.init.kaiming_normal_(self.wide.weight, mode="fan_out")
        nn.init.trunc_normal_(self.head.weight, std=0.1, a=-0.2, b=0.2)
        nn.init.constant_(self.head.bias, 0.5)

    def forward(self, image, ids):
        x = self.up(self.depthwise(self.conv(image))).mean((2, 3)).repeat(1, 2)
        y, _ = self.lstm(self.embedding(ids))
        return self.head(self.wide(self.small(x + y[:, -1]))) * self.scale


def fresh(network):
    """The emitted network without its weights, with the recipe of each variable."""
    written = write(read(network, [(2, 8, 20, 20), "int64 B,T"]), "keras")
    namespace = {"__file__": "model.py"}
    exec(compile(written.source, "model.py", "exec"), namespace)
    return namespace["load"](weights=None), written


def test_fresh_weights_have_the_source_s_distribution():
    with watching() as seen:
        network = Mixed()
    seen.keep(network)
    model, written = fresh(network)
    assert not written.outline.style.unknown
    state = dict(network.named_parameters())
    from netglot.verify.paths import resolve

    compared = 0
    for variable in written.variables:
        (parameter,) = written.outline.base_parameters(variable.recipe)[:1]
        numbers = torch.tensor(resolve(model, variable.path).numpy())
        source = state[parameter.name].detach()
        if ("bias" in variable.path and "lstm" in variable.path) or numbers.numel() < 32:
            continue  # Keras has the sum of two biases in one variable
        if source.std() == 0:
            assert torch.equal(numbers, torch.full_like(numbers, float(source.flatten()[0]))), variable.path
        else:
            error = 6 / math.sqrt(2 * numbers.numel())
            assert abs(float(numbers.std() / source.std()) - 1) < error, variable.path
            assert abs(float(numbers.abs().max() / source.abs().max()) - 1) < 0.35, variable.path
        compared += 1
    assert compared >= 12


def test_a_network_built_elsewhere_is_recognised_by_its_numbers():
    graph = read(nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10)), (2, 32))
    kinds = {name: p.initialiser and p.initialiser.kind for name, p in graph.parameters.items()}
    assert kinds["0.weight"] == kinds["2.weight"] == kinds["0.bias"] == "uniform"


def test_trained_weights_are_not_taken_for_a_distribution():
    layer = nn.Linear(32, 64)
    with torch.no_grad():
        layer.weight.mul_(3.7).add_(0.2)
    assert read(layer, (2, 32)).parameters["weight"].initialiser is None


def test_trained_weights_from_a_file_leave_the_initialisers_as_they_were(tmp_path):
    (tmp_path / "mixed_network.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.head = nn.Linear(128, 40)\n"
        "        nn.init.trunc_normal_(self.head.weight, std=0.1, a=-0.2, b=0.2)\n\n"
        "    def forward(self, x):\n        return self.head(x)\n"
    )
    trained = {"head.weight": 0.25 + torch.rand(40, 128), "head.bias": torch.rand(40)}
    torch.save(trained, tmp_path / "trained.pt")
    graph = read(f"{tmp_path / 'mixed_network.py'}:Net", [(1, 128)], weights=str(tmp_path / "trained.pt"))
    assert graph.parameters["head.weight"].initialiser.kind == "truncated"
    assert graph.parameters["head.bias"].initialiser.kind == "uniform"
    assert float(graph.parameters["head.weight"].load().min()) >= 0.25


class Bare(nn.Module):
    """Weights that a constructor draws itself, as people write them."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(1, 4, 6))
        self.small = nn.Parameter(torch.randn(6, 5) * 0.02)
        self.gate = nn.Parameter(0.1 * torch.rand(5))
        self.scale = nn.Parameter(torch.ones([]) * 2.5)
        self.temperature = nn.Parameter(torch.tensor(0.07))
        self.shifted = nn.Parameter(torch.randn(5) + torch.arange(5))

    def forward(self, x):
        return ((x + self.tokens) @ self.small * self.gate * self.scale + self.shifted) / self.temperature


def test_weights_outside_of_layers_start_as_they_are_drawn():
    with watching() as seen:
        network = Bare()
    seen.keep(network)
    written = write(read(network, [(2, 4, 6)]), "keras")
    statements = [s for s in ast.walk(ast.parse(written.source)) if isinstance(s, ast.Assign)]
    made = {ast.unparse(s.targets[0]).removeprefix("self."): ast.unparse(s.value) for s in statements}
    assert "normal(1.0)" in made["tokens"] and "normal(0.02)" in made["small"]
    assert "RandomUniform(0.0, 0.1)" in made["gate"]
    assert "Constant(2.5)" in made["scale"] and "Constant(0.07)" in made["temperature"]
    assert written.outline.style.unknown == ["shifted"]
