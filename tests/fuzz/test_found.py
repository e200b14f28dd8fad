"""Networks that were wrong or crashed once, most of them found by chance and shrunk."""

from __future__ import annotations

import textwrap

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

from tests.fuzz.networks import Network
from tests.fuzz.prove import prove
from tests.fuzz.steps import Value

FOUND = {
    "a later call whose first step is cancelled": (
        """
        class Block(nn.Module):
            def forward(self, x):
                return torch.expm1(x.squeeze(2))

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.block = Block()

            def forward(self, v0):
                v1 = v0.unflatten(1, (5, 1))
                return self.block(v1) - self.block(v1 * 0.5)
        """,
        (2, 5),
    ),
    "calls of a module with different sizes": (
        """
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(2, 2, 3, padding=1)
                self.pool = nn.AdaptiveAvgPool2d(2)
                self.seq = nn.Sequential(nn.Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d(3), nn.ReLU())

            def forward(self, x):
                y = self.seq(self.conv(x))
                return self.pool(self.conv(x)).reshape(x.shape[0], 4, -1).softmax(-1), y

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.block = Block()

            def forward(self, v0, v1):
                (a, b), (c, d) = self.block(v0), self.block(v1)
                return a + c, b - d, self.block(v1[:, :, :4])[0]
        """,
        (2, 2, 6, 6),
        (2, 2, 8, 5),
    ),
    "calls of a module with different outputs in use": (
        """
        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(5, 5)

            def forward(self, x):
                h = self.fc(x)
                return h.relu(), torch.tanh(h)

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.block = Block()

            def forward(self, v0):
                a, b = self.block(v0)
                return a + b + self.block(self.block(a)[1])[0]
        """,
        (2, 5),
    ),
    "a layer whose axis is another in a later call": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.soft = nn.Softmax(1)
                self.seq = nn.Sequential(nn.Linear(3, 3), nn.Softmax(1))

            def forward(self, v0, v1):
                return self.soft(v0), self.soft(v1), self.seq(v0), self.seq(v1)
        """,
        (2, 5, 3),
        (2, 3),
    ),
    "a value that is returned under two names": (
        """
        class Net(nn.Module):
            def forward(self, v0):
                a = torch.exp(v0)
                return {"a": torch.positive(a), "b": a, "c": a + v0}
        """,
        (2, 3),
    ),
    "a part that is written twice": (
        """
        class Net(nn.Module):
            def forward(self, v0):
                v1 = v0.clone()
                v1[:, -1] *= 2.0
                v1[:, 1:] += 1.0
                return v1, v1[:, 1:] * 2, v1[:, -1]
        """,
        (2, 3),
    ),
    "slopes for the axis of layers": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.gru = nn.GRU(6, 1, num_layers=2, batch_first=True)
                self.slopes = nn.PReLU(2)

            def forward(self, v0):
                return self.slopes(self.gru(v0)[1].transpose(0, 1))
        """,
        (2, 4, 6),
    ),
    "linear features that become an image": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 24)
                self.bn = nn.BatchNorm1d(24)
                self.up = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1)
                self.head = nn.Linear(3 * 6 * 8, 24)
                self.conv = nn.Conv2d(2, 3, 3)

            def forward(self, v0):
                v1 = self.up(torch.relu(self.bn(self.fc(v0))).view(-1, 2, 3, 4))
                return self.conv(torch.tanh(self.head(v1.flatten(1))).reshape(v0.shape[0], 2, 3, 4)), v1
        """,
        (2, 3),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_network_is_right(name):
    source, *shapes = FOUND[name]
    inputs = tuple(Value(f"v{number}", shape) for number, shape in enumerate(shapes))
    outcome = prove(Network(textwrap.dedent(source), inputs))
    assert outcome.verdict == "right", f"{outcome.detail}\n{outcome.emitted}"


OPEN = {
    "a layer over axes of any size that its weights tell": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm = nn.BatchNorm1d(75)
                self.fc = nn.Linear(25, 4)

            def forward(self, v0):
                return self.norm(v0.flatten(1)), self.fc(v0.flatten(2))
        """,
        (2, 3, 5, 5),
    ),
    "a layer over a piece of an axis of any size": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.last = nn.Linear(1, 4)
                self.conv = nn.Conv2d(4, 4, 3, stride=2, padding=2, dilation=2, padding_mode="replicate")
                self.fc = nn.Linear(2, 2)

            def forward(self, v0):
                return self.last(v0[..., -1:]), self.fc(self.conv(v0[:, :, 2:3]).reshape(-1, 2))
        """,
        (2, 4, 3, 3),
    ),
    "a resize by nearest centres": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.up = nn.Upsample(scale_factor=0.5, mode="nearest-exact")

            def forward(self, v0):
                return self.up(v0) * 2
        """,
        (2, 2, 5, 6),
    ),
    "a pool that rounds up an axis of any size": (
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.pool = nn.LPPool2d(2, (2, 3), None, ceil_mode=True)

            def forward(self, v0):
                return self.pool(v0.abs() + 0.1)
        """,
        (2, 3, 5, 5),
    ),
    "the halves of an axis of any size": (
        """
        class Net(nn.Module):
            def forward(self, v0):
                return F.glu(v0, -2) + 1
        """,
        (2, 4, 6, 3),
    ),
}


@pytest.mark.parametrize("name", OPEN)
def test_network_of_any_size_is_right(name):
    source, *shapes = OPEN[name]
    inputs = tuple(Value(f"v{number}", shape) for number, shape in enumerate(shapes))
    outcome = prove(Network(textwrap.dedent(source), inputs, "all"))
    assert outcome.verdict == "right", f"{outcome.detail}\n{outcome.emitted}"
