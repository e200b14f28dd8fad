"""What capture puts in the place of functions whose insides export cannot follow, though their meaning is plain.

Some of PyTorch's functions look at the numbers in a tensor only to check them, or to choose between two ways of
computing the same. Each gets a stand-in without the look, or stays in one piece as a custom op.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
import torch.nn.functional as F

torch.library.define(
    "netglot::ctc_loss",
    "(Tensor log_probs, Tensor targets, Tensor? input_lengths, Tensor? target_lengths, int[]? input_list, "
    "int[]? target_list, int blank, int reduction, bool zero_infinity) -> Tensor",
)


def _ctc_in_pieces(log_probs, targets, inputs, lengths, input_list, target_list, *options):
    inputs, lengths = (input_list, target_list) if inputs is None else (inputs, lengths)
    return torch.ctc_loss(log_probs, targets, inputs, lengths, *options)


torch.library.impl("netglot::ctc_loss", "CompositeExplicitAutograd", _ctc_in_pieces)


@torch.library.register_fake("netglot::ctc_loss")
def _ctc_shape(log_probs, targets, inputs, lengths, input_list, target_list, blank, reduction, zero_infinity):
    return log_probs.new_empty(log_probs.shape[1:-1] if reduction == 0 else ())


def _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=1, zero_infinity=False):
    """CTC, whose own pieces have sizes that depend on the labels."""
    lengths = [_tensor_or_list(held) for held in (input_lengths, target_lengths)]
    if isinstance(lengths[0], list) != isinstance(lengths[1], list):
        lengths = [torch.tensor(held) if isinstance(held, list) else held for held in lengths]
    listed = isinstance(lengths[0], list)
    given = (None, None, *lengths) if listed else (*lengths, None, None)
    return torch.ops.netglot.ctc_loss(log_probs, targets, *given, blank, reduction, zero_infinity)


def _ctc_loss_by_name(*args, reduction="mean", **kwargs):
    if len(args) > 5:
        args, reduction = (*args[:5], *args[6:]), args[5]
    number = ("none", "mean", "sum").index(reduction)
    names = ("log_probs", "targets", "input_lengths", "target_lengths", "blank", "zero_infinity")
    return _ctc_loss(**dict(zip(names, args, strict=False)), **kwargs, reduction=number)


def _tensor_or_list(lengths: Any) -> Any:
    if isinstance(lengths, torch.Tensor):
        return lengths
    if any(isinstance(length, torch.Tensor) for length in lengths):
        return torch.stack([torch.as_tensor(length) for length in lengths])
    return list(lengths)


def _gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """The Gaussian negative log-likelihood without the check that no variance is negative."""
    if not isinstance(var, torch.Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * torch.ones_like(input)
    elif var.size() != input.size():
        rest = sum(y for x, y in zip(input.size(), var.size(), strict=False) if x != y)
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif not (input.dim() == var.dim() and rest == 1):
            raise ValueError("var is of incorrect size")
    bounded = var + (var.clamp(min=eps) - var).detach()  # PyTorch bounds the value and not the gradient
    loss = 0.5 * (torch.log(bounded) + (input - target) ** 2 / bounded)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return {"mean": torch.mean, "sum": torch.sum, "none": lambda whole: whole}[reduction](loss)


def _linear_cross_entropy(*args, **kwargs):
    """The loss of a linear layer in one piece: the pieces of a batch save memory and change no number."""
    return F.linear_cross_entropy(*args, **(kwargs | {"options": None}))


STAND_INS = {torch.ctc_loss: _ctc_loss, F.ctc_loss: _ctc_loss_by_name, F.gaussian_nll_loss: _gaussian_nll_loss}
if hasattr(F, "linear_cross_entropy"):
    STAND_INS[F.linear_cross_entropy] = _linear_cross_entropy


@contextlib.contextmanager
def without_looks():
    """While it lasts, nothing looks into tensors: no transformer whether a mask that it is given happens to be causal,
    no distribution whether its parameters and values are allowed ones.
    """
    import torch.nn.modules.transformer as home
    from torch.distributions import Distribution

    original, checked = home._detect_is_causal_mask, Distribution._validate_args
    home._detect_is_causal_mask = lambda mask, is_causal=None, size=None: is_causal is True
    Distribution._validate_args = False
    try:
        yield
    finally:
        home._detect_is_causal_mask, Distribution._validate_args = original, checked
