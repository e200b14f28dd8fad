"""How a parameter is first filled, for training from scratch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Initialiser:
    """A distribution: `kind` is "uniform" (from `a` to `b`), "normal" and "truncated" (mean `a`, deviation `b`, the
    latter cut at two deviations), "constant" (`a`), or "orthogonal": a matrix with orthogonal rows or columns,
    whichever are fewer, of length `a`."""

    kind: str
    a: float
    b: float = 0.0
