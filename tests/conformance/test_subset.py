"""A case of every module and of every third function of PyTorch's test databases.

None may be wrong, and nothing may raise but a refusal. All cases of all entries: `python -m tests.conformance`.
"""

import pytest

pytest.importorskip("torch")
pytest.importorskip("keras")
pytest.importorskip("expecttest")

PARTS = 16
"""The entries are dealt out to so many tests, which run side by side."""

PLACE = 3
"""Which case of an entry is taken, counted from 0; the last one where there are fewer. The first are often the
plainest."""


@pytest.mark.parametrize("part", range(PARTS))
def test_a_case_of_an_entry(part):
    from tests.conformance.check import settle
    from tests.conformance.selection import chosen_entries
    from tests.conformance.torch_db import nth_case

    modules = [chosen for chosen in chosen_entries() if chosen[0] == "module"]
    functions = [chosen for chosen in chosen_entries() if chosen[0] == "op"][::3]
    cases = [nth_case(kind, entry, PLACE) for kind, entry in [*modules, *functions][part::PARTS]]
    outcomes = settle([case for case in cases if case is not None])
    bad = {f"{case.entry} {case.index}": o.detail for case, o in outcomes if o.verdict in ("wrong", "error")}
    assert not bad
    assert sum(outcome.verdict == "right" for _, outcome in outcomes) > len(outcomes) / 2
