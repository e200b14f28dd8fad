"""The operators of ONNX, by family."""

from netglot.dialects.onnx.ops import (
    activation,
    arithmetic,
    attention,
    conv,
    fused,
    index,
    matmul,
    norm,
    other,
    pool,
    quantise,
    quantised,
    recurrent,
    reduction,
    resize,
    shape,
)

__all__ = [
    "activation",
    "arithmetic",
    "attention",
    "conv",
    "fused",
    "index",
    "matmul",
    "norm",
    "other",
    "pool",
    "quantise",
    "quantised",
    "recurrent",
    "reduction",
    "resize",
    "shape",
]
