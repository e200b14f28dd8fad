"""Scaled dot-product attention with every option, at several ranks."""

import numpy as np

from netglot.pivot.op import rand
from samples import call


def heads(*lead, queries=3, keys=5, size=4):
    """Query, key and value."""
    return [rand(*lead, time, size, seed=i) for i, time in enumerate((queries, keys, keys))]


GROUPED = [rand(2, 4, 3, 4), rand(2, 2, 5, 4, seed=1), rand(2, 2, 5, 4, seed=2)]
KEEP = rand(2, 1, 3, 5, dtype="bool", seed=4)
KEEP[0, 0, 1] = False
ADDED = np.where(rand(3, 5, dtype="bool", seed=5), rand(3, 5), -np.inf)
ADDED[2] = -np.inf
NAME = "aten.scaled_dot_product_attention.default"

SAMPLES = [
    call(NAME, *heads(2, 4)),
    call(NAME, *heads(2, 4), None, 0.0, True),
    call(NAME, *heads(2, 4, queries=6), None, 0.0, True),
    call(NAME, *heads(2, 4), KEEP),
    call(NAME, *heads(2, 4), ADDED),
    call(NAME, *heads(2, 4), scale=0.3),
    call(NAME, *heads(2)),
    call(NAME, *heads(2), rand(2, 3, 5)),
    call(NAME, *heads(), rand(3, 5)),
    call(NAME, *heads(2, 3, 2), rand(3, 1, 3, 5)),
    call(NAME, rand(2, 4, 3, 4), rand(1, 4, 5, 4), rand(2, 1, 5, 4)),
    call(NAME, *GROUPED, enable_gqa=True),
    call(NAME, *GROUPED, KEEP, enable_gqa=True, scale=0.25),
]
