"""Losses as PyTorch spells them."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.pivot import ops
from netglot.source.spell import Call, Method, options, unless


@torch.writes(ops.CtcLoss)
def ctc_loss(op):
    log_probs = Method(op.log_probs, "transpose", (0, 1))
    given = options(blank=unless(op.blank, 0), reduction="none")
    return Call("F.ctc_loss", (log_probs, op.labels, op.time_lengths, op.label_lengths), given)
