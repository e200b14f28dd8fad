"""The public API: `read`, `write`, `convert`, `verify`.

import netglot

conversion = netglot.convert(model, to="keras", inputs=[(1, 3, 224, 224)])
conversion.verdict      # "equivalent"
conversion.source       # the text of model.py
conversion.save("out/")
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netglot.dialects.targets import TARGETS, Target, target_called
from netglot.errors import Refusal, RefusedOp, RequestError, UnsupportedOps, UserCodeError
from netglot.frontend.extending import extended
from netglot.frontend.inputs import Inputs, InputSpec, as_numpy, draw
from netglot.frontend.model_files import Opening
from netglot.frontend.request import Request, understand
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph
from netglot.pivot.op import TensorType
from netglot.verify.foreign import chosen
from netglot.verify.plan import Options

if TYPE_CHECKING:
    from netglot.source.module_file import Written

Progress = Callable[[str], None] | None


@dataclass
class Phases:
    """Time and memory of each phase of a conversion."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    progress: Progress = None

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measures one phase of this process."""
        import psutil

        if self.progress:
            self.progress(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            peak = psutil.Process().memory_info().rss
            self.rows.append({"name": name, "seconds": time.perf_counter() - start, "peak_bytes": {"netglot": peak}})


@dataclass
class Conversion:
    """A converted network: what was written, what was found out about it, and the network itself when asked for."""

    report: dict[str, Any]
    graph: Graph | None = None
    written: Written | None = None
    folder: Path | None = None
    """The folder that holds the emitted files."""

    def __post_init__(self):
        if self.folder is not None:  # the files live as long as the conversion does
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    @property
    def verdict(self) -> str:
        """ "equivalent", "different", "refused", or "unverified" where no proof was asked for."""
        return self.report["verdict"]

    @property
    def source(self) -> str:
        """The text of `model.py`."""
        return self.written.source if self.written else ""

    @property
    def model(self) -> Any:
        """The target network with its weights, loaded from the emitted files."""
        if self.folder is None:
            raise RequestError("there is no model: the conversion was refused")
        target = _target_of(self.written)
        if target.source != "model.py":
            raise RequestError(f"there is no live network in {target.weights}", advice=f"run it in {target.title}")
        import importlib.util

        spec = importlib.util.spec_from_file_location("netglot_converted", self.folder / "model.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.load()

    def save(self, folder: str | Path, *, move: bool = False) -> Path:
        """Copies the emitted files into `folder`, which is made where it does not exist.

        `move` moves them instead, and the conversion goes on with those in `folder`.
        """
        folder = Path(folder)
        if self.folder is None:
            raise RequestError("there is nothing to save: the conversion was refused")
        folder.mkdir(parents=True, exist_ok=True)
        for name in _target_of(self.written).files:
            if move and (self.folder / name).exists():
                shutil.move(self.folder / name, folder / name)
            elif (self.folder / name).is_dir():
                shutil.copytree(self.folder / name, folder / name, dirs_exist_ok=True)
            elif (self.folder / name).exists():
                shutil.copyfile(self.folder / name, folder / name)
        self.folder = folder if move else self.folder
        return folder


def read(
    source: Any,
    inputs: Any = None,
    *,
    weights: Any = None,
    imports: Sequence[str] = (),
    extend: Sequence[str | Path] = (),
    trust: bool = False,
    signature: str | None = None,
) -> Graph:
    """Reads a network as a graph of the pivot.

    Args:
        source: a live network, or a source string as the command line takes it.
        inputs: what it is called with: shapes, arrays, tensors, `--input` strings, or nests of these.
        weights: a file of weights, or a state dict.
        imports: the user's own Python files or modules that define classes which a model file names.
        extend: the user's own Python files that say what operations of their own mean.
        trust: whether code that a model file carries may run.
        signature: the signature of a SavedModel, where it is not the serving one.

    Raises:
        RequestError, InputError, WeightsError, UserCodeError, MissingFramework: the request cannot be met.
        UnsupportedOps, Refusal: the network cannot be read.
    """
    opening = Opening(tuple(map(str, imports)), trust, signature)
    with extended(extend):
        return _read(understand(source, inputs=inputs, weights=weights, opening=opening))[0]


def write(graph: Graph, to: str, *, keep_layout: bool = False, exact_training: bool = False) -> Any:
    """Writes a graph in the dialect `to`.

    Raises:
        RequestError: there is no such dialect.
        UnsupportedOps: operations that the dialect lacks, all of them.
    """
    return target_called(to).module().write(graph, keep_layout=keep_layout, exact_training=exact_training)


def _target_of(written: Any) -> Target:
    """The framework in which something was written."""
    return TARGETS[written.outline.dialect.name]


def convert(
    source: Any,
    to: str,
    inputs: Any = None,
    *,
    weights: Any = None,
    imports: Sequence[str] = (),
    extend: Sequence[str | Path] = (),
    trust: bool = False,
    signature: str | None = None,
    keep_layout: bool = False,
    exact_training: bool = False,
    verify: bool = True,
    training: bool = True,
    trace: bool = False,
    seed: int = 0,
    time_limit: float = 600.0,
    runtimes: Sequence[str] = (),
    progress: Progress = None,
) -> Conversion:
    """Converts a network with its weights, and proves that both compute the same.

    Args: as for `read`, and
        to: the target dialect.
        keep_layout: keep the source's order of axes at inputs and outputs.
        exact_training: emit small subclasses where the frameworks' own layers train differently.
        verify: whether to run both sides and compare; without it the verdict is "unverified".
        training: whether to compare ten training steps too, which takes longer than all the rest.
        trace: record the values inside, for the report's tree of agreement.
        time_limit: seconds that one request to a framework may take.
        runtimes: `NAME=PATH` of interpreters that have the frameworks which run written files.
        progress: called with the name of each step.

    Returns: the conversion; one that is refused has verdict "refused" and its reasons in `report["refused"]`.
    """
    phases = Phases(progress=progress)
    with extended(extend):
        with phases.phase("load"):
            opening = Opening(tuple(map(str, imports)), trust, signature)
            request = understand(source, inputs=inputs, weights=weights, opening=opening)
        try:
            with phases.phase("read"):
                graph, sizes = _read(request)
            with phases.phase("write"):
                written = write(graph, to, keep_layout=keep_layout, exact_training=exact_training)
        except (UnsupportedOps, Refusal) as refusal:
            return Conversion(_refused_report(refusal, phases))
    limits = Limits(Options(seed=seed, trace=trace, training=training), time_limit, chosen(runtimes))
    with _kept_unless_it_fails() as folder:
        target = _target_of(written)
        with phases.phase("weights"):
            if target.source:
                (folder / target.source).write_text(written.source, encoding="utf-8")
            target.module().save_weights(written, folder / target.weights)
        report = _facts(graph, written)
        if verify and not _can_run(_target_of(written), limits):
            report["differences"] += _how_it_ran(_target_of(written), limits.runtimes)
        elif verify:
            report = _verified(request, graph, sizes, written, folder, report, limits, phases)
        notes = [
            *report.get("differences", []),
            *request.notes,
            *graph.notes,
            *_initialisers(request, written),
            *_caveats(written, graph),
        ]
        report["differences"] = list(dict.fromkeys(notes))
        report["phases"] = [*phases.rows, *report.get("phases", [])]
        _save_texts(folder, written, report)
        return Conversion(report, graph, written, folder)


@contextlib.contextmanager
def _kept_unless_it_fails() -> Iterator[Path]:
    """A temporary folder that outlives the block, unless the block raises."""
    folder = Path(tempfile.mkdtemp(prefix="netglot-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def verify(
    source: Any,
    target: str | Path,
    inputs: Any = None,
    *,
    weights: Any = None,
    imports: Sequence[str] = (),
    extend: Sequence[str | Path] = (),
    trust: bool = False,
    signature: str | None = None,
    exact_training: bool = False,
    training: bool = True,
    trace: bool = False,
    seed: int = 0,
    time_limit: float = 600.0,
    runtimes: Sequence[str] = (),
    progress: Progress = None,
) -> dict[str, Any]:
    """Compares a network with a folder that `convert` wrote from it; returns the report."""
    target = Path(target)
    phases = Phases(progress=progress)
    opening = Opening(tuple(map(str, imports)), trust, signature)
    with extended(extend):
        request = understand(source, inputs=inputs, weights=weights, opening=opening)
        graph, sizes = _read(request)
    keep_layout = _kept_layout(target)
    dialect = next((t.name for t in TARGETS.values() if (target / t.weights).exists()), "keras")
    written = write(graph, dialect, keep_layout=keep_layout)
    report = _facts(graph, written)
    limits = Limits(Options(seed=seed, trace=trace, training=training), time_limit, chosen(runtimes))
    report = _verified(request, graph, sizes, written, target, report, limits, phases)
    report["phases"] = [*phases.rows, *report.get("phases", [])]
    return report


def _caveats(written, graph: Graph) -> list[str]:
    """What the target's dialect says of ops whose corner cases are not the same everywhere."""
    return written.outline.dialect.caveats_of(type(node.op) for node in graph.nodes)


