"""The report of a migration as a person reads it in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from netglot.report.terminal import STYLES


def show(console: Console, report: Mapping[str, Any]) -> None:
    """The verdict, a line for each file and each network, and every mark."""
    verdict = report["verdict"]
    style = "bold yellow" if report.get("marked") and verdict == "equivalent" else STYLES.get(verdict, "bold")
    console.print(Text(report.get("summary", verdict), style=style))
    files = Table("file", "lines", "kept", "rewritten", "marked", "names", "comments", "control flow", box=None)
    for one in report["files"]:
        fidelity = one["fidelity"]
        shares = [f"{fidelity[key]:.0%}" for key in ("names", "comments", "control flow")]
        counts = [str(one[key]) for key in ("lines", "kept", "rewritten")]
        files.add_row(one["path"], *counts, str(len(one["marked"])), *shares)
    console.print(files)
    networks = Table("network", "verdict", "outputs", "gradients", "losses of 20 steps", "weights after", box=None)
    for one in report["networks"]:
        losses = one.get("losses") or {}
        numbers = [
            one.get("outputs_distance"),
            one.get("gradients"),
            losses.get("distance"),
            one.get("weights_distance"),
        ]
        networks.add_row(one["expression"], one["verdict"], *("-" if n is None else f"{n:.1e}" for n in numbers))
    console.print(networks)
    for one in report.get("scripts", ()):
        losses = one.get("losses") or {}
        steps, gap = len(losses.get("source", ())), losses.get("distance")
        told = f": losses of {steps} steps within {gap:.1e}" if gap is not None else ""
        console.print(f"  {one['file']} trained on both sides: {one['verdict']}{told}", markup=False, soft_wrap=True)
        for difference in one.get("differences", ()):
            console.print(f"    {difference}", markup=False, soft_wrap=True)
    for one in report["networks"]:
        for difference in one.get("differences", ()):
            console.print(f"  {one['class']}: {difference}", markup=False, soft_wrap=True)
    for one in report["files"]:
        for mark in one["marked"]:
            console.print(
                f"  {one['path']}:{mark['line']}: {mark['what']}: {mark['reason']}", markup=False, soft_wrap=True
            )
    for note in report["notes"]:
        console.print(f"  {note}", markup=False, soft_wrap=True)
