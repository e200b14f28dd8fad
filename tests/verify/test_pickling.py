"""Modules on their way to another process, with what PyTorch and libraries put into them."""

import io
import pickle

import torch
from tests.verify import hooked
from torch import nn

from netglot.dialects.torch.capture import capture
from netglot.verify.pickling import Pickler


def _there_and_back(model):
    stream = io.BytesIO()
    Pickler(stream).dump(model)
    return pickle.loads(stream.getvalue())


def test_parametrizations_are_made_again():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 3, 3)), nn.Linear(5, 4, bias=False))
    nn.utils.parametrizations.spectral_norm(model[1])
    x = torch.randn(1, 2, 7)
    model.eval()
    copy = _there_and_back(model)
    assert torch.equal(copy(x), model(x))
    assert [name for name, _ in copy.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert isinstance(copy[0], nn.Conv1d) and nn.utils.parametrize.is_parametrized(copy[0], "weight")


def test_a_hook_of_a_library_sees_the_globals_of_its_module():
    model = nn.Linear(2, 2)
    hooked.install(model)
    copy = _there_and_back(model)
    assert next(iter(copy._forward_hooks.values())).__globals__ is vars(hooked)


class HookedWhenRun(nn.Module):
    """Adds to a list, and installs a hook on its first run, as libraries do."""

    def __init__(self):
        super().__init__()
        self.linear, self.seen, self.is_hooked = nn.Linear(2, 2), [], False

    def forward(self, x):
        if not self.is_hooked:
            self.linear.register_forward_hook(lambda module, args, output: output + 1)
            self.is_hooked = True
        self.seen.append(x)
        return self.linear(x)


def test_a_captured_module_is_what_it_was():
    model = HookedWhenRun()
    before = model.linear(x := torch.randn(1, 2))
    capture(model, (x,), {}, None)
    assert (model.seen, model.is_hooked, len(model.linear._forward_hooks)) == ([], False, 0)
    assert torch.equal(model(x), before + 1)
