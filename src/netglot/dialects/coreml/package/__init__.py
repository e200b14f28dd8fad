"""ML Programs, written: coremltools makes them of the emitted PyTorch network, so no op is spelled here."""

from netglot.dialects.dialect import Dialect
from netglot.passes.composed.neural import TABLE
from netglot.pivot import ops

mlprogram = Dialect("mlprogram", "Core ML")
"""What coremltools does not convert as PyTorch spells it, and what it is made of instead."""

for _op in (ops.AdaptiveAvgPool, ops.AdaptiveMaxPool):
    mlprogram.lowers(_op)(TABLE[_op])
