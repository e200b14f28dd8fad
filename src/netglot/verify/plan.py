"""The whole verification of a pair: outputs, gradients, training, and where they part if they do.

    with Worker("torch") as source, Worker("keras") as target:
        report = verify_pair(source, target, spec, Loading(...))

Each step is a phase of the report with its time and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netglot.errors import UserCodeError, WorkerError
from netglot.frontend.usercode import user_lines
from netglot.passes.fold import constants
from netglot.pivot.graph import Parameter
from netglot.pivot.op import shape_of
from netglot.verify.compare import (
    Comparison,
    compare_exact,
    compare_single,
    known_imprecisions,
    loudest,
    noise_of,
    overflowed,
)
from netglot.verify.findings import Findings, listed, plain, summary
from netglot.verify.first_difference import agreement, first_difference
from netglot.verify.inputs import make_inputs, permute, size_variants
from netglot.verify.inside import values_inside
from netglot.verify.lessons import Lessons
from netglot.verify.pair import Arrays, Loading, Pair, Refused, Tracing
from netglot.verify.process import OperationError, Worker
from netglot.verify.recipe import parameters_in, path_of
from netglot.verify.spec import Input, Output, Spec
from netglot.verify.state import randomise
from netglot.verify.steadiness import UNSTEADY, calmed, rounded_otherwise, sensitivity

__all__ = ["Loading", "Options", "Tracing", "verify_pair"]

SHORTER = (6, 3)
"""Sizes of free axes that are tried where the source takes none of the usual ones, for its tables are short."""
OWN, RANDOM, CALMED = "own weights", "random weights", "smaller random weights"


@dataclass(frozen=True)
class Options:
    """What is verified. `inputs` are the user's own arrays by name, compared beside the random ones; `trace` compares
    the values inside even where the outputs agree; `double` says whether the target computes in double precision: where
    it does not, its float32 results are held against the source's float64 ones."""

    seed: int = 0
    gradients: bool = True
    training: bool = True
    steps: int = 10
    inputs: Mapping[str, np.ndarray] | None = None
    trace: bool = False
    double: bool = True


@dataclass(frozen=True, eq=False)
class Run:
    """One set of inputs; `label` says which in the report."""

    label: str
    inputs: Arrays


@dataclass(frozen=True)
class Judged:
    """One output of one run, judged in one precision."""

    comparison: Comparison
    run: Run
    precision: str
    state: str
    output: str


