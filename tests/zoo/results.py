"""Results on disk: one JSON line for each network and run, the last line counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".zoo"
RESULTS = FOLDER / "results.jsonl"
SOURCES = FOLDER / "sources"


def load(path: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """The last record of each network; one that was verified counts more than one that was not."""
    found: dict[str, dict[str, Any]] = {}
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:  # an interrupted run left half a line
            continue
        found[record["name"]] = record
    return found


def append(record: dict[str, Any], path: Path = RESULTS) -> None:
    """Adds one record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
