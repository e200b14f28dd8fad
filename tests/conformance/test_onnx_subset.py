"""Part of ONNX's conformance suite: by the meaning of the pivot's ops, and in each target.

None may be wrong, and nothing may raise but a refusal. All of it: `python -m tests.conformance --onnx`.
"""

import pytest

pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("keras")

PARTS = 4


def judged(cases, target):
    """What is neither right nor refused, by name, and how many are right."""
    from tests.conformance.onnx_check import check

    outcomes = {case.name: check(case, target)[target] for case in cases}
    bad = {name: f"{o.verdict}: {o.detail}" for name, o in outcomes.items() if o.verdict in ("wrong", "error")}
    return bad, sum(o.verdict == "right" for o in outcomes.values()) / len(outcomes)


def every(step, start):
    from tests.conformance.onnx_db import cases

    return [case for case in cases() if case.kind != "light"][start::step]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_third_case_means_the_same(part):
    bad, right = judged(every(3 * PARTS, 3 * part), "pivot")
    assert not bad
    assert right > 0.8


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_every_thirtieth_case_runs_in(target):
    bad, right = judged(every(30, 7), target)
    assert not bad
    assert right > 0.75
