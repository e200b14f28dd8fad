"""Modules that a network holds under several names."""

from __future__ import annotations

from collections import Counter

from netglot.pivot.graph import Frame, Graph


def call_by_one_path(graph: Graph) -> None:
    """Rewrites the scopes so that a module that its owner calls by several names is called by the first of these.

    The paths of what it holds are rewritten with it. Where the names belong to different owners they stay: from the
    one, what the other holds cannot be reached.
    """
    called: dict[tuple[str, str], dict[str, None]] = {}
    for node in graph.nodes:
        for frame in node.scope:
            module = graph.modules.get(frame.path)
            if module is not None:
                called.setdefault((frame.path.rpartition(".")[0], module.first or frame.path), {})[frame.path] = None
    held = {path: next(iter(paths)) for paths in called.values() if len(paths) > 1 for path in paths}
    if not held:
        return
    several = {p: _through(p, held) for n in graph.nodes for p in (f.path for f in n.scope) if _through(p, held) != p}
    several |= {path: path for path in several.values()}
    renamed: dict[Frame, Frame] = {}
    counts: Counter[str] = Counter()
    for node in graph.nodes:
        for frame in node.scope:
            if frame.path in several and frame not in renamed:
                path = several[frame.path]
                renamed[frame] = Frame(path, counts[path])
                counts[path] += 1
        node.scope = tuple(renamed.get(frame, frame) for frame in node.scope)
    for (path, value), name in list(graph.arguments.items()):
        graph.arguments.setdefault((several.get(path, path), value), name)


def _through(path: str, held: dict[str, str]) -> str:
    """A path with every module on the way called by its first name."""
    way = ""
    for part in path.split("."):
        way = f"{way}.{part}" if way else part
        way = held.get(way, way)
    return way
