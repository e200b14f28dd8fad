"""What both sides learn: gradients, some steps of training, and what dropout leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netglot.verify.findings import Findings, listed
from netglot.verify.gradients import compare_gradients
from netglot.verify.inputs import make_inputs, permute
from netglot.verify.pair import Arrays, Pair, Refused
from netglot.verify.process import OperationError
from netglot.verify.recipe import parameters_in, path_of
from netglot.verify.steadiness import UNSTEADY
from netglot.verify.training import added_parameters, compare_dropout, compare_training, statistics_of

DROPOUT_RUNS = 8
CALMER = 100
"""So many times smaller are the steps of a second lesson, where the first one was unstable."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """One batch to train on, and the source's parameters that are not trained."""

    inputs: Arrays
    targets: Arrays
    frozen: list[str]


class Lessons:
    """The lessons of one pair; each gives its part of the report and tells `findings` of it."""

    def __init__(self, pair: Pair, findings: Findings, *, seed: int, steps: int):
        self.pair, self.spec, self.findings = pair, pair.spec, findings
        self.seed, self.steps = seed, steps

    def _batch(self) -> Arrays:
        """Inputs without ties, three examples where the batch is symbolic."""
        sizes = {s: 3 if s in self.spec.batch_symbols else n for s, n in self.spec.sizes.items()}
        return make_inputs(self.spec.inputs, sizes, kind="smooth", seed=self.seed)

    def _floating(self, inputs: Arrays) -> Arrays:
        """The source's outputs of floats on these inputs, in float64."""
        source = self.pair.source
        outputs = source.get(source.request("run", inputs=source.put(inputs)))
        return {o.name: outputs[o.name] for o in self.spec.outputs if outputs[o.name].dtype.kind == "f"}

    def _to_target(self, outputs: Arrays) -> list:
        orders = {o.name: o.permutation for o in self.spec.outputs}
        return self.pair.target.put({name: permute(array, orders[name]) for name, array in outputs.items()})

    def gradients(self) -> dict[str, Any] | None:
        """The gradients of one random sum of all outputs; None where no output is a float."""
        inputs, pair = self._batch(), self.pair
        generator = np.random.default_rng(self.seed)
        cotangents = {name: generator.normal(size=a.shape) for name, a in self._floating(inputs).items()}
        if not cotangents:
            self.findings.notes.append("no output is a float, so there are no gradients")
            return None
        ours, theirs = pair.inputs(inputs)
        paths = [v.path for v in self.spec.variables if v.trainable]
        ours, theirs = pair.both(
            ("gradients", {"inputs": ours, "cotangents": pair.source.put(cotangents)}),
            ("gradients", {"inputs": theirs, "cotangents": self._to_target(cotangents), "paths": paths}),
        )
        source, target = pair.renamed(pair.source.get(ours)), pair.target.get(theirs)
        return compare_gradients(self.spec, source, target, self.findings)

    def training(self) -> dict[str, Any] | None:
        """Some steps of training from random weights; None where nothing can be trained."""
        inputs, spec, pair = self._batch(), self.spec, self.pair
        generator = np.random.default_rng(self.seed + 1)
        targets = {
            name: generator.normal(size=a.shape) * (float(np.sqrt(np.mean(a**2))) or 1.0)
            for name, a in self._floating(inputs).items()
        }
        if not targets or not any(v.trainable for v in spec.variables):
            return None
        added = added_parameters(spec)
        lesson = Lesson(
            inputs, targets, pair.names(sorted({p for ps in added.values() for p in ps} | self._homeless()))
        )
        try:
            rate = pair.source.request(
                "rate",
                inputs=pair.source.put(inputs),
                targets=pair.source.put(targets),
                frozen=lesson.frozen,
            )
        except OperationError as error:
            self.findings.notes.append(f"the source cannot be trained on this batch: {error}")
            return None
        found = self._compared(lesson, rate)
        if added:
            self.findings.notes.append(
                f"the target has one variable where the source adds two parameters ({listed(added)}): with the same "
                "learning rate the source's sum moves twice as far"
            )
        return found

    def _compared(self, lesson: Lesson, rate: float) -> dict[str, Any]:
        """Both sides trained, once more with smaller steps where the source parts from itself as well."""
        found, findings = self._taught(lesson, rate)
        own = 0.0 if found["same"] else self._unsteadiness(lesson, rate, found["losses"]["source"])
        if not found["same"] and own * UNSTEADY >= found["losses"]["max_rel"]:
            self.pair.set_random()
            gently, quiet = self._taught(lesson, rate / CALMER)
            if gently["same"]:
                quiet.notes.append(
                    f"at a rate of {rate:.1e} training is unstable on these weights: a rounding error moves the "
                    f"source's own losses by {own:.1e}; at {rate / CALMER:.1e} both sides go the same way"
                )
                found, findings, rate = gently, quiet, rate / CALMER
        self.findings.differs += findings.differs
        self.findings.notes += findings.notes
        return {"rate": rate, **found}

    def _unsteadiness(self, lesson: Lesson, rate: float, losses: list[float]) -> float:
        """How far the source's own losses move when the targets differ by a rounding error; the state is spent."""
        self.pair.set_random()
        source = self.pair.source
        given, _ = self.pair.inputs(lesson.inputs)
        targets = source.put({name: array * (1 + 2.0**-50) for name, array in lesson.targets.items()})
        again = source.request(
            "train", inputs=given, targets=targets, rate=rate, steps=self.steps, frozen=lesson.frozen
        )
        for key in ("first", "last", "biased_first", "biased_last"):
            source.get(again[key])
        scale = max(abs(losses[0]), 1e-300)
        return max(abs(a - b) for a, b in zip(losses, again["losses"], strict=True)) / scale

    def _taught(self, lesson: Lesson, rate: float) -> tuple[dict[str, Any], Findings]:
        """Both sides trained from the present state: how alike they went, and what is to be said of it."""
        spec, pair, findings = self.spec, self.pair, Findings()
        before, given = pair.own_state(), pair.inputs(lesson.inputs)
        paths, statistics = [v.path for v in spec.variables if v.trainable], [v.path for v in statistics_of(spec)]
        common = {"steps": self.steps, "rate": rate}
        ours, theirs = pair.both(
            (
                "train",
                {"inputs": given[0], "targets": pair.source.put(lesson.targets), "frozen": lesson.frozen, **common},
            ),
            (
                "train",
                {
                    "inputs": given[1],
                    "targets": self._to_target(lesson.targets),
                    "paths": paths,
                    "statistics": statistics,
                    **common,
                },
            ),
        )
        for key in ("first", "last", "biased_first", "biased_last"):
            ours[key] = pair.renamed(pair.source.get(ours[key]))
            theirs[key] = pair.target.get(theirs[key]) if key in theirs else {}
        extra = [name for name in ours["outputs"] if name not in theirs["outputs"]]
        if extra:
            findings.notes.append(f"in training mode the source also returns {listed(extra)}")
        return compare_training(spec, before, ours, theirs, findings), findings

    def _homeless(self) -> set[str]:
        """Parameters of the source that no variable of the target is made from; they are not trained."""
        used = {path_of(p, self.spec.parameters) for v in self.spec.variables for p in parameters_in(v.recipe)}
        return {path for path in self.pair.paths.values() if path not in used}

    def dropout(self) -> dict[str, Any] | None:
        """How often both sides leave out what they leave out at random; None where the source itself fails."""
        ours, theirs = self.pair.inputs(self._batch())
        statistics = [v.path for v in statistics_of(self.spec)]
        try:
            source, target = self.pair.both(
                ("dropout", {"inputs": ours, "runs": DROPOUT_RUNS}),
                ("dropout", {"inputs": theirs, "runs": DROPOUT_RUNS, "statistics": statistics}),
            )
        except Refused as refused:
            if refused.source is None:
                self.findings.differs_once(f"in training mode only the target fails: {refused.target}")
            return None
        nodes = self.spec.graph.nodes if self.spec.graph is not None else []
        packed = any(getattr(node.op, "mask", None) is not None and hasattr(node.op, "w_hh") for node in nodes)
        return compare_dropout(source, target, DROPOUT_RUNS, self.findings, packed=packed)
