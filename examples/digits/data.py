"""The digits that ship with scikit-learn, split into those to learn from and those held out."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images of shape (count, 1, 8, 8) in [0, 1] and their labels: learn x, held-out x, learn y, held-out y."""
    bunch = load_digits()
    images = (bunch.images[:, None] / 16).astype("float32")
    split = train_test_split(images, bunch.target, test_size=0.25, random_state=0, stratify=bunch.target)
    return split[0], split[1], split[2], split[3]
