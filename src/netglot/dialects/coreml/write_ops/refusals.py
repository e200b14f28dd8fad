"""What Core ML's neural networks have by way of other layers, and what they lack."""

from __future__ import annotations

from netglot.dialects.coreml.dialect import coreml
from netglot.errors import notimpl
from netglot.passes.composed import compose
from netglot.pivot import ops

compose(
    coreml, ops.Silu, ops.Mish, ops.Hardsigmoid, ops.Hardswish, ops.AdaptiveAvgPool, ops.AdaptiveMaxPool,
    ops.LogSigmoid, ops.AlphaDropout, ops.Rrelu, ops.Tanhshrink, ops.Square, ops.Softshrink, ops.Selu, ops.Celu,
    ops.LogSoftmax, ops.Unstack, ops.SliceUpdate,
)  # fmt: skip

_RECURRENT = notimpl("Core ML's recurrent layers are not written")
for _kind in (ops.Lstm, ops.Gru, ops.Rnn, ops.ConvLstm, ops.Scan):
    coreml.refuses(_kind, _RECURRENT)

_FAMILIES = {
    "activation": "the layers of Core ML's neural networks for pictures have no such activation",
    "arithmetic": "the layers of Core ML's neural networks for pictures do no such arithmetic",
    "elementary": "the layers of Core ML's neural networks for pictures compute no such function",
    "bits": "the layers of Core ML's neural networks for pictures know no bits",
    "comparison": "the layers of Core ML's neural networks for pictures have no truth values",
    "attention": "the layers of Core ML's neural networks for pictures have no product of two tensors",
    "matmul": "the layers of Core ML's neural networks for pictures multiply with weights only",
    "norm": "the layers of Core ML's neural networks for pictures have batch norms, and this one is not among them",
    "reduction": "the layers of Core ML's neural networks for pictures fold whole pictures",
    "resize": "the layers of Core ML's neural networks for pictures sample at no places that are computed",
    "shape": "the layers of Core ML's neural networks for pictures move no elements so",
    "index": "the layers of Core ML's neural networks for pictures take no elements by their places",
    "creation": "the layers of Core ML's neural networks for pictures make no tensors of nothing",
    "embedding": "the layers of Core ML's neural networks for pictures take no elements by their places",
    "pool": "the layers of Core ML's neural networks for pictures have no such pool",
    "sort": "the layers of Core ML's neural networks for pictures do not sort",
    "loss": "the layers of Core ML's neural networks have no such loss",
}
"""Why an op is refused, by its family."""

coreml.refuses_families(_FAMILIES)
