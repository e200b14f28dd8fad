"""The check itself: it tells right from wrong, refused and invalid."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("keras")
pytest.importorskip("expecttest")


class Network(torch.nn.Module):
    """Computes what it is given, or something else while it is captured."""

    def __init__(self, function, captured=None):
        super().__init__()
        self.function, self.captured = function, captured or function

    def forward(self, x):
        return (self.captured if torch.compiler.is_exporting() else self.function)(x)


def verdict(function, captured=None):
    from tests.conformance.check import check
    from tests.conformance.torch_db import Case

    outcome = check(Case("op", "planted", 0, Network(function, captured).eval(), (torch.ones(2, 3).double(),), {}))
    return outcome.verdict, outcome.detail or "".join(outcome.reasons)


def test_right():
    assert verdict(torch.exp) == ("right", "")


@pytest.mark.parametrize(
    ("captured", "why"),
    [
        (lambda x: torch.exp(x) * (1 + 2e-7), "off by"),
        (lambda x: torch.exp(x).T, "shape"),
        (lambda x: torch.exp(x).long(), "dtype"),
        (lambda x: (torch.exp(x), x), "2"),
        (lambda x: torch.where(x > 0, float("nan"), x), "NaN"),
    ],
)
def test_wrong(captured, why):
    kind, detail = verdict(torch.exp, captured)
    assert kind == "wrong"
    assert why in detail


def test_refused():
    kind, reason = verdict(torch.rand_like)
    assert kind == "refused"
    assert "random" in reason


def test_invalid():
    assert verdict(lambda x: x.view(7))[0] == "invalid"
