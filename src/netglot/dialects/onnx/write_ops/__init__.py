"""How ONNX operators are written."""

from netglot.dialects.onnx.write_ops import arithmetic, neural, shape

__all__ = ["arithmetic", "neural", "shape"]
