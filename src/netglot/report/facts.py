"""What a report says without running anything, and what it says of a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.errors import Refusal, RefusedOp, UnsupportedOps
from netglot.pivot.graph import Graph, Parameter, Part
from netglot.pivot.op import Op
from netglot.pivot.ops.arithmetic import Add
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

    counts = _parameters(graph, written)
    return {
        "verdict": "unverified",
        "inputs": [described(v.name, v, p) for v, p in zip(graph.inputs, arranged.inputs, strict=True)],
        "outputs": [described(n, v, p) for (n, v), p in zip(graph.outputs, arranged.outputs, strict=True)],
        "float64": None,
        "float32": None,
        "gradients": None,
        "training": None,
        "parameters": counts,
        "transposes": arranged.transposes,
        "phases": [],
        "differences": _counted(counts, written),
        "refused": [],
        **({"opset": written.opset} if hasattr(written, "opset") else {}),
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


def _counted(counts: dict[str, Any], written) -> list[str]:
    """A sentence where the target trains more or fewer numbers than the source."""
    source, target = counts["source"]["trainable"], counts["target"]["trainable"]
    if source == target:
        return []
    sums = [variable.path for variable in written.variables if variable.trainable and _adds(variable.recipe)]
    shown = ", ".join(sums[:3]) + (f" and {len(sums) - 3} more" if len(sums) > 3 else "")
    why = f": what the source keeps apart and adds, two biases of one gate, is one in {shown}" if sums else ""
    return [f"{target:,} numbers are trained, and {source:,} in the source{why}"]


def _adds(recipe: Any) -> bool:
    """Whether a variable holds the sum of several trained ones."""
    if isinstance(recipe, Part):
        return _adds(recipe.op)
    if not isinstance(recipe, Op):
        return False
    trained = [one for one in recipe.operands() if _trained(one)]
    return (isinstance(recipe, Add) and len(trained) > 1) or any(_adds(one) for one in trained)


def _trained(tree: Any) -> bool:
    if isinstance(tree, Part):
        return _trained(tree.op)
    if isinstance(tree, Op):
        return any(_trained(one) for one in tree.operands())
    return isinstance(tree, Parameter) and tree.trainable


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
