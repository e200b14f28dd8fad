"""Measures and writes docs/benchmarks.md: `python -m benchmarks [--only PART ...] [--rounds N]`.

Each part runs in processes of its own, and its ratios are measured in turns within one of them. What was measured is
kept in build/, so that a part may be measured again without the others.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console

from benchmarks import others
from benchmarks.measure import ROOT, fresh
from benchmarks.networks import GROWING, TITLES
from benchmarks.page import machine, page, summary

NETWORKS = ("resnet50", "vit_b_16")
APPLICATIONS = ("ResNet50", "EfficientNetB0")
KEPT = ROOT / "build" / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"

Step = tuple[str, str, Callable[[], Any]]


def steps(rounds: int) -> Iterator[Step]:
    """Everything that is measured: the part, the name within it, and how."""
    for name in NETWORKS:
        yield "conversion", name, lambda name=name: fresh("benchmarks.conversion", name, str(rounds))
    for name in NETWORKS:
        yield "memory", name, lambda name=name: _memory(name)
    for name in NETWORKS:
        yield "latency", name, lambda name=name: fresh("benchmarks.latency", name, str(rounds))
    for family in GROWING:
        yield "growth", family, lambda family=family: fresh("benchmarks.growth", family)
    for name in APPLICATIONS:
        yield "from keras", name, lambda name=name: _from_keras(name, rounds)
    for name in (*NETWORKS, "gigabyte"):
        yield "onnx", name, lambda name=name: _onnx(name, rounds)
    for converter, name in [("netglot", name) for name in (*NETWORKS, "resnet18")] + others.RUNS:
        key = f"{converter} {name}"
        yield "others", key, lambda converter=converter, name=name: others.measure(converter, name)


def _from_keras(name: str, rounds: int) -> Any:
    try:
        python = others.python_of("tf2onnx")
    except RuntimeError:  # the route through ONNX then says what it lacks
        python = sys.executable
    return fresh("benchmarks.from_keras", name, str(rounds), python=python)


def _onnx(name: str, rounds: int) -> Any:
    return fresh("benchmarks.from_onnx", name, str(rounds), python=others.python_of("onnx2torch"))


def _memory(name: str) -> dict[str, Any]:
    return {
        "convert": fresh("benchmarks.memory", name, "convert", "warm"),
        "convert, first": fresh("benchmarks.memory", name, "convert"),
        "export": fresh("benchmarks.memory", name, "export", "warm"),
    }


def main(arguments: list[str]) -> int:
    """Measures, prints the bars, and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parts = list(dict.fromkeys(part for part, _, _ in steps(1)))
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART", help=", ".join(parts))
    parser.add_argument("--rounds", type=int, default=9, help="rounds in turns that each median is taken from")
    options = parser.parse_args(arguments)
    console = Console()
    known: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for part, name, measure in steps(options.rounds):
        if part not in options.only:
            continue
        title = " ".join(TITLES.get(word, word) for word in name.split())
        with console.status(f"{part}: {title}"):
            known.setdefault(part, {})[name] = measure()
        known["machine"] = machine()
        known.setdefault("rounds", {})[part] = options.rounds
        known.setdefault("load", {})[part] = round(os.getloadavg()[0], 1)
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(known, indent=1))
        console.print(f"[green]measured[/] {part}: {title}")
    PAGE.write_text(page(known), encoding="utf-8")
    for line in summary(known):
        console.print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
