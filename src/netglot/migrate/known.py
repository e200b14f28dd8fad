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


def start_of(array: np.ndarray) -> list[float] | None:
    """How a weight starts: its mean, its spread, its largest size and its count; None for whole numbers."""
    if array.dtype.kind != "f" or not array.size:
        return None
    return [float(array.mean()), float(array.std()), float(np.abs(array).max()), float(array.size)]


def unlike(a: list[float] | None, b: list[float] | None) -> bool:
    """Whether two starts are surely not drawn from one distribution."""
    if a is None or b is None or a[3] != b[3] or a[3] < 2:
        return False
    (mean, spread, most, count), (other, width, largest, _) = a, b
    if min(spread, width) < 1e-9:
        return max(spread, width) > 1e-3 * max(most, largest) if max(spread, width) > 1e-9 else abs(mean - other) > 1e-5
    if count < FEW:
        return False
    noise = 8 * max(spread, width) / count**0.5
    if abs(mean - other) > 1.5 * noise or abs(spread - width) > noise:
        return True
    return count >= MANY and (most / spread < UNIFORM) != (largest / width < UNIFORM)


FEW, MANY, UNIFORM = 100, 2000, 1.85
"""Numbers below which a spread, and a shape, cannot be told; the largest of uniform numbers is below 1.85 spreads."""


DATASETS = {
    "mnist": ((28, 28), 10), "fashion_mnist": ((28, 28), 10), "cifar10": ((32, 32, 3), 10),
    "cifar100": ((32, 32, 3), 100),
}  # fmt: skip
"""Known data sets of images: the shape of one, and how many classes there are."""


def made_dataset(name: str) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Made images and labels in the shapes of a known data set, but few: for training and for testing."""
    shape, classes = DATASETS[name]
    rng = np.random.Generator(np.random.PCG64(3))
    parts = []
    for count in (640, 128):
        labels = rng.integers(0, classes, count).astype("uint8")
        images = rng.integers(0, 256, (count, *shape)).astype("uint8")
        parts.append((images, labels[:, None] if name.startswith("cifar") else labels))
    return parts[0], parts[1]
