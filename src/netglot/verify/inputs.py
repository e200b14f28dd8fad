"""Inputs that a wrong conversion cannot survive: negative, large, repeated and zero values, several batches, odd
sizes, a second length."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

import numpy as np

from netglot.pivot.dims import substitute
from netglot.pivot.graph import Graph, Value
from netglot.pivot.op import FLOATS, numpy_dtype
from netglot.verify.spec import Input, Spec

LARGE = 30.0
"""How much larger than usual a few of the values are."""

INDEXED = {("Embedding", "ids"): "weight", ("EmbeddingBag", "ids"): "weight", ("Take", "indices"): "x"}
"""Fields that hold indices, with the operand whose size bounds them."""


def index_ranges(graph: Graph) -> dict[str, tuple[int, int]]:
    """`(0, size)` for each input of integers that is used as it is to index a table."""
    found: dict[str, tuple[int, int]] = {}
    for node in graph.nodes:
        for (kind, field), table in INDEXED.items():
            if type(node.op).__name__ != kind:
                continue
            value, held = _origin(getattr(node.op, field), graph), getattr(node.op, table)
            axis = getattr(node.op, "axis", 0)
            size = held.shape[axis]
            if value is not None and isinstance(size, int):
                low, high = found.get(value.name, (0, size))
                found[value.name] = (low, min(high, size))
    return found


def _origin(value, graph: Graph) -> Value | None:
    """The input behind casts and reshapes."""
    producers = graph.producers()
    while isinstance(value, Value) and value in producers:
        node = producers[value]
        if type(node.op).__name__ not in ("Cast", "Reshape", "Identity", "Permute"):
            return None
        value = next(node.op.operands())
    return value if value in graph.inputs else None


def size_variants(spec: Spec) -> Iterator[tuple[str, dict[str, int]]]:
    """What to run: `(label, size of each symbol)`. The traced sizes, batch 1 and 3, and other odd sizes."""
    traced = {symbol: spec.sizes.get(symbol, 2) for symbol in spec.symbols}
    batch = spec.batch_symbols
    others = [symbol for symbol in traced if symbol not in batch]
    seen = []
    for label, sizes in (
        ("traced sizes", traced),
        ("batch 1", {**traced, **dict.fromkeys(batch, 1)}),
        ("batch 3", {**traced, **dict.fromkeys(batch, 3)}),
        ("other sizes", {**traced, **dict.fromkeys(batch, 3), **{s: second_size(traced[s]) for s in others}}),
    ):
        if sizes not in seen:
            seen.append(sizes)
            yield label, sizes


def second_size(size: int) -> int:
    """Another size for an axis, odd: about two thirds of the traced one, or a little more where that is small."""
    other = size - size // 3 if size >= 8 else size + 2
    other -= 1 - other % 2
    return other if other != size else other + 2


def make_inputs(
    inputs: tuple[Input, ...], sizes: Mapping[str, int], *, kind: str = "plain", seed: int = 0
) -> dict[str, np.ndarray]:
    """Arrays for the inputs, in their own dtype and in the source's order of axes.

    Args:
        kind: "plain" (normal, with repeated values and zeros), "large" (a few `LARGE` times larger) or "smooth"
            (no two alike, for gradients, which frameworks define differently at ties and kinks).
    """
    return {one.name: _make(one, sizes, kind, seed) for one in inputs}


def _make(one: Input, sizes, kind: str, seed: int) -> np.ndarray:
    shape = tuple(substitute(size, sizes) for size in one.shape)
    generator = np.random.default_rng([seed, zlib.crc32(f"{one.name}{kind}".encode()), *shape])
    if one.dtype == "bool":
        return _open_mask(generator.random(shape) < 0.7)
    if one.dtype not in FLOATS:
        drawn = generator.integers(int(one.low or 0), int(2 if one.high is None else one.high), shape)
        return (_open_mask(drawn) if one.high is None else drawn).astype(one.dtype)
    array = generator.normal(0.0, 1.0, shape)
    if one.low is not None and one.high is not None:
        array = generator.uniform(one.low, one.high, shape)
    elif kind != "smooth" and array.size >= 8:
        flat, spots = array.reshape(-1), generator.permutation(array.size)
        few = max(1, array.size // 16)
        flat[spots[:few]] = flat[spots[-1]]
        flat[spots[few : 2 * few]] = 0.0
        if kind == "large":
            flat[spots[2 * few : 2 * few + max(2, array.size // 500)]] *= LARGE
    # what float32 can hold, so that both precisions are given the same numbers
    return array.astype("float32").astype(numpy_dtype(one.dtype))


def _open_mask(mask: np.ndarray) -> np.ndarray:
    """A mask that keeps at least the first element of each row: a row that keeps none is a case of its own."""
    if mask.ndim:
        mask[..., 0] = 1
    return mask


def to_target(inputs: tuple[Input, ...], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same arrays in the target's order of axes."""
    table = {one.name: one.permutation for one in inputs}
    return {name: permute(array, table[name]) for name, array in arrays.items()}


def permute(array: np.ndarray, permutation: tuple[int, ...] | None) -> np.ndarray:
    """`array` with its axes in the target's order."""
    return array if permutation is None else array.transpose(permutation)
