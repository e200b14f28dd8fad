"""Keras's losses on tensors. Most losses are read as what they compute, and spelled so."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.source.spell import call


@keras.writes(ops.CtcLoss)
def ctc_loss(op):
    # Keras normalises the outputs once more, which changes nothing.
    operands = (op.labels, op.log_probs, op.label_lengths, op.time_lengths)
    return call("ops.ctc_loss", *operands, mask_index=op.blank)
