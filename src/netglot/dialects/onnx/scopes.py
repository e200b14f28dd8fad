"""Which module each node belongs to, by the names that exporters leave."""

from __future__ import annotations

from typing import Any

from netglot.pivot.graph import Graph, Module


class Scopes:
    """The hierarchy of a model."""

    def __init__(self, proto: Any):
        self.proto = proto

    def of(self, node: Any, frame: Any) -> tuple:
        """The scope of a node."""
        return ()

    def parameter(self, name: str) -> str:
        """The name of a parameter in the graph."""
        return name

    def finish(self, graph: Graph) -> None:
        """Fills in the modules of a graph that was read."""
        graph.modules[""] = Module("", graph.name)
