"""The report as a person reads it in the terminal. It is drawn from the record that `report.json` holds, so the two
cannot tell different things.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from netglot.errors import Bug, NetglotError, UserCodeError

STYLES = {"equivalent": "bold green", "different": "bold red", "refused": "bold yellow", "unverified": "bold cyan"}

_SAID = {
    "equivalent": "both compute the same",
    "different": "they do not compute the same",
    "refused": "not carried over",
    "unverified": "not compared",
}


def show_error(console: Console, error: NetglotError) -> None:
    """One line that says what is wrong, the user's own traceback where there is one, and what to do."""
    word = "internal error" if isinstance(error, Bug) else "refused" if error.exit_code == 3 else "error"
    if isinstance(error, UserCodeError) and error.trace:
        console.print(Text(error.trace, style="dim"), soft_wrap=True)
    console.print(Text.assemble((f"{word}: ", "bold red"), error.message), soft_wrap=True)
    if error.advice:
        console.print(Text.assemble(("  -> ", "cyan"), error.advice), soft_wrap=True)


def show_report(console: Console, record: Mapping[str, Any]) -> None:
    """The verdict, the numbers behind it, and everything that is not the same."""
    verdict = record.get("verdict", "unverified")
    console.print(Text.assemble((verdict, STYLES.get(verdict, "bold")), f"  {_SAID.get(verdict, '')}"), soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for label, value in _lines(record):
        table.add_row(Text(label, style="dim"), Text(value))
    console.print(table)
    show_places(console, "not the same", record.get("differences") or ())
    show_places(console, "refused", record.get("refused") or ())
    if record.get("trace"):
        show_trace(console, record["trace"])


def _lines(record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, label in (("inputs", "in"), ("outputs", "out")):
        for tensor in record.get(key) or ():
            yield label, _tensor(tensor)
    for key in ("float64", "float32", "gradients", "training"):
        if record.get(key):
            yield key, _facts(record[key])
    if record.get("parameters"):
        yield "parameters", _facts(record["parameters"])
    if record.get("transposes") is not None:
        yield "transposes", str(record["transposes"])
    if record.get("phases"):
        yield "phases", ", ".join(_phases(record["phases"]))


def _tensor(tensor: Mapping[str, Any]) -> str:
    shape = ", ".join(map(str, tensor.get("shape", ())))
    permutation = list(tensor.get("permutation") or ())
    moved = "" if permutation == sorted(permutation) else f"   axes {tuple(permutation)} of the source"
    return f"{tensor.get('name')}: {tensor.get('dtype')}({shape}){moved}"


def _facts(held: Any) -> str:
    """A nest of facts on one line: `max_abs 1.2e-15, max_rel 3e-14`."""
    if isinstance(held, Mapping):
        return ", ".join(
            f"{key.replace('_', ' ')} ({_facts(value)})" if isinstance(value, Mapping) else f"{key} {_facts(value)}"
            for key, value in held.items()
            if value is not None
        )
    if isinstance(held, list | tuple):
        return ", ".join(_facts(one) for one in held)
    if isinstance(held, bool):
        return "yes" if held else "no"
    if isinstance(held, float):
        return f"{held:.2g}"
    return f"{held:,}" if isinstance(held, int) else str(held)


def _phases(phases: Any) -> Iterable[str]:
    rows = (
        ({"name": name, **_as_mapping(one)} for name, one in phases.items()) if isinstance(phases, Mapping) else phases
    )
    for row in rows:
        memory = row.get("peak_bytes")
        seconds = row.get("seconds")
        yield " ".join(
            part
            for part in (
                str(row.get("name")),
                f"{seconds:.1f} s" if seconds is not None else "",
                f"{memory / 2**20:.0f} MiB" if memory else "",
            )
            if part
        )


def _as_mapping(one: Any) -> Mapping[str, Any]:
    return one if isinstance(one, Mapping) else {"seconds": one}


def show_places(console: Console, title: str, places: Iterable[Any]) -> None:
    """A titled list: sentences, or records of what, where and why."""
    places = list(places)
    if not places:
        return
    console.print(Text(f"{title} ({len(places)})", style="bold"))
    for place in places:
        console.print(Text(f"  {_place(place)}"), soft_wrap=True)
        if isinstance(place, Mapping) and place.get("advice"):
            console.print(Text.assemble(("      -> ", "cyan"), str(place["advice"])), soft_wrap=True)


def _place(place: Any) -> str:
    if not isinstance(place, Mapping):
        return str(place)
    known = [str(place[key]) for key in ("where", "what", "site", "reason", "text", "size") if place.get(key)]
    return "  ".join(known) or _facts(place)


def show_trace(console: Console, rows: Iterable[Mapping[str, Any]]) -> None:
    """The tree of modules, each green where both sides agree, red where they first differ."""
    colours = {"same": "green", "different": "red", "unseen": "dim"}
    tree = Tree(Text("network", style="bold"))
    branches = {"": tree}
    for row in rows:
        path = row.get("path", "")
        if not path:
            continue
        parent = branches.get(path.rpartition(".")[0], tree)
        size = f"  {row['max_abs']:.2g}" if isinstance(row.get("max_abs"), float) else ""
        label = Text.assemble(
            (path.rpartition(".")[2], colours.get(row.get("agreement", ""), "")), f"  {row.get('class', '')}{size}"
        )
        branches[path] = parent.add(label)
    console.print(tree)


def show_table(console: Console, columns: list[str], rows: Iterable[Iterable[Any]]) -> None:
    """A plain table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    console.print(table)


def show_modules(console: Console, modules: Mapping[str, Any], name: str) -> None:
    """The hierarchy of a graph: each module's name and class."""
    root = modules.get("")
    tree = Tree(Text.assemble((name, "bold"), f"  {root.class_name}" if root else ""))
    branches = {"": tree}
    for path, module in modules.items():
        if path:
            parent = branches.get(path.rpartition(".")[0], tree)
            branches[path] = parent.add(Text.assemble((path.rpartition(".")[2], "cyan"), f"  {module.class_name}"))
    console.print(tree)
