"""Random numbers of dropouts, which come to nothing where the rate is known to be 0.

TensorFlow 1 writes a dropout out: numbers drawn evenly between two bounds, compared with the rate or rounded down. Of
such numbers the bounds are followed; what they decide alike wherever they fall is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netglot.dialects.tensorflow.known import known
from netglot.errors import Refusal, notimpl


@dataclass(frozen=True)
class Noise:
    """Numbers between two bounds, the higher one excluded."""

    low: float = 0.0
    high: float = 1.0


def decided(op: str, inputs: list[Any]) -> Any:
    """What an op makes of random numbers: others, or what is known.

    Raises:
        Refusal: it depends on what is drawn.
    """
    other = next((float(np.asarray(one)) for one in inputs if known(one) and np.size(one) == 1), None)
    noise = next(one for one in inputs if isinstance(one, Noise))
    if op in ("Identity", "Cast"):
        return noise
    if op in ("Add", "AddV2", "Mul", "Sub") and other is not None:
        if op == "Sub" and isinstance(inputs[0], Noise):
            other = -other
        if op == "Mul" and other > 0:
            return Noise(noise.low * other, noise.high * other)
        if op != "Mul" and isinstance(inputs[0] if op == "Sub" else noise, Noise):
            return Noise(noise.low + other, noise.high + other)
    if op == "Floor" and noise.high - noise.low <= 1 and float(noise.low).is_integer():
        return np.asarray(noise.low, "float32")
    if op == "GreaterEqual" and isinstance(inputs[0], Noise) and other is not None and noise.low >= other:
        return np.asarray(True)
    raise Refusal(
        notimpl("random numbers: a dropout at work, or one whose rate is not known", "--input keep_prob:=1.0")
    )