def _initialisers(request: Request, written) -> list[str]:
    """A sentence for the parameters of which it is not known how training from scratch would start them; none for a
    model file, which never says."""
    if request.kind == "graph":
        return []
    unknown = getattr(written.outline.style, "unknown", [])
    if not unknown:
        return []
    shown = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
    return [f"freshly made, {len(unknown)} parameters start from the target's default, not the source's: {shown}"]


def _kept_layout(folder: Path) -> bool:
    """Whether the emitted folder's inputs have the source's axes; its report says so."""
    try:
        record = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    tensors = [*record.get("inputs", ()), *record.get("outputs", ())]
    return bool(tensors) and all(
        list(t.get("permutation") or ()) == sorted(t.get("permutation") or ()) for t in tensors
    )


# -- reading


def _read(request: Request) -> tuple[Graph, dict[str, int]]:
    """The graph, and the sizes that symbols had while it was captured."""
    if request.kind == "keras":
        from netglot.dialects.keras.read import call_of, read_keras

        request.inputs = Inputs(*call_of(request.network, request.inputs or None))
        return read_keras(request.network, inputs=request.inputs), {}
    if request.kind == "graph":
        from netglot.verify.open_sizes import open_sizes

        return request.network, open_sizes(request.network)
    if request.kind == "exported":
        return _read_exported(request), {}
    if request.kind == "saved_model":
        from netglot.formats.saved_model import read_served

        types = {str(spec.name): TensorType(spec.dtype, spec.shape) for spec in request.inputs.specs}
        return read_served(request.network, inputs=types), {}
    from netglot.dialects.torch.read import read as read_torch

    def attempt(sizes: dict[str, int]) -> tuple[Graph, dict[str, int]]:
        args, kwargs = request.inputs.map(lambda spec: _example(spec, sizes))
        return read_torch(request.network, args, kwargs, symbols=request.symbols(), name=request.name), sizes

    last: UserCodeError | None = None
    for sizes in _size_choices(request):
        try:
            return attempt(sizes)
        except UserCodeError as error:
            last = last or error
    assert last is not None
    if all(spec.first is None for spec in request.inputs.specs):
        raise last
    request.inputs = request.inputs.as_given()
    try:
        found = attempt(next(_size_choices(request)))
    except UserCodeError:
        raise last from None
    request.notes.append(f"the first axis of each input has the size that was given: with others, {last.message}")
    return found


