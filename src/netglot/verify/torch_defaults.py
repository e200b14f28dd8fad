"""What PyTorch chooses by the dtype, kept as it is in single precision while a network is computed in double."""

from __future__ import annotations

import contextlib

import torch


@contextlib.contextmanager
def single_epsilon():
    """RMS norms without an epsilon, which take that of the dtype, keep the one of single precision in double."""

    def wrapped(function):
        def rms_norm(input, normalized_shape, weight=None, eps=None):
            if eps is None and input.dtype == torch.float64:
                eps = torch.finfo(torch.float32).eps
            return function(input, normalized_shape, weight, eps)

        return rms_norm

    owners = (torch, torch.nn.functional)
    before = [owner.rms_norm for owner in owners]
    for owner, function in zip(owners, before, strict=True):
        owner.rms_norm = wrapped(function)
    try:
        yield
    finally:
        for owner, function in zip(owners, before, strict=True):
            owner.rms_norm = function
