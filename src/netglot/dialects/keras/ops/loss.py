"""Keras's losses on tensors. Most losses are read as what they compute, and spelled so."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.source.spell import Call


@keras.writes(ops.CtcLoss)
def ctc_loss(op):
    # TensorFlow's own computes in single precision, and is finite where no alignment exists.
    operands = (op.log_probs, op.labels, op.time_lengths, op.label_lengths)
    return Call("ctc_loss", operands, {"blank": op.blank}, helper="ctc_loss")
