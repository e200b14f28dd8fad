"""State that a network makes anew in another size while it runs is set and put back whole."""

import pytest

torch = pytest.importorskip("torch")

from netglot.verify.runtime_torch import Runtime  # noqa: E402


class Growing(torch.nn.Module):
    """A table of positions, made when the first input shows how many there are."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.zeros(1), persistent=False)

    def forward(self, x):
        if self.table.shape[0] != x.shape[1]:
            self.table = torch.arange(x.shape[1], dtype=x.dtype)
        return x + self.table


def test_state_is_that_before_the_run(tmp_path):
    runtime = Runtime(str(tmp_path))
    runtime.module = Growing()
    torch.save(dict(runtime._tensors()), runtime.saved)
    x = torch.zeros(2, 5)
    first = runtime.module(x)
    runtime.restore()
    assert runtime.module.table.shape == (1,)
    assert torch.equal(runtime.module(x), first)
    table = dict(runtime._tensors())["table"]
    runtime._put("table", table, torch.ones(1))
    assert torch.equal(runtime.module(x), first)


class Keeping(torch.nn.Module):
    """Keeps what it made of its weight, until it is trained again."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(5))
        self.kept = None

    def train(self, mode=True):
        self.kept = None if mode else self.kept
        return super().train(mode)

    def forward(self, x):
        self.kept = self.weight * 2 if self.kept is None else self.kept
        return x + self.kept


def test_what_a_run_kept_is_not_that_of_another_state(tmp_path):
    runtime = Runtime(str(tmp_path))
    runtime.module = Keeping().eval()
    torch.save(dict(runtime._tensors()), runtime.saved)
    x = torch.zeros(2, 5)
    runtime.module.weight.data.fill_(1)
    assert torch.equal(runtime.module(x), torch.full((2, 5), 2.0))
    runtime.restore()
    assert torch.equal(runtime.module(x), x) and not runtime.module.training
