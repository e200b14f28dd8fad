"""Whether a model file was read right: its own runtime against the meaning of the graph that was read.

The pair of graph and target is proven elsewhere; this is the step before it. The runtime knows tensors by the names of
the file, which inputs keep as their hints, and gives outputs in the file's order. Where onnxruntime lacks double
precision, single precision decides: ONNX's reference implementation takes some operators of old versions wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import WorkerError
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Graph, flatten_tree
from netglot.verify.compare import compare_exact, compare_single, noise_of
from netglot.verify.inputs import make_inputs, size_variants
from netglot.verify.process import Worker
from netglot.verify.spec import Spec


def prove_reading(
    runtime: str, path: Path, graph: Graph, spec: Spec, *, seed: int = 0, time_limit: float = 600.0
) -> dict[str, Any]:
    """What the report says of the reading: which runtime ran the file, and how far its outputs are from the graph's.

    `same` is None, with `reason`, where the runtime could not run the file.
    """
    label, sizes = list(size_variants(spec))[-1]
    inputs = make_inputs(spec.inputs, sizes, seed=seed)
    given = {value.hint or value.name: inputs[value.name] for value in graph.inputs}
    double = _leaves(graph, inputs, "float64")
    with Worker(runtime, time_limit=time_limit) as worker:
        try:
            described = worker.request("load", call=None, path=str(path))
            single_run = _run(worker, given, "float32")
            double_run = _run(worker, given, "float64")
            exact = worker.request("describe")["by"] == "onnxruntime"
        except WorkerError as error:
            return {"same": None, "reason": str(error).splitlines()[0]}
    single = _leaves(graph, inputs, "float32")
    found = []
    for (name, wanted), low, have32, have64 in zip(
        double.items(), single.values(), single_run, double_run, strict=True
    ):
        if exact:
            found.append(compare_exact(f"{name} ({label}, float64)", wanted, have64))
        found.append(compare_single(f"{name} ({label}, float32)", wanted, have32, noise_of(low, wanted)))
    return {
        "runtime": described["framework"],
        "same": all(one.same for one in found),
        "max_rel": max((one.max_rel for one in found), default=0.0),
        "precision": "float64" if exact else "float32",
        "differs": [str(one) for one in found if not one.same],
    }


def _run(worker: Worker, given: Mapping[str, np.ndarray], dtype: str) -> list[np.ndarray]:
    worker.request("set_dtype", dtype=dtype)
    return list(worker.get(worker.request("run", inputs=worker.put(given))).values())


def _leaves(graph: Graph, inputs: Mapping[str, np.ndarray], precision: str) -> dict[str, np.ndarray]:
    wide = {name: a.astype(precision) if a.dtype.kind == "f" else a for name, a in inputs.items()}
    computed = evaluate(graph, wide, precision=precision)
    names = [name for name, _ in flatten_tree(graph.output)]
    return dict(zip(names, _flat(computed), strict=True))


def _flat(tree: Any) -> list[np.ndarray]:
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in _flat(branch)]
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in _flat(branch)]
    return [tree]
