"""The results as a document: how many cases of each entry are right, and why the others are refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

Known = Mapping[tuple[str, str, int], Mapping[str, Any]]
VERDICTS = ("right", "refused", "wrong", "error")
TITLES = {"module": "`module_db`: modules", "op": "`op_db`: functions"}

HEAD = """\
# PyTorch's own test databases, in Keras

PyTorch tests itself with two databases that come in its wheel: `torch.testing._internal.common_modules.module_db`,
every module with the arguments and inputs that it must work with, and `common_methods_invocations.op_db`, the same for
functions. Nobody wrote them for netglot. `python -m tests.conformance` takes each case in inference, reads it as a
network of fixed sizes, writes it as Keras source, runs that source in Keras (TensorFlow, CPU) with the weights carried
over, and compares every output in double precision: 1e-7 of the output's magnitude, NaN and infinities in the same
places, integers and truth values equal. Constant parameters and statistics are stirred first.

*right*: every output agrees. *refused*: netglot says no, with the reason below. *wrong*: an output differs. *error*:
something raises that is no refusal. Cases that PyTorch itself refuses are not counted.
"""


def rows(known: Known, kind: str) -> dict[str, Counter]:
    """The number of cases of each verdict by entry."""
    found: dict[str, Counter] = {}
    for (held, entry, _), record in known.items():
        if held == kind:
            found.setdefault(entry, Counter())[record["verdict"]] += 1
    return found


def summary(known: Known) -> str:
    """One line a database."""
    lines = []
    for kind in TITLES:
        total = sum(rows(known, kind).values(), Counter())
        cases = sum(total[v] for v in VERDICTS)
        share = total["right"] / cases if cases else 0.0
        numbers = ", ".join(f"{total[v]} {v}" for v in VERDICTS)
        lines.append(f"{kind}: {cases} cases, {share:.1%} right ({numbers})")
    return "\n".join(lines)


def render(known: Known, excluded: Mapping[str, list[str]]) -> str:
    """The whole document. `excluded` lists the names that are left out by the reason."""
    parts = [HEAD, _totals(known)]
    for kind, title in TITLES.items():
        parts.append(f"## {title}\n\n{_table(rows(known, kind), _reasons(known, kind))}")
        parts.append(f"### Why cases of these are refused\n\n{_refusals(known, kind)}")
    parts.append("## Precision\n\n" + _precision(known))
    parts.append("## Functions that are left out\n\n" + _left_out(excluded))
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _totals(known: Known) -> str:
    lines = [
        "| database | entries | cases | right | refused | wrong | error | share right |",
        "| --- |" + " ---: |" * 7,
    ]
    for kind in TITLES:
        found = rows(known, kind)
        total = sum(found.values(), Counter())
        cases = sum(total[v] for v in VERDICTS)
        numbers = " | ".join(str(total[v]) for v in VERDICTS)
        lines.append(f"| `{kind}_db` | {len(found)} | {cases} | {numbers} | {total['right'] / max(cases, 1):.1%} |")
    return "\n".join(lines) + "\n"


def _table(found: Mapping[str, Counter], reasons: Mapping[str, Counter]) -> str:
    lines = [
        "| entry | right | refused | wrong | error | refused because |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for entry, counts in sorted(found.items(), key=lambda item: item[0].lower()):
        numbers = " | ".join(str(counts[v] or "") for v in VERDICTS)
        why = "; ".join(_cell(reason) for reason, _ in reasons.get(entry, Counter()).most_common(2))
        lines.append(f"| `{entry}` | {numbers} | {why} |")
    return "\n".join(lines) + "\n"


def _reasons(known: Known, kind: str) -> dict[str, Counter]:
    found: dict[str, Counter] = {}
    for (held, entry, _), record in known.items():
        if held == kind and record["verdict"] == "refused":
            found.setdefault(entry, Counter()).update(plain(r) for r in record["reasons"])
    return found


def plain(reason: str) -> str:
    """A reason without the numbers and places that differ from case to case."""
    reason = re.sub(r"FakeTensor\(.*|\(unhinted.*|Caused by.*", "", reason)
    return " ".join(reason.split())[:200]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _refusals(known: Known, kind: str) -> str:
    cases: Counter = Counter()
    where: dict[str, dict[str, None]] = {}
    for (held, entry, _), record in known.items():
        if held == kind and record["verdict"] == "refused":
            for reason in map(plain, record["reasons"]):
                cases[reason] += 1
                where.setdefault(reason, {})[entry] = None
    if not cases:
        return "None are."
    lines = ["| cases | reason | entries |", "| ---: | --- | --- |"]
    for reason, count in cases.most_common():
        names = list(where[reason])
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        lines.append(f"| {count} | {_cell(reason)} | {', '.join(f'`{n}`' for n in names[:4])}{more} |")
    return "\n".join(lines) + "\n"


def _precision(known: Known) -> str:
    single = Counter(
        entry for (_, entry, _), r in known.items() if r.get("precision") == "float32" and r["verdict"] == "right"
    )
    if not single:
        return "Every case was compared in double precision.\n"
    names = ", ".join(f"`{entry}` ({count})" for entry, count in sorted(single.items()))
    return (
        "TensorFlow computes some operations in single precision only, or with constants that have single precision's "
        "digits. These cases were compared in float32, where the difference from PyTorch's float64 result may be no "
        f"larger than a small multiple of PyTorch's own float32 noise: {names}.\n"
    )


def _left_out(excluded: Mapping[str, list[str]]) -> str:
    lines = [
        "The other entries of `op_db` are functions that a network's forward does not use, or that have no answer:",
        "",
    ]
    lines += [f"* {reason}: {', '.join(f'`{n}`' for n in sorted(names))}" for reason, names in excluded.items()]
    return "\n".join(lines) + "\n"
