"""How ONNX operators are written. What ONNX lacks is put together from what it has."""

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.write_ops import (
    arithmetic,
    attention,
    norms,
    orders,
    pictures,
    products,
    recurrent,
    reductions,
    shape,
    windows,
)
from netglot.passes.composed import compose

compose(onnx)

__all__ = [
    "arithmetic",
    "attention",
    "norms",
    "orders",
    "pictures",
    "products",
    "recurrent",
    "reductions",
    "shape",
    "windows",
]
