"""How far a verification trains."""

MOVED = 1e-4
"""How far the first training step moves the parameters, as a part of their norm."""
