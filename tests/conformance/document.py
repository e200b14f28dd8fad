"""The results as a document."""

from __future__ import annotations

from collections import Counter
from typing import Any

Known = dict[tuple[str, str, int], dict[str, Any]]


def _counts(known: Known, kind: str) -> dict[str, Counter]:
    rows: dict[str, Counter] = {}
    for (held, entry, _), record in known.items():
        if held == kind:
            rows.setdefault(entry, Counter())[record["verdict"]] += 1
    return rows


def summary(known: Known) -> str:
    lines = []
    for kind in ("module", "op"):
        total = sum(_counts(known, kind).values(), Counter())
        cases = sum(total.values()) - total["invalid"]
        share = total["right"] / cases if cases else 0
        lines.append(f"{kind}: {cases} cases, {share:.1%} right, {dict(total)}")
    return "\n".join(lines)


def render(known: Known, excluded) -> str:
    return summary(known)