def verify_pair(
    source: Worker,
    target: Worker,
    spec: Spec,
    loading: Loading,
    *,
    options: Options | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Verifies that the target computes what the source computes, and returns the report as plain data.

    A worker that crashes, hangs or runs out of memory ends the verification with verdict "different" and `stopped`,
    which says in which phase and why. `progress` is called with the name of each phase as it begins.
    """
    options = options or Options()
    drawn = randomise(_carried(spec), spec.roles, seed=options.seed)
    pair = Pair(source, target, spec, loading, drawn)
    return _Verification(pair, options, Findings(progress=progress)).report_of_all()


def _carried(spec: Spec) -> dict[str, Parameter]:
    """The source's state without buffers that the target holds only as a part of a constant, such as the scale of a
    frozen batch norm: it would not follow. A buffer that meets an input is drawn whatever became of it."""
    if spec.graph is None:
        return dict(spec.parameters)
    used = {path_of(one, spec.parameters) for variable in spec.variables for one in parameters_in(variable.recipe)}
    consumers, frozen = spec.graph.consumers(), constants(spec.graph)

    def is_part(path: str, one: Parameter) -> bool:
        met = [value for node in consumers.get(one, ()) for value in node.results]
        return one.kind == "buffer" and path not in used and bool(met) and all(value in frozen for value in met)

    return {path: one for path, one in spec.parameters.items() if not is_part(path, one)}


class _Verification:
    """One verification under way."""

    def __init__(self, pair: Pair, options: Options, findings: Findings):
        self.pair, self.spec, self.options, self.findings = pair, pair.spec, options, findings
        self.report: dict[str, Any] = {}
        sides = (pair.source.dialect, self.spec.graph), (pair.target.dialect, self.spec.written or self.spec.graph)
        self.known = [one for side, graph in sides if graph for one in known_imprecisions(graph, side)]
        self.runs = _runs(self.spec, options)
        self.single: dict[tuple[str, Run], tuple[Arrays, Arrays]] = {}
        self.wrong: Run | None = None
        self.refusal: OperationError | None = None
        self.lessons = Lessons(pair, findings, seed=options.seed, steps=options.steps)

    def report_of_all(self) -> dict[str, Any]:
        """Runs everything and returns the report."""
        findings, stopped = self.findings, None
        try:
            self._all()
        except WorkerError as error:
            name = findings.phases[-1]["name"] if findings.phases else "start"
            stopped = {"phase": name, "message": str(error), "trace": getattr(error, "trace", "")}
            findings.differs.append(f"the verification stopped in phase {name!r}: {error}")
        known = [
            {
                "framework": k.framework,
                "op": k.op,
                "where": k.where,
                "part": k.part,
                "nodes": nodes,
                "size": k.size,
                "reason": k.reason,
            }
            for k, nodes in self.known
        ]
        empty = dict.fromkeys(("float64", "float32", "gradients", "training", "parameters", "first_difference"))
        return plain(
            {
                "verdict": findings.verdict,
                "inputs": [_side(one) for one in self.spec.inputs],
                "outputs": [_side(one) for one in self.spec.outputs],
                **empty,
                **self.report,
                "known_imprecisions": known,
                "phases": findings.phases,
                "differences": findings.differences,
                "stopped": stopped,
            }
        )

    def _all(self) -> None:
        phase, both = self.findings.phase, (self.pair.source, self.pair.target)
        with phase("load", *both):
            self._load()
        with phase("float32", *both):
            self._outputs_single()
        with phase("float64", *both):
            self._outputs_double()
        if (self.wrong is not None or self.options.trace) and self.pair.loading.tracing is not None:
            with phase("first difference" if self.wrong is not None else "trace", *both):
                self._look_inside(self.wrong or self.runs[0], self.pair.loading.tracing)
        if self.findings.differs:
            self.findings.notes.append("gradients and training were not compared, since something differs already")
            return
        repairs = self._repairs(self.pair.source.dialect)
        if repairs:
            self.pair.source.request("repair", names=repairs)
        if self.options.gradients:
            with phase("gradients", *both):
                self.report["gradients"] = self.lessons.gradients()
        if self.options.training:
            with phase("training", *both):
                self.report["training"] = self.lessons.training()
                dropout = self.lessons.dropout()
                if dropout is not None:
                    self.report["training"] = {**(self.report["training"] or {}), "dropout": dropout}

    def _load(self) -> None:
        described, found = self.pair.load()
        self.report["frameworks"] = {"source": described["framework"], "target": found["framework"]}
        counted = [
            (int(np.prod(shape, dtype=int)), trainable)
            for _, shape, dtype, trainable in described["state"]
            if "float" in dtype
        ]
        ours = {
            "trainable": sum(size for size, trainable in counted if trainable),
            "frozen": sum(size for size, trainable in counted if not trainable),
        }
        self.report["parameters"] = {"source": ours, "target": found["parameters"] or _counted(self.spec)}
        variables = self.pair.target.request("describe", paths=[v.path for v in self.spec.variables])
        if variables["left_out"]:
            names = listed(name for name, *_ in variables["left_out"])
            self.findings.differs.append(f"nothing of the source fills these variables of the target: {names}")
        for variable, (_, _, _, trainable) in zip(self.spec.variables, variables["state"], strict=True):
            if trainable is not None and variable.trainable != trainable:
                says = ("frozen", "trainable")[trainable]
                self.findings.differs.append(f"{variable.path} is {says} in the target and not so in the source")

    # -- outputs

    def _outputs_single(self) -> None:
        self._run_single(OWN)
        for length in SHORTER:
            if any(state == OWN for state, _ in self.single) or not self._shorten(length):
                break
            self._run_single(OWN)
        self.pair.set_random()
        self._run_single(RANDOM)

    def _run_single(self, state: str) -> None:
        for run in list(self.runs):
            outputs = self._run(run)
            if outputs is not None:
                self.single[state, run] = outputs

    def _shorten(self, length: int) -> bool:
        """Sets every free size but the batch to `length`, where the source itself refused the present ones."""
        free = [symbol for symbol in self.spec.symbols if symbol not in self.spec.batch_symbols]
        if self.refusal is None or not free:
            return False
        why = str(self.refusal).partition("\n")[0]
        self.findings.notes = [f"sizes above {length} could not be compared: {why}"]
        self.spec = replace(self.spec, sizes={**self.spec.sizes, **dict.fromkeys(free, length)})
        self.runs = _runs(self.spec, self.options)
        return True

    def _outputs_double(self) -> None:
        """The outputs of both states in float64, and the judgement of the float32 outputs that depends on them."""
        pair = self.pair
        if self.options.double:
            pair.load_target_double()
        else:
            pair.target.request("restore")
        pair.source.request("set_dtype", dtype="float64")
        pair.source.request("restore")
        pair.check_loaded(self.findings)
        found = self._judge(OWN)
        pair.set_random()
        found += self._judge(RANDOM)
        for precision in ("float64", "float32")[0 if self.options.double else 1 :]:
            self.report[precision] = _told(found, precision)
        theirs, ours = (self._repairs(side.dialect) for side in (pair.target, pair.source))
        theirs, precision = (theirs, "float64") if self.options.double else ([], "float32")
        if theirs:
            pair.load_target_double(exact=theirs)
            pair.set_random()
        if (theirs or ours) and not self.report[precision]["same"]:
            if ours:
                pair.source.request("repair", names=ours)
            found = self._without_known(found, source_too=bool(ours))
        self._conclude(self._comparable(self._steadied(found)))

    def _without_known(self, found: list[Judged], source_too: bool) -> list[Judged]:
        """The float64 judgement again, with the known imprecisions repaired of the target, or of both sides: then the
        float32 outputs are judged again too, whose measure the source's float64 outputs are."""
        again = self._judge(RANDOM)
        self.pair.source.request("restore")
        self.pair.copy_state()
        again += self._judge(OWN)
        self.pair.set_random()
        told = self.report["float64"]["without_known_imprecisions"] = _told(again, "float64")
        if told["same"]:
            size = self.report["float64"]["max_rel"]
            names = listed(f"{k.op} ({k.reason})" for k, _ in self.known if k.part == "output")
            self.findings.notes.append(f"in float64 the outputs are off by {size:.1e}, all of it from {names}")
        if source_too:
            return again
        return [j for j in again if j.precision == "float64"] + [j for j in found if j.precision == "float32"]

    def _judge(self, state: str) -> list[Judged]:
        """All outputs of all runs in this state, in both precisions."""
        found: list[Judged] = []
        for run in list(self.runs):
            outputs = self._run_double(run) if (state, run) in self.single else None
            if outputs is None:
                continue
            ours, theirs = outputs
            ours32, theirs32 = self.single[state, run]
            for output in self.spec.outputs:
                name = output.name
                if name not in ours or (theirs is not None and name not in theirs) or name not in theirs32:
                    side = "source" if name not in ours else "target"
                    self.findings.differs_once(f"the {side} returns no output {name!r}")
                    continue
                label = f"{name} ({state}, {run.label})"
                noise = noise_of(ours32[name], ours[name])
                expected = permute(ours[name], output.permutation)
                if theirs is not None:
                    double = compare_exact(label, expected, theirs[name], floor=noise.floor())
                    found.append(Judged(double, run, "float64", state, name))
                if state == CALMED:
                    continue
                beyond = permute(overflowed(ours32[name], ours[name]), output.permutation)
                single = compare_single(label, expected, theirs32[name], noise, beyond)
                found.append(Judged(single, run, "float32", state, name))
                if ours32[name].dtype != theirs32[name].dtype:
                    both = f"{ours32[name].dtype} in the source and {theirs32[name].dtype} in the target"
                    self.findings.notes.append(f"output {name} is {both}")
        return found

    def _steadied(self, found: list[Judged]) -> list[Judged]:
        """The judgements, those of float32 once more where float64 finds the output right: one run of the source shows
        one draw of its noise, and what it makes of inputs that are rounded otherwise shows more."""
        right = {(j.state, j.run, j.output) for j in found if j.precision == "float64" and j.comparison.same}
        odd = [
            j
            for j in found
            if j.precision == "float32" and not j.comparison.same and (j.state, j.run, j.output) in right
        ]
        again = {id(j): replace(j, comparison=self._with_more_noise(j)) for j in odd}
        if odd:
            self.pair.set_random()
            found = [again.get(id(j), j) for j in found]
            self.report["float32"] = _told(found, "float32")
        return found

    def _with_more_noise(self, judged: Judged) -> Comparison:
        """One float32 output, judged by several draws of the source's noise."""
        source, run = self.pair.source, judged.run
        output = next(o for o in self.spec.outputs if o.name == judged.output)
        self._set(judged.state)
        ours = source.get(source.request("run", inputs=source.put(run.inputs)))[output.name]
        source.request("set_dtype", dtype="float32")
        self._set(judged.state)
        drawn = [one[output.name] for one in rounded_otherwise(source, run.inputs, self.options.seed)]
        source.request("set_dtype", dtype="float64")
        ours32, theirs32 = (side[output.name] for side in self.single[judged.state, run])
        noise = loudest([noise_of(single, ours) for single in (ours32, *drawn)])
        beyond, expected = (permute(array, output.permutation) for array in (overflowed(ours32, ours), ours))
        found = compare_single(judged.comparison.name, expected, theirs32, noise, beyond)
        if found.same:
            self.findings.notes.append(
                f"{found.name} is off by {found.max_rel:.1e} in float32, and the source itself by "
                f"{noise.largest / (found.magnitude or 1.0):.1e} where its inputs are rounded otherwise"
            )
        return found

    def _comparable(self, found: list[Judged]) -> list[Judged]:
        """The judgements without those where the source parts from itself as both sides do. An output of which nothing
        is left is judged once more with smaller random weights."""
        suspects: dict[tuple[str, Run], float] = {}
        for j in found:
            if j.precision == "float64" and not j.comparison.same:
                suspects[j.state, j.run] = max(suspects.get((j.state, j.run), 0.0), j.comparison.max_rel)
        own = {place: self._sensitivity(*place) for place in suspects}
        wild = {place: one for place, one in own.items() if one * UNSTEADY >= suspects[place] < float("inf")}
        if own:
            self.pair.set_random()
        if not wild:
            return found
        left = [j for j in found if (j.state, j.run) not in wild]
        if {j.output for j in found} - {j.output for j in left if j.precision == "float64"}:
            self.pair.random = calmed(self.pair.random, self.spec.roles)
            self.pair.set_random()
            left += self._judge(CALMED)
        for precision in ("float64", "float32"):
            self.report[precision] = _told(left, precision)
        for (state, run), moved in wild.items():
            self.findings.notes.append(
                f"with {state} and {run.label} nothing can be compared: a rounding error in the input moves the "
                f"source's own output by {moved:.1e} of its magnitude"
            )
        return left

    def _sensitivity(self, state: str, run: Run) -> float:
        """How far the source parts from itself."""
        self._set(state)
        return sensitivity(self.pair.source, run.inputs)

    def _set(self, state: str) -> None:
        """Puts the source in the state of a judgement."""
        if state == OWN:
            self.pair.source.request("restore")
        else:
            self.pair.set_random()

    def _conclude(self, found: list[Judged]) -> None:
        for precision in ("float64", "float32"):
            wrong = [j for j in found if j.precision == precision and not j.comparison.same]
            if wrong:
                worst = max((j.comparison for j in wrong), key=lambda c: c.max_rel)
                self.findings.differs.append(
                    f"in {precision}, {len(wrong)} outputs differ; most of all {worst.name}: {worst.reason}"
                )
            if wrong and precision == "float64":  # the traced sizes come first, and a program holds for those
                self.wrong = wrong[0].run
        if not found and self.refusal is not None:  # the source takes none of these inputs: nobody else can be right
            raise UserCodeError(
                f"the network raised on its own inputs: {self.refusal}",
                trace=user_lines(self.refusal.trace),
                advice="check the --input shapes, dtypes and ranges against the network",
            )
        if not found:
            self.findings.differs_once("no output could be compared")

    def _run(self, run: Run) -> tuple[Arrays, Arrays] | None:
        """Both sides' outputs. A run that the source itself refuses is dropped; one that only the target refuses is a
        difference."""
        try:
            return self.pair.run(run.inputs)
        except Refused as refused:
            self.runs.remove(run)
            if refused.source is not None:
                self.refusal = self.refusal or refused.source
                self.findings.notes.append(f"{run.label} could not be compared: {refused.source}")
            else:
                self.findings.differs_once(f"with {run.label} only the target fails: {refused.target}")
            return None

    def _run_double(self, run: Run) -> tuple[Arrays, Arrays | None] | None:
        """Both sides' outputs in float64; of a target that has none, the source's alone."""
        if self.options.double:
            return self._run(run)
        given, _ = self.pair.inputs(run.inputs)
        return self.pair.source.get(self.pair.source.request("run", inputs=given)), None

    def _look_inside(self, run: Run, tracing: Tracing) -> None:
        """Compares the values inside both networks: the first that differs, and each module's agreement."""
        if self.spec.graph is None:
            return
        try:
            source, target, otherwise = values_inside(self.pair, run.inputs, tracing)
        except WorkerError as error:
            self.findings.notes.append(f"the first node that differs could not be found: {error}")
            return
        if otherwise is not None:
            self.findings.differs.append(otherwise)
        if self.options.trace:
            self.report["trace"] = agreement(self.spec.graph, source, target, tracing.permutations)
        found = first_difference(self.spec.graph, source, target, tracing.permutations)
        if found is not None and self.wrong is not None:
            self.report["first_difference"] = found.to_dict()
            self.findings.differs.append(str(found))

    def _repairs(self, framework: str) -> list[str]:
        return [known.repair for known, _ in self.known if known.framework == framework]


def _runs(spec: Spec, options: Options) -> list[Run]:
    """The inputs to compare: the user's own, each choice of sizes, and one with large values."""
    variants = list(size_variants(spec))
    runs = [Run(label, make_inputs(spec.inputs, sizes, seed=options.seed)) for label, sizes in variants]
    large = make_inputs(spec.inputs, variants[-1][1], kind="large", seed=options.seed)
    if any(array.dtype.kind == "f" for array in large.values()):
        runs.append(Run("large values", large))
    if options.inputs is not None:
        runs.insert(0, Run("given inputs", {name: np.asarray(a) for name, a in options.inputs.items()}))
    return runs


def _counted(spec: Spec) -> dict[str, int]:
    """How many elements the target's variables have, where the target itself does not say which are trained."""
    sizes = [(int(np.prod(shape_of(v.recipe), dtype=int)), v.trainable) for v in spec.variables]
    return {
        "trainable": sum(size for size, trainable in sizes if trainable),
        "frozen": sum(size for size, trainable in sizes if not trainable),
    }


def _told(found: list[Judged], precision: str) -> dict[str, Any]:
    """What the report says of the outputs in one precision."""
    mine = [j.comparison for j in found if j.precision == precision]
    runs = [
        {"name": c.name, "max_abs": c.max_abs, "max_rel": c.max_rel, "allowed": c.allowed, "same": c.same} for c in mine
    ]
    return {**summary(mine), "runs": runs}


def _side(one: Input | Output) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else str(size) for size in one.shape]
    order = list(one.permutation) if one.permutation is not None else list(range(len(shape)))
    return {"name": one.name, "dtype": one.dtype, "shape": shape, "permutation": order}
