"""Only a source that parts from itself is compared again: with smaller steps, or with smaller weights."""

from types import SimpleNamespace

import numpy as np
import pytest

from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph, Value
from netglot.pivot.op import TensorType
from netglot.verify.compare import Comparison
from netglot.verify.findings import Findings
from netglot.verify.gradients import _measured
from netglot.verify.lessons import CALMER, Lesson, Lessons
from netglot.verify.plan import CALMED, OWN, RANDOM, Judged, Options, Run, _runs, _Verification
from netglot.verify.process import OperationError
from netglot.verify.spec import spec_from_graph
from netglot.verify.steadiness import calmed, sensitivity


def lessons(monkeypatch, own):
    """The rates at which both sides were trained, and the verdict, where they part at the first rate only."""
    seen = []

    def taught(self, lesson, rate):
        seen.append(rate)
        findings, same = Findings(), rate < 1
        if not same:
            findings.differs.append("training parts")
        return {"same": same, "losses": {"source": [1.0], "target": [1.0], "max_rel": 1e-4}}, findings

    monkeypatch.setattr(Lessons, "_taught", taught)
    monkeypatch.setattr(Lessons, "_unsteadiness", lambda self, lesson, rate, losses: own)
    it = object.__new__(Lessons)
    it.pair, it.findings = SimpleNamespace(set_random=lambda: None), Findings()
    it._compared(Lesson({}, {}, []), 1.0)
    return seen, it.findings.verdict


@pytest.mark.parametrize("own, expected", [(1e-5, ([1.0, 1.0 / CALMER], "equivalent")), (1e-12, ([1.0], "different"))])
def test_a_steady_source_stays_different(monkeypatch, own, expected):
    assert lessons(monkeypatch, own) == expected


class Logistic:
    """A source of `steps` steps of the logistic map, whose differences double with each step."""

    def __init__(self, steps):
        self.steps = steps

    def put(self, arrays):
        return dict(arrays)

    def get(self, arrays):
        return arrays

    def request(self, op, inputs):
        x = inputs["x"]
        for _ in range(self.steps):
            x = 4 * x * (1 - x)
        return {"output": x}


@pytest.mark.parametrize("steps, low, high", [(1, 0.0, 1e-13), (100, 1e-2, 3.0)])
def test_a_source_is_asked_how_far_it_parts_from_itself(steps, low, high):
    inputs = {"x": np.linspace(0.1, 0.4, 7, dtype="float32"), "ids": np.arange(3)}
    assert low <= sensitivity(Logistic(steps), inputs) <= high
    assert sensitivity(Logistic(steps), {"x": np.arange(3)}) == 0.0


def judged(states, own, calm):
    """The verdict where one output differs by a tenth in these states, and the source parts from itself by `own`."""
    run = Run("batch 3", {})
    it = object.__new__(_Verification)
    it.pair = SimpleNamespace(set_random=lambda: None, random={})
    it.spec = SimpleNamespace(roles={})
    it.findings, it.report, it.wrong = Findings(), {}, None
    it._sensitivity = lambda state, run: own

    def one(state, same):
        off = 0.0 if same else 0.1
        return Judged(Comparison("output", same, off, 1.0, reason="off"), run, "float64", state, "output")

    it._judge = lambda state: [one(state, calm)] if state == CALMED else []
    it._conclude(it._comparable([one(state, state not in states) for state in (OWN, RANDOM)]))
    return it.findings.verdict, len(it.findings.notes)


@pytest.mark.parametrize(
    "states, own, calm, expected",
    [
        ([OWN], 1e-12, True, ("different", 0)),
        ([OWN], 1e-2, True, ("equivalent", 1)),
        ([OWN, RANDOM], 1e-2, True, ("equivalent", 2)),
        ([OWN, RANDOM], 1e-2, False, ("different", 2)),
        ([OWN, RANDOM], 1e-12, True, ("different", 0)),
    ],
)
def test_only_a_sensitive_source_is_judged_elsewhere(states, own, calm, expected):
    assert judged(states, own, calm) == expected


