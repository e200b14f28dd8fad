"""A conversion verified: both sides shipped to workers, called, compared, and what is to be said of how it ran."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from netglot.dialects.targets import Target, target_of
from netglot.frontend.inputs import InputSpec, as_numpy
from netglot.frontend.request import Request
from netglot.pivot.graph import Graph
from netglot.verify.plan import Options


@dataclass(frozen=True)
class Limits:
    """What is verified, and how many seconds one request to a framework may take."""

    options: Options
    time_limit: float
    runtimes: Mapping[str, str] = field(default_factory=dict)
    """The interpreters of the frameworks that run written files."""


def verified(request, graph, sizes, written, folder, report, limits: Limits, phases) -> dict[str, Any]:
    from netglot.verify.plan import Loading, verify_pair
    from netglot.verify.process import Worker
    from netglot.verify.spec import Variable, spec_from_graph

    arranged = written.arranged
    names = [value.name for value in graph.inputs]
    spec = spec_from_graph(
        graph,
        [Variable(v.path, v.recipe, v.trainable) for v in written.variables],
        source_call=None if request.kind == "graph" else _source_call(request, names),
        target_call=_target_call(graph, written, limits.runtimes),
        sizes={k: v for k, v in sizes.items() if k in graph.symbols()},
        input_permutations=dict(zip(names, arranged.inputs, strict=True)),
        output_permutations={n: p for (n, _), p in zip(graph.outputs, arranged.outputs, strict=True)},
        ranges=_ranges(request, names),
        written=arranged.graph,
    )
    with tempfile.TemporaryDirectory(prefix="netglot-source-") as aside:
        reader, load = _shipped(request, Path(aside))
        traceable = graph.origin is not None or request.kind in ("graph", *_SHOWING_NOTHING)
        traceable = traceable and not target_of(written).is_made_by_others
        stood_for = request.kind in _SHOWING_NOTHING
        tracing = _Tracing(graph, written, folder, Path(aside), stood_for) if traceable else None
        worker = target_of(written).worker
        scripted = request.source.kind == "script"
        trained = request.kind not in ("graph", "exported", "saved_model") and not scripted
        options, limit = limits.options, limits.time_limit
        if not trained:
            options = replace(options, gradients=request.kind != "graph", training=False)
        if not target_of(written).trains:
            options = replace(options, gradients=False, training=False)
        options = replace(options, double=target_of(written).doubles)
        options = replace(options, inputs=_given_arrays(request, names))
        with Worker(reader, time_limit=limit) as source, Worker(worker, time_limit=limit) as target:
            loading = Loading(load, str(folder), tracing)
            found = verify_pair(source, target, spec, loading, options=options, progress=phases.progress)
    notes = how_it_ran(target_of(written), limits.runtimes)
    if request.format is not None and request.format.runtime:
        found |= _proven_reading(request, graph, spec, found, limits)
    if request.kind == "graph":
        notes.append("a model file says nothing of training, so outputs were compared and gradients were not")
    elif not target_of(written).trains:
        notes.append(f"{target_of(written).title} runs and does not train, so gradients and training were not compared")
    elif request.kind == "saved_model":
        notes.append(
            "a SavedModel says nothing of training, so outputs and gradients were compared and training was not"
        )
    elif scripted:
        notes.append(
            "a TorchScript program may fix its mode, so outputs and gradients were compared and training was not"
        )
    elif trained and not options.training:
        notes.append("training was not compared, as it was asked")
    return report | found | {"differences": [*found.get("differences", []), *notes]}


def _proven_reading(request: Request, graph: Graph, spec, found: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """What the report gains where the source's own runtime runs the file: whether it was read right."""
    from netglot.verify.reading import prove_reading

    path = Path(request.source.where)
    told = prove_reading(
        request.format.runtime, path, graph, spec, seed=limits.options.seed, time_limit=limits.time_limit
    )
    differences = list(found.get("differences", []))
    if told["same"] is None:
        differences.append(f"whether the file was read right is not proven by its runtime: {told['reason']}")
        return {"reading": told, "differences": differences}
    if told["same"]:
        return {"reading": told}
    differences += [f"{told['runtime']} computes something else than was read: {one}" for one in told["differs"]]
    return {"reading": told, "differences": differences, "verdict": "different"}


def _given_arrays(request: Request, names: list[str]) -> dict[str, np.ndarray] | None:
    """The arrays that the user gave as inputs, by name, where all inputs were given so."""
    examples = [spec.example for spec in request.inputs.specs]
    if not examples or len(examples) != len(names) or any(example is None for example in examples):
        return None
    return {name: np.asarray(as_numpy(example)) for name, example in zip(names, examples, strict=True)}


