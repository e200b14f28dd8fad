"""Inputs and weights of the outputs that both sides make alike, without any framework."""

from __future__ import annotations

from typing import Any

import numpy as np


def cotangent(shape: Any) -> np.ndarray:
    """Known numbers of a shape."""
    return np.random.default_rng(5).standard_normal(tuple(shape))


def made_array(one: dict[str, Any], double: bool = False) -> np.ndarray:
    """Random numbers of a shape and dtype; `seed` makes another batch."""
    rng = np.random.default_rng(one.get("seed", 0) + 17)
    dtype = one["dtype"]
    if dtype == "bool":
        return rng.random(one["shape"]) < 0.7
    if "float" in dtype:
        return rng.standard_normal(one["shape"]).astype("float64" if double else "float32")
    low = one.get("low", 0)
    return rng.integers(low, max(one.get("high", 2), low + 1), one["shape"]).astype(dtype)
