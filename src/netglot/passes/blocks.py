"""Blocks for a network whose file names no modules: its ops made large, and what repeats found."""

from __future__ import annotations

from collections.abc import Set

from netglot.passes.canonical import canonicalise
from netglot.passes.fold import fold
from netglot.passes.growing import grow
from netglot.passes.patterns import raise_patterns
from netglot.passes.raising import raise_ops
from netglot.passes.shared import share
from netglot.passes.structure import is_flat, structured
from netglot.passes.whole_numbers import follow_whole_numbers
from netglot.pivot.graph import Graph, Parameter


def with_blocks(graph: Graph, kept: Set[Parameter] = frozenset()) -> Graph:
    """The graph in one form, with blocks where it has no hierarchy.

    The names of the weights in `kept` are those of the source.
    """
    graph = grow(canonicalise(follow_whole_numbers(canonicalise(graph))))
    if not is_flat(graph):
        return graph
    return structured(share(raise_ops(raise_patterns(canonicalise(fold(graph))))), kept)