def _shipped(request: Request, folder: Path) -> tuple[str, dict[str, Any]]:
    """The worker that runs the source, and the arguments of its `load`; what it needs is saved in `folder`."""
    from netglot.verify.ship import pickle_source, save_keras

    if request.kind == "torch":
        return "torch", pickle_source(request.network, folder / "source.pkl")
    if request.kind == "keras":
        return "keras-source", save_keras(request.network, folder, request.inputs.specs)
    if request.kind == "saved_model":
        return "tensorflow-source", {"path": request.network.path, "signature": request.network.signature}
    if request.kind == "graph":
        from netglot.pivot import serialize

        serialize.save(request.network, folder / "source")
        return "pivot", {"path": str(folder / "source")}
    path = folder / "source.pt2"
    path.write_bytes(request.program)
    return "torch", {"kind": "program", "path": str(path)}


_SHOWING_NOTHING = ("keras", "saved_model")
"""Kinds of sources whose frameworks do not show the values inside."""


class _Tracing:
    """What finds the first difference, as `verify.plan.Tracing` describes it; made when it is asked for."""

    def __init__(self, graph: Graph, written, folder: Path, aside: Path, stood_for: bool):
        self._graph, self._written, self._folder, self._aside = graph, written, folder, aside
        self._stood_for = stood_for
        self.names = graph.origin.names if graph.origin is not None else {}

    @property
    def program(self) -> str:
        """The exported program in a file; none where the source is a graph."""
        if self._graph.origin is None:
            return ""
        import torch

        path = self._aside / "program.pt2"
        if not path.exists():
            torch.export.save(self._graph.origin.program, path)
        return str(path)

    @property
    def meaning(self) -> str | None:
        """The graph in a folder, where it stands for a source that shows no values of its own."""
        if not self._stood_for:
            return None
        from netglot.pivot import serialize

        path = self._aside / "meaning"
        if not path.exists():
            serialize.save(self._graph, path)
        return str(path)

    @property
    def folder(self) -> str:
        """A copy of the emitted folder that has a `trace.py`."""
        path = self._aside / "traced"
        if not path.exists():
            shutil.copytree(self._folder, path)
            (path / "trace.py").write_text(self._traced[0], encoding="utf-8")
        return str(path)

    @property
    def permutations(self) -> dict[str, tuple[int, ...]]:
        """The target's order of axes by value."""
        return self._traced[1]

    @functools.cached_property
    def _traced(self):
        return target_of(self._written).module().trace(self._written)


def _source_call(request: Request, names: list[str]) -> dict[str, Any]:
    """How the source is called, as a JSON tree with the names of inputs at the leaves."""
    given = iter(names)

    def tree(branch: Any) -> Any:
        if isinstance(branch, InputSpec):
            return next(given)
        if isinstance(branch, tuple):
            return {"tuple": [tree(b) for b in branch]}
        if isinstance(branch, list):
            return [tree(b) for b in branch]
        if isinstance(branch, dict):
            return {"dict": {k: tree(b) for k, b in branch.items()}}
        return None if branch is None else {"value": branch}

    positional = [tree(b) for b in request.inputs.positional]
    return {"args": positional, "kwargs": {k: tree(b) for k, b in request.inputs.keyword.items()}}


def _target_call(graph: Graph, written: Any, runtimes: Mapping[str, str]) -> dict[str, Any]:
    target, names = target_of(written), [value.name for value in graph.inputs]
    returned = [name for name, _ in graph.outputs]
    if target.worker in ("exported-target", "packaged-target"):
        told = {"target": target.name, "returns": returned, "behind": str(written.folder)}
        return {"args": list(names), "kwargs": {}, **told}
    if target.is_file:
        told = {"target": target.name, "returns": returned, "python": runtimes.get(target.name, "")}
        return {"args": list(names), "kwargs": {}, **told}
    if target.name == "onnx":  # its own names for what lies deeper have no dots
        return {"args": list(names), "kwargs": {}, "returns": returned}
    if len(names) == 1 or not target.one_argument:
        return {"args": list(names), "kwargs": {}}
    return {"args": [{"dict": {name: name for name in names}}], "kwargs": {}}


def can_run(target: Target, limits: Limits) -> bool:
    """Whether what is written can be compared: something runs it, or it can be read back."""
    return not target.is_file or target.reads_back or target.name in limits.runtimes


def how_it_ran(target: Target, runtimes: Mapping[str, str]) -> list[str]:
    """What is to be said of how a written file was run."""
    notes = []
    if target.is_file and not target.reads_back and target.name not in runtimes:
        advice = f"--runtime {target.name}=PATH/python runs it in {target.runs}"
        return [f"nothing was compared, because nothing ran it: {advice}"]
    if target.worker == "packaged-target" or (target.is_file and target.name not in runtimes):
        advice = f" (--runtime {target.name}=PATH/python runs it in {target.runs})" if target.runs else ""
        notes.append(f"the written file was compared by reading it back, and not run in {target.title} itself{advice}")
    if not target.doubles:
        notes.append(f"{target.title} computes in float32, so its results were held against the source's float64 ones")
    return notes


def _ranges(request: Request, names: list[str]) -> dict[str, tuple[float, float]]:
    return {
        name: (spec.low, spec.high)
        for name, spec in zip(names, request.inputs.specs, strict=False)
        if spec.low is not None and spec.high is not None
    }
