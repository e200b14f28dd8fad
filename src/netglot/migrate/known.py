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
