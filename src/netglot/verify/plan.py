"""The whole verification of a pair: outputs, gradients, training, and where they part if they do.

    with Worker("torch") as source, Worker("keras") as target:
        report = verify_pair(source, target, spec, Loading(...))

The workers work at the same time, one beside the other. Each step is a phase of the report with its time and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netglot.errors import WorkerError
from netglot.verify.compare import Comparison, compare_exact, compare_single, known_imprecisions, noise_of
from netglot.verify.findings import Findings, listed, plain, summary
from netglot.verify.first_difference import first_difference
from netglot.verify.gradients import compare_gradients
from netglot.verify.inputs import make_inputs, permute, size_variants, to_target
from netglot.verify.process import OperationError, Worker
from netglot.verify.recipe import evaluate_recipe
from netglot.verify.spec import Spec
from netglot.verify.state import randomise
from netglot.verify.training import added_parameters, compare_dropout, compare_training, statistics_of

Arrays = dict[str, np.ndarray]
DROPOUT_RUNS = 8


@dataclass(frozen=True)
class Tracing:
    """What finds the first difference: the source's exported program with the pivot's name for each of its nodes, and
    a copy of the emitted folder that has a `trace.py`. `permutations` is the target's order of axes by value."""

    program: str
    names: Mapping[str, str | list[str]]
    folder: str
    permutations: Mapping[str, tuple[int, ...] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Loading:
    """How both sides are loaded: the arguments of the source worker's `load`, and the emitted folder."""

    source: Mapping[str, Any]
    folder: str
    tracing: Tracing | None = None


@dataclass(frozen=True)
class Options:
    """What is verified. `inputs` are the user's own arrays by name, compared beside the random ones."""

    seed: int = 0
    gradients: bool = True
    training: bool = True
    steps: int = 10
    inputs: Mapping[str, np.ndarray] | None = None


@dataclass(frozen=True)
class Run:
    """One set of inputs; `label` says which in the report."""

    label: str
    inputs: Arrays


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
    which says in which phase and why.
    """
    return _Verification(source, target, spec, loading, options or Options(), Findings(progress=progress)).run()


class _Verification:
    """One verification under way."""

    def __init__(self, source, target, spec: Spec, loading: Loading, options: Options, findings: Findings):
        self.source, self.target, self.spec = source, target, spec
        self.loading, self.options, self.findings = loading, options, findings
        self.report: dict[str, Any] = {}
        self.paths: dict[str, str] = {}
        self.known = known_imprecisions(spec.graph, target.framework) if spec.graph else []
        self.random = randomise(spec.parameters, spec.roles, seed=options.seed)
        self.runs = self._runs()
        self.single: dict[tuple[str, str], tuple[Arrays, Arrays]] = {}
        self.wrong: Run | None = None

    def run(self) -> dict[str, Any]:
        stopped = None
        try:
            self._all()
        except WorkerError as error:
            name = self.findings.phases[-1]["name"] if self.findings.phases else "start"
            stopped = {"phase": name, "message": str(error), "trace": getattr(error, "trace", "")}
            self.findings.differs.append(f"the verification stopped in phase {name!r}: {error}")
        findings = self.findings
        return plain(
            {
                "verdict": findings.verdict,
                "inputs": [self._side(one) for one in self.spec.inputs],
                "outputs": [self._side(one) for one in self.spec.outputs],
                "float64": None,
                "float32": None,
                "gradients": None,
                "training": None,
                "parameters": None,
                "first_difference": None,
                **self.report,
                "known_imprecisions": [
                    {"op": k.op, "where": k.applies, "nodes": n, "size": k.size, "reason": k.reason}
                    for k, n in self.known
                ],
                "phases": findings.phases,
                "differences": findings.differences,
                "stopped": stopped,
            }
        )

    def _all(self) -> None:
        phase, both = self.findings.phase, (self.source, self.target)
        with phase("load", *both):
            self._load()
        with phase("float32", *both):
            self._outputs_single()
        with phase("float64", *both):
            self._outputs_double()
        if self.wrong is not None and self.loading.tracing is not None and self.spec.graph is not None:
            with phase("first difference", *both):
                self._first_difference(self.wrong)
        if self.findings.differs:
            self.findings.notes.append("gradients and training were not compared, since the outputs differ already")
            return
        if self.options.gradients:
            with phase("gradients", *both):
                self._gradients()
        if self.options.training:
            with phase("training", *both):
                self._training()
                self._dropout()

    # -- loading and state

    def _load(self) -> None:
        described, found = self._both(
            ("load", {**self.loading.source, "call": self.spec.source_call}),
            ("load", {"path": self.loading.folder, "call": self.spec.target_call, "dtype": "float32"}),
        )
        names = {name for name, *_ in described["state"]}
        for path, parameter in self.spec.parameters.items():
            same = next((name for name in (path, *parameter.aliases) if name in names), None)
            if same is not None:
                self.paths[same] = path
        variables = self.target.request("describe", paths=[v.path for v in self.spec.variables])
        self._check_variables(variables)
        sizes = [(int(np.prod(shape, dtype=int)), t) for _, shape, dtype, t in described["state"] if "float" in dtype]
        self.report["parameters"] = {
            "source": {
                "trainable": sum(size for size, trainable in sizes if trainable),
                "frozen": sum(size for size, trainable in sizes if not trainable),
            },
            "target": found["parameters"],
        }
        self.report["frameworks"] = {"source": described["framework"], "target": found["framework"]}

    def _check_variables(self, described) -> None:
        if described["left_out"]:
            names = listed(name for name, *_ in described["left_out"])
            self.findings.differs.append(f"nothing of the source fills these variables of the target: {names}")
        for variable, (_, _, _, trainable) in zip(self.spec.variables, described["state"], strict=True):
            if variable.trainable != trainable:
                says = ("frozen", "trainable")[trainable]
                self.findings.differs.append(f"{variable.path} is {says} in the target and not so in the source")

    def _recipes(self, state: Arrays) -> Arrays:
        """The target's state, from the source's."""
        return {v.path: evaluate_recipe(v.recipe, self.spec.parameters, state) for v in self.spec.variables}

    def _own_state(self) -> Arrays:
        """The source's present state, by the paths of the graph."""
        return self._renamed(self.source.get(self.source.request("state")))

    def _renamed(self, arrays: Arrays) -> Arrays:
        return {self.paths.get(name, name): array for name, array in arrays.items()}

    def _set_random(self) -> None:
        state = {**self._own_state(), **self.random}
        self._both(
            ("set_state", {"arrays": self.source.put(self.random)}),
            ("set_state", {"arrays": self.target.put(self._recipes(state))}),
        )

    def _check_loaded(self) -> None:
        """Whether `load()` filled each variable with what its recipe says, to the last digit of float32."""
        wanted = self._recipes(self._own_state())
        held = self.target.get(self.target.request("state", paths=list(wanted)))
        wrong, rounded = [], {}
        for path, array in wanted.items():
            if array.shape != held[path].shape or not _float32_equal(array, held[path]):
                wrong.append(path)
            elif (array != held[path]).any():  # a sum of two biases is rounded when it is stored
                rounded[path] = array
        if wrong:
            self.findings.differs.append(f"load() gives {len(wrong)} variables other values: {listed(wrong)}")
        if rounded:
            self.target.request("set_state", arrays=self.target.put(rounded))

    # -- outputs

    def _runs(self) -> list[Run]:
        """The inputs to compare: each choice of sizes, and one with large values."""
        runs, spec, seed = [], self.spec, self.options.seed
        variants = list(size_variants(spec))
        for label, sizes in variants:
            runs.append(Run(label, make_inputs(spec.inputs, sizes, seed=seed)))
        runs.append(Run("large values", make_inputs(spec.inputs, variants[-1][1], kind="large", seed=seed)))
        if self.options.inputs is not None:
            runs.insert(0, Run("given inputs", {n: np.asarray(a) for n, a in self.options.inputs.items()}))
        return runs

    def _outputs_single(self) -> None:
        for state in ("own weights", "random weights"):
            if state == "random weights":
                self._set_random()
            for run in list(self.runs):
                outputs = self._run(run)
                if outputs is not None:
                    self.single[state, run.label] = outputs

    def _outputs_double(self) -> None:
        """The outputs of both states in float64, and the judgement of the float32 outputs that depends on them."""
        self._load_double()
        self.source.request("set_dtype", dtype="float64")
        self.source.request("restore")
        self._check_loaded()
        found = self._judge("own weights")
        self._set_random()
        found += self._judge("random weights")
        double = [c for c, _, single in found if not single]
        self.report["float64"] = self._told([e for e in found if not e[2]])
        self.report["float32"] = self._told([e for e in found if e[2]])
        if self.known:
            self._load_double(exact=[k.repair for k, _ in self.known])
            self._set_random()
            if not all(c.same for c in double):
                found = self._without_known(found)
        self._conclude(found)

    def _load_double(self, exact=()) -> None:
        self.target.request(
            "load", path=self.loading.folder, call=self.spec.target_call, dtype="float64", exact=list(exact)
        )

    def _without_known(self, found):
        """The float64 judgement again, with the target's known imprecisions repaired."""
        again = [e for e in self._judge("random weights") if not e[2]]
        self.source.request("restore")
        self.target.request("set_state", arrays=self.target.put(self._recipes(self._own_state())))
        again += [e for e in self._judge("own weights") if not e[2]]
        self._set_random()
        self.report["float64"]["without_known_imprecisions"] = self._told(again)
        if all(c.same for c, _, _ in again):
            size = self.report["float64"]["max_rel"]
            names = listed(f"{k.op} ({k.reason})" for k, _ in self.known)
            self.findings.notes.append(f"in float64 the outputs are off by {size:.1e}, all of it from {names}")
        return again + [e for e in found if e[2]]

    def _judge(self, state: str) -> list[tuple[Comparison, Run, bool]]:
        """Comparisons of all runs in this state; True marks those of float32."""
        found: list[tuple[Comparison, Run, bool]] = []
        for run in self.runs:
            if (state, run.label) not in self.single:
                continue
            outputs = self._run(run)
            if outputs is None:
                continue
            ours, theirs = outputs
            ours32, theirs32 = self.single[state, run.label]
            for output in self.spec.outputs:
                name = output.name
                if name not in ours or name not in theirs or name not in theirs32:
                    missing = "source" if name not in ours else "target"
                    self._differs_once(f"the {missing} returns no output {name!r}")
                    continue
                label = f"{name} ({state}, {run.label})"
                noise = noise_of(ours32[name], ours[name])
                expected = permute(ours[name], output.permutation)
                found.append((compare_exact(label, expected, theirs[name], floor=noise.floor()), run, False))
                found.append((compare_single(label, expected, theirs32[name], noise), run, True))
                self._check_dtype(name, ours32[name], theirs32[name])
        return found

    def _check_dtype(self, name: str, ours: np.ndarray, theirs: np.ndarray) -> None:
        if ours.dtype != theirs.dtype:
            sentence = f"output {name} is {ours.dtype} in the source and {theirs.dtype} in the target"
            if sentence not in self.findings.notes:
                self.findings.notes.append(sentence)

    def _conclude(self, found) -> None:
        for single, precision in ((False, "float64"), (True, "float32")):
            wrong = [(c, run) for c, run, is_single in found if is_single is single and not c.same]
            if wrong:
                comparison, run = max(wrong, key=lambda pair: pair[0].max_rel)
                self.findings.differs.append(
                    f"in {precision}, {len(wrong)} outputs differ; most of all {comparison.name}: {comparison.reason}"
                )
                if not single:  # the traced sizes come first, and a program holds for those in any case
                    self.wrong = wrong[0][1]
        missing = [o.name for o in self.spec.outputs if not any(c.name.startswith(f"{o.name} (") for c, _, _ in found)]
        if missing:
            self._differs_once(f"no output {listed(missing)} could be compared")

    def _told(self, found) -> dict[str, Any]:
        return {
            **summary(c for c, _, _ in found),
            "runs": [
                {"name": c.name, "max_abs": c.max_abs, "max_rel": c.max_rel, "allowed": c.allowed, "same": c.same}
                for c, _, _ in found
            ],
        }

    def _run(self, run: Run) -> tuple[Arrays, Arrays] | None:
        """Both sides' outputs. A run that the source itself refuses is dropped; one that only the target refuses is a
        difference."""
        target_inputs = to_target(self.spec.inputs, run.inputs)
        try:
            ours, theirs = self._both(
                ("run", {"inputs": self.source.put(run.inputs)}), ("run", {"inputs": self.target.put(target_inputs)})
            )
        except _Refused as refused:
            self.runs.remove(run)
            if refused.source is not None:
                self.findings.notes.append(f"{run.label} could not be compared: {refused.source}")
            else:
                self._differs_once(f"with {run.label} only the target fails: {refused.target}")
            return None
        return self.source.get(ours), self.target.get(theirs)

    # -- where, gradients, training

    def _first_difference(self, run: Run) -> None:
        tracing, graph = self.loading.tracing, self.spec.graph
        assert tracing is not None and graph is not None
        self.target.request("load", path=tracing.folder, call=self.spec.target_call, dtype="float64")
        self._set_random()
        target_inputs = to_target(self.spec.inputs, run.inputs)
        try:
            ours, theirs = self._both(
                (
                    "intermediates",
                    {"inputs": self.source.put(run.inputs), "program": tracing.program, "names": dict(tracing.names)},
                ),
                ("intermediates", {"inputs": self.target.put(target_inputs)}),
            )
        except _Refused as refused:
            self.findings.notes.append(f"the first node that differs could not be found: {refused}")
            return
        found = first_difference(graph, self.source.get(ours), self.target.get(theirs), tracing.permutations)
        if found is not None:
            self.report["first_difference"] = found.to_dict()
            self.findings.differs.append(str(found))

    def _batch(self) -> Arrays:
        """Inputs without ties, three examples where the batch is symbolic."""
        sizes = {s: 3 if s in self.spec.batch_symbols else n for s, n in self.spec.sizes.items()}
        return make_inputs(self.spec.inputs, sizes, kind="smooth", seed=self.options.seed)

    def _floating(self, inputs: Arrays) -> Arrays:
        """The source's outputs of floats on these inputs, in float64."""
        outputs = self.source.get(self.source.request("run", inputs=self.source.put(inputs)))
        return {o.name: outputs[o.name] for o in self.spec.outputs if outputs[o.name].dtype.kind == "f"}

    def _to_target(self, outputs: Arrays) -> Arrays:
        orders = {o.name: o.permutation for o in self.spec.outputs}
        return {name: permute(array, orders[name]) for name, array in outputs.items()}

    def _gradients(self) -> None:
        inputs = self._batch()
        generator = np.random.default_rng(self.options.seed)
        cotangents = {name: generator.normal(size=a.shape) for name, a in self._floating(inputs).items()}
        if not cotangents:
            self.findings.notes.append("no output is a float, so there are no gradients")
            return
        paths = [v.path for v in self.spec.variables if v.trainable]
        ours, theirs = self._both(
            ("gradients", {"inputs": self.source.put(inputs), "cotangents": self.source.put(cotangents)}),
            (
                "gradients",
                {
                    "inputs": self.target.put(to_target(self.spec.inputs, inputs)),
                    "cotangents": self.target.put(self._to_target(cotangents)),
                    "paths": paths,
                },
            ),
        )
        self.report["gradients"] = compare_gradients(
            self.spec, self._renamed(self.source.get(ours)), self.target.get(theirs), self.findings
        )

    def _training(self) -> None:
        inputs, spec = self._batch(), self.spec
        generator = np.random.default_rng(self.options.seed + 1)
        targets = {
            name: generator.normal(size=a.shape) * (np.sqrt(np.mean(a**2)) or 1.0)
            for name, a in self._floating(inputs).items()
        }
        if not targets or not any(v.trainable for v in spec.variables):
            return
        before, added = self._own_state(), added_parameters(spec)
        frozen = sorted({path for paths in added.values() for path in paths} | self._homeless())
        names = {path: name for name, path in self.paths.items()}
        steps = self.options.steps
        try:
            ours = self.source.request(
                "train", inputs=self.source.put(inputs), targets=self.source.put(targets), steps=steps,
                frozen=[names.get(path, path) for path in frozen],
            )  # fmt: skip
        except OperationError as error:
            self.findings.notes.append(
                f"the source cannot be trained on this batch, so training was not compared: {error}"
            )
            return
        theirs = self.target.request(
            "train", inputs=self.target.put(to_target(spec.inputs, inputs)), rate=ours["rate"], steps=steps,
            targets=self.target.put(self._to_target(targets)), statistics=[v.path for v in statistics_of(spec)],
            paths=[v.path for v in spec.variables if v.trainable],
        )  # fmt: skip
        for key in ("first", "last", "biased_first", "biased_last"):
            ours[key] = self._renamed(self.source.get(ours[key]))
        theirs = {**theirs, **{key: self.target.get(theirs[key]) for key in ("first", "last")}}
        extra = [name for name in ours["outputs"] if name not in theirs["outputs"]]
        if extra:
            self.findings.notes.append(f"in training mode the source also returns {listed(extra)}")
        if added:
            self.findings.notes.append(
                f"the target has one variable where the source adds two parameters ({listed(added)}): with the same "
                "learning rate the source's sum moves twice as far"
            )
        self.report["training"] = compare_training(spec, before, ours, theirs, self.findings)

    def _homeless(self) -> set[str]:
        """Trainable parameters of the source that no variable of the target is made from: they are not trained."""
        from netglot.verify.recipe import parameters_in, path_of

        used = {path_of(p, self.spec.parameters) for v in self.spec.variables for p in parameters_in(v.recipe)}
        return {path for path in self.paths.values() if path not in used}

    def _dropout(self) -> None:
        inputs = self._batch()
        try:
            ours, theirs = self._both(
                ("dropout", {"inputs": self.source.put(inputs), "runs": DROPOUT_RUNS}),
                (
                    "dropout",
                    {
                        "inputs": self.target.put(to_target(self.spec.inputs, inputs)),
                        "runs": DROPOUT_RUNS,
                        "statistics": [v.path for v in statistics_of(self.spec)],
                    },
                ),
            )
        except _Refused as refused:
            if refused.source is None:
                self._differs_once(f"in training mode only the target fails: {refused.target}")
            return
        found = compare_dropout(ours, theirs, DROPOUT_RUNS, self.findings)
        self.report["training"] = {**(self.report.get("training") or {}), "dropout": found}

    # -- pieces

    def _both(self, ours: tuple[str, dict], theirs: tuple[str, dict]) -> tuple[Any, Any]:
        """One operation on each side at the same time.

        Raises:
            _Refused: an operation raised on one side or on both, and both workers live.
        """
        self.source.send(ours[0], **ours[1])
        self.target.send(theirs[0], **theirs[1])
        results, errors = [], []
        for worker, (op, _) in ((self.source, ours), (self.target, theirs)):
            try:
                results.append(worker.receive(op))
                errors.append(None)
            except OperationError as error:
                results.append(None)
                errors.append(error)
        if any(errors):
            raise _Refused(*errors)
        return results[0], results[1]

    def _differs_once(self, sentence: str) -> None:
        if sentence not in self.findings.differs:
            self.findings.differs.append(sentence)

    def _side(self, one) -> dict[str, Any]:
        shape = [size if isinstance(size, int) else str(size) for size in one.shape]
        order = list(one.permutation) if one.permutation is not None else list(range(len(shape)))
        return {"name": one.name, "dtype": one.dtype, "shape": shape, "permutation": order}


class _Refused(WorkerError):
    """What one or both sides raised."""

    def __init__(self, source: OperationError | None, target: OperationError | None):
        error = source or target
        super().__init__(str(error))
        self.source, self.target = source, target
        self.trace = getattr(error, "trace", "")


def _float32_equal(wanted: np.ndarray, held: np.ndarray) -> bool:
    """Equal but for the last digit of float32."""
    return bool(np.all(np.abs(wanted - held) <= 2.0**-23 * np.abs(wanted)))
