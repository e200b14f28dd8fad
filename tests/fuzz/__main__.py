"""`python -m tests.fuzz N` proves N random networks and prints each failure as a minimal network."""

from __future__ import annotations

import argparse
import collections
import importlib
import os
import random
import sys
from typing import Any

for variable, value in (("KERAS_BACKEND", "tensorflow"), ("TF_CPP_MIN_LOG_LEVEL", "3")):
    os.environ.setdefault(variable, value)

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: E402
from tests.fuzz.networks import Network, networks  # noqa: E402
from tests.fuzz.prove import prove  # noqa: E402

CHUNK = 250
"""Networks in one run of hypothesis; the first failure ends a run, and the next one begins."""


class Wrong(AssertionError):
    """A network whose proof failed; hypothesis shrinks until it is minimal."""


class Hunt:
    """Random networks, proven one after the other, until there were enough."""

    def __init__(self, wanted: int, start: int, console: Console, *, shrink: bool = True, prove: Any = prove):
        self.prove = prove
        self.wanted, self.start, self.console, self.shrink = wanted, start, console, shrink
        self.verdicts: collections.Counter[str] = collections.Counter()
        self.reasons: collections.Counter[str] = collections.Counter()
        self.failures: list[tuple[Network, Any]] = []

    def run(self) -> None:
        """Proves all and shows how far it is."""
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            task = progress.add_task("networks", total=self.wanted)
            number = 0
            while (left := self.wanted - sum(self.verdicts.values())) > 0:
                self._chunk(self.start + number, min(left, CHUNK), lambda: progress.advance(task))
                number += 1

    def _chunk(self, number: int, size: int, advance) -> None:
        shrinking, last = [False], []

        @seed(number)
        @settings(
            max_examples=size, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False, verbosity=Verbosity.quiet,
        )  # fmt: skip
        @given(networks())
        def prove_one(network):
            outcome = self.prove(network)
            if not shrinking[0]:
                self._count(outcome)
                advance()
            if outcome.verdict == "wrong" and not self.shrink:
                self.failures.append((network, outcome))
                self._tell(network, outcome)
            elif outcome.verdict == "wrong":
                shrinking[0] = True
                last[:] = [(network, outcome)]
                raise Wrong

        try:
            prove_one()
        except Wrong:
            self.failures += last
            self._tell(*last[0])

    def _count(self, outcome) -> None:
        self.verdicts[outcome.verdict] += 1
        if outcome.verdict != "right":
            self.reasons[f"{outcome.verdict}: {outcome.detail}"] += 1

    def _tell(self, network: Network, outcome) -> None:
        self.console.print(f"\n[bold red]wrong[/]: {outcome.detail}", highlight=False)
        self.console.print(f"{network!r}", markup=False, highlight=False)
        self.console.print(outcome.emitted, markup=False, highlight=False)


def main() -> int:
    """The command line; returns 1 where a network was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("networks", nargs="?", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="starts the generator")
    parser.add_argument("--whole", action="store_true", help="tell failures as they are found, not minimal ones")
    parser.add_argument("--onnx", action="store_true", help="by way of ONNX, instead of to Keras")
    options = parser.parse_args()
    way = importlib.import_module("tests.fuzz.prove_onnx").prove if options.onnx else prove
    console = Console()
    console.print(f"seed {options.seed}")
    hunt = Hunt(options.networks, options.seed, console, shrink=not options.whole, prove=way)
    hunt.run()
    for reason, count in hunt.reasons.most_common(20):
        console.print(f"{count:6} {reason}", markup=False, highlight=False)
    console.print(", ".join(f"{count} {verdict}" for verdict, count in hunt.verdicts.most_common()))
    return 1 if hunt.failures else 0


if __name__ == "__main__":
    sys.exit(main())
