"""Only a source that parts from itself is compared again with smaller steps."""

from types import SimpleNamespace

import pytest

from netglot.verify.findings import Findings
from netglot.verify.plan import CALMER, Lesson, _Verification


def lessons(monkeypatch, own):
    """The rates at which both sides were trained, and the verdict, where they part at the first rate only."""
    seen = []

    def taught(self, lesson, rate):
        seen.append(rate)
        findings, same = Findings(), rate < 1
        if not same:
            findings.differs.append("training parts")
        return {"same": same, "losses": {"source": [1.0], "target": [1.0], "max_rel": 1e-4}}, findings

    monkeypatch.setattr(_Verification, "_taught", taught)
    monkeypatch.setattr(_Verification, "_unsteadiness", lambda self, lesson, rate, losses: own)
    it = object.__new__(_Verification)
    it.pair = SimpleNamespace(set_random=lambda: None)
    it.findings, it.report = Findings(), {}
    it._compared(Lesson({}, {}, []), 1.0)
    return seen, it.findings.verdict


@pytest.mark.parametrize("own, expected", [(1e-5, ([1.0, 1.0 / CALMER], "equivalent")), (1e-12, ([1.0], "different"))])
def test_a_steady_source_stays_different(monkeypatch, own, expected):
    assert lessons(monkeypatch, own) == expected
