"""Dtype policies of half the width: how fast a network runs, and not what it is.

A model under `mixed_float16` or `bfloat16` is read in single precision, which holds its numbers exactly. What is
written then computes the same with more digits, and the target has its own way to ask for fewer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from keras.src import dtype_policies

HALF = ("float16", "bfloat16")
"""Dtypes that are read as `float32`."""


def widened(dtype: str) -> str:
    """The dtype in which a tensor of the source is read."""
    return "float32" if dtype in HALF else dtype


@contextlib.contextmanager
def in_single(layers: Iterable[Any]) -> Iterator[list[str]]:
    """Makes layers of half precision compute in single precision for a while; gives the policies that they have."""
    changed: list[tuple[Any, Any]] = []
    single = dtype_policies.get("float32")
    for layer in layers:
        policy = layer._dtype_policy
        if {policy.compute_dtype, policy.variable_dtype} & set(HALF) and not policy.quantization_mode:
            changed.append((layer, policy))
    try:
        for layer, _ in changed:
            layer._dtype_policy = single
        yield list(dict.fromkeys(policy.name for _, policy in changed))
    finally:
        for layer, policy in changed:
            layer._dtype_policy = policy


def told(policies: list[str]) -> list[str]:
    """What the report says of policies that were read as `float32`."""
    return [
        f"the dtype policy {name} says how the network is run: what is written computes in float32, and "
        "torch.autocast makes PyTorch use half precision as the policy does"
        for name in policies
    ]