def _read_exported(request: Request) -> Graph:
    """The graph of an exported program, which says itself what it is called with; the user's ranges are kept."""
    import torch

    from netglot.dialects.torch.exported import called_with, read_exported

    ranges = iter(request.inputs.specs)

    def spec(shape: tuple, dtype: str) -> InputSpec:
        given = next(ranges, None)
        low, high = (given.low, given.high) if given else (None, None)
        return InputSpec(tuple(int(size) for size in shape), dtype, low=low, high=high)

    if request.source.kind == "exported":
        request.program = Path(request.source.where).read_bytes()
    else:  # before it is read, which settles sizes that were symbolic
        kept = io.BytesIO()
        torch.export.save(request.network, kept)
        request.program = kept.getvalue()
    graph = read_exported(request.network, name=request.name)
    request.inputs = Inputs(*called_with(request.network, spec))
    return graph


def _example(spec: InputSpec, sizes: dict[str, int]) -> Any:
    """A tensor like the spec; only its kind matters, because capture computes nothing."""
    import torch

    array = draw(spec, sizes, np.random.default_rng(0))
    if spec.dtype == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(np.asarray(array))


def _size_choices(request: Request) -> Iterator[dict[str, int]]:
    """Sizes for the symbols: never 0 or 1, all different, several tries where a network may need larger ones."""
    symbols = request.inputs.symbols()
    fixed = _given_sizes(request)
    spatial = [
        str(size)
        for spec in request.inputs.specs
        for size in spec.shape[2:]
        if len(spec.shape) >= 4 and isinstance(size, Dim)
    ]
    for image, plain in ((96, 12), (224, 24), (320, 64)):
        sizes: dict[str, int] = {}
        for position, symbol in enumerate(symbols):
            if symbol in fixed:
                sizes[symbol] = fixed[symbol]
            elif symbol in spatial:
                sizes[symbol] = image + 32 * len([s for s in sizes if s in spatial])
            elif _is_batch(request, symbol):
                sizes[symbol] = 2
            else:
                sizes[symbol] = plain + position
        yield sizes
        if all(s in fixed or _is_batch(request, s) for s in symbols):
            return


