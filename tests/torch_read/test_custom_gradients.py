"""Custom autograd functions: what is exported has their outputs and their gradients, or they are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from netglot.dialects.torch.capture import capture
from netglot.errors import Refusal


class Swish(torch.autograd.Function):
    """The derivative of its forward, written by hand to keep less."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(x)
        return gradient * (gate * (1 + x * (1 - gate)))


class Linear(torch.autograd.Function):
    """A derivative with respect to several arguments, some of them absent."""

    @staticmethod
    def forward(ctx, x, weight, bias=None):
        ctx.save_for_backward(x, weight)
        return x @ weight.t() if bias is None else x @ weight.t() + bias

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight, gradient.t() @ x, gradient.sum(0) if ctx.needs_input_grad[2] else None


class Reversed(torch.autograd.Function):
    """One constant factor."""

    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.neg() * ctx.alpha, None


class Binary(torch.autograd.Function):
    """A factor that depends on the element, and that is the same for all small ones."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        gradient = gradient.clone()
        gradient[x.abs() > 1] = 0
        return gradient


class Spike(torch.autograd.Function):
    """The form with a context of its own."""

    @staticmethod
    def forward(x, sharpness):
        return (x > 0).to(x.dtype)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.sharpness = inputs[1]

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient / (1 + ctx.sharpness * x.abs()) ** 2, None


class Summed(torch.autograd.Function):
    """No factor of each element."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient.cumsum(-1)


class Capped(torch.autograd.Function):
    """Not linear in the gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clamp(-0.01, 0.01)


class Clipped(torch.autograd.Function):
    """Linear in gradients of an ordinary size only."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clamp(-50, 50)


class Rounded(torch.autograd.Function):
    """No derivative of its straight-through forward where gradients are large."""

    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, gradient):
        return torch.where(gradient.abs() < 1e4, gradient, torch.zeros_like(gradient))


class Net(nn.Module):
    """A function between two layers; `function` may have been looked up long before the capture."""

    def __init__(self, function):
        super().__init__()
        self.first, self.second, self.function = nn.Linear(6, 8), nn.Linear(8, 4), function

    def forward(self, x):
        return self.second(self.function(3 * self.first(x)))


class Bare(nn.Module):
    """A function of parameters."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(5, 6)), nn.Parameter(torch.randn(5))

    def forward(self, x):
        return Linear.apply(x, self.weight, self.bias) + Linear.apply(x, self.weight, None)


CARRIED = {
    "swish": lambda: Net(Swish.apply),
    "linear": Bare,
    "reversed": lambda: Net(lambda x: Reversed.apply(x, 0.3)),
    "binary": lambda: Net(Binary.apply),
    "spike": lambda: Net(lambda x: Spike.apply(x, 10.0)),
}


def outputs_and_gradients(run, parameters, x):
    """What a network computes and how its parameters would move it."""
    x = x.clone().requires_grad_()
    out = run(x)
    weights = torch.arange(out.numel(), dtype=out.dtype).reshape(out.shape)
    return [out, *torch.autograd.grad((out * weights).sum(), [x, *parameters])]


@pytest.mark.parametrize("name", CARRIED)
def test_outputs_and_gradients_are_carried_over(name):
    torch.manual_seed(0)
    model, x = CARRIED[name]().double(), torch.randn(3, 6, dtype=torch.float64)
    wanted = outputs_and_gradients(model, list(model.parameters()), x)
    exported = capture(model, (x,), {}, {"x": {0: torch.export.Dim.AUTO}}).program.module()
    found = outputs_and_gradients(exported, list(exported.parameters()), x)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("function", [Summed, Capped, Clipped, Rounded])
def test_other_gradients_are_refused_by_name(function):
    with pytest.raises(Refusal, match=function.__name__) as caught:
        capture(Net(function.apply), (torch.randn(3, 6),), {}, {"x": None})
    assert "test_custom_gradients.py" in caught.value.site
