"""Random networks by way of ONNX; `python -m tests.fuzz --onnx 1000` tries more."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("keras")

from hypothesis import HealthCheck, Phase, given, settings
from tests.fuzz.networks import networks
from tests.fuzz.prove_onnx import prove

EXAMPLES = 15


def test_random_networks_are_right_in_onnxruntime_and_come_back():
    verdicts: list[str] = []

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False,
    )  # fmt: skip
    @given(networks())
    def run(network):
        outcome = prove(network)
        verdicts.append(outcome.verdict)
        assert outcome.verdict != "wrong", f"{outcome.detail}\n{network!r}\n{outcome.emitted}"

    run()
    assert verdicts.count("right") > 0.6 * len(verdicts), "a generator of what is refused proves nothing"
