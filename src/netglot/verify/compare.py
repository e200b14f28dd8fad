"""Whether two arrays are the same, and what decides it.

**float64.** The largest difference may be `EXACT` (1e-7) of the output's own magnitude, its largest absolute value.
PyTorch and Keras agree to 1e-15 there, and a wrong epsilon or a tanh GELU shows at 1e-6 and above. One floor: where
an output is the small remainder of large terms, float64 itself cannot do better, and by how much is known from the
source alone: its float32 error, scaled by the ratio of the two precisions (2**-29), times `SAFETY`. The floor matters
only where the source's own float32 result has no correct digit.

**float32.** A target that is right computes with the same kind of rounding noise as the source, in another order.
The source's noise is its float32 result against its float64 result. The target's error against the same float64
result may be `SAFETY` times as large: as root mean square, and as maximum, where the noise's maximum is taken as no
less than six times its root mean square (so that a lucky draw on few elements does not condemn the target), and no
less than `ULPS` units of float32 at the output's magnitude. Other orders of summation changed the noise of right
networks by a factor of up to three; eight leaves room for unluckier ones.

NaN and infinities must stand in the same places; where the source itself leaves the range of float32, float64 alone
judges. Integers and truth values must be equal in float64; in float32 they may differ in as many places as the source
differs from itself, times `SAFETY`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netglot.pivot.graph import Graph

EXACT = 1e-7
SAFETY = 8.0
ULPS = 16.0
FLOAT32 = 2.0**-23
PRECISIONS = 2.0**-29
"""float64's rounding error as a part of float32's."""


@dataclass(frozen=True)
class Comparison:
    """One pair of arrays. `allowed` is the absolute difference that would still be the same; `reason` is why not."""

    name: str
    same: bool
    max_abs: float = 0.0
    magnitude: float = 0.0
    allowed: float = 0.0
    index: tuple[int, ...] = ()
    expected: float | None = None
    found: float | None = None
    reason: str = ""

    @property
    def max_rel(self) -> float:
        """The largest difference as a part of the magnitude; of zero against zero, zero."""
        if self.max_abs == 0.0:
            return 0.0
        return self.max_abs / self.magnitude if self.magnitude else float("inf")

    def __str__(self) -> str:
        return f"{self.name}: {self.reason or 'the same'}"


@dataclass(frozen=True)
class Noise:
    """The source's float32 result against its float64 result: root mean square and maximum."""

    rms: float = 0.0
    largest: float = 0.0
    flips: float = 0.0
    """The part of the integer elements that differ."""

    def floor(self) -> float:
        """What float64 cannot tell apart, derived from what float32 could not."""
        return self.largest * PRECISIONS * SAFETY


def noise_of(single: np.ndarray, double: np.ndarray) -> Noise:
    """The noise of one output of the source."""
    if double.dtype.kind not in "fV" or single.shape != double.shape or not double.size:
        differs = single.shape == double.shape and double.size and float(np.mean(single != double))
        return Noise(flips=float(differs or 0.0))
    error = np.abs(_finite(single) - _finite(double))[~overflowed(single, double)]
    return Noise(float(np.sqrt(np.mean(error**2))), float(error.max())) if error.size else Noise()


def loudest(draws: Sequence[Noise]) -> Noise:
    """The largest of several draws of one output's noise, by each measure."""
    return Noise(*(max(getattr(one, measure) for one in draws) for measure in ("rms", "largest", "flips")))


def overflowed(single: np.ndarray, double: np.ndarray) -> np.ndarray:
    """Where the source is finite in float64 and not in float32, whose range ends before: float64 judges there."""
    if double.dtype.kind not in "fV" or single.shape != double.shape:
        return np.zeros(double.shape, bool)
    return np.isfinite(_wide(double)) & ~np.isfinite(_wide(single))


def compare_exact(
    name: str, expected: np.ndarray, found: np.ndarray, *, floor: float = 0.0, magnitude: float | None = None
) -> Comparison:
    """The float64 rule; `magnitude` is that of `expected` unless given."""
    problem = _structure(name, expected, found)
    if problem:
        return problem
    if expected.dtype.kind not in "fcV":
        return _discrete(name, expected, found, 0.0)
    magnitude = _magnitude(expected) if magnitude is None else magnitude
    return _judged(name, expected, found, max(EXACT * magnitude, floor), magnitude)


def compare_single(
    name: str, expected: np.ndarray, found: np.ndarray, noise: Noise, beyond: np.ndarray | None = None
) -> Comparison:
    """The float32 rule; `expected` is the source's float64 result, `found` the target's float32 result.

    What is `overflowed` is left out by `beyond`.
    """
    if beyond is not None and beyond.any() and expected.shape == found.shape:
        expected, found = (np.where(beyond, np.zeros((), one.dtype), one) for one in (expected, found))
    problem = _structure(name, expected, found)
    if problem:
        return problem
    if expected.dtype.kind not in "fV":
        return _discrete(name, expected, found, SAFETY * noise.flips)
    magnitude = _magnitude(expected)
    largest = max(noise.largest, 6 * noise.rms)
    judged = _judged(name, expected, found, max(SAFETY * largest, ULPS * FLOAT32 * magnitude), magnitude)
    rms = float(np.sqrt(np.mean((_finite(found) - _finite(expected)) ** 2))) if expected.size else 0.0
    if judged.same and rms > max(SAFETY * noise.rms, ULPS * FLOAT32 * magnitude):
        reason = f"in float32 it is off by {rms:.1e} on average, where the source's own noise is {noise.rms:.1e}"
        return Comparison(**{**vars(judged), "same": False, "reason": reason})
    return judged


