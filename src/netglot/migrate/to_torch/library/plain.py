"""Modules that PyTorch's own leave open: the order of axes, and batch normalisation with Keras's variance."""

import torch
from torch import nn


def glorot_uniform(module):
    """Starts a layer as Keras does: weights uniform within sqrt(6 / (inputs + outputs)), biases at zero."""
    if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class Permute(nn.Module):
    """The axes in another order."""

    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.permute(self.axes)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of axis 1; the moving variance is the biased one, as Keras keeps it."""

    def forward(self, x):
        shape, axes = [1, -1, *[1] * (x.ndim - 2)], [axis for axis in range(x.ndim) if axis != 1]
        mean, variance = self.running_mean, self.running_var
        if self.training and self.weight.requires_grad:  # frozen, it keeps to its averages
            mean, variance = x.mean(axes), x.var(axes, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance, self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)