class Precise:
    """A source of `steps` steps of the logistic map, computed in the dtype that it is set to."""

    dtype = "float64"

    def __init__(self, steps):
        self.steps = steps

    def put(self, arrays):
        return dict(arrays)

    def get(self, arrays):
        return arrays

    def request(self, op, inputs=None, dtype=None):
        if op == "set_dtype":
            self.dtype = dtype
        return Logistic(self.steps).request("run", {"x": inputs["x"].astype(self.dtype)}) if op == "run" else None


@pytest.mark.parametrize("steps, off, expected", [(60, 0.3, "equivalent"), (1, 1e-5, "different")])
def test_a_source_that_float32_throws_off_is_asked_again(steps, off, expected):
    """What one draw of its noise happens to hide, others show; a source without noise stays as strict as it is."""
    run, it = Run("batch 3", {"x": np.linspace(0.1, 0.4, 7, dtype="float32")}), object.__new__(_Verification)
    source = Precise(steps)
    it.pair = SimpleNamespace(source=source, set_random=lambda: None)
    it.options, it.findings, it.report, it.wrong, it.refusal = Options(), Findings(), {}, None, None
    it.spec = SimpleNamespace(outputs=[SimpleNamespace(name="output", permutation=None)])
    exact = source.request("run", run.inputs)
    lucky = {"output": exact["output"].astype("float32")}
    theirs = {"output": (exact["output"] + off).astype("float32")}
    it.single = {(RANDOM, run): (lucky, theirs)}
    odd = Judged(Comparison("output", False, off, 1.0, reason="off"), run, "float32", RANDOM, "output")
    right = Judged(Comparison("output", True), run, "float64", RANDOM, "output")
    it._conclude(it._steadied([right, odd]))
    assert it.findings.verdict == expected and source.dtype == "float64"
    wrong = Judged(Comparison("output", False, off, 1.0, reason="off"), run, "float64", RANDOM, "output")
    assert it._steadied([wrong, odd])[1] is odd


def test_smaller_weights_are_those_that_multiply():
    drawn = {name: np.ones(2, "float32") for name in ("w", "b")}
    smaller = calmed(drawn, {"w": "weight", "b": "bias"})
    assert smaller["w"].tolist() == [0.5, 0.5] and smaller["b"].tolist() == [1.0, 1.0]
    assert smaller["w"].dtype == np.float32


def test_a_source_of_short_tables_is_given_short_sequences(monkeypatch):
    it = object.__new__(_Verification)
    it.pair = SimpleNamespace(set_random=lambda: None)
    it.options, it.findings, it.single, it.refusal = Options(), Findings(), {}, None
    time = Dim.symbol("T")
    value = Value("x", TensorType("float32", (Dim.symbol("B"), time)))
    it.spec = spec_from_graph(Graph("Net", [value], {}, [], {"out": value}), [])
    it.runs = _runs(it.spec, it.options)

    def run(self, one):
        if one.inputs["x"].shape[1] <= 4:
            return {}, {}
        self.runs.remove(one)
        self.refusal = OperationError("too long", kind="ValueError", trace="")
        self.findings.notes.append("could not be compared")

    monkeypatch.setattr(_Verification, "_run", run)
    it._outputs_single()
    assert {state for state, _ in it.single} == {OWN, RANDOM} and it.spec.sizes["T"] == 3
    assert it.findings.notes[0].startswith("sizes above 3 could not be compared")


def test_a_gradient_of_nothing_but_noise_is_a_part_of_the_largest():
    noise, odd = (Comparison("key.bias", True, off, 2e-14, allowed=1e-12) for off in (3e-14, 3e-11))
    assert _measured(noise, 1e-12, 1.0).max_rel == 3e-14 and _measured(odd, 1e-12, 1.0) is odd