def _is_batch(request: Request, symbol: str) -> bool:
    return any(spec.shape and str(spec.shape[0]) == symbol for spec in request.inputs.specs)


def _given_sizes(request: Request) -> dict[str, int]:
    """The sizes of example arrays, where they are at least 2 and no two symbols share one."""
    sizes: dict[str, int] = {}
    for spec in request.inputs.specs:
        if spec.example is None:
            continue
        for size, given in zip(spec.shape, np.shape(as_numpy(spec.example)), strict=True):
            if isinstance(size, Dim) and given > 1 and not _is_batch(request, str(size)):
                sizes[str(size)] = given
    return sizes


# -- verifying


@dataclass(frozen=True)
class Limits:
    """What is verified, and how many seconds one request to a framework may take."""

    options: Options
    time_limit: float
    runtimes: Mapping[str, str] = field(default_factory=dict)
    """The interpreters of the frameworks that run written files."""


def _verified(request, graph, sizes, written, folder, report, limits: Limits, phases) -> dict[str, Any]:
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
    )
    with tempfile.TemporaryDirectory(prefix="netglot-source-") as aside:
        reader, load = _shipped(request, Path(aside))
        traceable = graph.origin is not None or request.kind in ("graph", *_SHOWING_NOTHING)
        traceable = traceable and _target_of(written).worker not in ("file-target", "exported-target")
        stood_for = request.kind in _SHOWING_NOTHING
        tracing = _Tracing(graph, written, folder, Path(aside), stood_for) if traceable else None
        worker = _target_of(written).worker
        scripted = request.source.kind == "script"
        trained = request.kind not in ("graph", "exported", "saved_model") and not scripted
        options, limit = limits.options, limits.time_limit
        if not trained:
            options = replace(options, gradients=request.kind != "graph", training=False)
        if not _target_of(written).trains:
            options = replace(options, gradients=False, training=False)
        options = replace(options, double=_target_of(written).doubles)
        options = replace(options, inputs=_given_arrays(request, names))
        with Worker(reader, time_limit=limit) as source, Worker(worker, time_limit=limit) as target:
            loading = Loading(load, str(folder), tracing)
            found = verify_pair(source, target, spec, loading, options=options, progress=phases.progress)
    notes = _how_it_ran(_target_of(written), limits.runtimes)
    if request.format is not None and request.format.runtime:
        found |= _proven_reading(request, graph, spec, found, limits)
    if request.kind == "graph":
        notes.append("a model file says nothing of training, so outputs were compared and gradients were not")
    elif not _target_of(written).trains:
        notes.append(
            f"{_target_of(written).title} runs and does not train, so gradients and training were not compared"
        )
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
        return "keras-source", save_keras(request.network, folder)
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
        return _target_of(self._written).module().trace(self._written)


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
    target, names = _target_of(written), [value.name for value in graph.inputs]
    returned = [name for name, _ in graph.outputs]
    if target.worker == "exported-target":
        told = {"target": target.name, "returns": returned, "keras": str(written.folder)}
        return {"args": list(names), "kwargs": {}, **told}
    if target.is_file:
        told = {"target": target.name, "returns": returned, "python": runtimes.get(target.name, "")}
        return {"args": list(names), "kwargs": {}, **told}
    if len(names) == 1 or not target.one_argument:
        return {"args": list(names), "kwargs": {}}
    return {"args": [{"dict": {name: name for name in names}}], "kwargs": {}}


def _can_run(target: Target, limits: Limits) -> bool:
    """Whether what is written can be compared: something runs it, or it can be read back."""
    return not target.is_file or target.reads_back or target.name in limits.runtimes


def _how_it_ran(target: Target, runtimes: Mapping[str, str]) -> list[str]:
    """What is to be said of how a written file was run."""
    notes = []
    if target.is_file and not target.reads_back and target.name not in runtimes:
        advice = f"--runtime {target.name}=PATH/python runs it in {target.runs}"
        return [f"nothing was compared, because nothing ran it: {advice}"]
    if target.is_file and target.name not in runtimes:
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


# -- reports


def _facts(graph: Graph, written) -> dict[str, Any]:
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


def _refused_report(refusal: UnsupportedOps | Refusal, phases: Phases) -> dict[str, Any]:
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


def _save_texts(folder: Path, written, report: dict[str, Any]) -> None:
    from netglot.report.readme import readme

    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False, default=str) + "\n")
    (folder / "README.md").write_text(readme(written.class_name, report, _target_of(written)), encoding="utf-8")
