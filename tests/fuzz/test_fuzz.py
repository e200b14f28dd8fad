"""A few hundred random networks: each is right, or refused with a reason; `make fuzz N=10000` tries more."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.fuzz.networks import networks
from tests.fuzz.prove import prove

SHARES = 4
"""So many tests share the networks, so that they run side by side."""

EXAMPLES = 60


@pytest.mark.parametrize("share", range(SHARES))
def test_random_networks_are_never_silently_wrong(share):
    verdicts: list[str] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
    )
    @given(st.just(share), networks())
    def run(_, network):
        outcome = prove(network)
        verdicts.append(outcome.verdict)
        assert outcome.verdict != "wrong", f"{outcome.detail}\n{network!r}\n{outcome.emitted}"

    run()
    assert verdicts.count("right") > 0.6 * len(verdicts), "a generator of what is refused proves nothing"
