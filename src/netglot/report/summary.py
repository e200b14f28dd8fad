"""What `inspect` tells of a graph: its interface, its size, its ops, its modules."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from rich.console import Console

from netglot.pivot.graph import Graph
from netglot.pivot.op import concrete, numpy_dtype
from netglot.report import terminal


def summary(graph: Graph) -> dict[str, Any]:
    """The facts, ready for JSON."""
    parameters = list(graph.parameters.values())
    sizes = {p.name: math.prod(concrete(size, {}) for size in p.shape) for p in parameters}
    return {
        "name": graph.name,
        "inputs": [_tensor(value.name, value) for value in graph.inputs],
        "outputs": [_tensor(name, value) for name, value in graph.outputs],
        "symbols": graph.symbols(),
        "parameters": {
            "trainable": sum(sizes[p.name] for p in parameters if p.trainable),
            "frozen": sum(sizes[p.name] for p in parameters if not p.trainable),
            "bytes": sum(sizes[p.name] * numpy_dtype(p.dtype).itemsize for p in parameters),
        },
        "nodes": len(graph.nodes),
        "ops": dict(Counter(type(node.op).__name__ for node in graph.nodes).most_common()),
        "modules": {path: module.class_name for path, module in graph.modules.items()},
        "notes": list(graph.notes),
    }


def _tensor(name: str, value: Any) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else str(size) for size in value.shape]
    return {"name": name, "dtype": value.dtype, "shape": shape}


def text(graph: Graph) -> str:
    """The pivot's text form of a graph."""
    from netglot.pivot.text import to_text

    return to_text(graph)


def show(console: Console, graph: Graph, view: str) -> None:
    """Prints one view: "summary", "text" or "hierarchy"."""
    match view:
        case "text":
            console.print(text(graph), markup=False, soft_wrap=True)
        case "hierarchy":
            terminal.show_modules(console, graph.modules, graph.name)
        case _:
            _show_summary(console, summary(graph))


def _show_summary(console: Console, facts: dict[str, Any]) -> None:
    sizes = facts["parameters"]
    rows = [
        *(("in", _line(tensor)) for tensor in facts["inputs"]),
        *(("out", _line(tensor)) for tensor in facts["outputs"]),
        ("parameters", f"{sizes['trainable']:,} trainable, {sizes['frozen']:,} not, {sizes['bytes'] / 2**20:.1f} MiB"),
        ("nodes", ", ".join([f"{facts['nodes']}", *(f"{name} {n}" for name, n in facts["ops"].items())])),
        *(("note", note) for note in facts["notes"]),
    ]
    terminal.show_table(console, [facts["name"], ""], rows)


def _line(tensor: dict[str, Any]) -> str:
    return f"{tensor['name']}: {tensor['dtype']}({', '.join(map(str, tensor['shape']))})"
