"""The whole of ONNX's conformance suite: `python -m tests.conformance.onnx_run` runs it and writes the document."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("build/conformance_onnx.jsonl")
DOCUMENT = ROOT / "docs" / "conformance-onnx.md"
TARGETS = {
    "pivot": "ONNX to the pivot, computed by the meaning of its ops",
    "torch": "ONNX to PyTorch",
    "keras": "ONNX to Keras",
    "onnx": "ONNX to the pivot to ONNX, in onnxruntime",
}
VERDICTS = ("right", "refused", "wrong", "error")

HEAD = """\
# ONNX's own conformance suite

The `onnx` wheel comes with a test suite for backends: a model of one or a few operators each, with inputs and the
outputs that they must give, and nine whole networks with constant weights (`light_*`). Nobody wrote it for netglot.
`python -m tests.conformance.onnx_run` reads each model, writes it for each target, runs that, and compares every output
in the suite's own tolerances, or in four units of what the dtype can tell apart where that is more. Kinds of dtype and
shapes must be the same. What is written as ONNX passes the checker in full mode first; where onnxruntime has no kernel
for a dtype, ONNX's reference implementation runs it.

*right*: every output agrees. *refused*: netglot says no, with the reason below. *wrong*: an output differs. *error*:
something raises that is no refusal. Some operators take sizes, axes or bounds as inputs, and in the suite these are
inputs of the model; a network whose shapes depend on its data has no form in any target, so netglot asks for their
values and makes constants of them. Such cases are counted in *of these, with inputs fixed*; where nothing but constants
is left, in *of these, constant*.

For comparison, measured with the same suite: onnx2torch passes 322 of the 1884 node tests, onnx2pytorch 1399, and
onnxruntime itself 1423 of all 2024 that are not whole networks.
"""


def main() -> None:
    options = _options()
    if not options.report:
        _run(options)
    known = load(options.results)
    DOCUMENT.write_text(render(known), encoding="utf-8")
    print(summary(known))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.conformance.onnx_run", description=__doc__)
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="one of the targets; all of them")
    parser.add_argument("--only", default="", help="part of the names of cases")
    parser.add_argument("--fresh", action="store_true", help="forget the results so far")
    parser.add_argument("--report", action="store_true", help="write the document from the results so far")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def load(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The results so far, by target and case; of several for one case, the last."""
    known = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        record = json.loads(line)
        known[record["target"], record["case"]] = record
    return known


def _run(options: argparse.Namespace) -> None:
    from tests.conformance.onnx_check import check
    from tests.conformance.onnx_db import cases

    if options.fresh:
        options.results.unlink(missing_ok=True)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    known = load(options.results)
    with options.results.open("a", encoding="utf-8") as file:
        for target in options.target or TARGETS:
            start, count = time.perf_counter(), 0
            for case in cases():
                if options.only not in case.name or ((target, case.name) in known and not options.only):
                    continue
                found = check(case, target)[target]
                record = {"target": target, "case": case.name, "kind": case.kind, **vars(found)}
                file.write(json.dumps(record) + "\n")
                file.flush()
                count += 1
                if found.verdict in ("wrong", "error"):
                    print(f"{target} {case.name} {found.verdict}: {found.detail}", flush=True)
            print(f"{target}: {count} cases in {time.perf_counter() - start:.0f} s", flush=True)


def _counts(known, target: str, kinds: tuple[str, ...] | None = None) -> Counter:
    found: Counter = Counter()
    for (held, _), record in known.items():
        if held != target or (kinds and record["kind"] not in kinds):
            continue
        found[record["verdict"]] += 1
        if record["verdict"] == "right":
            found["fixed"] += bool(record["fixed"])
            found["constant"] += bool(record["constant"])
    return found


def summary(known) -> str:
    """One line a target."""
    lines = []
    for target in TARGETS:
        found = _counts(known, target)
        lines.append(f"{target}: " + ", ".join(f"{found[v]} {v}" for v in VERDICTS))
    return "\n".join(lines)


def render(known) -> str:
    """The document."""
    parts = [HEAD]
    groups = {
        "Node tests": ("node",),
        "Models": ("simple", "pytorch-operator", "pytorch-converted"),
        "Networks": ("light",),
    }
    for title, kinds in groups.items():
        lines = [
            f"## {title}",
            "",
            "| way | cases | right | of these, with inputs fixed | of these, constant | refused | wrong | error |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for target, name in TARGETS.items():
            found = _counts(known, target, kinds)
            total = sum(found[v] for v in VERDICTS)
            numbers = [total, found["right"], found["fixed"], found["constant"], *(found[v] for v in VERDICTS[1:])]
            lines.append(f"| {name} | " + " | ".join(map(str, numbers)) + " |")
        parts.append("\n".join(lines) + "\n")
    parts.append(_refusals(known))
    return "\n".join(parts)


def _refusals(known) -> str:
    """Why cases are refused, and how many by each reason."""
    reasons: dict[str, dict[str, int]] = {}
    for (target, _), record in known.items():
        if record["verdict"] == "refused":
            held = reasons.setdefault(record["detail"], {})
            held[target] = held.get(target, 0) + 1
    lines = [
        "## Why cases are refused",
        "",
        f"| reason | {' | '.join(TARGETS)} |",
        "| --- |" + " ---: |" * len(TARGETS),
    ]
    for reason, held in sorted(reasons.items(), key=lambda item: (-max(item[1].values()), item[0])):
        cells = " | ".join(str(held.get(target, "")) for target in TARGETS)
        lines.append(f"| {reason.replace('|', chr(92) + '|')} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