def _structure(name: str, expected: np.ndarray, found: np.ndarray) -> Comparison | None:
    if expected.shape != found.shape:
        return Comparison(name, False, float("inf"), reason=f"shape {list(expected.shape)} became {list(found.shape)}")
    kinds = {"u": "i", "V": "f"}
    kind = [kinds.get(a.dtype.kind, a.dtype.kind) for a in (expected, found)]
    if kind[0] != kind[1]:
        return Comparison(name, False, float("inf"), reason=f"dtype {expected.dtype} became {found.dtype}")
    if expected.dtype.kind not in "fcV":
        return None
    left, right = _wide(expected), _wide(found)
    for what, test in (("NaN", np.isnan), ("+inf", np.isposinf), ("-inf", np.isneginf)):
        if left.dtype.kind == "c" and what != "NaN":
            continue
        odd = test(left) != test(right)
        if odd.any():
            at = tuple(int(i) for i in np.argwhere(odd)[0])
            reason = f"{what} stands in {int(test(left).sum())} places and became {int(test(right).sum())}"
            return Comparison(
                name, False, float("inf"), 0.0, 0.0, at, _number(expected, at), _number(found, at), reason
            )
    return None


def _discrete(name: str, expected: np.ndarray, found: np.ndarray, part: float) -> Comparison:
    odd = expected != found
    if not odd.any():
        return Comparison(name, True)
    at = tuple(int(i) for i in np.argwhere(odd)[0])
    share = float(odd.mean())
    return Comparison(
        name, share <= part, share, 1.0, part, at, float(expected[at]), float(found[at]),
        f"{int(odd.sum())} of {odd.size} elements differ",
    )  # fmt: skip


def _judged(name: str, expected, found, allowed: float, magnitude: float) -> Comparison:
    difference = np.abs(_finite(found) - _finite(expected))
    if not difference.size:
        return Comparison(name, True)
    at = tuple(int(i) for i in np.unravel_index(int(difference.argmax()), difference.shape))
    largest = float(difference[at])
    reason = "" if largest <= allowed else f"off by {largest:.1e} where the magnitude is {magnitude:.1e}"
    numbers = _number(expected, at), _number(found, at)
    return Comparison(name, largest <= allowed, largest, magnitude, allowed, at, *numbers, reason)


def _number(array: np.ndarray, at: tuple[int, ...]) -> float:
    """One element; of a complex number its absolute value."""
    return float(abs(array[at])) if array.dtype.kind == "c" else float(_wide(array)[at])


def _wide(array: np.ndarray) -> np.ndarray:
    return array if array.dtype.kind == "c" else array.astype("float64")


def _finite(array: np.ndarray) -> np.ndarray:
    """The array with zeros for what is not finite: those places are compared apart."""
    wide = _wide(array)
    return np.where(np.isfinite(wide), wide, 0.0)


def _magnitude(array: np.ndarray) -> float:
    return float(np.abs(_finite(array)).max()) if array.size else 0.0


@dataclass(frozen=True)
class KnownImprecision:
    """An op that a framework computes with less than float64's precision in a float64 run.

    `where` is the attribute and value with which it does ("" for always), `part` what suffers, "output" (and with it
    the gradient) or only the "gradient". `size` is relative. `repair` names what the framework's worker can put
    right, to show that nothing else differs.
    """

    framework: str
    op: str
    where: str
    part: str
    size: float
    reason: str
    repair: str


_CONSTANT = "TensorFlow divides by a square root of two that has float32's digits"
_RESIZE = "TensorFlow resizes in float32 whatever the precision of the images"
_TABLE = "TensorFlow takes the weights of bicubic resizing from a table of 1024 steps, in float32"
_SCALE = "TensorFlow rounds the scale of attention to float32"
_SLOPE = "TensorFlow rounds the slope of a leaky ReLU to float32"
_SIXTH = "PyTorch's gradient multiplies by a sixth that has float32's digits"
_ALPHA = "PyTorch's gradient multiplies by a 1/alpha that has float32's digits"
KNOWN = (
    KnownImprecision("keras", "Gelu", "approximate=False", "output", 5e-9, _CONSTANT, "gelu"),
    KnownImprecision("keras", "Resize", "mode=linear", "output", 6e-8, _RESIZE, "resize"),
    KnownImprecision("keras", "Resize", "mode=cubic", "output", 1e-3, _TABLE, "resize"),
    KnownImprecision("keras", "Attention", "dropout=0.0", "output", 4e-8, _SCALE, "attention"),
    KnownImprecision("keras", "LeakyRelu", "", "output", 2e-8, _SLOPE, "leaky_relu"),
    KnownImprecision("torch", "Hardsigmoid", "", "gradient", 3e-8, _SIXTH, "hardsigmoid"),
    KnownImprecision("torch", "Celu", "", "gradient", 3e-8, _ALPHA, "celu"),
)
"""Measured imprecisions of frameworks. Never an excuse: where they matter, the run is repeated without them."""


def known_imprecisions(graph: Graph, *frameworks: str) -> list[tuple[KnownImprecision, int]]:
    """The known imprecisions of these frameworks that `graph` meets, with the number of nodes."""
    found = []
    for known in KNOWN:
        attribute, _, value = known.where.partition("=")
        nodes = [n for n in graph.nodes if type(n.op).__name__ == known.op]
        count = sum(not attribute or str(n.op.attributes().get(attribute)) == value for n in nodes)
        if count and known.framework in frameworks:
            found.append((known, count))
    return found
