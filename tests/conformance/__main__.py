"""Runs PyTorch's test databases through PyTorch to Keras and writes docs/conformance.md.

python -m tests.conformance                          all of it; goes on where it stopped
python -m tests.conformance --only 'nn.Conv' -v      the entries whose names match, with what went wrong
python -m tests.conformance --first 3                three cases of each entry
python -m tests.conformance --again wrong,error      once more what ended so
python -m tests.conformance --fresh                  forget what is known
"""

from __future__ import annotations

import argparse
import json
import os
import re
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tests.conformance import document, selection, torch_db, workers

RESULTS = Path("build/conformance.jsonl")
DOCUMENT = Path("docs/conformance.md")


def main() -> None:
    """The command line."""
    options = _options()
    warnings.simplefilter("ignore")
    options.results.parent.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        options.results.unlink(missing_ok=True)
    known = load(options.results)
    if not options.report:
        _run(options, known)
    known = {key: record for key, record in known.items() if key[0] == "module" or not selection.excluded(key[1])}
    if not options.only:
        DOCUMENT.write_text(document.render(known, selection.left_out()), encoding="utf-8")
    Console().print(document.summary(known), highlight=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="a regular expression for the names of entries")
    parser.add_argument("--kind", choices=("module", "op"), help="one of the two databases")
    parser.add_argument("--first", type=int, help="only so many cases of each entry")
    parser.add_argument("--again", default="", help="verdicts whose cases run once more, separated by commas")
    parser.add_argument("--all", action="store_true", help="entries that are left out, too")
    parser.add_argument("--fresh", action="store_true", help="forget the results so far")
    parser.add_argument("--report", action="store_true", help="write the document from the results so far")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0, help="the time limit of one case")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("-v", "--verbose", action="store_true", help="print what is not right as it comes")
    return parser.parse_args()


def load(path: Path) -> dict[tuple[str, str, int], dict]:
    """The results so far; of several for one case, the last."""
    known = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # the line at which an earlier run was stopped
                continue
            known[record["kind"], record["entry"], record["index"]] = record
    return known


def _run(options, known) -> None:
    tasks = list(_tasks(options, known))
    total = sum(len(t.indices) for t in tasks)
    console = Console()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress, options.results.open("a", encoding="utf-8") as file:
        bar = progress.add_task("cases", total=total)

        def record(kind, entry, index, lost, outcome, seconds):
            line = {"kind": kind, "entry": entry, "index": index, "seconds": round(seconds, 2)}
            if outcome is None:
                line |= {"verdict": "error", "detail": lost}
            else:
                line |= {"verdict": outcome.verdict, "detail": outcome.detail, "reasons": list(outcome.reasons)}
                line["precision"] = outcome.precision
            known[kind, entry, index] = line
            file.write(json.dumps(line) + "\n")
            file.flush()
            progress.update(bar, advance=1, description=f"{entry}"[:40].ljust(40))
            if options.verbose and line["verdict"] != "right":
                console.print(
                    f"{entry} {index} {line['verdict']}: {line.get('reasons') or line['detail']}", markup=False
                )

        workers.run(tasks, workers=options.workers, seconds=options.seconds, record=record)


def _tasks(options, known):
    again = set(options.again.split(",")) - {""}
    for kind in ("module", "op"):
        if options.kind not in (None, kind):
            continue
        for entry in torch_db.entries(kind):
            if options.only and not re.search(options.only, entry):
                continue
            if kind == "op" and not options.all and selection.excluded(entry):
                continue
            count = torch_db.count(kind, entry)
            indices = range(min(count, options.first or count))
            left = [i for i in indices if _wanted(known.get((kind, entry, i)), again)]
            if left:
                yield workers.Task(kind, entry, left, workers.TOGETHER)


def _wanted(record: dict | None, again: set[str]) -> bool:
    return record is None or record["verdict"] in again


if __name__ == "__main__":
    main()
