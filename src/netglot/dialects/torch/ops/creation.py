"""Tensors made from nothing or from a shape."""
