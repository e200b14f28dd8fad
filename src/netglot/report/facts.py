"""What a report says without running anything, and what it says of a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.errors import Refusal, RefusedOp, UnsupportedOps
from netglot.pivot.graph import Graph
from netglot.report.phases import Phases


def facts(graph: Graph, written) -> dict[str, Any]:
    """What the report says without running anything."""
    arranged = written.arranged

    def described(name: str, value, permutation) -> dict[str, Any]:
        return {
            "name": name,
            "dtype": value.dtype,
            "shape": [size if isinstance(size, int) else str(size) for size in value.shape],
            "permutation": list(permutation),
        }

    return {
        "verdict": "unverified",
        "inputs": [described(v.name, v, p) for v, p in zip(graph.inputs, arranged.inputs, strict=True)],
        "outputs": [described(n, v, p) for (n, v), p in zip(graph.outputs, arranged.outputs, strict=True)],
        "float64": None,
        "float32": None,
        "gradients": None,
        "training": None,
        "parameters": _parameters(graph, written),
        "transposes": arranged.transposes,
        "phases": [],
        "differences": [],
        "refused": [],
    }


def _parameters(graph: Graph, written) -> dict[str, Any]:
    def size(shape) -> int:
        return int(np.prod([int(s) for s in shape], dtype=np.int64))

    source = {"trainable": 0, "frozen": 0}
    for parameter in graph.parameters.values():
        if parameter.kind != "constant" and "float" in parameter.dtype:
            source["trainable" if parameter.trainable else "frozen"] += size(parameter.shape)
    target = {"trainable": 0, "frozen": 0}
    from netglot.pivot.op import shape_of

    for variable in written.variables:
        target["trainable" if variable.trainable else "frozen"] += size(shape_of(variable.recipe))
    return {"source": source, "target": target}


def refused_report(refusal: UnsupportedOps | Refusal, phases: Phases) -> dict[str, Any]:
    refused = (
        refusal.refused
        if isinstance(refusal, UnsupportedOps)
        else [RefusedOp("", "network", refusal.reason, refusal.site)]
    )
    return {
        "verdict": "refused",
        "inputs": [],
        "outputs": [],
        "float64": None,
        "float32": None,
        "gradients": None,
        "training": None,
        "parameters": None,
        "transposes": None,
        "phases": phases.rows,
        "differences": [],
        "refused": [
            {
                "where": r.where,
                "what": r.what,
                "kind": r.reason.kind,
                "reason": r.reason.text,
                "advice": r.reason.advice,
                "site": r.site,
            }
            for r in refused
        ],
    }
