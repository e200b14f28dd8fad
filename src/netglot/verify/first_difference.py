"""Where two networks part: the first value, in the order of execution, that is not the same on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netglot.pivot.graph import Graph, Node
from netglot.verify.compare import Comparison, compare_exact
from netglot.verify.inputs import permute

THRESHOLDS = (1e-7, 1e-9, 1e-11)
"""A difference may be small where it starts and grow: the first threshold that some value exceeds decides."""


@dataclass(frozen=True)
class FirstDifference:
    """The first node that differs. `after` is the last node before it that both sides have and agree on."""

    node: Node
    value: str
    comparison: Comparison
    after: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the report carries it."""
        found = self.comparison
        return {
            "value": self.value,
            "op": type(self.node.op).__name__,
            "module": self.node.path,
            "site": str(self.node.site) if self.node.site else None,
            "index": list(found.index),
            "source": found.expected,
            "target": found.found,
            "max_abs": found.max_abs,
            "max_rel": found.max_rel,
            "reason": found.reason,
            "after": self.after,
        }

    def __str__(self) -> str:
        place = f" at {self.node.site}" if self.node.site else ""
        where = self.node.path or "the top level"
        values = ""
        if self.comparison.expected is not None:
            at = list(self.comparison.index)
            values = (
                f": at {at} the source has {self.comparison.expected:.9g} and the target {self.comparison.found:.9g}"
            )
        return f"the first difference is in {type(self.node.op).__name__} of {where}{place}{values}"


def compare_values(
    graph: Graph,
    source: Mapping[str, np.ndarray],
    target: Mapping[str, np.ndarray],
    permutations: Mapping[str, tuple[int, ...] | None] | None = None,
) -> list[tuple[Node, str, Comparison]]:
    """Every value that both sides have, in the order of the graph, compared.

    Args:
        source, target: arrays by the name of the pivot value; the source's in the source's order of axes.
        permutations: the order of the target's axes, by the name of the value.
    """
    compared = []
    for node in graph.nodes:
        for value in node.results:
            if value.name in source and value.name in target:
                expected = permute(source[value.name], (permutations or {}).get(value.name))
                compared.append((node, value.name, compare_exact(value.name, expected, target[value.name])))
    return compared


def first_difference(
    graph: Graph,
    source: Mapping[str, np.ndarray],
    target: Mapping[str, np.ndarray],
    permutations: Mapping[str, tuple[int, ...] | None] | None = None,
) -> FirstDifference | None:
    """The first value that differs, arguments as for `compare_values`; None where all that both sides have agree."""
    compared = compare_values(graph, source, target, permutations)
    for threshold in THRESHOLDS:
        for position, (node, name, comparison) in enumerate(compared):
            if comparison.max_rel > threshold:
                after = compared[position - 1][1] if position else None
                return FirstDifference(node, name, comparison, after)
    return None


def agreement(
    graph: Graph,
    source: Mapping[str, np.ndarray],
    target: Mapping[str, np.ndarray],
    permutations: Mapping[str, tuple[int, ...] | None] | None = None,
) -> list[dict[str, Any]]:
    """For each module that ran, whether the values inside it agree: "same", "different" or "unseen".

    Arguments as for `compare_values`. A module is "unseen" where the target shows none of its values, because it does
    in one step what the source does in several.
    """
    ran = dict.fromkeys(frame.path for node in graph.nodes for frame in node.scope)
    worst: dict[str, Comparison] = {}
    for node, _, comparison in compare_values(graph, source, target, permutations):
        for frame in node.scope:
            before = worst.get(frame.path)
            if before is None or comparison.max_rel > before.max_rel:
                worst[frame.path] = comparison
    rows = []
    for path in sorted(ran, key=lambda p: list(graph.modules).index(p) if p in graph.modules else len(graph.modules)):
        found = worst.get(path)
        state = "unseen" if found is None else "same" if found.max_rel <= THRESHOLDS[0] else "different"
        name = graph.modules[path].class_name if path in graph.modules else ""
        rows.append({"path": path, "class": name, "agreement": state, "max_abs": found.max_abs if found else None})
    return rows
