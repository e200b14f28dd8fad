"""The report as a person reads it in the terminal. It is drawn from the record that `report.json` holds, so the two
cannot tell different things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    _show_lines(console, list(_lines(record)))
    show_places(console, "not the same", record.get("differences") or ())
    show_refused(console, record.get("refused") or ())
    if record.get("trace"):
        show_trace(console, record["trace"])


def _show_lines(console: Console, lines: list[tuple[str, str]]) -> None:
    """Labelled lines: folded beside their labels on a terminal, unbroken elsewhere."""
    if not console.is_terminal:
        for label, value in lines:
            console.print(Text(f"{label:<12}{value}"), soft_wrap=True)
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for label, value in lines:
        table.add_row(Text(label, style="dim", no_wrap=True), Text(value))
    console.print(table)


def _lines(record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, label in (("inputs", "in"), ("outputs", "out")):
        for tensor in record.get(key) or ():
            yield label, _tensor(tensor)
    for key, tell in _TOLD.items():
        if record.get(key) is not None and (said := tell(record[key])):
            yield _LABELS.get(key, key), said


def _tensor(tensor: Mapping[str, Any]) -> str:
    shape = ", ".join(map(str, tensor.get("shape", ())))
    permutation = list(tensor.get("permutation") or ())
    moved = "" if permutation == sorted(permutation) else f"   axes {tuple(permutation)} of the source"
    return f"{tensor.get('name')}: {tensor.get('dtype')}({shape}){moved}"


def number(value: Any) -> str:
    """A measured number in two digits; the report holds infinities and NaN as text."""
    return f"{value:.2g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _sizes(found: Mapping[str, Any]) -> str:
    return f"largest difference {number(found.get('max_abs'))}, relative {number(found.get('max_rel'))}"


def _gradients(found: Mapping[str, Any]) -> str:
    counts = [f"{found[key]:,} {key}" for key in ("parameters", "inputs") if found.get(key)]
    return _sizes(found) + (f", of {' and '.join(counts)}" if counts else "")


def _training(found: Mapping[str, Any]) -> str:
    parts = []
    if found.get("steps"):
        apart = (found.get("losses") or {}).get("max_rel")
        parts.append(f"{found['steps']} steps, losses apart by {number(apart)}")
    for key in ("parameters", "statistics"):
        if (found.get(key) or {}).get("compared"):
            parts.append(f"{key} by {number(found[key].get('max_rel'))}")
    if (found.get("dropout") or {}).get("places"):
        places = found["dropout"]["places"]
        parts.append(f"dropout in {places} place{'s' * (places != 1)}")
    return ", ".join(parts)


def _parameters(found: Mapping[str, Any]) -> str:
    sides = [
        f"{side.get('trainable', 0):,} trainable and {side.get('frozen', 0):,} not"
        for side in (found.get("source") or {}, found.get("target") or {})
    ]
    return sides[0] if sides[0] == sides[1] else f"source {sides[0]}; target {sides[1]}"


def _difference(found: Mapping[str, Any]) -> str:
    place = "  ".join(str(found[key]) for key in ("op", "module", "site") if found.get(key))
    if found.get("source") is None:
        return f"{place}: {found.get('reason') or ''}"
    at = list(found.get("index") or ())
    return f"{place}: at {at} the source has {found['source']} and the target {found['target']}"


def _imprecisions(found: Iterable[Mapping[str, Any]]) -> str:
    return "; ".join(f"{k['op']}, {k['nodes']} times, {number(k['size'])}: {k['reason']}" for k in found)


def _phases(phases: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(_phase(phase) for phase in phases)


def _phase(phase: Mapping[str, Any]) -> str:
    peak = phase.get("peak_bytes") or 0
    peak = max(peak.values(), default=0) if isinstance(peak, Mapping) else peak
    memory = f" {peak / 2**20:,.0f} MiB" if peak else ""
    return f"{phase.get('name')} {phase.get('seconds', 0.0):.1f} s{memory}"


_LABELS = {"first_difference": "first", "known_imprecisions": "imprecise"}

_TOLD: dict[str, Callable[[Any], str]] = {
    "first_difference": _difference,
    "float64": _sizes,
    "float32": _sizes,
    "gradients": _gradients,
    "training": _training,
    "parameters": _parameters,
    "known_imprecisions": _imprecisions,
    "transposes": number,
    "phases": _phases,
}
"""How each entry of the record is told, in order."""


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
    return "  ".join(str(place[key]) for key in ("where", "what", "site", "reason", "text", "size") if place.get(key))


def show_refused(console: Console, refused: Iterable[Mapping[str, Any]]) -> None:
    """One entry for each distinct refusal: the first place, how many more, the reason, and what to do."""
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for one in refused:
        groups.setdefault((one.get("what"), one.get("kind"), one.get("reason")), []).append(one)
    for (what, kind, reason), places in groups.items():
        first = places[0]
        more = f"({len(places)} places)" if len(places) > 1 else ""
        head = [first.get("where") or "(top level)", what, first.get("site"), more]
        console.print(Text("  " + "    ".join(str(part) for part in head if part)), soft_wrap=True)
        console.print(Text(f"      {kind}: {reason}"), soft_wrap=True)
        if first.get("advice"):
            console.print(Text.assemble(("      -> ", "cyan"), str(first["advice"])), soft_wrap=True)


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
    """A plain table, unbroken where no terminal folds it."""
    if not console.is_terminal:
        lines = [columns, *([str(cell) for cell in row] for row in rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns) - 1)] + [0]
        for line in lines:
            padded = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            console.print(Text(padded.rstrip()), soft_wrap=True)
        return
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
