"""Gradients where a function has none: at ties, and at the root of zero."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from tests.fuzz.prove import _loaded
from torch import nn

from netglot.dialects.keras.write import write
from netglot.dialects.torch.read import read

X = torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [2.0, 1.0, 0.0]], dtype=torch.float64)


class Computes(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


FUNCTIONS = {
    "norm of zeros": lambda x: (x - x[:, :1]).norm(dim=1),
    "norm of all axes but one": lambda x: torch.linalg.vector_norm((x * 0)[:, :, None, None], dim=(1, 2, 3)),
    "another norm of zeros": lambda x: (x - x[:, :1]).norm(p=3, dim=1),
    "spread of a constant": lambda x: x.std(1),
    "biased spread of a constant": lambda x: x.std(1, unbiased=False),
    "spread over the batch": lambda x: x[:, :2].std(0),
    "angle of zero": lambda x: torch.atan2(x * 0, x),
    "angle of minus zero": lambda x: torch.atan2(x * 0, -x),
    "celu": lambda x: nn.functional.celu(x, 0.7),
    "maximum of a number": lambda x: torch.max(x, torch.tensor(1.0, dtype=x.dtype)),
    "the lowest number": lambda x: torch.max(x - 2.0**127, torch.tensor(-(2.0**127), dtype=x.dtype)),
    "minimum of numbers": lambda x: torch.minimum(torch.ones(3, dtype=x.dtype), x),
    "clamp": lambda x: x.clamp(min=1.0) + torch.clamp(x, max=torch.ones(3, dtype=x.dtype)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_gradient_is_the_one_that_pytorch_chose(name):
    graph = read(model := Computes(FUNCTIONS[name]), (X,), {}, symbols=lambda name, axis: None if axis else "B")
    x = X.clone().requires_grad_()
    expected = model(x)
    weights = torch.arange(1.0, expected.numel() + 1, dtype=torch.float64).reshape(expected.shape)
    (wanted,) = torch.autograd.grad((expected * weights).sum(), x)
    made, given = _loaded(write(graph)), tf.constant(X.numpy())
    with tf.GradientTape() as tape:
        tape.watch(given)
        found = made(given)
        total = tf.reduce_sum(found * weights.numpy())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected.detach().numpy(), atol=1e-15)
    np.testing.assert_allclose(tape.gradient(total, given), wanted.numpy(), atol=1e-15)
