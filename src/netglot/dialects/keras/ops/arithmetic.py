"""Arithmetic and mathematical functions, element by element."""
