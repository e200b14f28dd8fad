"""Networks that part from themselves: where a rounding error in the input replaces the output, nothing can be compared.

A deep network may be chaotic with the weights that it has: each layer multiplies the difference of two inputs, and
what comes out of a difference of 1e-16 is another output. No conversion of such a network could be told from a wrong
one, so the source is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netglot.verify.process import Worker

NUDGE = 2.0**-50
"""By this part of themselves inputs are moved: a few units of float64's rounding."""
UNSTEADY = 1000
"""A source is too sensitive where it parts from itself by at least this fraction of what parts both sides."""
ROUNDINGS = 3
"""So many other ways of rounding the inputs are tried."""
CALM = 0.5
"""So much smaller are the weights of a second draw, where the first one was too sensitive everywhere."""
MATRICES = ("weight", "transposed", "matrix")
"""The roles of what multiplies a signal."""


def sensitivity(source: Worker, inputs: Mapping[str, np.ndarray]) -> float:
    """How far the source's outputs move, as a part of their magnitude, when its inputs move by a rounding error; zero
    where no input holds floats."""
    wide = {name: array.astype("float64") if array.dtype.kind == "f" else array for name, array in inputs.items()}
    if not any(array.dtype.kind == "f" for array in wide.values()):
        return 0.0
    moved = {name: array * (1 + NUDGE) if array.dtype.kind == "f" else array for name, array in wide.items()}
    first, second = (source.get(source.request("run", inputs=source.put(given))) for given in (wide, moved))
    return max((_apart(first[name], second[name]) for name in first if name in second), default=0.0)


def rounded_otherwise(source: Worker, inputs: Mapping[str, np.ndarray], seed: int) -> list[dict[str, np.ndarray]]:
    """The source's outputs for inputs whose last digit in float32 is another one; none where no input holds floats."""
    floats = {name: array.astype("float32") for name, array in inputs.items() if array.dtype.kind == "f"}
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(ROUNDINGS if floats else 0):
        towards = {n: generator.choice((-np.inf, np.inf), size=a.shape).astype("float32") for n, a in floats.items()}
        moved = {name: np.nextafter(array, towards[name]) for name, array in floats.items()}
        found.append(source.get(source.request("run", inputs=source.put({**inputs, **moved}))))
    return found


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    if one.dtype.kind != "f" or one.shape != other.shape or not one.size:
        return 0.0
    both = np.isfinite(one) & np.isfinite(other)
    size = float(np.abs(np.where(both, one, 0.0)).max())
    return float(np.abs(np.where(both, one - other, 0.0)).max()) / size if size else 0.0


def calmed(drawn: Mapping[str, np.ndarray], roles: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Random weights that pass on a difference without making it larger."""
    smaller = {path for path in drawn if roles.get(path) in MATRICES}
    return {path: array * array.dtype.type(CALM) if path in smaller else array for path, array in drawn.items()}
