"""Sizes for the axes that a model file leaves open: as small as its layers allow, for the file gives no example."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

from netglot.pivot.dims import Dim, substitute
from netglot.pivot.graph import Graph
from netglot.pivot.op import FLOATS
from netglot.verify.inputs import second_size

SPATIAL = (16, 32, 48, 64, 96, 128, 224, 320, 512)
"""Sizes of images that are tried, the smallest first."""
PLAIN = (7, 12, 24, 48, 96, 400)
"""Sizes of other axes: lengths of sequences."""
ORDINARY = (64, 12)
"""What is taken where some tensor is always empty."""
BATCH = 2


def open_sizes(graph: Graph) -> dict[str, int]:
    """A size for each symbol, such that every tensor of the network has elements, there and at the second size."""
    spatial, plain, batch = _symbols(graph)
    sizes: dict[str, int] = {}
    tries = list(zip_longest(SPATIAL, PLAIN, fillvalue=max(PLAIN)))
    for image, length in [*tries, ORDINARY]:
        sizes = dict.fromkeys(batch, BATCH)
        sizes |= {symbol: image + 16 * place for place, symbol in enumerate(spatial)}
        sizes |= {symbol: length + place for place, symbol in enumerate(plain)}
        others = sizes | {symbol: second_size(sizes[symbol]) for symbol in (*spatial, *plain)}
        if _has_room(graph, sizes) and _has_room(graph, others):
            return sizes
    return sizes


def _symbols(graph: Graph) -> tuple[list[str], list[str], list[str]]:
    """The symbols of images, of other axes, and of batches."""
    spatial: dict[str, None] = {}
    plain: dict[str, None] = {}
    batch: dict[str, None] = {}
    for value in graph.inputs:
        image = len(value.shape) >= 4 and value.dtype in FLOATS
        for axis, size in enumerate(value.shape):
            if isinstance(size, Dim):
                found = batch if axis == 0 else spatial if image else plain
                found.update(dict.fromkeys(sorted(size.symbols)))
    plain = {symbol: None for symbol in plain if symbol not in spatial and symbol not in batch}
    return [s for s in spatial if s not in batch], list(plain), list(batch)


def _has_room(graph: Graph, sizes: Mapping[str, int]) -> bool:
    """Whether no tensor is empty, nor an axis shorter than what is cut out of it."""
    try:
        return all(substitute(size, sizes) >= 1 for value in graph.values() for size in value.shape)
    except (ValueError, ZeroDivisionError, KeyError):
        return False
