"""What Darknet has by way of other ops, and all that it lacks."""

from __future__ import annotations

from netglot.dialects.darknet.dialect import darknet
from netglot.errors import notimpl
from netglot.passes.composed import compose
from netglot.pivot import ops

compose(darknet, ops.Hardsigmoid, ops.Hardswish, ops.AdaptiveAvgPool, ops.AlphaDropout, ops.Unstack)

_RECURRENT = notimpl("Darknet's recurrent sections are not written, and OpenCV does not run them")
for _kind in (ops.Lstm, ops.Gru, ops.Rnn, ops.ConvLstm, ops.Scan):
    darknet.refuses(_kind, _RECURRENT)

_FAMILIES = {
    "activation": "Darknet has no such activation that OpenCV runs too",
    "arithmetic": "Darknet's sections do no such arithmetic",
    "elementary": "Darknet's sections compute no such function",
    "bits": "Darknet's sections know no bits",
    "comparison": "Darknet has no truth values",
    "attention": "Darknet has no product of two tensors that are computed",
    "matmul": "Darknet multiplies with weights only",
    "conv": "Darknet has it, and OpenCV does not run it",
    "pool": "Darknet's pools go over pictures, and give the largest elements or means of all",
    "norm": "Darknet's norms are those of a batch",
    "reduction": "Darknet folds nothing but whole pictures, by their mean",
    "resize": "Darknet does not sample pictures at places that are computed",
    "shape": "Darknet's sections hand pictures on, and move no axes",
    "index": "Darknet takes no elements by their places",
    "creation": "Darknet makes no tensors of nothing",
    "embedding": "Darknet takes no elements by their places",
    "random": "Darknet drops elements, and draws nothing else",
    "sort": "Darknet does not sort",
    "loss": "Darknet has no such loss",
}
"""Why an op is refused, by its family."""

darknet.refuses_families(_FAMILIES)
