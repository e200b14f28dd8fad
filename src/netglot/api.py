"""The public API: `read`, `write`, `convert`, `verify`.

import netglot

conversion = netglot.convert(model, to="keras", inputs=[(1, 3, 224, 224)])
conversion.verdict      # "equivalent"
conversion.source       # the text of model.py
conversion.save("out/")
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netglot.dialects.targets import TARGETS, target_called, target_of
from netglot.errors import Refusal, RequestError, UnsupportedOps, UserCodeError
from netglot.frontend.extending import extended
from netglot.frontend.model_files import Opening
from netglot.frontend.reading import hold_given, read_graph
from netglot.frontend.request import Request, understand
from netglot.passes.precision import in_single, stored_in
from netglot.pivot.graph import Graph
from netglot.report.facts import facts, refused_report
from netglot.report.phases import Phases, Progress
from netglot.verify.conversion import Limits, can_run, how_it_ran, verified
from netglot.verify.foreign import chosen
from netglot.verify.plan import Options

if TYPE_CHECKING:
    from netglot.source.module_file import Written


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
        target = target_of(self.written)
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
        for name in target_of(self.written).files:
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
        return read_graph(understand(source, inputs=inputs, weights=weights, opening=opening))[0]


def write(
    graph: Graph, to: str, *, keep_layout: bool = False, exact_training: bool = False, opset: int | None = None
) -> Any:
    """Writes a graph in the dialect `to`; `opset` is the version of ONNX's operators, for that dialect alone.

    Raises:
        RequestError: there is no such dialect, or no such version.
        UnsupportedOps: operations that the dialect lacks, all of them.

    What a dialect cannot store in the precision of the graph comes out in single; the graph becomes so, and notes it.
    """
    versions = {} if opset is None else {"opset": _only_for_onnx(to, opset)}
    target = target_called(to)
    stored = "float32" if target.precisions else stored_in(graph)
    if stored != "float32":
        in_single(graph, stored)
        graph.notes.append(f"the weights are stored in {stored}; {target.title} has them in float32 and computes in it")
    return target.module().write(graph, keep_layout=keep_layout, exact_training=exact_training, **versions)


def _only_for_onnx(to: str, opset: int) -> int:
    if target_called(to).name != "onnx":
        raise RequestError(f"{target_called(to).title} has no versions of ONNX's operators", advice="leave --opset out")
    return opset


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
    opset: int | None = None,
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
        opset: the version of ONNX's operators to write, from 18 to the newest that is installed; 20 unless given.
        verify: whether to run both sides and compare; without it the verdict is "unverified".
        training: whether to compare ten training steps too, which takes longer than all the rest.
        trace: record the values inside, for the report's tree of agreement.
        time_limit: seconds that one request to a framework may take.
        runtimes: `NAME=PATH` of interpreters that have the frameworks which run written files.
        progress: called with the name of each step.

    Returns: the conversion; one that is refused has verdict "refused" and its reasons in `report["refused"]`.
    """
    phases = Phases(progress=progress)
    limits = Limits(Options(seed=seed, trace=trace, training=training), time_limit, chosen(runtimes))
    how = {"keep_layout": keep_layout, "exact_training": exact_training, "opset": opset}
    with extended(extend):
        with phases.phase("load"):
            opening = Opening(tuple(map(str, imports)), trust, signature)
            request = understand(source, inputs=inputs, weights=weights, opening=opening)
        while True:
            try:
                with phases.phase("read"):
                    graph, sizes = read_graph(request)
                with phases.phase("write"):
                    written = write(graph, to, **how)
            except (UnsupportedOps, Refusal) as refusal:
                return Conversion(refused_report(refusal, phases))
            try:
                return _proven(request, graph, sizes, written, limits if verify else None, phases)
            except UserCodeError as error:  # it takes no inputs of the sizes that it was proven with
                if not hold_given(request, error):
                    raise


def _proven(request, graph, sizes, written, limits: Limits | None, phases) -> Conversion:
    """The conversion in a folder of its own, proven where limits are given."""
    with _kept_unless_it_fails() as folder:
        target = target_of(written)
        with phases.phase("weights"):
            if target.source:
                (folder / target.source).write_text(written.source, encoding="utf-8")
            target.module().save_weights(written, folder / target.weights)
        report = facts(graph, written)
        if limits and not can_run(target_of(written), limits):
            report["differences"] += how_it_ran(target_of(written), limits.runtimes)
        elif limits:
            report = verified(request, graph, sizes, written, folder, report, limits, phases)
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
        graph, sizes = read_graph(request)
    record = _record(target)
    dialect = next((t.name for t in TARGETS.values() if (target / t.weights).exists()), "keras")
    written = write(graph, dialect, keep_layout=_kept_layout(record), opset=record.get("opset"))
    report = facts(graph, written)
    limits = Limits(Options(seed=seed, trace=trace, training=training), time_limit, chosen(runtimes))
    report = verified(request, graph, sizes, written, target, report, limits, phases)
    report["phases"] = [*phases.rows, *report.get("phases", [])]
    return report


def _caveats(written, graph: Graph) -> list[str]:
    """What the target's dialect says of ops whose corner cases are not the same everywhere."""
    return written.outline.dialect.caveats_of(type(node.op) for node in graph.nodes)


def _initialisers(request: Request, written) -> list[str]:
    """A sentence for the parameters of which it is not known how training from scratch would start them; none for a
    model file, which never says."""
    if request.kind in ("graph", "saved_model", "exported"):
        return []
    unknown = list(dict.fromkeys(getattr(written.outline.style, "unknown", [])))
    if not unknown:
        return []
    shown = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
    return [f"freshly made, {len(unknown)} parameters start from the target's default, not the source's: {shown}"]


def _record(folder: Path) -> dict[str, Any]:
    """What the report of an emitted folder says; empty where it has none."""
    try:
        record = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _kept_layout(record: dict[str, Any]) -> bool:
    """Whether the emitted folder's inputs have the source's axes."""
    tensors = [*record.get("inputs", ()), *record.get("outputs", ())]
    return bool(tensors) and all(
        list(t.get("permutation") or ()) == sorted(t.get("permutation") or ()) for t in tensors
    )


def _save_texts(folder: Path, written, report: dict[str, Any]) -> None:
    from netglot.report.readme import readme

    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False, default=str) + "\n")
    (folder / "README.md").write_text(readme(written.class_name, report, target_of(written)), encoding="utf-8")
