"""Converts the zoos and writes their pages in docs: `python -m tests.zoo [--no-verify] [--only ...] [--family ...]`.

It goes on where it stopped; a network that has a record is not run again unless `--again` says so.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tests.zoo import results
from tests.zoo.network import Network, catalogue
from tests.zoo.runner import run_all
from tests.zoo.table import page, reasons

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    "HF_HUB_OFFLINE": "1",
}
"""What the processes of the networks are started with."""
STYLES = {"equivalent": "green", "unverified": "cyan", "refused": "yellow", "different": "red", "failed": "bold red"}
PAGES = {"keras": "zoo.md", "torch": "zoo-keras.md"}
"""The page of each target; one is written where at least one of its networks has run."""
GOOD = ("equivalent", "unverified", "refused")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("--no-verify", action="store_true", help="convert only; fast")
    parser.add_argument("--no-training", action="store_true", help="compare outputs and gradients only; faster")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names or patterns: resnet18, 'timm/*vit*'")
    parser.add_argument("--family", nargs="+", help="families: ResNet, 'Swin v2', byobnet")
    parser.add_argument("--again", nargs="*", metavar="VERDICT", help="run again (only these verdicts: failed refused)")
    parser.add_argument("--time-limit", type=float, default=900.0, help="seconds for one network")
    parser.add_argument("--memory-limit", type=float, default=10.0, help="GiB for one network")
    parser.add_argument("--list", action="store_true", help="print the networks and stop")
    parser.add_argument("--table", action="store_true", help="write the pages from what is there and stop")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace, networks: dict[str, Network], known: dict[str, Any]) -> list[str]:
    """The names of the networks to run."""
    names = []
    for name, network in networks.items():
        if options.family and network.family not in options.family:
            continue
        if options.only and not any(_matches(pattern, network) for pattern in options.only):
            continue
        if not _settled(known.get(name), options):
            names.append(name)
    return names


def _matches(pattern: str, network: Network) -> bool:
    return fnmatch.fnmatch(network.name, pattern) or fnmatch.fnmatch(network.variant, pattern)


def _settled(record: dict[str, Any] | None, options: argparse.Namespace) -> bool:
    """Whether a network has the record that is asked for."""
    if record is None or options.again == [] or (options.again and record["verdict"] in options.again):
        return False
    return options.no_verify or bool(record["verify"])


def main(arguments: list[str]) -> int:
    """Runs, tells, and writes the page."""
    options = parse(arguments)
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    networks, console = catalogue(), Console()
    if options.list:
        console.print("\n".join(networks))
        return 0
    known = results.load()
    names = [] if options.table else chosen(options, networks, known)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("zoo", total=len(names))

        def done(record: dict[str, Any]) -> None:
            results.append(record)
            known[record["name"]] = record
            _tell(progress.console, record)
            progress.advance(task)

        run_all(
            names,
            verify=not options.no_verify,
            training=not options.no_training,
            time_limit=options.time_limit,
            memory_limit=options.memory_limit * 2**30,
            sources=results.SOURCES,
            done=done,
        )
    for to, name in PAGES.items():
        if any(network.to == to and network.name in known for network in networks.values()):
            (results.ROOT / "docs" / name).write_text(page(networks, known, to), encoding="utf-8")
            console.print(f"docs/{name} is written")
    return any(known[name]["verdict"] not in GOOD for name in networks if name in known)


def _tell(console: Console, record: dict[str, Any]) -> None:
    verdict = record["verdict"]
    facts = [f"{record.get('wall_seconds', 0):.0f} s"]
    facts += [f"{record[key]} {key}" for key in ("lines", "longest", "transposes") if record.get(key) is not None]
    console.print(
        f"[{STYLES[verdict]}]{verdict:<11}[/] {record['name']:<45} {', '.join(facts)}", highlight=False, soft_wrap=True
    )
    for reason in reasons(record):
        console.print(f"            {reason}", style="dim", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
